//! Histories that are written down: what is known to be hard, each by its name, watched as the random ones are.

use std::time::Duration;

use kfed_cluster_emulator::{ApiFault, Faults, LbFault};
use kfed_service_dns::Fallback;

use crate::history::{Cluster, Hand, History, MemberSpec, Ready, ServiceSpec, Step, Timing, Way, ZoneFault};
use crate::support::{API_SILENT, FINE, HANG, LB_SILENT, MINUTE, REFUSE, SECOND};
use crate::{Rig, goes_on, run};

/// Two members in two regions, and one service.
fn history(steps: impl IntoIterator<Item = (Duration, Step)>) -> History {
    let member = |name, region| MemberSpec { name, region, zones: vec!["1"] };
    History {
        seed: 0,
        members: vec![member("a", "east"), member("b", "west")],
        services: vec![service("s0")],
        timing: Timing {
            probe_period: 5 * SECOND,
            dns_hold: Duration::ZERO,
            empty_hold: 5 * MINUTE,
            sweep: 5 * MINUTE,
        },
        fallback: Fallback::Addresses,
        marks: false,
        bare: None,
        steps: steps.into_iter().collect(),
    }
}

fn service(name: &str) -> ServiceSpec {
    ServiceSpec {
        namespace: "shop",
        name: name.to_owned(),
        ttl: None,
        priority: None,
        hostname: Some("www"),
        early: true,
    }
}

/// The same with another service, which asks for the same name.
fn history_of_two(steps: impl IntoIterator<Item = (Duration, Step)>) -> History {
    History { services: vec![service("s0"), service("s1")], ..history(steps) }
}

fn holds(history: &History) {
    let (log, result) = run(history);
    if let Err(what) = result {
        panic!("{what}\n{history}\n{}", log.join("\n"));
    }
}

/// The first member breaks for half of each `period`, `times` times.
fn flaps(faults: Faults, period: Duration, times: u32) -> Vec<(Duration, Step)> {
    let flap = |n| [(period * n, Step::Member(0, faults)), (period * n + period / 2, Step::Member(0, FINE))];
    (0..times).flat_map(flap).collect()
}

#[test]
fn a_member_that_flaps_at_any_period_never_takes_the_names_with_it() {
    for period in [1, 2, 5, 11, 20, 36, 60, 150, 300, 600] {
        for faults in [HANG, LB_SILENT] {
            let times = (300 / period).clamp(2, 20);
            holds(&history(flaps(faults, period * SECOND, times)));
        }
    }
}

#[test]
fn a_member_breaks_in_every_way() {
    for faults in [HANG, REFUSE, API_SILENT, LB_SILENT] {
        holds(&history([(SECOND, Step::Member(0, faults)), (3 * MINUTE, Step::Member(0, FINE))]));
    }
    for code in [500, 401] {
        for lb in [LbFault::Ok, LbFault::Hang] {
            let faults = Faults { api: ApiFault::Status(code), lb };
            holds(&history([(SECOND, Step::Member(0, faults)), (3 * MINUTE, Step::Member(0, FINE))]));
        }
    }
}

#[test]
fn everybody_dies_and_the_last_addresses_stay() {
    for faults in [HANG, LB_SILENT, REFUSE] {
        holds(&history([
            (SECOND, Step::Member(0, faults)),
            (30 * SECOND, Step::Member(1, faults)),
            (12 * MINUTE, Step::Member(0, FINE)),
            (13 * MINUTE, Step::Member(1, FINE)),
        ]));
    }
}

/// With `--dns-fallback=cname`, Azure throttling or not: addresses and CNAMEs change places, and only for as long as that takes.
#[test]
fn levels_without_addresses_lead_upwards() {
    for (bare, fault) in [(None, None), (Some(0), None), (Some(1), Some(ZoneFault::LosesAnswers { percent: 100 }))] {
        let mut steps = vec![
            (2 * SECOND, Step::Member(0, HANG)),
            (3 * MINUTE, Step::Member(0, FINE)),
            (10 * MINUTE, Step::Endpoints(1, 0, Ready::None)),
            (18 * MINUTE, Step::Endpoints(1, 0, Ready::All)),
        ];
        steps.extend(fault.map(|fault| (SECOND, Step::Zone(fault))));
        steps.sort_by_key(|(at, _)| *at);
        holds(&History { fallback: Fallback::Cname, bare, ..history(steps) });
    }
}

/// The name stays with the older service, and is passed on and back without a moment in which nobody has it.
#[test]
fn a_name_that_two_ask_for_is_passed_on() {
    holds(&history_of_two([
        (SECOND, Step::Type(0, "ClusterIP")),
        (3 * MINUTE, Step::Member(0, HANG)),
        (5 * MINUTE, Step::Type(0, "LoadBalancer")),
        (8 * MINUTE, Step::Member(0, FINE)),
        (9 * MINUTE, Step::Delete(0)),
        (10 * MINUTE, Step::Create(0)),
        (12 * MINUTE, Step::DeleteNamespace),
        (15 * MINUTE, Step::Create(0)),
        (15 * MINUTE, Step::Create(1)),
    ]));
}

/// The younger service has lost its last target. What it keeps are its own names, and not one that is another's again.
#[test]
fn a_name_goes_back_from_a_service_that_nobody_serves() {
    holds(&history_of_two([
        (SECOND, Step::Type(0, "ClusterIP")),
        (2 * MINUTE, Step::Endpoints(1, 1, Ready::None)),
        (4 * MINUTE, Step::Member(0, LB_SILENT)),
        (6 * MINUTE, Step::Type(0, "LoadBalancer")),
        (12 * MINUTE, Step::Member(0, FINE)),
    ]));
}

#[test]
fn a_service_leads_elsewhere_and_back_while_a_member_is_dead() {
    for fallback in Fallback::ALL {
        let steps = [
            (SECOND, Step::Type(0, "ExternalName")),
            (2 * MINUTE, Step::Member(0, HANG)),
            (3 * MINUTE, Step::Type(0, "LoadBalancer")),
            (6 * MINUTE, Step::Type(0, "ExternalName")),
            (8 * MINUTE, Step::Type(0, "ClusterIP")),
            (11 * MINUTE, Step::Member(0, FINE)),
            (12 * MINUTE, Step::Type(0, "ExternalName")),
        ];
        holds(&History { fallback, ..history_of_two(steps) });
    }
}

#[test]
fn half_of_the_endpoints_are_lost_and_then_the_others() {
    holds(&history([
        (SECOND, Step::Endpoints(0, 0, Ready::Half)),
        (MINUTE, Step::Endpoints(0, 0, Ready::None)),
        (2 * MINUTE, Step::Endpoints(1, 0, Ready::Half)),
        (3 * MINUTE, Step::Endpoints(0, 0, Ready::All)),
    ]));
}

/// A control plane that starts meanwhile cannot know what runs in it.
#[test]
fn a_member_that_lets_nobody_in_is_not_taken_to_be_empty() {
    let locked = Faults { api: ApiFault::Status(401), lb: LbFault::Hang };
    holds(&history([
        (SECOND, Step::Member(0, locked)),
        (MINUTE, Step::Kill),
        (MINUTE, Step::Start),
        (2 * MINUTE, Step::Endpoints(1, 0, Ready::None)),
        (9 * MINUTE, Step::Endpoints(1, 0, Ready::All)),
    ]));
}

#[test]
fn a_member_returns_with_a_service_that_is_gone() {
    holds(&history([
        (SECOND, Step::Member(0, HANG)),
        (MINUTE, Step::Delete(0)),
        (5 * MINUTE, Step::Member(0, FINE)),
        (10 * MINUTE, Step::Create(0)),
    ]));
}

#[test]
fn a_member_returns_under_its_name_as_another_cluster() {
    holds(&history([
        (SECOND, Step::Member(0, HANG)),
        (MINUTE, Step::Leave(0, Way::Force)),
        (5 * MINUTE, Step::Join(0, Cluster::New)),
    ]));
}

#[test]
fn azure_is_away_for_an_hour_in_which_a_member_dies() {
    holds(&history([
        (SECOND, Step::Zone(ZoneFault::Away)),
        (MINUTE, Step::Member(0, HANG)),
        (60 * MINUTE, Step::ZoneWell),
        (70 * MINUTE, Step::Member(0, FINE)),
    ]));
}

#[test]
fn azure_throttles_or_loses_answers_while_members_die_in_turn() {
    let faults = [
        ZoneFault::Throttles { percent: 50, retry_after: 20 },
        ZoneFault::LosesAnswers { percent: 100 },
        ZoneFault::Hangs { afterwards: true },
    ];
    for fault in faults {
        holds(&history([
            (SECOND, Step::Zone(fault)),
            (5 * SECOND, Step::Member(0, HANG)),
            (MINUTE, Step::Member(0, FINE)),
            (3 * MINUTE, Step::Member(1, HANG)),
            (4 * MINUTE, Step::ZoneWell),
            (5 * MINUTE, Step::Member(1, FINE)),
        ]));
    }
}

#[test]
fn two_control_planes_write_one_zone() {
    let mut steps = flaps(HANG, MINUTE, 4);
    steps.extend([
        (SECOND, Step::Second),
        (2 * SECOND, Step::Hand(Hand::Deletes(0))),
        (70 * SECOND, Step::Delete(0)),
        (2 * MINUTE, Step::Create(0)),
        (5 * MINUTE, Step::SecondEnds),
    ]);
    steps.sort_by_key(|(at, _)| *at);
    holds(&history(steps));
}

/// It dies with each of its writes in turn: the write is carried out, and nobody hears of it.
#[test]
fn a_control_plane_dies_at_every_write_of_the_zone() {
    let history = history([
        (SECOND, Step::Member(0, HANG)),
        (30 * SECOND, Step::Member(0, FINE)),
        (90 * SECOND, Step::Type(0, "ClusterIP")),
        (2 * MINUTE, Step::Type(0, "LoadBalancer")),
        (150 * SECOND, Step::Delete(0)),
        (3 * MINUTE, Step::Create(0)),
    ]);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    for write in 0.. {
        let survived = runtime().block_on(async {
            let mut rig = Rig::new(&history).await;
            rig.begin().await.unwrap();
            rig.way.lock().unwrap().fatal = Some(write);
            if let Err(what) = goes_on(&mut rig, &history).await {
                panic!("killed by write {write}: {what}\n{}", rig.watch().log.join("\n"));
            }
            rig.way.lock().unwrap().fatal.is_some()
        });
        if survived {
            assert!(write > 15, "only {write} writes");
            return;
        }
    }
}

#[test]
fn a_dead_member_that_is_to_leave_waits_where_the_only_other_one_leaves() {
    let silent = Faults { api: ApiFault::Refuse, lb: LbFault::Hang };
    holds(&history([
        (SECOND, Step::Member(1, silent)),
        (2 * MINUTE, Step::Leave(1, Way::Plain)),
        (2 * MINUTE + 10 * SECOND, Step::Leave(0, Way::Deleted)),
    ]));
}
