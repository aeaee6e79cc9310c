//! Pure crates decide; they must not be able to do. So they reach no runtime, no HTTP stack, no Kubernetes client.

use super::Violation;
use super::workspace::{Reached, Workspace};

const UNREACHABLE: &[&str] =
    &["axum", "hyper", "hyper-util", "kube", "kube-client", "kube-runtime", "mio", "reqwest", "tokio", "tower"];

pub(crate) fn check(workspace: &Workspace) -> Vec<Violation> {
    workspace.trees.iter().flat_map(|(name, tree)| reached(workspace, name, tree)).collect()
}

fn reached(workspace: &Workspace, name: &str, tree: &[Reached]) -> Vec<Violation> {
    let mut way: Vec<&str> = Vec::new();
    let mut found: Vec<&str> = Vec::new();
    let mut violations = Vec::new();
    for step in tree {
        way.truncate(step.depth);
        way.push(&step.name);
        if UNREACHABLE.contains(&step.name.as_str()) && !found.contains(&step.name.as_str()) {
            found.push(&step.name);
            let (path, line) = workspace.manifest_line(name, way.get(1).copied().unwrap_or_default());
            let message = format!("the pure crate {name} reaches {}: {}", step.name, way.join(" → "));
            violations.push(Violation::new(path, line, message));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::super::workspace::parse_tree;
    use super::*;

    fn check_tree(tree: &str) -> Vec<String> {
        let manifest =
            "[package]\nname = \"kfed-api\"\n[dependencies]\nserde.workspace = true\nkube-core.workspace = true\n";
        let mut workspace = Workspace::default().with_file("crates/api/Cargo.toml", manifest);
        workspace.trees.insert("kfed-api".into(), parse_tree(tree));
        check(&workspace).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_pure_crate_that_reaches_tokio_is_named_with_the_way_there() {
        assert_eq!(
            check_tree("0kfed-api v0\n1serde v1\n1kube-core v5\n2tower v1\n3tokio v1\n2tokio v1 (*)\n"),
            [
                "crates/api/Cargo.toml:5: the pure crate kfed-api reaches tokio: kfed-api → kube-core → tower → tokio",
                "crates/api/Cargo.toml:5: the pure crate kfed-api reaches tower: kfed-api → kube-core → tower",
            ]
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
        );
    }

    #[test]
    fn kube_core_and_kube_derive_are_allowed() {
        assert!(check_tree("0kfed-api v0\n1kube-core v5\n2http v1\n1kube-derive v5 (proc-macro)\n").is_empty());
    }
}
