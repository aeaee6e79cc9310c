//! A control plane with a DNS provider, a layer and a filter of your own, for the federation API of the current context.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use kfed_api::FederationSpec;
use kfed_control_plane::{ControlPlane, Settings, bootstrap::bootstrap};
use kfed_dnsprovider::{DnsError, DnsProvider, ErrorClass, MemoryProvider, Operation, OperationService};
use kfed_replica_scheduler::{Member, Request, Scheduler, Verdict};
use tower::{Layer, Service, ServiceExt};

/// The provider: a service for every operation. This one keeps its zones in memory and tells of each request.
#[derive(Clone)]
struct Told(MemoryProvider);

#[rustfmt::skip]
impl<O: Operation> Service<O> for Told where MemoryProvider: OperationService<O> {
    type Response = O::Response;
    type Error = DnsError;
    type Future = BoxFuture<'static, Result<O::Response, DnsError>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DnsError>> { Poll::Ready(Ok(())) }
    fn call(&mut self, request: O) -> Self::Future {
        tracing::info!(?request);
        Box::pin(self.0.clone().oneshot(request))
    }
}

/// The layer: fits around every operation of any provider. This one lets no change through while a file `freeze` is there.
#[derive(Clone)]
struct Freeze<S = ()>(S);

#[rustfmt::skip]
impl<S> Layer<S> for Freeze {
    type Service = Freeze<S>;
    fn layer(&self, inner: S) -> Freeze<S> { Freeze(inner) }
}

#[rustfmt::skip]
impl<O: Operation, S: OperationService<O>> Service<O> for Freeze<S> {
    type Response = O::Response;
    type Error = DnsError;
    type Future = BoxFuture<'static, Result<O::Response, DnsError>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DnsError>> { Poll::Ready(Ok(())) }
    fn call(&mut self, request: O) -> Self::Future {
        if O::WRITES && std::path::Path::new("freeze").exists() {
            return Box::pin(async { Err(DnsError::new(ErrorClass::Unavailable, O::NAME, "changes are frozen")) });
        }
        Box::pin(self.0.clone().oneshot(request))
    }
}

/// The filter: a function of a workload and a member.
fn not_on_trial(_: &Request<'_>, member: &Member<'_>) -> Verdict {
    let on_trial = member.attributes.is_some_and(|of| of.labels.contains_key("example.com/on-trial"));
    if on_trial { Verdict::reject("on-trial", "it is on trial") } else { Verdict::Allow }
}

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "a binary owns its clock")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = kube::Client::try_default().await?;
    let mut settings = Settings::new("myfederation", "example.com".parse()?);
    settings.scheduler = Arc::new(Scheduler::default().filter(not_on_trial));
    let spec = FederationSpec { dns_zone_name: settings.zone.to_string(), dns_provider: "told".into() };
    bootstrap(&client, &settings.federation, spec, settings.deadline).await?;
    let dns = DnsProvider::new(Told(MemoryProvider::with_zone(settings.zone.clone()))).layer(&Freeze(()));
    ControlPlane::builder(client, settings, dns, Arc::new(jiff::Timestamp::now)).build().run(Default::default()).await;
    Ok(())
}
