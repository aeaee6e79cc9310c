//! The four patch formats of the Kubernetes API, and who owns which field.
//!
//! - `json`: JSON patch (RFC 6902) with the API server's two deviations
//! - `merge`: JSON merge patch (RFC 7386)
//! - `strategic`: strategic merge patch, by the merge keys of the built-in kinds
//! - `apply`: server-side apply (KEP-555), and the ownership that plain writes leave behind
//!
//! `schema` knows the shape of the kinds, `typed` walks values along it, `fields` holds sets of field paths, `managers` is
//! `metadata.managedFields`. All of it is pure: the caller stores the result, sets defaults and counts revisions.

mod apply;
mod fields;
mod json;
mod managers;
mod merge;
mod schema;
mod strategic;
#[cfg(test)]
mod tests;
mod typed;
mod unknown;
mod zero;

pub(crate) use apply::{apply, track_update};
pub(crate) use json::json_patch;
pub(crate) use merge::merge_patch;
pub(crate) use strategic::strategic_merge;
pub(crate) use unknown::drop_unknown;

/// Why a patch was refused, by the HTTP status that answers it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatchError {
    /// 422: the patch is well-formed, but cannot be carried out on this object.
    #[error("{0}")]
    Invalid(String),
    /// 400: the patch is malformed.
    #[error("{0}")]
    BadRequest(String),
    /// 409: other managers own fields that the apply would change.
    #[error("apply failed with {} conflict(s)", .0.len())]
    Conflict(Vec<FieldConflict>),
    /// 500: the patch does not fit the schema of the kind.
    #[error("{0}")]
    Schema(String),
}

/// A field that somebody else owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldConflict {
    /// The owner as messages name it: `"m1"`, `"m1" using v1`, `"m1" with subresource "scale" using apps/v1`.
    pub(crate) manager: String,
    /// The path of the field: `.data.k`.
    pub(crate) field: String,
}

/// Who writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manager<'a> {
    pub(crate) name: &'a str,
    pub(crate) api_version: &'a str,
    pub(crate) subresource: Option<&'a str>,
    /// RFC 3339, whole seconds.
    pub(crate) time: &'a str,
}
