//! What is kept of Services is what all would come to if they were looked at anew.

use std::net::IpAddr;

use kfed_api::keys;
use kfed_dnsprovider::plan::Change;
use kfed_dnsprovider::{RecordSet, ZoneId};
use kfed_service_dns::AddressState;
use kube::core::DynamicObject;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::*;
use crate::FederatedKind;
use crate::world::{Address, AddressKey, Change as Told, Kept, Member, Slice};

const SERVICES: [&str; 3] = ["a", "b", "c"];
const MEMBERS: [&str; 2] = ["east", "west"];

#[derive(Debug, Clone)]
enum Step {
    /// A Service is made or changed; or it goes.
    Service(&'static str, Option<Drawn>),
    /// A member shows a copy that so many addresses serve; or none.
    Copy(&'static str, &'static str, Option<u8>),
    Endpoints(&'static str, &'static str, u32),
    Answers(&'static str, &'static str, u8, AddressState),
    Api(&'static str, bool),
    /// Somebody changes the zone, and it is read anew.
    Edited(&'static str),
    Passes(u64),
    /// Some of what is planned is done.
    Done(usize),
}

#[derive(Debug, Clone)]
struct Drawn {
    created: i64,
    hostname: Option<&'static str>,
    priority: Option<&'static str>,
    kind: &'static str,
    is_deleted: bool,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let hostname = select(&["x.example.com", "x.example.com,y.example.com", "y.example.com", "no name"][..]);
    let priority = select(&["1", "2", "high"][..]);
    let kind = prop_oneof![6 => Just("LoadBalancer"), 1 => Just("ExternalName"), 1 => Just("ClusterIP")];
    (0..3i64, proptest::option::of(hostname), proptest::option::of(priority), kind, proptest::bool::weighted(0.1))
        .prop_map(|(created, hostname, priority, kind, is_deleted)| Drawn {
            created,
            hostname,
            priority,
            kind,
            is_deleted,
        })
}

fn step() -> impl Strategy<Value = Step> {
    // One is mostly what something happens to.
    let service = || select(&["a", "a", "a", "b", "c"][..]);
    let member = || select(&MEMBERS[..]);
    let state = select(
        &[AddressState::Answering, AddressState::Failing, AddressState::NeverAnswered, AddressState::Answering][..],
    );
    prop_oneof![
        4 => (service(), proptest::option::weighted(0.9, drawn())).prop_map(|(of, drawn)| Step::Service(of, drawn)),
        6 => (member(), service(), proptest::option::weighted(0.9, 0..3u8)).prop_map(|(m, of, n)| Step::Copy(m, of, n)),
        4 => (member(), service(), 0..2u32).prop_map(|(m, of, ready)| Step::Endpoints(m, of, ready)),
        4 => (member(), service(), 0..3u8, state).prop_map(|(m, of, n, state)| Step::Answers(m, of, n, state)),
        2 => (member(), any::<bool>()).prop_map(|(m, is_well)| Step::Api(m, is_well)),
        1 => service().prop_map(Step::Edited),
        3 => select(&[1, 10, 40, 400, 1_000][..]).prop_map(Step::Passes),
        4 => (1..9usize).prop_map(Step::Done),
    ]
}

/// Every member serves every Service.
fn first() -> Vec<Step> {
    let drawn = Drawn { created: 1, hostname: None, priority: None, kind: "LoadBalancer", is_deleted: false };
    let served = |service| {
        let by = move |member| [Step::Copy(member, service, Some(1)), Step::Endpoints(member, service, 1)];
        MEMBERS.into_iter().flat_map(by)
    };
    let made = |service| [Step::Service(service, Some(drawn.clone()))].into_iter().chain(served(service));
    SERVICES.into_iter().flat_map(made).chain([Step::Done(100)]).collect()
}

/// What happens to the world and to the zone, and what is told of it.
struct History {
    world: Mutex<World>,
    settings: Settings,
    zone: Zone,
    snapshot: ZoneSnapshot,
    start: Instant,
    passed: Duration,
    /// How often something was written: no two versions are alike.
    written: u32,
}

fn service_kind() -> &'static FederatedKind {
    FederatedKind::named("Service").unwrap()
}

fn key(service: &str) -> ObjectKey {
    ObjectKey { kind: service_kind(), namespace: "default".to_owned(), name: service.to_owned() }
}

fn ip(member: &str, service: &str, n: u8) -> IpAddr {
    let at = |list: &[&str], name| u8::try_from(list.iter().position(|other| *other == name).unwrap()).unwrap();
    [192, 0, at(&MEMBERS, member), 10 * at(&SERVICES, service) + n + 1].into()
}

fn object(service: &str, fields: &Value) -> DynamicObject {
    let mut object =
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": service, "namespace": "default"}});
    json_patch::merge(&mut object, fields);
    serde_json::from_value(object).unwrap()
}

impl History {
    fn new() -> Self {
        let began: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut world = World { began, ..World::default() };
        let mut clusters = Vec::new();
        for name in MEMBERS {
            world.members.change(name, |member| well(member, name));
            let cluster = json!({
                "apiVersion": "kfed.io/v1beta1", "kind": "Cluster", "metadata": {"name": name}, "spec": {"secretRef": {"name": name}}
            });
            clusters.push(serde_json::from_value(cluster).unwrap());
        }
        world.clusters.change(Told::Reset(clusters));
        let settings =
            Settings { dns_hold: Duration::from_secs(5), ..Settings::new("fed", "example.com".parse().unwrap()) };
        let zone = Zone { id: ZoneId("zone".to_owned()), name: settings.zone.clone(), private: false, loopback: false };
        let (world, snapshot) = (Mutex::new(world), ZoneSnapshot::default());
        Self { world, settings, zone, snapshot, start: Instant::now(), passed: Duration::ZERO, written: 0 }
    }

    fn moment(&self) -> Moment<'_> {
        let Self { world, settings, zone, snapshot, .. } = self;
        let began = lock(world).began;
        Moment { world, settings, zone, snapshot, now: self.start + self.passed, time: began + self.passed }
    }

    /// What a watch of the federation, or of a member, tells of one Service.
    fn told(service: &str, object: Option<DynamicObject>) -> Told<Kept> {
        let kept = |object: DynamicObject| Box::new(Kept::of(service_kind(), object.into()));
        match object {
            Some(object) => Told::Apply(kept(object)),
            None => Told::Delete(kept(self::object(service, &json!({})))),
        }
    }

    /// Takes a step; what has changed by it.
    fn take(&mut self, step: &Step, wishes: [&mut Wishes; 2]) -> Changed {
        let mut world = lock(&self.world);
        match step {
            Step::Service(service, drawn) => {
                let object = drawn.as_ref().map(|drawn| {
                    let mut annotations = BTreeMap::new();
                    annotations.extend(drawn.hostname.map(|names| (keys::HOSTNAME, names)));
                    annotations.extend(drawn.priority.map(|priority| (keys::PRIORITY, priority)));
                    let created = Timestamp::from_second(1_700_000_000 + drawn.created).unwrap().to_string();
                    let mut metadata = json!({"annotations": annotations, "creationTimestamp": created});
                    if drawn.is_deleted {
                        metadata["deletionTimestamp"] = json!(created);
                    }
                    let spec =
                        json!({"type": drawn.kind, "externalName": "elsewhere.example.org", "ports": [{"port": 80}]});
                    object(service, &json!({"metadata": metadata, "spec": spec}))
                });
                world.federation.change(service_kind(), Self::told(service, object));
                Changed::Services([key(service)].into())
            }
            Step::Copy(member, service, addresses) => {
                let object = addresses.map(|addresses| {
                    let ingress: Vec<_> = (0..addresses).map(|n| json!({"ip": ip(member, service, n)})).collect();
                    let labels = json!({keys::MANAGED_BY: "fed"});
                    object(
                        service,
                        &json!({"metadata": {"labels": labels}, "status": {"loadBalancer": {"ingress": ingress}}}),
                    )
                });
                world.members.hear(member, service_kind(), Self::told(service, object));
                Changed::Services([key(service)].into())
            }
            Step::Endpoints(member, service, ready) => {
                let slice = Slice { ready: *ready, ..Slice::default() };
                let name = ("default".to_owned(), (*service).to_owned());
                world.members.change(member, |member| member.endpoints.insert(name, key(service), slice));
                Changed::Services([key(service)].into())
            }
            Step::Answers(member, service, n, state) => {
                let address = AddressKey { service: key(service), ip: ip(member, service, *n) };
                let since = world.began + self.passed;
                let ever_answered = *state != AddressState::NeverAnswered;
                let told = Address { state: *state, ever_answered, since };
                world.members.change(member, |member| member.addresses.insert(address, told));
                Changed::Services([key(service)].into())
            }
            Step::Api(member, is_well) => {
                let since = world.began + self.passed;
                let offline = ApiHealth::Offline { reason: "Timeout", message: String::new(), since };
                world.members.change(member, |member| {
                    member.api = if *is_well { ApiHealth::Ready } else { offline };
                });
                Changed::Everything
            }
            Step::Edited(service) => {
                let of_service = |set: &&RecordSet| Resource::of(set) == Some(key(service).resource());
                self.snapshot = self.snapshot.iter().filter(|set| !of_service(set)).cloned().collect();
                wishes.into_iter().for_each(|wishes| wishes.see_all(&self.snapshot));
                Changed::Everything
            }
            Step::Passes(seconds) => {
                self.passed += Duration::from_secs(*seconds);
                Changed::default()
            }
            Step::Done(most) => {
                let [kept, whole] = wishes;
                let changes = kept.changes(&self.snapshot, None);
                let done: Vec<_> = changes.changes.iter().take(*most).collect();
                for change in &done {
                    self.written += 1;
                    let etag = Some(kfed_dnsprovider::Etag(self.written.to_string()));
                    match change {
                        Change::Create { set } | Change::Update { to: set, .. } => {
                            self.snapshot.insert(RecordSet { etag, ..set.clone() });
                        }
                        Change::Delete { set } => drop(self.snapshot.remove(&set.key)),
                    }
                }
                let keys = || done.iter().map(|change| change.key());
                let written = kept.see(&self.snapshot, keys());
                assert_eq!(whole.see(&self.snapshot, keys()), written);
                written.iter().filter_map(ObjectKey::of).collect()
            }
        }
    }
}

fn well(member: &mut Member, name: &str) {
    (member.known, member.api) = (true, ApiHealth::Ready);
    member.topology.region = Some(format!("region-{name}"));
    member.topology.zones = [format!("zone-{name}")].into();
}

/// What would come of it if nothing were kept but what time has left: what came and went, and since when nobody serves.
fn anew(kept: &Wishes, moment: Moment<'_>) -> Wishes {
    let mut anew = Wishes::new(moment.settings, moment.now, moment.time);
    (anew.steady, anew.empty_since) = (kept.steady.clone(), kept.empty_since.clone());
    anew.see_all(moment.snapshot);
    anew.look(moment, Changed::Everything);
    anew
}

/// Everything that is decided of Services and told of them.
fn decided(
    wishes: &mut Wishes,
    snapshot: &ZoneSnapshot,
) -> (ChangeSet, BTreeMap<Resource, ServiceDns>, Option<Instant>) {
    let changes = wishes.changes(snapshot, None);
    let resources: BTreeSet<_> = wishes.resources().cloned().collect();
    let standing = |resource: Resource| {
        let standing = wishes.standing(&resource, snapshot, &changes, None);
        (resource, standing)
    };
    let standings = resources.into_iter().map(standing).collect();
    (changes, standings, wishes.again())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn who_has_not_changed_would_come_to_the_same_if_it_were_looked_at(steps in proptest::collection::vec(step(), 1..24)) {
        let mut history = History::new();
        let moment = history.moment();
        let new = || Wishes::new(moment.settings, moment.now, moment.time);
        let (mut kept, mut whole) = (new(), new());
        for wishes in [&mut kept, &mut whole] {
            wishes.see_all(&history.snapshot);
        }
        for step in first() {
            let changed = history.take(&step, [&mut kept, &mut whole]);
            kept.look(history.moment(), changed);
            whole.look(history.moment(), Changed::Everything);
        }
        for step in &steps {
            let changed = history.take(step, [&mut kept, &mut whole]);
            let looked = kept.look(history.moment(), changed);
            let all = whole.look(history.moment(), Changed::Everything);
            for (resource, seen) in &looked {
                prop_assert_eq!(all.get(resource).cloned().flatten(), seen.clone(), "{}", resource);
            }
            let now = decided(&mut kept, &history.snapshot);
            prop_assert_eq!(&now, &decided(&mut whole, &history.snapshot), "looked at all the time; after {:?}", step);
            let mut anew = anew(&kept, history.moment());
            prop_assert_eq!(&now, &decided(&mut anew, &history.snapshot), "looked at anew; after {:?}", step);
            prop_assert_eq!(&kept.policy, &anew.policy);
            // Of whom nothing is to be found nothing stays.
            let known = kept.steady.services().chain(kept.empty_since.keys()).cloned();
            for resource in known.chain(kept.waits.keys().map(ObjectKey::resource)) {
                prop_assert!(kept.publishes(&resource), "{resource}");
            }
        }
    }
}

#[test]
fn a_change_of_one_service_has_that_one_looked_at_and_who_asks_for_the_same_name() {
    let mut history = History::new();
    let moment = history.moment();
    let [mut wishes, mut other] = [(); 2].map(|()| Wishes::new(moment.settings, moment.now, moment.time));
    let drawn =
        |created, hostname| Drawn { created, hostname, priority: None, kind: "LoadBalancer", is_deleted: false };
    let mut take = |service, drawn| {
        let changed = history.take(&Step::Service(service, drawn), [&mut wishes, &mut other]);
        let looked = wishes.look(history.moment(), changed);
        looked.into_keys().map(|resource| resource.name).collect::<Vec<_>>()
    };
    assert_eq!(take("a", Some(drawn(2, Some("x.example.com")))), ["a"]);
    assert_eq!(take("b", Some(drawn(1, None))), ["b"]);
    assert_eq!(take("c", Some(drawn(3, Some("x.example.com")))), ["c"], "it has no name that another had");
    assert_eq!(take("b", Some(drawn(1, Some("x.example.com")))), ["a", "b", "c"], "an older one asks");
    assert_eq!(take("c", None), ["c"]);
    assert_eq!(take("b", None), ["a", "b"]);
}
