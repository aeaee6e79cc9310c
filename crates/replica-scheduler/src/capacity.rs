//! The free capacity of members, and what has been planned on it since it was seen.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The free capacity of all members, as many workloads share it.
///
/// Capacity is counted in units of the caller's choice; a replica takes as many as its workload says. What a batch plans on a
/// member is remembered, so that the next batch does not plan on the same units again:
/// - An observation says what was free at its time `t`. What was planned until [`Ages::settle`] before `t` is taken to be
///   part of it (running, or given up), and is forgotten; what was planned later may have come too late for it, and still
///   counts. So a unit may count twice for a while, never not at all.
/// - Units of replicas that are taken away are not counted as free before an observation says so.
/// - An observation older than [`Ages::stale`] counts as none: the capacity is unknown, as if there were no limit. What is
///   planned then counts against the next observation all the same.
///
/// ```
/// use jiff::{SignedDuration, Timestamp};
/// use kfed_replica_scheduler::{Ages, Ledger};
///
/// let now = Timestamp::UNIX_EPOCH;
/// let mut ledger = Ledger::new(Ages::default());
/// ledger.observe("fed-west", 40, now);
/// assert_eq!(ledger.free("fed-west", now), Some(40));
/// assert_eq!(ledger.free("fed-west", now + SignedDuration::from_hours(1)), None);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    ages: Ages,
    accounts: Vec<Account>,
    by_member: BTreeMap<String, usize>,
    /// By workload, in the order in which they were made. One list a workload and plan, not one a member: thousands of
    /// workloads are charged for at once, and observations come one by one.
    charges: BTreeMap<String, Vec<Charge>>,
}

/// How long what is known holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ages {
    /// The longest that planned replicas take until an observation shows them as used: from the plan over the write to the
    /// member to the pods that are bound there. Too short a time plans units twice, too long a time leaves some unused.
    pub settle: Duration,
    /// An observation older than this says nothing any more.
    pub stale: Duration,
}

/// What is known of one member.
#[derive(Debug, Clone, Default)]
struct Account {
    seen: Option<Seen>,
    /// The units planned on since. Wide, so that what is taken off again is what was added, however large.
    planned: i128,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    free: i64,
    at: Timestamp,
}

/// What a plan of one workload took.
#[derive(Debug, Clone)]
struct Charge {
    at: Timestamp,
    /// Units of one replica.
    units: i64,
    /// Sorted by account.
    growths: Vec<Growth>,
}

/// Replicas that a plan put where fewer ran.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Growth {
    pub(crate) account: usize,
    /// How many ran there, or were charged for before.
    pub(crate) from: i64,
    /// How many more are planned: more than none.
    pub(crate) replicas: i64,
}

// === impl Ledger ===

impl Ledger {
    /// A ledger that knows no member yet.
    pub fn new(ages: Ages) -> Self {
        Self { ages, ..Self::default() }
    }

    /// Notes that `free` units were free in `member` at the time `at`. One that is older than the last is of no interest.
    pub fn observe(&mut self, member: &str, free: i64, at: Timestamp) {
        let index = self.account(member);
        let account = &mut self.accounts[index];
        if account.seen.is_some_and(|seen| seen.at > at) {
            return;
        }
        account.seen = Some(Seen { free, at });
        let settle = self.ages.settle;
        self.charges.retain(|_, charges| {
            for first in 0..charges.len() {
                if charges[first].at + settle > at {
                    continue;
                }
                let Some(growth) = charges[first].take(index) else { continue };
                account.planned -= growth.units(charges[first].units);
                // What is charged for above starts from what ran before.
                let above = charges[first + 1..].iter_mut().filter_map(|charge| charge.growth_mut(index));
                above.for_each(|above| above.from -= growth.replicas);
            }
            charges.retain(|charge| !charge.growths.is_empty());
            !charges.is_empty()
        });
    }

    /// Forgets a member that is gone, and what was planned on it.
    pub fn forget(&mut self, member: &str) {
        let Some(&index) = self.by_member.get(member) else { return };
        self.accounts[index] = Account::default();
        self.charges.retain(|_, charges| {
            charges.iter_mut().for_each(|charge| charge.growths.retain(|growth| growth.account != index));
            charges.retain(|charge| !charge.growths.is_empty());
            !charges.is_empty()
        });
    }

    /// The units of `member` that are free and that nothing is planned on; none where that is unknown or known too long.
    pub fn free(&self, member: &str, now: Timestamp) -> Option<i64> {
        self.by_member.get(member).and_then(|&index| self.free_in(index, now))
    }

    /// How long ago `member`'s free units were seen last, however long.
    pub fn age(&self, member: &str, now: Timestamp) -> Option<Duration> {
        let seen = self.accounts[*self.by_member.get(member)?].seen?;
        Some(age(seen.at, now))
    }

    /// The units of `member` that are planned on and that no observation contains yet.
    pub fn planned(&self, member: &str) -> i64 {
        self.by_member.get(member).map_or(0, |&index| told(self.accounts[index].planned))
    }

    /// The index of a member's account, which is opened if need be.
    pub(crate) fn account(&mut self, member: &str) -> usize {
        if let Some(&index) = self.by_member.get(member) {
            return index;
        }
        let index = self.accounts.len();
        self.accounts.push(Account::default());
        self.by_member.insert(member.to_owned(), index);
        index
    }

    pub(crate) fn free_in(&self, account: usize, now: Timestamp) -> Option<i64> {
        let account = &self.accounts[account];
        let seen = account.seen.filter(|seen| age(seen.at, now) <= self.ages.stale)?;
        Some(told(i128::from(seen.free) - account.planned).max(0))
    }

    /// Tells `each` the accounts that have been charged for replicas of a workload, and up to how many; the last word on an
    /// account counts.
    pub(crate) fn levels(&self, workload: &str, mut each: impl FnMut(usize, i64)) {
        let charges = self.charges.get(workload).map_or(&[][..], Vec::as_slice);
        for growth in charges.iter().flat_map(|charge| &charge.growths) {
            each(growth.account, growth.from.saturating_add(growth.replicas));
        }
    }

    /// Charges accounts for growths of a workload.
    pub(crate) fn charge(&mut self, workload: &str, units: i64, at: Timestamp, growths: &[Growth]) {
        if growths.is_empty() {
            return;
        }
        for growth in growths {
            self.accounts[growth.account].planned += growth.units(units);
        }
        let mut growths = growths.to_vec();
        growths.sort_by_key(|growth| growth.account);
        let charge = Charge { at, units, growths };
        match self.charges.get_mut(workload) {
            Some(charges) => charges.push(charge),
            None => drop(self.charges.insert(workload.to_owned(), vec![charge])),
        }
    }
}

// === impl Growth ===

impl Growth {
    /// All units that it takes, where one replica takes so many.
    fn units(&self, each: i64) -> i128 {
        i128::from(self.replicas) * i128::from(each)
    }
}

// === impl Charge ===

impl Charge {
    fn take(&mut self, account: usize) -> Option<Growth> {
        let at = self.growths.binary_search_by_key(&account, |growth| growth.account).ok()?;
        Some(self.growths.remove(at))
    }

    fn growth_mut(&mut self, account: usize) -> Option<&mut Growth> {
        let at = self.growths.binary_search_by_key(&account, |growth| growth.account).ok()?;
        Some(&mut self.growths[at])
    }
}

/// What is beyond 64 bits is the last that they hold.
fn told(units: i128) -> i64 {
    units.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

fn age(seen: Timestamp, now: Timestamp) -> Duration {
    // A clock that went back does not make knowledge old.
    now.duration_since(seen).max(SignedDuration::ZERO).unsigned_abs()
}

// === impl Ages ===

impl Default for Ages {
    /// A minute to settle, five until stale.
    fn default() -> Self {
        Self { settle: Duration::from_secs(60), stale: Duration::from_secs(300) }
    }
}
