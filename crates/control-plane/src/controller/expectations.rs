//! What was written of a federated object and its watch does not show yet. Who looks at it before that sees it as it was, decides the same
//! once more, and writes it once more.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use kube::core::ObjectMeta;
use tokio::time::Instant;

use super::lock;
use crate::kinds::ObjectKey;

/// How long a watch is given to show what was written; then the object is looked at as it is known.
const PATIENCE: Duration = Duration::from_secs(1);

/// The last write of each object that has not been seen.
#[derive(Debug, Default)]
pub(super) struct Expectations(Mutex<BTreeMap<ObjectKey, Expected>>);

#[derive(Debug)]
struct Expected {
    /// The resource version that the write has made.
    version: String,
    until: Instant,
    /// How long the object then rests, if nothing later is shown.
    rest: Duration,
}

// === impl Expectations ===

impl Expectations {
    /// `key` has been written, and is to be shown as `version`. What follows from the write is no more urgent than `rest`.
    pub(super) fn written(&self, key: &ObjectKey, version: String, rest: Duration) {
        lock(&self.0).insert(key.clone(), Expected { version, until: Instant::now() + PATIENCE, rest });
    }

    /// How long a look at `key` has to wait, which is `shown` as far as it is known; none where it need not. What is awaited may come
    /// earlier: whoever shows it asks again. What is being deleted waits for nothing: how it was deleted is told once.
    pub(super) fn wait(&self, key: &ObjectKey, shown: impl FnOnce() -> Option<ObjectMeta>) -> Option<Duration> {
        if !lock(&self.0).contains_key(key) {
            return None;
        }
        let shown = shown().filter(|shown| shown.deletion_timestamp.is_none());
        let shown = shown.and_then(|shown| shown.resource_version);
        let mut all = lock(&self.0);
        let expected = all.get(key)?;
        let left = expected.until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
        let (Some(left), Some(shown)) = (left, shown) else {
            all.remove(key);
            return None;
        };
        if is_older(&shown, &expected.version) {
            return Some(left);
        }
        let is_just_that = shown == expected.version;
        let rest = all.remove(key)?.rest;
        Some(rest).filter(|rest| is_just_that && !rest.is_zero())
    }
}

/// Resource versions of one kind are numbers that grow (KEP-5504). Those of an API server that has others are all taken for older: that is
/// what an event is that comes before the one awaited.
fn is_older(shown: &str, than: &str) -> bool {
    match (shown.parse::<u64>(), than.parse::<u64>()) {
        (Ok(shown), Ok(than)) => shown < than,
        _ => shown != than,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::kinds::FederatedKind;

    const REST: Duration = Duration::from_millis(100);

    fn key(name: &str) -> ObjectKey {
        let kind = FederatedKind::named("ReplicaSet").unwrap();
        ObjectKey { kind, namespace: "default".into(), name: name.into() }
    }

    fn shown(version: &str) -> Option<ObjectMeta> {
        Some(ObjectMeta { resource_version: Some(version.to_owned()), ..ObjectMeta::default() })
    }

    fn expecting(version: &str, rest: Duration) -> Expectations {
        let expectations = Expectations::default();
        expectations.written(&key("a"), version.into(), rest);
        expectations
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_waits_for_what_was_written_and_then_rests_if_that_is_all_that_is_new() {
        for (written, shown, wait, is_over) in [
            ("9", shown("8"), Some(PATIENCE), false),
            ("10", shown("9"), Some(PATIENCE), false),
            ("10", shown("10"), Some(REST), true),
            ("10", shown("11"), None, true),
            ("10", None, None, true),
            ("x", shown("y"), Some(PATIENCE), false),
            ("x", shown("x"), Some(REST), true),
        ] {
            let expectations = expecting(written, REST);
            assert_eq!(expectations.wait(&key("b"), || panic!("nothing is expected of it")), None);
            let said = format!("{shown:?} where {written} is expected");
            assert_eq!(expectations.wait(&key("a"), || shown), wait, "{said}");
            assert_eq!(lock(&expectations.0).is_empty(), is_over, "{said}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_is_never_shown_holds_nothing_up_for_long() {
        let expectations = expecting("10", REST);
        let wait = || expectations.wait(&key("a"), || shown("9"));
        tokio::time::advance(PATIENCE / 4).await;
        assert_eq!(wait(), Some(PATIENCE / 4 * 3));
        tokio::time::advance(PATIENCE / 4 * 3).await;
        assert_eq!((wait(), lock(&expectations.0).len()), (None, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_looked_at_long_after_it_was_written_does_not_rest() {
        let expectations = expecting("10", REST);
        tokio::time::advance(PATIENCE).await;
        assert_eq!(expectations.wait(&key("a"), || shown("10")), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_urgently_follows_does_not_rest_and_what_is_deleted_does_not_even_wait() {
        assert_eq!(expecting("10", Duration::ZERO).wait(&key("a"), || shown("10")), None);
        let deleted = |version| {
            let now = Some(Time(jiff::Timestamp::UNIX_EPOCH));
            shown(version).map(|metadata| ObjectMeta { deletion_timestamp: now, ..metadata })
        };
        for version in ["9", "10"] {
            assert_eq!(expecting("10", REST).wait(&key("a"), || deleted(version)), None);
        }
    }
}
