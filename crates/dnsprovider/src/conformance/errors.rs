//! How refusals are told: by their class, which decides what is done next, and with what they were about.

use super::bench::{Bench, Outcome, etag, failed, fails, full, same};
use super::report::Report;
use super::{Provoked, Suite};
use crate::error::{DnsError, ErrorClass};
use crate::operation::{DeleteRecordSet, Operation, Precondition, PutRecordSet};
use crate::provider::DnsProvider;
use crate::record::Etag;
use crate::zone::ZoneId;

pub(super) async fn run(bench: &Bench, suite: &Suite, report: &mut Report) {
    report.note("a zone of another name is not found", no_such_name(bench).await);
    let missing = "a zone that is not there is not found by any operation";
    let derived = || ZoneId(bench.zone.id.0.replace(bench.zone.name.without_dot(), "kfed-conformance.invalid"));
    let nowhere = suite.missing_zone.clone().unwrap_or_else(derived);
    if nowhere == bench.zone.id {
        report.skip(missing, "its identifiers do not hold names, so none can be made up");
    } else {
        report.note(missing, no_such_zone(bench, &nowhere).await);
    }
    for (how, name) in [
        (Provoked::Forbidden, "what is forbidden is told so"),
        (Provoked::Unauthenticated, "wrong credentials are told so"),
        (Provoked::Throttled, "what is throttled is told so, and with how long to wait"),
        (Provoked::Unavailable, "that nobody answers is told so"),
    ] {
        match suite.provoked.get(&how) {
            Some(provider) => report.note(name, refusal(bench, how, provider).await),
            None => {
                let why = suite.never.get(&how).map_or("nobody has said how it is brought to that", String::as_str);
                report.skip(name, why);
            }
        }
    }
}

async fn no_such_name(b: &Bench) -> Outcome {
    let name = "kfed-conformance.invalid".parse().map_err(|error| format!("{error}"))?;
    let error = failed("finding it", b.provider.find_zone(&name).await, &[ErrorClass::NotFound])?;
    let (said, own) = (full(&error), b.zone.name.without_dot());
    if said.contains(own) { Ok(()) } else { Err(format!("which zones there are is not said: {said}")) }
}

async fn no_such_zone(b: &Bench, nowhere: &ZoneId) -> Outcome {
    let not_found = &[ErrorClass::NotFound];
    let mut set = b.a("nowhere", 1)?;
    // In the zone that is not there, should its name tell.
    if nowhere.0.contains("kfed-conformance.invalid") {
        set.key.name = "nowhere.kfed-conformance.invalid".parse().map_err(|error| format!("{error}"))?;
    }
    let version = Etag("kfed-conformance".to_owned());
    fails("listing it", b.provider.snapshot(nowhere).await, not_found)?;
    fails("reading a set of it", b.provider.get(nowhere, &set.key).await, not_found)?;
    fails("deleting a set of it", b.provider.delete(nowhere, &set.key, version).await, not_found)?;
    fails("writing a set of it", b.provider.put(nowhere, set, Precondition::Absent).await, not_found)
}

/// Asks a provider that must refuse for all there is, and looks whether anything has happened.
async fn refusal(b: &Bench, how: Provoked, provider: &DnsProvider) -> Outcome {
    let (reads, writes): (&[_], &[_]) = match how {
        Provoked::Forbidden => (&[ErrorClass::Forbidden], &[ErrorClass::Forbidden]),
        Provoked::Unauthenticated => (&[ErrorClass::Unauthenticated], &[ErrorClass::Unauthenticated]),
        Provoked::Throttled => (&[ErrorClass::Throttled], &[ErrorClass::Throttled]),
        // Of a write that was not answered nobody knows.
        Provoked::Unavailable => (&[ErrorClass::Unavailable], &[ErrorClass::Unavailable, ErrorClass::Unknown]),
    };
    let label = format!("refusal-{how:?}");
    let held = b.create(&b.a(&label, 1)?).await?;
    let absent = b.a(&format!("{label}-absent"), 1)?;
    let zone = &b.zone.id;

    let read = [provider.snapshot(zone).await.map(drop), provider.get(zone, &held.key).await.map(drop)];
    for (what, read) in ["listing", "reading"].into_iter().zip(read) {
        // Who may not write may well read.
        if !(how == Provoked::Forbidden && read.is_ok()) {
            asks(how, &failed(what, read, reads)?)?;
        }
    }
    let put = provider.put(zone, absent.clone(), Precondition::Absent).await;
    let error = failed("creating", put, writes)?;
    same(
        "what the error is about",
        &(error.operation, error.record_set.as_ref()),
        &(PutRecordSet::NAME, Some(&absent.key)),
    )?;
    asks(how, &error)?;
    let put = provider.put(zone, b.a(&label, 2)?, Precondition::Unchanged(etag(&held)?)).await;
    asks(how, &failed("replacing", put, writes)?)?;
    let error = failed("deleting", provider.delete(zone, &held.key, etag(&held)?).await, writes)?;
    same(
        "what the error is about",
        &(error.operation, error.record_set.as_ref()),
        &(DeleteRecordSet::NAME, Some(&held.key)),
    )?;
    asks(how, &error)?;

    same("the set, which nobody was to change,", &b.get(&held.key).await?, &Some(held.clone()))?;
    same("the set that was not to be created", &b.get(&absent.key).await?, &None)
}

/// Whether the error asks for what follows it: to wait, to try again, or to be looked at.
fn asks(how: Provoked, error: &DnsError) -> Outcome {
    let retryable = error.class == ErrorClass::Unavailable || error.class == ErrorClass::Throttled;
    same("whether it may be sent again", &error.is_retryable(), &retryable)?;
    if how == Provoked::Throttled && error.retry_after().is_none() {
        return Err(format!("how long to wait is not said: {}", full(error)));
    }
    Ok(())
}
