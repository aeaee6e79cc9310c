use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kfed_dnsprovider::{DnsProvider, ErrorClass, MemoryProvider, Precondition, RecordSet, RecordSetKey, RecordType};
use kube::Client;
use tokio::time::Instant;

use super::machine::{Action, Record, Seen, step};
use super::tenure::Term;
use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn me() -> LeaderElection {
    LeaderElection::new("me")
}

fn wall() -> Timestamp {
    "2026-01-01T00:00:00.123456Z".parse().unwrap()
}

fn record(holder: &str, transitions: i32) -> Record {
    // What the other's clock shows is an hour wrong, and it must not matter.
    let theirs = "2026-01-01T01:00:00Z".parse().ok();
    Record { holder: holder.into(), duration: 15 * SECOND, acquired: theirs, renewed: theirs, transitions }
}

fn mine(transitions: i32) -> Action {
    let now = Some(wall());
    Action::Write(Record { holder: "me".into(), duration: 15 * SECOND, acquired: now, renewed: now, transitions })
}

#[tokio::test(start_paused = true)]
async fn what_is_done_about_a_lease_by_what_was_seen_of_it_and_for_how_long() {
    let start = Instant::now();
    let at = |record: Record, seconds: u64| {
        let seen = Seen { lease: Lease::default(), record, since: start };
        step(Some(&seen), &me(), start + Duration::from_secs(seconds), wall())
    };
    let short = Record { duration: 4 * SECOND, ..record("other", 0) };
    let renewed = Action::Write(Record { renewed: Some(wall()), ..record("me", 3) });
    for (what, action, expected) in [
        ("there is none", step(None, &me(), start, wall()), mine(0)),
        ("it was given back", at(record("", 7), 0), mine(8)),
        ("another has it", at(record("other", 7), 0), Action::Wait(2 * SECOND)),
        ("another has it, nearly over", at(record("other", 7), 14), Action::Wait(SECOND)),
        ("another had it", at(record("other", 7), 15), mine(8)),
        ("another has it for a shorter time than we would", at(short.clone(), 3), Action::Wait(SECOND)),
        ("that is over", at(short, 4), mine(1)),
        ("it is ours", at(record("me", 3), 2), renewed.clone()),
        ("it is ours, and nobody has taken it since it was over", at(record("me", 3), 60), renewed),
    ] {
        assert_eq!(action, expected, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_as_old_as_its_record_is_unchanged_whatever_else_is_written_into_it() {
    let start = Instant::now();
    let see = |before: Option<&Seen>, lease: Lease, seconds: u64| {
        Seen::next(before, lease, &me(), start + Duration::from_secs(seconds))
    };
    let lease = record("other", 0).into_lease(None);
    let first = see(None, lease.clone(), 0);
    let mut labelled = lease;
    labelled.metadata.labels = Some([("a".to_owned(), "b".to_owned())].into());
    labelled.metadata.resource_version = Some("7".into());
    let second = see(Some(&first), labelled, 5);
    assert_eq!(second.since, start);
    let renewed = Record { renewed: Some(wall()), ..record("other", 0) }.into_lease(Some(&second.lease));
    assert_eq!(renewed.metadata, second.lease.metadata, "what others have written stays");
    assert_eq!(see(Some(&second), renewed, 9).since, start + 9 * SECOND);
}

#[test]
fn a_record_is_read_as_it_is_written_and_lasts_whole_seconds() {
    let odd = Record { duration: Duration::from_millis(2500), renewed: Some(wall()), ..record("other", 5) };
    let lease = odd.clone().into_lease(None);
    assert_eq!(Record::of(&lease, SECOND), Record { duration: 3 * SECOND, ..odd });
    assert_eq!(Record::of(&Lease::default(), SECOND), Record { duration: SECOND, ..Record::default() });
    let released = record("me", 5).released(wall());
    assert_eq!((released.holder.as_str(), released.duration, released.transitions), ("", SECOND, 5));
}

#[test]
fn timings_that_do_not_fit_together_are_refused() {
    let fits = |lease: u64, renew: u64, retry: u64| {
        let [lease, renew, retry] = [lease, renew, retry].map(Duration::from_secs);
        me().timings(lease, renew, retry).is_ok()
    };
    assert!(fits(15, 10, 2) && fits(60, 40, 5));
    assert!(!fits(10, 10, 2) && !fits(15, 2, 2) && !fits(15, 10, 0));
    assert_eq!(me().longest_call(), 11 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_write_begins_only_if_the_lease_outlasts_it() {
    let term = Term::new(Instant::now() + 15 * SECOND);
    let tenure = term.tenure();
    assert_eq!(tenure.check(15 * SECOND), Ok(()));
    tokio::time::advance(5 * SECOND).await;
    assert_eq!(tenure.check(10 * SECOND), Ok(()));
    tokio::time::advance(Duration::from_millis(1)).await;
    tenure.check(10 * SECOND).unwrap_err();
    term.extend(Instant::now() + 15 * SECOND);
    assert_eq!(tenure.check(10 * SECOND), Ok(()));
    term.end();
    tenure.check(Duration::ZERO).unwrap_err();
    assert_eq!(Tenure::for_ever().check(Duration::MAX / 4), Ok(()));
    drop(term);
    tenure.check(Duration::ZERO).unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn what_waits_to_write_to_a_zone_is_given_up_when_it_could_not_begin_any_more() {
    let start = Instant::now();
    let term = Term::new(start + 15 * SECOND);
    let held = tokio::spawn({
        let tenure = term.tenure();
        async move { tenure.hold(10 * SECOND, std::future::pending::<()>()).await }
    });
    tokio::time::sleep(4 * SECOND).await;
    term.extend(Instant::now() + 15 * SECOND);
    held.await.unwrap().unwrap_err();
    assert_eq!(start.elapsed().as_secs(), 9, "it was extended by four seconds");

    let held = tokio::spawn({
        let tenure = term.tenure();
        async move { tenure.hold(SECOND, std::future::pending::<()>()).await }
    });
    tokio::task::yield_now().await;
    term.end();
    held.await.unwrap().unwrap_err();
    assert_eq!(start.elapsed().as_secs(), 9, "at once");
}

#[tokio::test(start_paused = true)]
async fn a_zone_is_read_without_a_lease_and_not_written() {
    let term = Term::new(Instant::now() + 15 * SECOND);
    let dns = DnsProvider::new(MemoryProvider::with_zone("example.com".parse().unwrap()));
    let guarded = dns.clone().layer(&GuardLayer::new(term.tenure(), 10 * SECOND));
    let zone = guarded.find_zone(&"example.com".parse().unwrap()).await.unwrap();
    let set = |name: &str| RecordSet {
        key: RecordSetKey::new(name.parse().unwrap(), RecordType::A),
        ttl: 30,
        data: [kfed_dnsprovider::RecordData::A("192.0.2.1".parse().unwrap())].into(),
        metadata: Default::default(),
        etag: None,
        alias: false,
        unknown_properties: false,
    };
    guarded.put(&zone.id, set("a.example.com"), Precondition::Absent).await.unwrap();
    term.end();
    let refused = guarded.put(&zone.id, set("b.example.com"), Precondition::Absent).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::Unknown);
    assert_eq!(guarded.snapshot(&zone.id).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_api_is_read_without_a_lease_and_not_written() {
    let api = kfed_apiserver::ApiServer::new();
    let term = Term::new(Instant::now() + 15 * SECOND);
    let client = guarded(Client::new(api, "default"), term.tenure(), 10 * SECOND);
    let leases = Api::<Lease>::namespaced(client, "default");
    leases.create(&PostParams::default(), &Record::default().into_lease(None)).await.unwrap();
    term.end();
    let lease = leases.get(LEASE).await.unwrap();
    let error = leases.replace(LEASE, &PostParams::default(), &lease).await.unwrap_err();
    assert!(matches!(EffectError::from(error), EffectError::NotLeading(_)));
}

/// A client of an API that answers `status` to every request that writes to leases.
fn refusing(status: u16) -> Client {
    let api = Client::new(kfed_apiserver::ApiServer::new(), "default");
    Client::new(
        tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let api = api.clone();
            async move {
                if request.method().is_safe() {
                    return api.send(request).await;
                }
                let body = serde_json::json!({
                    "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status, "reason": "No", "message": "no"
                });
                let body = kube::client::Body::from(body.to_string().into_bytes());
                Ok(http::Response::builder().status(status).body(body).unwrap())
            }
        }),
        "default",
    )
}

#[tokio::test(start_paused = true)]
async fn an_api_without_leases_is_told_from_one_that_has_them() {
    let api = Client::new(kfed_apiserver::ApiServer::new(), "default");
    let spec = kfed_api::FederationSpec { dns_zone_name: "example.com".into(), dns_provider: "memory".into() };
    crate::bootstrap::bootstrap(&api, "fed", spec, SECOND).await.unwrap();
    check(&api, SECOND).await.unwrap();
    assert!(leases(&api).get_opt(LEASE).await.unwrap().is_none(), "nothing is written");
    leases(&api).create(&PostParams::default(), &record("other", 0).into_lease(None)).await.unwrap();
    check(&api, SECOND).await.unwrap();
    assert_eq!(Record::of(&leases(&api).get(LEASE).await.unwrap(), SECOND), record("other", 0));
    for status in [403, 404, 405] {
        let error = check(&refusing(status), SECOND).await.unwrap_err().to_string();
        assert!(error.contains("kfed-controller-manager") && error.contains("written: no"), "{error}");
    }
}

/// Who leads when, as the work that is done for it tells.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

#[tokio::test(start_paused = true)]
async fn of_many_that_want_to_lead_one_does_and_all_have_their_turn() {
    let api = Client::new(kfed_apiserver::ApiServer::new(), "default");
    let spec = kfed_api::FederationSpec { dns_zone_name: "example.com".into(), dns_provider: "memory".into() };
    crate::bootstrap::bootstrap(&api, "fed", spec, SECOND).await.unwrap();
    let (log, leading) = (Log::default(), Arc::new(AtomicUsize::new(0)));
    let mut ends = Vec::new();
    for n in 0..4 {
        let end = tokio_util::sync::CancellationToken::new();
        let (log, leading, until) = (log.clone(), leading.clone(), end.clone());
        let work = move |_| {
            let (log, leading, until) = (log.clone(), leading.clone(), until.clone());
            async move {
                assert_eq!(leading.fetch_add(1, Ordering::SeqCst), 0, "two lead");
                log.0.lock().unwrap().push(format!("{n}"));
                until.cancelled().await;
                leading.fetch_sub(1, Ordering::SeqCst);
            }
        };
        let clock = Arc::new(wall);
        let me = LeaderElection::new(format!("me-{n}"));
        ends.push((end.clone(), tokio::spawn(lead(me, leases(&api), clock, end, work))));
    }
    let who = || log.0.lock().unwrap().last().cloned().map(|n| n.parse::<usize>().unwrap());
    for turn in 0..4 {
        tokio::time::sleep(3 * SECOND).await;
        let leader = who().unwrap();
        assert_eq!(log.0.lock().unwrap().len(), turn + 1, "the lease was given back and taken at the next look");
        let (end, task) = &mut ends[leader];
        end.cancel();
        task.await.unwrap();
    }
    let lease = Record::of(&leases(&api).get(LEASE).await.unwrap(), SECOND);
    assert_eq!((lease.holder.as_str(), lease.transitions), ("", 3));
}
