//! The checks together: on a planted workspace as cargo sees it, and on this project's own files.

use std::fs;
use std::path::Path;

use super::*;
use crate::metadata::Metadata;

/// Writes a small workspace whose pure crate `kfed-api` depends on a crate named tokio, which depends on OpenSSL under
/// a licence that may not be taken: all of it made here, so that cargo needs no registry.
fn plant(root: &Path) {
    let write = |path: &str, text: &str| {
        let at = root.join(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(at, text).unwrap();
    };
    let manifest = |name: &str, license: &str, dependencies: &str| {
        format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.1\"\nedition = \"2024\"\nlicense = \"{license}\"\n\n\
             [dependencies]\n{dependencies}"
        )
    };
    write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\nexclude = [\"outside\"]\n");
    let tokio = "tokio = { path = \"../../outside/tokio\" }\n";
    write("crates/api/Cargo.toml", &manifest("kfed-api", "Apache-2.0", tokio));
    write("crates/api/src/lib.rs", "pub fn plan() { tokio::go() }\n");
    write("outside/tokio/Cargo.toml", &manifest("tokio", "MIT", "openssl-sys = { path = \"../openssl-sys\" }\n"));
    write("outside/tokio/src/lib.rs", "pub fn go() {}\n");
    write("outside/openssl-sys/Cargo.toml", &manifest("openssl-sys", "GPL-3.0-only", ""));
    write("outside/openssl-sys/src/lib.rs", "\n");
    shell::capture(shell::cargo(["generate-lockfile", "--offline"]).current_dir(root)).unwrap();
}

#[test]
fn planted_violations_are_found_in_a_workspace_as_cargo_sees_it() {
    let root = tempfile::tempdir().unwrap();
    plant(root.path());
    let checks: Vec<&Check> = CHECKS.iter().collect();
    let workspace = load(root.path(), &checks).unwrap();
    let found: Vec<String> = violations(&workspace, &checks)
        .into_iter()
        .map(|(violation, check)| format!("{violation} [{check}]"))
        .collect();
    for expected in [
        "crates/api/Cargo.toml:8: the pure crate kfed-api reaches tokio: kfed-api → tokio [purity]",
        "it comes by kfed-api → tokio → openssl-sys [banned]",
        "openssl-sys 0.0.1 cannot be taken under GPL-3.0-only; it comes by kfed-api → tokio → openssl-sys [licences]",
        "crates/api/Cargo.toml:1: `[lints] workspace = true` is missing [manifests]",
        "crates/api/src/lib.rs:1: does not begin with `//!` and one sentence about the crate [crate_docs]",
        "LICENSE:1: is missing [documents]",
    ] {
        assert!(found.iter().any(|line| line.ends_with(expected)), "{expected} is not in {found:#?}");
    }
    let error = check_all(root.path()).unwrap_err().to_string();
    assert_eq!(error, format!("{} violations", found.len()));
}

#[test]
fn a_stale_lock_file_is_an_error_and_not_quietly_mended() {
    let root = tempfile::tempdir().unwrap();
    plant(root.path());
    fs::remove_file(root.path().join("Cargo.lock")).unwrap();
    let error = Metadata::load(root.path()).unwrap_err().to_string();
    assert!(error.contains("--locked"), "{error}");
}

#[test]
fn the_files_of_this_project_are_tidy() {
    let checks: Vec<&Check> = CHECKS.iter().filter(|check| check.needs == Needs::Files).collect();
    let workspace = load(&shell::root(), &checks).unwrap();
    let found: Vec<String> =
        violations(&workspace, &checks).iter().map(|(violation, _)| violation.to_string()).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn an_unknown_check_is_refused() {
    let error = chosen(&["spelling".to_owned()]).map(drop).unwrap_err().to_string();
    assert!(error.contains("spelling") && error.contains("--list"), "{error}");
}

#[test]
fn a_violation_reads_as_a_place_and_a_message() {
    assert_eq!(Violation::new("src/lib.rs", 3, "too long").to_string(), "src/lib.rs:3: too long");
}
