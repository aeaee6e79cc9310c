//! A plan that is kept up is the one that is made as a whole.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::select;

use super::properties::{make, wish, zone};
use super::*;
use crate::name::DnsName;
use crate::plan::{KeptPlan, Wish};
use crate::testing::{bare, of, owner};

const RESOURCES: [&str; 3] = ["api", "shop", "web"];
const ENTRY: &str = "heritage=external-dns,external-dns/owner=other";

#[derive(Debug, Clone)]
enum Step {
    /// A resource wants the sets of its own at these of the names.
    Wants(&'static str, Desired, BTreeSet<usize>),
    Stays(&'static str),
    Forgotten(&'static str),
    /// Somebody writes what another zone holds at one name.
    Written(usize, ZoneSnapshot),
    /// Somebody registers a name, or takes the entry away.
    Registered(&'static str, bool),
    ReadAnew(ZoneSnapshot),
    /// Some of what is planned is done.
    Done(usize),
    Policy(Policy),
}

fn resource() -> impl Strategy<Value = &'static str> {
    select(&RESOURCES[..])
}

fn policy() -> impl Strategy<Value = Policy> {
    let caused = proptest::collection::btree_set(resource().prop_map(named), 0..3);
    let dead = proptest::collection::btree_map(resource().prop_map(named), Just(dead()), 0..2);
    let priorities = proptest::collection::btree_map(resource().prop_map(named), 0..3i64, 0..3);
    (any::<bool>(), 1..4usize, 0.0..1.0f64, caused, dead, priorities).prop_map(
        |(upserts, max_records_per_set, share, caused, dead, priorities)| Policy {
            mode: if upserts { Mode::UpsertOnly } else { Mode::Sync },
            max_records_per_set,
            guard: Guard { share, at_least: 0 },
            caused,
            dead,
            priorities,
            ..Policy::default()
        },
    )
}

fn dead() -> BTreeSet<RecordData> {
    [RecordData::A("192.0.2.1".parse().unwrap())].into()
}

fn step() -> impl Strategy<Value = Step> {
    let some = proptest::collection::btree_set(0..4usize, 0..4);
    prop_oneof![
        4 => (resource(), wish(), some).prop_map(|(resource, wish, at)| Step::Wants(resource, wish, at)),
        1 => resource().prop_map(Step::Stays),
        1 => resource().prop_map(Step::Forgotten),
        2 => (0..4usize, zone()).prop_map(|(name, zone)| Step::Written(name, zone)),
        1 => (select(&["a", "b", "aaaa-c"][..]), any::<bool>()).prop_map(|(name, is)| Step::Registered(name, is)),
        1 => zone().prop_map(Step::ReadAnew),
        4 => (0..8usize).prop_map(Step::Done),
        1 => policy().prop_map(Step::Policy),
    ]
}

fn named(name: &str) -> Resource {
    Resource::service("default", name)
}

fn name(n: usize) -> DnsName {
    key("A", ["a", "b", "c", "d"][n]).name
}

/// What the kept plan is to be the same as.
#[derive(Default)]
struct Whole {
    zone: ZoneSnapshot,
    wishes: BTreeMap<Resource, Vec<DesiredRecordSet>>,
    keep: BTreeSet<Resource>,
    policy: Policy,
}

impl Whole {
    fn plan(&self) -> ChangeSet {
        let desired = Desired { sets: self.wishes.values().flatten().cloned().collect(), keep: self.keep.clone() };
        plan(&self.zone, &desired, &owner(), &self.policy)
    }

    fn held(&self) -> BTreeMap<Resource, BTreeSet<RecordSetKey>> {
        let mut held = BTreeMap::<_, BTreeSet<_>>::new();
        for set in self.zone.iter().filter(|set| owner().owns(set)) {
            held.entry(Resource::of(set).unwrap()).or_default().insert(set.key.clone());
        }
        held
    }

    /// Takes a step, and lets `kept` know of it.
    fn take(&mut self, step: Step, kept: &mut KeptPlan) -> Result<(), TestCaseError> {
        match step {
            Step::Wants(resource, wish, at) => {
                let resource = named(resource);
                let names: Vec<_> = at.into_iter().map(name).collect();
                let sets = wish.sets.into_iter().filter(|set| names.contains(&set.key.name));
                let sets: Vec<_> = sets.map(|set| DesiredRecordSet { resource: resource.clone(), ..set }).collect();
                kept.want(&resource, Wish::Sets(sets.clone()));
                self.keep.remove(&resource);
                self.wishes.insert(resource, sets);
            }
            Step::Stays(resource) => {
                kept.want(&named(resource), Wish::Stay);
                self.wishes.remove(&named(resource));
                self.keep.insert(named(resource));
            }
            Step::Forgotten(resource) => {
                kept.forget(&named(resource));
                self.wishes.remove(&named(resource));
                self.keep.remove(&named(resource));
            }
            Step::Written(at, other) => {
                let before = self.held();
                let keys = |zone: &ZoneSnapshot| zone.at(&name(at)).map(|set| set.key.clone()).collect::<BTreeSet<_>>();
                let (had, has) = (keys(&self.zone), keys(&other));
                had.difference(&has).for_each(|key| drop(self.zone.remove(key)));
                other.at(&name(at)).for_each(|set| self.zone.insert(set.clone()));
                let told = kept.see(&self.zone, had.union(&has));
                let after = self.held();
                for resource in before.keys().chain(after.keys()) {
                    prop_assert!(told.contains(resource) || before.get(resource) == after.get(resource));
                }
            }
            Step::Registered(name, is) => {
                let txt = bare("TXT", name, &[ENTRY]);
                match is {
                    true => self.zone.insert(txt.clone()),
                    false => drop(self.zone.remove(&txt.key)),
                }
                kept.see(&self.zone, [&txt.key]);
            }
            Step::ReadAnew(zone) => {
                kept.see_all(&zone);
                self.zone = zone;
            }
            Step::Done(most) => {
                let changes = kept.plan(&self.zone, &self.policy);
                // What depends on each other stands together, and is done as a whole.
                let some: Vec<_> = changes.changes.iter().take(most).collect();
                for change in &some {
                    make(&mut self.zone, change)?;
                }
                kept.see(&self.zone, some.iter().map(|change| change.key()));
            }
            Step::Policy(policy) => self.policy = policy,
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_kept_plan_is_the_one_that_is_made_as_a_whole(steps in proptest::collection::vec(step(), 1..24)) {
        let mut whole = Whole::default();
        let mut kept = KeptPlan::new(owner());
        for step in steps {
            whole.take(step, &mut kept)?;
            prop_assert_eq!(kept.plan(&whole.zone, &whole.policy), whole.plan());
            let held = kept.resources().map(|resource| (resource.clone(), kept.held(resource).cloned().collect()));
            prop_assert_eq!(held.collect::<BTreeMap<_, BTreeSet<_>>>(), whole.held());
        }
    }
}

#[test]
fn what_is_settled_is_not_looked_at_again() {
    let zone: ZoneSnapshot =
        [ours("A", "web", &["192.0.2.1"]), of("another", "A", "api", &["192.0.2.9"])].into_iter().collect();
    let mut kept = KeptPlan::new(owner());
    kept.see_all(&zone);
    kept.want(&web(), Wish::Sets(vec![want("A", "web", &["192.0.2.1"])]));
    assert!(kept.plan(&zone, &Policy::default()).is_empty());
    // Nobody has told it of this one, so it does not look.
    let other: ZoneSnapshot = [ours("A", "web", &["192.0.2.7"])].into_iter().collect();
    assert!(kept.plan(&other, &Policy::default()).is_empty());
    assert_eq!(kept.see(&other, [&key("A", "web")]), [web()].into());
    assert_eq!(
        lines(&kept.plan(&other, &Policy::default())),
        ["update A web.example.com.: withdraws 192.0.2.7, adds 192.0.2.1"]
    );
}
