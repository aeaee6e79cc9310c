//! Azure's clouds: where their management API and their authority are.

use url::Url;

/// One of Azure's clouds, or any pair of endpoints that speaks like them: Azure Stack, an emulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cloud {
    /// Its name as `dns.conf` writes it.
    pub name: String,
    /// The management API (Azure Resource Manager), scheme, host and port alone.
    pub resource_manager: Url,
    /// Who gives tokens (Microsoft Entra), scheme, host and port alone.
    pub authority: Url,
    /// What tokens are asked for, where that is not the management API's address: Azure Stack names it apart.
    pub audience: Option<String>,
}

/// Name, other names for it, management API, authority.
struct Known(&'static str, &'static [&'static str], &'static str, &'static str);

/// The other names are those of Azure's SDKs and of `azure.json`.
const KNOWN: [Known; 3] = [
    Known(
        "public",
        &["azurecloud", "azurepublic", "azurepubliccloud"],
        "https://management.azure.com",
        "https://login.microsoftonline.com",
    ),
    Known(
        "china",
        &["azurechina", "azurechinacloud"],
        "https://management.chinacloudapi.cn",
        "https://login.chinacloudapi.cn",
    ),
    Known(
        "usgovernment",
        &["azureusgovernment", "azureusgovernmentcloud", "azuregovernment"],
        "https://management.usgovcloudapi.net",
        "https://login.microsoftonline.us",
    ),
];

/// Names for a cloud that only its endpoints tell.
const CUSTOM: [&str; 2] = ["custom", "azurestackcloud"];

// === impl Cloud ===

impl Cloud {
    /// What may stand behind `cloud =`.
    pub const NAMES: [&'static str; 4] = [KNOWN[0].0, KNOWN[1].0, KNOWN[2].0, CUSTOM[0]];

    /// Azure's public cloud.
    pub fn public() -> Self {
        Self::from_known(&KNOWN[0])
    }

    /// The cloud of that name, whatever its case; none for a custom or an unknown one.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        KNOWN.iter().find(|known| known.0 == name || known.1.contains(&&*name)).map(Self::from_known)
    }

    /// A cloud known by its endpoints.
    pub fn custom(resource_manager: Url, authority: Url) -> Self {
        Self { name: CUSTOM[0].to_owned(), resource_manager, authority, audience: None }
    }

    /// What a token for the management API is asked for.
    pub fn scope(&self) -> String {
        let audience = self.audience.as_deref().unwrap_or(self.resource_manager.as_str());
        format!("{}/.default", audience.trim_end_matches('/'))
    }

    /// Whether the management API is on this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.resource_manager)
    }

    pub(super) fn is_custom(name: &str) -> bool {
        CUSTOM.contains(&&*name.to_ascii_lowercase())
    }

    fn from_known(known: &Known) -> Self {
        let url = |text: &str| Url::parse(text).expect("the table holds URLs");
        Self { name: known.0.to_owned(), resource_manager: url(known.2), authority: url(known.3), audience: None }
    }
}

/// Whether `url`'s host is this machine (RFC 6761 § 6.3 for `localhost`).
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}
