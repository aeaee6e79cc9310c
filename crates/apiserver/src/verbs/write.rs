//! Create, replace, patch, apply.
//!
//! A change is computed from the state that was read, without the lock, and committed only if that state is still the current one;
//! otherwise it is computed again. What depends on other objects (namespaces, addresses, names) is decided inside the transaction.

use std::sync::Arc;

use http::Method;
use serde_json::Value;

use super::{Call, Part, decode, scale};
use crate::admission;
use crate::clock::rfc3339;
use crate::convert;
use crate::crd;
use crate::defaults;
use crate::kinds::{Conversion, Kind};
use crate::lifecycle;
use crate::object;
use crate::patch::{self, Manager, PatchError};
use crate::reply::{self, Reply, Representation, View};
use crate::request::{self, FieldValidation};
use crate::status::{Cause, FieldError, Status};
use crate::store::{ObjectKey, Stored};
use crate::validate;

/// Others may win the race for an object that often before the client is told.
const ATTEMPTS: usize = 32;

const BUILT_IN_PATCHES: &str = "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml";
const CUSTOM_PATCHES: &str = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";

/// What a write came to.
pub(super) struct Written {
    pub(super) stored: Arc<Stored>,
    created: bool,
    warnings: Vec<String>,
}

struct Options {
    dry_run: bool,
    manager: String,
    validation: FieldValidation,
    part: Part,
}

/// The object a request asks for.
struct Proposal {
    object: Value,
    /// Its managedFields are complete already.
    applied: bool,
}

/// Why a commit did not happen.
enum Refused {
    /// Somebody else was faster: compute again.
    Raced,
    Because(Status),
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self::Because(status)
    }
}

impl Options {
    fn of(call: &Call<'_>, part: Part, kind: &str) -> Result<Self, Status> {
        Ok(Self {
            dry_run: call.request.dry_run(kind)?,
            manager: call.request.field_manager(),
            validation: call.request.validation()?,
            part,
        })
    }
}

pub(super) fn create(call: &Call<'_>) -> Result<Reply, Status> {
    let representation = Representation::negotiate(call.request)?;
    let options = Options::of(call, Part::Main, "CreateOptions")?;
    let object = decode::object(call)?;
    let written = insert(call, &options, Proposal { object, applied: false }).map_err(|refused| match refused {
        Refused::Because(status) => status,
        Refused::Raced => Status::internal("a creation has nothing to race with"),
    })?;
    Ok(answer(call, representation, Part::Main, &written))
}

pub(super) fn replace(call: &Call<'_>, part: Part) -> Result<Reply, Status> {
    let representation = Representation::negotiate(call.request)?;
    let options = Options::of(call, part, "UpdateOptions")?;
    let body = if part == Part::Scale { scale::decode(call)? } else { decode::object(call)? };
    let name = object::name(&body).to_owned();
    if name.is_empty() && part == Part::Main {
        let errors = vec![FieldError::required("metadata.name", "name or generateName is required")];
        return Err(Status::invalid(&call.kind, "", errors));
    }
    if !name.is_empty() && name != call.name {
        let problem = format!("the name of the object ({name}) does not match the name on the URL ({})", call.name);
        return Err(Status::bad_request(problem));
    }
    let written = commit(call, &options, |live| match live {
        None if part == Part::Main && call.kind.creates_on_update() => {
            Ok(Proposal { object: body.clone(), applied: false })
        }
        None => Err(Status::not_found(&call.kind, &call.name)),
        Some(live) if part == Part::Scale => Ok(Proposal { object: scale::put(call, live, &body)?, applied: false }),
        Some(_) => {
            if part == Part::Main && call.kind.wants_revision_on_update() && object::revision(&body).is_none() {
                let error = FieldError::invalid("metadata.resourceVersion", 0, "must be specified for an update");
                return Err(Status::invalid_named(&call.kind.group, &call.kind.plural, &call.name, vec![error]));
            }
            Ok(Proposal { object: body.clone(), applied: false })
        }
    })?;
    Ok(answer(call, representation, part, &written))
}

pub(super) fn patch(call: &Call<'_>, part: Part) -> Result<Reply, Status> {
    let representation = Representation::negotiate(call.request)?;
    let options = Options::of(call, part, "PatchOptions")?;
    let custom = call.kind.custom.is_some();
    let written = match call.request.content_type() {
        "application/apply-patch+yaml" => return apply(call, representation, &options),
        "application/json-patch+json" | "application/merge-patch+json" => None,
        "application/strategic-merge-patch+json" if !custom => None,
        "application/strategic-merge-patch+json" => Some(Status::unsupported_body(CUSTOM_PATCHES)),
        media if media.ends_with("json") || media.ends_with("yaml") => Some(Status::unsupported_media_type()),
        _ => Some(Status::unsupported_body(if custom { CUSTOM_PATCHES } else { BUILT_IN_PATCHES })),
    };
    if let Some(status) = written {
        return Err(status);
    }
    let body: Value = serde_json::from_slice(&call.request.body)
        .map_err(|e| Status::bad_request(format!("error decoding patch: {e}")))?;
    let written = commit(call, &options, |live| {
        let Some(live) = live else { return Err(Status::not_found(&call.kind, &call.name)) };
        if part == Part::Scale {
            let shown = scale::of(&call.kind, live);
            let changed = patched(call, "Scale", &shown, &body)?;
            return Ok(Proposal { object: scale::put(call, live, &changed)?, applied: false });
        }
        let object = decode::conform(call, patched(call, &call.kind.kind, live, &body)?)?;
        if object::name(&object) != call.name {
            let problem = format!(
                "the name of the object ({}) does not match the name on the URL ({})",
                object::name(&object),
                call.name
            );
            return Err(Status::bad_request(problem));
        }
        Ok(Proposal { object, applied: false })
    })?;
    Ok(answer(call, representation, part, &written))
}

fn patched(call: &Call<'_>, kind: &str, target: &Value, body: &Value) -> Result<Value, Status> {
    match call.request.content_type() {
        "application/json-patch+json" => patch::json_patch(target, body),
        "application/strategic-merge-patch+json" => patch::strategic_merge(kind, target, body),
        _ if !body.is_object() => return Err(Status::bad_request("a merge patch is a JSON object")),
        _ => Ok(patch::merge_patch(target, body)),
    }
    .map_err(refused)
}

fn refused(error: PatchError) -> Status {
    match error {
        PatchError::Invalid(_) => Status::rejected_patch(),
        PatchError::BadRequest(message) => Status::bad_request(message),
        PatchError::Schema(message) => Status::internal(message),
        PatchError::Conflict(conflicts) => {
            let cause = |c: patch::FieldConflict| Cause {
                reason: "FieldManagerConflict",
                message: format!("conflict with {}", c.manager),
                field: c.field,
            };
            Status::apply_conflict(conflicts.into_iter().map(cause).collect())
        }
    }
}

/// Server-side apply: merges, tracks who owns what, creates what is not there.
fn apply(call: &Call<'_>, representation: Representation, options: &Options) -> Result<Reply, Status> {
    if call.request.query.get("fieldManager").unwrap_or_default().is_empty() {
        let error = FieldError::required("fieldManager", "is required for apply patch");
        return Err(Status::invalid_options("PatchOptions", vec![error]));
    }
    let force = call.request.query.flag("force");
    let body = request::yaml(&call.request.body)?;
    let config = if options.part == Part::Scale { scale::applied(call, &body)? } else { decode::conform(call, body)? };
    let name = object::name(&config);
    if !name.is_empty() && name != call.name {
        let problem = format!("the name of the object ({name}) does not match the name on the URL ({})", call.name);
        return Err(Status::bad_request(problem));
    }
    let mut config = config;
    object::set_metadata(&mut config, "name", Some(call.name.clone().into()));
    let (api_version, time) = (call.kind.api_version(), rfc3339(call.now));
    let manager = Manager {
        name: &options.manager,
        api_version: &api_version,
        subresource: options.part.subresource(),
        time: &time,
    };
    let written = commit(call, options, |live| {
        if live.is_none() {
            if options.part != Part::Main {
                return Err(Status::not_found(&call.kind, &call.name));
            }
            if let Some(uid) = object::uid(&config) {
                let why =
                    format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
                return Err(Status::conflict(&call.kind, &call.name, &why));
            }
        }
        let mut object = patch::apply(&call.kind.kind, live, &config, &manager, force).map_err(refused)?;
        for field in ["uid", "resourceVersion"] {
            // Preconditions, not configuration.
            if let Some(given) = config.pointer(&format!("/metadata/{field}")) {
                object::set_metadata(&mut object, field, Some(given.clone()));
            }
        }
        Ok(Proposal { object, applied: true })
    })?;
    Ok(answer(call, representation, options.part, &written))
}

fn answer(call: &Call<'_>, representation: Representation, part: Part, written: &Written) -> Reply {
    let code = if written.created { 201 } else { 200 };
    let mut out = Vec::with_capacity(1024);
    if part == Part::Scale {
        object::encode(&scale::of(&call.kind, &convert::from_storage(&call.kind, &written.stored.object)), &mut out);
    } else {
        View { kind: &call.kind, representation, now: call.now }.object(&written.stored, &mut out);
    }
    out.push(b'\n');
    let mut reply = reply::json_reply(code, out);
    reply::warn(&mut reply, &written.warnings);
    reply
}

/// Computes and commits until nobody was faster.
fn commit(
    call: &Call<'_>,
    options: &Options,
    propose: impl Fn(Option<&Value>) -> Result<Proposal, Status>,
) -> Result<Written, Status> {
    let key = call.key();
    for _ in 0..ATTEMPTS {
        let live = call.server.store().get(&call.kind.storage, &key);
        let shown = live.as_ref().map(|l| convert::from_storage(&call.kind, &l.object));
        let proposal = propose(shown.as_deref())?;
        let result = match (&live, &shown) {
            (Some(live), Some(shown)) => update(call, options, &key, live, shown, proposal),
            _ => insert(call, options, proposal),
        };
        match result {
            Ok(written) => return Ok(written),
            Err(Refused::Because(status)) => return Err(status),
            Err(Refused::Raced) => {}
        }
    }
    Err(Status::modified(&call.kind, &call.name))
}

fn insert(call: &Call<'_>, options: &Options, proposal: Proposal) -> Result<Written, Refused> {
    let Proposal { mut object, applied } = proposal;
    let kind = &call.kind;
    if object::revision(&object).is_some() && !applied {
        return Err(Status::internal("resourceVersion should not be set on objects to be created").into());
    }
    let named = object::name(&object).to_owned();
    let prefix = object::text(&object, "/metadata/generateName").unwrap_or_default().to_owned();
    let generated = named.is_empty() && !prefix.is_empty();
    let name = if generated { call.server.store().write(|tx| admission::generate_name(tx, &prefix)) } else { named };
    let metadata = object::metadata(&mut object);
    for field in ["uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        metadata.remove(field);
    }
    if !applied {
        metadata.remove("managedFields");
    }
    if !name.is_empty() {
        metadata.insert("name".to_owned(), name.clone().into());
    }
    if kind.counts_generation() {
        metadata.insert("generation".to_owned(), 1.into());
    }
    if kind.has_status()
        && !kind.keeps_status_on_create()
        && let Some(fields) = object.as_object_mut()
    {
        fields.remove("status");
    }
    let warnings = complete(call, options, &mut object)?;
    admission::complete_new(kind, &name, &mut object);
    validate::validate(kind, &object, None)?;
    if !applied {
        track(call, options, None, &mut object);
    }
    let mut object = convert::to_storage(kind, object);
    let key = call.key_of(&name);
    let stored = call.server.transact(|tx| -> Result<Arc<Stored>, Refused> {
        admission::check_definition(tx, kind)?;
        admission::check_namespace(tx, kind, &key)?;
        if tx.get(&kind.storage, &key).is_some() {
            // An apply or update that would have created it goes on from what is there now.
            return Err(if call.name.is_empty() {
                Status::already_exists(kind, &key.name).into()
            } else {
                Refused::Raced
            });
        }
        admission::allocate(tx, kind, &key, &mut object)?;
        let uid = admission::uid(tx);
        let metadata = object::metadata(&mut object);
        metadata.insert("uid".to_owned(), uid.into());
        metadata.insert("creationTimestamp".to_owned(), rfc3339(call.now).into());
        if is_definition(kind) {
            crd::establish(tx, &key, &mut object, call.now);
        }
        if options.dry_run {
            return Ok(Stored::shown(object));
        }
        Ok(tx.put(&kind.storage, &key, object))
    })?;
    Ok(Written { stored, created: true, warnings })
}

fn update(
    call: &Call<'_>,
    options: &Options,
    key: &ObjectKey,
    live: &Arc<Stored>,
    shown: &Value,
    proposal: Proposal,
) -> Result<Written, Refused> {
    let kind = &call.kind;
    let Proposal { mut object, applied } = proposal;
    check_preconditions(call, shown, &object)?;
    keep_system_metadata(&mut object, shown);
    restrict(kind, options.part, shown, &mut object);
    admission::keep_allocated(kind, shown, &mut object);
    let warnings = complete(call, options, &mut object)?;
    if kind.is("", "Namespace") {
        admission::label_namespace(&key.name, &mut object);
    }
    if kind.counts_generation() && specification_changed(kind, shown, &object) {
        let generation = shown.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
        object::set_metadata(&mut object, "generation", Some((generation + 1).into()));
    }
    let same = if applied { object::same(shown, &object) } else { unchanged(shown, &object) };
    if same {
        return Ok(Written { stored: Arc::clone(live), created: false, warnings });
    }
    validate::validate(kind, &object, Some(shown))?;
    if !applied {
        track(call, options, Some(shown), &mut object);
    }
    let mut object = convert::to_storage(kind, object);
    let stored = call.server.transact(|tx| -> Result<Arc<Stored>, Refused> {
        if tx.get(&kind.storage, key).is_none_or(|now| now.revision != live.revision) {
            return Err(Refused::Raced);
        }
        admission::allocate(tx, kind, key, &mut object)?;
        if is_definition(kind) {
            crd::establish(tx, key, &mut object, call.now);
        }
        if options.dry_run {
            return Ok(Stored::shown(object));
        }
        if lifecycle::released(kind, &object) {
            // The write that lets it go is answered with what it was then.
            let last = Stored::at(object.clone(), live.revision);
            tx.remove(&kind.storage, key, object);
            return Ok(last);
        }
        if object::same(&live.object, &object) {
            return Ok(Arc::clone(live));
        }
        Ok(tx.put(&kind.storage, key, object))
    })?;
    Ok(Written { stored, created: false, warnings })
}

fn is_definition(kind: &Kind) -> bool {
    kind.is("apiextensions.k8s.io", "CustomResourceDefinition")
}

/// Whether an update asks for nothing new. Clients that migrate managedFields write them themselves.
fn unchanged(live: &Value, object: &Value) -> bool {
    object::same_but_managed_fields(live, object)
        && live.pointer("/metadata/managedFields") == object.pointer("/metadata/managedFields")
}

fn check_preconditions(call: &Call<'_>, live: &Value, object: &Value) -> Result<(), Status> {
    let (kind, name) = (&call.kind, &call.name);
    let live_uid = object::uid(live).unwrap_or_default();
    if let Some(uid) = object::uid(object).filter(|u| !u.is_empty() && *u != live_uid) {
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {live_uid}");
        return Err(Status::conflict(kind, name, &why));
    }
    if object::revision(object).is_some_and(|r| r != "0" && Some(r) != object::revision(live)) {
        return Err(Status::modified(kind, name));
    }
    Ok(())
}

/// What clients cannot change.
fn keep_system_metadata(object: &mut Value, live: &Value) {
    let old = live.get("metadata").cloned().unwrap_or_default();
    let metadata = object::metadata(object);
    let fields = [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "generateName",
    ];
    for field in fields {
        match old.get(field) {
            Some(value) => metadata.insert(field.to_owned(), value.clone()),
            None => metadata.remove(field),
        };
    }
    // An update without any keeps who owned what; an empty list is a wish to forget it.
    if metadata.get("managedFields").is_none_or(Value::is_null) {
        match old.get("managedFields") {
            Some(value) => metadata.insert("managedFields".to_owned(), value.clone()),
            None => metadata.remove("managedFields"),
        };
    }
}

/// Keeps a write to its part of the object.
fn restrict(kind: &Kind, part: Part, live: &Value, object: &mut Value) {
    match part {
        Part::Main => {
            if kind.has_status() {
                object::copy_field(object, live, "status");
            }
            if kind.is("", "Namespace") {
                // Only /finalize lets a namespace go.
                object::copy_field(object, live, "spec");
            }
        }
        Part::Status => {
            let others: Vec<String> = [live, &*object]
                .into_iter()
                .flat_map(|o| o.as_object().into_iter().flat_map(|f| f.keys().cloned()))
                .filter(|f| f != "status" && f != "metadata")
                .collect();
            for field in others {
                object::copy_field(object, live, &field);
            }
            if kind.custom.is_some() || kind.group == "apps" {
                let managed = object.pointer("/metadata/managedFields").cloned();
                object::copy_field(object, live, "metadata");
                object::set_metadata(object, "managedFields", managed);
            }
        }
        Part::Finalize => {
            let finalizers =
                object.pointer("/spec/finalizers").filter(|f| f.as_array().is_some_and(|a| !a.is_empty())).cloned();
            let managed = object.pointer("/metadata/managedFields").cloned();
            *object = live.clone();
            object::set_metadata(object, "managedFields", managed);
            let spec = object::section(object, "spec");
            match finalizers {
                Some(finalizers) => spec.insert("finalizers".to_owned(), finalizers),
                None => spec.remove("finalizers"),
            };
        }
        // Made from the live object.
        Part::Scale => {}
    }
}

/// Defaults and pruning. Returns warnings about fields nobody knows.
fn complete(call: &Call<'_>, options: &Options, object: &mut Value) -> Result<Vec<String>, Status> {
    let kind = &call.kind;
    let unknown = match &kind.custom {
        Some(custom) => {
            let unknown = crd::prune(&custom.schema, object);
            crd::default(&custom.schema, object);
            unknown
        }
        None => {
            let api_version = kind.api_version();
            // The kinds shown in a converted form share their names with those they are converted to.
            let unknown = match kind.conversion {
                Conversion::Version => patch::drop_unknown(&api_version, &kind.kind, object),
                Conversion::Event | Conversion::Autoscaler => Vec::new(),
            };
            if kind.is("", "Secret") {
                admission::merge_string_data(object);
            }
            defaults::apply(&api_version, &kind.kind, object);
            if is_definition(kind) {
                crd::complete(object);
            }
            unknown
        }
    };
    let problems: Vec<String> = unknown.iter().map(|f| format!("unknown field {f:?}")).collect();
    match options.validation {
        FieldValidation::Ignore => Ok(Vec::new()),
        FieldValidation::Warn => Ok(problems),
        FieldValidation::Strict if problems.is_empty() => Ok(Vec::new()),
        FieldValidation::Strict => {
            let all = problems.join(", ");
            if call.request.method == Method::PATCH {
                let detail = format!("strict decoding error: {all}");
                let error = FieldError::invalid("patch", Value::from(object.to_string()), &detail);
                return Err(Status::invalid_named("", "", "", vec![error]));
            }
            let message = format!(
                "{0} in version {1:?} cannot be handled as a {0}: strict decoding error: {all}",
                kind.kind, kind.version
            );
            Err(Status::bad_request(message))
        }
    }
}

fn specification_changed(kind: &Kind, live: &Value, object: &Value) -> bool {
    let fields = |o: &Value| -> Vec<(String, Value)> {
        let counted = |name: &str| name != "metadata" && !(name == "status" && kind.has_status());
        o.as_object().into_iter().flatten().filter(|(k, _)| counted(k)).map(|(k, v)| (k.clone(), v.clone())).collect()
    };
    fields(live) != fields(object)
}

fn track(call: &Call<'_>, options: &Options, before: Option<&Value>, object: &mut Value) {
    let (api_version, time) = (call.kind.api_version(), rfc3339(call.now));
    let manager = Manager {
        name: &options.manager,
        api_version: &api_version,
        subresource: options.part.subresource(),
        time: &time,
    };
    patch::track_update(&call.kind.kind, before, object, &manager);
}
