//! A plan in words: what was asked, what each member gets and why, what found no room and what would help.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write;

use kfed_api::policy::PlacementPolicy;
use kfed_api::preferences::ClusterPreferences;

use crate::plan::{Placement, Plan};
use crate::reason::Reason;
use crate::request::{Member, Request};
use crate::schedule::schedule;

/// The most lines of an explanation.
const LINES: usize = 20;
/// The most of them that tell of members; the others tell of the whole.
const MEMBER_LINES: usize = 14;
/// The most names in one line.
const NAMES: usize = 3;

/// Tells a person about `plan`, the answer to `request`, in at most 20 lines however many members there are.
///
/// ```
/// use kfed_api::policy::PlacementPolicy;
/// use kfed_replica_scheduler::{Member, Request, explain, schedule};
///
/// let policy: PlacementPolicy = r#"{"clusters": {"*": {"weight": 1, "maxReplicas": 2}}}"#.parse()?;
/// let members = ["a", "b"].map(Member::new);
/// let request = Request { key: "default/hostname", replicas: 5, policy: &policy, members: &members };
/// assert_eq!(explain(&schedule(&request), &request), "\
/// default/hostname: 5 replicas over 2 members, mode federation-v1, without rebalancing
/// none run now; 4 planned in 2 members, 1 without a place
///   a, b  2 each  2 for its weight of 1 in 2, cut to its maximum of 2
/// 1 replica found no place. What would help:
///   raise maxReplicas of a, b
/// ");
/// # Ok::<(), kfed_api::policy::InvalidPolicy>(())
/// ```
pub fn explain(plan: &Plan, request: &Request<'_>) -> String {
    let mut lines = vec![asked(request)];
    lines.extend(limits(request.policy));
    lines.push(totals(plan, request));
    let help = help(plan, request);
    let later = later(plan, request);
    let room = LINES - lines.len() - usize::from(later.is_some()) - help.len();
    lines.extend(members(plan, request, room.min(MEMBER_LINES)));
    lines.extend(later);
    lines.extend(help);
    let mut text = String::new();
    for line in lines {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn asked(request: &Request<'_>) -> String {
    let policy = request.policy;
    let mut line = format!(
        "{}: {} over {}, mode {}",
        request.key,
        count(request.replicas, "replica"),
        { count(request.members.len() as i64, "member") },
        policy.mode
    );
    line.push_str(if policy.preferences.rebalance { ", rebalancing" } else { ", without rebalancing" });
    line
}

/// What the policy asks beside the preferences.
fn limits(policy: &PlacementPolicy) -> Option<String> {
    let mut asked = Vec::new();
    if !policy.cluster_selector.is_empty() {
        let requirements: Vec<_> = policy.cluster_selector.iter().map(ToString::to_string).collect();
        asked.push(format!("only where {}", requirements.join(" and ")));
    }
    if !policy.groups.is_empty() {
        let names: Vec<_> = policy.groups.iter().map(|group| group.name.as_str()).collect();
        asked.push(format!("groups {} in turn", listed(&names)));
    }
    for spread in &policy.spread {
        let mut line = format!("no {} leads by more than {}", spread.by, spread.max_skew);
        if let Some(domains) = spread.min_domains {
            let _ = write!(line, " (at least {domains})");
        }
        asked.push(line);
    }
    asked.extend(policy.max_clusters.map(|limit| format!("at most {}", count(i64::from(limit), "member"))));
    asked.extend(policy.max_moves.map(|most| format!("at most {} a round", count(i64::from(most), "move"))));
    (!asked.is_empty()).then(|| format!("asked: {}", asked.join("; ")))
}

fn totals(plan: &Plan, request: &Request<'_>) -> String {
    let running = sum(request.members.iter().filter_map(|member| member.current));
    let planned = sum(plan.placements.iter().map(|placement| placement.planned));
    let pending = sum(plan.placements.iter().map(|placement| placement.overflow));
    let leaving = sum(plan.placements.iter().flat_map(|placement| &placement.reasons).map(leaves));
    let holders = plan.placements.iter().filter(|placement| placement.planned > 0).count();
    let mut line = match running {
        0 => "none run now".to_owned(),
        running => format!("{running} run now"),
    };
    let _ = write!(line, "; {planned} planned in {}", count(holders as i64, "member"));
    for (number, what) in [
        (leaving, "leave their member"),
        (pending, "left pending"),
        (plan.postponed.into(), "postponed"),
        (plan.unplaced.into(), "without a place"),
    ] {
        if number > 0 {
            let _ = write!(line, ", {number} {what}");
        }
    }
    line
}

/// Wide, as 64 bits may hold each number and not their sum.
fn sum(numbers: impl Iterator<Item = i64>) -> i128 {
    numbers.map(i128::from).sum()
}

fn leaves(reason: &Reason) -> i64 {
    match reason {
        Reason::Leaving { replicas } => *replicas,
        _ => 0,
    }
}

/// Members that are told of in one line.
struct Alike<'a> {
    placements: Vec<&'a Placement>,
    /// What runs there, where that is to change.
    current: Option<i64>,
    /// Whether they differ in numbers, and only the kinds of their reasons are the same.
    differ: bool,
}

/// At most `room` lines, the members with the most replicas first.
fn members(plan: &Plan, request: &Request<'_>, room: usize) -> Vec<String> {
    let current: BTreeMap<&str, Option<i64>> =
        request.members.iter().map(|member: &Member<'_>| (member.name, member.current)).collect();
    let mut same: BTreeMap<_, Alike<'_>> = BTreeMap::new();
    for placement in &plan.placements {
        let current = current.get(placement.member.as_str()).copied().flatten();
        let current = current.filter(|current| *current != placement.planned);
        let key = (placement.planned, placement.overflow, &placement.reasons, current);
        let alike = same.entry(key).or_insert(Alike { placements: Vec::new(), current, differ: false });
        alike.placements.push(placement);
    }
    let mut groups: Vec<_> = same.into_values().collect();
    if groups.len() > room {
        groups = by_shape(groups);
    }

    // Where there is still too much to tell, what is out of the ordinary comes first: it is what people look for.
    let mut rest = Vec::new();
    if groups.len() > room {
        groups.sort_by_key(|group| (group.is_ordinary(), Reverse(group.replicas()), group.name()));
        rest = groups.split_off(room.saturating_sub(1));
    }
    groups.sort_by_key(|group| (Reverse(group.most()), group.name()));
    let rows: Vec<_> = groups.iter().map(Alike::columns).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (names, numbers) = (width(0), width(1));
    let line = |[name, number, why]: &[String; 3]| format!("  {name:<names$}  {number:<numbers$}  {why}");
    let mut lines: Vec<_> = rows.iter().map(line).collect();
    if !rest.is_empty() {
        let members: usize = rest.iter().map(|group| group.placements.len()).sum();
        let replicas: i128 = rest.iter().map(Alike::replicas).sum();
        lines.push(format!("  {} more get {replicas} in all", count(members as i64, "member")));
    }
    lines
}

/// Puts together what differs in numbers alone.
fn by_shape(groups: Vec<Alike<'_>>) -> Vec<Alike<'_>> {
    let mut shapes: BTreeMap<_, Alike<'_>> = BTreeMap::new();
    for group in groups {
        match shapes.entry(group.shape()) {
            Entry::Vacant(entry) => {
                entry.insert(group);
            }
            Entry::Occupied(entry) => {
                let shape = entry.into_mut();
                shape.placements.extend(group.placements);
                (shape.current, shape.differ) = (None, true);
            }
        }
    }
    let mut groups: Vec<_> = shapes.into_values().collect();
    for group in &mut groups {
        group.placements.sort_by(|a, b| a.member.cmp(&b.member));
    }
    groups
}

fn kind(reason: &Reason) -> &'static str {
    match reason {
        Reason::NotPreferred => "not in the preferences",
        Reason::NotSelected { .. } => "not selected",
        Reason::Tainted { .. } => "tainted",
        Reason::NoDomain { .. } => "of unknown region or zone",
        Reason::Filtered { .. } => "filtered",
        Reason::NotChosen { .. } => "not chosen",
        Reason::Minimum { .. } => "by minimum",
        Reason::Kept { .. } => "kept",
        Reason::Weight { .. } => "by weight",
        Reason::TakenBack { .. } => "lowered",
        Reason::Wanted { .. } => "not as weights alone would have it",
        Reason::CutToMaximum { .. } => "at the maximum",
        Reason::CutToCapacity { .. } => "full",
        Reason::CutBySkew { .. } => "cut by skew",
        Reason::SkewedByMinimum { .. } => "skewed by minimums",
        Reason::Standby { .. } => "standing by",
        Reason::Fallback { .. } => "taking over",
        Reason::Scarce { .. } => "short",
        Reason::Overflow { .. } => "with pending replicas",
        Reason::Leaving { .. } => "losing replicas",
        Reason::Postponed { .. } => "waiting for later rounds",
    }
}

// === impl Alike ===

impl Alike<'_> {
    fn name(&self) -> String {
        self.placements[0].member.clone()
    }

    fn numbers(&self) -> impl Iterator<Item = i64> {
        self.placements.iter().map(|placement| placement.replicas())
    }

    fn replicas(&self) -> i128 {
        sum(self.numbers())
    }

    fn most(&self) -> i64 {
        self.numbers().max().unwrap_or(0)
    }

    /// What kinds of reasons the first has. All of a group have the same.
    fn shape(&self) -> Vec<&'static str> {
        let telling = |reason: &&Reason| !matches!(reason, Reason::Wanted { .. } | Reason::Leaving { .. });
        self.placements[0].reasons.iter().filter(telling).map(kind).collect()
    }

    /// Whether there is nothing more to it than weights and what runs.
    fn is_ordinary(&self) -> bool {
        let ordinary = |reason: &Reason| {
            matches!(
                reason,
                Reason::Weight { .. } | Reason::Kept { .. } | Reason::NotPreferred | Reason::Leaving { .. }
            )
        };
        self.placements.iter().flat_map(|placement| &placement.reasons).all(ordinary)
    }

    /// Names, numbers and reasons.
    fn columns(&self) -> [String; 3] {
        let names: Vec<_> = self.placements.iter().map(|placement| placement.member.as_str()).collect();
        if self.differ {
            let (least, most) = (self.numbers().min().unwrap_or(0), self.most());
            let number = match least == most {
                true => format!("{least} each"),
                false => format!("{least} to {most} each, {} in all", self.replicas()),
            };
            let mut why = self.shape().join(", ");
            let leaving = sum(self.placements.iter().flat_map(|placement| &placement.reasons).map(leaves));
            if leaving > 0 {
                let _ = write!(why, ", {leaving} that run there leave");
            }
            return [listed(&names), number, why];
        }
        let Placement { planned, overflow, reasons, .. } = self.placements[0];
        let mut number = planned.to_string();
        if *overflow > 0 {
            let _ = write!(number, "+{overflow}");
        }
        if names.len() > 1 {
            number.push_str(" each");
        }
        if let Some(current) = self.current {
            let _ = write!(number, " (now {current})");
        }
        let reasons: Vec<_> = reasons.iter().map(ToString::to_string).collect();
        [listed(&names), number, reasons.join(", ")]
    }
}

/// What happens in later rounds.
fn later(plan: &Plan, request: &Request<'_>) -> Option<String> {
    let most = i64::from(request.policy.max_moves?);
    if plan.postponed == 0 {
        return None;
    }
    let rounds = if most == 0 {
        "never, as maxMoves is 0".to_owned()
    } else {
        format!("in {}, if nothing else changes", count((plan.postponed - 1) / most + 1, "more round"))
    };
    Some(format!("{} to go: {rounds}", count(plan.postponed, "move")))
}

/// What would find a place for the replicas that have none.
fn help(plan: &Plan, request: &Request<'_>) -> Vec<String> {
    if plan.unplaced <= 0 {
        return Vec::new();
    }
    let head = |rest: &str| format!("{} found no place. {rest}", count(plan.unplaced, "replica"));
    if request.members.is_empty() {
        return vec![head("No member takes replicas: see whether members are Ready.")];
    }
    let helps = reasons_of_lack(plan, request.policy);
    let mut lines: Vec<_> = helps.iter().map(|(help, names)| format!("  {}", help.line(names))).collect();
    lines.dedup();
    if lines.is_empty() {
        return vec![head("Give the members weights, or raise their limits.")];
    }
    // The first ones are the surest.
    lines.truncate(3);
    if let Some(next) = next_help(&helps, request) {
        lines.truncate(2);
        lines.insert(1, format!("  then {next}"));
    }
    lines.insert(0, head("What would help:"));
    lines
}

/// Why replicas found no place, and with whom.
fn reasons_of_lack<'a>(plan: &'a Plan, policy: &PlacementPolicy) -> BTreeMap<Help<'a>, Vec<&'a str>> {
    let mut helps: BTreeMap<Help<'_>, Vec<&str>> = BTreeMap::new();
    for placement in &plan.placements {
        let mut note = |help| helps.entry(help).or_default().push(&placement.member);
        let is_at_maximum = placement.reasons.iter().any(|reason| matches!(reason, Reason::CutToMaximum { .. }));
        for reason in &placement.reasons {
            match reason {
                Reason::CutToMaximum { .. } => note(Help::Maximum),
                // Below its maximum more room alone would do.
                Reason::CutToCapacity { .. } if !is_at_maximum => note(Help::Capacity),
                Reason::CutBySkew { by, max_skew, .. } => note(Help::Skew(by.as_str(), *max_skew)),
                Reason::NotChosen { limit, .. } => note(Help::Chosen(*limit)),
                Reason::Tainted { taint, .. } => note(Help::Taint(taint)),
                Reason::NotSelected { requirement } => note(Help::Selector(requirement)),
                Reason::NoDomain { by } => note(Help::Domain(by.as_str())),
                Reason::NotPreferred => note(Help::Preference),
                Reason::Filtered { filter, .. } => note(Help::Filter(filter)),
                Reason::Weight { weight: ..=0, .. } => note(Help::Weight),
                Reason::Standby { .. } | Reason::Minimum { .. } | Reason::Kept { .. }
                    if policy.preferences.of(&placement.member).is_none_or(|own| own.weight <= 0) =>
                {
                    note(Help::Weight);
                }
                _ => {}
            }
        }
    }
    helps
}

/// What else is in the way once the maximums are raised, or else the capacities: one limit often hides the next.
fn next_help(helps: &BTreeMap<Help<'_>, Vec<&str>>, request: &Request<'_>) -> Option<String> {
    let (first, names) = helps.first_key_value()?;
    let (mut policy, mut members) = (request.policy.clone(), request.members.to_vec());
    match first {
        Help::Maximum => {
            for name in names {
                let own = request.policy.preferences.of(name).copied().unwrap_or_default();
                let raised = ClusterPreferences { max_replicas: None, ..own };
                policy.preferences.clusters.insert((*name).to_owned(), raised);
            }
        }
        Help::Capacity => {
            let fits = |member: &&mut Member<'_>| names.contains(&member.name);
            members.iter_mut().filter(fits).for_each(|member| member.capacity = None);
        }
        _ => return None,
    }
    let plan = schedule(&Request { policy: &policy, members: &members, ..*request });
    if plan.unplaced <= 0 {
        return None;
    }
    let next = reasons_of_lack(&plan, &policy);
    let (help, names) = next.iter().find(|(help, names)| helps.get(help) != Some(names))?;
    Some(help.line(names))
}

/// One thing that would help, the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Help<'a> {
    Maximum,
    Capacity,
    Weight,
    Skew(&'a str, u32),
    Chosen(u32),
    Taint(&'a str),
    Selector(&'a str),
    Domain(&'a str),
    Preference,
    Filter(&'a str),
}

// === impl Help ===

impl Help<'_> {
    fn line(self, names: &[&str]) -> String {
        let mut names = names.to_vec();
        names.dedup();
        let names = listed(&names);
        match self {
            Self::Maximum => format!("raise maxReplicas of {names}"),
            Self::Capacity => format!("add nodes to {names}"),
            Self::Weight => format!("give a weight above 0 to {names}"),
            Self::Skew(by, skew) => {
                format!("allow a {by} to lead by more than {skew} (maxSkew), or add room in the others")
            }
            Self::Chosen(limit) => format!("raise maxClusters above {limit}, for {names}"),
            Self::Taint(taint) => format!("tolerate or remove taint {taint} of {names}"),
            Self::Selector(requirement) => format!("select or label {names} ({requirement})"),
            Self::Domain(by) => format!("label the nodes of {names} with their {by}"),
            Self::Preference => format!("name {names} in the preferences, or \"*\""),
            Self::Filter(filter) => format!("see filter {filter} about {names}"),
        }
    }
}

/// `1 replica`, `2 replicas`.
fn count(number: i64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// `a, b and 35 more`.
fn listed(names: &[&str]) -> String {
    match names.len() {
        0..=NAMES => names.join(", "),
        many => format!("{} and {} more", names[..NAMES - 1].join(", "), many - (NAMES - 1)),
    }
}
