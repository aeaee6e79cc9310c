//! The names of services, written down anew: where each should lead.

use std::collections::BTreeSet;

use crate::history::{History, MemberSpec, ServiceSpec};
use crate::support::ZONE;

/// Whom a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    All,
    Region(&'static str),
    Zone(&'static str, &'static str),
}

/// A name of a service, without a final dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) level: Level,
    /// It is none that is given by rule: others may ask for it too.
    pub(crate) chosen: bool,
}

// === impl Level ===

impl Level {
    pub(crate) fn has(self, member: &MemberSpec) -> bool {
        match self {
            Self::All => true,
            Self::Region(region) => member.region == region,
            Self::Zone(zone, region) => member.region == region && member.zones.contains(&zone),
        }
    }

    /// The next level up.
    pub(crate) fn up(self) -> Option<Self> {
        self.upwards().get(1).copied()
    }

    /// The levels that may answer in its place, the nearest first, and itself before them.
    pub(crate) fn upwards(self) -> Vec<Self> {
        match self {
            Self::All => vec![self],
            Self::Region(_) => vec![self, Self::All],
            Self::Zone(_, region) => vec![self, Self::Region(region), Self::All],
        }
    }
}

/// Every name that `service` may come to have, whoever is a member.
pub(crate) fn names(history: &History, service: &ServiceSpec) -> Vec<Name> {
    let mut levels = BTreeSet::from([Level::All]);
    for member in &history.members {
        levels.insert(Level::Region(member.region));
        levels.extend(member.zones.iter().map(|zone| Level::Zone(zone, member.region)));
    }
    let stem = format!("{}.{}.fed.svc", service.name, service.namespace);
    let chosen = service.hostname.map(|host| Name { text: format!("{host}.{ZONE}"), level: Level::All, chosen: true });
    let by_rule = levels.into_iter().map(|level| Name {
        text: match level {
            Level::All => format!("{stem}.{ZONE}"),
            Level::Region(region) => format!("{stem}.{region}.{ZONE}"),
            Level::Zone(zone, region) => format!("{stem}.{zone}.{region}.{ZONE}"),
        },
        level,
        chosen: false,
    });
    by_rule.chain(chosen).collect()
}
