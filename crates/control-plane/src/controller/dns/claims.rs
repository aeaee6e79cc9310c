//! Names of their own choice that Services ask for, and who has each.

use std::collections::{BTreeMap, BTreeSet};

use kfed_api::keys;
use kfed_dnsprovider::DnsName;

use crate::kinds::ObjectKey;

/// What all Services ask for.
#[derive(Default)]
pub(super) struct Claims {
    claims: BTreeMap<ObjectKey, Claim>,
    /// Who asks for a name, the one that has it first: the oldest, as [`kfed_service_dns::settle`] has it.
    claimants: BTreeMap<DnsName, BTreeSet<(i64, ObjectKey)>>,
}

/// The names that a Service asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    /// When the Service was created, in seconds.
    pub(super) created: i64,
    pub(super) names: Vec<DnsName>,
    /// What is wrong with those that it cannot have.
    pub(super) mistakes: Vec<String>,
}

// === impl Claims ===

impl Claims {
    /// `service` asks for this from now on. Those who ask for a name that has somebody else now.
    pub(super) fn set(&mut self, service: &ObjectKey, claim: Option<Claim>) -> BTreeSet<ObjectKey> {
        if self.claims.get(service) == claim.as_ref() {
            return BTreeSet::new();
        }
        let before = self.claims.remove(service);
        let names: BTreeSet<_> = before.iter().chain(&claim).flat_map(|claim| claim.names.iter().cloned()).collect();
        let had: Vec<_> = names.iter().map(|name| self.owner(name).cloned()).collect();
        for (name, place) in before.iter().flat_map(|claim| claim.places(service)) {
            if let Some(claimants) = self.claimants.get_mut(name) {
                claimants.remove(&place);
                if claimants.is_empty() {
                    self.claimants.remove(name);
                }
            }
        }
        for (name, place) in claim.iter().flat_map(|claim| claim.places(service)) {
            self.claimants.entry(name.clone()).or_default().insert(place);
        }
        self.claims.extend(claim.map(|claim| (service.clone(), claim)));
        let moved = names.iter().zip(had).filter(|(name, had)| self.owner(name) != had.as_ref());
        let concerned = moved.flat_map(|(name, _)| self.claimants.get(name).into_iter().flatten());
        concerned.map(|(_, key)| key.clone()).filter(|key| key != service).collect()
    }

    /// The names that `service` has, and what is wrong with the others that it asks for.
    pub(super) fn settled(&self, service: &ObjectKey) -> (Vec<DnsName>, Vec<String>) {
        let Some(claim) = self.claims.get(service) else { return Default::default() };
        let (mut names, mut mistakes) = (Vec::new(), claim.mistakes.clone());
        for name in &claim.names {
            match self.owner(name) {
                Some(owner) if owner != service => {
                    let name = name.without_dot();
                    mistakes.push(format!("annotation {}: `{name}` is {owner}'s, which is older", keys::HOSTNAME));
                }
                _ => names.push(name.clone()),
            }
        }
        (names, mistakes)
    }

    fn owner(&self, name: &DnsName) -> Option<&ObjectKey> {
        self.claimants.get(name)?.first().map(|(_, key)| key)
    }
}

// === impl Claim ===

impl Claim {
    /// Each name, and where `service` stands among those who ask for it.
    fn places(&self, service: &ObjectKey) -> impl Iterator<Item = (&DnsName, (i64, ObjectKey))> {
        self.names.iter().map(|name| (name, (self.created, service.clone())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(n: usize) -> ObjectKey {
        let kind = crate::FederatedKind::named("Service").unwrap();
        ObjectKey { kind, namespace: "default".to_owned(), name: format!("s{n}") }
    }

    fn claim() -> impl Strategy<Value = Option<Claim>> {
        let names = proptest::collection::btree_set(0..3usize, 0..3);
        proptest::option::of((0..3i64, names).prop_map(|(created, names)| {
            let names = names.into_iter().map(|n| format!("n{n}.example.com").parse().unwrap()).collect();
            Claim { created, names, mistakes: Vec::new() }
        }))
    }

    fn settled(claims: &Claims) -> BTreeMap<ObjectKey, (Vec<DnsName>, Vec<String>)> {
        claims.claims.keys().map(|key| (key.clone(), claims.settled(key))).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn names_have_who_they_would_have_if_all_asked_at_once(
            steps in proptest::collection::vec((0..4usize, claim()), 1..24),
        ) {
            let mut claims = Claims::default();
            let mut all = BTreeMap::new();
            for (service, claim) in steps {
                let before = settled(&claims);
                let told = claims.set(&key(service), claim.clone());
                match claim {
                    Some(claim) => drop(all.insert(key(service), claim)),
                    None => drop(all.remove(&key(service))),
                }
                let owners = kfed_service_dns::settle(all.iter().map(|(key, c)| (c.created, key.clone(), c.names.clone())));
                for (key, claim) in &all {
                    let (names, mistakes) = claims.settled(key);
                    let theirs: Vec<_> = claim.names.iter().filter(|name| owners[*name] == *key).cloned().collect();
                    prop_assert_eq!(&names, &theirs);
                    prop_assert_eq!(mistakes.len(), claim.names.len() - theirs.len());
                }
                // Who has others than before is told, and nobody who has not.
                let after = settled(&claims);
                for other in after.keys().filter(|other| **other != key(service)) {
                    prop_assert!(told.contains(other) || before.get(other) == after.get(other), "{other} is not told");
                }
                prop_assert!(!told.contains(&key(service)));
            }
        }
    }
}
