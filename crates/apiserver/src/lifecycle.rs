//! Deletion, and the work other programs do for a kube-apiserver after it: finishing namespaces and collecting what owners leave.
//!
//! All of it is a function of the store's state, run inside the transaction that changed it until nothing is left to do, so it needs
//! no task, no clock and no luck. With the lifecycle off only the API server's own part is done, as upstream.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::admission;
use crate::clock::rfc3339;
use crate::crd;
use crate::kinds::{Kind, Registry};
use crate::object;
use crate::store::{ObjectKey, Resource, Stored, Tx};

pub(crate) const NAMESPACES: &str = "namespaces";
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
pub(crate) const ORPHAN: &str = "orphan";

/// What happens to the dependents of a deleted object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Propagation {
    Background,
    Foreground,
    Orphan,
}

/// How to delete.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Deletion {
    pub(crate) propagation: Option<Propagation>,
    pub(crate) grace_seconds: Option<i64>,
}

/// What deleting came to.
#[derive(Debug)]
pub(crate) enum Deleted {
    /// Gone; the last state.
    Gone(Arc<Stored>),
    /// Still there, marked: finalizers or a grace period hold it.
    Marked(Arc<Stored>),
}

/// Deletes one object as DELETE does, or marks it.
pub(crate) fn delete(tx: &mut Tx<'_>, kind: &Kind, key: &ObjectKey, how: Deletion, now: Timestamp) -> Option<Deleted> {
    let live = Arc::clone(tx.get(&kind.storage, key)?);
    match next_state(kind, &live.object, how, now) {
        Next::Keep => Some(Deleted::Marked(live)),
        Next::Mark(object) => Some(Deleted::Marked(tx.put(&kind.storage, key, object))),
        Next::Remove(last) => tx.remove(&kind.storage, key, last).map(Deleted::Gone),
    }
}

pub(crate) enum Next {
    Keep,
    Mark(Value),
    Remove(Value),
}

/// What a DELETE makes of `live`.
pub(crate) fn next_state(kind: &Kind, live: &Value, how: Deletion, now: Timestamp) -> Next {
    let old = object::finalizers(live);
    let mut finalizers: Vec<String> = old.iter().map(|&f| f.to_owned()).collect();
    let mut set = |name: &str, wanted: bool| {
        finalizers.retain(|f| f != name);
        if wanted {
            finalizers.push(name.to_owned());
        }
    };
    if let Some(propagation) = how.propagation
        && !object::deleting(live)
    {
        set(ORPHAN, propagation == Propagation::Orphan);
        set(FOREGROUND, propagation == Propagation::Foreground);
    }
    if kind.is("apiextensions.k8s.io", "CustomResourceDefinition") && !object::deleting(live) {
        set(crd::CLEANUP_FINALIZER, true);
    }
    let namespace = kind.is("", "Namespace");
    let held = !finalizers.is_empty() || (namespace && !object::strings(live, "/spec/finalizers").is_empty());
    let grace = grace_seconds(kind, live, how);
    let already = object::deleting(live);
    let mut object = live.clone();
    object::set_finalizers(&mut object, finalizers);

    if !held && grace == 0 {
        if kind.is("", "Pod") {
            mark(&mut object, now, 0, !already);
        }
        return Next::Remove(object);
    }
    let current = live.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64);
    if already && current.is_none_or(|c| c <= grace) {
        return Next::Keep;
    }
    mark(&mut object, now, grace, !already);
    if namespace {
        // A namespace's grace is never written; its phase tells instead.
        object::set_metadata(&mut object, "deletionGracePeriodSeconds", None);
        object::section(&mut object, "status").insert("phase".to_owned(), "Terminating".into());
    }
    Next::Mark(object)
}

fn mark(object: &mut Value, now: Timestamp, grace: i64, first: bool) {
    let at = now.saturating_add(SignedDuration::from_secs(grace)).unwrap_or(now);
    let metadata = object::metadata(object);
    metadata.insert("deletionTimestamp".to_owned(), rfc3339(at).into());
    metadata.insert("deletionGracePeriodSeconds".to_owned(), grace.into());
    if first && let Some(generation) = metadata.get("generation").and_then(Value::as_i64) {
        metadata.insert("generation".to_owned(), (generation + 1).into());
    }
}

/// Only Pods go gracefully, and only those a kubelet may still run.
fn grace_seconds(kind: &Kind, live: &Value, how: Deletion) -> i64 {
    if !kind.is("", "Pod") {
        return 0;
    }
    let placed = object::text(live, "/spec/nodeName").is_some_and(|n| !n.is_empty());
    let ended = matches!(object::text(live, "/status/phase"), Some("Succeeded" | "Failed"));
    if !placed || ended {
        return 0;
    }
    let own = || live.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64);
    how.grace_seconds.or_else(own).unwrap_or(30).max(0)
}

/// Whether nothing holds a marked object any longer.
pub(crate) fn released(kind: &Kind, object: &Value) -> bool {
    let grace = object.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0);
    let held = kind.is("", "Namespace") && !object::strings(object, "/spec/finalizers").is_empty();
    object::deleting(object) && object::finalizers(object).is_empty() && grace == 0 && !held
}

/// What settling needs to know.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) registry: Arc<Registry>,
    pub(crate) now: Timestamp,
    /// Finish namespaces, collect garbage, and furnish new namespaces.
    pub(crate) lifecycle: bool,
}

/// Carries out what follows from a transaction's changes. Returns the new registry if definitions changed.
pub(crate) fn settle(tx: &mut Tx<'_>, mut rules: Rules) -> Option<Arc<Registry>> {
    let mut replaced = None;
    let mut work: VecDeque<(Resource, ObjectKey)> = VecDeque::new();
    let mut queued: BTreeSet<(Resource, ObjectKey)> = BTreeSet::new();
    loop {
        let (touched, removed) = tx.take_changes();
        let definitions = |resource: &Resource| **resource == *crd::DEFINITIONS;
        if touched.iter().any(|(r, _)| definitions(r)) || removed.iter().any(|(r, _, _)| definitions(r)) {
            for (resource, _, last) in &removed {
                if definitions(resource) {
                    tx.end_watches(&crd::storage_of(&last.object));
                }
            }
            let present = tx.range(crd::DEFINITIONS, None);
            let registry = Arc::new(Registry::new(crd::rows(present.iter().map(|(_, s)| &s.object))));
            rules.registry = Arc::clone(&registry);
            replaced = Some(registry);
        }
        let mut next: Vec<(Resource, ObjectKey)> = touched;
        for (resource, key, last) in removed {
            next.extend(after_removal(tx, &rules, &resource, &key, &last));
        }
        for place in next {
            if queued.insert(place.clone()) {
                work.push_back(place);
            }
        }
        let Some(place) = work.pop_front() else { return replaced };
        queued.remove(&place);
        let (resource, key) = place;
        let Some(kind) = rules.registry.stored(&resource).cloned() else { continue };
        let Some(live) = tx.get(&resource, &key).cloned() else { continue };
        visit(tx, &rules, &kind, &key, &live);
    }
}

/// Whom the removal of an object concerns.
fn after_removal(
    tx: &mut Tx<'_>,
    rules: &Rules,
    resource: &Resource,
    key: &ObjectKey,
    last: &Stored,
) -> Vec<(Resource, ObjectKey)> {
    let mut concerned = Vec::new();
    if let Some(custom) = rules.registry.stored(resource).and_then(|k| k.custom.as_ref().map(|_| Arc::clone(k))) {
        // The last instance lets its definition go.
        concerned.push((Arc::from(crd::DEFINITIONS), ObjectKey::new("", custom.resource())));
    }
    if !rules.lifecycle {
        return concerned;
    }
    concerned.extend(object::uid(&last.object).map(|uid| tx.dependents(uid)).unwrap_or_default());
    for owner in object::owner_uids(&last.object) {
        concerned.extend(tx.owner(owner).cloned());
    }
    if !key.namespace.is_empty() {
        concerned.push((Arc::from(NAMESPACES), ObjectKey::new("", key.namespace.clone())));
    }
    concerned
}

/// Does for one object whatever its state asks for.
fn visit(tx: &mut Tx<'_>, rules: &Rules, kind: &Arc<Kind>, key: &ObjectKey, live: &Arc<Stored>) {
    if kind.is("apiextensions.k8s.io", "CustomResourceDefinition") && object::deleting(&live.object) {
        return finish_definition(tx, rules, kind, key, live);
    }
    if !rules.lifecycle {
        return;
    }
    let uid = object::uid(&live.object).unwrap_or_default();
    if object::deleting(&live.object) {
        let finalizers = object::finalizers(&live.object);
        if finalizers.contains(&ORPHAN) {
            for place in tx.dependents(uid) {
                drop_owners(tx, rules, &place, |o| o == uid);
            }
            release(tx, kind, key, ORPHAN);
        } else if finalizers.contains(&FOREGROUND) {
            finish_foreground(tx, rules, kind, key, uid);
        }
        if kind.is("", "Namespace") {
            finish_namespace(tx, rules, kind, key);
        }
        return;
    }
    if kind.is("", "Namespace") {
        admission::furnish_namespace(tx, &key.name, rules.now);
    } else {
        collect(tx, rules, kind, key, live);
    }
}

/// Deletes an object none of whose owners is left, and forgets owners that are gone while others live.
fn collect(tx: &mut Tx<'_>, rules: &Rules, kind: &Kind, key: &ObjectKey, live: &Stored) {
    let mut solid = 0;
    let mut waiting = 0;
    let mut absent: BTreeSet<String> = BTreeSet::new();
    for owner in object::owner_uids(&live.object) {
        // An owner is cluster-scoped or in the same namespace; anything else counts as absent.
        let place = tx.owner(owner).filter(|(_, k)| k.namespace.is_empty() || k.namespace == key.namespace).cloned();
        match place.and_then(|(resource, k)| tx.get(&resource, &k).cloned()) {
            None => {
                absent.insert(owner.to_owned());
            }
            Some(owner)
                if object::deleting(&owner.object) && object::finalizers(&owner.object).contains(&FOREGROUND) =>
            {
                waiting += 1;
            }
            Some(_) => solid += 1,
        }
    }
    if solid == 0 && waiting + absent.len() > 0 {
        let has_dependents = object::uid(&live.object).is_some_and(|uid| !tx.dependents(uid).is_empty());
        let foreground = waiting > 0 && has_dependents;
        let propagation = Some(if foreground { Propagation::Foreground } else { Propagation::Background });
        delete(tx, kind, key, Deletion { propagation, grace_seconds: None }, rules.now);
    } else if !absent.is_empty() {
        drop_owners(tx, rules, &(Arc::clone(&kind.storage), key.clone()), |uid| absent.contains(uid));
    }
}

fn drop_owners(tx: &mut Tx<'_>, rules: &Rules, (resource, key): &(Resource, ObjectKey), gone: impl Fn(&str) -> bool) {
    let Some(live) = tx.get(resource, key).cloned() else { return };
    if rules.registry.stored(resource).is_none() {
        return;
    }
    let is_gone = |o: &&Value| o.get("uid").and_then(Value::as_str).is_some_and(&gone);
    let left: Vec<Value> = object::owners(&live.object).filter(|o| !is_gone(o)).cloned().collect();
    let mut object = live.object.clone();
    object::set_metadata(&mut object, "ownerReferences", (!left.is_empty()).then(|| left.into()));
    tx.put(resource, key, object);
}

/// Deletes the dependents, and lets the owner go when none is left that blocks it.
fn finish_foreground(tx: &mut Tx<'_>, rules: &Rules, kind: &Kind, key: &ObjectKey, uid: &str) {
    for (resource, place) in tx.dependents(uid) {
        let Some(dependent) = tx.get(&resource, &place).cloned() else { continue };
        if let Some(kind) = rules.registry.stored(&resource).cloned()
            && !object::deleting(&dependent.object)
        {
            collect(tx, rules, &kind, &place, &dependent);
        }
    }
    let blocks = |(resource, place): &(Resource, ObjectKey)| {
        let of_uid = |o: &&Value| o.get("uid").and_then(Value::as_str) == Some(uid);
        tx.get(resource, place)
            .and_then(|s| object::owners(&s.object).find(of_uid))
            .is_some_and(|o| o.get("blockOwnerDeletion") == Some(&Value::Bool(true)))
    };
    if !tx.dependents(uid).iter().any(blocks) {
        release(tx, kind, key, FOREGROUND);
    }
}

/// Takes a finalizer off a marked object; the last one lets it go.
fn release(tx: &mut Tx<'_>, kind: &Kind, key: &ObjectKey, finalizer: &str) {
    let Some(live) = tx.get(&kind.storage, key).cloned() else { return };
    let left: Vec<String> =
        object::finalizers(&live.object).into_iter().filter(|f| *f != finalizer).map(str::to_owned).collect();
    let mut object = live.object.clone();
    object::set_finalizers(&mut object, left);
    if released(kind, &object) {
        tx.remove(&kind.storage, key, object);
    } else {
        tx.put(&kind.storage, key, object);
    }
}

/// Empties a terminating namespace, and lets it go once it is empty.
fn finish_namespace(tx: &mut Tx<'_>, rules: &Rules, kind: &Kind, key: &ObjectKey) {
    for (resource, place) in tx.contents(&key.name) {
        let live = tx.get(&resource, &place).cloned();
        if let (Some(kind), Some(live)) = (rules.registry.stored(&resource).cloned(), live)
            && !object::deleting(&live.object)
        {
            delete(
                tx,
                &kind,
                &place,
                Deletion { propagation: Some(Propagation::Background), grace_seconds: None },
                rules.now,
            );
        }
    }
    let Some(live) = tx.get(&kind.storage, key).cloned() else { return };
    let remaining = tx.contents(&key.name);
    let mut object = live.object.clone();
    if remaining.is_empty() {
        let left: Vec<&str> =
            object::strings(&live.object, "/spec/finalizers").into_iter().filter(|f| *f != "kubernetes").collect();
        let left = json!(left);
        let spec = object::section(&mut object, "spec");
        if left == json!([]) {
            spec.remove("finalizers");
        } else {
            spec.insert("finalizers".to_owned(), left);
        }
        if released(kind, &object) {
            tx.remove(&kind.storage, key, object);
            return;
        }
    } else {
        tell_what_remains(&mut object, &remaining, rules.now);
    }
    if !object::same(&live.object, &object) {
        tx.put(&kind.storage, key, object);
    }
}

fn tell_what_remains(namespace: &mut Value, remaining: &[(Resource, ObjectKey)], now: Timestamp) {
    let mut counts: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for (resource, _) in remaining {
        *counts.entry(resource).or_default() += 1;
    }
    let list: Vec<String> = counts.iter().map(|(r, n)| format!("{r} has {n} resource instances")).collect();
    let condition = json!({
        "type": "NamespaceContentRemaining",
        "status": "True",
        "lastTransitionTime": rfc3339(now),
        "reason": "SomeResourcesRemain",
        "message": format!("Some resources are remaining: {}", list.join(", ")),
    });
    let conditions = object::section(namespace, "status").entry("conditions").or_insert_with(|| json!([]));
    let Some(conditions) = conditions.as_array_mut() else { return };
    match conditions.iter_mut().find(|c| c["type"] == condition["type"]) {
        Some(old) if old["message"] == condition["message"] => {}
        Some(old) => *old = condition,
        None => conditions.push(condition),
    }
}

/// Deletes the instances of a definition that goes, and lets it go after the last: the API server's own work upstream too.
fn finish_definition(tx: &mut Tx<'_>, rules: &Rules, kind: &Kind, key: &ObjectKey, live: &Stored) {
    if !object::finalizers(&live.object).contains(&crd::CLEANUP_FINALIZER) {
        return;
    }
    let storage = crd::storage_of(&live.object);
    if let Some(instance) = rules.registry.stored(&storage).cloned() {
        for (place, stored) in tx.range(&storage, None) {
            if !object::deleting(&stored.object) {
                delete(
                    tx,
                    &instance,
                    &place,
                    Deletion { propagation: Some(Propagation::Background), grace_seconds: None },
                    rules.now,
                );
            }
        }
    }
    if tx.range(&storage, None).is_empty() {
        release(tx, kind, key, crd::CLEANUP_FINALIZER);
    }
}
