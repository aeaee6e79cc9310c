//! A control plane that dies at every write of a change in turn, and a member that falls silent in that moment. The next one cannot ask
//! what runs there: it goes by what has been written down.

use super::*;
use support::{FINE, MINUTE};

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
