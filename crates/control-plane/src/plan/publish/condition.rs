//! What a Service's condition `Published` says.

use kfed_api::conditions::{reasons, types};
use kfed_dnsprovider::plan::Truncated;
use kfed_dnsprovider::{ChangeSet, DnsName, Resource};
use kfed_service_dns::{Liveness, Outcome, ServicePlan, WithdrawnReason};

use crate::object::WantedCondition;
use crate::world::ServiceDns;

/// One Service, as far as its condition goes.
pub(crate) struct Standing<'a> {
    pub(crate) resource: &'a Resource,
    pub(crate) plan: &'a ServicePlan,
    /// Annotations that cannot be read.
    pub(crate) mistakes: &'a [String],
    /// What the last plan of the zone could not do.
    pub(crate) changes: &'a ChangeSet,
    /// What the provider said of a record of the Service that it did not take.
    pub(crate) refused: Option<String>,
    /// What the zone holds.
    pub(crate) dns: &'a ServiceDns,
    /// Where the names lead, whatever becomes of members.
    pub(crate) external: Option<&'a DnsName>,
}

/// The worst there is to tell is the reason; the message tells all.
pub(crate) fn condition(standing: &Standing<'_>) -> WantedCondition {
    let Standing { resource, plan, mistakes, changes, refused, dns, external } = standing;
    let conflict = changes.conflicts.iter().find(|conflict| conflict.resource == **resource);
    let (mut holds, mut reason, message) = match (&plan.outcome, conflict, refused) {
        (_, Some(conflict), _) => (false, reasons::FOREIGN_RECORD, conflict.to_string()),
        (_, None, Some(refused)) => (false, reasons::PROVIDER_FAILED, refused.clone()),
        (Outcome::KeepLast { why, .. }, ..) => (false, reasons::LAST_TARGET_KEPT, why.to_string()),
        (Outcome::EmptyHold, ..) => {
            let message = "no member has a ready endpoint; the names stay for a while".to_owned();
            (false, reasons::NO_HEALTHY_ADDRESS, message)
        }
        (Outcome::Withdraw, ..) => {
            let message = "no member serves it: its names are not in the zone".to_owned();
            (false, reasons::NO_HEALTHY_ADDRESS, message)
        }
        (Outcome::Publish(_), ..) => {
            let members = dns.addresses.iter().map(|(member, targets)| {
                let targets: Vec<_> = targets.iter().map(ToString::to_string).collect();
                format!("{member} ({})", targets.join(", "))
            });
            let mut members = members.collect::<Vec<_>>().join(", ");
            if let (true, Some(target)) = (members.is_empty(), external) {
                members = target.without_dot().to_owned();
            }
            (true, reasons::RECORDS_CURRENT, format!("{} record sets point to {members}", dns.records))
        }
    };
    let mut messages = vec![message];
    // What stands in the zone is right, and yet not all that was asked for.
    let missing = plan.findings.iter().find(|finding| finding.is_error()).map(kfed_service_dns::Finding::reason);
    let annotation = mistakes.first().map(|_| reasons::INVALID_ANNOTATION);
    if let Some(worse) = annotation.or(missing).filter(|_| holds) {
        (holds, reason) = (false, worse);
        messages.clear();
    }
    messages.extend(mistakes.iter().cloned());
    messages.extend(plan.findings.iter().map(ToString::to_string));
    messages.extend(plan.addresses.iter().filter_map(|(member, ip, state)| match state {
        Liveness::Withdrawn(why @ WithdrawnReason::EndpointsUnknown) => {
            Some(format!("address {ip} of {member} is not published: {why}"))
        }
        _ => None,
    }));
    let truncated = changes.truncated.iter().filter(|truncated| truncated.resource == **resource);
    messages.extend(truncated.map(left_out));
    WantedCondition { type_: types::PUBLISHED, holds, reason: reason.to_owned(), message: messages.join("; ") }
}

fn left_out(truncated: &Truncated) -> String {
    let wanted = truncated.kept + truncated.dropped.len();
    format!("{} holds {} of {wanted} addresses: a set takes no more", truncated.key, truncated.kept)
}

#[cfg(test)]
mod tests {
    use kfed_dnsprovider::{RecordSetKey, RecordType};
    use kfed_service_dns::{AddressProblem, Finding};

    use super::*;
    use crate::world::Target;

    fn said(
        plan: &ServicePlan,
        mistakes: &[String],
        changes: &ChangeSet,
        refused: Option<&str>,
    ) -> (bool, String, String) {
        let resource = Resource::service("default", "s");
        let addresses = [("west".to_owned(), vec![Target::Ip("192.0.2.1".parse().unwrap())])].into();
        let dns = ServiceDns { records: 3, addresses, ..ServiceDns::default() };
        let refused = refused.map(str::to_owned);
        let standing = Standing { resource: &resource, plan, mistakes, changes, refused, dns: &dns, external: None };
        let condition = condition(&standing);
        (condition.holds, condition.reason, condition.message)
    }

    fn published(findings: Vec<Finding>) -> ServicePlan {
        ServicePlan { outcome: Outcome::Publish(vec![]), addresses: vec![], hosts: vec![], findings }
    }

    #[test]
    fn what_is_missing_is_the_reason_and_what_is_odd_is_mentioned() {
        let none = ChangeSet::default();
        let ip = "10.0.0.1".parse().unwrap();
        let odd = Finding::PrivateAddressInPublicZone { member: "west".into(), ip };
        let bad = Finding::AddressRefused { member: "west".into(), ip, problem: AddressProblem::Loopback };
        let (holds, reason, message) = said(&published(vec![odd]), &[], &none, None);
        assert!(holds && reason == "RecordsCurrent", "{reason}");
        assert!(message.starts_with("3 record sets point to west (192.0.2.1); address 10.0.0.1"), "{message}");
        let (holds, reason, message) = said(&published(vec![bad.clone()]), &[], &none, None);
        assert!(!holds && reason == "AddressRefused" && message.starts_with("address 10.0.0.1"), "{reason} {message}");
        let (_, reason, message) = said(&published(vec![bad]), &["annotation a: bad".into()], &none, None);
        assert_eq!(reason, "InvalidAnnotation");
        assert!(message.starts_with("annotation a: bad; address"), "{message}");
        let (_, reason, message) =
            said(&published(vec![]), &["annotation a: bad".into()], &none, Some("could not put"));
        assert_eq!((reason.as_str(), message.as_str()), ("ProviderFailed", "could not put; annotation a: bad"));
    }

    #[test]
    fn addresses_that_find_no_room_in_a_set_are_counted() {
        let truncated = |name: &str| Truncated {
            key: RecordSetKey::new("s.example.com".parse().unwrap(), RecordType::A),
            resource: Resource::service("default", name),
            kept: 20,
            dropped: vec![kfed_dnsprovider::RecordData::A("192.0.2.9".parse().unwrap())],
        };
        let changes = ChangeSet { truncated: vec![truncated("other"), truncated("s")], ..ChangeSet::default() };
        let (holds, _, message) = said(&published(vec![]), &[], &changes, None);
        assert!(holds);
        let said =
            "3 record sets point to west (192.0.2.1); A s.example.com. holds 20 of 21 addresses: a set takes no more";
        assert_eq!(message, said);
    }
}
