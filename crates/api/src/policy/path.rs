//! Where in a policy something stands.

use std::fmt;

use serde::{Serialize, Serializer};

/// A place in a policy, from its top: `clusters.fed-west.minReplicas`, `groups[0].selector[1].values`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Path(Vec<Segment>);

/// A step of a [`Path`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// Into an object. Keys match whatever their case, members' names do not.
    Key(String),
    /// Into a list, from 0.
    Index(usize),
}

// === impl Path ===

impl Path {
    /// The path to `key` at the top.
    pub fn new(key: &str) -> Self {
        Self::default().key(key)
    }

    /// The path to `key` in what this leads to.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.0.push(Segment::Key(key.to_owned()));
        self
    }

    /// The path to the item at `index` in what this leads to.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Segment::Index(index));
        self
    }

    /// Its steps, from the top.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// This path as seen from further up.
    pub(crate) fn under(&self, mut above: Self) -> Self {
        above.0.extend(self.0.iter().cloned());
        above
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if at == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
