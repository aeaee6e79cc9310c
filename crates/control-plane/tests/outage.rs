//! How fast, in virtual time and requests: a member dies and comes back behind Azure's documented limits.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests: their names say what they hold")]

mod support;

use std::time::Duration;

use support::SECOND;
use support::outage::{Scene, Setting};

#[tokio::test(start_paused = true)]
async fn wrong_answers_are_gone_in_time() {
    for period in [5 * SECOND, SECOND] {
        let setting = Setting { services: 20, members: 3, period, latency: Duration::from_millis(100) };
        let scene = Scene::new(setting).await;
        let death = scene.death().await;
        println!(
            "{period:?}: told {:?} first {:?} over {:?} changed {} written {} floor {:?} none {} ooo {}\n{}",
            death.told,
            death.first_write(),
            death.over(),
            death.changed(),
            death.written(),
            death.floor(),
            death.without_answer(),
            death.out_of_order().len(),
            death.requests
        );
        let back = scene.back().await;
        println!(
            "{period:?}: told {:?} first {:?} over {:?} changed {} written {} floor {:?} none {} ooo {}\n{}",
            back.told,
            back.first_write(),
            back.over(),
            back.changed(),
            back.written(),
            back.floor(),
            back.without_answer(),
            back.out_of_order().len(),
            back.requests
        );
        println!("{}", scene.rest().await);
    }
}
