//! What is the same for all crates is said once, in the root manifest; every crate says what it is.

use super::Violation;
use super::workspace::{Crate, File, Workspace, key_of};

/// Keys of `[package]` that every crate inherits.
const INHERITED: &[&str] = &["edition", "license", "rust-version", "version"];

pub(crate) fn check(workspace: &Workspace) -> Vec<Violation> {
    let crates = workspace.crates();
    let mut violations: Vec<_> = crates.iter().flat_map(|member| check_crate(workspace, member)).collect();
    violations.extend(workspace.file("Cargo.toml").into_iter().flat_map(|root| unused(root, &crates)));
    violations
}

fn check_crate(workspace: &Workspace, member: &Crate<'_>) -> Vec<Violation> {
    let path = &member.manifest.path;
    let mut violations = Vec::new();
    let package: Vec<_> = member.manifest.section("package").collect();
    for key in INHERITED {
        if !package.iter().any(|(_, line)| key_of(line) == *key && inherits(line)) {
            let line = package.iter().find(|(_, line)| key_of(line) == *key).map_or(1, |(number, _)| *number);
            violations.push(Violation::new(path, line, format!("`{key}.workspace = true` is missing")));
        }
    }
    if !package.iter().any(|(_, line)| key_of(line) == "description") {
        violations.push(Violation::new(
            path,
            1,
            "`description` is missing: one line, or `description.workspace = true`",
        ));
    }
    if !member.manifest.section("lints").any(|(_, line)| line.replace(' ', "") == "workspace=true") {
        violations.push(Violation::new(path, 1, "`[lints] workspace = true` is missing"));
    }
    for (section, number, line) in member.manifest.entries() {
        if section.ends_with("dependencies") && line.contains('=') && !inherits(line) {
            let message = format!("`{}` does not come from [workspace.dependencies]", key_of(line));
            violations.push(Violation::new(path, number, message));
        }
    }
    let readme = format!("{}/README.md", member.directory);
    if !workspace.exists(&readme) {
        violations.push(Violation::new(readme, 1, format!("is missing: what {} is, with an example", member.name)));
    }
    violations
}

fn inherits(line: &str) -> bool {
    let line = line.replace(' ', "");
    line.contains(".workspace=true") || line.contains("{workspace=true")
}

/// Versions in the root manifest that no crate takes.
fn unused(root: &File, crates: &[Crate<'_>]) -> Vec<Violation> {
    let is_taken = |name: &str| {
        crates.iter().any(|member| {
            let mut entries = member.manifest.entries();
            entries.any(|(section, _, line)| section.ends_with("dependencies") && key_of(line) == name)
        })
    };
    root.section("workspace.dependencies")
        .filter(|(_, line)| line.contains('='))
        .map(|(number, line)| (number, key_of(line)))
        .filter(|(_, name)| !is_taken(name))
        .map(|(number, name)| Violation::new(&root.path, number, format!("no crate depends on `{name}`")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"[package]
name = "kfed-api"
description = "the API"
version.workspace = true
edition.workspace = true
rust-version.workspace = true
license.workspace = true

[lints]
workspace = true

[dependencies]
# a comment = with an equals sign
serde = { workspace = true, features = ["derive"] }
serde_json.workspace = true
"#;

    fn check_with(manifest: &str) -> Vec<String> {
        let workspace = Workspace::default()
            .with_file("crates/api/Cargo.toml", manifest)
            .with_file("crates/api/README.md", "# kfed-api\n")
            .with_file("Cargo.toml", "[workspace.dependencies]\nserde = \"1\"\nserde_json = \"1\"\n");
        check(&workspace).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_good_manifest_is_good() {
        assert_eq!(check_with(GOOD), [""; 0]);
    }

    #[test]
    fn every_departure_is_named() {
        let cases = [
            (
                "license.workspace = true",
                "license = \"MIT\"",
                "crates/api/Cargo.toml:7: `license.workspace = true` is missing",
            ),
            ("version.workspace = true\n", "", "crates/api/Cargo.toml:1: `version.workspace = true` is missing"),
            ("[lints]\nworkspace = true\n", "", "crates/api/Cargo.toml:1: `[lints] workspace = true` is missing"),
            ("description = \"the API\"\n", "", "crates/api/Cargo.toml:1: `description` is missing"),
            (
                "serde = { workspace = true,",
                "serde = { version = \"1\",",
                "crates/api/Cargo.toml:14: `serde` does not come",
            ),
            ("serde_json.workspace = true\n", "", "Cargo.toml:3: no crate depends on `serde_json`"),
        ];
        for (from, to, expected) in cases {
            // The replaced line must be the first of its kind: `version` stands in `rust-version` too.
            let found = check_with(&GOOD.replacen(from, to, 1));
            assert!(found.len() == 1 && found[0].starts_with(expected), "{expected}: {found:?}");
        }
    }

    #[test]
    fn a_crate_without_a_readme_is_named() {
        let found = check(&Workspace::default().with_file("crates/api/Cargo.toml", GOOD));
        assert_eq!(found[0].to_string(), "crates/api/README.md:1: is missing: what kfed-api is, with an example");
    }
}
