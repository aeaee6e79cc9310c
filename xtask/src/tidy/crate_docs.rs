//! Who opens a crate reads first what it is.

use super::Violation;
use super::workspace::Workspace;

pub(crate) fn check(workspace: &Workspace) -> Vec<Violation> {
    let roots = workspace
        .rust_files_below("")
        .filter(|file| file.path.ends_with("/src/lib.rs") || file.path.ends_with("/src/main.rs"));
    roots
        .filter(|file| !file.text.starts_with("//! "))
        .map(|file| Violation::new(&file.path, 1, "does not begin with `//!` and one sentence about the crate"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_that_begins_with_anything_else_is_named() {
        let workspace = Workspace::default()
            .with_file("crates/a/src/lib.rs", "//! Names.\n")
            .with_file("crates/b/src/lib.rs", "#![allow(x)]\n//! Names.\n")
            .with_file("crates/b/src/names.rs", "fn main() {}\n")
            .with_file("crates/c/src/main.rs", "fn main() {}\n");
        let found: Vec<_> = check(&workspace).into_iter().map(|violation| violation.path).collect();
        assert_eq!(found, ["crates/b/src/lib.rs", "crates/c/src/main.rs"]);
    }
}
