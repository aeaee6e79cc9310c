//! Putting a control plane together.

use std::convert::Infallible;
use std::sync::Arc;

use jiff::Timestamp;
use kfed_cluster_health::{AddressTarget, Probe, ProbeOutcome};
use kfed_dnsprovider::{DnsProvider, TxtNames};
use kube::Client;
use tokio_util::sync::CancellationToken;
use tower::util::BoxCloneSyncService;

use crate::connect::{self, MemberConnector};
use crate::leader::{self, LeaderElection, Tenure};
use crate::resolve::{self, HostResolver};
use crate::{Settings, controller};

/// The wall clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Asks an address whether it serves.
pub type AddressProbe = BoxCloneSyncService<Probe<AddressTarget>, ProbeOutcome, Infallible>;

/// A control plane that is ready to run.
pub struct ControlPlane {
    parts: controller::Parts,
    election: Option<LeaderElection>,
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
    election: Option<LeaderElection>,
}

// === impl ControlPlane ===

impl ControlPlane {
    /// A control plane of the federation API behind `federation`, publishing through `dns`, with time from `clock`.
    ///
    /// Where `dns` [keeps no metadata](DnsProvider::keeps_metadata) whose the records are is kept in TXT sets; who wants other names for them
    /// gives it a [registry](DnsProvider::with_txt_registry) before.
    pub fn builder(federation: Client, settings: Settings, dns: DnsProvider, clock: Clock) -> ControlPlaneBuilder {
        ControlPlaneBuilder {
            federation,
            settings,
            clock,
            dns: dns.with_txt_registry(TxtNames::default()),
            connector: None,
            address_probe: None,
            resolver: None,
            election: None,
        }
    }

    /// Runs until `shutdown`. What is under way then is left as it is: the next start goes on from what it finds.
    ///
    /// Where an election is held the controllers run while this control plane leads, and start anew when it leads again.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { parts, election } = self;
        let Some(election) = election else { return controller::run(parts, shutdown).await };
        let leases = leader::leases(&parts.federation);
        let work = |tenure| controller::run(parts.clone().within(tenure), shutdown.clone());
        leader::lead(election, leases, parts.clock.clone(), shutdown.clone(), work).await;
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

    /// How it is settled who of several control planes of one federation writes; by default it is not, and there must be one.
    #[must_use]
    pub fn leader_election(mut self, election: LeaderElection) -> Self {
        self.election = Some(election);
        self
    }

    /// The control plane.
    pub fn build(mut self) -> ControlPlane {
        if let Some(election) = &self.election {
            // Else no call would fit into what is left of a lease.
            self.settings.deadline = self.settings.deadline.min(election.longest_call());
        }
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
            tenure: Tenure::for_ever(),
        };
        ControlPlane { parts, election: self.election }
    }
}

impl std::fmt::Debug for ControlPlaneBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ControlPlaneBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}
