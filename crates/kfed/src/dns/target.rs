//! Which federation and which zone a verb is about.

use std::path::PathBuf;
use std::time::Duration;

use kfed_control_plane::published::{federation, read};
use kfed_dnsprovider::{DnsName, Owner, ZoneCache};
use kfed_service_dns::FederationView;
use kube::ResourceExt;

use crate::control_plane::{label, zone};
use crate::error::Error;
use crate::kubeconfig::Place;
use crate::{clock, providers};

/// The zone is read once, and what is written is known from then on.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

/// Which federation, and where its zone is
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Target {
    #[command(flatten)]
    place: Place,
    /// The federation's name [default: that of the Federation in its API]
    #[arg(long, value_name = "NAME", value_parser = label)]
    federation_name: Option<String>,
    /// The zone [default: as the Federation says]
    #[arg(long, visible_alias = "zone", value_name = "ZONE", value_parser = zone)]
    dns_zone_name: Option<DnsName>,
    /// The DNS provider [default: as the Federation says]
    #[arg(long, value_name = "NAME")]
    dns_provider: Option<String>,
    /// The provider's configuration, a file in the form of dns.conf
    #[arg(long, value_name = "FILE")]
    dns_provider_config: Option<PathBuf>,
}

/// The flags of [`Target`], for verbs that do without under some other flag.
pub(super) const FLAGS: [&str; 6] =
    ["kubeconfig", "context", "federation_name", "dns_zone_name", "dns_provider", "dns_provider_config"];

/// A zone, and what it holds.
pub(super) struct Reached {
    pub(super) owner: Owner,
    pub(super) cache: ZoneCache,
}

/// A federation as its API tells of it, and its zone.
pub(super) struct Both {
    pub(super) view: FederationView,
    pub(super) cache: ZoneCache,
}

// === impl Target ===

impl Target {
    /// The zone alone. The federation API is asked for what no flag tells.
    pub(super) async fn zone(&self) -> Result<Reached, Error> {
        if let (Some(name), Some(zone)) = (&self.federation_name, &self.dns_zone_name) {
            let provider = self.dns_provider.as_deref().unwrap_or(providers::AZURE);
            return Ok(Reached { owner: Owner(name.clone()), cache: self.connect(provider, zone).await? });
        }
        let client = self.place.client().await.map_err(|source| Error::NoFederation { source: Box::new(source) })?;
        let federation = federation(&client).await?;
        let spec = &federation.spec;
        let name = self.federation_name.clone().unwrap_or_else(|| federation.name_any());
        let zone = self.dns_zone_name.clone().map_or_else(|| name_of_zone(&spec.dns_zone_name), Ok)?;
        let provider = self.dns_provider.as_deref().unwrap_or(&spec.dns_provider);
        Ok(Reached { owner: Owner(name), cache: self.connect(provider, &zone).await? })
    }

    /// The federation and its zone. Flags that say otherwise than the Federation are refused: what is not its zone holds none of its
    /// names, and everything would look wrong.
    pub(super) async fn both(&self) -> Result<Both, Error> {
        let client = self.place.client().await.map_err(|source| Error::NoFederation { source: Box::new(source) })?;
        let known = read(&client).await?;
        let (name, spec) = (known.federation.name_any(), &known.federation.spec);
        let zone = name_of_zone(&spec.dns_zone_name)?;
        let said = [
            ("--federation-name", self.federation_name.clone(), name.clone()),
            (
                "--dns-zone-name",
                self.dns_zone_name.as_ref().map(|z| z.without_dot().to_owned()),
                spec.dns_zone_name.clone(),
            ),
            ("--dns-provider", self.dns_provider.clone(), spec.dns_provider.clone()),
        ];
        for (flag, said, is) in said {
            if let Some(said) = said.filter(|said| !said.eq_ignore_ascii_case(is.trim_end_matches('.'))) {
                return Err(Error::OtherFederation { flag, said, federation: name, is });
            }
        }
        let cache = self.connect(&spec.dns_provider, &zone).await?;
        let view = known.view(cache.zone(), cache.snapshot());
        Ok(Both { view, cache })
    }

    async fn connect(&self, provider: &str, zone: &DnsName) -> Result<ZoneCache, Error> {
        if provider == providers::MEMORY {
            return Err(Error::MemoryZone);
        }
        let config = self.dns_provider_config.as_deref();
        let (dns, found) = providers::connect(provider, config, zone, &clock::system()).await?;
        let mut cache = ZoneCache::new(dns, found, NEVER);
        cache
            .refresh()
            .await
            .map_err(|source| Error::Zone { provider: provider.to_owned(), source: Box::new(source) })?;
        Ok(cache)
    }
}

fn name_of_zone(text: &str) -> Result<DnsName, Error> {
    zone(text).map_err(|problem| Error::FederationZone { zone: text.to_owned(), problem })
}
