//! A file that does not fit into one's head holds two subjects.

use super::Violation;
use super::workspace::{File, Workspace};

const AT_MOST: usize = 600;
const BETTER: usize = 400;

pub(crate) fn check(workspace: &Workspace) -> Vec<Violation> {
    longer_than(workspace, AT_MOST, "split it by subject")
}

/// Files that are allowed, and on their way to become too long.
pub(crate) fn warnings(workspace: &Workspace) -> Vec<Violation> {
    longer_than(workspace, BETTER, "it grows")
}

fn longer_than(workspace: &Workspace, limit: usize, what_to_do: &str) -> Vec<Violation> {
    let ours = workspace.files.iter().filter(|file| is_ours(file)).map(|file| (file, file.text.lines().count()));
    ours.filter(|(_, lines)| *lines > limit)
        .map(|(file, lines)| {
            Violation::new(&file.path, limit + 1, format!("{lines} lines, more than {limit}: {what_to_do}"))
        })
        .collect()
}

/// A change log grows for ever, and may.
fn is_ours(file: &File) -> bool {
    !file.is_foreign() && file.path != "CHANGELOG.md"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_over_the_limit_are_named_with_their_length() {
        let workspace = Workspace::default()
            .with_file("src/a.rs", &"\n".repeat(600))
            .with_file("src/b.rs", &"\n".repeat(601))
            .with_file("CHANGELOG.md", &"\n".repeat(700))
            .with_file("fixtures/zone.json", &"\n".repeat(700));
        let found: Vec<_> = check(&workspace).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["src/b.rs:601: 601 lines, more than 600: split it by subject"]);
        assert_eq!(warnings(&workspace).len(), 2);
    }
}
