use super::*;
use crate::DesiredRecordSet;
use crate::memory::{Fault, MemoryProvider};
use crate::operation::OperationKind;
use crate::plan::{Policy, plan};
use crate::testing::{desired, key, ours, owner, want, zone_id};

/// A zone with sets, what is wanted of it, and what is known of it.
struct Scene {
    memory: MemoryProvider,
    provider: DnsProvider,
    snapshot: ZoneSnapshot,
    changes: ChangeSet,
}

impl Scene {
    async fn new(sets: Vec<crate::RecordSet>, wanted: Vec<DesiredRecordSet>) -> Self {
        let memory = MemoryProvider::with_zone("example.com".parse().unwrap());
        for set in sets {
            memory.insert(&zone_id(), set);
        }
        let provider = DnsProvider::new(memory.clone());
        let snapshot = provider.snapshot(&zone_id()).await.unwrap();
        let changes = plan(&snapshot, &desired(wanted), &owner(), &Policy::default());
        memory.forget_calls();
        Self { memory, provider, snapshot, changes }
    }

    fn fail(&self, on: RecordSetKey, class: ErrorClass) {
        self.memory.on_request(move |call| {
            let hit = call.kind != OperationKind::Get && call.record_set.as_ref() == Some(&on);
            hit.then(|| Fault::Fail(DnsError::new(class, call.operation, "a fault")))
        });
    }

    async fn apply(&mut self) -> Applied {
        apply(&self.provider, &zone_id(), &self.changes, &mut self.snapshot).await
    }
}

fn mixed() -> (Vec<crate::RecordSet>, Vec<DesiredRecordSet>) {
    let sets =
        vec![ours("A", "a", &["192.0.2.1"]), ours("CNAME", "b", &["a.example.com"]), ours("A", "c", &["192.0.2.1"])];
    let wanted = vec![want("A", "a", &["192.0.2.2"]), want("A", "b", &["192.0.2.2"]), want("A", "d", &["192.0.2.2"])];
    (sets, wanted)
}

#[tokio::test]
async fn a_change_set_is_one_request_a_change_and_what_is_known_stays_true() {
    let (sets, wanted) = mixed();
    let mut scene = Scene::new(sets, wanted).await;
    let applied = scene.apply().await;
    assert_eq!((applied.done, applied.failed.len(), applied.stale), (5, 0, false));
    assert_eq!(scene.memory.calls().len(), 5);
    assert_eq!(scene.snapshot, scene.memory.contents(&zone_id()));
}

#[tokio::test]
async fn after_a_conflict_the_set_is_read_again_and_the_rest_goes_on() {
    let (sets, wanted) = mixed();
    let mut scene = Scene::new(sets, wanted).await;
    scene.memory.insert(&zone_id(), ours("A", "a", &["192.0.2.77"]));
    let applied = scene.apply().await;
    assert_eq!((applied.done, applied.failed.len(), applied.stale), (4, 1, true));
    assert_eq!(applied.failed[0].1.class, ErrorClass::Conflict);
    assert_eq!(scene.snapshot, scene.memory.contents(&zone_id()), "what somebody else wrote is known now");
}

#[tokio::test]
async fn a_write_whose_answer_got_lost_is_looked_up() {
    let (sets, wanted) = mixed();
    let mut scene = Scene::new(sets, wanted).await;
    scene.memory.on_request(|call| (call.number == 1).then_some(Fault::LoseAnswer));
    let applied = scene.apply().await;
    assert!(applied.stale);
    assert_eq!(scene.snapshot, scene.memory.contents(&zone_id()));
    let again = plan(&scene.snapshot, &desired(mixed().1), &owner(), &Policy::default());
    assert!(again.is_empty(), "it had happened: {again:?}");
}

#[tokio::test]
async fn throttling_and_refused_credentials_end_the_run() {
    for class in [ErrorClass::Throttled, ErrorClass::Forbidden, ErrorClass::Unauthenticated] {
        let (sets, wanted) = mixed();
        let mut scene = Scene::new(sets, wanted).await;
        scene.fail(key("A", "a"), class);
        let applied = scene.apply().await;
        assert_eq!((applied.done, applied.failed.len(), applied.skipped.len()), (0, 1, 4), "{class:?}");
        assert_eq!(scene.memory.calls().len(), 1);
    }
}

#[tokio::test]
async fn other_failures_do_not_stop_other_names() {
    for class in [ErrorClass::Invalid, ErrorClass::Unavailable, ErrorClass::NotFound] {
        let (sets, wanted) = mixed();
        let mut scene = Scene::new(sets, wanted).await;
        scene.fail(key("A", "a"), class);
        let applied = scene.apply().await;
        assert_eq!((applied.done, applied.failed.len(), applied.stale), (4, 1, false), "{class:?}");
        assert_eq!(scene.snapshot, scene.memory.contents(&zone_id()));
    }
}

#[tokio::test]
async fn what_needs_room_is_not_written_when_no_room_was_made() {
    let (sets, wanted) = mixed();
    let mut scene = Scene::new(sets, wanted).await;
    scene.fail(key("CNAME", "b"), ErrorClass::Unavailable);
    let applied = scene.apply().await;
    assert_eq!(applied.skipped, [key("A", "b")]);
    assert!(scene.memory.calls().iter().all(|call| call.record_set != Some(key("A", "b"))));
}

#[tokio::test]
async fn the_old_address_family_stays_when_the_new_one_did_not_come() {
    let mut scene =
        Scene::new(vec![ours("A", "web", &["192.0.2.1"])], vec![want("AAAA", "web", &["2001:db8::1"])]).await;
    scene.fail(key("AAAA", "web"), ErrorClass::Unavailable);
    let applied = scene.apply().await;
    assert_eq!((applied.done, applied.skipped), (0, vec![key("A", "web")]));
}

#[tokio::test]
async fn a_set_that_is_gone_already_is_deleted_without_ado() {
    let mut scene = Scene::new(vec![ours("A", "web", &["192.0.2.1"])], vec![]).await;
    scene.memory.remove(&zone_id(), &key("A", "web"));
    let applied = scene.apply().await;
    assert_eq!((applied.done, applied.stale), (1, false));
    assert!(scene.snapshot.is_empty());
}
