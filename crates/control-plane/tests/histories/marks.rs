//! The zone as it is seen through marks, where a history keeps whose a set is in TXT sets.

use kfed_azure_emulator::{RecordSetView, RecordType};
use kfed_dnsprovider::txt_registry::{Mark, see};
use kfed_dnsprovider::{DnsName, Metadata, RecordData, RecordSet, RecordSetKey, TxtNames};

use crate::support::ZONE;
use crate::watch::{Watch, relative};

// === impl Watch ===

impl Watch {
    /// What the zone holds, each set with what is known of it.
    pub(crate) fn sets(&self) -> Vec<RecordSetView> {
        let views = self.emulator.record_sets(ZONE);
        if !self.history.marks {
            return views;
        }
        let (ours, others): (Vec<_>, Vec<_>) =
            views.into_iter().partition(|view| !matches!(view.record_type, RecordType::Ns | RecordType::Soa));
        let seen = see(&TxtNames::default(), ours.iter().map(record_set).collect());
        let shown = seen.into_iter().map(|set| {
            let name = label(&set.key.name);
            let is_it = |view: &&RecordSetView| view.name == name && view.record_type == kind(set.key.record_type);
            // A mark alone is a set that holds nothing.
            let mut view = ours.iter().find(is_it).or(ours.first()).expect("a set or a mark is there").clone();
            view.name = name.to_owned();
            view.record_type = kind(set.key.record_type);
            view.data.retain(|_| !set.data.is_empty());
            view.metadata = set.metadata.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            view
        });
        shown.chain(others).collect()
    }

    /// Puts the mark of a set there.
    pub(crate) fn put_mark(&self, view: &RecordSetView) {
        if !self.history.marks {
            return;
        }
        let set = record_set(view);
        let metadata: Metadata = view.metadata.iter().collect();
        let text = Mark::new(&metadata, &set.data).unwrap().to_string();
        let name = TxtNames::default().mark(&set.key).unwrap();
        let put = self.emulator.put_record_set(ZONE, label(&name), RecordType::Txt, 300, &[&text], Default::default());
        put.unwrap();
    }

    /// Takes the mark of a set away.
    pub(crate) fn remove_mark(&self, view: &RecordSetView) {
        if !self.history.marks {
            return;
        }
        let name = TxtNames::default().mark(&record_set(view).key).unwrap();
        self.emulator.remove_record_set(ZONE, label(&name), RecordType::Txt);
    }
}

fn label(name: &DnsName) -> &str {
    relative(name.without_dot())
}

fn record_set(view: &RecordSetView) -> RecordSet {
    let record_type = kfed_dnsprovider::RecordType::parse(view.record_type.as_str()).unwrap();
    let datum = |text: &String| match record_type {
        kfed_dnsprovider::RecordType::Txt => RecordData::Txt(vec![text.clone()]),
        _ => RecordData::parse(record_type, text).unwrap(),
    };
    RecordSet {
        key: RecordSetKey::new(ZONE.parse::<DnsName>().unwrap().child(&view.name).unwrap(), record_type),
        ttl: view.ttl,
        data: view.data.iter().map(datum).collect(),
        metadata: Metadata::default(),
        etag: None,
        alias: false,
        unknown_properties: false,
    }
}

fn kind(record_type: kfed_dnsprovider::RecordType) -> RecordType {
    RecordType::ALL.into_iter().find(|kind| kind.as_str() == record_type.as_str()).unwrap()
}
