//! Rows from `FederatedKind` objects.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use kfed_api::{FederatedKindSpec, MergeRule, keys};

use super::table::{replicas, row};
use super::{Conditions, FEDERATED_KINDS, FederatedKind, Merge, OBSERVED_GENERATION, Own, Replicas, StatusField};

/// What the federation API tells of a kind that it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Served {
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) namespaced: bool,
}

/// What a cluster makes for itself, and what is only of use in the cluster that it is in.
const REFUSED: [(&str, &str); 9] = [
    ("", "Event"),
    ("", "Node"),
    ("", "Endpoints"),
    ("events.k8s.io", "Event"),
    ("coordination.k8s.io", "Lease"),
    ("discovery.k8s.io", "EndpointSlice"),
    ("apps", "ControllerRevision"),
    ("apiregistration.k8s.io", "APIService"),
    ("certificates.k8s.io", "CertificateSigningRequest"),
];

/// What is wrong with an entry, whatever the federation API serves.
pub(crate) fn mistake(spec: &FederatedKindSpec) -> Option<String> {
    let FederatedKindSpec { group, kind, .. } = spec;
    if FEDERATED_KINDS.iter().any(|row| row.group == group && row.kind == kind) {
        return Some(format!("{kind} is built in, and federated already"));
    }
    if group == kfed_api::GROUP || REFUSED.contains(&(group.as_str(), kind.as_str())) {
        return Some(format!("spec.kind: {kind} is what a cluster makes for itself, and is never federated"));
    }
    if kind.is_empty() || !kind.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Some(format!("spec.kind: `{kind}` is no kind: write it as in manifests, such as Rollout"));
    }
    if spec.status.iter().any(|field| field.path == OBSERVED_GENERATION) {
        return Some(format!(
            "spec.status[].path: `{OBSERVED_GENERATION}` counts a member's own changes; write `observedGeneration: true` instead"
        ));
    }
    let replicas = spec.replicas.iter().flat_map(|paths| {
        [
            ("replicas.path", &paths.path, "/spec/"),
            ("replicas.running", &paths.running, "/"),
            ("replicas.ready", &paths.ready, "/"),
        ]
    });
    let status = spec.status.iter().map(|field| ("status[].path", &field.path, "/status/"));
    let sent = spec.never_sent.iter().map(|path| ("neverSent[]", path, "/"));
    let mut paths = replicas.chain(status).chain(sent);
    paths.find_map(|(field, path, begin)| {
        let kept = ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace"];
        if !path.starts_with(begin) || path.len() == begin.len() {
            Some(format!("spec.{field}: `{path}` must be a JSON pointer that begins with {begin}"))
        } else if kept.contains(&path.as_str()) || path == "/metadata" {
            Some(format!("spec.{field}: without `{path}` a member would not know what it is given"))
        } else {
            None
        }
    })
}

/// The row of an entry without mistakes, whose kind is `served` so. Rows last as long as the process, since keys of objects hold
/// them wherever they are: the same entry always gives the same row.
pub(crate) fn custom(spec: &FederatedKindSpec, served: &Served, ending: bool) -> &'static FederatedKind {
    static ROWS: Mutex<BTreeMap<String, &'static FederatedKind>> = Mutex::new(BTreeMap::new());
    let identity = format!("{spec:?} {served:?} {ending}");
    let mut rows = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    rows.entry(identity).or_insert_with(|| Box::leak(Box::new(build(spec, served, ending))))
}

fn build(spec: &FederatedKindSpec, served: &Served, ending: bool) -> FederatedKind {
    let id = match spec.group.as_str() {
        "" => spec.kind.clone(),
        group => format!("{}_{}", spec.kind, group.replace('.', "_")),
    };
    let is_definition = spec.kind == "CustomResourceDefinition";
    let allocated: Vec<_> = spec.never_sent.iter().map(|path| leak(path)).collect();
    let status = spec.status.iter().map(|field| StatusField { path: leak(&field.path), merge: field.merge.into() });
    FederatedKind {
        id: leak(&id),
        // Definitions before what they define.
        rank: if is_definition { 1 } else { 50 },
        namespaced: served.namespaced,
        replicas: spec.replicas.as_ref().map(|paths| Replicas {
            path: leak(&paths.path),
            running: leak(&paths.running),
            ready: leak(&paths.ready),
            ..replicas(keys::PREFERENCES)
        }),
        allocated: Vec::leak(allocated),
        own: if is_definition { const { &[Own::Suffix(".kfed.io")] } } else { &[] },
        status: Vec::leak(status.collect()),
        conditions: if spec.conditions { Conditions::Generation } else { Conditions::Annotation },
        observed: spec.observed_generation,
        ending,
        ..row(leak(&spec.group), leak(&served.version), leak(&spec.kind), leak(&served.plural))
    }
}

fn leak(text: &str) -> &'static str {
    String::leak(text.to_owned())
}

// === impl Merge ===

impl From<MergeRule> for Merge {
    fn from(rule: MergeRule) -> Self {
        match rule {
            MergeRule::Sum => Self::Sum,
            MergeRule::Min => Self::Min,
            MergeRule::Max => Self::Max,
            MergeRule::And => Self::And,
            MergeRule::Union => Self::Union,
            MergeRule::Earliest => Self::Earliest,
            MergeRule::Latest => Self::Latest,
        }
    }
}

#[cfg(test)]
mod tests {
    use kfed_api::{ReplicaPaths, StatusPath};

    use super::*;

    fn spec(group: &str, kind: &str) -> FederatedKindSpec {
        FederatedKindSpec { group: group.into(), kind: kind.into(), ..FederatedKindSpec::default() }
    }

    #[test]
    fn an_entry_says_what_is_wrong_with_it() {
        let rollout = || spec("argoproj.io", "Rollout");
        let with_replicas = |path: &str| FederatedKindSpec {
            replicas: Some(ReplicaPaths { path: path.into(), ..ReplicaPaths::default() }),
            ..rollout()
        };
        let status = vec![StatusPath { path: "/spec/x".into(), merge: MergeRule::Sum }];
        let observed = vec![StatusPath { path: OBSERVED_GENERATION.into(), merge: MergeRule::Min }];
        for (spec, words) in [
            (rollout(), None),
            (with_replicas("/spec/replicas"), None),
            (
                with_replicas("spec.replicas"),
                Some("replicas.path: `spec.replicas` must be a JSON pointer that begins with /spec/"),
            ),
            (FederatedKindSpec { status, ..rollout() }, Some("status[].path: `/spec/x`")),
            (FederatedKindSpec { status: observed, ..rollout() }, Some("write `observedGeneration: true` instead")),
            (FederatedKindSpec { observed_generation: true, ..rollout() }, None),
            (FederatedKindSpec { never_sent: vec!["/metadata/name".into()], ..rollout() }, Some("would not know")),
            (spec("apps", "Deployment"), Some("built in")),
            (spec("", "Event"), Some("never federated")),
            (spec("coordination.k8s.io", "Lease"), Some("never federated")),
            (spec("kfed.io", "Cluster"), Some("never federated")),
            (spec("argoproj.io", "rollouts.argoproj.io"), Some("is no kind")),
        ] {
            let found = mistake(&spec);
            match words {
                Some(words) => assert!(found.as_ref().is_some_and(|found| found.contains(words)), "{found:?}"),
                None => assert_eq!(found, None),
            }
        }
    }

    #[test]
    fn the_same_entry_gives_the_same_row_and_two_kinds_of_one_name_are_two() {
        let served = Served { version: "v1".into(), plural: "services".into(), namespaced: true };
        let service = spec("serving.knative.dev", "Service");
        let row = custom(&service, &served, false);
        assert!(std::ptr::eq(row, custom(&service, &served, false)));
        assert!(custom(&service, &served, true).ending);
        let built_in = FederatedKind::named("Service").unwrap();
        assert_ne!((row, row.id), (built_in, built_in.id));
        assert!(!row.id.contains('.'), "tombstones are told apart by dots");
    }
}
