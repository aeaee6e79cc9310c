//! The kinds that are federated beside the built-in ones: what `FederatedKind` objects ask for, checked, told, and put in force.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kfed_api::conditions::{reasons, types};
use kfed_api::{FederatedKind as Entry, FederatedKindSpec, FederatedKindStatus, keys};
use kube::api::{ListParams, Patch};
use kube::core::DynamicObject;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tokio::sync::{Notify, watch};

use super::watch::follow;
use super::{Parts, lock};
use crate::discover::served;
use crate::effect::member::api;
use crate::effect::{EffectError, chain, manager, within};
use crate::kinds::{FederatedKind, Kinds, Served, custom, mistake};
use crate::object::{finalizers_with, finalizers_without};
use crate::world::Change;

/// How soon an entry that waits for something is looked at again: for its kind to be served, or for its objects to be let go.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// What becomes of an entry.
struct Verdict {
    row: Option<&'static FederatedKind>,
    reason: &'static str,
    message: String,
}

/// Follows the entries for ever; tells the kinds in force whenever they have changed, and first of all when all entries are known.
pub(super) async fn run(parts: &Parts, told: watch::Sender<Option<Kinds>>) {
    let entries = Mutex::new(None::<BTreeMap<String, Arc<Entry>>>);
    let changed = Notify::new();
    let watch = follow(Api::<Entry>::all(parts.federation.clone()), watcher::Config::default(), |change| {
        let named = |entry: Entry| (entry.name_any(), Arc::new(entry));
        let mut known = lock(&entries);
        match (change, known.as_mut()) {
            (Change::Reset(all), _) => *known = Some(all.into_iter().map(named).collect()),
            // A federation API from before there were such entries.
            (Change::NotServed, _) => *known = Some(BTreeMap::new()),
            (Change::Apply(entry), Some(known)) => known.extend([named(*entry)]),
            (Change::Delete(entry), Some(known)) => drop(known.remove(&entry.name_any())),
            (Change::Interrupted | Change::Forbidden(_), _) | (_, None) => {}
        }
        drop(known);
        changed.notify_one();
    });
    let decide = async {
        let mut in_force = BTreeMap::new();
        loop {
            let known = lock(&entries).clone();
            let mut again = parts.settings.resync;
            if let Some(known) = known {
                match judge(parts, known.into_values().collect(), &mut in_force).await {
                    Ok(is_settled) => again = if is_settled { again } else { LOOK_AGAIN },
                    Err(error) => {
                        tracing::warn!(error = chain(&error), "could not see to the federated kinds");
                        again = LOOK_AGAIN;
                    }
                }
                let kinds = Kinds::with(in_force.values().copied());
                told.send_if_modified(|now| {
                    let is_news = now.as_ref() != Some(&kinds);
                    *now = Some(kinds);
                    is_news
                });
            }
            drop(tokio::time::timeout(again, changed.notified()).await);
        }
    };
    tokio::join!(watch, decide);
}

/// Decides on every entry; whether none waits for anything. Of two for one kind the older counts.
async fn judge(
    parts: &Parts,
    mut entries: Vec<Arc<Entry>>,
    in_force: &mut BTreeMap<String, &'static FederatedKind>,
) -> Result<bool, EffectError> {
    entries.sort_by_key(|entry| (entry.metadata.creation_timestamp.as_ref().map(|time| time.0), entry.name_any()));
    let names: BTreeSet<_> = entries.iter().map(|entry| entry.name_any()).collect();
    in_force.retain(|name, _| names.contains(name));
    let deadline = parts.settings.deadline;
    let mut taken = BTreeSet::new();
    let mut is_settled = true;
    for entry in entries {
        let name = entry.name_any();
        let of = (entry.spec.group.clone(), entry.spec.kind.clone());
        let ending = entry.metadata.deletion_timestamp.is_some();
        let verdict = if taken.contains(&of) {
            refusal(reasons::ALREADY_FEDERATED, format!("another, older entry federates {}", entry.spec.kind))
        } else if let Some(mistake) = mistake(&entry.spec) {
            refusal(reasons::INVALID_ENTRY, mistake)
        } else {
            match within(deadline, served(&parts.federation, &entry.spec)).await? {
                Some(served) => accept(&entry.spec, &served, ending),
                None => refusal(reasons::KIND_NOT_SERVED, not_served(&entry.spec)),
            }
        };
        is_settled &= verdict.reason == reasons::ACCEPTED || verdict.reason == reasons::INVALID_ENTRY;
        let mut row = verdict.row;
        if ending && !within(deadline, holds_objects(&parts.federation, row)).await? {
            within(deadline, hold(&parts.federation, &entry, false)).await?;
            in_force.remove(&name);
            continue;
        }
        if row.is_some() && !ending {
            // Before anything of the kind is touched: else nobody would let go of it.
            within(deadline, hold(&parts.federation, &entry, true)).await?;
        }
        if verdict.reason == reasons::KIND_NOT_SERVED {
            // Its objects may be there again in a moment.
            row = in_force.get(&name).copied();
        }
        match row {
            Some(row) => {
                taken.insert(of);
                in_force.insert(name, row);
            }
            None => drop(in_force.remove(&name)),
        }
        within(deadline, tell(&parts.federation, &entry, &verdict, (parts.clock)())).await?;
    }
    Ok(is_settled)
}

fn accept(spec: &FederatedKindSpec, served: &Served, ending: bool) -> Verdict {
    let row = custom(spec, served, ending);
    let (reason, message) = match ending {
        true => (reasons::ENDING, "its copies are being left to the members".to_owned()),
        false => (reasons::ACCEPTED, format!("{} of {} are federated", row.resource(), row.api_version())),
    };
    Verdict { row: Some(row), reason, message }
}

fn refusal(reason: &'static str, message: String) -> Verdict {
    Verdict { row: None, reason, message }
}

fn not_served(spec: &FederatedKindSpec) -> String {
    let group = if spec.group.is_empty() { "the core group" } else { &spec.group };
    let version = spec.version.as_ref().map(|version| format!(" in version {version}")).unwrap_or_default();
    format!("the federation API serves no {} of {group}{version}; it is looked for again", spec.kind)
}

/// Whether an object of the kind still has kfed's finalizer.
async fn holds_objects(client: &Client, row: Option<&'static FederatedKind>) -> Result<bool, kube::Error> {
    let Some(row) = row else { return Ok(false) };
    let held =
        |object: &DynamicObject| object.finalizers().iter().any(|finalizer| finalizer == keys::CASCADE_FINALIZER);
    Ok(api(client, row, "").list(&ListParams::default()).await?.iter().any(held))
}

/// Sees to it that the entry does not, or does, go before its objects have been let go.
async fn hold(client: &Client, entry: &Entry, hold: bool) -> Result<(), kube::Error> {
    if entry.finalizers().iter().any(|finalizer| finalizer == keys::KIND_FINALIZER) == hold {
        return Ok(());
    }
    let finalizers = match hold {
        true => finalizers_with(&entry.metadata, keys::KIND_FINALIZER),
        false => finalizers_without(&entry.metadata, keys::KIND_FINALIZER),
    };
    let metadata = json!({"resourceVersion": entry.metadata.resource_version, "finalizers": finalizers});
    let entries = Api::<Entry>::all(client.clone());
    entries.patch(&entry.name_any(), &manager(), &Patch::Merge(json!({"metadata": metadata}))).await.map(drop)
}

async fn tell(client: &Client, entry: &Entry, verdict: &Verdict, now: Timestamp) -> Result<(), kube::Error> {
    let status = if verdict.row.is_some() { "True" } else { "False" };
    let before = entry.status.iter().flat_map(|status| &status.conditions).find(|c| c.type_ == types::FEDERATED);
    let since = before.filter(|before| before.status == status).map(|before| before.last_transition_time.clone());
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let condition = Condition {
        type_: types::FEDERATED.to_owned(),
        status: status.to_owned(),
        reason: verdict.reason.to_owned(),
        message: verdict.message.clone(),
        observed_generation: entry.metadata.generation,
        last_transition_time: since.unwrap_or(Time(now)),
    };
    if before == Some(&condition) {
        return Ok(());
    }
    let patch =
        json!({"metadata": {"uid": entry.metadata.uid}, "status": FederatedKindStatus { conditions: vec![condition] }});
    let entries = Api::<Entry>::all(client.clone());
    entries.patch_status(&entry.name_any(), &manager(), &Patch::Merge(patch)).await.map(drop)
}
