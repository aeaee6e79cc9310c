//! What `cargo metadata` tells about the workspace, as far as it is needed here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::shell::{self, Error, Result};

/// The workspace's packages, all they depend on with every feature on, and who depends on whom.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
    resolve: Resolve,
    pub(crate) target_directory: PathBuf,
}

#[derive(Debug, Default, Clone, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
    pub(crate) features: BTreeMap<String, Vec<String>>,
    /// `[package.metadata]`
    pub(crate) metadata: Option<serde_json::Value>,
}

#[derive(Debug, Default, Clone, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `None` is a normal dependency.
    pub(crate) kind: Option<String>,
    pub(crate) rename: Option<String>,
}

#[derive(Debug, Default, Clone, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    dependencies: Vec<String>,
}

impl Metadata {
    /// Asks cargo, with the lock file as it is.
    pub(crate) fn load(root: &Path) -> Result<Self> {
        let mut command = shell::cargo(["metadata", "--locked", "--all-features", "--format-version", "1"]);
        Self::parse(&shell::capture(command.current_dir(root))?)
    }

    pub(crate) fn parse(json: &str) -> Result<Self> {
        serde_json::from_str(json)
            .map_err(|error| Error::new(format!("cannot read what `cargo metadata` says: {error}")))
    }

    /// The workspace's own crates, by name.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }

    pub(crate) fn member(&self, name: &str) -> Option<&Package> {
        self.members().find(|package| package.name == name)
    }

    pub(crate) fn is_member(&self, package: &Package) -> bool {
        self.workspace_members.contains(&package.id)
    }

    /// A shortest way from a crate of the workspace to a package: `kfed → kube → hyper`.
    pub(crate) fn way_to(&self, package: &Package) -> String {
        let nodes: BTreeMap<&str, &Node> = self.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
        let mut came_from: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        let mut queue: VecDeque<&str> = self.workspace_members.iter().map(String::as_str).collect();
        came_from.extend(queue.iter().map(|id| (*id, None)));
        while let Some(id) = queue.pop_front() {
            for next in nodes.get(id).into_iter().flat_map(|node| &node.dependencies) {
                if !came_from.contains_key(next.as_str()) {
                    came_from.insert(next, Some(id));
                    queue.push_back(next);
                }
            }
        }
        let names: BTreeMap<&str, &str> = self.packages.iter().map(|p| (p.id.as_str(), p.name.as_str())).collect();
        let mut way = Vec::new();
        let mut at = Some(package.id.as_str());
        while let Some(id) = at {
            way.push(names.get(id).copied().unwrap_or(id));
            at = came_from.get(id).copied().flatten();
        }
        way.reverse();
        way.join(" → ")
    }
}

impl Package {
    /// The names of the dependencies that every user of the crate gets.
    pub(crate) fn normal_dependencies(&self) -> impl Iterator<Item = &str> {
        self.dependencies.iter().filter(|dependency| dependency.kind.is_none()).map(|d| d.name.as_str())
    }

    pub(crate) fn has_target(&self, kind: &str) -> bool {
        self.targets.iter().any(|target| target.kind.iter().any(|k| k == kind))
    }

    /// Features that are on by default, directly or through another.
    fn default_features(&self) -> BTreeSet<&str> {
        let mut on = BTreeSet::new();
        let mut queue = vec!["default"];
        while let Some(feature) = queue.pop() {
            if let Some((name, implied)) = self.features.get_key_value(feature)
                && on.insert(name.as_str())
            {
                queue.extend(implied.iter().map(String::as_str));
            }
        }
        on
    }

    /// Features that only who asks for them gets: no ordinary build of the workspace compiles them.
    pub(crate) fn optional_features(&self) -> impl Iterator<Item = &str> {
        let default = self.default_features();
        self.features.keys().map(String::as_str).filter(move |name| !default.contains(name))
    }
}

#[cfg(test)]
impl Metadata {
    /// A graph in memory: `packages` are members unless their version is not `0.0.0`; edges follow the normal
    /// and other dependencies by name.
    pub(crate) fn fake(packages: Vec<Package>) -> Self {
        let nodes = packages
            .iter()
            .map(|p| Node { id: p.id.clone(), dependencies: p.dependencies.iter().map(|d| d.name.clone()).collect() })
            .collect();
        let workspace_members = packages.iter().filter(|p| p.version == "0.0.0").map(|p| p.id.clone()).collect();
        Self { packages, workspace_members, resolve: Resolve { nodes }, target_directory: PathBuf::new() }
    }
}

#[cfg(test)]
impl Package {
    /// A member crate, well formed in everything that metadata tells.
    pub(crate) fn member(name: &str) -> Self {
        Self {
            id: name.into(),
            name: name.into(),
            version: "0.0.0".into(),
            license: Some("Apache-2.0".into()),
            ..Self::default()
        }
    }

    /// A package from a registry.
    pub(crate) fn foreign(name: &str, license: &str) -> Self {
        Self { version: "1.0.0".into(), license: Some(license.into()), ..Self::member(name) }
    }

    pub(crate) fn with_dependency(mut self, name: &str, kind: Option<&str>) -> Self {
        let kind = kind.map(str::to_owned);
        self.dependencies.push(Dependency { name: name.into(), kind, rename: None });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_a_package_is_the_shortest() {
        let metadata = Metadata::fake(vec![
            Package::member("kfed").with_dependency("kube", None).with_dependency("hyper", None),
            Package::foreign("kube", "MIT").with_dependency("hyper", None),
            Package::foreign("hyper", "MIT").with_dependency("openssl-sys", None),
            Package::foreign("openssl-sys", "MIT"),
        ]);
        assert_eq!(metadata.way_to(&metadata.packages[3]), "kfed → hyper → openssl-sys");
    }

    #[test]
    fn optional_features_are_those_no_default_turns_on() {
        let mut package = Package::member("kfed-x");
        for (name, implied) in
            [("default", vec!["tower"]), ("tower", vec!["dep:tower", "retry"]), ("retry", vec![]), ("wasm", vec![])]
        {
            package.features.insert(name.into(), implied.into_iter().map(str::to_owned).collect());
        }
        assert_eq!(package.optional_features().collect::<Vec<_>>(), ["wasm"]);
    }

    #[test]
    fn nonsense_from_cargo_is_an_error() {
        assert!(Metadata::parse("{}").unwrap_err().to_string().contains("packages"));
    }
}
