//! What is left of a lease, for whoever is about to write.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// A time during which this control plane, and no other, may write. Clones tell of the same.
#[derive(Debug, Clone)]
pub(crate) struct Tenure(Option<watch::Receiver<Option<Instant>>>);

/// The other end of a [`Tenure`]: it lasts as long as this is not dropped, and was last told.
#[derive(Debug)]
pub(super) struct Term(watch::Sender<Option<Instant>>);

/// There is not enough left of the lease for a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this control plane holds no lease that would outlast the write")]
pub(crate) struct NotLeading(());

// === impl Term ===

impl Term {
    /// One that lasts until `until` unless it is extended.
    pub(super) fn new(until: Instant) -> Self {
        Self(watch::Sender::new(Some(until)))
    }

    pub(super) fn tenure(&self) -> Tenure {
        Tenure(Some(self.0.subscribe()))
    }

    pub(super) fn extend(&self, until: Instant) {
        self.0.send_replace(Some(until));
    }

    /// Nothing more is to be written, although some of it may be left.
    pub(super) fn end(&self) {
        self.0.send_replace(None);
    }
}

impl Drop for Term {
    fn drop(&mut self) {
        self.end();
    }
}

// === impl Tenure ===

impl Tenure {
    /// The tenure of whoever holds no elections.
    pub(crate) fn for_ever() -> Self {
        Self(None)
    }

    /// Whether a write may begin that may take as long as `takes`.
    pub(crate) fn check(&self, takes: Duration) -> Result<(), NotLeading> {
        let Some(until) = &self.0 else { return Ok(()) };
        match *until.borrow() {
            Some(until) if Instant::now() + takes <= until => Ok(()),
            _ => Err(NotLeading(())),
        }
    }

    /// The result of `call`, which may wait long before it writes: it is given up as soon as a write could not begin any more.
    pub(crate) async fn hold<T>(&self, takes: Duration, call: impl Future<Output = T>) -> Result<T, NotLeading> {
        self.check(takes)?;
        tokio::select! {
            biased;
            result = call => Ok(result),
            () = self.runs_out(takes) => Err(NotLeading(())),
        }
    }

    async fn runs_out(&self, takes: Duration) {
        let Some(mut told) = self.0.clone() else { return std::future::pending().await };
        loop {
            let until = *told.borrow_and_update();
            let Some(last) = until.and_then(|until| until.checked_sub(takes)) else { return };
            tokio::select! {
                () = tokio::time::sleep_until(last) => if *told.borrow() == until {
                    return;
                },
                told = told.changed() => if told.is_err() {
                    return;
                },
            }
        }
    }
}
