//! How far the control plane has come in looking at everything: a filter of its scheduler that lets everything pass, and counts.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kfed_replica_scheduler::{Filter, Member, Request, Verdict};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The workloads that have been planned with all members in view since that was last forgotten. Clones are the same.
#[derive(Clone)]
pub(crate) struct Looks {
    members: usize,
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
}

#[derive(Default)]
struct State {
    planned: BTreeSet<String>,
    plans: usize,
}

// === impl Looks ===

impl Looks {
    pub(crate) fn new(members: usize) -> Self {
        Self { members, state: Arc::default(), changed: Arc::default() }
    }

    pub(crate) fn forget(&self) {
        *self.state.lock().unwrap() = State::default();
    }

    /// How many plans there were.
    pub(crate) fn plans(&self) -> usize {
        self.state.lock().unwrap().plans
    }

    /// Waits until so many workloads have been looked at; when that was.
    pub(crate) async fn at_all(&self, workloads: usize, patience: Duration) -> Instant {
        let seen = || self.state.lock().unwrap().planned.len();
        let all = async {
            loop {
                let changed = self.changed.notified();
                if seen() >= workloads {
                    return Instant::now();
                }
                changed.await;
            }
        };
        let all = tokio::time::timeout(patience, all).await;
        all.unwrap_or_else(|_| panic!("only {} of {workloads} workloads were looked at in {patience:?}", seen()))
    }
}

impl Filter for Looks {
    fn judge(&self, request: &Request<'_>, member: &Member<'_>) -> Verdict {
        if member.name == request.members[0].name {
            let mut state = self.state.lock().unwrap();
            state.plans += 1;
            if request.members.len() == self.members && !state.planned.contains(request.key) {
                state.planned.insert(request.key.to_owned());
                self.changed.notify_one();
            }
        }
        Verdict::Allow
    }
}
