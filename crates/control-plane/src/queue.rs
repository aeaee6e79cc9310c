//! A queue of keys to work on: each key is there once, is worked on by one worker at a time, and comes back later when it failed.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// How long a key waits after its first failure; each further one doubles it.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// The longest that a failing key waits.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// A delaying, de-duplicating queue. Its size is bounded by the number of keys there are.
#[derive(Debug)]
pub(crate) struct WorkQueue<K> {
    state: Mutex<State<K>>,
    wake: Notify,
}

#[derive(Debug)]
struct State<K> {
    /// Canonical: when each waiting key is due. `order` is its index by time.
    due: BTreeMap<K, (Instant, u64)>,
    order: BTreeMap<(Instant, u64), K>,
    /// Keys in a worker's hands, and when they are to come back although nobody has finished them.
    running: BTreeMap<K, Option<Instant>>,
    failures: BTreeMap<K, u32>,
    sequence: u64,
}

// === impl WorkQueue ===

impl<K: Ord + Clone> WorkQueue<K> {
    pub(crate) fn new() -> Self {
        let state = State {
            due: BTreeMap::new(),
            order: BTreeMap::new(),
            running: BTreeMap::new(),
            failures: BTreeMap::new(),
            sequence: 0,
        };
        Self { state: Mutex::new(state), wake: Notify::new() }
    }

    /// Puts `key` in; of two times the earlier holds.
    pub(crate) fn add(&self, key: K, delay: Duration) {
        self.lock().schedule(key, Instant::now() + delay);
        self.wake.notify_one();
    }

    /// Puts all `keys` in, to be worked on at once.
    pub(crate) fn add_all(&self, keys: impl IntoIterator<Item = K>) {
        let now = Instant::now();
        let mut state = self.lock();
        for key in keys {
            state.schedule(key, now);
        }
        drop(state);
        self.wake.notify_one();
    }

    /// How many keys are due and in nobody's hands, if one of them has been for so long as `late`.
    pub(crate) fn backlog(&self, late: Duration) -> usize {
        let now = Instant::now();
        let state = self.lock();
        let is_late = state.order.keys().next().is_some_and(|(at, _)| *at + late <= now);
        if is_late { state.order.keys().take_while(|(at, _)| *at <= now).count() } else { 0 }
    }

    /// The next key that is due. It must be given back by [`finish`](Self::finish).
    pub(crate) async fn next(&self) -> K {
        loop {
            let wake = self.wake.notified();
            let wait = {
                let mut state = self.lock();
                match state.take_due(Instant::now()) {
                    Ok(key) => {
                        // Another worker may find more that is due.
                        self.wake.notify_one();
                        return key;
                    }
                    Err(wait) => wait,
                }
            };
            match wait {
                Some(until) => {
                    tokio::select! {
                        () = wake => {}
                        () = tokio::time::sleep_until(until) => {}
                    }
                }
                None => wake.await,
            }
        }
    }

    /// Gives `key` back: done, wanted again after a while, or failed.
    pub(crate) fn finish(&self, key: K, result: Result<Option<Duration>, ()>) {
        let now = Instant::now();
        let mut state = self.lock();
        let asked = state.running.remove(&key).flatten();
        let again = match result {
            Ok(again) => {
                state.failures.remove(&key);
                again.map(|delay| now + delay)
            }
            Err(()) => {
                let failures = state.failures.entry(key.clone()).or_default();
                let backoff = FIRST_BACKOFF.saturating_mul(1 << (*failures).min(16)).min(LONGEST_BACKOFF);
                *failures += 1;
                Some(now + backoff)
            }
        };
        if let Some(at) = asked.into_iter().chain(again).min() {
            state.schedule(key, at);
        }
        drop(state);
        self.wake.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State<K>> {
        self.state.lock().expect("no code panics while it holds the queue")
    }
}

// === impl State ===

impl<K: Ord + Clone> State<K> {
    fn schedule(&mut self, key: K, at: Instant) {
        if let Some(asked) = self.running.get_mut(&key) {
            *asked = Some(asked.map_or(at, |earlier| earlier.min(at)));
            return;
        }
        if let Some(&(earlier, sequence)) = self.due.get(&key) {
            if earlier <= at {
                return;
            }
            self.order.remove(&(earlier, sequence));
        }
        self.sequence += 1;
        self.due.insert(key.clone(), (at, self.sequence));
        self.order.insert((at, self.sequence), key);
    }

    /// A key that is due at `now`, or when the first will be.
    fn take_due(&mut self, now: Instant) -> Result<K, Option<Instant>> {
        let Some(first) = self.order.first_entry() else { return Err(None) };
        let at = first.key().0;
        if at > now {
            return Err(Some(at));
        }
        let key = first.remove();
        self.due.remove(&key);
        self.running.insert(key.clone(), None);
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_key_that_is_added_twice_comes_once_at_the_earlier_time() {
        let queue = WorkQueue::new();
        queue.add("a", 5 * SECOND);
        queue.add("a", SECOND);
        queue.add("a", 9 * SECOND);
        let start = Instant::now();
        assert_eq!(queue.next().await, "a");
        assert_eq!(start.elapsed(), SECOND);
        queue.finish("a", Ok(None));
        assert!(queue.lock().due.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_never_in_two_hands_and_what_happens_meanwhile_is_not_lost() {
        let queue = WorkQueue::new();
        queue.add("a", Duration::ZERO);
        let key = queue.next().await;
        queue.add("a", Duration::ZERO);
        tokio::time::timeout(SECOND, queue.next()).await.expect_err("it is in a worker's hands");
        queue.finish(key, Ok(None));
        assert_eq!(queue.next().await, "a");
    }

    #[tokio::test(start_paused = true)]
    async fn keys_that_nobody_takes_become_a_backlog() {
        let queue = WorkQueue::new();
        queue.add("a", Duration::ZERO);
        queue.add("b", 2 * SECOND);
        queue.add("c", 9 * SECOND);
        assert_eq!(queue.backlog(5 * SECOND), 0, "nothing is late");
        tokio::time::advance(5 * SECOND).await;
        assert_eq!(queue.backlog(5 * SECOND), 2, "c is not due");
        let key = queue.next().await;
        assert_eq!((key, queue.backlog(5 * SECOND)), ("a", 0), "b is not late");
        assert_eq!(queue.backlog(3 * SECOND), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_back_off_and_success_forgets_them() {
        let queue = WorkQueue::new();
        queue.add("a", Duration::ZERO);
        let mut waits = Vec::new();
        for _ in 0..12 {
            let start = Instant::now();
            let key = queue.next().await;
            waits.push(start.elapsed());
            queue.finish(key, Err(()));
        }
        assert_eq!(waits[..4], [0, 100, 200, 400].map(Duration::from_millis));
        assert_eq!(waits[11], LONGEST_BACKOFF);
        let key = queue.next().await;
        queue.finish(key, Ok(None));
        assert!(queue.lock().failures.is_empty());
    }
}
