//! How long it takes to look at everything, and how long to begin.

use std::collections::BTreeMap;
use std::time::Duration;

use kfed_api::Cluster;
use kfed_benches::resources::threads_cpu_time;
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::json;
use tokio::time::Instant;

use crate::Size;
use crate::figures::seconds;
use crate::fleet::{CONTROL_PLANE, Fleet, create_all, member_name, objects, on_servers};
use crate::object::{Kind, object_name};

/// For how long nothing must have been written for all to be as it should be: longer than anything waits.
const QUIET: Duration = Duration::from_secs(3);
const ROUNDS: usize = 3;
/// Every object in every member is looked at, and nothing differs.
pub(crate) fn run(size: Size) {
    on_servers(async {
        let fleet = spread(size).await;
        for round in 0..ROUNDS {
            let (took, cpu) = look_at_everything(&fleet, round).await;
            println!(
                "resync: {} ReplicaSets x {} members looked at without a change: {} ({} of CPU time), no write   (target: 30 s)",
                size.objects,
                size.members,
                seconds(took),
                seconds(cpu)
            );
        }
        fleet.over().await;
    });
}

/// A control plane starts where another has spread everything.
pub(crate) fn start(size: Size) {
    on_servers(async {
        let mut fleet = spread(size).await;
        for _ in 0..ROUNDS {
            fleet.end().await;
            fleet.looks.forget();
            let writes = fleet.writes();
            let (begin, cpu) = (Instant::now(), cpu());
            fleet.run();
            let took = fleet.looks.at_all(size.objects, size.patience).await - begin;
            let cpu = self::cpu() - cpu;
            fleet.rests(QUIET).await;
            println!(
                "start: until all of {} ReplicaSets x {} members, {} objects, are seen and looked at: {} ({} of CPU time, {} plans), {} writes   (target: 30 s)",
                size.objects,
                size.members,
                size.objects * size.members,
                seconds(took),
                seconds(cpu),
                fleet.looks.plans(),
                fleet.writes() - writes,
            );
        }
        fleet.over().await;
    });
}

/// A federation in which every member holds a part of every workload, and nothing is left to do.
async fn spread(size: Size) -> Fleet {
    let fleet = Fleet::start(size).await;
    let begin = Instant::now();
    let object = |n| Kind::ReplicaSet.object(&object_name(n), size.members);
    create_all(&fleet.api.inside(), Kind::ReplicaSet, size.objects, object).await;
    fleet.rests(QUIET).await;
    let copies = size.objects * size.members;
    let took = begin.elapsed().saturating_sub(QUIET);
    println!("(made {copies} copies in {}: {:.0} a second)", seconds(took), copies as f64 / took.as_secs_f64());
    fleet
}

/// Lets the control plane look at every object, as it does by itself from time to time: another label of a Cluster is reason enough.
/// How long it takes, and what CPU time.
async fn look_at_everything(fleet: &Fleet, round: usize) -> (Duration, Duration) {
    let clusters = Api::<Cluster>::all(fleet.api.inside());
    let (before, writes) = (versions(fleet).await, fleet.member_writes());
    fleet.looks.forget();
    let (begin, cpu) = (Instant::now(), cpu());
    let label = Patch::Merge(json!({"metadata": {"labels": {"round": round.to_string()}}}));
    clusters.patch(&member_name(0), &PatchParams::default(), &label).await.unwrap();
    let took = fleet.looks.at_all(fleet.size.objects, fleet.size.patience).await - begin;
    let cpu = self::cpu() - cpu;
    fleet.rests(QUIET).await;
    assert_eq!(fleet.member_writes(), writes, "nothing was written to members");
    assert_eq!(versions(fleet).await, before, "nothing was written to a workload");
    (took, cpu)
}

/// The version of each workload. (The control plane may write down meanwhile, in the Federation, that it is busy.)
async fn versions(fleet: &Fleet) -> BTreeMap<String, Option<String>> {
    let all = objects(fleet.api.inside(), Kind::ReplicaSet).list(&ListParams::default()).await.unwrap();
    all.into_iter().map(|object| (object.name_any(), object.resource_version())).collect()
}

fn cpu() -> Duration {
    threads_cpu_time(CONTROL_PLANE).unwrap_or_default()
}
