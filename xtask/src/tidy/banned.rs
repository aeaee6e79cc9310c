//! Crates that must be nowhere in the graph, on no platform and with no feature.

use super::Violation;
use super::workspace::Workspace;

/// Name and reason; `deny.toml` has the same names.
pub(crate) const BANNED: &[(&str, &str)] = &[
    ("aws-lc-rs", "one cryptography library, and it is ring: two make rustls' default ambiguous"),
    ("aws-lc-sys", "needs cmake and a C compiler; ring is the cryptography library"),
    ("libsqlite3-sys", "the store is plain Rust"),
    ("native-tls", "TLS is rustls"),
    ("openssl-sys", "TLS is rustls; nothing may need a system library"),
];

pub(crate) fn check(workspace: &Workspace) -> Vec<Violation> {
    let metadata = &workspace.metadata;
    let banned = |name: &str| BANNED.iter().find(|(banned, _)| *banned == name);
    let found = metadata.packages.iter().filter_map(|package| Some((package, banned(&package.name)?)));
    found
        .map(|(package, (name, reason))| {
            let entry = format!("name = \"{name}\"");
            let line = workspace.file("Cargo.lock").map_or(1, |lock| lock.line_that(|line| line == entry));
            let message = format!("{name} is banned ({reason}); it comes by {}", metadata.way_to(package));
            Violation::new("Cargo.lock", line, message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Package;

    #[test]
    fn a_banned_crate_is_named_with_the_way_it_came() {
        let workspace = Workspace::default()
            .with_file("Cargo.lock", "version = 4\n\n[[package]]\nname = \"openssl-sys\"\n")
            .with_packages(vec![
                Package::member("kfed").with_dependency("reqwest", Some("dev")),
                Package::foreign("reqwest", "MIT").with_dependency("openssl-sys", None),
                Package::foreign("openssl-sys", "MIT"),
                Package::foreign("openssl-probe", "MIT"),
            ]);
        let found: Vec<_> = check(&workspace).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            ["Cargo.lock:4: openssl-sys is banned (TLS is rustls; nothing may need a system library); \
              it comes by kfed → reqwest → openssl-sys"]
        );
    }
}
