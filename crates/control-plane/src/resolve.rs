//! What the name of a load balancer leads to: a `tower` service that tests replace.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use kfed_dnsprovider::DnsName;
use tokio::sync::OnceCell;
use tower::BoxError;
use tower::util::BoxCloneSyncService;

/// Asks what a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolveHost {
    /// The name.
    pub host: DnsName,
}

/// What a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// Its addresses; none is no good answer.
    pub addresses: BTreeSet<IpAddr>,
    /// How long they are good for.
    pub ttl: Duration,
}

/// Resolves names.
pub type HostResolver = BoxCloneSyncService<ResolveHost, Resolution, BoxError>;

/// Resolves names as this machine does (`/etc/resolv.conf`, `/etc/hosts`), without a cache: whoever asks minds the TTL.
pub fn system() -> HostResolver {
    let resolver = Arc::new(OnceCell::new());
    BoxCloneSyncService::new(tower::service_fn(move |ResolveHost { host }| {
        let resolver: Arc<OnceCell<TokioResolver>> = resolver.clone();
        async move {
            let resolver = resolver.get_or_try_init(async || build()).await?;
            let answer = resolver.lookup_ip(host.to_hickory()).await?;
            let ttl = answer.as_lookup().answers().iter().map(|record| record.ttl).min().unwrap_or(0);
            Ok(Resolution { addresses: answer.iter().collect(), ttl: Duration::from_secs(ttl.into()) })
        }
    }))
}

fn build() -> Result<TokioResolver, BoxError> {
    let mut builder = TokioResolver::builder_tokio()?;
    let options = builder.options_mut();
    options.cache_size = 0;
    // The TTLs of the CNAMEs on the way count too.
    options.preserve_intermediates = true;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    Ok(builder.build()?)
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt;

    use super::*;

    /// The one name that every machine knows, and that no server is asked for (RFC 6761 § 6.3).
    #[tokio::test]
    async fn this_machines_own_name_is_resolved_as_this_machine_does() {
        let host = "localhost".parse().unwrap();
        let resolution = system().oneshot(ResolveHost { host }).await.unwrap();
        assert!(resolution.addresses.iter().all(|address| address.is_loopback()), "{resolution:?}");
        assert!(!resolution.addresses.is_empty());
    }
}
