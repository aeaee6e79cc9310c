//! Steps 9 and 10: a Service goes, a member leaves.

use std::time::Duration;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use kfed_api::{Cluster, SYSTEM_NAMESPACE, Unjoin, keys};
use kfed_azure_emulator::RecordType;
use kfed_control_plane::membership::{UnjoinError, unjoin};
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use serde_json::json;
use tokio::time::Instant;

use crate::demo::names::{FEDERATION, HOSTNAME, NAMESPACE, ROAMING, ZONE};
use crate::demo::observe::chain;
use crate::demo::report::{Seen, Unmet};
use crate::demo::stage::{SOON, Stage, addresses, failed, unmet};

/// How long a member may take to leave.
const LEAVE: Duration = Duration::from_secs(40);

/// Step 9.
pub(super) async fn delete_service(stage: &mut Stage, seen: &mut Seen) -> Result<(), Unmet> {
    let start = Instant::now();
    let services = stage.federation().of::<Service>();
    let deleted = services.delete(HOSTNAME, &DeleteParams::background()).await;
    deleted.map_err(|error| unmet("Service hostname is deleted in the federation API", chain(&error)))?;
    let check = async || match services.get_opt(HOSTNAME).await.map_err(|error| chain(&error))? {
        None => Ok(()),
        Some(service) => Err(format!("it waits for {:?}", service.metadata.finalizers.unwrap_or_default())),
    };
    stage.eventually("Service hostname is gone from the federation API", SOON, check).await?;
    seen.took("delete_to_gone_seconds", start.elapsed());

    let names = stage.names.all();
    for name in &names {
        let answer = stage.resolver().addresses(name).await.map_err(failed("DNS answers"))?;
        if !answer.is_empty() {
            return Err(unmet(format!("{name} resolves to nothing"), addresses(&answer)));
        }
    }
    seen.put("names_without_an_answer", names.len());
    let left = records_of_the_service(stage);
    if !left.is_empty() {
        return Err(unmet("no record of the Service is left in the zone", left.join(", ")));
    }
    for member in [&stage.names.first, &stage.names.second] {
        let services = stage.view(member).of::<Service>();
        let check = async || match services.get_opt(HOSTNAME).await.map_err(|error| chain(&error))? {
            None => Ok(()),
            Some(_) => Err("it is there".to_owned()),
        };
        stage.eventually(&format!("Service hostname is gone from {member}"), SOON, check).await?;
    }
    seen.put("records_of_others_untouched", stage.foreign_untouched()?);
    Ok(())
}

/// Addresses and aliases at any level of the Service's names.
fn records_of_the_service(stage: &Stage) -> Vec<String> {
    let prefix = format!("{HOSTNAME}.{NAMESPACE}.{FEDERATION}.svc");
    let sets = stage.fleet.azure().map(|azure| azure.record_sets(ZONE)).unwrap_or_default();
    let ours = sets.into_iter().filter(|set| {
        let points = matches!(set.record_type, RecordType::A | RecordType::Aaaa | RecordType::Cname);
        points && set.name.starts_with(&prefix)
    });
    ours.map(|set| format!("{} {}", set.name, set.record_type)).collect()
}

/// Step 10.
pub(super) async fn unjoin_second(stage: &mut Stage, seen: &mut Seen) -> Result<(), Unmet> {
    let (first, second) = (stage.names.first.as_str(), stage.names.second.as_str());
    let federation = stage.federation();
    let secret = federation.cluster(second).await.map_err(failed("the member can be seen"))?.spec.secret_ref.name;

    let polite = unjoin(&federation.client, second, Unjoin::default(), LEAVE, |_| {}).await;
    match polite {
        Err(UnjoinError::NoRoom { why, .. }) if why.contains(HOSTNAME) && why.contains('4') => seen.put("refused", why),
        Err(other) => return Err(unmet("the unjoin is refused: 4 of hostname have no room", chain(&other))),
        Ok(_) => return Err(unmet("the unjoin is refused: 4 of hostname have no room", "it went through")),
    }
    stage.pods(HOSTNAME, &[(first, 4), (second, 4)], SOON).await?;
    stage.pods(ROAMING, &[(first, 3), (second, 3)], SOON).await?;

    let start = Instant::now();
    let progress = |text: &str| stage.reporter.waiting(&format!("{second} leaves"), text, start.elapsed());
    let forced = Unjoin { force: true, orphan: false };
    let left = unjoin(&federation.client, second, forced, LEAVE, progress).await;
    let left = left.map_err(|error| unmet(format!("{second} leaves by force"), chain(&error)))?;
    if let Some(what) = left.left_behind {
        return Err(unmet(format!("{second} leaves nothing behind"), what));
    }
    seen.took("unjoin_seconds", start.elapsed());

    stage.pods(ROAMING, &[(first, 6)], SOON).await?;
    stage.pods(HOSTNAME, &[(first, 4)], SOON).await?;
    empty(stage, second).await?;
    let clusters = Api::<Cluster>::all(federation.client.clone());
    let secrets = Api::<Secret>::namespaced(federation.client.clone(), SYSTEM_NAMESPACE);
    let gone = async || {
        let cluster = clusters.get_opt(second).await.map_err(|error| chain(&error))?;
        let credentials = secrets.get_opt(&secret).await.map_err(|error| chain(&error))?;
        match (cluster.is_some(), credentials.is_some()) {
            (false, false) => Ok(()),
            (cluster, credentials) => Err(format!("Cluster there: {cluster}, credentials there: {credentials}")),
        }
    };
    stage.eventually(&format!("Cluster {second} and its credentials are gone"), SOON, gone).await?;
    seen.put(ROAMING, json!({ first: 6 }));
    seen.put(HOSTNAME, json!({ first: 4 }));
    seen.put("left_in_the_member", 0);
    seen.put("records_of_others_untouched", stage.foreign_untouched()?);
    Ok(())
}

/// Nothing that kfed made is left in the member.
async fn empty(stage: &Stage, member: &str) -> Result<(), Unmet> {
    let view = stage.view(member);
    let managed = ListParams::default().labels(keys::MANAGED_BY);
    let check = async || {
        let sets = view.of::<ReplicaSet>().list(&managed).await.map_err(|error| chain(&error))?.items.len();
        let services = view.of::<Service>().list(&managed).await.map_err(|error| chain(&error))?.items.len();
        let pods = view.of::<Pod>().list(&ListParams::default()).await.map_err(|error| chain(&error))?.items.len();
        match (sets, services, pods) {
            (0, 0, 0) => Ok(()),
            _ => Err(format!("{sets} ReplicaSets, {services} Services, {pods} pods")),
        }
    };
    stage.eventually(&format!("{member} holds nothing of kfed's"), SOON, check).await
}
