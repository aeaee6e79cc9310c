//! A control plane that dies at every write of a change in turn, and a member that falls silent in that moment. The next one cannot ask
//! what runs there: it goes by what has been written down.

use super::*;
use support::{FINE, MINUTE, SECOND};

use kfed_cluster_emulator::ApiFault;

const SILENT: &str = "fed-west";

/// What members are asked to run.
async fn asked(fleet: &Fleet) -> i32 {
    fleet.spread("hostname").await.values().map(|(asked, _)| asked).sum()
}

#[tokio::test(start_paused = true)]
async fn no_replica_is_missing_when_a_member_falls_silent_and_the_control_plane_dies_amid_a_change() {
    for when in [When::Before, When::After] {
        let mut fleet = Fleet::start().await.serving(&MEMBERS).await;
        fleet.kill().await;
        let mut deaths = 0;
        for n in 0.. {
            let mut died_in = 0;
            for wanted in [12, 4, 8] {
                let mut life = Life::start(&fleet, Tap::new());
                life.tap.rests(QUIET).await;
                let before = asked(&fleet).await;
                life.tap.arm(n, when);
                fleet.replica_set("hostname", wanted, Some(SPREAD)).await;
                let died = tokio::select! {
                    write = life.tap.died() => Some(write),
                    () = life.tap.rests(QUIET) => None,
                };
                life.stop().await;
                fleet.set_api(SILENT, ApiFault::Hang);
                fleet.run();
                let what = format!("{wanted} after {before}, dead {when:?} write {n}, {died:?}");
                let held = fleet.held("hostname", SILENT).await.0;
                // Until that one is Offline it may only not have been heard yet: nothing moves for what is written down of it.
                let other = fleet.held("hostname", MEMBERS[1]).await.0;
                let same = async || fleet.held("hostname", MEMBERS[1]).await.0 == other;
                fleet.always(5 * SECOND, &format!("{what}: nothing moves"), same).await;
                let enough = async || asked(&fleet).await >= wanted;
                fleet.eventually(&format!("{what}: there are enough"), enough).await;
                fleet.always(MINUTE / 2, &format!("{what}: there are enough"), enough).await;
                fleet.set(SILENT, FINE);
                let half = wanted / 2;
                // What it runs it keeps until it is trusted; then all is as it should be.
                let kept = async || enough().await && fleet.held("hostname", SILENT).await.0 >= held.min(half);
                fleet.always(MINUTE / 2, &format!("{what}: enough are kept"), kept).await;
                assert_eq!(fleet.phase(SILENT).await, "Ready");
                fleet.is_spread("hostname", &MEMBERS.map(|member| (member, half))).await;
                fleet.kill().await;
                died_in += usize::from(died.is_some());
            }
            deaths += died_in;
            if died_in == 0 {
                break;
            }
        }
        assert!(deaths > 8, "there were only {deaths} writes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_may_have_taken_less_when_it_fell_silent_is_counted_on_for_less() {
    let fleet = Fleet::start().await.serving(&MEMBERS).await;
    fleet.set_api(SILENT, ApiFault::Hang);
    fleet.replica_set("hostname", 4, Some(SPREAD)).await;
    fleet.eventually("the other is told", async || fleet.held("hostname", "fed-east").await.0 == 2).await;
    // So is this one. It takes that, and neither its answer nor its watch says so.
    let copies = objects(&fleet.member(SILENT).client(), "apps/v1", "ReplicaSet", Some("default"));
    let fewer = Patch::Merge(json!({"spec": {"replicas": 2}}));
    copies.patch("hostname", &PatchParams::default(), &fewer).await.unwrap();
    fleet.replica_set("hostname", 8, Some(SPREAD)).await;
    let enough = async || asked(&fleet).await >= 8;
    fleet.eventually("there are enough", enough).await;
    fleet.always(2 * MINUTE, "there are enough", enough).await;
    fleet.set(SILENT, FINE);
    fleet.is_spread("hostname", &MEMBERS.map(|member| (member, 4))).await;
}

#[tokio::test(start_paused = true)]
async fn a_member_that_has_not_taken_less_is_asked_again_and_counts_in_full() {
    let fleet = Fleet::start().await.serving(&MEMBERS).await;
    let noted = async |replicas: i32| {
        let federated = fleet.replica_sets().get("hostname").await.unwrap();
        federated.annotations()[keys::PLACEMENT].matches(&format!(r#""replicas":{replicas}"#)).count() == 2
    };
    fleet.set_api(SILENT, ApiFault::Status(500));
    fleet.replica_set("hostname", 4, Some(SPREAD)).await;
    fleet.eventually("both are counted on for less", async || noted(2).await).await;
    fleet.eventually("the other is told", async || fleet.held("hostname", "fed-east").await.0 == 2).await;
    // It has refused, and kfed cannot know that it did not take it: what it shows is what it is to run again.
    fleet.set(SILENT, FINE);
    fleet.replica_set("hostname", 8, Some(SPREAD)).await;
    assert_eq!(fleet.held("hostname", SILENT).await.0, 4);
    fleet.is_spread("hostname", &MEMBERS.map(|member| (member, 4))).await;
    fleet.eventually("both are counted on in full", async || noted(4).await).await;
}
