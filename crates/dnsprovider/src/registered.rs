//! external-dns' TXT registry, as far as it is read here: who has the names that are not kfed's.

use std::collections::BTreeMap;

use crate::name::DnsName;
use crate::ownership::Owner;
use crate::record::{RecordData, RecordSet, RecordSetKey, RecordType};
use crate::zone::ZoneSnapshot;

/// Owners that TXT sets of a zone tell of: `heritage=external-dns,external-dns/owner=ID,…` at the name itself (the old format, which
/// owns all that answers there) or at `TYPE-NAME` (the new one).
#[derive(Debug, Clone, Default)]
pub struct Registered {
    /// By the name and type that are owned; no type where the name is.
    entries: BTreeMap<(DnsName, Option<RecordType>), Registration>,
}

/// An entry of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// external-dns' owner; empty where the entry names none.
    pub owner: String,
    /// The TXT set that says so.
    pub txt: RecordSetKey,
    /// Whether it owns all that answers at the name, and not one type alone.
    pub whole_name: bool,
}

// === impl Registered ===

impl Registered {
    /// What `snapshot` tells of. A TXT set that is marked as `owner`'s is no stranger's.
    pub fn of(snapshot: &ZoneSnapshot, owner: &Owner) -> Self {
        let mut entries = BTreeMap::new();
        for set in snapshot.iter().filter(|set| set.key.record_type == RecordType::Txt && !owner.owns(set)) {
            let Some(owner) = set.data.iter().find_map(entry) else { continue };
            let registration = |whole_name| Registration { owner: owner.clone(), txt: set.key.clone(), whole_name };
            for record_type in [RecordType::A, RecordType::Aaaa, RecordType::Cname] {
                let prefix = format!("{}-", record_type.as_str().to_ascii_lowercase());
                let rest = set.key.name.as_str().strip_prefix(&prefix);
                if let Some(name) = rest.and_then(|name| name.parse::<DnsName>().ok()) {
                    entries.insert((name, Some(record_type)), registration(false));
                }
            }
            entries.insert((set.key.name.clone(), None), registration(true));
        }
        Self { entries }
    }

    /// The entries that own `key`: that of its name, that of its type.
    pub fn at(&self, key: &RecordSetKey) -> impl Iterator<Item = &Registration> {
        let owned = !self.entries.is_empty() && key.record_type.answers();
        let kinds = [None, Some(key.record_type)].into_iter().filter(move |_| owned);
        kinds.filter_map(|kind| self.entries.get(&(key.name.clone(), kind)))
    }

    /// Who owns `key`, if anybody does.
    pub fn owner(&self, key: &RecordSetKey) -> Option<&String> {
        self.at(key).next().map(|registration| &registration.owner)
    }
}

impl Registration {
    /// What is left of the TXT set when its entries are taken out; none where nothing is.
    pub fn without(set: &RecordSet) -> Option<RecordSet> {
        let data: crate::DataSet = set.data.iter().filter(|datum| entry(datum).is_none()).cloned().collect();
        (!data.is_empty()).then(|| RecordSet { data, ..set.clone() })
    }
}

/// The owner that a datum names, if it is an entry of the registry.
fn entry(datum: &RecordData) -> Option<String> {
    let RecordData::Txt(strings) = datum else { return None };
    let text = strings.concat();
    let mut fields = text.trim_matches('"').split(',').map(str::trim);
    if !fields.clone().any(|field| field == "heritage=external-dns") {
        return None;
    }
    Some(fields.find_map(|field| field.strip_prefix("external-dns/owner=")).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{bare, key, ours, owner};

    const ENTRY: &str = "heritage=external-dns,external-dns/owner=other,external-dns/resource=service/a/b";

    #[test]
    fn an_entry_owns_a_name_or_one_type_of_it() {
        let zone = [
            bare("TXT", "old", &[ENTRY]),
            bare("TXT", "aaaa-new", &[ENTRY]),
            bare("TXT", "text", &["heritage=else"]),
            ours("TXT", "mine", &[ENTRY]),
        ];
        let registered = Registered::of(&zone.into_iter().collect(), &owner());
        for (record_type, name, owned) in [
            ("A", "old", true),
            ("CNAME", "old", true),
            ("TXT", "old", false),
            ("AAAA", "new", true),
            ("A", "new", false),
            ("A", "text", false),
            ("A", "mine", false),
        ] {
            let found = registered.owner(&key(record_type, name));
            assert_eq!(found.map(String::as_str), owned.then_some("other"), "{record_type} {name}");
        }
        let registration = registered.at(&key("AAAA", "new")).next().unwrap();
        assert_eq!((&registration.txt, registration.whole_name), (&key("TXT", "aaaa-new"), false));
    }

    #[test]
    fn what_else_a_txt_set_holds_is_left() {
        assert_eq!(Registration::without(&bare("TXT", "old", &[ENTRY])), None);
        let left = Registration::without(&bare("TXT", "old", &[ENTRY, "v=spf1 -all"])).unwrap();
        assert_eq!(left.data, bare("TXT", "old", &["v=spf1 -all"]).data);
    }
}
