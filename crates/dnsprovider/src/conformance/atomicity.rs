//! How far writes are one step, and whose versions they make old.

use futures::future::{join, join_all};

use super::Atomicity;
use super::bench::{Bench, Outcome, content, etag, fails, same};
use super::report::Report;
use crate::error::{DnsError, ErrorClass};
use crate::operation::Precondition;
use crate::record::{RecordData, RecordSet, RecordSetKey, RecordType};

pub(super) async fn run(bench: &Bench, atomicity: Atomicity, report: &mut Report) {
    macro_rules! check {
        ($class:expr, $($name:literal => $check:ident;)*) => {
            $(match $class {
                true => report.note($name, $check(bench).await),
                false => report.skip($name, unlike(atomicity)),
            })*
        };
    }
    check! { atomicity != Atomicity::None,
        "a set is seen as it was or as it is, and nothing between" => whole;
        "a name keeps its answers while they are replaced" => no_hole;
        "a write that is refused changes nothing" => refused;
        "of several who write what they read at one time one wins" => race;
        "of several who create at one time one wins" => create_race;
    }
    check! { atomicity == Atomicity::RecordSet,
        "a write to one set leaves the versions of others" => own_versions;
    }
    check! { atomicity == Atomicity::Zone,
        "a write to the zone makes all old that was read of it" => one_version;
    }
    check! { atomicity == Atomicity::None,
        "a write is true when it is over" => over;
    }
}

fn unlike(atomicity: Atomicity) -> &'static str {
    match atomicity {
        Atomicity::RecordSet => "its record sets are atomic, each by itself",
        Atomicity::Zone => "its zones are atomic, with one version each",
        Atomicity::None => "its writes are not atomic",
    }
}

/// An A set with ten addresses of its own for each `n`.
fn ten(b: &Bench, label: &str, n: u8) -> Result<RecordSet, String> {
    let addresses = (1..=10).map(|host| Ok::<_, String>(RecordData::A([198, 51, n, host].into())));
    b.set(label, RecordType::A, addresses)
}

async fn whole(b: &Bench) -> Outcome {
    let mut read = b.create(&ten(b, "whole", 1)?).await?;
    for n in 2..=5 {
        let (before, after) = (content(&read), ten(b, "whole", n)?);
        let looks = join_all((0..4).map(|_| async {
            // Not all in the same moment: a provider may answer each in turn.
            tokio::task::yield_now().await;
            b.get(&after.key).await
        }));
        let (written, looks) = join(b.update(&read, &after), looks).await;
        for look in looks {
            let look = content(&look?.ok_or("it was gone for a moment")?);
            if look != before && look != after {
                return Err(format!("between {before:?} and {after:?} it was {look:?}"));
            }
        }
        read = written?;
    }
    Ok(())
}

async fn no_hole(b: &Bench) -> Outcome {
    let mut read = b.create(&b.a("hole", 1)?).await?;
    for n in 2..=5 {
        let set = b.a("hole", n)?;
        let looks = join_all((0..4).map(|_| b.get(&read.key)));
        let (written, looks) = join(b.update(&read, &set), looks).await;
        for look in looks {
            let look = look?.ok_or("it was gone for a moment")?;
            same("how many answers there are meanwhile", &look.data.len(), &1)?;
        }
        read = written?;
    }
    Ok(())
}

async fn refused(b: &Bench) -> Outcome {
    let read = b.create(&ten(b, "refused", 1)?).await?;
    let mut wrong = ten(b, "refused", 2)?;
    wrong.data.insert(RecordData::Txt(vec!["no address".to_owned()]));
    let put = b.provider.put(&b.zone.id, wrong, Precondition::Unchanged(etag(&read)?)).await;
    fails("writing a text among addresses", put, &[ErrorClass::Invalid])?;
    same("the set", &b.read(&read.key).await?, &read)
}

async fn race(b: &Bench) -> Outcome {
    let read = b.create(&b.a("race", 1)?).await?;
    let unchanged = etag(&read)?;
    let sets = (2..=9).map(|n| b.a("race", n)).collect::<Result<Vec<_>, _>>()?;
    let write = |set: RecordSet| b.provider.put(&b.zone.id, set, Precondition::Unchanged(unchanged.clone()));
    one_wins(b, &read.key, sets, write).await
}

async fn create_race(b: &Bench) -> Outcome {
    let sets = (2..=9).map(|n| b.a("create-race", n)).collect::<Result<Vec<_>, _>>()?;
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

async fn own_versions(b: &Bench) -> Outcome {
    let one = b.create(&b.a("version-1", 1)?).await?;
    let other = b.create(&b.a("version-2", 1)?).await?;
    let other = b.update(&other, &b.a("version-2", 2)?).await?;
    let one = b.update(&one, &b.a("version-1", 2)?).await?;
    b.delete(&one).await?;
    b.delete(&other).await
}

async fn one_version(b: &Bench) -> Outcome {
    let one = b.create(&b.a("version-1", 1)?).await?;
    let other = b.create(&b.a("version-2", 1)?).await?;
    let late = b.provider.put(&b.zone.id, b.a("version-1", 2)?, Precondition::Unchanged(etag(&one)?)).await;
    fails("a write by what was read before another", late, &[ErrorClass::Conflict])?;
    b.delete(&other).await?;
    let one = b.read(&one.key).await?;
    b.update(&one, &b.a("version-1", 3)?).await?;
    same("the set", &content(&b.read(&one.key).await?), &b.a("version-1", 3)?)
}

async fn over(b: &Bench) -> Outcome {
    let read = b.create(&ten(b, "over", 1)?).await?;
    same("the set", &content(&b.read(&read.key).await?), &ten(b, "over", 1)?)?;
    let read = b.update(&read, &ten(b, "over", 2)?).await?;
    same("the set", &content(&b.read(&read.key).await?), &ten(b, "over", 2)?)?;
    b.delete(&read).await?;
    same("the set", &b.get(&read.key).await?, &None)
}
