//! What somebody has approved in annotations of the Federation: it holds for an hour, for what it was given for.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use kfed_api::keys;
use kfed_dnsprovider::plan::PlanHash;

/// How long an approval holds.
const HOLDS: SignedDuration = SignedDuration::from_hours(1);

/// How far in the future an approval may seem to be given, by clocks that differ.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// What waits for an approval now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Waiting {
    /// Deletions of names.
    pub(crate) plan: Option<PlanHash>,
    /// Evictions, while most members look dead.
    pub(crate) mass_failover: bool,
}

/// What is approved of it, and what becomes of the annotations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Approved {
    pub(crate) plan: Option<PlanHash>,
    pub(crate) mass_failover: bool,
    /// Annotations to be changed: none for what is consumed or too old, the time for what somebody has written without it.
    pub(crate) annotations: BTreeMap<&'static str, Option<String>>,
}

/// Reads the approvals in `annotations` at `now`.
pub(crate) fn approved(annotations: &BTreeMap<String, String>, waiting: &Waiting, now: Timestamp) -> Approved {
    let (plan, mass) = (annotations.get(keys::APPROVED), annotations.get(keys::APPROVED_MASS_FAILOVER));
    let mut approved = Approved::default();
    if plan.is_none() && mass.is_none() {
        if annotations.contains_key(keys::APPROVED_AT) {
            approved.annotations.insert(keys::APPROVED_AT, None);
        }
        return approved;
    }
    let given = annotations.get(keys::APPROVED_AT).and_then(|text| text.parse::<Timestamp>().ok());
    // Written by hand, without a time or with one that cannot be: it counts from now on.
    let given = given.filter(|given| given.duration_since(now) <= AHEAD).unwrap_or_else(|| {
        approved.annotations.insert(keys::APPROVED_AT, Some(now.to_string()));
        now
    });
    let holds = now.duration_since(given) < HOLDS;
    // What waits no longer has come to pass or gone by: the next time is another matter.
    approved.plan = plan.map(|hash| PlanHash(hash.clone())).filter(|hash| holds && waiting.plan.as_ref() == Some(hash));
    approved.mass_failover = holds && waiting.mass_failover && mass.is_some_and(|text| text == "true");
    if plan.is_some() && approved.plan.is_none() {
        approved.annotations.insert(keys::APPROVED, None);
    }
    if mass.is_some() && !approved.mass_failover {
        approved.annotations.insert(keys::APPROVED_MASS_FAILOVER, None);
    }
    if approved.plan.is_none() && !approved.mass_failover {
        approved.annotations.remove(keys::APPROVED_AT);
        if annotations.contains_key(keys::APPROVED_AT) {
            approved.annotations.insert(keys::APPROVED_AT, None);
        }
    }
    approved
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-01-01T12:00:00Z";

    fn read(annotations: &[(&str, &str)], plan: Option<&str>, mass_failover: bool) -> Approved {
        let annotations = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let waiting = Waiting { plan: plan.map(|hash| PlanHash(hash.to_owned())), mass_failover };
        approved(&annotations, &waiting, NOW.parse().unwrap())
    }

    const HASH: (&str, &str) = (keys::APPROVED, "abc");
    const MASS: (&str, &str) = (keys::APPROVED_MASS_FAILOVER, "true");
    const AT: &str = keys::APPROVED_AT;

    #[test]
    fn an_approval_holds_for_an_hour() {
        let fresh = read(&[HASH, MASS, (AT, "2026-01-01T11:00:01Z")], Some("abc"), true);
        assert_eq!((fresh.plan, fresh.mass_failover), (Some(PlanHash("abc".into())), true));
        assert!(fresh.annotations.is_empty());
        let old = read(&[HASH, MASS, (AT, "2026-01-01T11:00:00Z")], Some("abc"), true);
        assert_eq!((&old.plan, old.mass_failover), (&None, false));
        assert!(old.annotations.values().all(Option::is_none) && old.annotations.len() == 3, "{old:?}");
    }

    #[test]
    fn an_approval_is_for_what_waits_and_is_consumed_with_it() {
        for (annotations, plan, mass) in [
            ([HASH, (AT, NOW)], Some("other"), false),
            ([HASH, (AT, NOW)], None, true),
            ([MASS, (AT, NOW)], Some("abc"), false),
        ] {
            let gone = read(&annotations, plan, mass);
            assert_eq!((gone.plan.is_none(), gone.mass_failover), (true, false));
            assert_eq!(gone.annotations.len(), 2, "both go: {gone:?}");
        }
        let half = read(&[HASH, MASS, (AT, NOW)], None, true);
        assert_eq!(half.annotations, BTreeMap::from([(keys::APPROVED, None)]), "the other one and its time stay");
        assert_eq!(read(&[(AT, NOW)], None, false).annotations, BTreeMap::from([(AT, None)]));
    }

    #[test]
    fn an_approval_by_hand_counts_from_when_it_is_seen() {
        for annotations in [vec![HASH], vec![HASH, (AT, "yesterday")], vec![HASH, (AT, "2027-01-01T00:00:00Z")]] {
            let seen = read(&annotations, Some("abc"), false);
            assert!(seen.plan.is_some());
            assert_eq!(seen.annotations, BTreeMap::from([(AT, Some(NOW.to_owned()))]));
        }
    }
}
