//! A whole federation: what each of its services is to have in the zone.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use kfed_dnsprovider::{Desired, DnsName, Owner, Resource};
use serde::{Serialize, Serializer};

use crate::address::AddressPolicy;
use crate::names::{Naming, settle};
use crate::observation::ServiceObservation;
use crate::plan::{Fallback, Outcome, Rules, ServicePlan, plan};

/// What is known of a federation, wherever that is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FederationView {
    /// How its services are named.
    pub naming: Naming,
    /// Which addresses may be published.
    pub address_policy: AddressPolicy,
    /// What a level without addresses of its own answers.
    pub fallback: Fallback,
    /// Its Services, whether they are to be found by name or not.
    pub services: BTreeMap<Resource, ServiceView>,
}

/// A Service, with what was seen of it in its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceView {
    /// Whether it is to be found by name. One that is being deleted is not.
    pub published: bool,
    /// Whether anything is known of its members. Where nothing is, its names stay as they are.
    pub seen: bool,
    /// Whether its names stay for a while although nobody serves it and nobody is dead.
    pub hold: bool,
    /// Whether the zone holds records of it that do not go with members that leave.
    pub has_records: bool,
    /// What is known of it in its members. The names of its own choice are not in it: who has them is settled here.
    pub observation: ServiceObservation,
    /// The names of its own choice that it asks for.
    pub hostnames: Vec<DnsName>,
    /// When it was created, in seconds; the largest number where that is not known.
    pub created: i64,
    /// What is wrong with its annotations, in a word and in a sentence.
    pub mistakes: Vec<(&'static str, String)>,
}

/// What a federation's zone should hold, and why.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Decision {
    /// What it should hold.
    pub desired: Desired,
    /// What was made of each Service that is to be found by name and of which anything is known.
    #[serde(skip)]
    pub plans: BTreeMap<Resource, ServicePlan>,
    /// What somebody should know, by Service.
    pub findings: Vec<ServiceFinding>,
}

/// Something about a service that somebody should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceFinding {
    /// The service.
    #[serde(serialize_with = "as_text")]
    pub service: Resource,
    /// The finding in one word, as conditions and events name their reasons.
    pub reason: &'static str,
    /// The finding in a sentence.
    pub message: String,
}

/// Decides for every service of `view`.
pub fn decide(view: &FederationView) -> Decision {
    let mut decision = Decision::default();
    let published = || view.services.iter().filter(|(_, service)| service.published);
    let claims = published().map(|(resource, service)| (service.created, resource.clone(), service.hostnames.clone()));
    let claimed = settle(claims);
    for (resource, service) in published() {
        let findings = &mut decision.findings;
        let mut tell = |reason, message| findings.push(ServiceFinding { service: resource.clone(), reason, message });
        let mut observation = service.observation.clone();
        for hostname in &service.hostnames {
            match &claimed[hostname] {
                owner if owner == resource => observation.hostnames.push(hostname.clone()),
                owner => {
                    let hostname = hostname.without_dot();
                    tell("HostnameTaken", format!("hostname `{hostname}` is {owner}'s, which comes first"));
                }
            }
        }
        service.mistakes.iter().for_each(|(reason, message)| tell(reason, message.clone()));
        if !service.seen {
            let message = "nothing is known yet of where it runs: its names are not judged".to_owned();
            tell("NotSeen", message);
            decision.desired.keep.insert(resource.clone());
            continue;
        }
        let rules = Rules {
            address_policy: view.address_policy,
            empty_for: (!service.hold).then_some(Duration::MAX),
            fallback: view.fallback,
            has_records: service.has_records,
            ..Rules::default()
        };
        let plan = plan(&view.naming, &observation, &rules);
        plan.findings.iter().for_each(|finding| tell(finding.reason(), finding.to_string()));
        let keep = match &plan.outcome {
            Outcome::Publish(sets) => {
                decision.desired.sets.extend(sets.iter().cloned());
                false
            }
            Outcome::KeepLast { why, sets } => {
                tell("LastTargetKept", why.to_string());
                decision.desired.sets.extend(sets.iter().flatten().cloned());
                sets.is_none()
            }
            Outcome::EmptyHold => true,
            Outcome::Withdraw => false,
        };
        if keep {
            decision.desired.keep.insert(resource.clone());
        }
        decision.plans.insert(resource.clone(), plan);
    }
    decision
}

// === impl FederationView ===

impl FederationView {
    /// Whose the federation's records are.
    pub fn owner(&self) -> Owner {
        Owner(self.naming.federation.clone())
    }
}

pub(crate) fn as_text<T: fmt::Display, S: Serializer>(what: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(what)
}
