//! Watches a federation from outside: at every write of the zone, and every second, what is answered is held against what is true.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use kfed_azure_emulator::dns::lookup;
use kfed_azure_emulator::{AzureEmulator, RecordSetView, RecordType};
use kfed_service_dns::Fallback;
use tokio::time::Instant;

use crate::history::History;
use crate::names::{Level, Name, names};
use crate::support::{SECOND, ZONE};
use crate::truth::{Api, Belongs, KNOWN, Lasting, Member};

/// What a control plane takes to sign in, to list everything and to read the zone.
const START: Duration = Duration::from_secs(40);
/// What an outage of the zone lasts on: a request without an answer, and the longest wait between two attempts.
const AFTERMATH: Duration = Duration::from_secs(120);
/// A write, with the way to Azure and back.
const WRITE: Duration = Duration::from_secs(4);
/// What sets may be somebody else's.
pub(crate) const FOREIGN: [RecordType; 3] = [RecordType::A, RecordType::Cname, RecordType::Txt];
/// Where a service of type ExternalName leads.
pub(crate) const ELSEWHERE: &str = "elsewhere.example.net";

/// All that is known from outside.
pub(crate) struct Watch {
    pub(crate) history: Arc<History>,
    pub(crate) emulator: AzureEmulator,
    pub(crate) members: Vec<Member>,
    pub(crate) services: Vec<Service>,
    /// A control plane runs, and since when the youngest does.
    pub(crate) runs: Lasting,
    /// Since when the zone takes writes and what went before is over; in the future where it is not.
    pub(crate) zone_able: Option<Instant>,
    /// Record sets that are not kfed's, as they were put there.
    pub(crate) foreign: BTreeMap<(String, RecordType), RecordSetView>,
    /// What has happened, for whoever has to find out why.
    pub(crate) log: Vec<String>,
    /// The first invariant that was broken.
    pub(crate) broken: Option<String>,
    pub(crate) start: Instant,
    /// The member that stays without endpoints when all is well.
    pub(crate) bare: Option<usize>,
}

/// Where the names of a service lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leads {
    /// It has none: it is not there, or of a type without names.
    Nowhere,
    ToMembers,
    /// To [`ELSEWHERE`].
    Elsewhere,
}

/// What is known of a service.
pub(crate) struct Service {
    /// Its names are to lead to members.
    pub(crate) wanted: Lasting,
    /// They are to lead elsewhere.
    pub(crate) elsewhere: Lasting,
    /// When it was created, in seconds, as the federation says.
    pub(crate) created: Option<i64>,
    pub(crate) names: Vec<NameState>,
    /// Since when addresses that nobody has are in its answers.
    nobodys: BTreeMap<Ipv4Addr, Instant>,
}

pub(crate) struct NameState {
    pub(crate) name: Name,
    pub(crate) answer: BTreeSet<IpAddr>,
    /// Something is there, whether or not it leads to addresses.
    is_there: bool,
    leads_elsewhere: bool,
    /// It is this service's, and no other's that asks for it.
    pub(crate) ours: Lasting,
    /// Nobody is to have it.
    pub(crate) nobodys: Lasting,
    /// When somebody last had a hand in it, or nobody was allowed to.
    pub(crate) touched: Option<Instant>,
    /// It has no answer, and should.
    missing: Lasting,
    /// It lost its answer to make room for one of another type.
    makes_room: bool,
}

// === impl Service ===

impl Service {
    /// The place of the name that the level has by rule.
    pub(crate) fn by_rule(&self, level: Level) -> Option<usize> {
        self.names.iter().position(|state| state.name.level == level && !state.name.chosen)
    }
}

// === impl Watch ===

impl Watch {
    pub(crate) fn new(history: Arc<History>, emulator: AzureEmulator) -> Self {
        let state = |name| NameState {
            name,
            answer: BTreeSet::new(),
            is_there: false,
            leads_elsewhere: false,
            ours: Lasting::default(),
            nobodys: Lasting::default(),
            touched: None,
            missing: Lasting::default(),
            makes_room: false,
        };
        let services = history.services.iter().map(|service| Service {
            wanted: Lasting::default(),
            elsewhere: Lasting::default(),
            created: None,
            names: names(&history, service).into_iter().map(state).collect(),
            nobodys: BTreeMap::new(),
        });
        Self {
            services: services.collect(),
            history,
            emulator,
            members: Vec::new(),
            bare: None,
            runs: Lasting::default(),
            zone_able: Some(Instant::now()),
            foreign: BTreeMap::new(),
            log: Vec::new(),
            broken: None,
            start: Instant::now(),
        }
    }

    /// What a death takes to be seen.
    fn detection(&self) -> Duration {
        let period = self.history.timing.probe_period;
        3 * period + period.min(3 * SECOND) + 2 * SECOND
    }

    pub(crate) fn note(&mut self, what: &str) {
        let at = self.start.elapsed().as_secs_f64();
        self.log.push(format!("{at:9.3} s  {what}"));
    }

    fn breaks(&mut self, what: String) {
        if self.broken.is_none() {
            self.note(&format!("BROKEN: {what}"));
            self.broken = Some(what);
        }
    }

    /// Says whether the zone is well.
    pub(crate) fn zone_is(&mut self, well: bool) {
        match well {
            true => drop(self.zone_able.get_or_insert(Instant::now() + AFTERMATH)),
            false => self.zone_able = None,
        }
    }

    /// Says where the names of the service are to lead from now on.
    pub(crate) fn want(&mut self, service: usize, leads: Leads) {
        let now = Instant::now();
        self.services[service].wanted.set(leads == Leads::ToMembers, now);
        self.services[service].elsewhere.set(leads == Leads::Elsewhere, now);
        self.look_at_claims(now);
    }

    /// Looks at the members, and at what is answered as it was when the zone was last looked at.
    pub(crate) fn look(&mut self) {
        let now = Instant::now();
        let period = self.history.timing.probe_period;
        let noticed = period + period.min(3 * SECOND) + SECOND;
        let history = self.history.clone();
        for member in &mut self.members {
            member.look(&history, noticed, now);
        }
        self.look_at_claims(now);
        for s in 0..self.services.len() {
            self.dead_answers(s, now);
            self.missing_answers(s, now);
            self.late_answers(s, now);
        }
    }

    /// The same, and the zone as it is now.
    pub(crate) fn look_at_zone(&mut self) {
        self.look();
        let now = Instant::now();
        for s in 0..self.services.len() {
            for n in 0..self.services[s].names.len() {
                let text = &self.services[s].names[n].name.text;
                let found = lookup(&self.emulator, text, RecordType::A);
                let answer: BTreeSet<_> = found.addresses().into_iter().collect();
                let state = &mut self.services[s].names[n];
                let before = std::mem::replace(&mut state.answer, answer.clone());
                state.makes_room &= answer.is_empty();
                state.is_there = !found.records.is_empty();
                state.leads_elsewhere =
                    found.records.iter().any(|record| record.data.trim_end_matches('.') == ELSEWHERE);
                if before != answer {
                    let text = self.services[s].names[n].name.text.clone();
                    self.note(&format!("{text}: {} -> {}", list(&before), list(&answer)));
                }
                if !before.is_empty() && answer.is_empty() {
                    self.lost(s, n, &before, now);
                }
            }
        }
        self.foreign_sets();
        self.look();
    }

    /// Foreign record sets are as they were.
    fn foreign_sets(&mut self) {
        let sets = self.emulator.record_sets(ZONE);
        let is_there = |theirs: &&RecordSetView| sets.contains(theirs);
        if let Some(gone) = self.foreign.values().find(|theirs| !is_there(theirs)).cloned() {
            let now = sets.iter().find(|set| (&set.name, set.record_type) == (&gone.name, gone.record_type));
            self.breaks(format!("a foreign set has changed: {gone:?} is {now:?}"));
        }
    }

    /// Since when it has been known that somebody serves.
    pub(crate) fn healthy(&self, s: usize, now: Instant) -> Option<Instant> {
        let period = self.history.timing.probe_period;
        let answers = 2 * period + period.min(3 * SECOND) + 2 * SECOND;
        let known = |member: &Member| {
            let place = &member.places[s];
            let lasts = [
                member.joined.since()? + KNOWN,
                member.api_fine.since()? + KNOWN,
                place.held.since()? + KNOWN,
                place.ready.since()? + KNOWN,
                place.serves.since()? + answers,
                self.runs.since()? + START,
            ];
            lasts.into_iter().max().filter(|since| *since <= now)
        };
        self.members.iter().filter_map(known).min()
    }

    /// Whether a member has ready endpoints, as far as anybody can know: it serves, or it is dead, and the last addresses stay.
    fn holds(&self, s: usize, now: Instant) -> bool {
        let holds = |member: &Member| {
            let place = &member.places[s];
            member.joined.lasts(KNOWN, now) && place.held.lasts(KNOWN, now) && place.ready.lasts(KNOWN, now)
        };
        self.services[s].wanted.lasts(KNOWN, now) && self.members.iter().any(holds)
    }

    /// Whether there is a member for which the service has a name at this level.
    fn is_backed(&self, s: usize, level: Level, now: Instant) -> bool {
        let specs = &self.history.members;
        let backs = |member: &Member| member.joined.lasts(KNOWN, now) && member.places[s].held.lasts(KNOWN, now);
        self.members.iter().zip(specs).any(|(member, spec)| level.has(spec) && backs(member))
    }

    /// Whether it is known that there is such a level.
    fn is_reached(&self, level: Level, now: Instant) -> bool {
        let reached = |member: &Member| member.joined.lasts(KNOWN, now) && member.api_fine.lasts(KNOWN, now);
        let mut members = self.members.iter().zip(&self.history.members);
        level == Level::All || members.any(|(member, spec)| level.has(spec) && reached(member))
    }

    /// Whether somebody else has had a hand in the name, and kfed had no chance to see to it since.
    fn is_excused(&self, s: usize, n: usize, now: Instant) -> bool {
        let chance = |touched: Instant| {
            let able = self.runs.since()?.max(self.zone_able?).max(touched);
            Some(able + self.history.timing.sweep + AFTERMATH)
        };
        let service = &self.services[s];
        let is_excused = |n: usize| {
            let state = &service.names[n];
            self.is_foreign(relative(&state.name.text))
                || state.touched.is_some_and(|touched| chance(touched).is_none_or(|at| now < at))
        };
        // A CNAME leads to whatever is at the next level up.
        let led_to = service.names[n].name.level.upwards().into_iter().skip(1).filter_map(|up| service.by_rule(up));
        is_excused(n) || (self.history.fallback == Fallback::Cname && led_to.into_iter().any(is_excused))
    }

    /// Whether the name, without the zone's, is somebody else's.
    pub(crate) fn is_foreign(&self, name: &str) -> bool {
        FOREIGN.into_iter().any(|kind| self.foreign.contains_key(&(name.to_owned(), kind)))
    }

    /// No name loses its answer while somebody serves, or is only dead. What led to members that leave alone goes with them, where
    /// nobody is well. Addresses and a CNAME change places in two writes.
    fn lost(&mut self, s: usize, n: usize, before: &BTreeSet<IpAddr>, now: Instant) {
        let state = &self.services[s].names[n];
        let level = state.name.level;
        let is_ours = state.ours.since().is_some() && (state.ours.lasts(KNOWN, now) || self.is_passed_on(s, n, now));
        let of_who_stays = |member: &Member| {
            let range = member.cluster.load_balancers().range();
            member.belongs == Belongs::In && before.iter().filter_map(v4).any(|ip| range.contains(ip))
        };
        let stays = self.healthy(s, now).is_some() || self.members.iter().any(of_who_stays);
        if is_ours && stays && self.holds(s, now) && self.is_backed(s, level, now) && !self.is_excused(s, n, now) {
            if self.history.fallback == Fallback::Cname && level != Level::All {
                self.services[s].names[n].makes_room = true;
                return;
            }
            let name = self.services[s].names[n].name.text.clone();
            self.breaks(format!("{name} has lost its answer"));
        }
    }

    /// No name is long without an answer while somebody serves, or it is to lead elsewhere.
    fn missing_answers(&mut self, s: usize, now: Instant) {
        let able = self.zone_able.is_some_and(|at| at <= now);
        let wanted = self.services[s].wanted.lasts(KNOWN, now) && self.healthy(s, now).is_some() && able;
        let elsewhere = self.services[s].elsewhere.lasts(KNOWN, now) && self.runs.lasts(START, now) && able;
        for n in 0..self.services[s].names.len() {
            let state = &self.services[s].names[n];
            let level = state.name.level;
            let lacks = wanted && state.answer.is_empty() && self.is_backed(s, level, now)
                || elsewhere && !state.leads_elsewhere && self.is_reached(level, now);
            let misses = lacks && state.ours.lasts(KNOWN, now) && !self.is_excused(s, n, now);
            let patience = if state.makes_room { WRITE } else { self.detection() + WRITE };
            self.services[s].names[n].missing.set(misses, now);
            if self.services[s].names[n].missing.lasts(patience, now) {
                let name = self.services[s].names[n].name.text.clone();
                self.breaks(format!("{name} has no answer, and should"));
            }
        }
    }

    /// No name outlives its service.
    fn late_answers(&mut self, s: usize, now: Instant) {
        let can = self.runs.lasts(START, now) && self.zone_able.is_some_and(|at| at <= now);
        let is_late = |n: &usize| {
            let state = &self.services[s].names[*n];
            can && state.is_there && state.nobodys.lasts(AFTERMATH, now) && !self.is_excused(s, *n, now)
        };
        if let Some(n) = (0..self.services[s].names.len()).find(is_late) {
            let name = self.services[s].names[n].name.text.clone();
            self.breaks(format!("{name} outlives its service"));
        }
    }

    /// No answer holds an address that is known to be dead while there is a healthy one.
    fn dead_answers(&mut self, s: usize, now: Instant) {
        let ours = self.services[s].names.iter().filter(|state| state.ours.since().is_some());
        let answers: BTreeSet<Ipv4Addr> = ours.flat_map(|state| &state.answer).filter_map(v4).collect();
        let somebodys = |ip: Ipv4Addr| self.members.iter().any(|member| member.places[s].address == Some(ip));
        let nobodys: Vec<_> = answers.iter().copied().filter(|ip| !somebodys(*ip)).collect();
        let known = &mut self.services[s].nobodys;
        known.retain(|ip, _| nobodys.contains(ip));
        for ip in nobodys {
            known.entry(ip).or_insert(now);
        }
        let (Some(healthy), Some(zone), Some(runs)) = (self.healthy(s, now), self.zone_able, self.runs.since()) else {
            return;
        };
        if !self.services[s].wanted.lasts(KNOWN, now) {
            return;
        }
        for ip in answers {
            let Some(known) = self.known_dead(s, ip, runs) else { continue };
            let due = known.max(healthy).max(zone) + WRITE;
            let wrong = |n: &usize| {
                let state = &self.services[s].names[*n];
                let due = state.ours.since().map(|ours| due.max(ours + KNOWN + WRITE));
                state.answer.contains(&IpAddr::V4(ip))
                    && due.is_some_and(|due| now > due)
                    && !self.is_excused(s, *n, now)
            };
            if let Some(n) = (0..self.services[s].names.len()).find(wrong) {
                let name = self.services[s].names[n].name.text.clone();
                let late = (now - due).as_secs_f64();
                self.breaks(format!("{name} leads to {ip}, which is dead, {late:.3} s too long"));
            }
        }
    }

    /// When it is known at the latest that nobody serves on `ip`. None where it does serve, or cannot be known to be dead.
    fn known_dead(&self, s: usize, ip: Ipv4Addr, runs: Instant) -> Option<Instant> {
        let detection = self.detection();
        let hold = self.history.timing.dns_hold;
        let member = self.members.iter().find(|member| member.cluster.load_balancers().range().contains(ip))?;
        if member.belongs != Belongs::In {
            return None;
        }
        let place = &member.places[s];
        let is_its = place.address == Some(ip);
        let dead = if is_its { place.fails.since()? } else { *self.services[s].nobodys.get(&ip)? };
        let joined = member.joined.since()?;
        let begin = dead.max(runs + START).max(joined + START);
        // An API that falls silent or speaks again, before it is clear what has died, takes that much longer.
        let turned = member.api_turned.min(begin + detection);
        // An address is asked while its service has names. What it answered before a change of type is forgotten.
        let asked = runs.max(joined).max(self.services[s].wanted.since()?);
        let can_be_seen = begin.max(asked);
        let noticed = is_its && place.answered.is_some_and(|at| at >= asked + START);
        match member.api {
            Api::Silent if noticed => Some(begin.max(turned) + detection + hold),
            // All that can be known is that its member is gone.
            Api::Silent => Some(can_be_seen.max(member.api_turned) + detection + hold),
            // While its API was silent the address was held.
            _ if noticed => Some(begin.max(member.api_turned.min(begin + detection + hold)) + detection),
            Api::Fine if !is_its => Some(can_be_seen.max(member.api_fine.since()?) + KNOWN),
            Api::Fine => Some(place.empty.since()?.max(can_be_seen).max(member.api_fine.since()?) + KNOWN),
            Api::Unwell => None,
        }
    }
}

pub(crate) fn relative(name: &str) -> &str {
    name.strip_suffix(ZONE).and_then(|rest| rest.strip_suffix('.')).unwrap_or(name)
}

fn v4(ip: &IpAddr) -> Option<Ipv4Addr> {
    match ip {
        IpAddr::V4(ip) => Some(*ip),
        IpAddr::V6(_) => None,
    }
}

fn list(ips: &BTreeSet<IpAddr>) -> String {
    if ips.is_empty() {
        "nothing".to_owned()
    } else {
        ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }
}
