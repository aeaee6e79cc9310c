use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{
    AzureEmulator, Clock, DEFAULT_SUBSCRIPTION, EmulatorError, Faults, Limits, Requests, ZoneKind,
    arm::operations::Operations,
    clock,
    entra::{Certificate, Client, Entra},
    ids::Ids,
    limits::Throttle,
    model::{
        store::Store,
        zone::{Zone, ZoneKey},
    },
    state::{Quotas, State},
};

/// Sets up an [`AzureEmulator`].
#[must_use]
pub struct AzureEmulatorBuilder {
    clock: Option<Clock>,
    seed: u64,
    subscriptions: Vec<String>,
    tenants: Vec<String>,
    clients: Vec<Client>,
    groups: Vec<(String, String)>,
    zones: Vec<(ZoneKind, String, String, String)>,
    limits: Limits,
    token_lifetime: Duration,
    operation_time: Duration,
    checks_bearers: bool,
}

impl Default for AzureEmulatorBuilder {
    fn default() -> Self {
        Self {
            clock: None,
            seed: 0,
            subscriptions: Vec::new(),
            tenants: Vec::new(),
            clients: Vec::new(),
            groups: Vec::new(),
            zones: Vec::new(),
            limits: Limits::none(),
            token_lifetime: Duration::from_secs(86_399),
            operation_time: Duration::ZERO,
            checks_bearers: true,
        }
    }
}

impl AzureEmulatorBuilder {
    /// The clock that stamps and expires tokens. By default one that starts in 2026 and advances with `tokio::time`.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// What etags, tokens, request ids and chances are derived from; 0 by default.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// A subscription. Groups and zones added after it belong to it; before the first they belong to
    /// [`DEFAULT_SUBSCRIPTION`].
    pub fn subscription(mut self, id: impl Into<String>) -> Self {
        self.subscriptions.push(id.into());
        self
    }

    /// A tenant. Without one, tokens are given out under any tenant's name.
    pub fn tenant(mut self, id: impl Into<String>) -> Self {
        self.tenants.push(id.into());
        self
    }

    /// An application and its secret. Without one, any application gets a token for any secret but an empty one.
    pub fn client(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        let (id, secret) = (id.into(), secret.into());
        self.client_entry(id).secrets.push(secret);
        self
    }

    /// An application and the certificate, in PEM, whose key signs its assertions. Several may be given, for one application too.
    ///
    /// # Errors
    /// [`EmulatorError::ClientCertificate`] when `pem` holds no X.509 certificate with an RSA key.
    pub fn client_certificate(mut self, id: impl Into<String>, pem: &str) -> Result<Self, EmulatorError> {
        let certificate = Certificate::from_pem(pem)?;
        self.client_entry(id.into()).certificates.push(certificate);
        Ok(self)
    }

    /// A resource group of the last named subscription.
    pub fn resource_group(mut self, name: impl Into<String>) -> Self {
        let subscription = self.current_subscription();
        self.groups.push((subscription, name.into()));
        self
    }

    /// A public zone in a resource group, which is made with it where needed.
    pub fn zone(self, resource_group: impl Into<String>, zone: impl Into<String>) -> Self {
        self.add_zone(ZoneKind::Public, resource_group.into(), zone.into())
    }

    /// A private zone in a resource group, which is made with it where needed.
    pub fn private_zone(self, resource_group: impl Into<String>, zone: impl Into<String>) -> Self {
        self.add_zone(ZoneKind::Private, resource_group.into(), zone.into())
    }

    /// How many requests are served before a 429; [`Limits::none`] by default.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How long a token is good for; a day by default.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = lifetime;
        self
    }

    /// How long an asynchronous operation stays `InProgress`; zero by default.
    pub fn operation_time(mut self, time: Duration) -> Self {
        self.operation_time = time;
        self
    }

    /// Serves ARM without asking for a token.
    pub fn without_authentication(mut self) -> Self {
        self.checks_bearers = false;
        self
    }

    /// The emulator, with a subscription at least.
    pub fn build(self) -> AzureEmulator {
        let mut store = Store::default();
        let mut ids = Ids::new(self.seed);
        store.add_subscription(&self.current_subscription());
        for subscription in &self.subscriptions {
            store.add_subscription(subscription);
        }
        let location = "global";
        for (subscription, group) in &self.groups {
            let subscription = store.add_subscription(subscription);
            subscription.add_group(group, location, Default::default());
        }
        for (kind, subscription, group, zone) in self.zones {
            let group =
                store.add_subscription(&subscription).add_group(&group, location, Default::default()).name.clone();
            let key = ZoneKey {
                kind,
                subscription: subscription.to_ascii_lowercase(),
                group: group.to_ascii_lowercase(),
                name: zone.trim_end_matches('.').to_ascii_lowercase(),
            };
            store.zones.entry(key.clone()).or_insert_with(|| Zone::new(key, group, Default::default(), &mut ids));
        }
        let mut entra = Entra::new(self.clock.unwrap_or_else(clock::simulated));
        entra.tenants = self.tenants;
        entra.clients = self.clients;
        entra.lifetime = self.token_lifetime;
        entra.checks_bearers = self.checks_bearers;
        let state = State {
            store,
            entra,
            ids,
            operations: Operations::new(self.operation_time),
            throttle: Throttle::new(self.limits),
            quotas: Quotas::default(),
            faults: Faults::none(),
            requests: Requests::default(),
        };
        AzureEmulator { state: Arc::new(Mutex::new(state)) }
    }

    fn client_entry(&mut self, id: String) -> &mut Client {
        let at = self.clients.iter().position(|client| client.id == id).unwrap_or_else(|| {
            self.clients.push(Client::named(id));
            self.clients.len() - 1
        });
        &mut self.clients[at]
    }

    fn add_zone(mut self, kind: ZoneKind, group: String, zone: String) -> Self {
        let subscription = self.current_subscription();
        self.zones.push((kind, subscription, group, zone));
        self
    }

    fn current_subscription(&self) -> String {
        self.subscriptions.last().map_or(DEFAULT_SUBSCRIPTION, String::as_str).to_owned()
    }
}

impl fmt::Debug for AzureEmulatorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureEmulatorBuilder")
            .field("seed", &self.seed)
            .field("subscriptions", &self.subscriptions)
            .field("tenants", &self.tenants)
            .field("clients", &self.clients)
            .field("zones", &self.zones)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
