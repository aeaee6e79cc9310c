//! The DNS providers of this program, by the names that `--dns-provider` takes.

use std::path::Path;
use std::time::Duration;

use kfed_dnsprovider::registry::Factory;
use kfed_dnsprovider::{DnsName, DnsProvider, Registry, Zone};
use tokio::time::timeout;

use crate::clock::Clock;
use crate::error::Error;
use crate::memory::MemoryConfig;

/// Federation v1's name of Azure DNS.
pub(crate) const AZURE: &str = "azure-azuredns";
/// A zone in this process, gone with it: to try things out.
pub(crate) const MEMORY: &str = "memory";

/// The longest that the first look at the zone may take.
const FIRST_LOOK: Duration = Duration::from_secs(30);

/// Makes the provider called `name`, and sees to it that it holds `zone`: credentials that are refused and a zone that is not
/// there are told at the start and not by a condition later.
pub(crate) async fn connect(
    name: &str,
    config: Option<&Path>,
    zone: &DnsName,
    clock: &Clock,
) -> Result<(DnsProvider, Zone), Error> {
    let provider = registry(zone, clock)?.create(name, config).await?;
    let failed = |source| Error::Zone { provider: name.to_owned(), source: Box::new(source) };
    let found = timeout(FIRST_LOOK, provider.find_zone(zone)).await;
    let found = found.map_err(|_| {
        let seconds = FIRST_LOOK.as_secs();
        failed(kfed_dnsprovider::DnsError::new(
            kfed_dnsprovider::ErrorClass::Unavailable,
            "list zones",
            format!("no answer within {seconds} s"),
        ))
    })?;
    Ok((provider, found.map_err(failed)?))
}

fn registry(zone: &DnsName, clock: &Clock) -> Result<Registry, Error> {
    let mut registry = Registry::default();
    for flavour in [&kfed_dnsprovider_azure::PUBLIC, &kfed_dnsprovider_azure::PRIVATE] {
        registry.register(flavour.provider, kfed_dnsprovider_azure::factory(flavour, clock.clone()))?;
    }
    registry.register(MEMORY, memory(zone.clone()))?;
    Ok(registry)
}

fn memory(zone: DnsName) -> Factory {
    Box::new(move |config| {
        let config = config.map_or_else(|| Ok(MemoryConfig::default()), MemoryConfig::read);
        let zone = zone.clone();
        Box::pin(async move { Ok(config?.provider(zone)) })
    })
}
