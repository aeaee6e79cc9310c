//! What kind of crate each is, and which kinds may depend on which. Since every crate is checked, what holds for direct
//! dependencies holds for all.

use super::Violation;
use super::workspace::Workspace;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Types and planners: no I/O, whatever features are on.
    Pure,
    /// Pure without default features; services and layers behind feature `tower`.
    PureAndTower,
    /// Speaks to something outside.
    Edge,
    /// An edge that implements what the control plane takes as a parameter.
    Provider,
    /// Stands in for something outside.
    Emulator,
    /// Puts parts together, without a concrete provider.
    Wiring,
    /// Chooses the concrete parts.
    Program,
}

/// Every crate of the workspace.
const CRATES: &[(&str, Kind)] = &[
    ("kfed", Kind::Program),
    ("kfed-api", Kind::Pure),
    ("kfed-apiserver", Kind::Edge),
    ("kfed-azure-emulator", Kind::Emulator),
    ("kfed-benches", Kind::Program),
    ("kfed-cluster-emulator", Kind::Emulator),
    ("kfed-cluster-health", Kind::PureAndTower),
    ("kfed-control-plane", Kind::Wiring),
    ("kfed-dnsprovider", Kind::PureAndTower),
    ("kfed-dnsprovider-azure", Kind::Provider),
    ("kfed-replica-scheduler", Kind::Pure),
    ("kfed-service-dns", Kind::Pure),
    ("kfed-tls", Kind::Edge),
    ("xtask", Kind::Program),
];

/// What a program chooses for all that it is made of. Whoever assembles another chooses anew.
const CHOSEN_BY_PROGRAMS: &[&str] = &["mimalloc"];

impl Kind {
    /// Whether a crate of this kind may hand one of that kind to its users. Tests may depend on anything.
    fn may_depend_on(self, other: Self) -> bool {
        match other {
            Self::Pure | Self::PureAndTower => true,
            Self::Edge => !matches!(self, Self::Pure | Self::PureAndTower),
            Self::Provider | Self::Emulator | Self::Wiring => self == Self::Program,
            Self::Program => false,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Pure => "pure",
            Self::PureAndTower => "pure + tower",
            Self::Edge => "edge",
            Self::Provider => "provider",
            Self::Emulator => "emulator",
            Self::Wiring => "wiring",
            Self::Program => "program",
        }
    }
}

pub(crate) fn kind_of(name: &str) -> Option<Kind> {
    CRATES.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

/// Whether the crate has to compile alone without default features.
pub(crate) fn is_pure_without_default_features(name: &str) -> bool {
    matches!(kind_of(name), Some(Kind::Pure | Kind::PureAndTower))
}

pub(crate) fn check(workspace: &Workspace) -> Vec<Violation> {
    let mut violations = Vec::new();
    for package in workspace.metadata.members() {
        let Some(kind) = kind_of(&package.name) else {
            let (path, line) = workspace.manifest_line(&package.name, "name");
            let message = format!("{} has no kind: say in xtask/src/tidy/layers.rs what it is", package.name);
            violations.push(Violation::new(path, line, message));
            continue;
        };
        for dependency in package.normal_dependencies() {
            let Some(other) = kind_of(dependency).filter(|other| !kind.may_depend_on(*other)) else { continue };
            let (path, line) = workspace.manifest_line(&package.name, dependency);
            let message =
                format!("{} ({}) may not depend on {dependency} ({})", package.name, kind.name(), other.name());
            violations.push(Violation::new(path, line, message));
        }
        let chooses = |dependency: &&str| kind != Kind::Program && CHOSEN_BY_PROGRAMS.contains(dependency);
        for dependency in package.normal_dependencies().filter(chooses) {
            let (path, line) = workspace.manifest_line(&package.name, dependency);
            let message =
                format!("{} ({}) may not depend on {dependency}: a program chooses it", package.name, kind.name());
            violations.push(Violation::new(path, line, message));
        }
    }
    let gone = CRATES.iter().filter(|(name, _)| workspace.metadata.member(name).is_none());
    violations.extend(gone.map(|(name, _)| {
        Violation::new("xtask/src/tidy/layers.rs", 1, format!("{name} is listed, but is no crate of the workspace"))
    }));
    violations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Package;

    fn check_with(changed: &Package) -> Vec<String> {
        let others = CRATES.iter().filter(|(name, _)| *name != changed.name).map(|(name, _)| Package::member(name));
        let packages = others.chain([changed.clone()]).collect();
        let workspace = Workspace::default().with_packages(packages);
        check(&workspace).into_iter().map(|violation| violation.message).collect()
    }

    #[test]
    fn each_kind_depends_on_what_it_may() {
        let cases = [
            ("kfed-service-dns", "kfed-dnsprovider", None, true),
            ("kfed-service-dns", "kfed-tls", None, false),
            ("kfed-cluster-emulator", "kfed-apiserver", None, true),
            ("kfed-control-plane", "kfed-dnsprovider", None, true),
            ("kfed-control-plane", "kfed-dnsprovider-azure", None, false),
            ("kfed-control-plane", "kfed-cluster-emulator", None, false),
            ("kfed-control-plane", "kfed-cluster-emulator", Some("dev"), true),
            ("kfed-dnsprovider-azure", "kfed-azure-emulator", None, false),
            ("kfed-dnsprovider-azure", "kfed-azure-emulator", Some("dev"), true),
            ("kfed-apiserver", "kfed-control-plane", None, false),
            ("kfed-benches", "kfed-azure-emulator", None, true),
            ("kfed", "kfed-azure-emulator", None, true),
            ("kfed-benches", "kfed", None, false),
            ("kfed-api", "serde", None, true),
            ("kfed", "mimalloc", None, true),
            ("kfed-control-plane", "mimalloc", None, false),
        ];
        for (name, dependency, kind, allowed) in cases {
            let found = check_with(&Package::member(name).with_dependency(dependency, kind));
            assert_eq!(found.is_empty(), allowed, "{name} on {dependency} ({kind:?}): {found:?}");
        }
    }

    #[test]
    fn a_crate_without_a_kind_is_named() {
        assert_eq!(
            check_with(&Package::member("kfed-utils")),
            ["kfed-utils has no kind: say in xtask/src/tidy/layers.rs what it is"]
        );
    }

    #[test]
    fn a_listed_crate_that_is_gone_is_named() {
        let packages = CRATES.iter().skip(1).map(|(name, _)| Package::member(name)).collect();
        let found = check(&Workspace::default().with_packages(packages));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].message, "kfed is listed, but is no crate of the workspace");
    }
}
