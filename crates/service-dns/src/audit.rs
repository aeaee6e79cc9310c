//! Whether anything dangles: every record set of a zone that is a federation's, or should be, beside what is wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kfed_dnsprovider::ownership::OWNER_KEY;
use kfed_dnsprovider::plan::Guard;
use kfed_dnsprovider::{
    Change, ChangeSet, Conflict, ConflictReason, DataSet, DnsName, Owner, Policy, RecordData, RecordSet, RecordSetKey,
    RecordType, Registered, Resource, ZoneSnapshot, sources,
};
use serde::{Serialize, Serializer};

use crate::cause::{cause, of_datum};
use crate::federation::{Decision, FederationView, ServiceFinding, decide};
use crate::names::Naming;
use crate::plan::Outcome;

/// What came of an audit. The same zone and view give the same one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Audit {
    /// Every set that was judged, by name and type: all that are the federation's, all that it wants, and those without any owner at
    /// names that are given by rule. What else is in the zone is nobody's business here.
    pub sets: Vec<Audited>,
    /// What somebody should know of the services.
    pub findings: Vec<ServiceFinding>,
}

/// One record set that was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Audited {
    /// Name and type.
    #[serde(flatten)]
    pub key: RecordSetKey,
    /// How it stands.
    pub verdict: Verdict,
    /// The cause in a word, as [`cause`] gives it, or one of `last-target`, `empty-hold`, `not-seen`, `target-missing`,
    /// `edited`, `not-ours-to-write`, `foreign-owner`, `no-owner`, `alias`, `cname-beside-others`, `other-resource`; empty where all is well.
    pub why: String,
    /// The same for people.
    pub message: String,
    /// What the set holds; nothing where it is not there.
    pub data: DataSet,
    /// Its TTL in seconds; none where it is not there.
    pub ttl: Option<u32>,
    /// The service that it is for.
    #[serde(serialize_with = "resource_as_text")]
    pub service: Option<Resource>,
    /// Whose it is, as far as that is told.
    pub owner: Option<String>,
}

/// How a record set stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is as it should be.
    Wanted,
    /// Nobody serves its service, and it stays on purpose.
    Kept,
    /// It is nobody's at a name that is given by rule, and not wanted, as Federation v1 left such: others may have put it there.
    Leftover,
    /// Nothing is known yet of where its service runs.
    Unjudged,
    /// It should be there, and is not.
    Missing,
    /// It is wanted, and not as it is: another TTL, other data, other marks.
    Drifted,
    /// It is wanted, and somebody else's record is there.
    Conflict,
    /// It is wanted, and nobody's: its marks are lost, or Federation v1 left it behind.
    Unmarked,
    /// Nobody wants it any more.
    Orphaned,
    /// It leads to who does not serve there, or to a name that is not there.
    Dangling,
}

/// Judges every set of `zone` that is the federation's of `view`, or should be.
pub fn audit(zone: &ZoneSnapshot, view: &FederationView) -> Audit {
    let owner = view.owner();
    let decision = decide(view);
    let policy = Policy { guard: Guard { share: 1.0, at_least: usize::MAX }, ..Policy::default() };
    let changes = kfed_dnsprovider::plan(zone, &decision.desired, &owner, &policy);
    let auditor = Auditor {
        zone,
        view,
        changes: changes.changes.iter().map(|change| (change.key(), change)).collect(),
        conflicts: changes.conflicts.iter().map(|conflict| (&conflict.key, conflict)).collect(),
        wanted: decision.desired.sets.iter().map(|set| &set.key).collect(),
        registered: Registered::of(zone, &owner),
        all: &changes,
        decision: &decision,
        owner,
    };
    let mut sets = auditor.sets();
    sets.sort_by(|a, b| a.key.cmp(&b.key));
    Audit { sets, findings: decision.findings }
}

/// What is at hand while sets are judged.
struct Auditor<'a> {
    zone: &'a ZoneSnapshot,
    view: &'a FederationView,
    owner: Owner,
    decision: &'a Decision,
    all: &'a ChangeSet,
    changes: BTreeMap<&'a RecordSetKey, &'a Change>,
    conflicts: BTreeMap<&'a RecordSetKey, &'a Conflict>,
    wanted: BTreeSet<&'a RecordSetKey>,
    registered: Registered,
}

/// A verdict, its cause in a word, and in a sentence.
type Judgement = (Verdict, String, String);

impl Auditor<'_> {
    fn sets(&self) -> Vec<Audited> {
        let mut sets = Vec::new();
        for set in self.zone.iter().filter(|set| !self.conflicts.contains_key(&set.key)) {
            if self.owner.owns(set) {
                sets.push(self.audited(set, self.judge(set)));
            } else if is_unmarked(set, &self.view.naming, &self.registered) {
                let message = "nobody's: `kfed dns adopt` takes it over".to_owned();
                sets.push(self.audited(set, (Verdict::Leftover, "no-owner".to_owned(), message)));
            }
        }
        let missing = self.changes.values().filter(|change| matches!(change, Change::Create { .. }));
        sets.extend(missing.map(|change| Audited {
            key: change.key().clone(),
            verdict: Verdict::Missing,
            why: self.cause(change),
            message: change.why(),
            data: DataSet::new(),
            ttl: None,
            service: change.resource(),
            owner: None,
        }));
        sets.extend(self.conflicts.values().map(|conflict| self.in_the_way(conflict)));
        sets
    }

    fn audited(&self, set: &RecordSet, (verdict, why, message): Judgement) -> Audited {
        Audited {
            key: set.key.clone(),
            verdict,
            why,
            message,
            data: set.data.clone(),
            ttl: Some(set.ttl),
            service: self.service(set),
            owner: set.metadata.get(OWNER_KEY).map(str::to_owned).or_else(|| self.registered.owner(&set.key).cloned()),
        }
    }

    /// Which service a set is for: as it says, or by its name.
    fn service(&self, set: &RecordSet) -> Option<Resource> {
        let by_rule = || self.view.naming.service_of(&set.key.name).map(|(ns, name)| Resource::service(ns, name));
        Resource::of(set).filter(|_| self.owner.owns(set)).or_else(by_rule)
    }

    /// A set of the federation's.
    fn judge(&self, set: &RecordSet) -> Judgement {
        let judgement = self.by_change(set);
        let target = match (&set.data[..], judgement.0) {
            ([RecordData::Cname(target)], Verdict::Wanted | Verdict::Kept | Verdict::Drifted) => target,
            _ => return judgement,
        };
        if target.is_in(&self.view.naming.zone) && !is_answered(self.zone, target, &self.view.naming.zone) {
            let message = format!("leads to {target}, which is not in the zone");
            return (Verdict::Dangling, "target-missing".to_owned(), message);
        }
        judgement
    }

    fn by_change(&self, set: &RecordSet) -> Judgement {
        let Some(change) = self.changes.get(&set.key) else { return self.unchanged(set) };
        let why = self.cause(change);
        match change {
            Change::Create { .. } => (Verdict::Missing, why, change.why()),
            Change::Update { from, to, .. } => {
                let gone = from.data.difference(&to.data);
                let (verdict, why) = self.withdrawn(from, gone, Verdict::Drifted, why);
                (verdict, why, change.why())
            }
            Change::Delete { set } => {
                let whole = ["service-gone", "not-published", "level-gone", "hostname-gone", "no-member", "no-address"];
                let (verdict, why) = match &*why {
                    "type-changed" => (Verdict::Drifted, why),
                    word if whole.contains(&word) => (Verdict::Orphaned, why),
                    _ => self.withdrawn(set, set.data.iter(), Verdict::Orphaned, why),
                };
                (verdict, why, change.why())
            }
        }
    }

    /// Of a set some or all of whose data are to go for `why`: whether it leads to who does not serve there. What nobody says he put
    /// there was put there by hand.
    fn withdrawn<'d>(
        &self,
        set: &RecordSet,
        gone: impl Iterator<Item = &'d RecordData>,
        otherwise: Verdict,
        why: String,
    ) -> (Verdict, String) {
        let plan = Resource::of(set).and_then(|resource| self.decision.plans.get(&resource));
        let sources = sources(set);
        let mut words = BTreeSet::new();
        for datum in gone {
            let unknown = ["address-gone"].into();
            match of_datum(datum, plan) {
                of if of == unknown && sources.get(datum).is_none() => drop(words.insert("edited")),
                of => words.extend(of),
            }
        }
        let leads_nowhere = |word: &&str| !["edited", "address-of-others", "recovering"].contains(word);
        match words.iter().any(leads_nowhere) {
            true => (Verdict::Dangling, words.into_iter().collect::<Vec<_>>().join(",")),
            false if words.contains("edited") => (otherwise, "edited".to_owned()),
            false => (otherwise, why),
        }
    }

    /// A set that the planner leaves as it is.
    fn unchanged(&self, set: &RecordSet) -> Judgement {
        let well = || (Verdict::Wanted, String::new(), String::new());
        let Some(resource) = Resource::of(set) else { return self.untouchable() };
        let service = self.view.services.get(&resource);
        if self.decision.desired.keep.contains(&resource) && service.is_some_and(|service| !service.seen) {
            let message = "nothing is known yet of where its Service runs".to_owned();
            return (Verdict::Unjudged, "not-seen".to_owned(), message);
        }
        match self.decision.plans.get(&resource).map(|plan| &plan.outcome) {
            Some(Outcome::KeepLast { why, .. }) => (Verdict::Kept, "last-target".to_owned(), why.to_string()),
            Some(Outcome::EmptyHold) => {
                let message = "no member has a ready endpoint; the names stay for a while".to_owned();
                (Verdict::Kept, "empty-hold".to_owned(), message)
            }
            _ if self.wanted.contains(&set.key) => well(),
            _ => self.untouchable(),
        }
    }

    /// Nobody wants it, and kfed does not write it.
    fn untouchable(&self) -> Judgement {
        let message = "nobody wants it, and it is an alias, has unknown properties, or is registered by external-dns";
        (Verdict::Orphaned, "not-ours-to-write".to_owned(), message.to_owned())
    }

    /// A wanted set that cannot be had.
    fn in_the_way(&self, conflict: &Conflict) -> Audited {
        let set = self.zone.get(&conflict.key);
        let by_rule = self.view.naming.service_of(&conflict.key.name).is_some();
        let (verdict, why) = match &conflict.why {
            ConflictReason::ForeignOwner { owner: None } if by_rule => (Verdict::Unmarked, "no-owner"),
            ConflictReason::ForeignOwner { .. } => (Verdict::Conflict, "foreign-owner"),
            ConflictReason::Alias => (Verdict::Conflict, "alias"),
            ConflictReason::UnknownProperties => (Verdict::Conflict, "unknown-properties"),
            ConflictReason::CnameBesideOthers { .. } => (Verdict::Conflict, "cname-beside-others"),
            ConflictReason::OtherResource { .. } => (Verdict::Conflict, "other-resource"),
            _ => (Verdict::Conflict, "other"),
        };
        Audited {
            key: conflict.key.clone(),
            verdict,
            why: why.to_owned(),
            message: conflict.to_string(),
            data: set.map(|set| set.data.clone()).unwrap_or_default(),
            ttl: set.map(|set| set.ttl),
            service: Some(conflict.resource.clone()),
            owner: match &conflict.why {
                ConflictReason::ForeignOwner { owner } => owner.clone(),
                _ => None,
            },
        }
    }

    fn cause(&self, change: &Change) -> String {
        cause(change, &self.all.changes, self.zone, self.view, self.decision)
    }
}

/// Whether `set` says nothing of an owner and answers at a name that is given to a service by rule.
pub(crate) fn is_unmarked(set: &RecordSet, naming: &Naming, registered: &Registered) -> bool {
    set.key.record_type.answers()
        && set.metadata.get(OWNER_KEY).is_none()
        && registered.owner(&set.key).is_none()
        && naming.service_of(&set.key.name).is_some()
}

/// Whether anything answers at `name`, which is in the zone: a set, a wildcard (RFC 4592), or another zone that begins above it.
fn is_answered(zone: &ZoneSnapshot, name: &DnsName, apex: &DnsName) -> bool {
    let answers = |name: &DnsName| zone.at(name).any(|set| set.key.record_type.answers() && !set.data.is_empty());
    if answers(name) {
        return true;
    }
    let mut above = name.as_str();
    while let Some((_, rest)) = above.split_once('.')
        && let Ok(parent) = rest.parse::<DnsName>()
        && parent.is_in(apex)
    {
        let wildcard = format!("*.{rest}").parse::<DnsName>().is_ok_and(|wildcard| answers(&wildcard));
        let delegated = parent != *apex && zone.get(&RecordSetKey::new(parent, RecordType::Ns)).is_some();
        if wildcard || delegated {
            return true;
        }
        above = rest;
    }
    false
}

// === impl Audit ===

impl Audit {
    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.sets.iter().all(|set| !set.verdict.is_finding())
    }

    /// How many sets stand how.
    pub fn summary(&self) -> BTreeMap<Verdict, usize> {
        let mut summary = BTreeMap::new();
        for set in &self.sets {
            *summary.entry(set.verdict).or_default() += 1;
        }
        summary
    }

    /// The names with a set of the federation's that is orphaned or dangling: what garbage is.
    pub fn garbage(&self) -> BTreeSet<&DnsName> {
        let is_garbage = |set: &&Audited| matches!(set.verdict, Verdict::Orphaned | Verdict::Dangling);
        self.sets.iter().filter(is_garbage).map(|set| &set.key.name).collect()
    }
}

// === impl Verdict ===

impl Verdict {
    /// Whether somebody should look.
    pub fn is_finding(self) -> bool {
        !matches!(self, Self::Wanted | Self::Kept | Self::Leftover)
    }

    /// The verdict as it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wanted => "wanted",
            Self::Kept => "kept",
            Self::Leftover => "leftover",
            Self::Unjudged => "unjudged",
            Self::Missing => "missing",
            Self::Drifted => "drifted",
            Self::Conflict => "conflict",
            Self::Unmarked => "unmarked",
            Self::Orphaned => "orphaned",
            Self::Dangling => "dangling",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn resource_as_text<S: Serializer>(resource: &Option<Resource>, serializer: S) -> Result<S::Ok, S::Error> {
    match resource {
        Some(resource) => serializer.collect_str(resource),
        None => serializer.serialize_none(),
    }
}
