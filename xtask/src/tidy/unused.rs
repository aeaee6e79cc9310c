//! A dependency that no line of its crate names is compiled for nothing, or is there for its features alone; then
//! `[package.metadata.cargo-machete] ignored = ["…"]` says so, as for the tool of that name.

use std::collections::BTreeSet;

use super::Violation;
use super::workspace::{Workspace, has_word};
use crate::metadata::Package;

pub(crate) fn check(workspace: &Workspace) -> Vec<Violation> {
    workspace.metadata.members().flat_map(|package| unused(workspace, package)).collect()
}

fn unused(workspace: &Workspace, package: &Package) -> Vec<Violation> {
    let crates = workspace.crates();
    let Some(member) = crates.iter().find(|member| member.name == package.name) else { return Vec::new() };
    let ignored: BTreeSet<&str> = ignored(package).collect();
    // Raw text: the examples in comments are code too, and a word in a comment hides little.
    let texts: Vec<&str> = workspace.rust_files_below(member.directory).map(|file| file.text.as_str()).collect();
    let names: BTreeSet<&str> = package
        .dependencies
        .iter()
        .map(|dependency| dependency.rename.as_deref().unwrap_or(&dependency.name))
        .collect();
    let is_unused = |name: &str| !texts.iter().any(|text| has_word(text, &name.replace('-', "_")));
    names
        .into_iter()
        .filter(|name| !ignored.contains(name) && is_unused(name))
        .map(|name| {
            let (path, line) = workspace.manifest_line(&package.name, name);
            Violation::new(path, line, format!("{} does not use `{name}`", package.name))
        })
        .collect()
}

fn ignored(package: &Package) -> impl Iterator<Item = &str> {
    let list = package.metadata.as_ref().and_then(|metadata| metadata["cargo-machete"]["ignored"].as_array());
    list.into_iter().flatten().filter_map(|name| name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_with(metadata: Option<serde_json::Value>) -> Vec<String> {
        let package = Package { metadata, ..Package::member("kfed-api") };
        let package = package
            .with_dependency("serde", None)
            .with_dependency("serde_json", Some("dev"))
            .with_dependency("kube-core", None);
        let workspace = Workspace::default()
            .with_file(
                "crates/api/Cargo.toml",
                "[package]\nname = \"kfed-api\"\n[dependencies]\nserde = 1\nkube-core = 1\n",
            )
            .with_file("crates/api/src/lib.rs", "//! ```\n//! serde_json::json!({});\n//! ```\nuse serde::Serialize;\n")
            .with_file("crates/other/src/lib.rs", "use kube_core::Resource;\n")
            .with_packages(vec![package]);
        check(&workspace).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_dependency_that_only_another_crate_uses_is_unused() {
        assert_eq!(check_with(None), ["crates/api/Cargo.toml:5: kfed-api does not use `kube-core`"]);
    }

    #[test]
    fn a_dependency_may_be_there_for_its_features() {
        let metadata = serde_json::json!({ "cargo-machete": { "ignored": ["kube-core"] } });
        assert!(check_with(Some(metadata)).is_empty());
    }
}
