//! Holds back who writes to one object again and again. Whoever does so is not alone: another control plane, or another hand, says
//! otherwise each time, and the two would answer each other as fast as the API lets them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::lock;

/// Writes that may come at once: what an object goes through when it is young.
const BURST: u32 = 30;
/// After those there is one in this time. What comes between them is written by the next: it says what is so then.
const EVERY: Duration = Duration::from_secs(1);

/// Until when the writes to each key would have lasted, had they come one by one.
#[derive(Debug)]
pub(super) struct Pace<K>(Mutex<BTreeMap<K, Instant>>);

// === impl Pace ===

impl<K: Ord + Clone> Pace<K> {
    /// Whether `key` may be written now, which counts; else how long that has to wait.
    pub(super) fn take(&self, key: &K) -> Result<(), Duration> {
        let now = Instant::now();
        let mut spent = lock(&self.0);
        let until = spent.get(key).copied().map_or(now, |until| until.max(now));
        match (until - now).checked_sub(EVERY * (BURST - 1)) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                spent.insert(key.clone(), until + EVERY);
                Ok(())
            }
        }
    }

    /// Forgets whom nobody has written to for a while.
    pub(super) fn forget(&self) {
        let now = Instant::now();
        lock(&self.0).retain(|_, until| *until > now);
    }
}

impl<K> Default for Pace<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_and_then_one_a_second_for_each_key() {
        let pace = Pace::default();
        for _ in 0..BURST {
            assert_eq!(pace.take(&"a"), Ok(()));
        }
        assert_eq!(pace.take(&"a"), Err(EVERY));
        assert_eq!(pace.take(&"b"), Ok(()), "nobody waits for others");
        tokio::time::advance(EVERY).await;
        assert_eq!((pace.take(&"a"), pace.take(&"a")), (Ok(()), Err(EVERY)));
        pace.forget();
        assert_eq!(pace.take(&"a"), Err(EVERY));
        tokio::time::advance(EVERY * BURST).await;
        pace.forget();
        assert_eq!(lock(&pace.0).len(), 0);
        assert_eq!(pace.take(&"a"), Ok(()));
    }
}
