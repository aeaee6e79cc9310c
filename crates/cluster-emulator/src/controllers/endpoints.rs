//! Service with a selector → EndpointSlices, and who is ready behind it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::{
    api::{
        core::v1::{Node, ObjectReference, Pod, Service, ServicePort},
        discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice},
    },
    apimachinery::pkg::{apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};
use kube::{Resource as _, ResourceExt as _};

use super::{Write, controlled_by, pods, uid};
use crate::{
    names,
    world::{Cache, Key, SERVICE_NAME},
};

const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";
const ZONE: &str = "topology.kubernetes.io/zone";
/// kube-controller-manager's `--max-endpoints-per-slice`.
const MOST_ENDPOINTS: usize = 100;

/// The ports of a Service by name, each with its number in a pod.
type Ports = Vec<(String, Option<i32>)>;

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Step {
    pub(crate) writes: Vec<Write>,
    /// The names of the pods that can be sent requests, sorted.
    pub(crate) ready: Vec<String>,
}

/// What to write for a Service. `selected` are its pods, `slices` all slices that name it.
pub(crate) fn step(
    service: &Service,
    selected: &[Arc<Pod>],
    slices: &[Arc<EndpointSlice>],
    nodes: &Cache<Node>,
) -> Step {
    let spec = service.spec.clone().unwrap_or_default();
    let selecting = spec.selector.as_ref().is_some_and(|selector| !selector.is_empty())
        && spec.type_.as_deref() != Some("ExternalName")
        && service.metadata.deletion_timestamp.is_none();
    // Slices by other hands, for a Service without a selector or a mirror, are left alone.
    let own = slices.iter().filter(|slice| slice.labels().get(MANAGED_BY).is_some_and(|manager| manager == MANAGER));
    let mut old: BTreeMap<Key, &Arc<EndpointSlice>> = own.map(|slice| (Key::of(&**slice), slice)).collect();
    if !selecting {
        return Step { writes: old.into_values().map(delete).collect(), ready: Vec::new() };
    }

    let publish_unready = spec.publish_not_ready_addresses == Some(true);
    let mut groups: BTreeMap<Ports, Vec<&Arc<Pod>>> = BTreeMap::new();
    for pod in selected.iter().filter(|pod| !pods::ended(pod) && pods::ip(pod).is_some()) {
        // Pods may resolve a named target port to different numbers: a slice has one set of ports.
        let ports = spec.ports.iter().flatten().map(|port| (port.name.clone().unwrap_or_default(), target(port, pod)));
        groups.entry(ports.collect()).or_default().push(pod);
    }
    if groups.is_empty() {
        // One empty slice tells "none" apart from "not looked at yet".
        let ports = spec.ports.iter().flatten().map(|port| (port.name.clone().unwrap_or_default(), number(port)));
        groups.insert(ports.collect(), Vec::new());
    }

    let mut step = Step::default();
    let mut number = 0_u32;
    for (ports, pods) in &groups {
        let ports = endpoint_ports(spec.ports.as_deref().unwrap_or_default(), ports);
        for chunk in chunks(pods) {
            let endpoints: Vec<Endpoint> = chunk.iter().map(|pod| endpoint(pod, publish_unready, nodes)).collect();
            step.ready.extend(endpoints.iter().filter(|endpoint| takes_requests(endpoint)).filter_map(pod_name));
            let slice = slice(service, number, endpoints, ports.clone());
            number += 1;
            match old.remove(&Key::of(&slice)) {
                None => step.writes.push(Write::CreateSlice(Box::new(slice))),
                Some(known) if same(known, &slice) => {}
                Some(known) => {
                    let mut changed = EndpointSlice::clone(known);
                    changed.endpoints = slice.endpoints;
                    changed.ports = slice.ports;
                    changed.metadata.labels = slice.metadata.labels;
                    step.writes.push(Write::ReplaceSlice(Box::new(changed)));
                }
            }
        }
    }
    step.writes.extend(old.into_values().map(delete));
    step.ready.sort();
    step
}

fn chunks<'a>(pods: &'a [&'a Arc<Pod>]) -> Vec<&'a [&'a Arc<Pod>]> {
    if pods.is_empty() { vec![&[]] } else { pods.chunks(MOST_ENDPOINTS).collect() }
}

fn delete(slice: &Arc<EndpointSlice>) -> Write {
    Write::DeleteSlice { slice: Key::of(&**slice), uid: uid(&**slice).to_owned() }
}

fn same(known: &EndpointSlice, wanted: &EndpointSlice) -> bool {
    let labels = |slice: &EndpointSlice| slice.labels().clone();
    // The API server may leave empty lists out.
    known.endpoints.as_deref().unwrap_or_default() == wanted.endpoints.as_deref().unwrap_or_default()
        && known.ports.as_deref().unwrap_or_default() == wanted.ports.as_deref().unwrap_or_default()
        && labels(known) == labels(wanted)
}

fn slice(service: &Service, number: u32, endpoints: Vec<Endpoint>, ports: Vec<EndpointPort>) -> EndpointSlice {
    let name = service.name_any();
    let hash = names::hash(0, &["slice", uid(service), &number.to_string()]);
    // The controller's own labels win over those it copies from the Service.
    let mut labels = service.labels().clone();
    labels.insert(SERVICE_NAME.to_owned(), name.clone());
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    if service.spec.as_ref().is_some_and(|spec| spec.cluster_ip.as_deref() == Some("None")) {
        labels.insert("service.kubernetes.io/headless".to_owned(), String::new());
    }
    EndpointSlice {
        address_type: "IPv4".to_owned(),
        endpoints: Some(endpoints),
        metadata: ObjectMeta {
            name: Some(names::generated(&name, hash, 5)),
            generate_name: Some(format!("{name}-")),
            namespace: service.meta().namespace.clone(),
            labels: Some(labels),
            owner_references: Some(vec![controlled_by(service)]),
            ..ObjectMeta::default()
        },
        ports: Some(ports),
    }
}

fn endpoint(pod: &Arc<Pod>, publish_unready: bool, nodes: &Cache<Node>) -> Endpoint {
    let terminating = pod.metadata.deletion_timestamp.is_some();
    let serving = pods::ready(pod);
    let node = pods::node(pod);
    let zone = node.and_then(|node| nodes.get(&Key::new("", node))?.labels().get(ZONE).cloned());
    Endpoint {
        addresses: pods::ip(pod).map(str::to_owned).into_iter().collect(),
        conditions: Some(EndpointConditions {
            ready: Some(publish_unready || serving && !terminating),
            serving: Some(serving),
            terminating: Some(terminating),
        }),
        node_name: node.map(str::to_owned),
        target_ref: Some(ObjectReference {
            kind: Some("Pod".to_owned()),
            namespace: pod.namespace(),
            name: Some(pod.name_any()),
            uid: pod.uid(),
            ..ObjectReference::default()
        }),
        zone,
        ..Endpoint::default()
    }
}

fn takes_requests(endpoint: &Endpoint) -> bool {
    endpoint.conditions.as_ref().is_some_and(|conditions| conditions.ready == Some(true))
}

fn pod_name(endpoint: &Endpoint) -> Option<String> {
    endpoint.target_ref.as_ref()?.name.clone()
}

fn endpoint_ports(ports: &[ServicePort], resolved: &[(String, Option<i32>)]) -> Vec<EndpointPort> {
    let mut seen = BTreeSet::new();
    let resolved =
        ports.iter().zip(resolved).filter(|(_, (name, number))| number.is_some() && seen.insert(name.clone()));
    resolved
        .map(|(port, (name, number))| EndpointPort {
            app_protocol: port.app_protocol.clone(),
            name: Some(name.clone()),
            port: *number,
            protocol: Some(port.protocol.clone().unwrap_or_else(|| "TCP".to_owned())),
        })
        .collect()
}

/// The number that a Service's port has in a pod; none if the pod does not have a port of that name.
fn target(port: &ServicePort, pod: &Pod) -> Option<i32> {
    let Some(IntOrString::String(name)) = &port.target_port else {
        return number(port);
    };
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
    ports.find(|port| port.name.as_ref() == Some(name)).map(|port| port.container_port)
}

fn number(port: &ServicePort) -> Option<i32> {
    match &port.target_port {
        Some(IntOrString::Int(number)) if *number != 0 => Some(*number),
        Some(IntOrString::String(_)) => None,
        _ => Some(port.port),
    }
}
