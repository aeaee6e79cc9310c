use std::collections::BTreeMap;

use super::{
    name::{self, APEX},
    rdata::{Rdata, Soa},
    zone_kind::ZoneKind,
};
use crate::{
    RecordType,
    ids::{Ids, Purpose},
};

/// What a zone is found by. Ids are compared without letter case, so all parts are lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ZoneKey {
    pub(crate) kind: ZoneKind,
    pub(crate) subscription: String,
    pub(crate) group: String,
    pub(crate) name: String,
}

/// What a record set is found by; ordered as Azure lists them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SetKey {
    pub(crate) name: String,
    pub(crate) kind: RecordType,
}

#[derive(Clone, Debug)]
pub(crate) struct Zone {
    pub(crate) key: ZoneKey,
    /// The resource group as its creator wrote it.
    pub(crate) group: String,
    /// Does not change when record sets do.
    pub(crate) etag: String,
    pub(crate) tags: BTreeMap<String, String>,
    /// Absolute, with final dot; none in a private zone.
    pub(crate) name_servers: Vec<String>,
    pub(crate) sets: BTreeMap<SetKey, RecordSet>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordSet {
    pub(crate) ttl: u32,
    /// None while [`target`](Self::target) names where they come from.
    pub(crate) records: Vec<Rdata>,
    pub(crate) metadata: BTreeMap<String, String>,
    /// The resource id of an alias.
    pub(crate) target: Option<String>,
    pub(crate) etag: String,
}

/// Deep enough for any sane chain of aliases, and an end for a loop.
const MAX_ALIASES: usize = 8;

impl Zone {
    /// A new zone with the record sets that every zone has.
    pub(crate) fn new(key: ZoneKey, group: String, tags: BTreeMap<String, String>, ids: &mut Ids) -> Self {
        let profile = key.kind.profile();
        let name_servers = if profile.has_name_servers { name_servers(ids) } else { Vec::new() };
        let mut zone =
            Self { etag: ids.guid(Purpose::Etag).to_string(), key, group, tags, name_servers, sets: BTreeMap::new() };
        if profile.has_name_servers {
            let servers = zone.name_servers.iter().cloned().map(Rdata::Ns).collect();
            zone.plant(RecordType::Ns, 172_800, servers, ids);
        }
        let soa = Soa {
            host: zone.name_servers.first().map_or("azureprivatedns.net", String::as_str).to_owned(),
            email: profile.soa_email.to_owned(),
            serial: 1,
            refresh: 3600,
            retry: 300,
            expire: 2_419_200,
            minimum: profile.soa_minimum,
        };
        zone.plant(RecordType::Soa, 3600, vec![Rdata::Soa(soa)], ids);
        zone
    }

    fn plant(&mut self, kind: RecordType, ttl: u32, records: Vec<Rdata>, ids: &mut Ids) {
        let key = SetKey { name: APEX.to_owned(), kind };
        let set = RecordSet {
            ttl,
            records,
            metadata: BTreeMap::new(),
            target: None,
            etag: ids.guid(Purpose::Etag).to_string(),
        };
        self.sets.insert(key, set);
    }

    pub(crate) fn id(&self) -> String {
        format!(
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Network/{}/{}",
            self.key.subscription,
            self.group,
            self.key.kind.profile().segment,
            self.key.name
        )
    }

    pub(crate) fn set_id(&self, key: &SetKey) -> String {
        format!("{}/{}/{}", self.id(), key.kind, key.name)
    }

    /// All record sets of a name.
    pub(crate) fn sets_of<'a>(&'a self, name: &str) -> impl Iterator<Item = (&'a SetKey, &'a RecordSet)> + use<'a> {
        let first = SetKey { name: name.to_owned(), kind: RecordType::A };
        let last = SetKey { name: name.to_owned(), kind: RecordType::Caa };
        self.sets.range(first..=last)
    }

    /// What a record set holds in the end: its own records and TTL, or those of the set in this zone that it is an alias of.
    /// An alias of anything else, or of a set that is gone, holds nothing.
    pub(crate) fn resolved<'a>(&'a self, set: &'a RecordSet) -> (u32, &'a [Rdata]) {
        let mut set = set;
        for _ in 0..MAX_ALIASES {
            let Some(target) = &set.target else {
                return (set.ttl, &set.records);
            };
            match self.aliased(target) {
                Some(next) => set = next,
                None => return (set.ttl, &[]),
            }
        }
        (set.ttl, &[])
    }

    /// The record set of this zone that an id names.
    fn aliased(&self, id: &str) -> Option<&RecordSet> {
        self.sets.get(&self.set_key_of(id)?)
    }

    /// The key in an id, when the id lies in this zone. The set need not exist.
    pub(crate) fn set_key_of(&self, id: &str) -> Option<SetKey> {
        let own = self.id();
        let below = id
            .get(..own.len())
            .filter(|start| start.eq_ignore_ascii_case(&own))
            .and_then(|_| id[own.len()..].strip_prefix('/'))?;
        let (kind, name) = below.split_once('/')?;
        Some(SetKey { kind: kind.parse().ok()?, name: name.to_ascii_lowercase() })
    }

    pub(crate) fn fqdn(&self, relative: &str) -> String {
        format!("{}.", name::absolute(relative, &self.key.name))
    }
}

/// Four servers of one of a hundred groups, so that a zone made anew mostly gets others, as in Azure.
fn name_servers(ids: &mut Ids) -> Vec<String> {
    let group = ids.number(Purpose::NameServers) % 100;
    [(1, "com"), (2, "net"), (3, "org"), (4, "info")]
        .map(|(server, top)| format!("ns{server}-{group:02}.azure-dns.{top}."))
        .to_vec()
}
