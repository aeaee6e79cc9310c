//! Tables: what `kubectl get` prints, made by the server.
//!
//! Each kind has its columns and a function that makes an object's cells; custom resources have the columns of their definition.
//! Columns of a priority above 0 are shown with `-o wide` only, but always sent.

mod age;
mod configuration;
mod custom;
mod jsonpath;
mod network;
mod node;
mod pod;
mod read;
#[cfg(test)]
mod tests;
mod workload;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// What of each object a row carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IncludeObject {
    None,
    Metadata,
    Object,
}

/// A column that a custom resource's definition declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CrdColumn {
    pub(crate) name: String,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    pub(crate) type_: String,
    pub(crate) format: String,
    pub(crate) description: String,
    /// Where in the object the value is: `.spec.weight`.
    pub(crate) json_path: String,
    pub(crate) priority: i64,
}

/// A column of a built-in kind.
#[derive(Debug, Clone, Copy)]
struct Column {
    name: &'static str,
    type_: &'static str,
    priority: i64,
    description: &'static str,
}

/// How the objects of a kind are printed.
struct Printer {
    columns: &'static [Column],
    cells: fn(&Value, Timestamp) -> Vec<Value>,
}

const fn text(name: &'static str, description: &'static str) -> Column {
    Column { name, type_: "string", priority: 0, description }
}

const fn number(name: &'static str, description: &'static str) -> Column {
    Column { name, type_: "integer", priority: 0, description }
}

const fn wide(name: &'static str, description: &'static str) -> Column {
    Column { name, type_: "string", priority: 1, description }
}

const NAME: Column = text("Name", "The name of the object, unique among its kind in its namespace.");
const AGE: Column = text("Age", "How long ago the object was created.");
const CREATED_AT: Column =
    Column { name: "Created At", type_: "date", priority: 0, description: "When the object was created." };

/// A Table (meta.k8s.io/v1) of the objects, without `metadata`, which the caller adds.
///
/// `crd_columns` are a custom resource's; `None` prints a built-in kind, by name and age if it has no columns of its own.
pub(crate) fn table(
    api_version: &str,
    kind: &str,
    crd_columns: Option<&[CrdColumn]>,
    objects: &[&Value],
    now: Timestamp,
    include: IncludeObject,
) -> Value {
    let (definitions, rows) = match crd_columns {
        Some(columns) => {
            let custom = custom::CustomPrinter::new(columns);
            (
                custom.definitions(),
                objects.iter().map(|object| row(object, custom.cells(object, now), include)).collect(),
            )
        }
        None => {
            let printer = printer(api_version, kind);
            let rows: Vec<Value> =
                objects.iter().map(|object| row(object, (printer.cells)(object, now), include)).collect();
            (printer.columns.iter().map(definition).collect::<Vec<_>>(), rows)
        }
    };
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "columnDefinitions": definitions, "rows": rows})
}

fn printer(api_version: &str, kind: &str) -> Printer {
    let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
    match (group, kind) {
        ("", "Pod") => pod::PODS,
        ("", "ReplicationController") | ("apps", "ReplicaSet") => workload::REPLICA_SETS,
        ("apps", "Deployment") => workload::DEPLOYMENTS,
        ("apps", "DaemonSet") => workload::DAEMON_SETS,
        ("apps", "StatefulSet") => workload::STATEFUL_SETS,
        ("batch", "Job") => workload::JOBS,
        ("batch", "CronJob") => workload::CRON_JOBS,
        ("", "Service") => network::SERVICES,
        ("", "Endpoints") => network::ENDPOINTS,
        ("discovery.k8s.io", "EndpointSlice") => network::ENDPOINT_SLICES,
        ("networking.k8s.io", "Ingress") => network::INGRESSES,
        ("", "Namespace") => configuration::NAMESPACES,
        ("", "ConfigMap") => configuration::CONFIG_MAPS,
        ("", "Secret") => configuration::SECRETS,
        ("" | "events.k8s.io", "Event") => configuration::EVENTS,
        ("coordination.k8s.io", "Lease") => configuration::LEASES,
        ("", "PersistentVolumeClaim") => configuration::CLAIMS,
        ("", "PersistentVolume") => configuration::VOLUMES,
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => configuration::CREATED,
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => configuration::ROLE_BINDINGS,
        ("apiextensions.k8s.io", "CustomResourceDefinition") => configuration::CREATED,
        ("autoscaling", "HorizontalPodAutoscaler") => workload::AUTOSCALERS,
        ("policy", "PodDisruptionBudget") => workload::DISRUPTION_BUDGETS,
        ("", "Node") => node::NODES,
        _ => configuration::OTHERS,
    }
}

fn definition(column: &Column) -> Value {
    let format = if column.name == "Name" { "name" } else { "" };
    json!({"name": column.name, "type": column.type_, "format": format, "description": column.description, "priority": column.priority})
}

fn row(object: &Value, cells: Vec<Value>, include: IncludeObject) -> Value {
    let object = match include {
        IncludeObject::None => Value::Null,
        IncludeObject::Metadata => {
            let metadata = object.get("metadata").cloned().unwrap_or_else(|| json!({}));
            let mut partial = Map::new();
            partial.insert("kind".to_owned(), "PartialObjectMetadata".into());
            partial.insert("apiVersion".to_owned(), "meta.k8s.io/v1".into());
            partial.insert("metadata".to_owned(), metadata);
            Value::Object(partial)
        }
        IncludeObject::Object => object.clone(),
    };
    let mut row = Map::new();
    row.insert("cells".to_owned(), Value::Array(cells));
    row.insert("object".to_owned(), object);
    Value::Object(row)
}
