//! What the script acts on: the parts, the ways to look at them, and what it remembers from step to step.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::time::Duration;

use kfed_azure_emulator::RecordSetView;

use super::fleet::Fleet;
use super::names::{FEDERATION, HOSTNAME, NAMESPACE, Names, ZONE};
use super::observe::{Resolver, eventually};
use super::report::{Reporter, Unmet};
use super::view::{View, spread};
use crate::control_plane::Timings;
use crate::error::Error;

/// How long anything may take that does not wait for probes.
pub(super) const SOON: Duration = Duration::from_secs(20);

/// The stage.
pub(super) struct Stage {
    pub(super) names: Names,
    pub(super) timings: Timings,
    pub(super) fleet: Fleet,
    pub(super) reporter: Reporter,
    /// The DNS front's sockets, until it starts.
    pub(super) sockets: Option<(UdpSocket, TcpListener)>,
    /// Record sets that others have in the zone, as they must stay.
    pub(super) foreign: Vec<RecordSetView>,
    views: BTreeMap<String, View>,
}

// === impl Stage ===

impl Stage {
    pub(super) fn new(
        names: Names,
        timings: Timings,
        fleet: Fleet,
        reporter: Reporter,
        sockets: (UdpSocket, TcpListener),
    ) -> Self {
        let (foreign, views) = (Vec::new(), BTreeMap::new());
        Self { names, timings, fleet, reporter, sockets: Some(sockets), foreign, views }
    }

    /// Gets ready to look through a context of the kubeconfig.
    pub(super) async fn open(&mut self, context: &str) -> Result<(), Error> {
        let client = self.fleet.client(context).await?;
        self.views.insert(context.to_owned(), View { client });
        Ok(())
    }

    pub(super) fn federation(&self) -> View {
        self.view(FEDERATION)
    }

    pub(super) fn view(&self, context: &str) -> View {
        self.views.get(context).cloned().expect("a context is opened by the step that makes it")
    }

    pub(super) fn resolver(&self) -> Resolver {
        Resolver { server: self.fleet.dns().expect("the first step starts the DNS front") }
    }

    /// Waits until something can be seen.
    pub(super) async fn eventually<T>(
        &self,
        expected: &str,
        within: Duration,
        check: impl AsyncFnMut() -> Result<T, String>,
    ) -> Result<T, Unmet> {
        eventually(&self.reporter, expected, within, check).await
    }

    /// Waits until as many pods of `set` are ready in each member as `wanted` says.
    pub(super) async fn pods(&self, set: &str, wanted: &[(&str, usize)], within: Duration) -> Result<(), Unmet> {
        let wanted: BTreeMap<_, _> = wanted.iter().map(|(member, number)| ((*member).to_owned(), *number)).collect();
        let expected = format!("pods of {set} ready: {}", spread(&wanted));
        let check = async || {
            let mut seen = BTreeMap::new();
            for member in wanted.keys() {
                let pods = self.view(member).pods(set).await.map_err(|error| format!("{member}: {error}"))?;
                seen.insert(member.clone(), pods.len());
            }
            if seen == wanted { Ok(()) } else { Err(spread(&seen)) }
        };
        self.eventually(&expected, within, check).await
    }

    /// Waits until the federation tells of `set` that so many of its replicas are there and ready.
    pub(super) async fn status(&self, set: &str, wanted: i32, within: Duration) -> Result<(), Unmet> {
        let expected = format!("status of ReplicaSet {set} in the federation: {wanted}/{wanted} ready");
        let view = self.federation();
        let check = async || {
            let seen = view.replicas(set).await?;
            if (seen.replicas, seen.ready) == (wanted, wanted) {
                return Ok(());
            }
            Err(format!("{}/{} ready", seen.ready, seen.replicas))
        };
        self.eventually(&expected, within, check).await
    }

    /// Waits until a name resolves to exactly these addresses.
    pub(super) async fn resolves(&self, name: &str, wanted: &BTreeSet<IpAddr>, within: Duration) -> Result<(), Unmet> {
        let expected = format!("{name} resolves to {}", addresses(wanted));
        let check = async || {
            let seen = self.resolver().addresses(name).await?;
            if seen == *wanted { Ok(()) } else { Err(addresses(&seen)) }
        };
        self.eventually(&expected, within, check).await
    }

    /// The address that a member's load balancer has for the Service.
    pub(super) fn address(&self, member: &str) -> Result<IpAddr, Unmet> {
        let cluster = self.fleet.member(member);
        let mut addresses = cluster.map(|cluster| cluster.load_balancers().addresses()).unwrap_or_default();
        let address = addresses.remove(&(NAMESPACE.to_owned(), HOSTNAME.to_owned()));
        address
            .map(IpAddr::V4)
            .ok_or_else(|| unmet(format!("{member} has a load balancer for Service {HOSTNAME}"), "it has none"))
    }

    /// What others have in the zone must be as they left it: data, TTL, metadata, version.
    pub(super) fn foreign_untouched(&self) -> Result<usize, Unmet> {
        for before in &self.foreign {
            let azure = self.fleet.azure();
            let now = azure.and_then(|azure| azure.record_set(ZONE, &before.name, before.record_type));
            if now.as_ref() != Some(before) {
                let seen = now.map_or_else(|| "it is gone".to_owned(), |now| format!("{now:?}"));
                return Err(unmet(format!("{before:?} is as it was"), seen));
            }
        }
        Ok(self.foreign.len())
    }
}

/// Something that should have been so.
pub(super) fn unmet(expected: impl Into<String>, seen: impl Into<String>) -> Unmet {
    Unmet { expected: expected.into(), seen: seen.into() }
}

/// An action that should have worked.
pub(super) fn failed(expected: &str) -> impl Fn(String) -> Unmet {
    move |seen| unmet(expected, seen)
}

/// Addresses as people write them.
pub(super) fn addresses(addresses: &BTreeSet<IpAddr>) -> String {
    if addresses.is_empty() {
        return "nothing".to_owned();
    }
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
}
