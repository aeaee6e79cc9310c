//! The names of a service: one for all of it, one a region, one a zone.

use std::fmt;

use kfed_dnsprovider::{DnsName, InvalidName};
use serde::{Deserialize, Serialize};

/// How services are named: `<service>.<namespace>.<federation>.svc[.<zone>.<region> | .<region>].<suffix>`.
///
/// ```
/// use kfed_service_dns::{Level, Naming};
///
/// let naming = Naming { federation: "myfederation".into(), zone: "example.com".parse()? };
/// let name = naming.name("default", "hostname", Level::Zone { zone: "0", region: "westus" })?;
/// assert_eq!(name.without_dot(), "hostname.default.myfederation.svc.0.westus.example.com");
/// # Ok::<(), kfed_dnsprovider::InvalidName>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Naming {
    /// The federation's name, one label.
    pub federation: String,
    /// What every name ends in: the DNS zone, or a name below it.
    pub zone: DnsName,
}

/// Which part of a federation a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level<'a> {
    /// All members.
    Global,
    /// The members of a region.
    Region(&'a str),
    /// The members with nodes in a zone.
    Zone {
        /// The zone.
        zone: &'a str,
        /// The zone's region. Zones of one name in two regions are two zones.
        region: &'a str,
    },
}

// === impl Naming ===

impl Naming {
    /// The name of a service at a level.
    ///
    /// Every part is one label of letters, digits, `-` and `_` that begins and ends with a letter or digit: regions and zones come
    /// from members, and a dot or an asterisk in one would be another name than it seems. Labels hold at most 63 characters,
    /// names 253 (RFC 1035 § 2.3.4).
    pub fn name(&self, namespace: &str, service: &str, level: Level<'_>) -> Result<DnsName, InvalidName> {
        let mut labels = vec![service, namespace, &self.federation, "svc"];
        match level {
            Level::Global => {}
            Level::Region(region) => labels.push(region),
            Level::Zone { zone, region } => labels.extend([zone, region]),
        }
        let name = format!("{}.{}", labels.join("."), self.zone);
        if let Some(label) = labels.iter().find(|label| !is_label(label)) {
            let problem =
                format!("`{label}` is no label: letters, digits, `-` and `_`, with a letter or digit at both ends");
            return Err(InvalidName { name, problem });
        }
        name.parse()
    }
}

fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let [Some(first), Some(last)] = [bytes.first(), bytes.last()] else { return false };
    first.is_ascii_alphanumeric()
        && last.is_ascii_alphanumeric()
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(b))
}

// === impl Level ===

impl<'a> Level<'a> {
    /// The level that answers for this one when it cannot: zone, region, global.
    pub fn up(self) -> Option<Self> {
        match self {
            Self::Zone { region, .. } => Some(Self::Region(region)),
            Self::Region(_) => Some(Self::Global),
            Self::Global => None,
        }
    }
}

impl fmt::Display for Level<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Global => f.write_str("the federation"),
            Self::Region(region) => write!(f, "region {region}"),
            Self::Zone { zone, region } => write!(f, "zone {zone} of region {region}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming() -> Naming {
        Naming { federation: "fed".into(), zone: "example.com".parse().unwrap() }
    }

    #[test]
    fn every_level_has_its_name() {
        let name = |level| naming().name("ns", "svc", level).unwrap().without_dot().to_owned();
        assert_eq!(name(Level::Global), "svc.ns.fed.svc.example.com");
        assert_eq!(name(Level::Region("westus")), "svc.ns.fed.svc.westus.example.com");
        assert_eq!(name(Level::Zone { zone: "1", region: "westus" }), "svc.ns.fed.svc.1.westus.example.com");
    }

    #[test]
    fn what_is_no_label_is_refused_and_named() {
        for bad in ["", "a.b", "*", "-a", "a-", "_a", "a b", "zürich", &"x".repeat(64)] {
            let error = naming().name("ns", "svc", Level::Region(bad)).unwrap_err();
            assert!(error.to_string().contains(&format!("`{bad}`")), "{error}");
        }
    }

    #[test]
    fn a_name_that_is_too_long_as_a_whole_is_refused() {
        let label = "x".repeat(63);
        let long = Naming { zone: format!("{label}.{label}").parse().unwrap(), ..naming() };
        assert!(long.name("ns", &label, Level::Region("r")).is_ok());
        let error = long.name(&label, &label, Level::Region("r")).unwrap_err();
        assert!(error.problem.contains("253"), "{error}");
    }
}
