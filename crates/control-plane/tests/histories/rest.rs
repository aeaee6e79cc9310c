//! A federation at rest: what the zone must hold, to the last record set.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use kfed_azure_emulator::{RecordSetView, RecordType};
use kfed_service_dns::Fallback;

use crate::history::MemberSpec;
use crate::names::Level;
use crate::truth::{Belongs, Member, PORT};
use crate::watch::{ELSEWHERE, Watch, relative};

/// A record set as it should be: its type, its TTL, its data.
type Wanted = (RecordType, u32, BTreeSet<String>);

/// What is not as it should be with the zone, if anything is.
pub(crate) fn trouble(watch: &Watch) -> Option<String> {
    let sets = watch.sets();
    let is_foreign = |set: &&RecordSetView| watch.foreign.contains_key(&(set.name.clone(), set.record_type));
    let is_azures = |set: &&RecordSetView| matches!(set.record_type, RecordType::Ns | RecordType::Soa);
    let mut held: BTreeMap<String, Wanted> = BTreeMap::new();
    for set in sets.iter().filter(|set| !is_azures(set) && !is_foreign(set)) {
        if set.metadata.get("kfed-owner").map(String::as_str) != Some("fed") {
            return Some(format!("nobody's: {set:?}"));
        }
        let data = set.data.iter().map(|datum| datum.trim_end_matches('.').to_owned()).collect();
        if held.insert(set.name.clone(), (set.record_type, set.ttl, data)).is_some() {
            return Some(format!("two sets at one name: {set:?}"));
        }
    }
    let wanted = wanted(watch);
    let differs = |name: &&String| held.get(*name) != wanted.get(*name);
    let name = held.keys().chain(wanted.keys()).find(differs)?;
    Some(format!("{name} is {:?} and should be {:?}", held.get(name), wanted.get(name)))
}

/// The sets that there should be when all is well and everything is known.
fn wanted(watch: &Watch) -> BTreeMap<String, Wanted> {
    let mut wanted = BTreeMap::new();
    for (s, (spec, service)) in watch.history.services.iter().zip(&watch.services).enumerate() {
        let members = || watch.members.iter().zip(&watch.history.members).filter(|(m, _)| m.belongs == Belongs::In);
        let at = |level: Level| -> BTreeSet<String> {
            let here = members().filter(|(_, spec)| level.has(spec));
            let serving = here.filter(|(member, _)| member.places[s].serves.since().is_some());
            serving.filter_map(|(member, _)| Some(member.places[s].address?.to_string())).collect()
        };
        for state in &service.names {
            let level = state.name.level;
            let is_there =
                |(member, spec): (&Member, &MemberSpec)| level.has(spec) && member.places[s].address.is_some();
            let name = relative(&state.name.text).to_owned();
            if watch.is_foreign(&name) || state.ours.since().is_none() {
                continue;
            }
            let ttl = spec.ttl.unwrap_or(30);
            if service.elsewhere.since().is_some() {
                if level == Level::All || members().any(|(_, spec)| level.has(spec)) {
                    wanted.insert(name, (RecordType::Cname, ttl, [ELSEWHERE.to_owned()].into()));
                }
                continue;
            }
            if !members().any(is_there) {
                continue;
            }
            let answer = level.upwards().into_iter().find(|level| !at(*level).is_empty());
            wanted.extend(answer.map(|answering| {
                let set = match (watch.history.fallback, level.up()) {
                    (Fallback::Cname, Some(up)) if answering != level => (
                        RecordType::Cname,
                        ttl,
                        service.by_rule(up).map(|n| service.names[n].name.text.clone()).into_iter().collect(),
                    ),
                    _ => (RecordType::A, ttl, at(answering)),
                };
                (name, set)
            }));
        }
    }
    wanted
}

/// What of the members themselves is not at rest yet.
pub(crate) fn unrest(watch: &Watch) -> Option<String> {
    for (m, (spec, member)) in watch.history.members.iter().zip(&watch.members).enumerate() {
        if member.belongs == Belongs::Leaving {
            return Some(format!("{} is still leaving", spec.name));
        }
        for (s, place) in member.places.iter().enumerate() {
            let wanted = watch.services[s].wanted.since().is_some() && member.belongs == Belongs::In;
            let serves = place.address.is_some_and(|ip| {
                let answer = member.cluster.load_balancers().probe((IpAddr::V4(ip), PORT).into());
                matches!(answer, kfed_cluster_emulator::LbAnswer::Answers(_))
            });
            if wanted && !serves && watch.bare != Some(m) {
                let service = &watch.history.services[s];
                return Some(format!("{} does not serve {} on {:?}", spec.name, service.name, place.address));
            }
        }
    }
    None
}
