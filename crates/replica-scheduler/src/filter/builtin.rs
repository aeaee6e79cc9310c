//! What the policy itself asks of members.

use kfed_api::policy::{Taint, TaintEffect};

use super::{Filter, Verdict};
use crate::reason::Reason;
use crate::request::{Member, Request};

/// Members that the preferences do not name, and no `*` either, are out.
#[derive(Debug)]
pub(crate) struct NotPreferred;

/// Members whose labels the selector does not match are out.
#[derive(Debug)]
pub(crate) struct Selector;

/// Taints that are not tolerated keep replicas away.
#[derive(Debug)]
pub(crate) struct Taints;

/// Members that do not say where they are cannot be spread over, as in Kubernetes nodes without the topology's label.
#[derive(Debug)]
pub(crate) struct Topologies;

/// Whether other members come first because of a taint with effect `PreferNoSchedule`.
pub(crate) fn prefer_not(request: &Request<'_>, member: &Member<'_>) -> bool {
    untolerated(request, member).any(|taint| taint.effect == TaintEffect::PreferNoSchedule)
}

fn untolerated<'a>(request: &Request<'a>, member: &Member<'a>) -> impl Iterator<Item = &'a Taint> {
    let tolerations = &request.policy.tolerations;
    member.taints().iter().filter(move |taint| !tolerations.iter().any(|toleration| toleration.tolerates(taint)))
}

impl Filter for NotPreferred {
    fn judge(&self, request: &Request<'_>, member: &Member<'_>) -> Verdict {
        match request.policy.preferences.of(member.name) {
            Some(_) => Verdict::Allow,
            None => Verdict::Reject(Reason::NotPreferred),
        }
    }
}

impl Filter for Selector {
    fn judge(&self, request: &Request<'_>, member: &Member<'_>) -> Verdict {
        let labels = member.labels();
        match request.policy.cluster_selector.iter().find(|requirement| !requirement.matches(labels)) {
            None => Verdict::Allow,
            Some(requirement) => Verdict::Reject(Reason::NotSelected { requirement: requirement.to_string() }),
        }
    }
}

impl Filter for Taints {
    fn judge(&self, request: &Request<'_>, member: &Member<'_>) -> Verdict {
        // The strictest, and of those the first by name, whatever the order in which they are listed.
        let strictest = untolerated(request, member)
            .filter(|taint| taint.effect != TaintEffect::PreferNoSchedule)
            .max_by(|a, b| a.effect.cmp(&b.effect).then_with(|| b.cmp(a)));
        let Some(taint) = strictest else { return Verdict::Allow };
        let reason = Reason::Tainted { taint: taint.to_string(), effect: taint.effect };
        if taint.effect == TaintEffect::NoExecute { Verdict::Reject(reason) } else { Verdict::NoNew(reason) }
    }
}

impl Filter for Topologies {
    fn judge(&self, request: &Request<'_>, member: &Member<'_>) -> Verdict {
        match request.policy.spread.iter().find(|spread| member.domain(spread.by).is_none()) {
            None => Verdict::Allow,
            Some(spread) => Verdict::Reject(Reason::NoDomain { by: spread.by }),
        }
    }
}
