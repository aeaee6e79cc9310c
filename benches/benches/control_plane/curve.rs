//! What a change costs beside ever more members and objects that have nothing to do with it.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::fleet::{Fleet, create_all, member_name, objects, on_servers};
use crate::object::{Kind, object_name};
use crate::spent::Spent;
use crate::{Curve, Size};

/// In how many members each object is.
const SPREAD: usize = 3;
/// How often one changes: so that each has come to rest before the next.
const EVERY: Duration = Duration::from_millis(50);
/// How many changes.
const CHANGES: usize = 200;
/// How long it is let rest to see what it computes without a change, and what comes at the end of changes.
const REST: Duration = Duration::from_secs(10);

pub(crate) fn run(curve: Curve) {
    for kind in [Kind::ConfigMap, Kind::ReplicaSet, Kind::Service]
        .into_iter()
        .filter(|kind| curve.kind.is_none_or(|of| of == *kind))
    {
        println!("curve: a {kind:?} in {SPREAD} members changes");
        for members in curve.members.into_iter().filter(|members| *members >= SPREAD) {
            on_servers(measure(kind, Size { members, objects: 100, patience: curve.patience }));
        }
        for objects in curve.objects {
            on_servers(measure(kind, Size { members: 10, objects, patience: curve.patience }));
        }
    }
}

async fn measure(kind: Kind, size: Size) {
    let fleet = Fleet::start(size).await;
    let federation = fleet.api.inside();
    let object = |n: usize| {
        let members: Vec<_> = (0..SPREAD).map(|at| member_name((n + at) % size.members)).collect();
        kind.among(&object_name(n), &members)
    };
    create_all(&federation, kind, size.objects, object).await;
    fleet.rests(REST / 2).await;
    let before = Spent::of(&fleet);
    tokio::time::sleep(REST).await;
    let idle = before.until(&Spent::of(&fleet));

    let changed = objects(federation, kind);
    let before = Spent::of(&fleet);
    let mut ticks = tokio::time::interval(EVERY);
    for n in 0..CHANGES {
        ticks.tick().await;
        let label = Patch::Merge(json!({"metadata": {"labels": {"change": n.to_string()}}}));
        // One after the other: what is changed again and again is slowed down on purpose.
        let name = object_name(n % size.objects);
        changed.patch(&name, &PatchParams::default(), &label).await.unwrap();
    }
    let all = before.until(&Spent::of(&fleet));
    let took = EVERY * u32::try_from(CHANGES).unwrap();
    let each = all.without(&idle, took.as_secs_f64() / REST.as_secs_f64()).each(CHANGES);
    println!("    beside {:>5} members, {:>5} objects: {each}", size.members, size.objects);
    fleet.over().await;
}
