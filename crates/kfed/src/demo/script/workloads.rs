//! Steps 4 to 6: workloads, a Service, a second member.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Service;
use serde_json::json;
use tokio::time::Instant;

use super::setup;
use crate::demo::manifests;
use crate::demo::names::{HOSTNAME, PORT, ROAMING};
use crate::demo::observe::http_get;
use crate::demo::report::{Seen, Unmet};
use crate::demo::stage::{SOON, Stage, addresses, failed};

/// Step 4.
pub(super) async fn replica_set(stage: &mut Stage, seen: &mut Seen) -> Result<(), Unmet> {
    let first = stage.names.first.clone();
    let start = Instant::now();
    let yaml = manifests::HOSTNAME.yaml(&stage.names);
    let created = stage.federation().create::<ReplicaSet>(&yaml).await;
    created.map_err(failed("ReplicaSet hostname is created in the federation API"))?;
    stage.pods(HOSTNAME, &[(&first, 8)], SOON).await?;
    seen.took("create_to_running_seconds", start.elapsed());
    stage.status(HOSTNAME, 8, SOON).await?;
    seen.put("pods_ready", json!({ first: 8 }));
    seen.put("status", "8/8 ready");
    Ok(())
}

/// Step 5.
pub(super) async fn service(stage: &mut Stage, seen: &mut Seen) -> Result<(), Unmet> {
    let first = stage.names.first.clone();
    let start = Instant::now();
    let yaml = manifests::HOSTNAME_SERVICE.yaml(&stage.names);
    let created = stage.federation().create::<Service>(&yaml).await;
    created.map_err(failed("Service hostname is created in the federation API"))?;

    let view = stage.federation();
    let check = async || {
        let addresses = view.addresses(HOSTNAME).await?;
        if addresses.is_empty() { Err("no address".to_owned()) } else { Ok(addresses) }
    };
    let published = stage.eventually("the Service's status in the federation has an address", SOON, check).await?;
    let address = stage.address(&first)?;
    if published != BTreeSet::from([address.to_string()]) {
        return Err(crate::demo::stage::unmet(
            format!("the address is {first}'s, {address}"),
            format!("{published:?}"),
        ));
    }
    seen.put("address", address.to_string());

    let names: Vec<_> = std::iter::once(stage.names.global()).chain(stage.names.local(&first)).collect();
    for name in &names {
        stage.resolves(name, &BTreeSet::from([address]), SOON).await?;
    }
    seen.took("create_to_dns_seconds", start.elapsed());
    seen.put("names", json!(names));

    let answers = answers(stage, &[&first]).await?;
    seen.put("http", json!(answers));
    stage.foreign_untouched().map(drop)
}

/// Step 6.
pub(super) async fn second_member(stage: &mut Stage, seen: &mut Seen) -> Result<(), Unmet> {
    let (first, second) = (stage.names.first.clone(), stage.names.second.clone());
    setup::join_member(stage, &second, seen).await?;
    let start = Instant::now();
    let preferences = manifests::HOSTNAME_PREFERENCES.yaml(&stage.names);
    let replaced = stage.federation().replace::<ReplicaSet>(&preferences).await;
    replaced.map_err(failed("ReplicaSet hostname is replaced with one that has preferences"))?;
    stage.pods(HOSTNAME, &[(&first, 4), (&second, 4)], SOON).await?;
    seen.took("preferences_to_pods_seconds", start.elapsed());
    stage.status(HOSTNAME, 8, SOON).await?;
    seen.put(HOSTNAME, json!({ &first: 4, &second: 4 }));

    everywhere(stage, seen).await?;

    let roaming = manifests::ROAMING.yaml(&stage.names);
    let created = stage.federation().create::<ReplicaSet>(&roaming).await;
    created.map_err(failed("ReplicaSet roaming is created in the federation API"))?;
    stage.pods(ROAMING, &[(&first, 3), (&second, 3)], SOON).await?;
    stage.status(ROAMING, 6, SOON).await?;
    seen.put(ROAMING, json!({ &first: 3, &second: 3 }));
    Ok(())
}

/// DNS has both members' addresses, each in its own region and zones alone, and both answer.
pub(super) async fn everywhere(stage: &Stage, seen: &mut Seen) -> Result<(), Unmet> {
    let (first, second) = (stage.names.first.as_str(), stage.names.second.as_str());
    // The load balancer of a member that has just joined comes with its Service.
    let check = async || stage.address(second).map_err(|unmet| unmet.seen);
    stage.eventually(&format!("{second} has a load balancer for the Service"), SOON, check).await?;
    let both = BTreeSet::from([stage.address(first)?, stage.address(second)?]);
    stage.resolves(&stage.names.global(), &both, SOON).await?;
    for member in [first, second] {
        for name in stage.names.local(member) {
            stage.resolves(&name, &BTreeSet::from([stage.address(member)?]), SOON).await?;
        }
    }
    seen.put("dns", addresses(&both));
    let answers = answers(stage, &[first, second]).await?;
    seen.put("http", json!(answers));
    Ok(())
}

/// Asks the Service by its name until a pod of each of `members` has answered, and of none else; which did.
async fn answers(stage: &Stage, members: &[&str]) -> Result<BTreeMap<String, String>, Unmet> {
    let name = stage.names.global();
    let expected = format!("http://{name}:{PORT}/ is answered by pods of {}", members.join(" and "));
    let check = async || {
        let mut answers = BTreeMap::new();
        // As clients do: resolve the name, go to any of its addresses.
        for address in stage.resolver().addresses(&name).await? {
            let pod = http_get(&name, PORT, address).await?;
            let member = home(stage, members, pod.trim(), address).await?;
            answers.insert(member, pod.trim().to_owned());
        }
        if answers.len() == members.len() { Ok(answers) } else { Err(format!("answers: {answers:?}")) }
    };
    stage.eventually(&expected, SOON, check).await
}

/// The member that runs the pod.
async fn home(stage: &Stage, members: &[&str], pod: &str, address: IpAddr) -> Result<String, String> {
    for member in members {
        if stage.view(member).pods(HOSTNAME).await?.contains(pod) {
            return Ok((*member).to_owned());
        }
    }
    Err(format!("{address} answers {pod:?}, which is no ready pod of {}", members.join(" or ")))
}
