//! The names of a service: one for all of it, one a region, one a zone.

use std::collections::BTreeMap;
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

/// A name of a service's own choice that it cannot have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidHostname {
    /// The name as it was written.
    pub hostname: String,
    /// What is wrong with it.
    pub problem: String,
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

    /// The names in a list as annotation `kfed.io/hostname` holds it, joined by commas.
    ///
    /// Each must be in the zone, of labels as in [`name`](Self::name) but for a `*` in front (RFC 4592), and none that this or
    /// another service could be given by rule.
    pub fn hostnames(&self, list: &str) -> Vec<Result<DnsName, InvalidHostname>> {
        list.split(',').map(|text| self.hostname(text.trim())).collect()
    }

    fn hostname(&self, text: &str) -> Result<DnsName, InvalidHostname> {
        let invalid = |problem: String| InvalidHostname { hostname: text.to_owned(), problem };
        let zone = self.zone.without_dot();
        let name: DnsName = text.parse().map_err(|error: InvalidName| invalid(error.problem))?;
        let labels = name.relative_to(&self.zone).ok_or_else(|| invalid(format!("it is not in zone {zone}")))?;
        let exact = labels.strip_prefix("*.").unwrap_or(labels);
        if let Some(label) = exact.split('.').find(|label| !is_label(label) && !["@", "*"].contains(&exact)) {
            return Err(invalid(format!(
                "`{label}` is no label: letters, digits, `-` and `_`, with a letter or digit at both ends; `*` in front only"
            )));
        }
        match self.service_of(&name) {
            Some(_) => {
                let federation = &self.federation;
                Err(invalid(format!("names below {federation}.svc.{zone} are given by rule, to every service its own")))
            }
            None => Ok(name),
        }
    }

    /// The namespace and name of the service that `name` is given to by rule, if it is such a name.
    pub fn service_of<'n>(&self, name: &'n DnsName) -> Option<(&'n str, &'n str)> {
        let labels: Vec<_> = name.relative_to(&self.zone)?.split('.').collect();
        match labels[..] {
            [service, namespace, federation, "svc", ref level @ ..]
                if federation.eq_ignore_ascii_case(&self.federation) && level.len() <= 2 =>
            {
                Some((namespace, service))
            }
            _ => None,
        }
    }
}

/// The name that `spec.externalName` means.
///
/// # Errors
/// It is no name, or an IPv4 address in the clothes of one, which resolvers find nowhere.
pub fn external_name(text: &str) -> Result<DnsName, InvalidHostname> {
    let invalid = |problem: String| InvalidHostname { hostname: text.to_owned(), problem };
    let name: DnsName = text.parse().map_err(|error: InvalidName| invalid(error.problem))?;
    match name.without_dot().parse::<std::net::Ipv4Addr>() {
        Ok(_) => Err(invalid("it is an address: a CNAME leads to names".to_owned())),
        Err(_) => Ok(name),
    }
}

/// Which service has a name that several claim: the one that was created first, then the one whose key is the lesser.
///
/// ```
/// let name: kfed_dnsprovider::DnsName = "shop.example.com".parse()?;
/// let claims = [(20, "young", vec![name.clone()]), (10, "old", vec![name.clone()])];
/// assert_eq!(kfed_service_dns::settle(claims)[&name], "old");
/// # Ok::<(), kfed_dnsprovider::InvalidName>(())
/// ```
pub fn settle<K: Ord + Clone>(claims: impl IntoIterator<Item = (i64, K, Vec<DnsName>)>) -> BTreeMap<DnsName, K> {
    let mut claims: Vec<_> = claims.into_iter().collect();
    claims.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    let mut settled = BTreeMap::new();
    for (_, key, names) in claims {
        for name in names {
            settled.entry(name).or_insert_with(|| key.clone());
        }
    }
    settled
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

// === impl InvalidHostname ===

impl fmt::Display for InvalidHostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.hostname, self.problem)
    }
}

impl std::error::Error for InvalidHostname {}

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

    #[test]
    fn hostnames_are_in_the_zone_and_wildcards_are_in_front() {
        let all = naming().hostnames("shop.example.com, *.Shop.example.com.,example.com,*.example.com");
        let all: Vec<_> = all.into_iter().map(|name| name.unwrap().to_string()).collect();
        assert_eq!(all, ["shop.example.com.", "*.shop.example.com.", "example.com.", "*.example.com."]);
        for (bad, says) in [
            ("shop.example.org", "not in zone example.com"),
            ("notexample.com", "not in zone example.com"),
            ("", "empty"),
            ("a.*.example.com", "`*` is no label"),
            ("a*.example.com", "Malformed label: a*"),
            ("_a.example.com", "`_a` is no label"),
            ("a..example.com", "1 to 63"),
            ("svc.ns.fed.svc.example.com", "given by rule"),
            ("svc.ns.FED.svc.1.westus.example.com", "given by rule"),
        ] {
            let error = naming().hostnames(bad).remove(0).unwrap_err();
            assert!(error.to_string().contains(says), "{bad}: {error}");
        }
        assert!(naming().hostnames("svc.ns.other.svc.example.com")[0].is_ok());
    }

    #[test]
    fn a_name_given_by_rule_tells_its_service() {
        for level in [Level::Global, Level::Region("r"), Level::Zone { zone: "1", region: "r" }] {
            assert_eq!(naming().service_of(&naming().name("ns", "svc", level).unwrap()), Some(("ns", "svc")));
        }
        for other in ["www.example.com", "a.b.fed.svc.1.2.3.example.com", "svc.ns.other.svc.example.com", "example.org"]
        {
            assert_eq!(naming().service_of(&other.parse().unwrap()), None, "{other}");
        }
    }

    #[test]
    fn an_external_name_is_a_name() {
        assert_eq!(external_name("Db.Example.NET").unwrap().as_str(), "db.example.net.");
        for bad in ["192.0.2.1", "", "a b"] {
            assert!(external_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn of_two_claims_the_older_and_then_the_lesser_wins() {
        let name = |text: &str| text.parse::<DnsName>().unwrap();
        let claims = [
            (5, "b", vec![name("x.example.com"), name("y.example.com")]),
            (5, "a", vec![name("x.example.com")]),
            (4, "c", vec![name("y.example.com"), name("y.example.com")]),
        ];
        let settled = settle(claims);
        assert_eq!((settled[&name("x.example.com")], settled[&name("y.example.com")]), ("a", "c"));
    }
}
