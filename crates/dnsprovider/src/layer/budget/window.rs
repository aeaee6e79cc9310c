//! A limit over a sliding window, with a queue before it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::Limit;
use crate::operation::Priority;

/// At most so many requests that are under way or were answered within the last span.
#[derive(Debug)]
pub(super) struct Window {
    limit: Limit,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    under_way: usize,
    /// When requests were answered, oldest first.
    answered: VecDeque<Instant>,
    /// Who waits, the next one first. Only the first looks for room; the others are woken when they become the first.
    queue: BTreeMap<Place, Arc<Notify>>,
    arrived: u64,
}

/// Urgent ones first, then whoever came first.
type Place = (Priority, u64);

/// A place in the queue; left when it is dropped.
pub(super) struct Turn<'a> {
    window: &'a Arc<Window>,
    place: Place,
    woken: Arc<Notify>,
}

/// A request that is under way; dropped when it is answered, or given up.
#[derive(Debug)]
pub(super) struct Permit {
    window: Arc<Window>,
    sent: bool,
}

impl Window {
    pub(super) fn new(limit: Limit) -> Self {
        Self { limit, state: Mutex::default() }
    }

    pub(super) fn limit(&self) -> Limit {
        self.limit
    }

    pub(super) fn used(&self, now: Instant) -> usize {
        let mut state = self.state();
        state.forget(now, &self.limit);
        state.used()
    }

    /// How many wait, and how many of them are urgent.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let state = self.state();
        let urgent = state.queue.keys().take_while(|(priority, _)| *priority == Priority::Urgent).count();
        (state.queue.len(), urgent)
    }

    pub(super) fn queue(self: &Arc<Self>, priority: Priority) -> Turn<'_> {
        let woken = Arc::new(Notify::new());
        let mut state = self.state();
        state.arrived += 1;
        let place = (priority, state.arrived);
        state.queue.insert(place, woken.clone());
        Turn { window: self, place, woken }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Waits until this is the first in the queue and there is room in the window. The place is kept.
    pub(super) async fn take(&self) -> Permit {
        loop {
            let room = {
                let mut state = self.window.state();
                let now = Instant::now();
                state.forget(now, &self.window.limit);
                let first = state.queue.first_key_value().is_some_and(|(place, _)| *place == self.place);
                if first && state.used() < self.window.limit.requests as usize {
                    state.under_way += 1;
                    return Permit { window: self.window.clone(), sent: true };
                }
                let oldest = state.answered.front().filter(|_| first);
                oldest.map(|oldest| *oldest + self.window.limit.per)
            };
            // A notification that comes before anybody waits for it is kept.
            match room {
                Some(room) => {
                    let _either = tokio::time::timeout_at(room, self.woken.notified()).await;
                }
                None => self.woken.notified().await,
            }
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.window.state();
        state.queue.remove(&self.place);
        state.wake_first();
    }
}

impl Permit {
    /// Nothing was sent.
    pub(super) fn give_back(mut self) {
        self.sent = false;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.window.state();
        state.under_way -= 1;
        if self.sent {
            state.answered.push_back(Instant::now());
        }
        state.wake_first();
    }
}

impl State {
    fn used(&self) -> usize {
        self.under_way + self.answered.len()
    }

    fn wake_first(&self) {
        if let Some((_, first)) = self.queue.first_key_value() {
            first.notify_one();
        }
    }

    fn forget(&mut self, now: Instant, limit: &Limit) {
        while self.answered.front().is_some_and(|answered| *answered + limit.per <= now) {
            self.answered.pop_front();
        }
    }
}
