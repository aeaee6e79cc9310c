//! The federation at a glance, and one object of it, from the federation API alone: what `kfed status` and `kfed explain` show.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kfed_api::conditions::{reasons, types};
use kfed_api::{Cluster, ClusterPhase, DnsStatus, Federation, LEASE, QueueStatus, keys};
use kube::Client;
use kube::api::{Api, DynamicObject, ListParams};
use serde::Serialize;
use serde_json::Value;

use crate::discover;
use crate::effect::member::api;
use crate::effect::{EffectError, within};
use crate::kinds::{FederatedKind, controlled};
use crate::leader::{self, Record};
use crate::object::{annotation, conditions_of, seconds};

/// Steps that fail with 404 only where there is no federation.
const FEDERATION: &str = "read the Federation";
const MEMBERS: &str = "list the members";

/// The federation API could not be read.
#[derive(Debug, thiserror::Error)]
#[error("could not {step} in the federation API: {problem}")]
pub struct OverviewError {
    step: &'static str,
    problem: String,
    is_no_federation: bool,
}

/// The federation at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Overview {
    /// Its name; empty where there is no Federation.
    pub federation: String,
    /// What the Federation says.
    pub conditions: Vec<Told>,
    /// The control plane that writes; none where none has been elected.
    pub leader: Option<Leader>,
    /// What waits for `kfed approve`.
    pub awaiting: Vec<String>,
    /// What waits for the control plane; none where it has told nothing yet.
    pub queue: Option<QueueStatus>,
    /// What waits for the zone, and what may be sent to it; none where the control plane has told nothing yet.
    pub dns: Option<DnsStatus>,
    /// The members.
    pub members: Vec<MemberOverview>,
    /// Objects by kind.
    pub kinds: Vec<KindOverview>,
    /// Objects that are not as they should be, and what is said of them.
    pub troubles: Vec<Trouble>,
}

/// A control plane that leads, as its Lease says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Leader {
    /// Its identity; empty where it has given the lease back.
    pub identity: String,
    /// Since when it leads, by its clock.
    pub since: String,
    /// When it last renewed the lease, by its clock.
    pub renewed: String,
    /// How often the lead has gone from one to another.
    pub transitions: i32,
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Told {
    /// Its type.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Its reason.
    pub reason: String,
    /// Its message.
    pub message: String,
    /// Since when it has this status.
    pub since: String,
}

/// A member at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct MemberOverview {
    /// Its name.
    pub name: String,
    /// Its conditions in a word.
    pub phase: String,
    /// The region of its nodes.
    pub region: String,
    /// Their zones.
    pub zones: Vec<String>,
    /// The Kubernetes version that it tells.
    pub version: String,
    /// How many objects it holds.
    pub objects: usize,
    /// How many of them, or of those that it should hold, are not as they should be.
    pub troubles: usize,
    /// What is wrong with it.
    pub why: String,
}

/// The objects of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct KindOverview {
    /// The kind: `deployments.apps`.
    pub resource: String,
    /// How many are federated.
    pub objects: usize,
    /// How many of them all members hold as they should.
    pub in_sync: usize,
}

/// An object that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Trouble {
    /// The object: `Deployment default/web`.
    pub object: String,
    /// The condition that fails.
    pub condition: Told,
}

/// Where an object is, and why.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Explanation {
    /// The object: `Deployment default/web`.
    pub object: String,
    /// How many replicas it asks for.
    pub replicas: Option<i64>,
    /// Whether it is federated; if not, why not.
    pub not_federated: Option<String>,
    /// What is said of it.
    pub conditions: Vec<Told>,
    /// By member: what is there.
    pub members: BTreeMap<String, Placed>,
}

/// What a member has of an object.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Placed {
    /// Replicas that it is counted on for.
    pub replicas: Option<i64>,
    /// Replicas that it still runs beside them: it is told, or being told, to run fewer.
    pub leaving: Option<i64>,
    /// Replicas that are ready there.
    pub ready: Option<i64>,
    /// How the number came about.
    pub why: String,
    /// What is wrong there, in a word.
    pub reason: String,
    /// What is wrong there.
    pub message: String,
}

// === impl Placed ===

impl Placed {
    /// Whether the member holds the object, and is not told of only for why it does not.
    fn is_held(&self) -> bool {
        self.replicas.is_some() || (self.reason.is_empty() && self.why.is_empty())
    }
}

// === impl OverviewError ===

impl OverviewError {
    /// Whether the API server does not even know what a federation consists of.
    pub fn is_no_federation(&self) -> bool {
        self.is_no_federation
    }
}

/// Reads the federation at a glance. Each request is given up after `deadline`.
pub async fn overview(client: &Client, deadline: Duration) -> Result<Overview, OverviewError> {
    let all = ListParams::default();
    let federations = Api::<Federation>::all(client.clone());
    let federation = within(deadline, federations.list(&all)).await.map_err(failed(FEDERATION))?;
    let mut overview = Overview::default();
    if let Some(federation) = federation.into_iter().next() {
        overview.federation = federation.metadata.name.clone().unwrap_or_default();
        let status = serde_json::to_value(&federation.status).unwrap_or_default();
        overview.conditions = told(status["conditions"].as_array().map_or(&[], Vec::as_slice));
        let status = federation.status.unwrap_or_default();
        (overview.queue, overview.dns) = (status.queue, status.dns);
        overview.awaiting =
            status.awaiting.iter().map(|awaiting| format!("{}: {}", awaiting.approval, awaiting.what)).collect();
    }
    overview.leader = match within(deadline, leader::leases(client).get_opt(LEASE)).await {
        // Who has no leases, or may not read them, is told all else.
        Err(EffectError::Refused { .. }) => None,
        lease => lease.map_err(failed("read the Lease"))?.as_ref().map(leader),
    };
    let mut held = BTreeMap::<String, (usize, usize)>::new();
    let kinds = within(deadline, discover::federated_kinds(client)).await.map_err(failed("read the kinds"))?;
    for kind in kinds {
        let objects = match within(deadline, api(client, kind, "").list(&all)).await {
            // What nobody may read is not counted.
            Err(EffectError::Refused { .. }) => continue,
            objects => objects.map_err(failed("list objects"))?,
        };
        let mut line = KindOverview { resource: kind.resource(), ..KindOverview::default() };
        for object in objects.iter().filter(|object| is_federated(kind, object)) {
            let conditions = told(&conditions_of(kind, object));
            let failing = conditions
                .iter()
                .filter(|c| is_own(c) && c.status == "False" && c.reason != reasons::NO_HEALTHY_ADDRESS);
            let failing: Vec<_> = failing.cloned().collect();
            line.objects += 1;
            line.in_sync += usize::from(failing.is_empty());
            for (member, placed) in placement(object) {
                let (objects, troubles) = held.entry(member).or_default();
                *objects += usize::from(placed.is_held());
                *troubles += usize::from(!placed.reason.is_empty());
            }
            let object = kind.key(object).to_string();
            overview
                .troubles
                .extend(failing.into_iter().map(|condition| Trouble { object: object.clone(), condition }));
        }
        if line.objects > 0 {
            overview.kinds.push(line);
        }
    }
    let clusters = Api::<Cluster>::all(client.clone());
    let clusters = within(deadline, clusters.list(&all)).await.map_err(failed("list the Clusters"))?;
    overview.members = clusters.iter().map(|cluster| member(cluster, &held)).collect();
    Ok(overview)
}

/// Explains the object that people call by `kind` and `name`; none where there is no such kind or object.
pub async fn explain(
    client: &Client,
    kind: &str,
    namespace: &str,
    name: &str,
    deadline: Duration,
) -> Result<Option<Explanation>, OverviewError> {
    let found = within(deadline, discover::named(client, kind)).await.map_err(failed("look for the kind"))?;
    let Some(kind) = found else { return Ok(None) };
    let objects = api(client, kind, if kind.namespaced { namespace } else { "" });
    let object = within(deadline, objects.get_opt(name)).await.map_err(failed("read the object"))?;
    let clusters = Api::<Cluster>::all(client.clone());
    let clusters = within(deadline, clusters.list(&ListParams::default())).await.map_err(failed(MEMBERS))?;
    Ok(object.map(|object| {
        let key = kind.key(&object);
        let not_federated = if key.is_reserved() {
            Some("it belongs to the API server or to kfed itself".to_owned())
        } else {
            controlled(kind, &object)
                .then(|| "a controller, an API server or a tool made it, and makes it anew in each member".to_owned())
        };
        Explanation {
            members: match not_federated {
                Some(_) => BTreeMap::new(),
                None => with_unwell(placement(&object), &clusters.items),
            },
            object: key.to_string(),
            replicas: kind.replicas.map(|replicas| replicas.asked(&object)),
            not_federated,
            conditions: told(&conditions_of(kind, &object)),
        }
    }))
}

/// Members that are not well are told of also where they are given nothing: that may be why.
fn with_unwell(mut placed: BTreeMap<String, Placed>, clusters: &[Cluster]) -> BTreeMap<String, Placed> {
    for cluster in clusters {
        let MemberOverview { name, phase, why, .. } = member(cluster, &BTreeMap::new());
        if cluster.status.as_ref().and_then(|status| status.phase) == Some(ClusterPhase::Ready) {
            continue;
        }
        let placed = placed.entry(name).or_default();
        if placed.reason.is_empty() {
            (placed.reason, placed.message) = (phase, why);
        }
    }
    placed
}

fn leader(lease: &Lease) -> Leader {
    let record = Record::of(lease, Duration::ZERO);
    Leader {
        identity: record.holder,
        since: record.acquired.map(seconds).unwrap_or_default(),
        renewed: record.renewed.map(seconds).unwrap_or_default(),
        transitions: record.transitions,
    }
}

fn member(cluster: &Cluster, held: &BTreeMap<String, (usize, usize)>) -> MemberOverview {
    let name = cluster.metadata.name.clone().unwrap_or_default();
    let status = cluster.status.clone().unwrap_or_default();
    let bad = |type_: &str| type_ != types::READY;
    let wrong = status.conditions.iter().find(|condition| (condition.status == "True") == bad(&condition.type_));
    let (objects, troubles) = held.get(&name).copied().unwrap_or_default();
    MemberOverview {
        phase: status.phase.map_or_else(|| "Pending".to_owned(), |phase| phase.to_string()),
        region: status.region.unwrap_or_default(),
        zones: status.zones,
        version: status.version.unwrap_or_default(),
        objects,
        troubles,
        why: wrong.map(|condition| format!("{}: {}", condition.reason, condition.message)).unwrap_or_default(),
        name,
    }
}

fn is_federated(kind: &'static FederatedKind, object: &DynamicObject) -> bool {
    !kind.key(object).is_reserved() && !controlled(kind, object)
}

fn is_own(condition: &Told) -> bool {
    [types::SCHEDULED, types::PROPAGATED, types::PUBLISHED].contains(&condition.type_.as_str())
}

fn placement(object: &DynamicObject) -> BTreeMap<String, Placed> {
    annotation(object, keys::PLACEMENT).and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
}

fn told(conditions: &[Value]) -> Vec<Told> {
    let text = |condition: &Value, field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    let one = |condition: &Value| Told {
        type_: text(condition, "type"),
        status: text(condition, "status"),
        reason: text(condition, "reason"),
        message: text(condition, "message"),
        since: text(condition, "lastTransitionTime"),
    };
    conditions.iter().map(one).collect()
}

/// What it means that `step` has failed.
fn failed(step: &'static str) -> impl FnOnce(EffectError) -> OverviewError {
    move |error| OverviewError {
        step,
        is_no_federation: matches!(error, EffectError::Refused { code: 404, .. })
            && [FEDERATION, MEMBERS].contains(&step),
        problem: error.to_string(),
    }
}
