//! A limit over a sliding window, with a queue before it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::Limit;

/// At most so many requests that are under way or were answered within the last span.
#[derive(Debug)]
pub(super) struct Window {
    limit: Limit,
    spent: Mutex<Spent>,
    waiting: AtomicUsize,
    /// Fair: whoever comes first is served first.
    head: tokio::sync::Mutex<()>,
    answered: Notify,
}

#[derive(Debug, Default)]
struct Spent {
    under_way: usize,
    /// When requests were answered, oldest first.
    answered: VecDeque<Instant>,
}

/// The head of the queue.
pub(super) struct Turn<'a> {
    window: &'a Arc<Window>,
    _head: tokio::sync::MutexGuard<'a, ()>,
}

/// A request that is under way; dropped when it is answered, or given up.
#[derive(Debug)]
pub(super) struct Permit {
    window: Arc<Window>,
    sent: bool,
}

struct Waiting<'a>(&'a AtomicUsize);

impl Window {
    pub(super) fn new(limit: Limit) -> Self {
        Self {
            limit,
            spent: Mutex::default(),
            waiting: AtomicUsize::new(0),
            head: tokio::sync::Mutex::new(()),
            answered: Notify::new(),
        }
    }

    pub(super) fn limit(&self) -> Limit {
        self.limit
    }

    pub(super) fn used(&self, now: Instant) -> usize {
        let mut spent = self.spent();
        spent.forget(now, &self.limit);
        spent.under_way + spent.answered.len()
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) async fn queue(self: &Arc<Self>) -> Turn<'_> {
        let _waiting = Waiting::new(&self.waiting);
        Turn { window: self, _head: self.head.lock().await }
    }

    fn spent(&self) -> MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Waits for room in the window.
    pub(super) async fn take(&self) -> Permit {
        let _waiting = Waiting::new(&self.window.waiting);
        loop {
            let room = {
                let mut spent = self.window.spent();
                let now = Instant::now();
                spent.forget(now, &self.window.limit);
                if spent.under_way + spent.answered.len() < self.window.limit.requests as usize {
                    spent.under_way += 1;
                    return Permit { window: self.window.clone(), sent: true };
                }
                spent.answered.front().map(|oldest| *oldest + self.window.limit.per)
            };
            match room {
                Some(room) => tokio::time::sleep_until(room).await,
                // All are under way. Only the head waits here, and a notification that comes too early is kept for it.
                None => self.window.answered.notified().await,
            }
        }
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
        let mut spent = self.window.spent();
        spent.under_way -= 1;
        if self.sent {
            spent.answered.push_back(Instant::now());
        }
        drop(spent);
        self.window.answered.notify_one();
    }
}

impl Spent {
    fn forget(&mut self, now: Instant, limit: &Limit) {
        while self.answered.front().is_some_and(|answered| *answered + limit.per <= now) {
            self.answered.pop_front();
        }
    }
}

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
