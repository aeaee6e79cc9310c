//! What is told of how much waits: level-triggered, in large steps, and nothing at rest.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kfed_api::{Backlog, BudgetStatus, DnsStatus, QueueStatus};
use kfed_dnsprovider::OperationKind;
use kfed_dnsprovider::layer::BudgetState;

/// How long something must have waited before it is told: what comes and goes is no news.
const LASTS: SignedDuration = SignedDuration::from_secs(10);
/// How long what has been told stands, whatever becomes of it.
const STANDS: SignedDuration = SignedDuration::from_secs(30);
/// In how many steps a budget is told.
const STEPS: u64 = 4;

/// How much waits now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Load {
    /// Keys that no worker has taken.
    pub(crate) objects: usize,
    /// Writes that members have not taken.
    pub(crate) writes: usize,
    /// Record sets that are not as they are to be.
    pub(crate) changes: usize,
    /// What has been sent to the zone.
    pub(crate) budget: Vec<BudgetState>,
}

/// What is told of it, and what that depends on.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    told: Told,
    told_at: Option<Timestamp>,
    /// How many there have been: objects, writes, changes. None where there are none.
    courses: [Option<Course>; 3],
}

/// How many there are of something, and since when.
#[derive(Debug, Clone, Copy)]
struct Course {
    waiting: u32,
    /// Since when there are so many.
    so_many: Timestamp,
    /// Since when there are any.
    any: Timestamp,
}

/// What the Federation says of its control plane's load.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Told {
    pub(crate) queue: QueueStatus,
    pub(crate) dns: DnsStatus,
}

// === impl Gauge ===

impl Gauge {
    /// Takes in how much waits at `now`; returns what is to be told.
    pub(crate) fn see(&mut self, load: &Load, now: Timestamp) -> &Told {
        let waiting = [load.objects, load.writes, load.changes];
        for (course, waiting) in self.courses.iter_mut().zip(waiting) {
            *course = Course::after(*course, waiting, now);
        }
        if self.told_at.is_some_and(|at| now.duration_since(at) < STANDS) {
            return &self.told;
        }
        let Told { queue, dns } = &self.told;
        let [objects, writes, changes] = [(0, &queue.objects), (1, &queue.writes), (2, &dns.changes)]
            .map(|(n, told)| step(told, self.courses[n], now));
        let told = Told {
            queue: QueueStatus { objects, writes },
            dns: DnsStatus { changes, budget: load.budget.iter().filter_map(left).collect() },
        };
        // What is allowed is known from the first request on: that is no change that others have to wait for.
        let begins = self.told.dns.budget.len() != told.dns.budget.len();
        if told != self.told {
            self.told = told;
            self.told_at = (!begins).then_some(now);
        }
        &self.told
    }
}

// === impl Course ===

impl Course {
    fn after(before: Option<Self>, waiting: usize, now: Timestamp) -> Option<Self> {
        let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        let so_many = before.filter(|before| before.waiting == waiting).map_or(now, |before| before.so_many);
        (waiting > 0).then(|| Self { waiting, so_many, any: before.map_or(now, |before| before.any) })
    }
}

/// What is told after `told`: a number that is far from it, or that has come to rest.
fn step(told: &Backlog, course: Option<Course>, now: Timestamp) -> Backlog {
    let Some(Course { waiting, so_many, any }) = course else { return Backlog::default() };
    let is_far = waiting >= told.waiting.saturating_mul(2) || waiting <= told.waiting / 2;
    let rests = now.duration_since(so_many) >= STANDS;
    if now.duration_since(any) < LASTS || !(is_far || rests) {
        return told.clone();
    }
    Backlog { waiting, since: Some(Time(any)) }
}

/// What is left of a limit on changes. Of reads nothing is told: a large zone is read at rest, too.
fn left(state: &BudgetState) -> Option<BudgetStatus> {
    let changes = [OperationKind::Create, OperationKind::Update, OperationKind::Delete];
    if state.zone.is_none() || !changes.contains(&state.kind) {
        return None;
    }
    let requests = u64::from(state.limit.requests);
    let used = u64::try_from(state.used).unwrap_or(u64::MAX).min(requests);
    let steps = used * STEPS / requests.max(1);
    Some(BudgetStatus {
        kind: state.kind.as_str().to_owned(),
        requests: state.limit.requests,
        per_seconds: u32::try_from(state.limit.per.as_secs()).unwrap_or(u32::MAX),
        left: u32::try_from(requests - requests * steps / STEPS).unwrap_or(u32::MAX),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kfed_dnsprovider::ZoneId;
    use kfed_dnsprovider::layer::Limit;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn writes(writes: usize) -> Load {
        Load { writes, ..Load::default() }
    }

    fn updates(used: usize) -> Load {
        let limit = Limit { requests: 40, per: Duration::from_secs(60) };
        let state = |kind| BudgetState {
            zone: Some(ZoneId("example.com".into())),
            kind,
            limit,
            used,
            waiting: 0,
            urgent: 0,
            paused: None,
        };
        Load { budget: vec![state(OperationKind::Update), state(OperationKind::List)], ..Load::default() }
    }

    #[test]
    fn a_backlog_is_told_when_it_has_lasted_and_then_by_halves_and_doubles() {
        let mut gauge = Gauge::default();
        // Seconds, what waits, what is told, and since when.
        let course = [
            (0, 7, 0, None),
            (5, 0, 0, None),
            (10, 7, 0, None),
            (15, 7, 0, None),
            (20, 9, 9, Some(10)),
            (45, 40, 9, Some(10)),
            (50, 40, 40, Some(10)),
            (90, 21, 40, Some(10)),
            (95, 79, 40, Some(10)),
            (100, 20, 20, Some(10)),
            (104, 19, 20, Some(10)),
            (130, 19, 20, Some(10)),
            (134, 19, 19, Some(10)),
            (140, 0, 19, Some(10)),
            (165, 0, 0, None),
            (170, 1, 0, None),
            (180, 1, 0, None),
            (195, 1, 1, Some(170)),
        ];
        for (now, waits, waiting, since) in course {
            let told = gauge.see(&writes(waits), at(now));
            let since = since.map(|since| Time(at(since)));
            assert_eq!(told.queue.writes, Backlog { waiting, since }, "at {now} s");
            assert_eq!((&told.queue.objects, &told.dns), (&Backlog::default(), &DnsStatus::default()));
        }
    }

    #[test]
    fn what_is_left_of_a_budget_is_told_to_the_next_quarter_and_nothing_of_reads() {
        let mut gauge = Gauge::default();
        for (now, used, left) in [(0, 0, 40), (5, 9, 40), (10, 10, 30), (20, 40, 30), (40, 40, 0), (70, 3, 40)] {
            let told = gauge.see(&updates(used), at(now));
            let budget = BudgetStatus { kind: "update".into(), requests: 40, per_seconds: 60, left };
            assert_eq!(told.dns.budget, [budget], "at {now} s");
        }
    }
}
