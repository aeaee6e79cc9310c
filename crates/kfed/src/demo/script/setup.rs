//! Steps 1 to 3: Azure DNS, the federation, a member.

use std::collections::BTreeMap;
use std::time::Duration;

use hickory_proto::rr::RecordType as Query;
use kfed_api::Federation;
use kfed_api::conditions::types;
use kfed_azure_emulator::RecordType;
use kfed_control_plane::membership::{Join, join};
use kube::Api;
use serde_json::json;
use tokio::time::Instant;

use super::should;
use crate::demo::names::{FEDERATION, HOSTNAME, NAMESPACE, RESOURCE_GROUP, ZONE};
use crate::demo::observe::chain;
use crate::demo::report::{Seen, Unmet};
use crate::demo::stage::{SOON, Stage, unmet};
use crate::kubeconfig::DEADLINE;

/// A member that joins is Ready within this.
const READY: Duration = Duration::from_secs(10);

/// Step 1.
pub(super) async fn azure_dns(stage: &mut Stage, seen: &mut Seen) -> Result<(), Unmet> {
    let (udp, tcp) = stage.sockets.take().expect("the first step is played once");
    stage.fleet.start_azure(udp, tcp).await.map_err(should("Azure DNS can be emulated"))?;
    plant(stage)?;
    let front = stage.resolver();
    let check = async || match front.ask(ZONE, Query::SOA).await?.len() {
        1 => Ok(()),
        records => Err(format!("{records} SOA records")),
    };
    stage.eventually("the DNS front answers for the zone", SOON, check).await?;
    seen.put("resource_manager", stage.fleet.arm().unwrap_or_default());
    seen.put("dns", front.server.to_string());
    seen.put("zone", format!("{ZONE} in resource group {RESOURCE_GROUP}"));
    seen.put("dns_conf", stage.fleet.dns_conf().display().to_string());
    seen.put("records_of_others", stage.foreign.len());
    Ok(())
}

/// Records that somebody else keeps in the zone, some of them close to what kfed is going to write.
fn plant(stage: &mut Stage) -> Result<(), Unmet> {
    let service = format!("{HOSTNAME}.{NAMESPACE}.{FEDERATION}.svc");
    let others = [
        ("www", RecordType::A, "203.0.113.10"),
        (service.as_str(), RecordType::Txt, "kept by somebody else"),
        (&format!("legacy.{NAMESPACE}.{FEDERATION}.svc"), RecordType::Cname, "www.xtophs.com"),
        (&format!("billing.{NAMESPACE}.{FEDERATION}.svc.westus"), RecordType::A, "203.0.113.20"),
    ];
    let azure = stage.fleet.azure().expect("the emulator was just started");
    for (name, record_type, data) in others {
        let metadata = BTreeMap::from([("owner".to_owned(), "operations".to_owned())]);
        let put = azure.put_record_set(ZONE, name, record_type, 3600, &[data], metadata);
        put.map_err(|error| unmet("others' records can be planted", chain(&error)))?;
    }
    let apex = |name: &str| name == "@";
    stage.foreign = azure.record_sets(ZONE).into_iter().filter(|set| !apex(&set.name)).collect();
    Ok(())
}

/// Step 2.
pub(super) async fn federation(stage: &mut Stage, seen: &mut Seen) -> Result<(), Unmet> {
    stage.fleet.start_federation_api().await.map_err(should("the federation API can be served"))?;
    let timings = stage.timings.clone();
    let started = stage.fleet.start_control_plane(&timings).await;
    started.map_err(should("the control plane starts with the kubeconfig and dns.conf"))?;
    stage.open(FEDERATION).await.map_err(should("the kubeconfig leads to the federation API"))?;
    let federations = Api::<Federation>::all(stage.federation().client);
    let check = async || {
        let federation = federations.get(FEDERATION).await.map_err(|error| chain(&error))?;
        let conditions = federation.status.unwrap_or_default().conditions;
        match conditions.iter().find(|condition| condition.type_ == types::DNS_READY) {
            Some(condition) if condition.status == "True" => Ok(condition.message.clone()),
            Some(condition) => Err(format!("{}: {}", condition.reason, condition.message)),
            None => Err("the control plane has not said anything yet".to_owned()),
        }
    };
    let dns = stage.eventually("condition DNSReady of the Federation is True", SOON, check).await?;
    seen.put("federation", FEDERATION);
    seen.put("kubeconfig", stage.fleet.kubeconfig().display().to_string());
    seen.put("dns_ready", dns);
    Ok(())
}

/// Step 3, and the first half of step 6.
pub(super) async fn join_member(stage: &mut Stage, name: &str, seen: &mut Seen) -> Result<(), Unmet> {
    stage.fleet.start_member(name).await.map_err(should("the member can be started"))?;
    stage.open(name).await.map_err(should("the kubeconfig leads to the member"))?;
    let kubeconfig = stage.fleet.read_kubeconfig().map_err(should("the kubeconfig can be read"))?;
    let start = Instant::now();
    let request = Join { name: name.to_owned(), kubeconfig, context: Some(name.to_owned()), federate_rbac: false };
    let joined = join(&stage.federation().client, request, DEADLINE).await;
    let joined = joined.map_err(|error| unmet(format!("{name} joins"), chain(&error)))?;
    let view = stage.federation();
    let expected = format!("Cluster {name} is Ready, and its region and zones are known");
    let check = async || {
        let cluster = view.cluster(name).await?;
        let ready = cluster.is_ready();
        let status = cluster.status.unwrap_or_default();
        match (ready, &status.region) {
            (true, Some(region)) if !status.zones.is_empty() => Ok((region.clone(), status.zones)),
            _ => Err(format!("Ready {ready}, region {:?}, zones {:?}", status.region, status.zones)),
        }
    };
    let (region, zones) = stage.eventually(&expected, READY, check).await?;
    if region != stage.names.region(name) {
        return Err(unmet(format!("{name} is in {}", stage.names.region(name)), region));
    }
    seen.took("join_to_ready_seconds", start.elapsed());
    seen.put("kubernetes", joined.version);
    seen.put("region", region);
    seen.put("zones", json!(zones));
    Ok(())
}
