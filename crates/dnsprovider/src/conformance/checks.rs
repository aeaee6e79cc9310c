//! The checks, each a sentence and what must be so for it to be true.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::{Bench, Check, etag, full};
use crate::apply::apply;
use crate::error::{DnsError, ErrorClass};
use crate::operation::Precondition;
use crate::ownership::{Owner, Resource};
use crate::plan::{Desired, DesiredRecordSet, Policy, plan};
use crate::record::{Etag, RecordData, RecordSet, RecordType};
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
        let data = BTreeMap::from([(RecordData::A([192, 0, 2, n].into()), ["west".to_owned()].into())]);
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
fn a(b: &Bench, label: &str, n: u8) -> Result<RecordSet, String> {
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
    Ok(RecordSet { key, ttl: 30, data, metadata: BTreeMap::new(), etag: None, alias: false })
}

async fn create(b: &Bench, set: &RecordSet) -> Result<RecordSet, String> {
    let put = b.provider.put(&b.zone.id, set.clone(), Precondition::Absent).await;
    put.map_err(|error| full(&error))
}

async fn update(b: &Bench, read: &RecordSet, set: &RecordSet) -> Result<RecordSet, String> {
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
