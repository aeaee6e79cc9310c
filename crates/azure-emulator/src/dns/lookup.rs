use std::net::IpAddr;

use crate::{
    AzureEmulator, RecordType,
    model::{
        name::{self, APEX},
        rdata::Rdata,
        store::Store,
        zone::{RecordSet, SetKey, Zone},
    },
};

/// Names that are followed for one question, as resolvers do.
const LONGEST_CHAIN: usize = 8;

/// What a question comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The response code.
    pub rcode: Rcode,
    /// Whether the answer is this server's own to give; not so for a name below a delegation.
    pub authoritative: bool,
    /// The answer section: records of the name, after the CNAMEs that lead there.
    pub records: Vec<AnswerRecord>,
}

/// A record in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AnswerRecord {
    /// Absolute, without a final dot, in lower case.
    pub name: String,
    /// The type.
    pub record_type: RecordType,
    /// Seconds.
    pub ttl: u32,
    /// In presentation format, text without quotes.
    pub data: String,
}

/// The response codes that an authoritative server gives to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rcode {
    /// The name exists, whether or not it has records of that type.
    NoError,
    /// The name does not exist.
    NxDomain,
    /// The name is in none of the zones.
    Refused,
}

/// Answers a question from the emulator's zones, without a socket.
pub fn lookup(emulator: &AzureEmulator, name: &str, record_type: RecordType) -> Answer {
    let resolution = resolve(&emulator.lock().store, name, Wanted::Type(record_type));
    let records = resolution.answers.into_iter().map(|found| AnswerRecord {
        record_type: found.data.record_type(),
        data: found.data.to_string(),
        name: found.name,
        ttl: found.ttl,
    });
    Answer { rcode: resolution.rcode, authoritative: resolution.authoritative, records: records.collect() }
}

impl Answer {
    /// The addresses among the records, in order.
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.records
            .iter()
            .filter(|record| matches!(record.record_type, RecordType::A | RecordType::Aaaa))
            .filter_map(|record| record.data.parse().ok())
            .collect()
    }
}

/// Which records a question wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Type(RecordType),
    Any,
    /// A type that Azure DNS does not store: no name has it.
    Unknown,
}

/// The sections of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolution {
    pub(crate) rcode: Rcode,
    pub(crate) authoritative: bool,
    pub(crate) answers: Vec<Found>,
    /// A delegation's name servers.
    pub(crate) authority: Vec<Found>,
    /// The zone's SOA, when there is nothing to answer.
    pub(crate) soa: Option<Found>,
    pub(crate) additional: Vec<Found>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) ttl: u32,
    pub(crate) data: Rdata,
}

/// The algorithm of RFC 1034 § 4.3.2, with wildcards as RFC 4592 has them.
pub(crate) fn resolve(store: &Store, question: &str, wanted: Wanted) -> Resolution {
    let mut owner = question.trim_end_matches('.').to_ascii_lowercase();
    let mut resolution = Resolution {
        rcode: Rcode::NoError,
        authoritative: true,
        answers: Vec::new(),
        authority: Vec::new(),
        soa: None,
        additional: Vec::new(),
    };
    let Some(zone) = enclosing(store, &owner) else {
        resolution.rcode = Rcode::Refused;
        resolution.authoritative = false;
        return resolution;
    };
    for _ in 0..LONGEST_CHAIN {
        match step(zone, &owner, wanted) {
            Step::Records(found) => {
                resolution.answers.extend(found);
                return resolution;
            }
            Step::Alias(alias, target) => {
                resolution.answers.push(alias);
                owner = target;
                let stays = enclosing(store, &owner).is_some_and(|next| next.key == zone.key);
                if !stays {
                    return resolution;
                }
            }
            Step::NoData => {
                resolution.soa = soa(zone);
                return resolution;
            }
            // RFC 6604 § 3: the code speaks of the last name of the chain.
            Step::NoName => {
                resolution.rcode = Rcode::NxDomain;
                resolution.soa = soa(zone);
                return resolution;
            }
            Step::Referral(servers) => {
                // An answer section from our own data keeps the answer authoritative (RFC 1035 § 4.1.1).
                resolution.authoritative = !resolution.answers.is_empty();
                resolution.additional = glue(zone, &servers);
                resolution.authority = servers;
                return resolution;
            }
        }
    }
    resolution
}

enum Step {
    Records(Vec<Found>),
    /// A CNAME and the name it leads to.
    Alias(Found, String),
    NoData,
    NoName,
    Referral(Vec<Found>),
}

fn step(zone: &Zone, owner: &str, wanted: Wanted) -> Step {
    let Some(relative) = name::relative(owner, &zone.key.name) else {
        return Step::NoName;
    };
    if let Some(cut) = delegation(zone, relative) {
        return Step::Referral(cut);
    }
    if has_records(zone, relative) {
        return records(zone, relative, owner, wanted);
    }
    if is_empty_non_terminal(zone, relative) {
        return Step::NoData;
    }
    match wildcard(zone, relative) {
        Some(wildcard) => records(zone, &wildcard, owner, wanted),
        None => Step::NoName,
    }
}

/// The records of a name that has some, under the name that was asked for.
fn records(zone: &Zone, relative: &str, owner: &str, wanted: Wanted) -> Step {
    let mut found = Vec::new();
    for (key, set) in zone.sets_of(relative) {
        let (ttl, data) = zone.resolved(set);
        let all = data.iter().map(|data| Found { name: owner.to_owned(), ttl, data: data.clone() });
        match (wanted, data) {
            (Wanted::Any, _) => found.extend(all),
            (Wanted::Type(kind), _) if kind == key.kind => found.extend(all),
            (_, [Rdata::Cname(target)]) => {
                let target = target.trim_end_matches('.').to_ascii_lowercase();
                let alias = Found { name: owner.to_owned(), ttl, data: data[0].clone() };
                return Step::Alias(alias, target);
            }
            _ => {}
        }
    }
    if found.is_empty() { Step::NoData } else { Step::Records(found) }
}

/// The name servers of the highest delegation at or above a name.
fn delegation(zone: &Zone, relative: &str) -> Option<Vec<Found>> {
    if relative == APEX {
        return None;
    }
    let cuts = relative.rmatch_indices('.').map(|(dot, _)| &relative[dot + 1..]).chain([relative]);
    for cut in cuts {
        let key = SetKey { name: cut.to_owned(), kind: RecordType::Ns };
        if let Some(set) = zone.sets.get(&key).filter(|set| !set.records.is_empty()) {
            let owner = name::absolute(cut, &zone.key.name);
            let servers =
                set.records.iter().map(|data| Found { name: owner.clone(), ttl: set.ttl, data: data.clone() });
            return Some(servers.collect());
        }
    }
    None
}

/// The addresses of name servers that the zone itself holds.
fn glue(zone: &Zone, servers: &[Found]) -> Vec<Found> {
    let mut glue = Vec::new();
    for server in servers {
        let Rdata::Ns(server) = &server.data else {
            continue;
        };
        let server = server.trim_end_matches('.').to_ascii_lowercase();
        let Some(relative) = name::relative(&server, &zone.key.name) else {
            continue;
        };
        for (key, set) in zone.sets_of(relative) {
            if matches!(key.kind, RecordType::A | RecordType::Aaaa) {
                let (ttl, data) = zone.resolved(set);
                glue.extend(data.iter().map(|data| Found { name: server.clone(), ttl, data: data.clone() }));
            }
        }
    }
    glue
}

/// The wildcard that covers a name which does not exist: the one right below its closest encloser, if that has records.
fn wildcard(zone: &Zone, relative: &str) -> Option<String> {
    let ancestors = relative.match_indices('.').map(|(dot, _)| &relative[dot + 1..]);
    let encloser =
        ancestors.into_iter().find(|ancestor| has_records(zone, ancestor) || is_empty_non_terminal(zone, ancestor));
    let wildcard = match encloser {
        Some(encloser) => format!("*.{encloser}"),
        None => "*".to_owned(),
    };
    has_records(zone, &wildcard).then_some(wildcard)
}

/// Empty record sets are not served, so a name that has no others does not exist.
fn has_records(zone: &Zone, relative: &str) -> bool {
    zone.sets_of(relative).any(|(_, set)| is_served(zone, set))
}

fn is_empty_non_terminal(zone: &Zone, relative: &str) -> bool {
    zone.sets.iter().any(|(key, set)| {
        key.name.strip_suffix(relative).is_some_and(|start| start.ends_with('.')) && is_served(zone, set)
    })
}

fn is_served(zone: &Zone, set: &RecordSet) -> bool {
    !zone.resolved(set).1.is_empty()
}

/// The SOA for a negative answer, living as long as that may be cached (RFC 2308 § 3).
fn soa(zone: &Zone) -> Option<Found> {
    let key = SetKey { name: APEX.to_owned(), kind: RecordType::Soa };
    let set = zone.sets.get(&key)?;
    let data = set.records.first()?.clone();
    let ttl = match &data {
        Rdata::Soa(soa) => set.ttl.min(soa.minimum),
        _ => set.ttl,
    };
    Some(Found { name: zone.key.name.clone(), ttl, data })
}

/// The zone that lies closest around a name.
fn enclosing<'a>(store: &'a Store, name: &str) -> Option<&'a Zone> {
    store
        .zones
        .values()
        .filter(|zone| name::relative(name, &zone.key.name).is_some())
        // Of zones of one name the first counts, and `max_by_key` returns the last.
        .rev()
        .max_by_key(|zone| zone.key.name.len())
}
