//! The checks, each a sentence and what must be so for it to be true.

use std::collections::BTreeMap;
use std::fmt::Debug;

use futures::future::{join, join_all};

use super::{Bench, Check, etag, full};
use crate::apply::apply;
use crate::error::{DnsError, ErrorClass};
use crate::metadata::Metadata;
use crate::operation::{DeleteRecordSet, Operation, Precondition, PutRecordSet};
use crate::ownership::{Owner, Resource};
use crate::plan::{Desired, DesiredRecordSet, Policy, plan};
use crate::record::{Etag, RecordData, RecordSet, RecordSetKey, RecordType};
use crate::zone::ZoneId;

type Outcome = Result<(), String>;

pub(super) async fn all(bench: &Bench) -> Vec<Check> {
    let mut checks = Vec::new();
    macro_rules! check {
        ($($name:literal => $check:ident;)*) => {
            $(checks.push(Check { name: $name, failure: $check(bench).await.err() });)*
        };
    }
    check! {
        "a zone is found by its name" => zone_by_name;
        "a zone that is not there is not found" => no_such_zone;
        "what is put can be read, with its version" => put_and_get;
        "what is not there is none, and no error" => absent;
        "a set is created only once" => create_twice;
        "a set is replaced in one step" => replace;
        "one set comes and another goes" => replace_all;
        "a set that changed meanwhile is not replaced" => replace_stale;
        "a set that is not there is not replaced" => replace_absent;
        "a set that changed meanwhile is not deleted" => delete_stale;
        "deleting what is gone is no error" => delete_absent;
        "sets of different types stand beside each other" => types_beside;
        "a CNAME comes and goes" => cname;
        "a CNAME stands alone" => cname_alone;
        "a set holds twenty addresses, each once" => twenty;
        "texts are kept as they are" => texts;
        "ownership is kept, in lists too" => ownership;
        "names have no case" => case;
        "a name outside the zone is refused" => outside;
        "data of another type are refused" => misfit;
        "an error names the operation and the record set" => error_names;
        "of several who write what they read at one time one wins" => race;
        "of several who create at one time one wins" => create_race;
        "a name keeps its answers while they are replaced" => no_hole;
        "a list has every set once" => paging;
        "a plan, applied, leaves nothing to plan" => plan_and_apply;
    }
    checks
}

async fn zone_by_name(b: &Bench) -> Outcome {
    let found = b.provider.find_zone(&b.zone.name).await.map_err(|error| full(&error))?;
    same("the zone", &found, &b.zone)
}

async fn no_such_zone(b: &Bench) -> Outcome {
    let nowhere = ZoneId(b.zone.id.0.replace(b.zone.name.without_dot(), "kfed-conformance.invalid"));
    if nowhere == b.zone.id {
        // The identifier does not hold the name: nothing can be derived from it.
        return Ok(());
    }
    fails("listing it", b.provider.snapshot(&nowhere).await, &[ErrorClass::NotFound])
}

async fn put_and_get(b: &Bench) -> Outcome {
    let put = create(b, &a(b, "put", 1)?).await?;
    same("what was put", &content(&put), &a(b, "put", 1)?)?;
    let got = b.get(&put.key).await?;
    same("what was read", &got, &Some(put.clone()))?;
    etag(&put).map(drop)
}

async fn absent(b: &Bench) -> Outcome {
    same("what was read", &b.get(&b.key(RecordType::A, "absent")?).await?, &None)
}

async fn create_twice(b: &Bench) -> Outcome {
    let first = create(b, &a(b, "twice", 1)?).await?;
    let second = b.provider.put(&b.zone.id, a(b, "twice", 2)?, Precondition::Absent).await;
    fails("creating it again", second, &[ErrorClass::Conflict])?;
    same("the set", &b.get(&first.key).await?, &Some(first.clone()))
}

async fn replace(b: &Bench) -> Outcome {
    let first = create(b, &RecordSet { ttl: 40, ..a(b, "replace", 1)? }).await?;
    let second = update(b, &first, &RecordSet { ttl: 80, ..a(b, "replace", 2)? }).await?;
    if second.etag == first.etag {
        return Err("the version did not change".into());
    }
    let got = b.get(&first.key).await?.ok_or("the set is gone")?;
    same("the set", &content(&got), &RecordSet { ttl: 80, ..a(b, "replace", 2)? })
}

async fn replace_all(b: &Bench) -> Outcome {
    let alpha = create(b, &a(b, "alpha", 1)?).await?;
    let beta = create(b, &a(b, "beta", 1)?).await?;
    b.delete(&alpha).await?;
    same("the one that went", &b.get(&alpha.key).await?, &None)?;
    same("the one that came", &b.get(&beta.key).await?, &Some(beta.clone()))
}

async fn replace_stale(b: &Bench) -> Outcome {
    // Two read the same, both write: the second has to read again.
    let read = create(b, &a(b, "stale", 1)?).await?;
    let first = update(b, &read, &a(b, "stale", 2)?).await?;
    let late = b.provider.put(&b.zone.id, a(b, "stale", 3)?, Precondition::Unchanged(etag(&read)?)).await;
    fails("the late write", late, &[ErrorClass::Conflict])?;
    same("the set", &b.get(&read.key).await?, &Some(first))
}

async fn replace_absent(b: &Bench) -> Outcome {
    let gone = create(b, &a(b, "gone", 1)?).await?;
    b.delete(&gone).await?;
    let late = b.provider.put(&b.zone.id, a(b, "gone", 2)?, Precondition::Unchanged(etag(&gone)?)).await;
    fails("the late write", late, &[ErrorClass::Conflict])?;
    same("the set", &b.get(&gone.key).await?, &None)
}

async fn delete_stale(b: &Bench) -> Outcome {
    let read = create(b, &a(b, "delete", 1)?).await?;
    let first = update(b, &read, &a(b, "delete", 2)?).await?;
    let late = b.provider.delete(&b.zone.id, &read.key, etag(&read)?).await;
    fails("the late deletion", late, &[ErrorClass::Conflict])?;
    same("the set", &b.get(&read.key).await?, &Some(first))
}

async fn delete_absent(b: &Bench) -> Outcome {
    let gone = create(b, &a(b, "delete-twice", 1)?).await?;
    b.delete(&gone).await?;
    b.delete(&gone).await
}

async fn types_beside(b: &Bench) -> Outcome {
    let v4 = create(b, &a(b, "types", 1)?).await?;
    let v6 = create(b, &set(b, "types", RecordType::Aaaa, ["2001:db8::8888".parse().map(RecordData::Aaaa)])?).await?;
    same("the A set", &b.get(&v4.key).await?, &Some(v4.clone()))?;
    same("the AAAA set", &b.get(&v6.key).await?, &Some(v6.clone()))
}

async fn cname(b: &Bench) -> Outcome {
    let wanted = set(b, "cname", RecordType::Cname, [b.name("put").map(RecordData::Cname)])?;
    let put = create(b, &wanted).await?;
    same("what was put", &content(&put), &wanted)?;
    b.delete(&put).await?;
    same("the set", &b.get(&put.key).await?, &None)
}

async fn cname_alone(b: &Bench) -> Outcome {
    let refused = [ErrorClass::Conflict, ErrorClass::Invalid];
    create(b, &a(b, "alone-a", 1)?).await?;
    let beside = set(b, "alone-a", RecordType::Cname, [b.name("put").map(RecordData::Cname)])?;
    fails("a CNAME beside addresses", b.provider.put(&b.zone.id, beside, Precondition::Absent).await, &refused)?;
    create(b, &set(b, "alone-c", RecordType::Cname, [b.name("put").map(RecordData::Cname)])?).await?;
    let beside = b.provider.put(&b.zone.id, a(b, "alone-c", 1)?, Precondition::Absent).await;
    fails("addresses beside a CNAME", beside, &refused)
}

async fn twenty(b: &Bench) -> Outcome {
    let addresses = (1..=20).map(|n| Ok::<_, String>(RecordData::A([192, 0, 2, n].into())));
    let wanted = set(b, "twenty", RecordType::A, addresses)?;
    create(b, &wanted).await?;
    let got = b.get(&wanted.key).await?.ok_or("the set is gone")?;
    same("the set", &content(&got), &wanted)
}

async fn texts(b: &Bench) -> Outcome {
    let texts = vec!["heritage=kfed,\"quoted\"; a\\b".to_owned(), "x".repeat(255)];
    let wanted = set(b, "texts", RecordType::Txt, [Ok::<_, String>(RecordData::Txt(texts))])?;
    create(b, &wanted).await?;
    let got = b.get(&wanted.key).await?.ok_or("the set is gone")?;
    same("the set", &content(&got), &wanted)
}

async fn ownership(b: &Bench) -> Outcome {
    let (owner, other) = (Owner("kfed-conformance".into()), Owner("another".into()));
    let resource = Resource::service("default", "web");
    let first = create(b, &RecordSet { metadata: owner.mark(&resource), ..a(b, "owned", 1)? }).await?;
    let listed = b.snapshot().await?;
    let listed = listed.get(&first.key).ok_or("the set is not listed")?;
    same("the metadata in the list", &listed.metadata, &owner.mark(&resource))?;
    update(b, &first, &RecordSet { metadata: other.mark(&resource), ..a(b, "owned", 1)? }).await?;
    let got = b.get(&first.key).await?.ok_or("the set is gone")?;
    same("the metadata after a change", &got.metadata, &other.mark(&resource))
}

async fn case(b: &Bench) -> Outcome {
    let mixed = create(b, &a(b, "MiXeD", 1)?).await?;
    same("the set", &b.get(&b.key(RecordType::A, "mixed")?).await?, &Some(mixed.clone()))?;
    let again = b.provider.put(&b.zone.id, a(b, "MIXED", 2)?, Precondition::Absent).await;
    fails("creating it in other case", again, &[ErrorClass::Conflict])
}

async fn outside(b: &Bench) -> Outcome {
    let mut set = a(b, "outside", 1)?;
    set.key.name = "outside.kfed-conformance.invalid".parse().map_err(|error| format!("{error}"))?;
    fails("writing it", b.provider.put(&b.zone.id, set, Precondition::Absent).await, &[ErrorClass::Invalid])
}

async fn misfit(b: &Bench) -> Outcome {
    let text = set(b, "misfit", RecordType::A, [Ok::<_, String>(RecordData::Txt(vec!["192.0.2.1".to_owned()]))])?;
    fails(
        "writing a text as an address",
        b.provider.put(&b.zone.id, text, Precondition::Absent).await,
        &[ErrorClass::Invalid],
    )
}

async fn error_names(b: &Bench) -> Outcome {
    let read = create(b, &a(b, "error", 1)?).await?;
    let put = b.provider.put(&b.zone.id, a(b, "error", 2)?, Precondition::Absent).await;
    let error = put.err().ok_or("creating it again was done")?;
    same("the set of the error", &error.record_set, &Some(read.key.clone()))?;
    same("its operation", &error.operation, &PutRecordSet::NAME)?;
    same("whether it may be sent again as it is", &error.is_retryable(), &false)?;
    let stale = Etag("kfed-conformance".to_owned());
    let error = b.provider.delete(&b.zone.id, &read.key, stale).await.err().ok_or("it was deleted")?;
    same("the set of the error", &error.record_set, &Some(read.key))?;
    same("its operation", &error.operation, &DeleteRecordSet::NAME)
}

async fn race(b: &Bench) -> Outcome {
    let read = create(b, &a(b, "race", 1)?).await?;
    let unchanged = etag(&read)?;
    let sets = (2..=9).map(|n| a(b, "race", n)).collect::<Result<Vec<_>, _>>()?;
    let write = |set: RecordSet| b.provider.put(&b.zone.id, set, Precondition::Unchanged(unchanged.clone()));
    one_wins(b, &read.key, sets, write).await
}

async fn create_race(b: &Bench) -> Outcome {
    let sets = (2..=9).map(|n| a(b, "create-race", n)).collect::<Result<Vec<_>, _>>()?;
    let key = b.key(RecordType::A, "create-race")?;
    one_wins(b, &key, sets, |set| b.provider.put(&b.zone.id, set, Precondition::Absent)).await
}

/// Writes all of `sets` at one time: one is written, and stands; the others are conflicts.
async fn one_wins<F: Future<Output = Result<RecordSet, DnsError>>>(
    b: &Bench,
    key: &RecordSetKey,
    sets: Vec<RecordSet>,
    write: impl Fn(RecordSet) -> F,
) -> Outcome {
    let mut won = Vec::new();
    for result in join_all(sets.into_iter().map(write)).await {
        match result {
            Ok(set) => won.push(set),
            Err(error) => fails::<()>("a late one", Err(error), &[ErrorClass::Conflict])?,
        }
    }
    same("how many won", &won.len(), &1)?;
    same("the set", &b.get(key).await?, &won.pop())
}

async fn no_hole(b: &Bench) -> Outcome {
    let mut read = create(b, &a(b, "hole", 1)?).await?;
    for n in 2..=5 {
        let set = a(b, "hole", n)?;
        let looks = join_all((0..4).map(|_| b.get(&read.key)));
        let (written, looks) = join(update(b, &read, &set), looks).await;
        for look in looks {
            let look = look?.ok_or("it was gone for a moment")?;
            same("how many answers there are meanwhile", &look.data.len(), &1)?;
        }
        read = written?;
    }
    Ok(())
}

/// Every form of data that a type has.
pub(super) async fn types(b: &Bench, types: &[RecordType]) -> Vec<Check> {
    let mut checks = Vec::new();
    for record_type in types {
        let (name, data): (_, &[&str]) = match record_type {
            RecordType::A => ("A sets are kept as they are", &["192.0.2.1", "192.0.2.2"]),
            RecordType::Aaaa => ("AAAA sets are kept as they are", &["2001:db8::1", "2001:db8::2"]),
            RecordType::Cname => ("CNAME sets are kept as they are", &["target.example.net"]),
            RecordType::Txt => ("TXT sets are kept as they are", &["\"one\"", "\"two words\" \"and more\""]),
            RecordType::Srv => ("SRV sets are kept as they are", &["1 2 5060 a.example.net", "1 3 5061 b.example.net"]),
            RecordType::Mx => ("MX sets are kept as they are", &["10 a.example.net", "20 b.example.net"]),
            RecordType::Ptr => ("PTR sets are kept as they are", &["a.example.net", "b.example.net"]),
            RecordType::Ns => ("NS sets are kept as they are", &["ns1.example.net", "ns2.example.net"]),
            RecordType::Caa => (
                "CAA sets are kept as they are",
                &["0 issue \"ca.example.net; account=1\"", "128 iodef \"mailto:security@example.net\""],
            ),
            // The zone's own.
            RecordType::Soa => continue,
        };
        checks.push(Check { name, failure: kept(b, *record_type, data).await.err() });
    }
    checks
}

async fn kept(b: &Bench, record_type: RecordType, data: &[&str]) -> Outcome {
    let label = format!("type-{}", record_type.as_str().to_ascii_lowercase());
    let wanted = set(b, &label, record_type, data.iter().map(|text| RecordData::parse(record_type, text)))?;
    let put = create(b, &wanted).await?;
    same("what was put", &content(&put), &wanted)?;
    let got = b.get(&wanted.key).await?.ok_or("the set is gone")?;
    same("what was read", &content(&got), &wanted)?;
    let listed = b.snapshot().await?;
    same("what was listed", &listed.get(&wanted.key).map(content), &Some(wanted))
}

async fn paging(b: &Bench) -> Outcome {
    let mut keys = Vec::new();
    for n in 0..10 {
        keys.push(create(b, &a(b, &format!("page-{n}"), 1)?).await?.key);
    }
    let mut listed: BTreeMap<_, usize> = BTreeMap::new();
    let mut page = None;
    loop {
        let list = b.provider.list_record_sets(&b.zone.id, page).await.map_err(|error| full(&error))?;
        for set in list.items {
            *listed.entry(set.key).or_default() += 1;
        }
        page = list.next;
        if page.is_none() {
            break;
        }
    }
    for key in keys {
        same(&format!("how often {key} is listed"), &listed.get(&key).copied().unwrap_or_default(), &1)?;
    }
    match listed.iter().find(|(_, times)| **times > 1) {
        Some((key, times)) => Err(format!("{key} is listed {times} times")),
        None => Ok(()),
    }
}

async fn plan_and_apply(b: &Bench) -> Outcome {
    let (owner, resource) = (Owner("kfed-conformance-plan".into()), Resource::service("default", "plan"));
    let want = |n: u8| -> Result<Desired, String> {
        let data = [(RecordData::A([192, 0, 2, n].into()), ["west".to_owned()].into())].into();
        let key = b.key(RecordType::A, "plan")?;
        let set = DesiredRecordSet { key, ttl: 30, data, resource: resource.clone() };
        Ok(Desired { sets: vec![set], ..Desired::default() })
    };
    let mut snapshot = b.snapshot().await?;
    for desired in [want(1)?, want(2)?, Desired::default()] {
        let changes = plan(&snapshot, &desired, &owner, &Policy::default());
        same("the number of changes", &changes.changes.len(), &1)?;
        let applied = apply(&b.provider, &b.zone.id, &changes, &mut snapshot).await;
        if let Some((_, error)) = applied.failed.first() {
            return Err(full(error));
        }
        let again = plan(&snapshot, &desired, &owner, &Policy::default());
        same("what is left to do", &again.changes, &Vec::new())?;
    }
    let read = b.snapshot().await?;
    same("what is known of the zone", &snapshot, &read)
}

// === helpers ===

/// An A set with one address.
pub(super) fn a(b: &Bench, label: &str, n: u8) -> Result<RecordSet, String> {
    set(b, label, RecordType::A, [Ok::<_, String>(RecordData::A([192, 0, 2, n].into()))])
}

fn set<E: ToString>(
    b: &Bench,
    label: &str,
    record_type: RecordType,
    data: impl IntoIterator<Item = Result<RecordData, E>>,
) -> Result<RecordSet, String> {
    let data = data.into_iter().collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    let key = b.key(record_type, label)?;
    Ok(RecordSet {
        key,
        ttl: 30,
        data,
        metadata: Metadata::default(),
        etag: None,
        alias: false,
        unknown_properties: false,
    })
}

pub(super) async fn create(b: &Bench, set: &RecordSet) -> Result<RecordSet, String> {
    let put = b.provider.put(&b.zone.id, set.clone(), Precondition::Absent).await;
    put.map_err(|error| full(&error))
}

pub(super) async fn update(b: &Bench, read: &RecordSet, set: &RecordSet) -> Result<RecordSet, String> {
    let unchanged: Etag = etag(read)?;
    let put = b.provider.put(&b.zone.id, set.clone(), Precondition::Unchanged(unchanged)).await;
    put.map_err(|error| full(&error))
}

/// The set without its version.
fn content(set: &RecordSet) -> RecordSet {
    RecordSet { etag: None, ..set.clone() }
}

fn same<T: PartialEq + Debug>(what: &str, seen: &T, expected: &T) -> Outcome {
    if seen == expected { Ok(()) } else { Err(format!("{what} is {seen:?}, not {expected:?}")) }
}

fn fails<T: Debug>(what: &str, result: Result<T, DnsError>, classes: &[ErrorClass]) -> Outcome {
    match result {
        Err(error) if classes.contains(&error.class) => Ok(()),
        Err(error) => Err(format!("{what} failed with {:?}, not {classes:?}: {}", error.class, full(&error))),
        Ok(answer) => Err(format!("{what} was done: {answer:?}")),
    }
}
