//! The documents that every reader looks for are there and know all crates.

use super::Violation;
use super::workspace::{Crate, File, Workspace};

/// File and what it has to hold somewhere.
const REQUIRED: &[(&str, &[&str])] = &[
    ("README.md", &["cargo run -- demo", "cargo xtask test"]),
    ("ARCHITECTURE.md", &["Invariant"]),
    ("CHANGELOG.md", &["## "]),
    ("LICENSE", &["Apache License", "Version 2.0, January 2004", "END OF TERMS AND CONDITIONS"]),
    (".ci/run", &["set -euo pipefail", "cargo xtask test"]),
];

const MAP: &str = "ARCHITECTURE.md";

pub(crate) fn check(workspace: &Workspace) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (path, words) in REQUIRED {
        match workspace.file(path) {
            None => violations.push(Violation::new(*path, 1, "is missing")),
            Some(file) => {
                let missing = words.iter().filter(|word| !file.text.contains(*word));
                violations.extend(missing.map(|word| Violation::new(*path, 1, format!("says nothing of `{word}`"))));
            }
        }
    }
    if let Some(map) = workspace.file(MAP) {
        let crates = workspace.crates();
        let missing = crates.iter().filter(|member| !is_on(map, member));
        violations.extend(missing.map(|member| Violation::new(MAP, 1, format!("its map lacks {}", member.name))));
    }
    violations
}

/// By package name, by folder, or by the folder's name in code quotes.
fn is_on(map: &File, member: &Crate<'_>) -> bool {
    let folder = member.directory.rsplit('/').next().unwrap_or(member.directory);
    let is_part = |c: char| c.is_alphanumeric() || "-_/".contains(c);
    let mut words = map.text.split(|c| !is_part(c)).map(|word| word.trim_end_matches('/'));
    let in_directory = format!("{}/", member.directory);
    words.any(|word| word == member.name || word == member.directory || word.starts_with(&in_directory))
        || [format!("`{folder}`"), format!("`{folder}/`")].iter().any(|name| map.text.contains(name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Vec<(&'static str, String)> {
        REQUIRED.iter().map(|(path, words)| (*path, words.join("\n"))).collect()
    }

    fn check_files(files: &[(&str, String)]) -> Vec<String> {
        let start = Workspace::default().with_file("crates/api/Cargo.toml", "[package]\nname = \"kfed-api\"\n");
        let workspace = files.iter().fold(start, |workspace, (path, text)| workspace.with_file(path, text));
        check(&workspace).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_document_that_is_missing_or_silent_is_named() {
        for (index, (path, words)) in REQUIRED.iter().enumerate() {
            let mut files = good();
            files[1].1 += "\n| `api` | pure |";
            assert_eq!(check_files(&files), [""; 0]);
            files[index].1 = files[index].1.replace(words[0], "");
            let found = check_files(&files);
            assert_eq!(found, [format!("{path}:1: says nothing of `{}`", words[0])]);
            files.remove(index);
            assert_eq!(check_files(&files), [format!("{path}:1: is missing")]);
        }
    }

    #[test]
    fn the_map_names_every_crate() {
        for (line, on_the_map) in [
            ("| `api` | pure |", true),
            ("see kfed-api for types", true),
            ("`crates/api` holds", true),
            ("crates/api/src/lib.rs", true),
            ("| `apiserver` |", false),
            ("kfed-apiserver", false),
            ("an api of sorts", false),
        ] {
            let mut files = good();
            files[1].1 += &format!("\n{line}");
            let mut expected = vec!["ARCHITECTURE.md:1: its map lacks kfed-api"];
            expected.retain(|_| !on_the_map);
            assert_eq!(check_files(&files), expected, "{line}");
        }
    }
}
