//! Which preferences are a member's.

use std::cmp::Ordering;

use kfed_api::preferences::{ANY_CLUSTER, ClusterPreferences, ReplicaPreferences};

use crate::Member;
use crate::federation_v1::names;

/// Tells `each` the members, in their order, with their own entry of the preferences, else that of `*`, else none.
pub(crate) fn match_preferences<'a>(
    preferences: &'a ReplicaPreferences,
    members: &[Member<'_>],
    mut each: impl FnMut(&Member<'_>, Option<&'a ClusterPreferences>),
) {
    let clusters = &preferences.clusters;
    // `*` comes before whatever a member may be called, so it is usually the first entry, or there is none.
    let any = clusters.first_key_value().and_then(|(first, entry)| match first.as_str().cmp(ANY_CLUSTER) {
        Ordering::Less => clusters.get(ANY_CLUSTER),
        Ordering::Equal => Some(entry),
        Ordering::Greater => None,
    });
    let only_any = clusters.len() == usize::from(any.is_some());

    // Preferences are sorted by name, and members usually are: one walk along both finds each member's own entry. All
    // entries that the walk has passed are below the highest member so far, so only a member below that one is looked up.
    // (A member called `*` has that entry as its own.)
    let mut own = clusters.iter();
    let mut next = own.next();
    let mut highest: Option<&str> = None;
    for member in members {
        let matching = loop {
            if only_any {
                break any;
            }
            match next {
                Some((name, own_entry)) if names::equal(name, member.name) => {
                    highest = Some(name);
                    next = own.next();
                    break Some(own_entry);
                }
                _ if highest.is_some_and(|highest| !names::below(highest, member.name)) => {
                    break clusters.get(member.name).or(any);
                }
                Some((name, _)) if names::below(name, member.name) => next = own.next(),
                _ => {
                    highest = Some(member.name);
                    break any;
                }
            }
        };
        each(member, matching);
    }
}
