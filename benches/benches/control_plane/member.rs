//! A member: an embedded API server, and a stand-in for the controllers beside it.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Method, Request};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Service as ServiceObject;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kfed_apiserver::ApiServer;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::json;
use tokio::runtime::Handle;
use tower::Service;

/// As many changes as a watch may miss without having to list anew. Each keeps two states of an object.
const HISTORY: usize = 256;

/// A member's API, answering on threads that are not its caller's. Clones are the same.
#[derive(Clone)]
pub(crate) struct Member {
    server: ApiServer,
    /// Of the stand-in.
    inside: Client,
    threads: Handle,
}

// === impl Member ===

impl Member {
    pub(crate) fn new(name: &str, threads: &Handle) -> Self {
        let server = ApiServer::builder().name(name).event_history(HISTORY).build();
        let _guard = threads.enter();
        Self { inside: Client::new(server.clone(), "default"), server, threads: threads.clone() }
    }

    /// What an onlooker sees it by.
    pub(crate) fn inside(&self) -> Client {
        self.inside.clone()
    }

    /// What the control plane reaches it by.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.clone(), "default")
    }

    /// How many writes have changed something.
    pub(crate) fn writes(&self) -> u64 {
        self.server.writes()
    }

    /// Gives a Service an address, and an endpoint that is ready.
    async fn serve(self, name: String) {
        let services = Api::<ServiceObject>::default_namespaced(self.inside.clone());
        let Ok(service) = services.get(&name).await else { return };
        let has_address = |service: &ServiceObject| {
            service.status.as_ref()?.load_balancer.as_ref()?.ingress.as_ref().map(|all| !all.is_empty())
        };
        if has_address(&service) == Some(true) {
            return;
        }
        let slice: EndpointSlice = serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": true}}]
        }))
        .unwrap();
        drop(Api::default_namespaced(self.inside).create(&PostParams::default(), &slice).await);
        let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}});
        services.patch_status(&name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    }

    /// Says that all of a ReplicaSet is ready.
    async fn make_ready(self, name: String) {
        let sets = Api::<ReplicaSet>::default_namespaced(self.inside);
        let Ok(set) = sets.get(&name).await else { return };
        let replicas = set.spec.replicas.unwrap_or(1);
        let generation = set.metadata.generation;
        let is_said = |status: &k8s_openapi::api::apps::v1::ReplicaSetStatus| {
            status.observed_generation == generation && status.ready_replicas.unwrap_or(0) == replicas
        };
        if !set.status.as_ref().is_some_and(is_said) {
            let status = json!({"status": {
                "observedGeneration": generation, "replicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas,
                "fullyLabeledReplicas": replicas,
            }});
            sets.patch_status(&set.name_any(), &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
        }
    }
}

impl<B> Service<Request<B>> for Member
where
    ApiServer: Service<Request<B>, Error = Infallible>,
    <ApiServer as Service<Request<B>>>::Future: Send + 'static,
    <ApiServer as Service<Request<B>>>::Response: Send + 'static,
{
    type Response = <ApiServer as Service<Request<B>>>::Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let workload = applied(&request, "/apis/apps/v1/namespaces/default/replicasets/");
        let service = applied(&request, "/api/v1/namespaces/default/services/");
        let (member, answer) = (self.clone(), self.server.call(request));
        let answer = self.threads.spawn(async move {
            let answer = answer.await;
            if let Some(name) = workload {
                tokio::spawn(member.clone().make_ready(name));
            }
            if let Some(name) = service {
                tokio::spawn(member.serve(name));
            }
            answer
        });
        async {
            match answer.await {
                Ok(answer) => answer,
                // The servers have ended, and whoever asks is about to.
                Err(_) => std::future::pending().await,
            }
        }
        .boxed()
    }
}

/// The object below `path` that `request` writes.
fn applied<B>(request: &Request<B>, path: &str) -> Option<String> {
    let name = request.uri().path().strip_prefix(path)?;
    (*request.method() == Method::PATCH && !name.contains('/')).then(|| name.to_owned())
}
