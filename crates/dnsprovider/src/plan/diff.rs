//! Walks the zone and the wish side by side, name by name.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smallvec::SmallVec;

use crate::name::DnsName;
use crate::ownership::{OWNER_KEY, Owner, RESOURCE_KEY, Resource, SOURCES_KEY, same_sources};
use crate::plan::guard::guard;
use crate::plan::{
    Change, ChangeSet, Conflict, ConflictReason, Desired, DesiredRecordSet, Mode, Policy, Stage, Truncated, Urgency,
};
use crate::record::{DataSources, RecordData, RecordSet, RecordSetKey, RecordType};
use crate::registered::Registered;
use crate::zone::ZoneSnapshot;

/// One run of the planner. What one name comes to depends on no other name.
pub(super) struct Diff<'a> {
    pub(super) owner: &'a Owner,
    pub(super) policy: &'a Policy,
    pub(super) registered: &'a Registered,
    /// Whose sets stay as they are.
    pub(super) keep: &'a BTreeSet<Resource>,
    pub(super) found: Found,
}

/// What names come to, in their order.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// By rank. What belongs together is pushed at once, so it stays together.
    ranks: [Vec<Change>; Rank::COUNT],
    /// Sets of names that go as a whole.
    deletions: Vec<Arc<RecordSet>>,
    conflicts: Vec<Conflict>,
    truncated: Vec<Truncated>,
    /// How many of the names hold something of the owner's.
    pub(super) owned_names: usize,
}

/// When a change has its turn.
#[derive(Debug, Clone, Copy)]
enum Rank {
    /// No answer of the set is right.
    AllWrong,
    SomeWrong,
    Adds,
    /// After the addresses that CNAMEs point to.
    AddsCname,
    Tidies,
}

impl Rank {
    const COUNT: usize = 5;

    fn of_creation(record_type: RecordType) -> Self {
        if record_type == RecordType::Cname { Self::AddsCname } else { Self::Adds }
    }
}

/// FNV-1a: small, stable between versions and machines, and not for secrets.
pub(crate) struct Fnv(u64);

/// Walks `snapshot` and `desired`.
pub(super) fn whole(snapshot: &ZoneSnapshot, desired: &Desired, owner: &Owner, policy: &Policy) -> ChangeSet {
    let registered = Registered::of(snapshot, owner);
    let keep = &desired.keep;
    let mut diff = Diff { owner, policy, registered: &registered, keep, found: Found::default() };
    let have: Vec<&Arc<RecordSet>> = snapshot.shared().collect();
    let mut want: Vec<_> = desired.sets.iter().filter(|want| is_wanted(want, keep)).collect();
    sort(&mut want);
    diff.one_for_each(&mut want);
    let (mut have, mut want) = (&have[..], &want[..]);
    loop {
        // One comparison a name, whichever side has it.
        let (from_have, from_want) = match (have.first(), want.first()) {
            (None, None) => break,
            (Some(_), None) => (true, false),
            (None, Some(_)) => (false, true),
            (Some(h), Some(w)) => match h.key.name.cmp(&w.key.name) {
                Ordering::Less => (true, false),
                Ordering::Equal => (true, true),
                Ordering::Greater => (false, true),
            },
        };
        let here = if from_have { take_name(&mut have, |set| &set.key.name) } else { &[] };
        let wanted = if from_want { take_name(&mut want, |want| &want.key.name) } else { &[] };
        diff.name(here, wanted);
    }
    diff.found.finish(owner, policy)
}

/// Whether there is anything to `want`, by a resource whose sets do not stay as they are.
pub(super) fn is_wanted(want: &DesiredRecordSet, keep: &BTreeSet<Resource>) -> bool {
    !want.data.is_empty() && !keep.contains(&want.resource)
}

impl Diff<'_> {
    /// Of the wanted sets, which are in order, the first of each key stays; the resources of others are told.
    pub(super) fn one_for_each(&mut self, want: &mut Vec<&DesiredRecordSet>) {
        let conflicts = &mut self.found.conflicts;
        want.dedup_by(|later, first| {
            let same = later.key == first.key;
            if same && later.resource != first.resource {
                conflicts.push(conflict(later, ConflictReason::OtherResource { resource: first.resource.clone() }));
            }
            same
        });
    }

    /// What one name comes to: what is there, and what is wanted, each by key.
    pub(super) fn name(&mut self, have: &[&Arc<RecordSet>], want: &[&DesiredRecordSet]) {
        // Nearly every name is as it should be.
        let settled = |(set, want): (&&Arc<RecordSet>, &&DesiredRecordSet)| {
            set.key.record_type == want.key.record_type
                && !set.is_fixed()
                && self.same(set, want)
                && self.registered.owner(&set.key).is_none()
        };
        if have.len() == want.len() && have.iter().zip(want).all(settled) {
            self.found.owned_names += 1;
            return;
        }
        // And most others come or go as a whole.
        match want {
            [want] if have.is_empty() => return self.create(want),
            [] => return self.leave(have),
            _ => {}
        }
        self.found.owned_names += usize::from(have.iter().any(|set| self.owner.owns(set)));

        // What stays whatever is wanted, and why.
        let fixed: Vec<(&RecordSet, ConflictReason)> =
            have.iter().filter_map(|set| Some((&***set, self.fixed(set)?))).collect();

        let mut accepted: Vec<&DesiredRecordSet> = Vec::new();
        for w in want {
            let alone = w.key.record_type != RecordType::Cname || want.len() == 1;
            let refused = if alone { in_the_way(w, have, &fixed) } else { Some(beside(want)) };
            match refused.or_else(|| self.registered_to(&w.key)) {
                Some(why) => self.found.conflicts.push(conflict(w, why)),
                None => accepted.push(w),
            }
        }

        let mut creates = Vec::new();
        for w in &accepted {
            match have.iter().find(|set| set.key == w.key) {
                Some(set) => self.update(set, w),
                None => creates.push(Change::Create { set: self.target(None, w) }),
            }
        }

        let mut clashing = Vec::new();
        let mut surplus = Vec::new();
        for set in have {
            if fixed.iter().any(|(f, _)| f.key == set.key) || accepted.iter().any(|w| w.key == set.key) {
                continue;
            }
            if accepted.iter().any(|w| clash(w.key.record_type, set.key.record_type)) {
                clashing.push(Change::Delete { set: Arc::clone(set) });
            } else if self.policy.mode == Mode::Sync {
                surplus.push(Arc::clone(set));
            }
        }

        let withdraws = |changes: &[Change]| {
            changes.iter().any(|c| matches!(c.key().record_type, RecordType::A | RecordType::Aaaa))
        };
        if !clashing.is_empty() {
            // CNAME for addresses or the reverse: the room has to be made first.
            let rank = if withdraws(&clashing) { Rank::AllWrong } else { Rank::Adds };
            clashing.append(&mut creates);
            self.push(rank, clashing);
        }
        if accepted.is_empty() {
            self.delete_name(surplus);
        } else if !surplus.is_empty() {
            // One type goes, another stays or comes: answers are wrong now. What comes comes first.
            creates.extend(surplus.into_iter().map(|set| Change::Delete { set }));
            self.push(Rank::AllWrong, creates);
        } else {
            for change in creates {
                self.push(Rank::of_creation(change.key().record_type), [change]);
            }
        }
    }

    /// A set at a name that holds nothing.
    fn create(&mut self, want: &DesiredRecordSet) {
        if let Some(why) = self.registered_to(&want.key) {
            return self.found.conflicts.push(conflict(want, why));
        }
        let set = self.target(None, want);
        self.push(Rank::of_creation(want.key.record_type), [Change::Create { set }]);
    }

    /// A name at which nothing is wanted.
    fn leave(&mut self, have: &[&Arc<RecordSet>]) {
        let owned: SmallVec<[_; 2]> = have.iter().copied().filter(|set| self.owner.owns(set)).collect();
        self.found.owned_names += usize::from(!owned.is_empty());
        if self.policy.mode == Mode::Sync {
            let goes = |set: &&Arc<RecordSet>| self.fixed_though_owned(set).is_none() && !self.is_kept(set);
            let gone: SmallVec<[_; 2]> = owned.into_iter().filter(goes).map(Arc::clone).collect();
            self.delete_name(gone);
        }
    }

    /// The sets of one name that go, all that nobody else has there.
    fn delete_name(&mut self, sets: impl IntoIterator<Item = Arc<RecordSet>>) {
        self.found.deletions.extend(sets);
    }

    /// Why `set` must stay as it is, if it must.
    fn fixed(&self, set: &RecordSet) -> Option<ConflictReason> {
        if set.is_fixed() || self.owner.owns(set) {
            return self.fixed_though_owned(set);
        }
        let owner = set.metadata.get(OWNER_KEY).map(str::to_owned).or_else(|| self.registered.owner(&set.key).cloned());
        Some(ConflictReason::ForeignOwner { owner })
    }

    /// The same for a set whose mark is no obstacle.
    fn fixed_though_owned(&self, set: &RecordSet) -> Option<ConflictReason> {
        if set.alias {
            return Some(ConflictReason::Alias);
        }
        if set.unknown_properties {
            return Some(ConflictReason::UnknownProperties);
        }
        self.registered_to(&set.key)
    }

    /// Whether `set` stays for its resource's sake, as long as no other wants its name.
    fn is_kept(&self, set: &RecordSet) -> bool {
        !self.keep.is_empty() && Resource::of(set).is_some_and(|resource| self.keep.contains(&resource))
    }

    /// Why a set that external-dns has registered is not ours to write, whether it is there or not: one that we created could never be
    /// changed again.
    fn registered_to(&self, key: &RecordSetKey) -> Option<ConflictReason> {
        self.registered.owner(key).map(|owner| ConflictReason::ForeignOwner { owner: Some(owner.clone()) })
    }

    fn update(&mut self, from: &Arc<RecordSet>, want: &DesiredRecordSet) {
        if self.same(from, want) {
            return;
        }
        let to = self.target(Some(from), want);
        if from.ttl == to.ttl && from.data == to.data && from.metadata == to.metadata {
            return;
        }
        let (urgency, rank) = if from.data.is_disjoint(&to.data) && !from.data.is_empty() {
            (Urgency::WrongNow, Rank::AllWrong)
        } else if !from.data.is_subset(&to.data) {
            (Urgency::WrongNow, Rank::SomeWrong)
        } else if from.data != to.data {
            (Urgency::Adds, Rank::Adds)
        } else {
            (Urgency::Tidies, Rank::Tidies)
        };
        self.push(rank, [Change::Update { from: Arc::clone(from), to, urgency }]);
    }

    /// Whether `set` is already what is wanted, marks and all; told without allocating and in one pass over the metadata, because
    /// nearly every set is.
    fn same(&self, set: &RecordSet, want: &DesiredRecordSet) -> bool {
        if set.ttl != want.ttl
            || want.data.len() > self.limit(want.key.record_type)
            || !set.data.iter().eq(want.data.keys())
        {
            return false;
        }
        let (mut owner, mut resource, mut sources) = (None, None, "");
        for (key, value) in &set.metadata {
            match key {
                OWNER_KEY => owner = Some(value),
                RESOURCE_KEY => resource = Some(value),
                SOURCES_KEY => sources = value,
                _ => {}
            }
        }
        owner == Some(&*self.owner.0)
            && resource.is_some_and(|text| want.resource.is_written(text))
            && same_sources(sources, &want.data)
    }

    /// The set that is to stand in the place of `from`.
    fn target(&mut self, from: Option<&RecordSet>, want: &DesiredRecordSet) -> RecordSet {
        let limit = self.limit(want.key.record_type);
        let written = |want: &DesiredRecordSet| match from {
            Some(from) => want.in_place_of(from, self.owner),
            None => want.to_record_set(self.owner),
        };
        if want.data.len() <= limit {
            return written(want);
        }
        let (kept, dropped) = choose(want, from, limit);
        let to = written(&DesiredRecordSet { data: kept, ..want.clone() });
        let (key, resource) = (want.key.clone(), want.resource.clone());
        self.found.truncated.push(Truncated { key, resource, kept: to.data.len(), dropped });
        to
    }

    fn limit(&self, record_type: RecordType) -> usize {
        match record_type {
            RecordType::Cname => 1,
            _ => self.policy.max_records_per_set.max(1),
        }
    }

    fn push(&mut self, rank: Rank, changes: impl IntoIterator<Item = Change>) {
        self.found.ranks[rank as usize].extend(changes);
    }
}

// === impl Found ===

impl Found {
    /// Whether there is nothing to do, and nothing to tell.
    pub(super) fn is_settled(&self) -> bool {
        let Self { ranks, deletions, conflicts, truncated, owned_names: _ } = self;
        ranks.iter().all(Vec::is_empty) && deletions.is_empty() && conflicts.is_empty() && truncated.is_empty()
    }

    /// Takes in what a later name comes to.
    pub(super) fn append(&mut self, later: &Self) {
        for (rank, later) in self.ranks.iter_mut().zip(&later.ranks) {
            rank.extend_from_slice(later);
        }
        self.deletions.extend_from_slice(&later.deletions);
        self.conflicts.extend_from_slice(&later.conflicts);
        self.truncated.extend_from_slice(&later.truncated);
        self.owned_names += later.owned_names;
    }

    /// The changes in the order in which they are to be done.
    pub(super) fn finish(mut self, owner: &Owner, policy: &Policy) -> ChangeSet {
        let (deletions, guarded) = guard(self.deletions, self.owned_names, owner, policy);
        let [all_wrong, some_wrong, adds, adds_cname, tidies] = self.ranks;
        let (mut changes, mut stages) = (Vec::new(), Vec::new());
        for (urgency, mut part) in [
            (Urgency::WrongNow, [all_wrong, some_wrong]),
            (Urgency::Adds, [adds, Vec::new()]),
            // A name has its addresses before another leads to it.
            (Urgency::Adds, [adds_cname, Vec::new()]),
            (Urgency::Tidies, [tidies, Vec::new()]),
            (Urgency::Removes, [deletions, Vec::new()]),
        ] {
            let before = changes.len();
            if !policy.dead.is_empty() || !policy.priorities.is_empty() {
                part = [order(part, policy), Vec::new()];
            }
            for mut part in part {
                // Mostly one part is all there is: nothing is moved then.
                if changes.is_empty() { changes = part } else { changes.append(&mut part) }
            }
            if changes.len() > before {
                stages.push(Stage { urgency, changes: changes.len() - before });
            }
        }
        self.conflicts.sort_by(|a, b| a.key.cmp(&b.key).then_with(|| a.resource.cmp(&b.resource)));
        ChangeSet { changes, stages, conflicts: self.conflicts, truncated: self.truncated, guarded }
    }
}

/// `parts` one after the other, but what is dead before all else, and in each part the higher priorities first. Changes at one name
/// stay together and in their order: they depend on each other.
fn order(parts: [Vec<Change>; 2], policy: &Policy) -> Vec<Change> {
    let rank = |part: usize, change: &Change| {
        let resource = change.resource();
        let dead = resource.as_ref().and_then(|resource| policy.dead.get(resource));
        let priority = resource.as_ref().and_then(|resource| policy.priorities.get(resource)).copied().unwrap_or(0);
        (!dead.is_some_and(|dead| withdraws(change, dead)), part, std::cmp::Reverse(priority))
    };
    let mut ranks = BTreeMap::new();
    let changes: Vec<_> =
        parts.into_iter().enumerate().flat_map(|(n, part)| part.into_iter().map(move |c| (n, c))).collect();
    for (part, change) in &changes {
        let rank = rank(*part, change);
        let best = ranks.entry(change.key().name.clone()).or_insert(rank);
        *best = (*best).min(rank);
    }
    let mut changes: Vec<_> = changes.into_iter().map(|(_, change)| change).collect();
    changes.sort_by(|a, b| ranks.get(&a.key().name).cmp(&ranks.get(&b.key().name)));
    changes
}

/// Whether `change` takes any of `data` out of the answers.
fn withdraws(change: &Change, data: &BTreeSet<RecordData>) -> bool {
    match change {
        Change::Create { .. } => false,
        Change::Update { from, to, .. } => {
            from.data.iter().any(|datum| data.contains(datum) && !to.data.contains(datum))
        }
        Change::Delete { set } => set.data.iter().any(|datum| data.contains(datum)),
    }
}

/// Takes the sets of one name off the front of `sets`.
fn take_name<'s, T>(sets: &mut &'s [T], name: impl Fn(&T) -> &DnsName) -> &'s [T] {
    let same = sets.windows(2).take_while(|two| name(&two[0]) == name(&two[1])).count() + usize::from(!sets.is_empty());
    let (taken, rest) = sets.split_at(same);
    *sets = rest;
    taken
}

/// By key and then by resource. Names are far away in memory and begin alike, so the first octets in which they may differ are
/// brought together and sorted as numbers; only what they leave open is compared.
fn sort(want: &mut Vec<&DesiredRecordSet>) {
    let Some(first) = want.first().map(|want| want.key.name.as_str().as_bytes()) else { return };
    let alike = want.iter().fold(first.len(), |alike, want| {
        let name = want.key.name.as_str().as_bytes();
        if name.starts_with(&first[..alike]) {
            alike
        } else {
            first.iter().zip(name).take_while(|(a, b)| a == b).count()
        }
    });
    // Shorter is less, and no name holds a NUL.
    let octets = |want: &DesiredRecordSet| {
        let name = &want.key.name.as_str().as_bytes()[alike..];
        let mut octets = [0; 8];
        match name.first_chunk() {
            Some(first) => octets = *first,
            None => octets[..name.len()].copy_from_slice(name),
        }
        u64::from_be_bytes(octets)
    };
    let mut keyed: Vec<(u64, &DesiredRecordSet)> = want.iter().map(|want| (octets(want), *want)).collect();
    keyed.sort_by_key(|(octets, _)| *octets);
    for open in keyed.chunk_by_mut(|(x, _), (y, _)| x == y).filter(|chunk| chunk.len() > 1) {
        open.sort_by(|(_, a), (_, b)| a.key.cmp(&b.key).then_with(|| a.resource.cmp(&b.resource)));
    }
    want.clear();
    want.extend(keyed.into_iter().map(|(_, want)| want));
}

/// What keeps `want` from standing beside or in the place of what is at its name, if anything does.
fn in_the_way(
    want: &DesiredRecordSet,
    have: &[&Arc<RecordSet>],
    fixed: &[(&RecordSet, ConflictReason)],
) -> Option<ConflictReason> {
    if let Some((_, why)) = fixed.iter().find(|(set, _)| set.key == want.key) {
        return Some(why.clone());
    }
    if have.iter().any(|set| set.key == want.key) {
        return None;
    }
    // A new set at a name that answers for somebody else would change that somebody's answers, even with another type.
    let wanted = want.key.record_type;
    let answering = |set: &RecordSet| {
        set.key.record_type.answers() && (wanted.answers() || set.key.record_type == RecordType::Cname)
    };
    if let Some((_, why)) = fixed.iter().find(|(set, _)| answering(set)) {
        return Some(why.clone());
    }
    let types: Vec<_> = fixed.iter().map(|(set, _)| set.key.record_type).collect();
    (wanted == RecordType::Cname && !types.is_empty()).then_some(ConflictReason::CnameBesideOthers { types })
}

/// RFC 1034 § 3.6.2: a CNAME stands alone.
fn clash(a: RecordType, b: RecordType) -> bool {
    a != b && (a == RecordType::Cname || b == RecordType::Cname)
}

/// Why a CNAME cannot be had among `want`.
fn beside(want: &[&DesiredRecordSet]) -> ConflictReason {
    let types = want.iter().map(|w| w.key.record_type).filter(|t| *t != RecordType::Cname).collect();
    ConflictReason::CnameBesideOthers { types }
}

fn conflict(want: &DesiredRecordSet, why: ConflictReason) -> Conflict {
    Conflict { key: want.key.clone(), resource: want.resource.clone(), why }
}

/// The `limit` data to publish, and the others: what is published stays, then one of every member before the second of any, in an
/// order that differs from name to name so that not the same member is left out everywhere.
fn choose(want: &DesiredRecordSet, from: Option<&RecordSet>, limit: usize) -> (DataSources, Vec<RecordData>) {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ranked: Vec<_> = want
        .data
        .iter()
        .map(|(datum, members)| {
            let member = members.iter().next().unwrap_or_default();
            let nth = seen.entry(member).or_default();
            *nth += 1;
            let mut hash = Fnv::default();
            hash.write(want.key.name.as_str().as_bytes());
            hash.write(datum.to_string().as_bytes());
            let published = from.is_some_and(|from| from.data.contains(datum));
            (!published, *nth, hash.finish(), datum)
        })
        .collect();
    ranked.sort();
    let kept: BTreeSet<&RecordData> = ranked.iter().take(limit).map(|(.., datum)| *datum).collect();
    let dropped = want.data.keys().filter(|datum| !kept.contains(datum)).cloned().collect();
    let kept = want.data.iter().filter(|(datum, _)| kept.contains(datum));
    (kept.map(|(datum, members)| (datum.clone(), members.clone())).collect(), dropped)
}

// === impl Fnv ===

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn finish(&self) -> u64 {
        self.0
    }
}
