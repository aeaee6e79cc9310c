//! The rows that are in force.

use std::sync::Arc;

use super::{FEDERATED_KINDS, FederatedKind};

/// Every kind that is federated now, in the order in which a member needs them.
#[derive(Debug, Clone)]
pub(crate) struct Kinds(Arc<[&'static FederatedKind]>);

// === impl Kinds ===

impl Kinds {
    /// The built-in kinds and `custom` ones.
    pub(crate) fn with(custom: impl IntoIterator<Item = &'static FederatedKind>) -> Self {
        let mut rows: Vec<_> = FEDERATED_KINDS.iter().chain(custom).collect();
        rows.sort();
        rows.dedup();
        Self(rows.into())
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &'static FederatedKind> + use<'_> {
        self.0.iter().copied()
    }

    /// Those that a member is asked for: kinds that give permissions only where it wants them.
    pub(crate) fn of_member(&self, permissions: bool) -> impl Iterator<Item = &'static FederatedKind> + use<'_> {
        self.iter().filter(move |kind| permissions || !kind.permits)
    }

    /// The row that is known by `id`.
    pub(crate) fn find(&self, id: &str) -> Option<&'static FederatedKind> {
        self.iter().find(|kind| kind.id == id)
    }
}

/// The same rows, not merely rows of the same kinds.
impl PartialEq for Kinds {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.iter().zip(other.iter()).all(|(row, other)| std::ptr::eq(row, other))
    }
}

impl Default for Kinds {
    fn default() -> Self {
        Self::with([])
    }
}
