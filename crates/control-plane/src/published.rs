//! A federation's names as its API tells of them: what `kfed dns` holds the zone against.
//!
//! Nobody else is asked, no member and no address: what the control plane sees of them is written down in the federation API, in
//! the Clusters' status and in annotation `kfed.io/addresses` of the Services.

use std::collections::BTreeMap;

use kfed_api::conditions::{reasons, types};
use kfed_api::{Cluster, Federation, keys};
use kfed_dnsprovider::{RecordData, Resource, Zone, ZoneSnapshot};
use kfed_service_dns::{
    AddressPolicy, ApiState, FederationView, LeadsTo, MemberObservation, Naming, Seen, ServiceObservation, ServiceView,
};
use kube::api::{Api, ListParams};
use kube::core::DynamicObject;
use kube::{Client, ResourceExt};

use crate::Settings;
use crate::effect::chain;
use crate::kinds::FederatedKind;
use crate::object::annotation;
use crate::plan::publish::{self, InZone};
use crate::world::Target;

/// What a federation API holds, as far as names go.
#[derive(Debug)]
pub struct Known {
    /// The federation.
    pub federation: Federation,
    services: Vec<DynamicObject>,
    clusters: BTreeMap<String, Cluster>,
}

/// A federation API could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It did not do as it was asked.
    #[error("the federation API did not list its {what}: {problem}")]
    Api {
        /// What was asked for.
        what: &'static str,
        /// What came of it.
        problem: String,
    },
    /// There is no Federation, or there are several.
    #[error("there are {found} Federation objects instead of one: is this a federation API?")]
    Federations {
        /// How many there are.
        found: usize,
    },
}

/// The Federation that the API behind `client` is of.
pub async fn federation(client: &Client) -> Result<Federation, ReadError> {
    let mut listed = list(&Api::<Federation>::all(client.clone()), "Federation").await?;
    let found = listed.len();
    listed.pop().filter(|_| found == 1).ok_or(ReadError::Federations { found })
}

/// Reads the API behind `client`.
pub async fn read(client: &Client) -> Result<Known, ReadError> {
    let federation = federation(client).await?;
    let service = FederatedKind::named("Service").expect("Services are federated");
    let services = Api::<DynamicObject>::all_with(client.clone(), &service.api_resource());
    let mut services = list(&services, "Services").await?;
    services.retain(|object| !service.key(object).is_reserved());
    let clusters = list(&Api::<Cluster>::all(client.clone()), "Clusters").await?;
    let clusters = clusters.into_iter().map(|cluster| (cluster.name_any(), cluster)).collect();
    Ok(Known { federation, services, clusters })
}

async fn list<K>(api: &Api<K>, what: &'static str) -> Result<Vec<K>, ReadError>
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let listed = api.list(&ListParams::default()).await;
    Ok(listed.map_err(|error| ReadError::Api { what, problem: chain(&error) })?.items)
}

// === impl Known ===

impl Known {
    /// What the zone should be held against; `snapshot` is what `zone` holds.
    pub fn view(&self, zone: &Zone, snapshot: &ZoneSnapshot) -> FederationView {
        let naming = Naming { federation: self.federation.name_any(), zone: zone.name.clone() };
        let defaults = Settings::new(&*naming.federation, zone.name.clone());
        let records = self.federation.status.as_ref().and_then(|status| status.records.as_ref());
        let ttl = records.map_or(defaults.dns_ttl, |records| records.ttl);
        let fallback = records.and_then(|records| records.fallback.parse().ok()).unwrap_or(defaults.dns_fallback);
        let mut view = FederationView {
            address_policy: AddressPolicy { allow_loopback: zone.loopback, private_zone: zone.private },
            fallback,
            services: BTreeMap::new(),
            naming,
        };
        let mut in_zone = publish::published(snapshot, &view.owner());
        for service in &self.services {
            let resource = Resource::service(service.namespace().unwrap_or_default(), service.name_any());
            let in_zone = in_zone.remove(&resource);
            let service = self.service(service, zone, &view.naming, ttl, in_zone.as_ref());
            view.services.insert(resource, service);
        }
        view
    }

    fn service(
        &self,
        service: &DynamicObject,
        zone: &Zone,
        naming: &Naming,
        ttl: u32,
        in_zone: Option<&InZone>,
    ) -> ServiceView {
        let written = annotation(service, keys::ADDRESSES).map(serde_json::from_str::<Seen>).transpose();
        let (hostnames, mut mistakes) = publish::hostnames(service, naming);
        mistakes.extend(publish::mistakes(service));
        mistakes.extend(written.as_ref().err().map(|error| format!("annotation {}: {error}", keys::ADDRESSES)));
        let seen = written.ok().flatten();
        let (leads_to, members) = match publish::leads_to(service) {
            Some(leads_to) => (leads_to, self.members(seen.as_ref(), in_zone)),
            None => (LeadsTo::Members, Vec::new()),
        };
        let observation = ServiceObservation {
            namespace: service.namespace().unwrap_or_default(),
            name: service.name_any(),
            ttl: publish::ttl_of(service, ttl),
            leads_to,
            hostnames: Vec::new(),
            members,
        };
        ServiceView {
            published: publish::is_published(service, zone.private),
            seen: seen.is_some(),
            hold: seen.is_some_and(|seen| seen.hold),
            has_records: publish::is_held(in_zone, |name| self.clusters.get(name).is_some_and(|c| !leaves(c))),
            observation,
            hostnames,
            created: publish::created(service),
            mistakes: mistakes.into_iter().map(|mistake| (reasons::INVALID_ANNOTATION, mistake)).collect(),
        }
    }

    /// The members as they were seen; those that are not there any more leave.
    fn members(&self, seen: Option<&Seen>, in_zone: Option<&InZone>) -> Vec<MemberObservation> {
        let nothing = InZone::new();
        let in_zone = in_zone.unwrap_or(&nothing);
        let seen = seen.iter().flat_map(|seen| &seen.members);
        let known = seen.clone().map(|(name, seen)| {
            let cluster = self.clusters.get(name);
            let status = cluster.and_then(|cluster| cluster.status.clone()).unwrap_or_default();
            let here = in_zone.get(name).map_or(&[][..], Vec::as_slice);
            let published = |datum: &RecordData| Target::of(datum).is_some_and(|target| here.contains(&target));
            let mut member = seen.observation(name, status.region, status.zones, published);
            member.leaving |= cluster.is_none_or(leaves);
            // What the Cluster says is the newer. Silence is a hold, or will be death in a moment.
            if member.api == ApiState::Answering && cluster.is_some_and(is_dead) {
                member.api = ApiState::Offline;
            }
            member
        });
        let is_gone =
            |name: &String| !self.clusters.contains_key(name) && !seen.clone().any(|(other, _)| other == name);
        let gone = in_zone.iter().filter(|(name, _)| is_gone(name));
        known.chain(gone.map(|(name, targets)| publish::gone(name, targets))).collect()
    }
}

fn leaves(cluster: &Cluster) -> bool {
    cluster.metadata.deletion_timestamp.is_some() || cluster.is(types::DRAINING)
}

/// Whether the member is found to be Offline. Of one whose credentials are of no use nobody finds out.
fn is_dead(cluster: &Cluster) -> bool {
    let conditions = cluster.status.iter().flat_map(|status| &status.conditions);
    let unasked = conditions.into_iter().any(|c| c.type_ == types::READY && c.reason == reasons::CREDENTIALS_INVALID);
    cluster.is_offline() && !unasked
}
