//! What people do to the zone with their own hands.

use std::collections::BTreeMap;

use kfed_azure_emulator::{RecordSetView, RecordType};
use tokio::time::Instant;

use crate::history::Hand;
use crate::support::ZONE;
use crate::watch::{FOREIGN, Watch, relative};

/// What external-dns writes beside a record, in its old format: the name is its own, whatever answers there.
const ENTRY: &str = "heritage=external-dns,external-dns/owner=other,external-dns/resource=service/a/b";

/// Makes the edit, where there is something to edit.
pub(crate) fn edit(watch: &mut Watch, hand: Hand) {
    let is_ours = |set: &RecordSetView| set.metadata.contains_key("kfed-owner") && !set.data.is_empty();
    let ours: Vec<_> = watch.sets().into_iter().filter(is_ours).collect();
    let pick = |n: usize| (!ours.is_empty()).then(|| ours[n % ours.len()].clone());
    match hand {
        Hand::Deletes(n) => {
            if let Some(set) = pick(n) {
                watch.touch(&set.name);
                watch.emulator.remove_record_set(ZONE, &set.name, set.record_type);
            }
        }
        Hand::Changes(n) => {
            if let Some(set) = pick(n) {
                watch.touch(&set.name);
                if watch.history.marks {
                    // What is replaced as a whole is no longer what was marked: it would be theirs.
                    let data: Vec<_> = set.data.iter().map(String::as_str).chain(["192.0.2.77"]).collect();
                    let data = if set.record_type == RecordType::Cname { &data[..1] } else { &data };
                    return watch.put(&set.name, set.record_type, 77, data, set.metadata);
                }
                let other = if set.record_type == RecordType::Cname { "elsewhere.example.org" } else { "192.0.2.77" };
                watch.put(&set.name, set.record_type, 30, &[other], set.metadata);
            }
        }
        Hand::Takes(n) => {
            if let Some(set) = pick(n) {
                let data: Vec<_> = set.data.iter().map(String::as_str).collect();
                watch.remove_mark(&set);
                watch.plant(&set.name, set.record_type, set.ttl, &data);
            }
        }
        Hand::Plants(s, level) | Hand::Registers(s, level) => {
            let names = &watch.services[s].names;
            let name = relative(&names[level % names.len()].name.text).to_owned();
            if !watch.answers(&name) {
                watch.plant(&name, RecordType::A, 300, &["192.0.2.9"]);
                if matches!(hand, Hand::Registers(..)) {
                    watch.plant(&name, RecordType::Txt, 300, &[ENTRY]);
                }
            }
        }
        Hand::PlantsAside => watch.plant("theirs", RecordType::A, 300, &["192.0.2.9"]),
        Hand::Orphans => {
            let marks = [("kfed-owner", "fed"), ("kfed-resource", "service/default/gone")];
            let marks = marks.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            watch.put("gone.default.fed.svc", RecordType::A, 30, &["192.0.2.7"], marks);
            watch.put_mark(&watch.emulator.record_set(ZONE, "gone.default.fed.svc", RecordType::A).unwrap());
        }
        Hand::Removes(n) => {
            let Some((name, _)) = watch.foreign.keys().nth(n % watch.foreign.len().max(1)).cloned() else { return };
            watch.touch(&name);
            for kind in FOREIGN {
                if watch.foreign.remove(&(name.clone(), kind)).is_some() {
                    watch.emulator.remove_record_set(ZONE, &name, kind);
                }
            }
        }
    }
}

// === impl Watch ===

impl Watch {
    fn put(&self, name: &str, kind: RecordType, ttl: u32, data: &[&str], metadata: BTreeMap<String, String>) {
        self.emulator.put_record_set(ZONE, name, kind, ttl, data, metadata).unwrap();
    }

    /// Whether the zone holds anything that answers at the name.
    fn answers(&self, name: &str) -> bool {
        [RecordType::A, RecordType::Cname].iter().any(|kind| self.emulator.record_set(ZONE, name, *kind).is_some())
    }

    /// Puts a set there that is not kfed's from now on.
    fn plant(&mut self, name: &str, kind: RecordType, ttl: u32, data: &[&str]) {
        self.put(name, kind, ttl, data, BTreeMap::new());
        let set: RecordSetView = self.emulator.record_set(ZONE, name, kind).unwrap();
        self.foreign.insert((set.name.clone(), set.record_type), set);
        self.touch(name);
    }

    /// Somebody has a hand in the set called `name`.
    fn touch(&mut self, name: &str) {
        for state in self.services.iter_mut().flat_map(|service| &mut service.names) {
            if relative(&state.name.text) == name {
                state.touched = Some(Instant::now());
            }
        }
    }
}
