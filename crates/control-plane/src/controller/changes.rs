//! What has changed since somebody last looked.

use std::collections::BTreeSet;
use std::sync::Mutex;

use tokio::sync::Notify;

use super::lock;
use crate::kinds::ObjectKey;

/// Of which Services something has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Changed {
    /// Of these alone.
    Services(BTreeSet<ObjectKey>),
    /// Of any.
    Everything,
}

/// Gathers what has changed for one loop, which looks when it is woken and takes all at once.
#[derive(Debug, Default)]
pub(super) struct Changes {
    changed: Mutex<Changed>,
    woken: Notify,
}

// === impl Changed ===

impl Changed {
    /// This has changed too.
    pub(super) fn add(&mut self, other: Self) {
        match (self, other) {
            (Self::Services(these), Self::Services(others)) => these.extend(others),
            (Self::Everything, Self::Services(_)) => {}
            (all, Self::Everything) => *all = Self::Everything,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Services(services) if services.is_empty())
    }
}

impl Default for Changed {
    fn default() -> Self {
        Self::Services(BTreeSet::new())
    }
}

impl FromIterator<ObjectKey> for Changed {
    fn from_iter<I: IntoIterator<Item = ObjectKey>>(services: I) -> Self {
        Self::Services(services.into_iter().collect())
    }
}

// === impl Changes ===

impl Changes {
    /// Notes what has changed for when somebody looks.
    pub(super) fn note(&self, changed: Changed) {
        lock(&self.changed).add(changed);
    }

    /// Has what is noted looked at.
    pub(super) fn wake(&self) {
        self.woken.notify_one();
    }

    /// Waits until something is to be looked at.
    pub(super) async fn woken(&self) {
        self.woken.notified().await;
    }

    /// All that has been noted; it is nobody else's to look at.
    pub(super) fn take(&self) -> Changed {
        std::mem::take(&mut *lock(&self.changed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(names: &[&str]) -> Changed {
        let kind = crate::FederatedKind::named("Service").unwrap();
        let key = |name: &&str| ObjectKey { kind, namespace: "default".to_owned(), name: (*name).to_owned() };
        names.iter().map(key).collect()
    }

    #[test]
    fn what_is_noted_is_taken_once_and_nothing_of_it_is_lost() {
        let changes = Changes::default();
        assert!(changes.take().is_empty());
        changes.note(services(&["a"]));
        changes.note(services(&["b", "a"]));
        assert_eq!(changes.take(), services(&["a", "b"]));
        assert!(changes.take().is_empty());
        changes.note(services(&["a"]));
        changes.note(Changed::Everything);
        changes.note(services(&["b"]));
        assert_eq!(changes.take(), Changed::Everything);
    }

    #[tokio::test]
    async fn who_is_woken_before_it_waits_does_not_wait() {
        let changes = Changes::default();
        changes.note(services(&["a"]));
        changes.wake();
        changes.wake();
        changes.woken().await;
        assert!(!changes.take().is_empty());
    }
}
