//! Whose a record set is, where the provider keeps nothing beside the records: a *mark* for each set, a TXT set in external-dns' format.
//!
//! ```text
//! zone                                                      what is seen through it
//! web.example.com.    A    192.0.2.1                   ┐
//! a-web.example.com.  TXT  "heritage=external-dns,     ├─►  web.example.com. A 192.0.2.1, with metadata
//!       external-dns/owner=kfed-myfederation,          │    kfed-owner=myfederation, kfed-resource=service/default/web, …
//!       external-dns/resource=service/default/web,     │
//!       kfed-owner=myfederation,kfed-resource=…"       ┘
//! ```
//!
//! external-dns reads a mark as an entry of another owner, and leaves the set alone; kfed reads all of the metadata back. What a mark
//! says is [pure](Mark), and so is [where it stands](TxtNames) and [what is seen](see). `TxtRegistry` (feature `tower`) does it to a
//! provider.
//!
//! Invariants, whenever a writer dies:
//! - **A set of ours is never without its mark**: the mark comes before the set and goes after it.
//! - **A mark without a set** is seen as a set that holds nothing, with the mark's owner: its owner's planner fills or removes it, and to
//!   all others the name is taken.
//! - **A mark names what its set holds** (`kfed-data`). It counts for a set alone that holds any of that: whoever puts a set of his own
//!   where a mark was left behind keeps it, and it is foreign.
//! - **What is withdrawn stays named**, up to 40 data: withdrawing and bringing back change no mark, and are one request each.
//!
//! What is not ours to hide is seen as it is: entries of external-dns itself, and texts of others.

mod mark;
mod names;
mod see;
#[cfg(feature = "tower")]
mod service;
mod steps;
#[cfg(all(test, feature = "tower"))]
mod tests;
mod version;

pub use mark::Mark;
pub use names::{InvalidNames, TxtNames};
pub use see::see;
#[cfg(feature = "tower")]
pub use service::{TxtRegistry, TxtRegistryLayer};
pub use steps::requests;
