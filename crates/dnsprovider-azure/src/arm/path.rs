//! Resource identifiers and URLs.

use kfed_dnsprovider::{DnsName, RecordSetKey, ZoneId};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

use super::flavour::ZoneFlavour;

/// All but RFC 3986's unreserved characters: a name such as `@` or `*.a` is one segment, whatever is in it.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A zone's identifier in Azure, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ZoneResource {
    pub(crate) subscription: String,
    pub(crate) resource_group: String,
    pub(crate) name: DnsName,
}

/// Why a text is not a zone's identifier.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotAZone(pub(crate) String);

// === impl ZoneResource ===

impl ZoneResource {
    /// Letter case means nothing in resource identifiers, and Azure itself answers `dnszones` where it was asked for `dnsZones`.
    pub(crate) fn parse(id: &ZoneId, flavour: &ZoneFlavour) -> Result<Self, NotAZone> {
        let segments: Vec<&str> = id.0.strip_prefix('/').unwrap_or(&id.0).split('/').collect();
        let fixed = |n: usize, word: &str| segments.get(n).is_some_and(|segment| segment.eq_ignore_ascii_case(word));
        let shape = segments.len() == 8
            && fixed(0, "subscriptions")
            && fixed(2, "resourceGroups")
            && fixed(4, "providers")
            && fixed(5, "Microsoft.Network")
            && fixed(6, flavour.resource_type);
        if !shape || segments.iter().any(|segment| segment.is_empty()) {
            return Err(NotAZone(format!(
                "`{}` is no identifier of a zone in Microsoft.Network/{}",
                id.0, flavour.resource_type
            )));
        }
        let decoded = |n: usize| percent_decode_str(segments[n]).decode_utf8_lossy().into_owned();
        let name = decoded(7).parse().map_err(|error| NotAZone(format!("`{}`: {error}", id.0)))?;
        Ok(Self { subscription: decoded(1), resource_group: decoded(3), name })
    }

    /// The record set's name within the zone, as Azure writes it.
    pub(crate) fn relative<'a>(&self, key: &'a RecordSetKey) -> Option<&'a str> {
        key.name.relative_to(&self.name)
    }
}

/// Builds the URLs of one endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Urls {
    pub(crate) endpoint: Url,
    pub(crate) flavour: &'static ZoneFlavour,
}

impl Urls {
    pub(crate) fn zones(&self, subscription: &str, resource_group: &str, top: u32) -> Url {
        self.build(&self.zones_path(subscription, resource_group), &[], Some(top))
    }

    pub(crate) fn zone(&self, zone: &ZoneResource) -> Url {
        self.build(&self.zones_path(&zone.subscription, &zone.resource_group), &[zone.name.without_dot()], None)
    }

    /// All record sets, or those below a name; none for a name outside of the zone.
    pub(crate) fn record_sets(&self, zone: &ZoneResource, below: Option<&DnsName>, top: u32) -> Option<Url> {
        let path = self.zones_path(&zone.subscription, &zone.resource_group);
        let mut url = self.build(&path, &[zone.name.without_dot(), self.flavour.list_all], Some(top));
        // Below the zone's own name is everything, but for what is at it.
        if let Some(suffix) = below.filter(|below| **below != zone.name) {
            let suffix = suffix.relative_to(&zone.name)?;
            let query = url.query().unwrap_or_default();
            let query = format!("{query}&$recordsetnamesuffix={}", utf8_percent_encode(suffix, SEGMENT));
            url.set_query(Some(&query));
        }
        Some(url)
    }

    /// None for a name outside of the zone.
    pub(crate) fn record_set(&self, zone: &ZoneResource, key: &RecordSetKey) -> Option<Url> {
        let path = self.zones_path(&zone.subscription, &zone.resource_group);
        let segments = [zone.name.without_dot(), key.record_type.as_str(), zone.relative(key)?];
        Some(self.build(&path, &segments, None))
    }

    /// A page that the service named. It may write the port out, and must name no other server: the token goes with the request.
    pub(crate) fn page(&self, link: &str) -> Option<Url> {
        let url = self.endpoint.join(link).ok()?;
        let same = url.scheme() == self.endpoint.scheme()
            && url.host() == self.endpoint.host()
            && url.port_or_known_default() == self.endpoint.port_or_known_default()
            && url.username().is_empty()
            && url.password().is_none();
        same.then_some(url)
    }

    fn zones_path(&self, subscription: &str, resource_group: &str) -> [String; 7] {
        let owned = str::to_owned;
        [
            owned("subscriptions"),
            owned(subscription),
            owned("resourceGroups"),
            owned(resource_group),
            owned("providers"),
            owned("Microsoft.Network"),
            owned(self.flavour.resource_type),
        ]
    }

    fn build(&self, zones: &[String], more: &[&str], top: Option<u32>) -> Url {
        let mut url = self.endpoint.clone();
        let mut path = String::new();
        for segment in zones.iter().map(String::as_str).chain(more.iter().copied()) {
            path.push('/');
            path.extend(utf8_percent_encode(segment, SEGMENT));
        }
        url.set_path(&path);
        let top = top.map(|top| format!("&$top={top}")).unwrap_or_default();
        url.set_query(Some(&format!("api-version={}{top}", self.flavour.api_version)));
        url
    }
}
