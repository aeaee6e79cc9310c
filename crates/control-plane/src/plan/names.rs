//! What becomes of the federation's names when its `Federation` goes.

use kfed_api::{Federation, keys};
use kube::Resource;
use serde::Serialize;

use crate::object::is_orphaned;
use crate::world::DnsState;

/// What becomes of all names of the federation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) enum Names {
    /// They are kept as the Services need them.
    #[default]
    Kept,
    /// They go: somebody has deleted the Federation.
    Withdrawn,
    /// They stay as they are, and are nobody's concern: it was deleted with `propagationPolicy=Orphan`, or is not there without a word,
    /// which looks like lost input.
    Left,
}

/// What is to be done about the Federation itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum FederationStep {
    Nothing,
    /// Before the first name is written: whoever deletes it is to leave nothing behind.
    Hold,
    /// Its names are being withdrawn.
    Wait,
    LetGo,
}

/// The next step with `federation`, given what the zone holds.
pub(crate) fn step(federation: Option<&Federation>, names: Names, zone: Option<&DnsState>) -> FederationStep {
    let Some(metadata) = federation.map(Resource::meta) else { return FederationStep::Nothing };
    let is_held = metadata.finalizers.iter().flatten().any(|finalizer| finalizer == keys::CASCADE_FINALIZER);
    let is_empty = zone.is_some_and(|zone| zone.is_withdrawn);
    match (metadata.deletion_timestamp.is_some(), is_held) {
        (false, false) => FederationStep::Hold,
        (false, true) | (true, false) => FederationStep::Nothing,
        (true, true) if names == Names::Left || is_empty => FederationStep::LetGo,
        (true, true) => FederationStep::Wait,
    }
}

// === impl Names ===

impl Names {
    /// What becomes of them now that the Federation is seen as `federation`.
    pub(crate) fn next(self, federation: Option<&Federation>) -> Self {
        let Some(metadata) = federation.map(Resource::meta) else {
            return if self == Self::Withdrawn { self } else { Self::Left };
        };
        match metadata.deletion_timestamp {
            None => Self::Kept,
            Some(_) if is_orphaned(metadata) => Self::Left,
            // Garbage collectors take the wish to orphan away as soon as they see it.
            Some(_) if self == Self::Left => Self::Left,
            Some(_) => Self::Withdrawn,
        }
    }
}

#[cfg(test)]
mod tests {
    use kfed_api::FederationSpec;
    use serde_json::json;

    use super::*;

    fn federation(metadata: serde_json::Value) -> Federation {
        let spec = FederationSpec { dns_zone_name: "example.com".into(), dns_provider: "memory".into() };
        let mut federation = Federation::new("fed", spec);
        federation.metadata = serde_json::from_value(metadata).unwrap();
        federation
    }

    #[test]
    fn names_go_only_when_somebody_has_asked_for_it() {
        let at = "2026-01-01T00:00:00Z";
        let live = federation(json!({"name": "fed"}));
        let deleted = federation(json!({"name": "fed", "deletionTimestamp": at, "finalizers": ["kfed.io/cascade"]}));
        let orphaned = federation(json!({"name": "fed", "deletionTimestamp": at, "finalizers": ["orphan"]}));
        for (what, names, federation, then) in [
            ("not there at the start", Names::default(), None, Names::Left),
            ("there at the start", Names::default(), Some(&live), Names::Kept),
            ("deleted before the start", Names::default(), Some(&deleted), Names::Withdrawn),
            ("deleted", Names::Kept, Some(&deleted), Names::Withdrawn),
            ("gone at last", Names::Withdrawn, None, Names::Withdrawn),
            ("orphaned", Names::Kept, Some(&orphaned), Names::Left),
            ("orphaned, and the wish taken away", Names::Left, Some(&deleted), Names::Left),
            ("vanished without a word", Names::Kept, None, Names::Left),
            ("made anew", Names::Withdrawn, Some(&live), Names::Kept),
            ("back from nowhere", Names::Left, Some(&live), Names::Kept),
        ] {
            assert_eq!(names.next(federation), then, "{what}");
        }
    }

    #[test]
    fn the_federation_waits_for_its_names() {
        let at = "2026-01-01T00:00:00Z";
        let live = federation(json!({"name": "fed"}));
        let held = federation(json!({"name": "fed", "finalizers": ["kfed.io/cascade"]}));
        let deleted = federation(json!({"name": "fed", "deletionTimestamp": at, "finalizers": ["kfed.io/cascade"]}));
        let others = federation(json!({"name": "fed", "deletionTimestamp": at, "finalizers": ["example.com/other"]}));
        let full = DnsState::default();
        let empty = DnsState::new(true);
        for (what, federation, names, zone, wanted) in [
            ("gone", None, Names::Withdrawn, Some(&empty), FederationStep::Nothing),
            ("new", Some(&live), Names::Kept, None, FederationStep::Hold),
            ("held", Some(&held), Names::Kept, Some(&full), FederationStep::Nothing),
            ("the zone has not been read", Some(&deleted), Names::Withdrawn, None, FederationStep::Wait),
            ("names are there", Some(&deleted), Names::Withdrawn, Some(&full), FederationStep::Wait),
            ("no name is there", Some(&deleted), Names::Withdrawn, Some(&empty), FederationStep::LetGo),
            ("orphaned", Some(&deleted), Names::Left, Some(&full), FederationStep::LetGo),
            ("others hold it", Some(&others), Names::Withdrawn, Some(&full), FederationStep::Nothing),
        ] {
            assert_eq!(step(federation, names, zone), wanted, "{what}");
        }
    }
}
