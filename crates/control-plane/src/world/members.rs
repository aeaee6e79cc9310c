//! The members, with what is asked of all of them at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::member::{ApiHealth, Member};
use super::objects::{Change, Kept};
use crate::kinds::{FederatedKind, ObjectKey};

/// The members by name. Whatever changes one of them comes through here, so that the indices are true: to look at an object must not cost
/// as much as there are members that have nothing to do with it.
#[derive(Debug, Default)]
pub(crate) struct Members {
    members: BTreeMap<Arc<str>, Member>,
    /// Who shows an object of a key.
    holders: BTreeMap<ObjectKey, BTreeSet<Arc<str>>>,
    /// Who may hold what it has not shown.
    veiled: BTreeSet<Arc<str>>,
    /// Whose API is gone, or whose replicas are being planned elsewhere.
    failing: BTreeSet<Arc<str>>,
}

// === impl Members ===

impl Members {
    pub(crate) fn get(&self, name: &str) -> Option<&Member> {
        self.members.get(name)
    }

    /// `name`, if that is a member's.
    pub(crate) fn name(&self, name: &str) -> Option<&str> {
        self.members.get_key_value(name).map(|(name, _)| &**name)
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Member)> {
        self.members.iter().map(|(name, member)| (&**name, member))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(|name| &**name)
    }

    /// Those that show an object of `key`.
    pub(crate) fn holders(&self, key: &ObjectKey) -> impl Iterator<Item = &str> {
        self.holders.get(key).into_iter().flatten().map(|name| &**name)
    }

    /// The keys of all that any member shows.
    pub(crate) fn held(&self) -> impl Iterator<Item = &ObjectKey> {
        self.holders.keys()
    }

    /// Those that may hold what they have not shown, or not let kfed see.
    pub(crate) fn veiled(&self) -> impl Iterator<Item = (&str, &Member)> {
        self.of(&self.veiled)
    }

    /// Those whose API is gone, or whose replicas are being planned elsewhere.
    pub(crate) fn failing(&self) -> impl Iterator<Item = (&str, &Member)> {
        self.of(&self.failing)
    }

    /// Changes what is known of member `name`, of which nothing may have been known.
    pub(crate) fn change<T>(&mut self, name: &str, change: impl FnOnce(&mut Member) -> T) -> T {
        let name = match self.members.get_key_value(name) {
            Some((name, _)) => name.clone(),
            None => name.into(),
        };
        let member = self.members.entry(name.clone()).or_default();
        let result = change(member);
        let is_veiled = !member.known || !member.forbidden.is_empty();
        let is_failing = matches!(member.api, ApiHealth::Offline { .. }) || member.evictions.is_some();
        for (set, is_in) in [(&mut self.veiled, is_veiled), (&mut self.failing, is_failing)] {
            match is_in {
                true => drop(set.insert(name.clone())),
                false => drop(set.remove(&name)),
            }
        }
        result
    }

    /// The same of a member that is known; none where it is not.
    pub(crate) fn change_known<T>(&mut self, name: &str, change: impl FnOnce(&mut Member) -> T) -> Option<T> {
        self.contains(name).then(|| self.change(name, change))
    }

    /// Takes in what a watch of `kind` in member `name` tells; returns the keys it is about.
    pub(crate) fn hear(&mut self, name: &str, kind: &'static FederatedKind, told: Change<Kept>) -> Vec<ObjectKey> {
        let keys = self.change(name, |member| member.objects.change(kind, told));
        self.index(name, &keys);
        keys
    }

    /// Member `name` holds an object.
    #[cfg(test)]
    pub(crate) fn hold(&mut self, name: &str, kind: &'static FederatedKind, object: kube::core::DynamicObject) {
        self.hear(name, kind, Change::Apply(Box::new(Kept::of(kind, object.into()))));
    }

    /// All that was known of `name` is no longer; this is.
    pub(crate) fn replace(&mut self, name: &str, member: Member) {
        let before = self.change(name, |before| std::mem::replace(before, member));
        let keys: Vec<_> = before.objects.keys().cloned().collect();
        self.index(name, &keys);
        let keys: Vec<_> = self.members[name].objects.keys().cloned().collect();
        self.index(name, &keys);
    }

    /// Forgets `name`; whether anything was known of it.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let Some(member) = self.members.remove(name) else { return false };
        let keys: Vec<_> = member.objects.keys().cloned().collect();
        self.index(name, &keys);
        self.veiled.remove(name);
        self.failing.remove(name);
        true
    }

    /// Notes whether `name` holds what is at `keys`.
    fn index(&mut self, name: &str, keys: &[ObjectKey]) {
        let member = self.members.get_key_value(name);
        for key in keys {
            match member.filter(|(_, member)| member.objects.contains(key)) {
                Some((name, _)) => drop(self.holders.entry(key.clone()).or_default().insert(name.clone())),
                None => {
                    if let Some(holders) = self.holders.get_mut(key) {
                        holders.remove(name);
                        if holders.is_empty() {
                            self.holders.remove(key);
                        }
                    }
                }
            }
        }
    }

    fn of<'a>(&'a self, names: &'a BTreeSet<Arc<str>>) -> impl Iterator<Item = (&'a str, &'a Member)> {
        names.iter().filter_map(|name| Some((&**name, self.members.get(name)?)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kind() -> &'static FederatedKind {
        FederatedKind::named("ConfigMap").unwrap()
    }

    fn object(name: &str) -> Kept {
        let metadata = json!({"name": name, "namespace": "default"});
        Kept::of(kind(), serde_json::from_value(json!({"metadata": metadata})).unwrap())
    }

    fn key(name: &str) -> ObjectKey {
        object(name).key
    }

    fn holders(members: &Members, name: &str) -> Vec<String> {
        members.holders(&key(name)).map(str::to_owned).collect()
    }

    #[test]
    fn who_holds_what_follows_all_that_members_tell() {
        let mut members = Members::default();
        members.hear("west", kind(), Change::Apply(Box::new(object("a"))));
        members.hear("east", kind(), Change::Reset(vec![object("a"), object("b")]));
        assert_eq!(
            (holders(&members, "a"), holders(&members, "b")),
            (vec!["east".into(), "west".into()], vec!["east".into()])
        );
        members.hear("east", kind(), Change::Interrupted);
        assert_eq!(holders(&members, "b"), ["east"], "what was known still is the best there is");
        members.hear("east", kind(), Change::Reset(vec![object("a")]));
        assert_eq!(holders(&members, "b"), [""; 0]);
        members.hear("west", kind(), Change::Delete(Box::new(object("a"))));
        assert_eq!(holders(&members, "a"), ["east"]);
        let east = std::mem::take(&mut members).members.remove("east").unwrap();
        members.replace("north", east);
        assert_eq!(holders(&members, "a"), ["north"]);
        members.replace("north", Member::default());
        assert_eq!(members.held().count(), 0);
        members.hear("north", kind(), Change::Apply(Box::new(object("a"))));
        assert!(members.remove("north") && !members.remove("north"));
        assert_eq!((members.held().count(), members.veiled().count()), (0, 0));
    }

    #[test]
    fn who_may_hold_more_than_it_shows_and_who_fails_is_known_without_asking_all() {
        let mut members = Members::default();
        let names = |members: &Members| -> (Vec<String>, Vec<String>) {
            let names = |of: &BTreeSet<Arc<str>>| of.iter().map(ToString::to_string).collect();
            (names(&members.veiled), names(&members.failing))
        };
        let (west, none) = (vec!["west".to_owned()], Vec::new());
        assert_eq!(members.change_known("west", |_| ()), None);
        members.change("west", |_| ());
        assert_eq!(names(&members), (west.clone(), none.clone()), "it has told nothing yet");
        members.change("west", |member| member.known = true);
        assert_eq!(names(&members), (none.clone(), none.clone()));
        let ban = super::super::Ban { verb: "list", says: "no".into() };
        members.change("west", |member| member.forbidden.insert("Secret", ban));
        assert_eq!(names(&members), (west.clone(), none.clone()));
        let since = "2026-01-01T00:00:00Z".parse().unwrap();
        let offline = ApiHealth::Offline { reason: "Timeout", message: String::new(), since };
        members.change("west", |member| (member.forbidden, member.api) = (BTreeMap::new(), offline));
        assert_eq!(names(&members), (none.clone(), west.clone()));
        members.change("west", |member| (member.api, member.evictions) = (ApiHealth::Ready, Some(BTreeMap::new())));
        assert_eq!(names(&members), (none.clone(), west), "its turns are to be forgotten");
        members.change("west", |member| member.evictions = None);
        assert_eq!(names(&members), (none.clone(), none));
    }
}
