//! The version of what is seen: that of the set, that of its mark, and what both said. So a write knows without another request what it may
//! leave as it is, and nothing is remembered between two.

use super::mark::{Fingerprints, Mark};
use crate::packed::{self, Texts};
use crate::record::{Etag, RecordData, RecordSet};
use crate::registered::Registration;

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Version {
    /// The set's own version; none where a mark alone is there.
    pub(super) set: Option<Etag>,
    /// What the set said.
    pub(super) content: Content,
    /// What stands where the mark belongs.
    pub(super) place: Place,
}

/// What a set says, as far as a later look must tell whether it says it still.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Content {
    ttl: u32,
    pub(super) data: Fingerprints,
}

/// The TXT set where a mark belongs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Place {
    /// None.
    #[default]
    Free,
    /// One that says whose the set is: a mark, or an entry of external-dns.
    Held {
        /// Its version.
        version: Etag,
        /// What it says.
        text: String,
    },
    /// One that says anything else.
    Taken,
}

// === impl Version ===

impl Version {
    /// What was read at `etag`. One that was not made here is the set's own, for the provider to judge.
    pub(super) fn of(etag: &Etag) -> Self {
        Self::parse(etag).unwrap_or_else(|| Self { set: Some(etag.clone()), ..Self::default() })
    }

    fn parse(etag: &Etag) -> Option<Self> {
        let texts: Vec<&str> = Texts(&etag.0).collect();
        let [set, ttl, data, place, version, text] = texts[..] else { return None };
        let content = Content { ttl: ttl.parse().ok()?, data: Fingerprints::parse(data)? };
        let place = match place {
            "free" => Place::Free,
            "held" => Place::Held { version: Etag(version.to_owned()), text: text.to_owned() },
            "taken" => Place::Taken,
            _ => return None,
        };
        let set = set.strip_prefix('=').map(|version| Etag(version.to_owned()));
        Some(Self { set, content, place })
    }

    pub(super) fn to_etag(&self) -> Etag {
        let set = self.set.as_ref().map(|version| format!("={}", version.0)).unwrap_or_default();
        let (place, version, text) = match &self.place {
            Place::Free => ("free", "", ""),
            Place::Held { version, text } => ("held", &*version.0, &**text),
            Place::Taken => ("taken", "", ""),
        };
        let (ttl, data) = (self.content.ttl.to_string(), self.content.data.to_string());
        let mut packed = String::new();
        [&*set, &*ttl, &*data, place, version, text].into_iter().for_each(|text| packed::push(&mut packed, text));
        Etag(packed)
    }
}

// === impl Content ===

impl Content {
    pub(super) fn of(set: &RecordSet) -> Self {
        Self { ttl: set.ttl, data: Fingerprints::of(&set.data) }
    }
}

// === impl Place ===

impl Place {
    /// What `text`, the TXT set where the mark of a set belongs, makes of that place; `wildcard` where something stands for an asterisk.
    pub(super) fn of(text: Option<&RecordSet>, wildcard: bool) -> Self {
        let Some(set) = text else { return Self::Free };
        let entry = || match &set.data[..] {
            [RecordData::Txt(strings)] if Registration::without(set).is_none() => Some(strings.concat()),
            _ => None,
        };
        let said = match Mark::of(set) {
            // Both names with the asterisk and without it may lead here.
            Some((mark, _)) if mark.is_wildcard() != wildcard => None,
            Some((_, text)) => Some(text),
            None => entry(),
        };
        match said {
            Some(text) => Self::Held { version: set.etag.clone().unwrap_or_else(|| Etag(String::new())), text },
            None => Self::Taken,
        }
    }

    /// The mark that stands there.
    pub(super) fn mark(&self) -> Option<Mark> {
        match self {
            Self::Held { text, .. } => Mark::parse(text),
            Self::Free | Self::Taken => None,
        }
    }
}
