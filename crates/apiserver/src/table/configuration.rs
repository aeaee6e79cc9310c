//! Namespaces, configuration, events, leases, volumes, access rights, and kinds without columns of their own.

use jiff::Timestamp;
use serde_json::Value;

use super::age::{age, since};
use super::read::{is_deleted, list_at, name, number_at, show, size_at, text_at};
use super::{AGE, CREATED_AT, Column, NAME, Printer, text, wide};

pub(super) const OTHERS: Printer =
    Printer { columns: &[NAME, AGE], cells: |object, now| vec![name(object), age(object, now)] };

pub(super) const CREATED: Printer = Printer {
    columns: &[NAME, CREATED_AT],
    cells: |object, _| vec![name(object), text_at(object, "/metadata/creationTimestamp").into()],
};

pub(super) const NAMESPACES: Printer = Printer {
    columns: &[NAME, text("Status", "Whether it is in use or going away."), AGE],
    cells: |namespace, now| vec![name(namespace), text_at(namespace, "/status/phase").into(), age(namespace, now)],
};

pub(super) const CONFIG_MAPS: Printer = Printer {
    columns: &[NAME, text("Data", "How many keys it holds."), AGE],
    cells: |map, now| vec![name(map), (size_at(map, "/data") + size_at(map, "/binaryData")).into(), age(map, now)],
};

pub(super) const SECRETS: Printer = Printer {
    columns: &[NAME, text("Type", "What the secret is for."), text("Data", "How many keys it holds."), AGE],
    cells: |secret, now| {
        vec![name(secret), text_at(secret, "/type").into(), size_at(secret, "/data").into(), age(secret, now)]
    },
};

pub(super) const LEASES: Printer = Printer {
    columns: &[NAME, text("Holder", "Who holds the lease."), AGE],
    cells: |lease, now| vec![name(lease), text_at(lease, "/spec/holderIdentity").into(), age(lease, now)],
};

const EVENT_NAME: Column = Column { priority: 1, ..NAME };

pub(super) const EVENTS: Printer = Printer {
    columns: &[
        text("Last Seen", "How long ago it last happened."),
        text("Type", "Normal or Warning."),
        text("Reason", "Why, in one word."),
        text("Object", "What it happened to."),
        wide("Subobject", "Which part of that object."),
        wide("Source", "Who reported it."),
        text("Message", "What happened."),
        wide("First Seen", "How long ago it first happened."),
        wide("Count", "How often it happened."),
        EVENT_NAME,
    ],
    cells: event_cells,
};

/// Events have two forms: core/v1 and events.k8s.io/v1.
fn event_cells(event: &Value, now: Timestamp) -> Vec<Value> {
    let either = |one: &str, other: &str| match text_at(event, one) {
        "" => text_at(event, other).to_owned(),
        text => text.to_owned(),
    };
    let event_time = text_at(event, "/eventTime").to_owned();
    let first = Some(either("/firstTimestamp", "/deprecatedFirstTimestamp"))
        .filter(|time| !time.is_empty())
        .unwrap_or(event_time);
    let last = Some(either("/lastTimestamp", "/deprecatedLastTimestamp"))
        .filter(|time| !time.is_empty())
        .unwrap_or_else(|| first.clone());
    let (last, count) = match event.get("series").filter(|series| !series.is_null()) {
        Some(series) => (text_at(series, "/lastObservedTime").to_owned(), number_at(series, "/count")),
        None => (last, number_at(event, "/count").max(number_at(event, "/deprecatedCount")).max(1)),
    };
    let object = if event.get("involvedObject").is_some() { "/involvedObject" } else { "/regarding" };
    let part = |member: &str| text_at(event, &format!("{object}/{member}"));
    let target = match (part("kind").to_lowercase(), part("name")) {
        (kind, "") => kind,
        (kind, name) => format!("{kind}/{name}"),
    };
    let component = Some(either("/source/component", "/reportingComponent")).filter(|name| !name.is_empty());
    let component = component.unwrap_or_else(|| either("/reportingController", "/deprecatedSource/component"));
    let source = match either("/source/host", "/deprecatedSource/host") {
        host if host.is_empty() => component,
        host => format!("{component}, {host}"),
    };
    vec![
        since(&last, now).into(),
        text_at(event, "/type").into(),
        text_at(event, "/reason").into(),
        target.into(),
        part("fieldPath").into(),
        source.into(),
        either("/message", "/note").trim().into(),
        since(&first, now).into(),
        count.into(),
        name(event),
    ]
}

pub(super) const ROLE_BINDINGS: Printer = Printer {
    columns: &[
        NAME,
        text("Role", "The role that is granted."),
        AGE,
        wide("Users", "The users it is granted to."),
        wide("Groups", "The groups it is granted to."),
        wide("ServiceAccounts", "The service accounts it is granted to."),
    ],
    cells: |binding, now| {
        let role = format!("{}/{}", text_at(binding, "/roleRef/kind"), text_at(binding, "/roleRef/name"));
        let subjects = |kind: &str| {
            let names: Vec<String> = list_at(binding, "/subjects")
                .iter()
                .filter(|subject| text_at(subject, "/kind") == kind)
                .map(|subject| match text_at(subject, "/namespace") {
                    "" => text_at(subject, "/name").to_owned(),
                    namespace => format!("{namespace}/{}", text_at(subject, "/name")),
                })
                .collect();
            Value::from(names.join(", "))
        };
        vec![
            name(binding),
            role.into(),
            age(binding, now),
            subjects("User"),
            subjects("Group"),
            subjects("ServiceAccount"),
        ]
    },
};

const VOLUME_MODE: Column = wide("VolumeMode", "A file system or a block device.");

pub(super) const CLAIMS: Printer = Printer {
    columns: &[
        NAME,
        text("Status", "Whether it is bound."),
        text("Volume", "The volume it is bound to."),
        text("Capacity", "How big that volume is."),
        text("Access Modes", "How it may be mounted."),
        text("StorageClass", "The class of storage it asks for."),
        text("VolumeAttributesClass", "The attributes it asks for."),
        AGE,
        VOLUME_MODE,
    ],
    cells: |claim, now| {
        let phase = if is_deleted(claim) { "Terminating" } else { text_at(claim, "/status/phase") };
        let volume = text_at(claim, "/spec/volumeName");
        // Capacity and modes are the volume's, so there are none before it is bound.
        let (capacity, modes) = match volume {
            "" => (String::new(), String::new()),
            _ => (show(claim.pointer("/status/capacity/storage")), access_modes(claim, "/status/accessModes")),
        };
        vec![
            name(claim),
            phase.into(),
            volume.into(),
            capacity.into(),
            modes.into(),
            text_at(claim, "/spec/storageClassName").into(),
            or_unset(text_at(claim, "/spec/volumeAttributesClassName")).into(),
            age(claim, now),
            or_unset(text_at(claim, "/spec/volumeMode")).into(),
        ]
    },
};

pub(super) const VOLUMES: Printer = Printer {
    columns: &[
        NAME,
        text("Capacity", "How big it is."),
        text("Access Modes", "How it may be mounted."),
        text("Reclaim Policy", "What becomes of it when its claim goes."),
        text("Status", "Whether it is bound."),
        text("Claim", "The claim it is bound to."),
        text("StorageClass", "The class of storage it is of."),
        text("VolumeAttributesClass", "The attributes it has."),
        text("Reason", "Why it is in that state."),
        AGE,
        VOLUME_MODE,
    ],
    cells: |volume, now| {
        let claim = match text_at(volume, "/spec/claimRef/name") {
            "" => String::new(),
            name => format!("{}/{name}", text_at(volume, "/spec/claimRef/namespace")),
        };
        let phase = if is_deleted(volume) { "Terminating" } else { text_at(volume, "/status/phase") };
        vec![
            name(volume),
            show(volume.pointer("/spec/capacity/storage")).into(),
            access_modes(volume, "/spec/accessModes").into(),
            text_at(volume, "/spec/persistentVolumeReclaimPolicy").into(),
            phase.into(),
            claim.into(),
            text_at(volume, "/spec/storageClassName").into(),
            or_unset(text_at(volume, "/spec/volumeAttributesClassName")).into(),
            text_at(volume, "/status/reason").into(),
            age(volume, now),
            or_unset(text_at(volume, "/spec/volumeMode")).into(),
        ]
    },
};

fn or_unset(text: &str) -> &str {
    if text.is_empty() { "<unset>" } else { text }
}

/// In a fixed order, each once, shortened: `RWO,ROX`.
fn access_modes(object: &Value, pointer: &str) -> String {
    let modes = list_at(object, pointer);
    let known =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let short: Vec<&str> =
        known.iter().filter(|(long, _)| modes.iter().any(|mode| mode == long)).map(|(_, short)| *short).collect();
    short.join(",")
}
