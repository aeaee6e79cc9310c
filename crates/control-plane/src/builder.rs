//! Putting a control plane together.

use std::convert::Infallible;
use std::sync::Arc;

use jiff::Timestamp;
use kfed_cluster_health::{AddressTarget, Probe, ProbeOutcome};
use kfed_dnsprovider::DnsProvider;
use kube::Client;
use tokio_util::sync::CancellationToken;
use tower::util::BoxCloneSyncService;

use crate::connect::{self, MemberConnector};
use crate::resolve::{self, HostResolver};
use crate::{Settings, controller};

/// The wall clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Asks an address whether it serves.
pub type AddressProbe = BoxCloneSyncService<Probe<AddressTarget>, ProbeOutcome, Infallible>;

/// A control plane that is ready to run.
pub struct ControlPlane {
    pub(crate) parts: controller::Parts,
}

/// The parts of a control plane.
pub struct ControlPlaneBuilder {
    federation: Client,
    settings: Settings,
    clock: Clock,
    dns: DnsProvider,
    connector: Option<MemberConnector>,
    address_probe: Option<AddressProbe>,
    resolver: Option<HostResolver>,
}

// === impl ControlPlane ===

impl ControlPlane {
    /// A control plane of the federation API behind `federation`, publishing through `dns`, with time from `clock`.
    pub fn builder(federation: Client, settings: Settings, dns: DnsProvider, clock: Clock) -> ControlPlaneBuilder {
        ControlPlaneBuilder { federation, settings, clock, dns, connector: None, address_probe: None, resolver: None }
    }

    /// Runs until `shutdown`. What is under way then is left as it is: the next start goes on from what it finds.
    pub async fn run(self, shutdown: CancellationToken) {
        controller::run(self.parts, shutdown).await;
    }
}

impl std::fmt::Debug for ControlPlane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ControlPlane").field("settings", &self.parts.settings).finish_non_exhaustive()
    }
}

// === impl ControlPlaneBuilder ===

impl ControlPlaneBuilder {
    /// How members are reached; by default by the kubeconfig in their Secret.
    #[must_use]
    pub fn connector(mut self, connector: MemberConnector) -> Self {
        self.connector = Some(connector);
        self
    }

    /// How addresses are asked whether they serve; by default over TCP and HTTP from here.
    #[must_use]
    pub fn address_probe(mut self, probe: AddressProbe) -> Self {
        self.address_probe = Some(probe);
        self
    }

    /// How the names of load balancers are resolved; by default as this machine resolves names.
    #[must_use]
    pub fn resolver(mut self, resolver: HostResolver) -> Self {
        self.resolver = Some(resolver);
        self
    }

    /// The control plane.
    pub fn build(self) -> ControlPlane {
        let deadline = self.settings.deadline;
        let parts = controller::Parts {
            federation: self.federation,
            clock: self.clock,
            dns: self.dns,
            connector: self.connector.unwrap_or_else(|| connect::by_kubeconfig(deadline)),
            address_probe: self
                .address_probe
                .unwrap_or_else(|| BoxCloneSyncService::new(kfed_cluster_health::AddressProbe::default())),
            resolver: self.resolver.unwrap_or_else(resolve::system),
            settings: self.settings,
        };
        ControlPlane { parts }
    }
}

impl std::fmt::Debug for ControlPlaneBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ControlPlaneBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}
