//! Making an empty Kubernetes API a federation's: kfed's kinds, its namespace, the `Federation`.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kfed_api::{Cluster, FIELD_MANAGER, FederatedKind, Federation, FederationSpec, SYSTEM_NAMESPACE};
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, CustomResourceExt, ResourceExt};
use serde_json::json;

use crate::effect::{EffectError, within};

/// How often a new kind is looked at until it is served.
const POLL: Duration = Duration::from_millis(50);

/// A federation that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("could not {step} in the federation API: {problem}")]
pub struct BootstrapError {
    /// What was tried.
    step: &'static str,
    /// What came of it.
    problem: String,
}

/// Sees to it that the API behind `federation` holds what a federation needs. What is there already is brought up to date;
/// nothing is ever removed. Each request is given up after `deadline`.
pub async fn bootstrap(
    federation: &Client,
    name: &str,
    spec: FederationSpec,
    deadline: Duration,
) -> Result<(), BootstrapError> {
    let failed = |step| move |error: EffectError| BootstrapError { step, problem: error.to_string() };
    let apply = PatchParams::apply(FIELD_MANAGER).force();

    let crds = Api::<CustomResourceDefinition>::all(federation.clone());
    for crd in [Cluster::crd(), Federation::crd(), FederatedKind::crd()] {
        let name = crd.name_any();
        within(deadline, crds.patch(&name, &apply, &Patch::Apply(&crd)))
            .await
            .map_err(failed("define kfed's kinds"))?;
        let established = async {
            while !is_established(&crds.get(&name).await?) {
                tokio::time::sleep(POLL).await;
            }
            Ok::<_, kube::Error>(())
        };
        within(deadline, established).await.map_err(failed("wait for kfed's kinds to be served"))?;
    }
    let namespaces = Api::<Namespace>::all(federation.clone());
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE}});
    within(deadline, namespaces.patch(SYSTEM_NAMESPACE, &apply, &Patch::Apply(&namespace)))
        .await
        .map_err(failed("create namespace federation-system"))?;

    let federations = Api::<Federation>::all(federation.clone());
    let object = json!({
        "apiVersion": format!("{}/{}", kfed_api::GROUP, kfed_api::VERSION), "kind": "Federation",
        "metadata": {"name": name}, "spec": spec,
    });
    within(deadline, federations.patch(name, &apply, &Patch::Apply(&object)))
        .await
        .map_err(failed("create the Federation"))?;
    Ok(())
}

fn is_established(crd: &CustomResourceDefinition) -> bool {
    let conditions = crd.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Established" && condition.status == "True")
}
