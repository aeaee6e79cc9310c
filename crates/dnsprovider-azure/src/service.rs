//! Azure DNS as `tower` services, and the whole provider made of them.

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use kfed_dnsprovider::layer::{Settings, stack};
use kfed_dnsprovider::operation::Operation;
use kfed_dnsprovider::registry::Factory;
use kfed_dnsprovider::{
    DeleteRecordSet, DnsError, DnsProvider, ErrorClass, GetRecordSet, ListRecordSets, ListZones, Page, PutRecordSet,
    RecordSet, Zone,
};
use tower::Service;

use crate::Clock;
use crate::arm::{Arm, PUBLIC, ZoneFlavour};
use crate::config::{AzureConfig, Credential, is_loopback};
use crate::token::TokenSource;
use crate::transport::{HttpService, Leaf, LeafError, LeafOptions, http_service};

/// Azure DNS: a `tower` service for each operation of [`kfed_dnsprovider`]. Cloning is cheap; clones share one token and one pool of
/// connections.
///
/// Each call is one request, without retries, waits or limits: those are layers, and [`AzureDns::into_provider`] puts them on.
#[derive(Clone)]
pub struct AzureDns {
    arm: Arc<Arm>,
}

/// Azure cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No configuration file is named.
    #[error("DNS provider `{provider}` needs a configuration file")]
    NoConfig {
        /// The provider's name.
        provider: &'static str,
    },
    /// TLS cannot be set up.
    #[error("cannot set up the way to Azure")]
    Transport(#[source] LeafError),
    /// The credentials are refused.
    #[error("cannot sign in to Azure")]
    Authenticate(#[source] DnsError),
}

/// What answers for one operation.
trait Answer: Operation {
    fn answer(self, arm: &Arm) -> impl Future<Output = Result<Self::Response, DnsError>> + Send;
}

/// Public zones of Azure, ready to use: the services within deadlines, retries and Azure's documented limits.
///
/// A token is asked for at once, so that wrong credentials are found before anything is planned by them. An authority that cannot be
/// reached is no error here: it may come back, and every operation says so meanwhile.
///
/// # Errors
/// [`ConnectError`] when TLS cannot be set up, or when the credentials are refused.
pub async fn connect(config: &AzureConfig, clock: Clock) -> Result<DnsProvider, ConnectError> {
    connect_to(&PUBLIC, config, clock).await
}

/// The same for zones of any kind.
///
/// # Errors
/// As [`connect`].
pub async fn connect_to(
    flavour: &'static ZoneFlavour,
    config: &AzureConfig,
    clock: Clock,
) -> Result<DnsProvider, ConnectError> {
    let azure = AzureDns::of(flavour, config, clock).map_err(ConnectError::Transport)?;
    match azure.authenticate().await {
        Err(error) if !matches!(error.class, ErrorClass::Unavailable | ErrorClass::Throttled) => {
            Err(ConnectError::Authenticate(error))
        }
        Err(error) => {
            tracing::warn!(%error, "cannot sign in to Azure yet");
            Ok(azure.into_provider())
        }
        Ok(()) => Ok(azure.into_provider()),
    }
}

/// Makes a provider of `flavour` from the `dns.conf` that is named, for [`Registry::register`](kfed_dnsprovider::Registry::register)
/// under [`ZoneFlavour::provider`]. Warnings about the file are logged.
///
/// It fails with a [`ConfigError`](crate::ConfigError) or a [`ConnectError`], in a box.
pub fn factory(flavour: &'static ZoneFlavour, clock: Clock) -> Factory {
    Box::new(move |path| {
        let (path, clock) = (path.map(Path::to_path_buf), clock.clone());
        Box::pin(async move {
            let path = path.ok_or(ConnectError::NoConfig { provider: flavour.provider })?;
            let (config, warnings) = AzureConfig::read(&path)?;
            for warning in &warnings {
                tracing::warn!("{warning}");
            }
            Ok(connect_to(flavour, &config, clock).await?)
        })
    })
}

// === impl AzureDns ===

impl AzureDns {
    /// Public zones over the network, by `config`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`LeafError`] when TLS cannot be set up.
    pub fn new(config: &AzureConfig, clock: Clock) -> Result<Self, LeafError> {
        Self::of(&PUBLIC, config, clock)
    }

    /// Zones of any kind over the network.
    ///
    /// # Errors
    /// [`LeafError`] when TLS cannot be set up.
    pub fn of(flavour: &'static ZoneFlavour, config: &AzureConfig, clock: Clock) -> Result<Self, LeafError> {
        // A proxy is no way to this machine itself, and none to a managed identity, which lives on a link-local address.
        let local = config.cloud.is_loopback() && is_loopback(&config.cloud.authority);
        let options = LeafOptions { ca: config.ca.clone(), proxy: !local, ..LeafOptions::default() };
        let network = http_service(Leaf::new(&options)?);
        let tokens = match config.credential {
            Credential::ManagedIdentity { .. } => http_service(Leaf::new(&LeafOptions { proxy: false, ..options })?),
            _ => network.clone(),
        };
        Ok(Self::build(flavour, config, network, tokens, clock))
    }

    /// Zones of any kind over `http`, which tokens are asked through too: a network with layers of its own, or an emulator in this
    /// process.
    pub fn over(flavour: &'static ZoneFlavour, config: &AzureConfig, http: HttpService, clock: Clock) -> Self {
        Self::build(flavour, config, http.clone(), http, clock)
    }

    /// Asks for a token, if there is none that is good: whether the credentials are right can be known without touching a zone.
    ///
    /// # Errors
    /// [`DnsError`], of class `Unauthenticated` when the credentials are refused.
    pub async fn authenticate(&self) -> Result<(), DnsError> {
        self.arm.tokens().token().await.map(drop).map_err(|error| error.into_dns("authenticate"))
    }

    /// Which kind of zones this is.
    pub fn flavour(&self) -> &'static ZoneFlavour {
        self.arm.flavour()
    }

    /// What the usual stack of layers goes by: Azure's documented limits, and a seed off the clock, so that two who start at different
    /// times do not retry in step.
    pub fn settings(&self) -> Settings {
        let seed = self.arm.now().as_microsecond().unsigned_abs();
        Settings { limits: self.flavour().limits(), seed, ..Settings::default() }
    }

    /// The provider as [`connect`] returns it: these services in the [usual stack](kfed_dnsprovider::layer::stack) of layers.
    pub fn into_provider(self) -> DnsProvider {
        let settings = self.settings();
        stack(DnsProvider::new(self), &settings).0
    }

    fn build(
        flavour: &'static ZoneFlavour,
        config: &AzureConfig,
        http: HttpService,
        tokens: HttpService,
        clock: Clock,
    ) -> Self {
        let tokens = TokenSource::new(config, tokens, clock.clone());
        Self { arm: Arc::new(Arm::new(config, flavour, http, tokens, clock)) }
    }
}

impl<O: Answer> Service<O> for AzureDns {
    type Response = O::Response;
    type Error = DnsError;
    type Future = BoxFuture<'static, Result<O::Response, DnsError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DnsError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, operation: O) -> Self::Future {
        let arm = Arc::clone(&self.arm);
        Box::pin(async move {
            let zone = operation.zone().cloned();
            operation.answer(&arm).await.map_err(|error| arm.locate(error, zone.as_ref()))
        })
    }
}

impl Answer for ListZones {
    async fn answer(self, arm: &Arm) -> Result<Vec<Zone>, DnsError> {
        arm.list_zones(&self).await
    }
}

impl Answer for ListRecordSets {
    async fn answer(self, arm: &Arm) -> Result<Page<RecordSet>, DnsError> {
        arm.list_record_sets(&self).await
    }
}

impl Answer for GetRecordSet {
    async fn answer(self, arm: &Arm) -> Result<Option<RecordSet>, DnsError> {
        arm.get_record_set(&self).await
    }
}

impl Answer for PutRecordSet {
    async fn answer(self, arm: &Arm) -> Result<RecordSet, DnsError> {
        arm.put_record_set(&self).await
    }
}

impl Answer for DeleteRecordSet {
    async fn answer(self, arm: &Arm) -> Result<(), DnsError> {
        arm.delete_record_set(&self).await
    }
}

impl fmt::Debug for AzureDns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AzureDns").field(&self.arm).finish()
    }
}
