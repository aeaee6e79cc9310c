//! Writes to members that are under way: one for each object and member at a time, none of which anybody waits for. A member
//! that hangs delays what is written to it, and nothing else.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::pace::Pace;
use super::{AbortOnDrop, lock};
use crate::kinds::ObjectKey;

/// How long the first failure waits; each further one doubles it.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// The longest that a failing write waits.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// What is written where.
pub(super) type Place = (ObjectKey, String);

/// The writes, by object and member.
#[derive(Default)]
pub(super) struct Writes {
    attempts: Mutex<BTreeMap<Place, Attempt>>,
    /// Somebody may undo each of them.
    pace: Pace<Place>,
}

#[derive(Default)]
struct Attempt {
    /// The write that is under way. Dropping it ends it.
    task: Option<AbortOnDrop<()>>,
    /// Whether somebody has wanted to write meanwhile.
    wanted: bool,
    failures: u32,
    not_before: Option<Instant>,
    /// When it was first tried.
    since: Option<Instant>,
}

/// What a write that is wanted has to wait for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// The one before it; its end brings the object back.
    Before,
    /// Its back-off, or its pace.
    BackOff(Duration),
}

// === impl Writes ===

impl Writes {
    /// Starts a write by `spawn`, unless one is under way or has just failed.
    pub(super) fn start(&self, place: &Place, spawn: impl FnOnce() -> AbortOnDrop<()>) -> Result<(), Wait> {
        let mut attempts = self.lock();
        let attempt = attempts.entry(place.clone()).or_default();
        if attempt.task.is_some() {
            attempt.wanted = true;
            return Err(Wait::Before);
        }
        let now = Instant::now();
        if let Some(not_before) = attempt.not_before.filter(|not_before| *not_before > now) {
            return Err(Wait::BackOff(not_before - now));
        }
        self.pace.take(place).map_err(Wait::BackOff)?;
        attempt.wanted = false;
        attempt.since.get_or_insert(now);
        attempt.task = Some(spawn());
        Ok(())
    }

    /// Takes in the end of a write; returns when the object is to be looked at again, if nothing else brings it back.
    pub(super) fn finish(&self, place: &Place, done: bool) -> Option<Duration> {
        let mut attempts = self.lock();
        let attempt = attempts.get_mut(place)?;
        attempt.task = None;
        if done {
            let wanted = attempt.wanted;
            attempts.remove(place);
            // The watch is about to show what has been written; what was wanted meanwhile may be just that.
            return wanted.then_some(FIRST_BACKOFF);
        }
        let backoff = FIRST_BACKOFF.saturating_mul(1 << attempt.failures.min(16)).min(LONGEST_BACKOFF);
        attempt.failures += 1;
        attempt.not_before = Some(Instant::now() + backoff);
        Some(backoff)
    }

    /// Forgets failures of writes to `key` that are no longer wanted anywhere but in `members`.
    pub(super) fn retain<'a>(&self, key: &ObjectKey, members: impl Fn(&str) -> bool + 'a) {
        let mut attempts = self.lock();
        let of_key = attempts.range((key.clone(), String::new())..).take_while(|((of, _), _)| of == key);
        let unwanted = of_key.filter(|((_, member), attempt)| attempt.task.is_none() && !members(member));
        let unwanted: Vec<_> = unwanted.map(|(place, _)| place.clone()).collect();
        for place in unwanted {
            attempts.remove(&place);
        }
    }

    /// What failed in `member` may be tried again at once.
    pub(super) fn hurry(&self, member: &str) {
        for (_, attempt) in self.lock().iter_mut().filter(|((_, other), _)| other == member) {
            (attempt.failures, attempt.not_before) = (0, None);
        }
    }

    /// How many writes have not been taken, if one of them has not for so long as `late`.
    pub(super) fn backlog(&self, late: Duration) -> usize {
        let attempts = self.lock();
        let is_late = |attempt: &Attempt| attempt.since.is_some_and(|since| since.elapsed() >= late);
        if attempts.values().any(is_late) {
            attempts.values().filter(|attempt| attempt.since.is_some()).count()
        } else {
            0
        }
    }

    /// Forgets the pace of what nobody has written for a while.
    pub(super) fn forget(&self) {
        self.pace.forget();
    }

    pub(super) fn stop_all(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Place, Attempt>> {
        lock(&self.attempts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::FederatedKind;

    fn place() -> Place {
        let kind = FederatedKind::named("Service").unwrap();
        (ObjectKey { kind, namespace: "default".into(), name: "hostname".into() }, "fed-west".into())
    }

    fn never() -> AbortOnDrop<()> {
        AbortOnDrop(tokio::spawn(std::future::pending()))
    }

    #[tokio::test(start_paused = true)]
    async fn one_write_is_under_way_at_a_time_and_what_is_wanted_meanwhile_comes_back() {
        let (writes, place) = (Writes::default(), place());
        assert_eq!(writes.start(&place, never), Ok(()));
        assert_eq!(writes.start(&place, never), Err(Wait::Before));
        assert_eq!(writes.finish(&place, true), Some(FIRST_BACKOFF));
        assert_eq!(writes.start(&place, never), Ok(()));
        assert_eq!(writes.finish(&place, true), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_fails_backs_off_and_is_forgotten_when_it_is_no_longer_wanted() {
        let (writes, place) = (Writes::default(), place());
        for expected in [100, 200, 400] {
            assert_eq!(writes.start(&place, never), Ok(()));
            let backoff = Duration::from_millis(expected);
            assert_eq!(writes.finish(&place, false), Some(backoff));
            assert_eq!(writes.start(&place, never), Err(Wait::BackOff(backoff)));
            tokio::time::sleep(backoff).await;
        }
        assert_eq!(writes.start(&place, never), Ok(()));
        writes.finish(&place, false);
        let tried = Duration::from_millis(700);
        assert_eq!(
            (writes.backlog(tried), writes.backlog(tried + Duration::from_millis(1))),
            (1, 0),
            "it is one write"
        );
        writes.hurry("fed-east");
        assert!(matches!(writes.start(&place, never), Err(Wait::BackOff(_))));
        writes.hurry("fed-west");
        assert_eq!(writes.start(&place, never), Ok(()));
        writes.finish(&place, false);
        writes.retain(&place.0, |_| false);
        assert_eq!(writes.backlog(Duration::ZERO), 0);
        assert_eq!(writes.start(&place, never), Ok(()));
        assert_eq!(writes.finish(&place, false), Some(FIRST_BACKOFF));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_undone_again_and_again_is_written_once_a_second() {
        let (writes, place) = (Writes::default(), place());
        let write = || writes.start(&place, || AbortOnDrop(tokio::spawn(async {})));
        let at_once = (0..100).take_while(|_| write().is_ok() && writes.finish(&place, true).is_none()).count();
        assert!((10..100).contains(&at_once), "{at_once}");
        let Err(Wait::BackOff(wait)) = write() else { panic!("it does not wait") };
        tokio::time::advance(wait).await;
        assert_eq!(write(), Ok(()));
        assert_eq!(writes.finish(&place, true), None);
        assert!(matches!(write(), Err(Wait::BackOff(_))));
    }
}
