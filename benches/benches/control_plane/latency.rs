//! From an object's creation in the federation until each member shows it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use kube::api::{WatchEvent, WatchParams};
use kube::core::PartialObjectMeta;
use kube::{Client, ResourceExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::fleet::{Fleet, create, objects, on_servers};
use crate::object::{Kind, object_name};
use crate::spent::Spent;
use crate::{Size, figures};

/// A member shows an object.
struct Sighting {
    object: String,
    at: Instant,
}

/// `every` is how often an object is made, whatever has become of those before it.
pub(crate) fn run(size: Size, every: Duration) {
    for kind in [Kind::ConfigMap, Kind::ReplicaSet] {
        on_servers(measure(kind, size, every));
    }
}

async fn measure(kind: Kind, size: Size, every: Duration) {
    let fleet = Fleet::start(size).await;
    let (tell, mut sightings) = mpsc::unbounded_channel();
    let mut onlookers = JoinSet::new();
    for member in fleet.members.values() {
        onlookers.spawn(look(member.inside(), kind, tell.clone()));
    }
    // The first is not counted: everybody has to have begun.
    let mut made = BTreeMap::new();
    let mut seen = BTreeMap::<String, Vec<Duration>>::new();
    let mut before = Spent::of(&fleet);
    let mut ticks = tokio::time::interval(every);
    for n in 0..=size.objects {
        ticks.tick().await;
        let name = object_name(n);
        let object = kind.object(&name, size.members);
        made.insert(name, Instant::now());
        create(&fleet.api.inside(), kind, &object).await;
        if n == 0 {
            fleet.rests(Duration::from_secs(1)).await;
            fleet.looks.forget();
            before = Spent::of(&fleet);
            ticks.reset();
        }
    }
    let wanted = (size.objects + 1) * size.members;
    let mut count = 0;
    while count < wanted {
        let sighting: Sighting =
            tokio::time::timeout(size.patience, sightings.recv()).await.expect("all are seen").unwrap();
        count += 1;
        seen.entry(sighting.object.clone()).or_default().push(sighting.at - made[&sighting.object]);
    }
    fleet.rests(Duration::from_secs(3)).await;
    let spent = before.until(&Spent::of(&fleet)).each(size.objects);
    seen.remove(&object_name(0));
    let each: Vec<_> = seen.values().flatten().copied().collect();
    let last: Vec<_> = seen.values().filter_map(|times| times.iter().max().copied()).collect();
    println!(
        "latency: {kind:?} created until visible in a member; {} members, {} objects, one each {every:?}",
        size.members, size.objects
    );
    println!("    a member       {}   (target: p50 100 ms, p99 500 ms)", figures::quantiles(each));
    println!("    the last one   {}", figures::quantiles(last));
    println!("    {spent}");
    onlookers.shutdown().await;
    fleet.over().await;
}

/// Tells of every object of `kind` that a member comes to show.
async fn look(member: Client, kind: Kind, tell: mpsc::UnboundedSender<Sighting>) {
    let objects = objects(member, kind);
    let how = WatchParams::default().labels("kfed.io/managed-by").timeout(290);
    let mut version = "0".to_owned();
    loop {
        let mut events = objects.watch_metadata(&how, &version).await.unwrap().boxed();
        while let Some(event) = events.next().await {
            let at = Instant::now();
            match event {
                Ok(WatchEvent::Added(object)) => {
                    let object: PartialObjectMeta<_> = object;
                    version = object.resource_version().unwrap();
                    if tell.send(Sighting { object: object.name_any(), at }).is_err() {
                        return;
                    }
                }
                Ok(WatchEvent::Modified(object)) => version = object.resource_version().unwrap(),
                _ => {}
            }
        }
    }
}
