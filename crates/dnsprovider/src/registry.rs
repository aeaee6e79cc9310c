//! Providers by name: `--dns-provider=NAME` on a command line chooses one of those that the binary registered.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use futures::future::BoxFuture;

use crate::provider::DnsProvider;

/// What a factory may fail with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Makes a provider from its configuration file, if one was given.
pub type Factory =
    Box<dyn Fn(Option<&Path>) -> BoxFuture<'static, Result<DnsProvider, BoxError>> + Send + Sync + 'static>;

/// The providers that there are.
///
/// ```
/// use kfed_dnsprovider::{DnsProvider, MemoryProvider, Registry};
///
/// let mut registry = Registry::default();
/// registry.register("memory", Box::new(|_config| {
///     Box::pin(async { Ok(DnsProvider::new(MemoryProvider::with_zone("example.com".parse()?))) })
/// }))?;
/// assert!(registry.get("memory").is_ok());
/// assert_eq!(
///     registry.get("azure").err().unwrap().to_string(),
///     "there is no DNS provider `azure`; there are: memory",
/// );
/// # Ok::<(), kfed_dnsprovider::registry::RegistryError>(())
/// ```
#[derive(Default)]
pub struct Registry {
    factories: BTreeMap<String, Factory>,
}

/// Why there is no provider.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Two providers want one name.
    #[error("a DNS provider `{name}` is registered already")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// Nobody has the name.
    #[error("there is no DNS provider `{name}`; there are: {}", .known.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// The provider could not be made from its configuration.
    #[error("could not set up DNS provider `{name}`")]
    Setup {
        /// The provider's name.
        name: String,
        /// Why.
        #[source]
        source: BoxError,
    },
}

// === impl Registry ===

impl Registry {
    /// Adds a provider. A name that is taken is an error.
    pub fn register(&mut self, name: impl Into<String>, factory: Factory) -> Result<(), RegistryError> {
        let name = name.into();
        if self.factories.contains_key(&name) {
            return Err(RegistryError::Duplicate { name });
        }
        self.factories.insert(name, factory);
        Ok(())
    }

    /// The factory of that name. An unknown name is an error that lists the known ones.
    pub fn get(&self, name: &str) -> Result<&Factory, RegistryError> {
        self.factories.get(name).ok_or_else(|| RegistryError::Unknown {
            name: name.to_owned(),
            known: self.names().map(str::to_owned).collect(),
        })
    }

    /// The names that there are, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.factories.keys().map(String::as_str)
    }

    /// The provider of that name, made from its configuration file.
    pub async fn create(&self, name: &str, config: Option<&Path>) -> Result<DnsProvider, RegistryError> {
        let making = self.get(name)?(config);
        making.await.map_err(|source| RegistryError::Setup { name: name.to_owned(), source })
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.factories.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryProvider;

    fn memory() -> Factory {
        Box::new(|config| {
            let config = config.map(Path::to_path_buf);
            Box::pin(async move {
                match config {
                    Some(_) => Err("the memory provider reads no configuration".into()),
                    None => Ok(DnsProvider::new(MemoryProvider::with_zone("example.com".parse()?))),
                }
            })
        })
    }

    #[test]
    fn a_name_is_taken_once() {
        let mut registry = Registry::default();
        registry.register("memory", memory()).unwrap();
        let error = registry.register("memory", memory()).unwrap_err();
        assert_eq!(error.to_string(), "a DNS provider `memory` is registered already");
        assert_eq!(registry.names().collect::<Vec<_>>(), ["memory"]);
    }

    #[tokio::test]
    async fn a_provider_is_made_by_name_and_its_failure_is_the_cause() {
        let mut registry = Registry::default();
        registry.register("memory", memory()).unwrap();
        let provider = registry.create("memory", None).await.unwrap();
        assert_eq!(provider.list_zones(None).await.unwrap().len(), 1);

        let error = registry.create("memory", Some(Path::new("dns.conf"))).await.unwrap_err();
        assert_eq!(error.to_string(), "could not set up DNS provider `memory`");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(cause, "the memory provider reads no configuration");

        let error = registry.create("route53", None).await.unwrap_err();
        assert!(matches!(&error, RegistryError::Unknown { known, .. } if known == &["memory"]), "{error}");
    }
}
