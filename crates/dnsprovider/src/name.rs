//! Names in DNS.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use hickory_proto::rr::Name;
use serde::{Deserialize, Serialize};

/// A fully qualified domain name, in lower case and with its trailing dot (RFC 1035 § 2.3.3: case means nothing). Cheap to clone.
///
/// ```
/// use kfed_dnsprovider::DnsName;
///
/// let name: DnsName = "Hostname.Default.example.com".parse()?;
/// assert_eq!(name.as_str(), "hostname.default.example.com.");
/// assert_eq!(name.relative_to(&"example.com".parse()?), Some("hostname.default"));
/// assert!("a..example.com".parse::<DnsName>().is_err());
/// # Ok::<(), kfed_dnsprovider::InvalidName>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DnsName(Arc<str>);

/// A text that is no domain name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a domain name: {problem}")]
pub struct InvalidName {
    /// The text.
    pub name: String,
    /// What is wrong with it.
    pub problem: String,
}

// === impl DnsName ===

impl DnsName {
    /// The root of all names. Only some records may name it, to say "none" (RFC 2782, RFC 7505), so no text is parsed as it.
    pub fn root() -> Self {
        Self(".".into())
    }

    /// The name with its trailing dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name without its trailing dot, as people and most APIs write it.
    pub fn without_dot(&self) -> &str {
        self.0.strip_suffix('.').unwrap_or(&self.0)
    }

    /// Whether this name is `zone` or below it.
    pub fn is_in(&self, zone: &DnsName) -> bool {
        self.relative_to(zone).is_some()
    }

    /// The labels below `zone`, `"@"` for the zone itself, none outside of it.
    pub fn relative_to(&self, zone: &DnsName) -> Option<&str> {
        match self.0.strip_suffix(&*zone.0)? {
            "" => Some("@"),
            labels => labels.strip_suffix('.'),
        }
    }

    /// The name `relative` below this one; `"@"` is this name itself.
    pub fn child(&self, relative: &str) -> Result<DnsName, InvalidName> {
        match relative {
            "@" => Ok(self.clone()),
            labels => format!("{labels}.{}", self.0).parse(),
        }
    }

    /// The name as hickory's type.
    pub fn to_hickory(&self) -> Name {
        Name::from_ascii(&*self.0).expect("a DnsName was checked when it was made")
    }
}

impl FromStr for DnsName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let invalid = |problem: String| InvalidName { name: text.to_owned(), problem };
        // RFC 1035 § 2.3.4: a label holds 63 octets, a name 255 in wire format, which is 253 characters without the dot.
        let bare = text.strip_suffix('.').unwrap_or(text);
        if bare.is_empty() {
            return Err(invalid("it is empty".into()));
        }
        if bare.len() > 253 {
            return Err(invalid(format!("it has {} characters; at most 253 fit", bare.len())));
        }
        if let Some(label) = bare.split('.').find(|label| label.is_empty() || label.len() > 63) {
            return Err(invalid(format!("label `{label}` has {} characters; 1 to 63 fit", label.len())));
        }
        if let Some(c) = bare.chars().find(|c| !(c.is_ascii_alphanumeric() || "-_*.".contains(*c))) {
            return Err(invalid(format!(
                "`{c}` does not belong in a name; international names are written in punycode"
            )));
        }
        let name = format!("{}.", bare.to_ascii_lowercase());
        Name::from_ascii(&name).map_err(|error| invalid(error.to_string()))?;
        Ok(Self(name.into()))
    }
}

impl From<&Name> for DnsName {
    fn from(name: &Name) -> Self {
        let mut name = name.to_lowercase();
        name.set_fqdn(true);
        Self(name.to_ascii().into())
    }
}

impl From<DnsName> for String {
    fn from(name: DnsName) -> Self {
        (*name.0).to_owned()
    }
}

impl TryFrom<String> for DnsName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_relative_to_its_zone_only_at_a_label_boundary() {
        let zone: DnsName = "example.com.".parse().unwrap();
        let relative = |name: &str| name.parse::<DnsName>().unwrap().relative_to(&zone).map(str::to_owned);
        assert_eq!(relative("a.b.example.com").as_deref(), Some("a.b"));
        assert_eq!(relative("EXAMPLE.com").as_deref(), Some("@"));
        assert_eq!(relative("notexample.com"), None);
    }

    #[test]
    fn limits_of_63_and_253_hold() {
        let label = "x".repeat(63);
        assert!(format!("{label}.com").parse::<DnsName>().is_ok());
        assert!(format!("{label}x.com").parse::<DnsName>().is_err());
        let longest = format!("{label}.{label}.{label}.{}", "x".repeat(61));
        assert_eq!(longest.len(), 253);
        assert!(longest.parse::<DnsName>().is_ok());
        assert!(format!("{longest}x").parse::<DnsName>().is_err());
    }

    #[test]
    fn unicode_is_refused_with_a_hint() {
        let error = "münchen.example.com".parse::<DnsName>().unwrap_err();
        assert!(error.to_string().contains("punycode"), "{error}");
    }
}
