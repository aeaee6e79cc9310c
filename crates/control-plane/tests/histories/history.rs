//! What happens to a federation, and when: drawn by a seed, and a list that may be cut.

use std::fmt;
use std::time::Duration;

use kfed_cluster_emulator::{ApiFault, Faults, LbFault};
use kfed_service_dns::Fallback;

use crate::draw::Draw;
use crate::support::{FINE, MINUTE, SECOND};

/// A federation and what happens to it.
#[derive(Debug, Clone)]
pub(crate) struct History {
    pub(crate) seed: u64,
    pub(crate) members: Vec<MemberSpec>,
    pub(crate) services: Vec<ServiceSpec>,
    pub(crate) timing: Timing,
    /// What a level without addresses of its own answers.
    pub(crate) fallback: Fallback,
    /// Whether whose a set is is kept in TXT sets, as if Azure kept no metadata.
    pub(crate) marks: bool,
    /// A member in which nothing is ready in the end: its levels have no addresses of their own.
    pub(crate) bare: Option<usize>,
    /// Each at its time after the federation has come to rest for the first time.
    pub(crate) steps: Vec<(Duration, Step)>,
}

/// What an operator may have set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) probe_period: Duration,
    pub(crate) dns_hold: Duration,
    pub(crate) empty_hold: Duration,
    pub(crate) sweep: Duration,
}

#[derive(Debug, Clone)]
pub(crate) struct MemberSpec {
    pub(crate) name: &'static str,
    pub(crate) region: &'static str,
    pub(crate) zones: Vec<&'static str>,
}

#[derive(Debug, Clone)]
pub(crate) struct ServiceSpec {
    pub(crate) namespace: &'static str,
    pub(crate) name: String,
    pub(crate) ttl: Option<u32>,
    pub(crate) priority: Option<i32>,
    /// It asks for `<this>.example.com` too.
    pub(crate) hostname: Option<&'static str>,
    /// Whether it is there from the start.
    pub(crate) early: bool,
}

/// One thing that happens. Members and services go by their places in the history. What is out of place (a second start) changes
/// nothing, so that any part of a history is one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    Member(usize, Faults),
    Endpoints(usize, usize, Ready),
    Create(usize),
    Delete(usize),
    Type(usize, &'static str),
    DeleteNamespace,
    /// The member joins (again): as it was, or as a new cluster of the same name.
    Join(usize, Cluster),
    Leave(usize, Way),
    Kill,
    Start,
    /// Another control plane runs beside the first.
    Second,
    SecondEnds,
    Hand(Hand),
    Zone(ZoneFault),
    ZoneWell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ready {
    None,
    Half,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cluster {
    Same,
    New,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Plain,
    Force,
    /// `kubectl delete cluster`.
    Deleted,
}

/// What somebody does to the zone with their own hands. Sets go by their place among those of the zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hand {
    /// Deletes one of kfed's sets.
    Deletes(usize),
    /// Gives one of kfed's sets another address.
    Changes(usize),
    /// Takes one of kfed's sets over: its mark goes.
    Takes(usize),
    /// Puts a set of their own at a name that a service wants, if nothing is there.
    Plants(usize, usize),
    /// The same, as external-dns does it: with an entry of its registry.
    Registers(usize, usize),
    /// Puts a set of their own somewhere else.
    PlantsAside,
    /// Puts a set there that says it is kfed's and belongs to nothing.
    Orphans,
    /// Takes away what is theirs at one of the names.
    Removes(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ZoneFault {
    /// This share of the writes, in percent, gets a 429.
    Throttles { percent: u8, retry_after: u64 },
    /// This share of the writes is carried out, and nobody hears of it.
    LosesAnswers { percent: u8 },
    /// Everything gets a 503.
    Away,
    /// No answer comes, whether something is done or not.
    Hangs { afterwards: bool },
    /// The writes of the sets of one service are forbidden.
    Forbids(usize),
    /// Requests take so long to arrive.
    Slow(Duration),
}

// === impl History ===

impl History {
    pub(crate) fn new(seed: u64) -> Self {
        let mut draw = Draw::new(seed);
        let members: Vec<_> =
            ["a", "b", "c", "d"][..draw.one(&[2, 2, 3, 3, 4])].iter().map(|name| member(name, &mut draw)).collect();
        let services: Vec<_> = (0..draw.one(&[1, 1, 1, 1, 2, 2, 2, 3, 6])).map(|n| service(n, &mut draw)).collect();
        let timing = Timing {
            probe_period: draw.one(&[SECOND, 5 * SECOND, 5 * SECOND, 5 * SECOND, 5 * SECOND]),
            dns_hold: draw.one(&[Duration::ZERO, Duration::ZERO, Duration::ZERO, 30 * SECOND]),
            empty_hold: draw.one(&[MINUTE, 5 * MINUTE]),
            sweep: draw.one(&[2 * MINUTE, 5 * MINUTE]),
        };
        let fallback = if draw.once_in(4) { Fallback::Cname } else { Fallback::Addresses };
        let bare = draw.once_in(3).then(|| draw.below(members.len()));
        let mut steps = Vec::new();
        let mut at = Duration::ZERO;
        let many = draw.among(4..=16);
        while (steps.len() as u64) < many && at < 15 * MINUTE {
            at += draw.moment(2 * MINUTE);
            let (members, services) = (members.len(), services.len());
            happens(&mut steps, at, &mut draw, members, services);
        }
        steps.sort_by_key(|(at, _)| *at);
        Self { seed, members, services, timing, fallback, marks: false, bare, steps }
    }

    /// The same over a zone whose marks are texts.
    pub(crate) fn with_marks(self) -> Self {
        Self { marks: true, ..self }
    }

    /// The same with these steps alone.
    pub(crate) fn only(&self, kept: &[usize]) -> Self {
        let steps = kept.iter().filter_map(|n| self.steps.get(*n).cloned()).collect();
        Self { steps, ..self.clone() }
    }
}

fn member(name: &'static str, draw: &mut Draw) -> MemberSpec {
    let zones = draw.one(&[vec![], vec!["1"], vec!["1"], vec!["1", "2"]]);
    MemberSpec { name, region: draw.one(&["east", "west"]), zones }
}

fn service(n: usize, draw: &mut Draw) -> ServiceSpec {
    ServiceSpec {
        namespace: draw.one(&["default", "default", "shop"]),
        name: format!("s{n}"),
        ttl: draw.once_in(3).then_some(77),
        priority: draw.once_in(3).then(|| draw.below(5) as i32),
        hostname: draw.once_in(2).then(|| draw.one(&["www", "www", "shop"])),
        early: !draw.once_in(4),
    }
}

/// Draws the next thing that happens, with what ends it.
fn happens(steps: &mut Vec<(Duration, Step)>, at: Duration, draw: &mut Draw, members: usize, services: usize) {
    let (m, s) = (draw.below(members), draw.below(services));
    let later = |draw: &mut Draw, most: Duration| at + draw.moment(most);
    match draw.below(22) {
        0 => {
            // Everybody at once, or nearly so.
            let faults = faults(draw);
            for m in 0..members {
                steps.push((at + draw.moment(10 * SECOND), Step::Member(m, faults)));
                steps.push((at + 10 * SECOND + draw.moment(12 * MINUTE), Step::Member(m, FINE)));
            }
        }
        1..=4 => {
            steps.push((at, Step::Member(m, faults(draw))));
            if !draw.once_in(4) {
                steps.push((later(draw, 4 * MINUTE), Step::Member(m, FINE)));
            }
        }
        5..=6 => {
            // For ten minutes, or four times.
            let (period, faults) = (draw.time(SECOND..=10 * MINUTE), faults(draw));
            let times = (10 * MINUTE).div_duration_f64(period).clamp(2.0, 8.0) as u32;
            for n in 0..times {
                steps.push((at + period * n, Step::Member(m, faults)));
                steps.push((at + period * n + period / 2, Step::Member(m, FINE)));
            }
        }
        7..=8 => {
            steps.push((at, Step::Endpoints(m, s, draw.one(&[Ready::None, Ready::Half]))));
            if !draw.once_in(4) {
                steps.push((later(draw, 8 * MINUTE), Step::Endpoints(m, s, Ready::All)));
            }
        }
        9 => steps.push((at, Step::Create(s))),
        10 => {
            steps.push((at, Step::Delete(s)));
            steps.push((later(draw, 2 * MINUTE), Step::Create(s)));
        }
        11..=12 => {
            steps.push((at, Step::Type(s, draw.one(&["ClusterIP", "ExternalName"]))));
            steps.push((later(draw, 2 * MINUTE), Step::Type(s, "LoadBalancer")));
        }
        13 => {
            steps.push((at, Step::DeleteNamespace));
            let again = later(draw, 4 * MINUTE);
            steps.extend((0..services).map(|s| (again, Step::Create(s))));
        }
        14..=15 => {
            steps.push((at, Step::Leave(m, draw.one(&[Way::Plain, Way::Plain, Way::Force, Way::Deleted]))));
            steps.push((later(draw, 5 * MINUTE), Step::Join(m, draw.one(&[Cluster::Same, Cluster::New]))));
        }
        16..=17 => {
            steps.push((at, Step::Kill));
            steps.push((later(draw, 2 * MINUTE), Step::Start));
        }
        18 => {
            steps.push((at, Step::Second));
            steps.push((later(draw, 4 * MINUTE), draw.one(&[Step::SecondEnds, Step::Kill])));
        }
        19..=20 => {
            let (n, level) = (draw.below(64), draw.below(4));
            let hand = [
                Hand::Deletes(n),
                Hand::Changes(n),
                Hand::Takes(n),
                Hand::Plants(s, level),
                Hand::Plants(s, level),
                Hand::Registers(s, level),
                Hand::PlantsAside,
                Hand::Orphans,
                Hand::Removes(n),
            ];
            steps.push((at, Step::Hand(draw.one(&hand))));
        }
        _ => {
            let fault = zone_fault(draw, services);
            let most = if fault == ZoneFault::Away && draw.once_in(4) { 60 * MINUTE } else { 3 * MINUTE };
            steps.push((at, Step::Zone(fault)));
            steps.push((later(draw, most), Step::ZoneWell));
        }
    }
}

fn faults(draw: &mut Draw) -> Faults {
    let apis =
        [ApiFault::Hang, ApiFault::Hang, ApiFault::Refuse, ApiFault::Status(500), ApiFault::Status(401), ApiFault::Ok];
    let lbs = [LbFault::Hang, LbFault::Hang, LbFault::Refuse, LbFault::Ok];
    Faults { api: draw.one(&apis), lb: draw.one(&lbs) }
}

fn zone_fault(draw: &mut Draw, services: usize) -> ZoneFault {
    let faults = [
        ZoneFault::Throttles { percent: draw.one(&[30, 100]), retry_after: draw.among(1..=40) },
        ZoneFault::LosesAnswers { percent: draw.one(&[30, 100]) },
        ZoneFault::Away,
        ZoneFault::Away,
        ZoneFault::Hangs { afterwards: draw.once_in(2) },
        ZoneFault::Forbids(draw.below(services)),
        ZoneFault::Slow(draw.time(SECOND..=8 * SECOND)),
    ];
    draw.one(&faults)
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, {:?}, fallback {:?}, bare {:?}", self.seed, self.timing, self.fallback, self.bare)?;
        for member in &self.members {
            writeln!(f, "  {member:?}")?;
        }
        for service in &self.services {
            writeln!(f, "  {service:?}")?;
        }
        for (at, step) in &self.steps {
            writeln!(f, "  {:>9.3} s  {step:?}", at.as_secs_f64())?;
        }
        Ok(())
    }
}
