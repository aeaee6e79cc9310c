//! Which members may run a workload at all, and which are the better ones.

mod builtin;
mod choose;

use crate::reason::Reason;
use crate::request::{Member, Request};

pub(crate) use builtin::{NotPreferred, Selector, Taints, Topologies, prefer_not};
pub(crate) use choose::{Candidate, choose};

/// Says whether a member may run a workload.
///
/// Filters are asked about each member on its own, all of them, in no order that matters: the strictest answer counts, and
/// all objections are told.
///
/// ```
/// use kfed_api::policy::PlacementPolicy;
/// use kfed_replica_scheduler::{Filter, Member, Request, Scheduler, Verdict};
///
/// /// Members whose certificates run out take nothing new.
/// struct Expiring(Vec<&'static str>);
///
/// impl Filter for Expiring {
///     fn judge(&self, _: &Request<'_>, member: &Member<'_>) -> Verdict {
///         match self.0.contains(&member.name) {
///             true => Verdict::no_new("expiring", "its certificate runs out today"),
///             false => Verdict::Allow,
///         }
///     }
/// }
///
/// let policy = PlacementPolicy::default();
/// let members = [Member { current: Some(1), ..Member::new("fed-west") }, Member::new("fed-east")];
/// let request = Request { key: "default/hostname", replicas: 6, policy: &policy, members: &members };
/// let plan = Scheduler::default().filter(Expiring(vec!["fed-west"])).schedule(&request);
/// assert_eq!(plan.of("fed-west").unwrap().planned, 1);
/// assert_eq!(plan.of("fed-east").unwrap().planned, 5);
/// ```
pub trait Filter: Send + Sync {
    /// What `member` may do for the workload of `request`. Must be a function of these two alone.
    fn judge(&self, request: &Request<'_>, member: &Member<'_>) -> Verdict;
}

/// Says how good a member is for a workload, where a policy limits the number of members.
///
/// ```
/// use kfed_api::policy::PlacementPolicy;
/// use kfed_replica_scheduler::{Member, Request, Scheduler};
///
/// let cheaper = |_: &Request<'_>, member: &Member<'_>| if member.name.starts_with("spot-") { 10 } else { 0 };
/// let policy: PlacementPolicy = r#"{"clusters": {"*": {"weight": 1}}, "maxClusters": 1}"#.parse()?;
/// let members = ["a", "b", "spot-c", "d"].map(Member::new);
/// let request = Request { key: "default/hostname", replicas: 6, policy: &policy, members: &members };
/// assert_eq!(Scheduler::default().scorer(cheaper).schedule(&request).of("spot-c").unwrap().planned, 6);
/// # Ok::<(), kfed_api::policy::InvalidPolicy>(())
/// ```
pub trait Scorer: Send + Sync {
    /// How good: the more the better. Scores of several scorers are added up.
    fn score(&self, request: &Request<'_>, member: &Member<'_>) -> i64;
}

/// What a member may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Run replicas.
    Allow,
    /// Keep those that run there, and take no new ones.
    NoNew(Reason),
    /// Run none: those that run there leave.
    Reject(Reason),
}

/// What all filters together say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Judgement {
    pub(crate) may: May,
    /// All objections, the stricter first.
    pub(crate) objections: Vec<Reason>,
}

/// What a member may do, without the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum May {
    /// Run none.
    RunNone,
    /// Keep what runs.
    Keep,
    /// Run any.
    #[default]
    RunAny,
}

// === impl Filter ===

impl<F: Fn(&Request<'_>, &Member<'_>) -> Verdict + Send + Sync> Filter for F {
    fn judge(&self, request: &Request<'_>, member: &Member<'_>) -> Verdict {
        self(request, member)
    }
}

// === impl Scorer ===

impl<F: Fn(&Request<'_>, &Member<'_>) -> i64 + Send + Sync> Scorer for F {
    fn score(&self, request: &Request<'_>, member: &Member<'_>) -> i64 {
        self(request, member)
    }
}

// === impl Verdict ===

impl Verdict {
    /// No new replicas, because filter `filter` says `message`.
    pub fn no_new(filter: &str, message: impl Into<String>) -> Self {
        Self::NoNew(Reason::Filtered { filter: filter.to_owned(), message: message.into(), keeps: true })
    }

    /// No replicas at all, because filter `filter` says `message`.
    pub fn reject(filter: &str, message: impl Into<String>) -> Self {
        Self::Reject(Reason::Filtered { filter: filter.to_owned(), message: message.into(), keeps: false })
    }
}

// === impl Judgement ===

impl Judgement {
    /// What `filters` say of `member`.
    pub(crate) fn of<'f>(
        filters: impl Iterator<Item = &'f dyn Filter>,
        request: &Request<'_>,
        member: &Member<'_>,
    ) -> Self {
        let mut objections = Vec::new();
        for filter in filters {
            match filter.judge(request, member) {
                Verdict::Allow => {}
                Verdict::NoNew(reason) => objections.push((May::Keep, reason)),
                Verdict::Reject(reason) => objections.push((May::RunNone, reason)),
            }
        }
        objections.sort();
        objections.dedup();
        let may = objections.first().map_or(May::RunAny, |(may, _)| *may);
        Self { may, objections: objections.into_iter().map(|(_, reason)| reason).collect() }
    }
}
