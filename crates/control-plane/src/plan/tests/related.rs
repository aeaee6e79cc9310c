//! Members that have nothing to do with an object change nothing in its plan: it is planned with those that have alone.

use std::collections::BTreeSet;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::Settings;
use crate::kinds::FEDERATED_KINDS;
use crate::object::annotation;
use crate::plan::publish;
use crate::world::{
    ApiHealth, Ban, Change, DnsState, ENDPOINT_SLICES, IDENTITY, Member, ServiceDns, TOMBSTONES, Target, World,
};

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const SELECTORS: [&str; 9] = [
    "[]",
    r#"[{"key": "tier", "operator": "in", "values": ["gold", "silver"]}]"#,
    r#"[{"key": "tier", "operator": "notin", "values": ["gold"]}]"#,
    r#"[{"key": "tier", "operator": "exists"}, {"key": "size", "operator": "gt", "values": ["1"]}]"#,
    r#"[{"key": "tier", "operator": "!"}]"#,
    r#"[{"key": "size", "operator": "lt", "values": ["2"]}, {"key": "tier", "operator": "!=", "values": ["gold"]}]"#,
    r#"[{"key": "size", "operator": "=", "values": ["1"]}]"#,
    r#"[{"key": "size", "operator": "in", "values": ["7"]}]"#,
    "[{",
];
const PREFERENCES: [&str; 10] = [
    SPREAD,
    r#"{"clusters": {"a": {"weight": 1}, "c": {"weight": 2, "maxReplicas": 2}, "gone": {"weight": 1}}}"#,
    r#"{"rebalance": true, "clusters": {"b": {"minReplicas": 1, "weight": 1}, "e": {"weight": 1}}}"#,
    r#"{"mode": "proportional", "rebalance": true, "clusters": {"a": {"weight": 1}, "f": {"weight": 1}}, "maxMoves": 1}"#,
    r#"{"clusters": {"*": {"weight": 1}, "d": {"weight": 3}}, "clusterSelector": [{"key": "tier", "operator": "exists"}]}"#,
    r#"{"mode": "proportional", "clusters": {"*": {"weight": 1}}, "spread": [{"by": "region", "maxSkew": 1}]}"#,
    r#"{"clusters": {"b": {"weight": 1}}, "maxClusters": 1}"#,
    r#"{"mode": "proportional", "clusters": {"a": {"weight": 1}, "b": {"weight": 1}, "c": {"weight": 1}}, "spread": [{"by": "region", "maxSkew": 1}]}"#,
    r#"{"mode": "proportional", "clusters": {"*": {"weight": 1}}, "spread": [{"by": "region", "maxSkew": 1}],
        "clusterSelector": [{"key": "tier", "operator": "exists"}]}"#,
    "{",
];

fn now() -> Timestamp {
    "2026-01-01T01:00:00Z".parse().unwrap()
}

fn json_of<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// A member, as it may stand at any time.
#[derive(Debug, Clone)]
struct Drawn {
    labels: BTreeMap<&'static str, &'static str>,
    api: ApiHealth,
    known: bool,
    listed: bool,
    ever_ready: bool,
    leaving: Option<Leaving>,
    lack: Option<Lack>,
    /// The copy, and whether kfed made it.
    copy: Option<(bool, i64, i64)>,
    has_namespace: bool,
    unseen: bool,
    refused: bool,
    share: Option<(i64, i64)>,
    in_zone: bool,
    tainted: bool,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let since = || select(vec!["2026-01-01T00:00:00Z", "2026-01-01T00:59:45Z"]);
    let offline = since().prop_map(|since| ApiHealth::Offline {
        reason: "Timeout",
        message: String::new(),
        since: since.parse().unwrap(),
    });
    let api = prop_oneof![6 => Just(ApiHealth::Ready), 1 => Just(ApiHealth::Unknown), 2 => offline];
    let leaving = prop_oneof![
        8 => Just(None), 2 => select(vec![Leaving::Drain, Leaving::Clean, Leaving::Release]).prop_map(Some)
    ];
    let lack = prop_oneof![
        8 => Just(None), 2 => select(vec![Lack::Kind, Lack::Sight]).prop_map(Some)
    ];
    let tier = select(vec![None, Some("gold"), Some("silver")]);
    let size = select(vec![None, Some("1"), Some("2"), Some("large")]);
    let labels = (tier, size).prop_map(|(tier, size)| {
        [("tier", tier), ("size", size)].into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    });
    let copy = proptest::option::of((proptest::bool::weighted(0.8), 0..5_i64, 0..5_i64));
    let share = proptest::option::weighted(0.3, (0..5_i64, 0..5_i64));
    let odd = |share| proptest::bool::weighted(share);
    let seen = (odd(0.8), odd(0.8), odd(0.8), odd(0.9));
    let told = (odd(0.1), odd(0.1), share, odd(0.3), odd(0.1));
    (labels, api, leaving, lack, copy, seen, told).prop_map(
        |(
            labels,
            api,
            leaving,
            lack,
            copy,
            (known, listed, ever_ready, has_namespace),
            (unseen, refused, share, in_zone, tainted),
        )| {
            Drawn {
                labels,
                api,
                known,
                listed,
                ever_ready,
                leaving,
                lack,
                copy,
                has_namespace,
                unseen,
                refused,
                share,
                in_zone,
                tainted,
            }
        },
    )
}

/// What the user has written.
#[derive(Debug, Clone)]
struct Wish {
    kind: &'static str,
    is_there: bool,
    is_deleted: bool,
    replicas: i64,
    selector: Option<&'static str>,
    of_namespace: Option<&'static str>,
    preferences: Option<&'static str>,
    scaler: Option<Option<&'static str>>,
    is_held: bool,
}

fn wish() -> impl Strategy<Value = Wish> {
    let kind = select(vec!["ConfigMap", "Service", "ReplicaSet", "ReplicaSet", "Deployment", "Deployment"]);
    let text = |among: &'static [&'static str]| proptest::option::of(select(among));
    let odd = |share| proptest::bool::weighted(share);
    let wants =
        (text(&SELECTORS), text(&SELECTORS), text(&PREFERENCES), proptest::option::weighted(0.2, text(&PREFERENCES)));
    (kind, odd(0.9), odd(0.1), 0..9_i64, wants, odd(0.9)).prop_map(
        |(kind, is_there, is_deleted, replicas, (selector, of_namespace, preferences, scaler), is_held)| Wish {
            kind,
            is_there,
            is_deleted,
            replicas,
            selector,
            of_namespace,
            preferences,
            scaler,
            is_held,
        },
    )
}

/// A member that has nothing of the object.
fn plain() -> Drawn {
    Drawn {
        labels: [("tier", "gold")].into(),
        api: ApiHealth::Ready,
        known: true,
        listed: true,
        ever_ready: true,
        leaving: None,
        lack: None,
        copy: None,
        has_namespace: true,
        unseen: false,
        refused: false,
        share: None,
        in_zone: false,
        tainted: false,
    }
}

/// A workload that goes everywhere.
fn plain_wish() -> Wish {
    Wish {
        kind: "ReplicaSet",
        is_there: true,
        is_deleted: false,
        replicas: 3,
        selector: None,
        of_namespace: None,
        preferences: None,
        scaler: None,
        is_held: true,
    }
}

fn world(wish: &Wish, members: &[(&'static str, Drawn)]) -> (World, ObjectKey) {
    let kind = FederatedKind::named(wish.kind).unwrap();
    let key = ObjectKey { kind, namespace: "default".into(), name: "hostname".into() };
    let text = |key: &str, value: Option<&str>| value.map(|value| (key.to_owned(), json!(value)));
    let placement: BTreeMap<_, _> = members
        .iter()
        .filter_map(|(name, member)| {
            member.share.map(|(replicas, ready)| (*name, json!({"replicas": replicas, "ready": ready})))
        })
        .collect();
    let placement = (!placement.is_empty()).then(|| json!(placement).to_string());
    let preferences = kind.replicas.and_then(|replicas| text(replicas.preferences, wish.preferences));
    let annotations: BTreeMap<_, _> = text(keys::CLUSTER_SELECTOR, wish.selector)
        .into_iter()
        .chain(text(keys::PLACEMENT, placement.as_deref()))
        .chain(preferences)
        .collect();
    let mut metadata = json!({"annotations": annotations});
    if wish.is_deleted {
        metadata["deletionTimestamp"] = json!("2026-01-01T00:59:00Z");
    }
    if !wish.is_held {
        metadata["finalizers"] = json!([]);
    }
    let federated = object(
        wish.kind,
        &json!({"metadata": metadata, "spec": {"replicas": wish.replicas, "type": "LoadBalancer", "ports": [{"port": 80}]}}),
    );
    let mut world = World { began: "2026-01-01T00:00:00Z".parse().unwrap(), ..World::default() };
    if wish.is_there {
        world.federation.hold(kind, federated);
    }
    let namespaces = FederatedKind::named("Namespace").unwrap();
    let namespace = |annotations: Value| -> DynamicObject {
        json_of(
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "annotations": annotations}}),
        )
    };
    let of_namespace: BTreeMap<_, _> = text(keys::CLUSTER_SELECTOR, wish.of_namespace).into_iter().collect();
    world.federation.hold(namespaces, namespace(json!(of_namespace)));
    if let Some(preferences) = wish.scaler {
        let scalers = FederatedKind::named("HorizontalPodAutoscaler").unwrap();
        let annotations: BTreeMap<_, _> =
            text(scalers.replicas.unwrap().preferences, preferences).into_iter().collect();
        let scaler = object(
            "HorizontalPodAutoscaler",
            &json!({
                "metadata": {"name": "scaler", "annotations": annotations},
                "spec": {"scaleTargetRef": {"kind": wish.kind, "name": "hostname"}, "minReplicas": 1, "maxReplicas": wish.replicas}
            }),
        );
        world.federation.hold(scalers, scaler);
    }
    let mut dns = DnsState::default();
    let mut in_zone = BTreeMap::new();
    let mut clusters = Vec::new();
    for (name, drawn) in members {
        let mut member =
            Member { api: drawn.api.clone(), known: drawn.known, leaving: drawn.leaving, ..Member::default() };
        if drawn.listed {
            let lists = FEDERATED_KINDS.iter().map(|kind| kind.id);
            member.listed.extend(lists.chain([ENDPOINT_SLICES, IDENTITY, TOMBSTONES]));
        }
        match drawn.lack {
            Some(Lack::Kind) => drop(member.unserved.insert(kind.id)),
            Some(Lack::Sight) => drop(member.forbidden.insert(kind.id, Ban { verb: "list", says: "no".to_owned() })),
            _ => {}
        }
        world.members.replace(name, member);
        if drawn.has_namespace {
            world.members.hold(name, namespaces, namespace(json!({})));
        }
        if let Some((ours, replicas, ready)) = drawn.copy {
            let labels = if ours { json!({keys::MANAGED_BY: "fed"}) } else { json!({}) };
            let copy = object(
                wish.kind,
                &json!({"metadata": {"labels": labels}, "spec": {"replicas": replicas}, "status": {"replicas": replicas, "readyReplicas": ready,
                        "loadBalancer": {"ingress": [{"ip": format!("192.0.2.{replicas}")}]}}}),
            );
            world.members.hold(name, kind, copy);
        }
        let place = (key.clone(), (*name).to_owned());
        if drawn.unseen {
            world.unseen.insert(place.clone());
        }
        if drawn.refused {
            world.refusals.insert(place, Refusal { reason: "Refused", message: "no".to_owned() });
        }
        if drawn.in_zone && kind.published {
            let to = vec![Target::Ip("192.0.2.1".parse().unwrap())];
            in_zone.insert((*name).to_owned(), to);
        }
        let version = drawn.ever_ready.then_some("v1.34.0");
        clusters.push(json_of(json!({
            "apiVersion": "kfed.io/v1beta1", "kind": "Cluster", "metadata": {"name": name, "labels": drawn.labels},
            "spec": {"secretRef": {"name": name}, "taints": if drawn.tainted { json!([{"key": "old", "effect": "NoSchedule"}]) } else { json!([]) }},
            "status": {"version": version, "region": format!("region-{}", name.as_bytes()[0] % 2)}
        })));
    }
    world.clusters.change(Change::Reset(clusters));
    dns.set(&key.resource(), ServiceDns { addresses: in_zone, ..ServiceDns::default() });
    world.dns = Some(dns);
    (world, key)
}

/// The plan, and what annotation `kfed.io/placement` says after it, without why members have nothing: that is told of so many alone.
fn without_whys(view: &ObjectView) -> (ObjectPlan, Value) {
    let mut plan = plan(view);
    let written = plan.federation.as_mut().and_then(|write| write.placement.take());
    plan.federation = plan.federation.filter(|write| !write.is_empty());
    let before = || annotation(view.federated.as_deref()?, keys::PLACEMENT).map(str::to_owned);
    let mut told: serde_json::Map<String, Value> =
        written.or_else(before).map(|json| serde_json::from_str(&json).unwrap()).unwrap_or_default();
    told.retain(|_, entry| entry.as_object().is_some_and(|entry| entry.len() != 1 || !entry.contains_key("why")));
    (plan, Value::Object(told))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn who_has_nothing_to_do_with_an_object_changes_nothing_in_its_plan(
        wish in wish(),
        names in subsequence(NAMES.to_vec(), 0..=NAMES.len()),
        drawn in proptest::collection::vec(drawn(), NAMES.len()),
    ) {
        let members: Vec<_> = names.into_iter().zip(drawn).collect();
        let (world, key) = world(&wish, &members);
        let settings = Settings::new("fed", "example.com".parse().unwrap());
        let all = world.view_beside(usize::MAX, &key, &settings, now());
        let related = world.view_beside(0, &key, &settings, now());
        prop_assert!(all.members.len() == members.len() && related.members.len() <= members.len());
        prop_assert_eq!(without_whys(&related), without_whys(&all));
    }

    #[test]
    fn who_has_nothing_to_do_with_a_service_changes_nothing_in_where_its_names_lead(
        wish in wish(),
        drawn in proptest::collection::vec(drawn(), NAMES.len()),
    ) {
        let wish = Wish { kind: "Service", ..wish };
        let members: Vec<_> = NAMES.into_iter().zip(drawn).collect();
        let observed = |world: &World, key: &ObjectKey| {
            let service = world.federation.get(key)?;
            let in_zone = world.dns.as_ref()?.get(&key.resource()).map(|dns| dns.addresses.clone()).unwrap_or_default();
            let settings = Settings::new("fed", "example.com".parse().unwrap());
            let left_out = publish::left_out(world, key, &service, Some(&in_zone));
            let targets = publish::targets(world, key, &settings);
            Some((publish::observe(world, key, &service, &in_zone, &left_out, &settings), targets))
        };
        let (mut world, key) = world(&wish, &members);
        let seen = observed(&world, &key);
        for name in NAMES {
            // Who hides anything at all may have something of the Service: all are asked now.
            let ban = Ban { verb: "list", says: "no".to_owned() };
            world.members.change(name, |member| member.forbidden.insert("Secret", ban));
        }
        prop_assert_eq!(seen, observed(&world, &key));
    }
}

#[test]
fn who_has_shown_nothing_yet_is_asked_where_names_lead() {
    let shown = Drawn { known: true, listed: true, ever_ready: true, ..plain() };
    let (hidden, holder) =
        (Drawn { known: false, ..shown.clone() }, Drawn { copy: Some((true, 1, 1)), ..shown.clone() });
    let members = [("a", shown), ("b", hidden.clone()), ("c", holder), ("d", Drawn { in_zone: true, ..hidden })];
    let wish = Wish { kind: "Service", ..plain_wish() };
    let (world, key) = world(&wish, &members);
    let service = world.federation.get(&key).unwrap();
    let in_zone = &world.dns.as_ref().unwrap().get(&key.resource()).unwrap().addresses;
    let settings = Settings::new("fed", "example.com".parse().unwrap());
    let observed = publish::observe(&world, &key, &service, in_zone, &BTreeSet::new(), &settings);
    let asked: Vec<_> =
        observed.members.iter().map(|member| (member.member.as_str(), member.addresses.len())).collect();
    assert_eq!(asked, [("b", 0), ("c", 1), ("d", 1)]);
}

#[test]
fn only_related_members_are_looked_at_and_some_others_are_told_of() {
    let known = plain();
    let wish = Wish { preferences: Some(PREFERENCES[1]), ..plain_wish() };
    let seen = |wish: &Wish, others: usize, other: &Drawn| -> String {
        let members = NAMES.map(|name| (name, if name == "d" { other.clone() } else { known.clone() }));
        let (world, key) = world(wish, &members);
        let settings = Settings::new("fed", "example.com".parse().unwrap());
        world.view_beside(others, &key, &settings, now()).members.into_keys().collect()
    };
    assert_eq!(seen(&wish, 0, &known), "ac", "the preferences name them");
    assert_eq!(seen(&wish, 2, &known), "abcd", "two others");
    assert_eq!(seen(&wish, 0, &Drawn { copy: Some((true, 1, 1)), ..known.clone() }), "acd", "it holds one");
    assert_eq!(seen(&wish, 0, &Drawn { known: false, ..known.clone() }), "acd", "it may hold one");
    assert_eq!(seen(&wish, 0, &Drawn { share: Some((1, 1)), ..known.clone() }), "acd", "it was counted on");
    let silver = Drawn { labels: [("tier", "silver")].into(), ..known.clone() };
    let selecting = Wish { preferences: None, selector: Some(SELECTORS[3]), ..wish };
    let only_silver = r#"[{"key": "tier", "operator": "=", "values": ["silver"]}]"#;
    assert_eq!(seen(&selecting, 0, &silver), "", "none has a size");
    assert_eq!(seen(&Wish { selector: Some(only_silver), ..selecting }, 0, &silver), "d");
    assert_eq!(seen(&Wish { selector: Some(SELECTORS[2]), ..selecting }, 0, &silver), "abcdef", "nearly all");
    assert_eq!(seen(&Wish { selector: Some("[{"), ..selecting }, 0, &silver), "abcdef", "nobody can tell");
    assert_eq!(seen(&Wish { preferences: None, ..wish }, 0, &silver), "abcdef", "it goes everywhere");
}
