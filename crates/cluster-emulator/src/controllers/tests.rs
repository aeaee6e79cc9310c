use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use serde_json::{Value, json};

use super::*;
use crate::{controllers::replica_sets::OwnedPod, world::World};

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn from<K: serde::de::DeserializeOwned>(json: Value) -> K {
    serde_json::from_value(json).unwrap()
}

fn set(replicas: i32) -> ReplicaSet {
    from(json!({
        "metadata": { "name": "web", "namespace": "default", "uid": "set", "generation": 1 },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [] } },
        },
    }))
}

/// A pod, by: name, node, whether it is ready, and when it was created (in seconds).
fn pod(name: &str, node: Option<&str>, ready: bool, born: i64) -> Pod {
    from(json!({
        "metadata": {
            "name": name, "namespace": "default", "uid": name, "labels": { "app": "web" },
            "creationTimestamp": Timestamp::from_second(born).unwrap().to_string(),
        },
        "spec": { "containers": [{ "name": "web", "ports": [{ "name": "http", "containerPort": 8080 }] }], "nodeName": node },
        "status": {
            "phase": if ready { "Running" } else { "Pending" },
            "podIP": ready.then_some("10.0.0.1"),
            "conditions": [{ "type": "Ready", "status": if ready { "True" } else { "False" } }],
        },
    }))
}

fn owned(pod: Pod) -> OwnedPod {
    let ready_for = pods::ready(&pod).then_some(Duration::ZERO);
    OwnedPod { pod: Arc::new(pod), ready_for }
}

fn node(name: &str, pods: usize, spec: &Value) -> scheduler::Occupied {
    let node: Node = from(json!({
        "metadata": { "name": name, "labels": { "kubernetes.io/hostname": name, "topology.kubernetes.io/zone": "1" } },
        "spec": spec,
        "status": { "allocatable": { "pods": "3" }, "conditions": [{ "type": "Ready", "status": "True" }] },
    }));
    scheduler::Occupied { node: Arc::new(node), pods }
}

fn deleted(writes: &[Write]) -> Vec<&str> {
    let mut names = Vec::new();
    for write in writes {
        if let Write::DeletePod { pod, .. } = write {
            names.push(pod.name.as_str());
        }
    }
    names
}

#[test]
fn victims_are_the_unbound_then_the_unready_then_the_youngest() {
    let all = [
        pod("old-ready", Some("n"), true, 1),
        pod("young-ready", Some("n"), true, 9),
        pod("old-unready", Some("n"), false, 2),
        pod("older-unbound", None, false, 0),
    ];
    let all: Vec<OwnedPod> = all.into_iter().map(owned).collect();
    for (replicas, victims) in [
        (4, vec![]),
        (3, vec!["older-unbound"]),
        (2, vec!["older-unbound", "old-unready"]),
        (1, vec!["older-unbound", "old-unready", "young-ready"]),
        (0, vec!["older-unbound", "old-unready", "young-ready", "old-ready"]),
    ] {
        let step = replica_sets::step(&set(replicas), &all, &[], || unreachable!("nothing to create"));
        assert_eq!(deleted(&step.writes), victims, "{replicas}");
    }
}

#[test]
fn a_set_that_is_being_deleted_makes_and_takes_no_pods() {
    for replicas in [0, 5] {
        let mut set = set(replicas);
        set.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now()));
        let step = replica_sets::step(&set, &[owned(pod("a", Some("n"), true, 1))], &[], || unreachable!());
        assert!(matches!(step.writes.as_slice(), [Write::ReplicaSetStatus(_)]), "{:?}", step.writes);
    }
}

#[test]
fn pods_that_end_or_terminate_are_no_replicas() {
    let mut ended = pod("ended", Some("n"), false, 1);
    ended.status.as_mut().unwrap().phase = Some("Failed".to_owned());
    let mut terminating = pod("terminating", Some("n"), true, 1);
    terminating.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now()));
    let step = replica_sets::step(&set(1), &[owned(ended), owned(terminating)], &[], || "new".to_owned());
    let [Write::CreatePod(new), Write::ReplicaSetStatus(set)] = step.writes.as_slice() else { panic!("{step:?}") };
    assert_eq!(new.name_any(), "new");
    let status = set.status.as_ref().unwrap();
    assert_eq!((status.replicas, status.terminating_replicas), (0, Some(1)));
}

#[test]
fn a_status_that_says_it_all_is_not_written_again() {
    let mut set = set(1);
    let pods = [owned(pod("a", Some("n"), true, 1))];
    let step = replica_sets::step(&set, &pods, &[], || unreachable!());
    let [Write::ReplicaSetStatus(written)] = step.writes.as_slice() else { panic!("{step:?}") };
    set.status.clone_from(&written.status);
    assert_eq!(replica_sets::step(&set, &pods, &[], || unreachable!()), replica_sets::Step::default());
}

#[test]
fn pods_go_to_the_emptiest_node_and_no_further_than_its_capacity() {
    let unbound = (0..5).map(|n| Arc::new(pod(&format!("p{n}"), None, false, n))).collect();
    let nodes = vec![node("a", 2, &json!({})), node("b", 0, &json!({}))];
    let placed: Vec<(String, Option<String>)> = scheduler::step(unbound, nodes, now())
        .into_iter()
        .map(|write| match write {
            Write::BindPod { pod, node, .. } => (pod.name, Some(node)),
            Write::PodStatus(pod) => (pod.name_any(), None),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [("p0", Some("b")), ("p1", Some("b")), ("p2", Some("a")), ("p3", Some("b")), ("p4", None)];
    assert_eq!(placed, expected.map(|(pod, node)| (pod.to_owned(), node.map(str::to_owned))));
}

#[test]
fn what_keeps_a_pod_from_the_nodes_is_counted_and_said_once() {
    let mut not_ready = node("not-ready", 0, &json!({}));
    Arc::make_mut(&mut not_ready.node).status.as_mut().unwrap().conditions = None;
    let taint = json!({ "taints": [{ "key": "k", "value": "v", "effect": "NoSchedule" }] });
    let nodes = || {
        let cordoned = node("cordoned", 0, &json!({ "unschedulable": true }));
        vec![node("full", 3, &json!({})), cordoned, node("tainted", 0, &taint), not_ready.clone()]
    };
    let waiting = Arc::new(pod("p", None, false, 0));
    let writes = scheduler::step(vec![waiting], nodes(), now());
    let [Write::PodStatus(pod)] = writes.as_slice() else { panic!("{writes:?}") };
    let message = pods::condition(pod, pods::SCHEDULED).unwrap().message.clone().unwrap();
    assert_eq!(
        message,
        "0/4 nodes are available: 1 Too many pods, 1 node(s) had untolerated taint(s), \
         1 node(s) were not ready, 1 node(s) were unschedulable."
    );
    assert_eq!(scheduler::step(vec![Arc::new(Pod::clone(pod))], nodes(), now()), []);
}

#[test]
fn tolerations_and_selectors_decide_as_they_say() {
    let taint = json!({ "taints": [{ "key": "k", "value": "v", "effect": "NoSchedule" }] });
    for (spec, fits) in [
        (json!({}), false),
        (json!({ "tolerations": [{ "operator": "Exists" }] }), true),
        (json!({ "tolerations": [{ "key": "k", "operator": "Exists" }] }), true),
        (json!({ "tolerations": [{ "key": "k", "value": "v" }] }), true),
        (json!({ "tolerations": [{ "key": "k", "value": "other" }] }), false),
        (json!({ "tolerations": [{ "key": "k", "value": "v", "effect": "NoExecute" }] }), false),
        (
            json!({ "tolerations": [{ "operator": "Exists" }], "nodeSelector": { "topology.kubernetes.io/zone": "1" } }),
            true,
        ),
        (
            json!({ "tolerations": [{ "operator": "Exists" }], "nodeSelector": { "topology.kubernetes.io/zone": "2" } }),
            false,
        ),
    ] {
        let mut pod = serde_json::to_value(pod("p", None, false, 0)).unwrap();
        for (field, value) in spec.as_object().unwrap() {
            pod["spec"][field] = value.clone();
        }
        let writes = scheduler::step(vec![Arc::new(from(pod))], vec![node("n", 0, &taint)], now());
        assert_eq!(matches!(writes.as_slice(), [Write::BindPod { .. }]), fits, "{spec}");
    }
}

#[test]
fn endpoints_are_ready_as_their_pods_are() {
    let mut terminating = pod("terminating", Some("n"), true, 1);
    terminating.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now()));
    let mut unready = pod("unready", Some("n"), false, 1);
    unready.status.as_mut().unwrap().pod_ip = Some("10.0.0.2".to_owned());
    let without_ip = pod("without-ip", Some("n"), false, 1);
    let pods = [terminating, unready, pod("ready", Some("n"), true, 1), without_ip].map(Arc::new);
    for (publish, ready) in [(false, vec!["ready"]), (true, vec!["ready", "terminating", "unready"])] {
        let service: Service = from(json!({
            "metadata": { "name": "web", "namespace": "default", "uid": "s" },
            "spec": { "selector": { "app": "web" }, "ports": [{ "port": 80 }], "publishNotReadyAddresses": publish },
        }));
        let step = endpoints::step(&service, &pods, &[], &World::default().nodes);
        assert_eq!(step.ready, ready);
        let [Write::CreateSlice(slice)] = step.writes.as_slice() else { panic!("{step:?}") };
        assert_eq!(slice.endpoints.as_ref().unwrap().len(), 3, "those with an address");
        let again = endpoints::step(&service, &pods, &[Arc::new(EndpointSlice::clone(slice))], &World::default().nodes);
        assert_eq!(again.writes, []);
    }
}

#[test]
fn pods_that_name_a_port_differently_are_in_slices_of_their_own() {
    let mut other = serde_json::to_value(pod("other", Some("n"), true, 1)).unwrap();
    other["spec"]["containers"][0]["ports"][0]["containerPort"] = json!(9090);
    let mut none = serde_json::to_value(pod("none", Some("n"), true, 1)).unwrap();
    none["spec"]["containers"][0]["ports"] = json!([]);
    let pods = [Arc::new(pod("one", Some("n"), true, 1)), Arc::new(from(other)), Arc::new(from(none))];
    let service: Service = from(json!({
        "metadata": { "name": "web", "namespace": "default", "uid": "s" },
        "spec": { "selector": { "app": "web" }, "ports": [{ "name": "http", "port": 80, "targetPort": "http" }] },
    }));
    let step = endpoints::step(&service, &pods, &[], &World::default().nodes);
    let ports: Vec<Vec<i32>> = step
        .writes
        .iter()
        .map(|write| match write {
            Write::CreateSlice(slice) => slice.ports.iter().flatten().filter_map(|port| port.port).collect(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ports, [vec![], vec![8080], vec![9090]]);
}

#[test]
fn only_tcp_ports_of_our_own_class_are_balanced() {
    let service = |spec: Value| -> Service { from(json!({ "metadata": { "name": "web" }, "spec": spec })) };
    let tcp = json!([{ "port": 80 }, { "port": 443, "protocol": "TCP" }, { "port": 53, "protocol": "UDP" }]);
    let request = services::desired(&service(json!({ "type": "LoadBalancer", "ports": tcp }))).unwrap();
    assert_eq!(Vec::from_iter(request.ports), [80, 443]);
    assert_eq!(services::desired(&service(json!({ "type": "ClusterIP", "ports": tcp }))), None);
    let foreign = json!({ "type": "LoadBalancer", "ports": tcp, "loadBalancerClass": "example.com/other" });
    assert_eq!(services::desired(&service(foreign)), None);
}

#[test]
fn selectors_match_as_the_api_reference_says() {
    let labels = [("app".to_owned(), "web".to_owned())].into();
    for (selector, selected) in [
        (json!({}), true),
        (json!({ "matchLabels": { "app": "web" } }), true),
        (json!({ "matchLabels": { "app": "db" } }), false),
        (json!({ "matchExpressions": [{ "key": "app", "operator": "In", "values": ["db", "web"] }] }), true),
        (json!({ "matchExpressions": [{ "key": "app", "operator": "NotIn", "values": ["web"] }] }), false),
        (json!({ "matchExpressions": [{ "key": "tier", "operator": "NotIn", "values": ["web"] }] }), true),
        (json!({ "matchExpressions": [{ "key": "app", "operator": "Exists" }] }), true),
        (json!({ "matchExpressions": [{ "key": "app", "operator": "DoesNotExist" }] }), false),
        (json!({ "matchLabels": { "app": "web" }, "matchExpressions": [{ "key": "x", "operator": "Exists" }] }), false),
    ] {
        assert_eq!(matches(&from(selector.clone()), &labels), selected, "{selector}");
    }
}
