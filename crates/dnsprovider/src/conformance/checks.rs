//! What every provider must do whatever it says of itself: each check a sentence and what must be so for it to be true.

use std::collections::{BTreeMap, BTreeSet};

use super::bench::{Bench, Outcome, content, etag, fails, full, same};
use super::report::Report;
use crate::apply::apply;
use crate::error::ErrorClass;
use crate::operation::{DeleteRecordSet, Operation, Precondition, PutRecordSet};
use crate::ownership::{Owner, Resource};
use crate::plan::{ConflictReason, Desired, DesiredRecordSet, Policy, plan};
use crate::record::{Etag, RecordData, RecordSet, RecordType};

pub(super) async fn run(bench: &Bench, report: &mut Report) {
    let keeps_metadata = bench.provider.keeps_metadata();
    macro_rules! check {
        ($asked:expr, $($name:literal => $check:ident;)*) => {
            $(match $asked {
                true => report.note($name, $check(bench).await),
                false => report.skip($name, "it keeps no metadata, and has no TXT registry"),
            })*
        };
    }
    check! { true,
        "a zone is found by its name" => zone_by_name;
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
    }
    check! { keeps_metadata,
        "ownership is kept, in lists too" => ownership;
    }
    check! { true,
        "names have no case" => case;
        "a name outside the zone is refused" => outside;
        "data of another type are refused" => misfit;
        "an error names the operation and the record set" => error_names;
    }
    check! { keeps_metadata,
        "a set of another owner is left alone" => foreign;
    }
    check! { true,
        "a list has every set once" => paging;
        "a list below a name has what is below it and nothing else" => below;
    }
    check! { keeps_metadata,
        "a plan, applied, leaves nothing to plan" => plan_and_apply;
    }
}

async fn zone_by_name(b: &Bench) -> Outcome {
    let found = b.provider.find_zone(&b.zone.name).await.map_err(|error| full(&error))?;
    same("the zone", &found, &b.zone)
}

async fn put_and_get(b: &Bench) -> Outcome {
    let put = b.create(&b.a("put", 1)?).await?;
    same("what was put", &content(&put), &b.a("put", 1)?)?;
    let got = b.get(&put.key).await?;
    same("what was read", &got, &Some(put.clone()))?;
    etag(&put).map(drop)
}

async fn absent(b: &Bench) -> Outcome {
    same("what was read", &b.get(&b.key(RecordType::A, "absent")?).await?, &None)
}

async fn create_twice(b: &Bench) -> Outcome {
    let first = b.create(&b.a("twice", 1)?).await?;
    let second = b.provider.put(&b.zone.id, b.a("twice", 2)?, Precondition::Absent).await;
    fails("creating it again", second, &[ErrorClass::Conflict])?;
    same("the set", &b.get(&first.key).await?, &Some(first.clone()))
}

async fn replace(b: &Bench) -> Outcome {
    let first = b.create(&RecordSet { ttl: 40, ..b.a("replace", 1)? }).await?;
    let second = b.update(&first, &RecordSet { ttl: 80, ..b.a("replace", 2)? }).await?;
    if second.etag == first.etag {
        return Err("the version did not change".into());
    }
    let got = b.get(&first.key).await?.ok_or("the set is gone")?;
    same("the set", &content(&got), &RecordSet { ttl: 80, ..b.a("replace", 2)? })
}

async fn replace_all(b: &Bench) -> Outcome {
    let alpha = b.create(&b.a("alpha", 1)?).await?;
    let beta = b.create(&b.a("beta", 1)?).await?;
    b.delete(&b.read(&alpha.key).await?).await?;
    same("the one that went", &b.get(&alpha.key).await?, &None)?;
    same("the one that came", &content(&b.read(&beta.key).await?), &content(&beta))
}

async fn replace_stale(b: &Bench) -> Outcome {
    // Two read the same, both write: the second has to read again.
    let read = b.create(&b.a("stale", 1)?).await?;
    let first = b.update(&read, &b.a("stale", 2)?).await?;
    let late = b.provider.put(&b.zone.id, b.a("stale", 3)?, Precondition::Unchanged(etag(&read)?)).await;
    fails("the late write", late, &[ErrorClass::Conflict])?;
    same("the set", &b.get(&read.key).await?, &Some(first))
}

async fn replace_absent(b: &Bench) -> Outcome {
    let gone = b.create(&b.a("gone", 1)?).await?;
    b.delete(&gone).await?;
    let late = b.provider.put(&b.zone.id, b.a("gone", 2)?, Precondition::Unchanged(etag(&gone)?)).await;
    fails("the late write", late, &[ErrorClass::Conflict])?;
    same("the set", &b.get(&gone.key).await?, &None)
}

async fn delete_stale(b: &Bench) -> Outcome {
    let read = b.create(&b.a("delete", 1)?).await?;
    let first = b.update(&read, &b.a("delete", 2)?).await?;
    let late = b.provider.delete(&b.zone.id, &read.key, etag(&read)?).await;
    fails("the late deletion", late, &[ErrorClass::Conflict])?;
    same("the set", &b.get(&read.key).await?, &Some(first))
}

async fn delete_absent(b: &Bench) -> Outcome {
    let gone = b.create(&b.a("delete-twice", 1)?).await?;
    b.delete(&gone).await?;
    b.delete(&gone).await
}

async fn types_beside(b: &Bench) -> Outcome {
    let v4 = b.create(&b.a("types", 1)?).await?;
    let v6 = b.create(&b.set("types", RecordType::Aaaa, ["2001:db8::8888".parse().map(RecordData::Aaaa)])?).await?;
    same("the A set", &content(&b.read(&v4.key).await?), &content(&v4))?;
    same("the AAAA set", &content(&b.read(&v6.key).await?), &content(&v6))
}

async fn cname(b: &Bench) -> Outcome {
    let wanted = b.set("cname", RecordType::Cname, [b.name("put").map(RecordData::Cname)])?;
    let put = b.create(&wanted).await?;
    same("what was put", &content(&put), &wanted)?;
    b.delete(&put).await?;
    same("the set", &b.get(&put.key).await?, &None)
}

async fn cname_alone(b: &Bench) -> Outcome {
    let refused = [ErrorClass::Conflict, ErrorClass::Invalid];
    b.create(&b.a("alone-a", 1)?).await?;
    let beside = b.set("alone-a", RecordType::Cname, [b.name("put").map(RecordData::Cname)])?;
    fails("a CNAME beside addresses", b.provider.put(&b.zone.id, beside, Precondition::Absent).await, &refused)?;
    b.create(&b.set("alone-c", RecordType::Cname, [b.name("put").map(RecordData::Cname)])?).await?;
    let beside = b.provider.put(&b.zone.id, b.a("alone-c", 1)?, Precondition::Absent).await;
    fails("addresses beside a CNAME", beside, &refused)
}

async fn twenty(b: &Bench) -> Outcome {
    let addresses = (1..=20).map(|n| Ok::<_, String>(RecordData::A([192, 0, 2, n].into())));
    let wanted = b.set("twenty", RecordType::A, addresses)?;
    b.create(&wanted).await?;
    let got = b.get(&wanted.key).await?.ok_or("the set is gone")?;
    same("the set", &content(&got), &wanted)
}

async fn texts(b: &Bench) -> Outcome {
    let texts = vec!["heritage=kfed,\"quoted\"; a\\b".to_owned(), "x".repeat(255)];
    let wanted = b.set("texts", RecordType::Txt, [Ok::<_, String>(RecordData::Txt(texts))])?;
    b.create(&wanted).await?;
    let got = b.get(&wanted.key).await?.ok_or("the set is gone")?;
    same("the set", &content(&got), &wanted)
}

async fn ownership(b: &Bench) -> Outcome {
    let (owner, other) = (Owner("kfed-conformance".into()), Owner("another".into()));
    let resource = Resource::service("default", "web");
    let first = b.create(&RecordSet { metadata: owner.mark(&resource), ..b.a("owned", 1)? }).await?;
    let listed = b.snapshot().await?;
    let listed = listed.get(&first.key).ok_or("the set is not listed")?;
    same("the metadata in the list", &listed.metadata, &owner.mark(&resource))?;
    b.update(&first, &RecordSet { metadata: other.mark(&resource), ..b.a("owned", 1)? }).await?;
    let got = b.get(&first.key).await?.ok_or("the set is gone")?;
    same("the metadata after a change", &got.metadata, &other.mark(&resource))
}

async fn case(b: &Bench) -> Outcome {
    let mixed = b.create(&b.a("MiXeD", 1)?).await?;
    same("the set", &b.get(&b.key(RecordType::A, "mixed")?).await?, &Some(mixed.clone()))?;
    let again = b.provider.put(&b.zone.id, b.a("MIXED", 2)?, Precondition::Absent).await;
    fails("creating it in other case", again, &[ErrorClass::Conflict])
}

async fn outside(b: &Bench) -> Outcome {
    let mut set = b.a("outside", 1)?;
    set.key.name = "outside.kfed-conformance.invalid".parse().map_err(|error| format!("{error}"))?;
    fails("writing it", b.provider.put(&b.zone.id, set, Precondition::Absent).await, &[ErrorClass::Invalid])
}

async fn misfit(b: &Bench) -> Outcome {
    let text = b.set("misfit", RecordType::A, [Ok::<_, String>(RecordData::Txt(vec!["192.0.2.1".to_owned()]))])?;
    fails(
        "writing a text as an address",
        b.provider.put(&b.zone.id, text, Precondition::Absent).await,
        &[ErrorClass::Invalid],
    )
}

async fn error_names(b: &Bench) -> Outcome {
    let read = b.create(&b.a("error", 1)?).await?;
    let put = b.provider.put(&b.zone.id, b.a("error", 2)?, Precondition::Absent).await;
    let error = put.err().ok_or("creating it again was done")?;
    same("the set of the error", &error.record_set, &Some(read.key.clone()))?;
    same("its operation", &error.operation, &PutRecordSet::NAME)?;
    same("whether it may be sent again as it is", &error.is_retryable(), &false)?;
    let stale = Etag("kfed-conformance".to_owned());
    let error = b.provider.delete(&b.zone.id, &read.key, stale).await.err().ok_or("it was deleted")?;
    same("the set of the error", &error.record_set, &Some(read.key))?;
    same("its operation", &error.operation, &DeleteRecordSet::NAME)
}

async fn paging(b: &Bench) -> Outcome {
    let mut keys = Vec::new();
    for n in 0..10 {
        keys.push(b.create(&b.a(&format!("page-{n}"), 1)?).await?.key);
    }
    let mut listed: BTreeMap<_, usize> = BTreeMap::new();
    let mut page = None;
    loop {
        let list = b.provider.list_record_sets(&b.zone.id, None, page).await.map_err(|error| full(&error))?;
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

async fn below(b: &Bench) -> Outcome {
    for label in ["below", "a.below", "b.a.below", "xbelow", "below.x"] {
        b.create(&b.a(label, 1)?).await?;
    }
    for (below, wanted) in
        [("below", &["a.below", "b.a.below"] as &[_]), ("a.below", &["b.a.below"]), ("b.a.below", &[])]
    {
        let listed = b.provider.snapshot_below(&b.zone.id, &b.name(below)?).await.map_err(|error| full(&error))?;
        let wanted = wanted.iter().map(|label| b.key(RecordType::A, label)).collect::<Result<BTreeSet<_>, _>>()?;
        let listed: BTreeSet<_> = listed.iter().map(|set| set.key.clone()).collect();
        same(&format!("what is below {below}"), &listed, &wanted)?;
    }
    let all = b.provider.snapshot_below(&b.zone.id, &b.zone.name).await.map_err(|error| full(&error))?;
    let own = all.iter().find(|set| set.key.name == b.zone.name).map(|set| set.key.clone());
    same("what is at the zone's own name, below which is asked for,", &own, &None)?;
    same("a set below the zone's own name", &all.get(&b.key(RecordType::A, "below.x")?).is_some(), &true)
}

async fn foreign(b: &Bench) -> Outcome {
    let resource = Resource::service("default", "foreign");
    let other = RecordSet { metadata: Owner("another".into()).mark(&resource), ..b.a("foreign", 1)? };
    let theirs = b.create(&other).await?;
    let data = [(RecordData::A([192, 0, 2, 2].into()), ["west".to_owned()].into())].into();
    let ours = DesiredRecordSet { key: theirs.key.clone(), ttl: 30, data, resource };
    let owner = Owner("kfed-conformance-foreign".into());
    let mut snapshot = b.snapshot().await?;
    for sets in [vec![ours], Vec::new()] {
        let wanted = sets.len();
        let changes = plan(&snapshot, &Desired { sets, ..Desired::default() }, &owner, &Policy::default());
        let about = changes.changes.iter().filter(|change| *change.key() == theirs.key).count();
        same("the number of changes to it", &about, &0)?;
        let owner = ConflictReason::ForeignOwner { owner: Some("another".to_owned()) };
        let told = changes.conflicts.iter().filter(|conflict| conflict.why == owner).count();
        same("the number of conflicts", &told, &wanted)?;
        apply(&b.provider, &b.zone.id, &changes, &mut snapshot).await;
    }
    same("the set", &content(&b.read(&theirs.key).await?), &other)
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
    // Versions aside: where a zone has one, the last write has changed that of every set.
    let read = b.snapshot().await?;
    let key = snapshot.iter().chain(read.iter()).map(|set| &set.key).find(|key| {
        let (known, read) = (snapshot.get(key).map(content), read.get(key).map(content));
        known != read
    });
    same("a set of which something else is known than is there", &key, &None)
}
