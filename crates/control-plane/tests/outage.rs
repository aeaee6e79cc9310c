//! How fast, in virtual time and requests: a member dies and comes back behind Azure's documented limits. `cargo bench --bench failover`
//! shows the same for any number of services.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests: their names say what they hold")]

mod support;

use std::time::Duration;

use kfed_azure_emulator::Operation;
use support::SECOND;
use support::outage::{Scene, Setting, Turn};

/// Of the seven names of a Service in three members, those that a dead one is answered for: everybody's, its region's and its zone's.
const NAMES: usize = 3;
/// What may pass between the death being known and the first write.
const AT_ONCE: Duration = Duration::from_secs(2);

fn setting(services: usize, period: Duration) -> Setting {
    Setting { services, members: 3, period, latency: Duration::from_millis(100) }
}

/// Each set that is wrong costs one write and nothing else, and no name is without an answer.
fn is_cheap(turn: &Turn, services: usize) {
    assert_eq!((turn.changed(), turn.written()), (services * NAMES, services * NAMES));
    assert_eq!(turn.requests.count(Operation::RecordSetGet), 0, "{}", turn.requests);
    assert_eq!(turn.requests.answered_with(429), 0, "{}", turn.requests);
    assert_eq!(turn.without_answer(), 0);
}

#[tokio::test(start_paused = true)]
async fn wrong_answers_are_gone_in_time_and_each_costs_one_write() {
    // 3 periods and a deadline.
    for (period, detection) in [(5 * SECOND, Duration::from_secs(18)), (SECOND, Duration::from_millis(4500))] {
        let scene = Scene::new(setting(20, period)).await;
        let death = scene.death().await;
        assert!(death.told <= detection, "{:?} at {period:?}", death.told);
        assert!(death.first_write() <= death.told + AT_ONCE, "{:?} after {:?}", death.first_write(), death.told);
        // The limits let all of them pass at once.
        assert_eq!(death.floor(death.told), Duration::ZERO);
        assert!(death.over() <= death.told + AT_ONCE, "{:?} after {:?}", death.over(), death.told);
        // At the short period an address may be found dead a period after its member. What is known by then is not kept waiting for it.
        assert_eq!(death.out_of_order().len(), 0, "{:?}", death.out_of_order());
        is_cheap(&death, 20);
        is_cheap(&scene.back().await, 20);
    }
}

/// 210 sets get another TTL when the member dies: all that the limits allow in a minute.
#[tokio::test(start_paused = true)]
async fn in_the_middle_of_a_bulk_change_wrong_answers_take_no_longer_than_the_limits_make_them() {
    let scene = Scene::new(setting(30, 5 * SECOND)).await;
    scene.change_ttl().await;
    let death = scene.death().await;
    let (took, floor) = (death.over() - death.told, death.floor(death.told));
    assert!(floor > 30 * SECOND, "{floor:?}");
    assert!(took <= floor.mul_f64(1.1), "{took:?} where {floor:?} is the least");
    assert_eq!(death.out_of_order().len(), 0, "{:?}", death.out_of_order());
    assert_eq!(death.requests.answered_with(429), 0, "{}", death.requests);
    assert_eq!((death.changed(), death.without_answer()), (30 * NAMES, 0));
}
