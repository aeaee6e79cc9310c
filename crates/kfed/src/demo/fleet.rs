//! The embedded parts: each serves on loopback as it would elsewhere, and is reached by its files alone.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;

use kfed_apiserver::ApiServer;
use kfed_apiserver::serve::{self as api_serve, ServeOptions, merge_kubeconfig};
use kfed_azure_emulator::dns::{self, DnsFront};
use kfed_azure_emulator::{AzureEmulator, Limits, serve as azure_serve};
use kfed_cluster_emulator::ClusterEmulator;
use kube::Client;
use kube::config::Kubeconfig;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::manifests;
use super::names::{FEDERATION, Names, RESOURCE_GROUP, ZONE, ZONES};
use super::workplace::Workplace;
use crate::clock::{self, Clock};
use crate::control_plane::{self, Election, Federation, Timings};
use crate::error::Error;
use crate::{kubeconfig, listen, providers};

/// The file that leads to everything over Kubernetes.
const KUBECONFIG: &str = "kubeconfig";
/// The file that leads to the zone.
const DNS_CONF: &str = "dns.conf";
/// The authority that `dns.conf` trusts.
const CA: &str = "azure-ca.pem";

/// What runs.
pub(super) struct Fleet {
    names: Names,
    workplace: Workplace,
    clock: Clock,
    azure: Option<Azure>,
    federation: Option<(ApiServer, api_serve::Serving)>,
    manager: Option<(CancellationToken, JoinHandle<()>)>,
    members: BTreeMap<String, Member>,
}

struct Azure {
    emulator: AzureEmulator,
    arm: azure_serve::Serving,
    front: DnsFront,
}

struct Member {
    cluster: ClusterEmulator,
    serving: kfed_cluster_emulator::Serving,
}

// === impl Fleet ===

impl Fleet {
    /// Nothing runs yet. The manifests are in the directory.
    pub(super) fn new(names: Names, mut workplace: Workplace) -> Result<Self, Error> {
        for manifest in manifests::ALL {
            workplace.write(manifest.file, &manifest.yaml(&names))?;
        }
        let clock = clock::system();
        Ok(Self { names, workplace, clock, azure: None, federation: None, manager: None, members: BTreeMap::new() })
    }

    /// Azure DNS with one zone, and the `dns.conf` that leads there.
    pub(super) async fn start_azure(&mut self, udp: UdpSocket, tcp: TcpListener) -> Result<&AzureEmulator, Error> {
        let [tenant, client] = [guid()?, guid()?];
        let (subscription, secret) = (guid()?, clock::token()?);
        let emulator = AzureEmulator::builder()
            .clock(self.clock.clone())
            .seed(clock::seed()?)
            .subscription(&subscription)
            .tenant(&tenant)
            .client(&client, &secret)
            .limits(Limits::documented())
            .zone(RESOURCE_GROUP, ZONE)
            .build();
        let failed = |error: kfed_azure_emulator::EmulatorError| Error::start("the Azure emulator")(error.into());
        let arm = azure_serve::serve(emulator.clone(), loopback("the Azure emulator")?).await.map_err(failed)?;
        let front = dns::serve(emulator.clone(), udp, tcp).await.map_err(failed)?;
        let url = arm.url();
        self.workplace.write(CA, arm.ca_pem())?;
        self.workplace.write(
            DNS_CONF,
            &format!(
                "[Global]\n\
                 subscription-id = {subscription}\n\
                 tenant-id = {tenant}\n\
                 client-id = {client}\n\
                 secret = {secret}\n\
                 resourceGroup = {RESOURCE_GROUP}\n\
                 resource-manager-endpoint = {url}\n\
                 authority-host = {url}\n\
                 ca-file = {CA}\n"
            ),
        )?;
        Ok(&self.azure.insert(Azure { emulator, arm, front }).emulator)
    }

    /// The federation API, with a kubeconfig that leads there.
    pub(super) async fn start_federation_api(&mut self) -> Result<(), Error> {
        let token = clock::token()?;
        let server = ApiServer::builder()
            .name(FEDERATION)
            .clock(self.clock.clone())
            .seed(clock::seed()?)
            .bearer_token(&token)
            .build();
        let options = ServeOptions { name: FEDERATION.to_owned(), token, ..ServeOptions::default() };
        let listener = loopback("the federation API")?;
        let serving = api_serve::serve(server.clone(), listener, options).await;
        let serving = serving.map_err(|error| Error::start("the federation API")(error.into()))?;
        self.merge(&serving.kubeconfig())?;
        self.federation = Some((server, serving));
        Ok(())
    }

    /// The control plane: all it knows are the kubeconfig and `dns.conf`.
    pub(super) async fn start_control_plane(&mut self, timings: &Timings) -> Result<(), Error> {
        let client = self.client(FEDERATION).await?;
        let federation = Federation {
            federation_name: FEDERATION.to_owned(),
            dns_provider: providers::AZURE.to_owned(),
            dns_provider_config: Some(self.dns_conf()),
            dns_zone_name: ZONE.parse().expect("the demo's zone is a name"),
            dns_fallback: kfed_service_dns::Fallback::Addresses,
        };
        let control_plane =
            control_plane::prepare(client, &federation, timings, &Election::default(), self.clock.clone()).await?;
        let end = CancellationToken::new();
        self.manager = Some((end.clone(), tokio::spawn(control_plane.run(end))));
        Ok(())
    }

    /// A member cluster, with a context in the kubeconfig.
    pub(super) async fn start_member(&mut self, name: &str) -> Result<(), Error> {
        let what = format!("member {name}");
        let failed = |error: kfed_cluster_emulator::EmulatorError| Error::start(&what)(error.into());
        let cluster = ClusterEmulator::builder(name)
            .region(self.names.region(name))
            .zones(ZONES)
            .clock(self.clock.clone())
            .seed(clock::seed()?)
            .bearer_token(clock::token()?);
        let cluster = cluster.start().await.map_err(failed)?;
        let serving = cluster.serve(loopback("a member's API")?).await.map_err(failed)?;
        self.merge(&serving.kubeconfig())?;
        self.members.insert(name.to_owned(), Member { cluster, serving });
        Ok(())
    }

    /// A client by a context of the kubeconfig, as anybody would make it.
    pub(super) async fn client(&self, context: &str) -> Result<Client, Error> {
        kubeconfig::client(self.read_kubeconfig()?, Some(context)).await
    }

    pub(super) fn read_kubeconfig(&self) -> Result<Kubeconfig, Error> {
        kubeconfig::read(&self.kubeconfig())
    }

    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.workplace.path(KUBECONFIG)
    }

    pub(super) fn dns_conf(&self) -> PathBuf {
        self.workplace.path(DNS_CONF)
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.workplace.path("")
    }

    /// Where DNS is answered.
    pub(super) fn dns(&self) -> Option<SocketAddr> {
        self.azure.as_ref().map(|azure| azure.front.addr())
    }

    /// Where the Resource Manager is.
    pub(super) fn arm(&self) -> Option<String> {
        self.azure.as_ref().map(|azure| azure.arm.url())
    }

    pub(super) fn azure(&self) -> Option<&AzureEmulator> {
        self.azure.as_ref().map(|azure| &azure.emulator)
    }

    pub(super) fn member(&self, name: &str) -> Option<&ClusterEmulator> {
        self.members.get(name).map(|member| &member.cluster)
    }

    /// Where a member's API is.
    pub(super) fn member_url(&self, name: &str) -> Option<String> {
        self.members.get(name).map(|member| member.serving.url())
    }

    /// Ends everything, those first that ask others.
    pub(super) async fn stop(self) {
        if let Some((end, task)) = self.manager {
            end.cancel();
            if let Err(error) = task.await {
                tracing::error!(%error, "the control plane ended badly");
            }
        }
        for member in self.members.into_values() {
            // A member that hangs would be waited for.
            member.cluster.set_faults(kfed_cluster_emulator::Faults::default());
            member.serving.shutdown().await;
            member.cluster.stop().await;
        }
        if let Some((_, serving)) = self.federation {
            serving.shutdown().await;
        }
        if let Some(azure) = self.azure {
            if let Err(error) = azure.front.shutdown().await {
                tracing::debug!(%error, "the DNS front ended badly");
            }
            azure.arm.shutdown().await;
        }
    }

    /// Adds a kubeconfig to the one in the directory; the federation, which comes first, stays its current context.
    fn merge(&mut self, new: &str) -> Result<(), Error> {
        let path = self.kubeconfig();
        let existing = crate::files::read(&path)?.unwrap_or_default();
        let merged = merge_kubeconfig(new, &existing);
        let merged = merged.map_err(|source| Error::MergeKubeconfig { path, source: source.into() })?;
        self.workplace.rewrite(KUBECONFIG, &merged).map(drop)
    }
}

fn loopback(what: &'static str) -> Result<TcpListener, Error> {
    listen::tcp(what, ([127, 0, 0, 1], 0).into())
}

/// 128 bits in the form in which Azure writes identifiers.
fn guid() -> Result<String, Error> {
    let digits = clock::token()?;
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    Ok(parts.join("-"))
}
