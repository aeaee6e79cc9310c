//! Steps 7 and 8: a member dies, and comes back.

use std::collections::BTreeSet;
use std::time::Duration;

use kfed_api::conditions::reasons;
use kfed_cluster_emulator::Faults;
use serde_json::json;
use tokio::time::Instant;

use super::workloads;
use crate::demo::names::{HOSTNAME, PORT, ROAMING};
use crate::demo::observe::http_get;
use crate::demo::report::{Seen, Unmet};
use crate::demo::stage::{SOON, Stage, addresses, unmet};

/// What a loaded machine may add to any wait.
const SLACK: Duration = Duration::from_secs(15);

/// Step 7. Not closed politely: requests are accepted and never answered.
pub(super) async fn kill(stage: &mut Stage, seen: &mut Seen) -> Result<(), Unmet> {
    let (first, second) = (stage.names.first.as_str(), stage.names.second.as_str());
    let east = BTreeSet::from([stage.address(second)?]);
    let timings = &stage.timings;
    let detection = timings.probe_period * (timings.failure_threshold + 1) + timings.probe_deadline;
    let cluster = stage.fleet.member(first).expect("the member was started by an earlier step");
    cluster.set_faults(Faults::DEAD);
    let killed = Instant::now();

    let view = stage.federation();
    let offline = async {
        let check = async || {
            let cluster = view.cluster(first).await?;
            let phase = cluster.status.as_ref().and_then(|status| status.phase);
            let phase = phase.map_or_else(|| "Unknown".to_owned(), |phase| phase.to_string());
            if cluster.is_offline() { Ok(()) } else { Err(phase) }
        };
        let seen = stage.eventually(&format!("Cluster {first} is Offline"), detection + SLACK, check).await;
        seen.map(|()| killed.elapsed())
    };
    let dns = async {
        let gone = stage.resolves(&stage.names.global(), &east, detection + SLACK).await;
        gone.map(|()| killed.elapsed())
    };
    let replicas = async {
        let moved = stage.pods(ROAMING, &[(second, 6)], detection + timings.evict_after + SLACK).await;
        moved.map(|()| killed.elapsed())
    };
    let (offline, dns, replicas) = tokio::join!(offline, dns, replicas);
    seen.took("kill_to_offline_seconds", offline?);
    seen.took("kill_to_dns_seconds", dns?);
    seen.took("kill_to_replicas_seconds", replicas?);

    // Its region and zones have no address of their own any more: they carry the next level's that has one.
    for name in stage.names.local(first) {
        stage.resolves(&name, &east, SOON).await?;
    }
    seen.put("dns", addresses(&east));
    for address in &east {
        let pod = http_get(&stage.names.global(), PORT, *address).await;
        let pod = pod.map_err(|seen| unmet("the Service answers by its name while the member is dead", seen))?;
        seen.put("http", json!({ second: pod.trim() }));
    }
    stage.status(ROAMING, 6, SOON).await?;
    seen.put(ROAMING, json!({ second: 6 }));
    stage.pods(HOSTNAME, &[(second, 4)], SOON).await?;
    let message = no_room(stage).await?;
    seen.put(HOSTNAME, json!({ second: 4 }));
    seen.put("condition", message);
    Ok(())
}

/// The condition that says that 4 of 8 replicas find no room.
async fn no_room(stage: &Stage) -> Result<String, Unmet> {
    let view = stage.federation();
    let check = async || match view.replicas(HOSTNAME).await?.scheduled {
        Some((false, reason, message)) if reason == reasons::NO_ROOM && message.contains("4 of 8") => Ok(message),
        other => Err(format!("{other:?}")),
    };
    stage.eventually("condition Scheduled of hostname says that 4 of 8 replicas find no room", SOON, check).await
}

/// Step 8.
pub(super) async fn recover(stage: &mut Stage, seen: &mut Seen) -> Result<(), Unmet> {
    let (first, second) = (stage.names.first.as_str(), stage.names.second.as_str());
    let both = BTreeSet::from([stage.address(first)?, stage.address(second)?]);
    let timings = &stage.timings;
    let detection = timings.probe_period * (timings.success_threshold + 1) + timings.probe_deadline;
    let cluster = stage.fleet.member(first).expect("the member was started by an earlier step");
    cluster.set_faults(Faults::default());
    let returned = Instant::now();
    let dns = async {
        let back = stage.resolves(&stage.names.global(), &both, detection + SLACK).await;
        back.map(|()| returned.elapsed())
    };
    let replicas = async {
        stage.pods(ROAMING, &[(first, 3), (second, 3)], detection + SLACK).await?;
        stage.pods(HOSTNAME, &[(first, 4), (second, 4)], SOON).await?;
        Ok::<_, Unmet>(returned.elapsed())
    };
    let (dns, replicas) = tokio::join!(dns, replicas);
    seen.took("return_to_dns_seconds", dns?);
    seen.took("return_to_replicas_seconds", replicas?);
    stage.status(ROAMING, 6, SOON).await?;
    stage.status(HOSTNAME, 8, SOON).await?;
    seen.put(ROAMING, json!({ first: 3, second: 3 }));
    seen.put(HOSTNAME, json!({ first: 4, second: 4 }));
    workloads::everywhere(stage, seen).await
}
