//! What the server itself adds to objects: identities, service addresses and ports, and what every namespace comes with.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::clock::rfc3339;
use crate::crd;
use crate::defaults;
use crate::kinds::Kind;
use crate::lifecycle::NAMESPACES;
use crate::object;
use crate::status::{FieldError, Status};
use crate::store::{ObjectKey, Resource, Tx};

/// Service addresses come from 10.96.0.0/16; the first is the API server's own.
const SERVICE_NETWORK: [u8; 2] = [10, 96];
const API_SERVICE_IP: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);
const NODE_PORTS: std::ops::RangeInclusive<u16> = 30_000..=32_767;
const SERVICES: &str = "services";

/// Letters and digits of generated names: no vowels, so no words; no digits that look like letters.
const NAME_ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const MAX_GENERATED_PREFIX: usize = 58;

/// A version-4 shaped UUID from the store's seeded sequence.
pub(crate) fn uid(tx: &mut Tx<'_>) -> String {
    let bits = (u128::from(tx.random()) << 64) | u128::from(tx.random());
    uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().to_string()
}

/// `generateName` and five characters.
pub(crate) fn generate_name(tx: &mut Tx<'_>, prefix: &str) -> String {
    let mut name: String = prefix.chars().take(MAX_GENERATED_PREFIX).collect();
    let mut random = tx.random();
    for _ in 0..5 {
        let letters = NAME_ALPHABET.len() as u64;
        name.push(char::from(NAME_ALPHABET[usize::try_from(random % letters).unwrap_or(0)]));
        random /= letters;
    }
    name
}

/// What upstream's admission plug-ins and strategies put into a new object before it is validated.
pub(crate) fn complete_new(kind: &Kind, name: &str, object: &mut Value) {
    if kind.is("", "Namespace") {
        label_namespace(name, object);
        let spec = object::section(object, "spec");
        let finalizers = spec.entry("finalizers").or_insert_with(|| json!([]));
        if let Some(list) = finalizers.as_array_mut()
            && !list.iter().any(|f| f == "kubernetes")
        {
            list.push("kubernetes".into());
        }
        object["status"] = json!({"phase": "Active"});
    }
}

/// A namespace always carries its name as a label.
pub(crate) fn label_namespace(name: &str, object: &mut Value) {
    let labels = object::metadata(object).entry("labels").or_insert_with(|| json!({}));
    if let Some(labels) = labels.as_object_mut() {
        labels.insert("kubernetes.io/metadata.name".to_owned(), name.into());
    }
}

/// `stringData` is write-only: it goes into `data`.
pub(crate) fn merge_string_data(object: &mut Value) {
    use base64::Engine as _;
    let Some(Value::Object(plain)) = object.as_object_mut().and_then(|o| o.remove("stringData")) else { return };
    let data = object::section(object, "data");
    for (key, value) in plain {
        let encoded = base64::engine::general_purpose::STANDARD.encode(value.as_str().unwrap_or_default());
        data.insert(key, encoded.into());
    }
}

/// New content needs a namespace that is there and stays.
pub(crate) fn check_namespace(tx: &Tx<'_>, kind: &Kind, key: &ObjectKey) -> Result<(), Status> {
    if !kind.namespaced() {
        return Ok(());
    }
    let Some(namespace) = tx.get(NAMESPACES, &ObjectKey::new("", key.namespace.clone())) else {
        let details = crate::kinds::namespace_kind();
        return Err(Status::not_found(&details, &key.namespace));
    };
    if object::deleting(&namespace.object) || object::text(&namespace.object, "/status/phase") == Some("Terminating") {
        return Err(Status::namespace_terminating(kind, &key.name, &key.namespace));
    }
    Ok(())
}

/// A custom resource needs a definition that is there and stays.
pub(crate) fn check_definition(tx: &Tx<'_>, kind: &Kind) -> Result<(), Status> {
    if kind.custom.is_none() {
        return Ok(());
    }
    match tx.get(crd::DEFINITIONS, &ObjectKey::new("", kind.resource())) {
        None => Err(Status::no_such_resource()),
        Some(definition) if object::deleting(&definition.object) => Err(Status::not_while_terminating()),
        Some(_) => Ok(()),
    }
}

/// Gives a Service its addresses and ports, keeping those it has or `live` had.
pub(crate) fn allocate(tx: &Tx<'_>, kind: &Kind, key: &ObjectKey, object: &mut Value) -> Result<(), Status> {
    if !kind.is("", "Service") {
        return Ok(());
    }
    // What it has stays its own; to look at all others for that would make every write of a status dearer with each Service.
    if tx.get(SERVICES, key).is_some_and(|live| live.object.get("spec") == object.get("spec")) {
        return Ok(());
    }
    let mut taken = Taken::of(tx, key);
    let service_type = object::text(object, "/spec/type").unwrap_or("ClusterIP").to_owned();
    let mut errors = Vec::new();
    let spec = object::section(object, "spec");
    if service_type == "ExternalName" {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            spec.remove(field);
        }
    } else {
        let asked = spec.get("clusterIP").and_then(Value::as_str).filter(|ip| !ip.is_empty()).map(str::to_owned);
        let asked = asked.or_else(|| spec.get("clusterIPs")?.get(0)?.as_str().map(str::to_owned));
        let ip = match asked {
            Some(ip) if ip == "None" => ip,
            Some(ip) => {
                let ours = ip.parse::<Ipv4Addr>().is_ok_and(|a| a.octets()[..2] == SERVICE_NETWORK);
                if !ours {
                    let why = "failed to allocate IP: the provided IP is not in the valid range. The range of valid IPs is 10.96.0.0/16";
                    errors.push(FieldError::invalid("spec.clusterIPs", json!([ip]), why));
                } else if taken.addresses.contains(&ip) {
                    let why = format!("failed to allocate IP {ip}: provided IP is already allocated");
                    errors.push(FieldError::invalid("spec.clusterIPs", json!([ip]), &why));
                }
                ip
            }
            None => {
                taken.next_address().ok_or_else(|| Status::internal("failed to allocate a serviceIP: range is full"))?
            }
        };
        spec.insert("clusterIPs".to_owned(), json!([ip]));
        spec.insert("clusterIP".to_owned(), ip.into());
        spec.entry("ipFamilies").or_insert_with(|| json!(["IPv4"]));
        spec.entry("ipFamilyPolicy").or_insert_with(|| "SingleStack".into());
    }

    let balanced = service_type == "LoadBalancer";
    let wants_ports = service_type == "NodePort"
        || (balanced && spec.get("allocateLoadBalancerNodePorts") != Some(&Value::Bool(false)));
    for (i, port) in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten().enumerate() {
        let Some(port) = port.as_object_mut() else { continue };
        if !(balanced || service_type == "NodePort") {
            port.remove("nodePort");
            continue;
        }
        let protocol = port.get("protocol").and_then(Value::as_str).unwrap_or("TCP").to_owned();
        match port.get("nodePort").and_then(Value::as_u64).filter(|p| *p != 0) {
            Some(asked) => {
                let field = format!("spec.ports[{i}].nodePort");
                if !u16::try_from(asked).is_ok_and(|p| NODE_PORTS.contains(&p)) {
                    let why = "provided port is not in the valid range. The range of valid ports is 30000-32767";
                    errors.push(FieldError::invalid(field, asked, why));
                } else if !taken.ports.insert((protocol, asked)) {
                    errors.push(FieldError::invalid(field, asked, "provided port is already allocated"));
                }
            }
            None if wants_ports => {
                let next = taken
                    .next_port(&protocol)
                    .ok_or_else(|| Status::internal("failed to allocate a nodePort: range is full"))?;
                port.insert("nodePort".to_owned(), next.into());
            }
            None => {}
        }
    }
    let local = balanced && spec.get("externalTrafficPolicy").and_then(Value::as_str) == Some("Local");
    if !local {
        spec.remove("healthCheckNodePort");
    } else if spec.get("healthCheckNodePort").and_then(Value::as_u64).unwrap_or(0) == 0 {
        let next =
            taken.next_port("TCP").ok_or_else(|| Status::internal("failed to allocate a nodePort: range is full"))?;
        spec.insert("healthCheckNodePort".to_owned(), next.into());
    }
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid(kind, &key.name, errors)) }
}

/// An update that leaves allocated fields out keeps them.
pub(crate) fn keep_allocated(kind: &Kind, live: &Value, object: &mut Value) {
    if !kind.is("", "Service") {
        return;
    }
    let service_type = object::text(object, "/spec/type").unwrap_or("ClusterIP").to_owned();
    let headless = object::text(live, "/spec/clusterIP") == Some("None");
    let spec = object::section(object, "spec");
    let empty = |v: Option<&Value>| v.is_none_or(|v| v.is_null() || *v == "" || *v == json!([]));
    let old = |name: &str| live.pointer(&format!("/spec/{name}")).cloned();
    if service_type != "ExternalName" && (!headless || service_type == "ClusterIP") {
        for name in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            if empty(spec.get(name))
                && let Some(value) = old(name)
            {
                spec.insert(name.to_owned(), value);
            }
        }
    }
    if empty(spec.get("healthCheckNodePort"))
        && let Some(value) = old("healthCheckNodePort")
    {
        spec.insert("healthCheckNodePort".to_owned(), value);
    }
    if !matches!(service_type.as_str(), "NodePort" | "LoadBalancer") {
        return;
    }
    let before = live.pointer("/spec/ports").and_then(Value::as_array).cloned().unwrap_or_default();
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        if port.get("nodePort").and_then(Value::as_u64).unwrap_or(0) != 0 {
            continue;
        }
        let same = |p: &&Value| p["port"] == port["port"] && p["protocol"] == port["protocol"];
        if let Some(number) = before.iter().find(same).and_then(|p| p.get("nodePort")) {
            port["nodePort"] = number.clone();
        }
    }
}

struct Taken {
    addresses: BTreeSet<String>,
    ports: BTreeSet<(String, u64)>,
}

impl Taken {
    /// By all services but the one at `key`.
    fn of(tx: &Tx<'_>, key: &ObjectKey) -> Self {
        let mut taken = Self { addresses: BTreeSet::new(), ports: BTreeSet::new() };
        for (place, stored) in tx.range(SERVICES, None) {
            if place == *key {
                continue;
            }
            taken.addresses.extend(object::strings(&stored.object, "/spec/clusterIPs").into_iter().map(str::to_owned));
            for port in stored.object.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten() {
                if let Some(number) = port.get("nodePort").and_then(Value::as_u64) {
                    taken.ports.insert((port["protocol"].as_str().unwrap_or("TCP").to_owned(), number));
                }
            }
            if let Some(number) = stored.object.pointer("/spec/healthCheckNodePort").and_then(Value::as_u64) {
                taken.ports.insert(("TCP".to_owned(), number));
            }
        }
        taken
    }

    fn next_address(&mut self) -> Option<String> {
        // From 10 on, as upstream leaves the first addresses to those who ask for them (the cluster's DNS).
        let all = (0..=u8::MAX).flat_map(|c| (0..=u8::MAX).map(move |d| (c, d))).skip(10);
        let [a, b] = SERVICE_NETWORK;
        let ip = all.map(|(c, d)| Ipv4Addr::new(a, b, c, d).to_string()).find(|ip| !self.addresses.contains(ip))?;
        self.addresses.insert(ip.clone());
        Some(ip)
    }

    fn next_port(&mut self, protocol: &str) -> Option<u64> {
        let free = NODE_PORTS.map(u64::from).find(|p| !self.ports.contains(&(protocol.to_owned(), *p)))?;
        self.ports.insert((protocol.to_owned(), free));
        Some(free)
    }
}

/// Puts what every namespace holds into one that lacks it, as the controllers of a cluster do.
pub(crate) fn furnish_namespace(tx: &mut Tx<'_>, namespace: &str, now: Timestamp) {
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}});
    let root = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "kube-root-ca.crt",
            "namespace": namespace,
            "annotations": {"kubernetes.io/description": "Certificates that the API server's clients in this namespace may trust."},
        },
        "data": {"ca.crt": ""},
    });
    for (resource, object) in [("serviceaccounts", account), ("configmaps", root)] {
        insert(tx, resource, object, now);
    }
}

/// The objects a server starts with.
pub(crate) fn bootstrap(tx: &mut Tx<'_>, now: Timestamp) {
    let kind = crate::kinds::namespace_kind();
    for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
        let mut namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        complete_new(&kind, name, &mut namespace);
        insert(tx, NAMESPACES, namespace, now);
    }
    let ip = API_SERVICE_IP.to_string();
    let mut service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {
            "clusterIP": ip,
            "clusterIPs": [ip],
            "type": "ClusterIP",
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}],
        },
        "status": {"loadBalancer": {}},
    });
    defaults::apply("v1", "Service", &mut service);
    insert(tx, SERVICES, service, now);
}

fn insert(tx: &mut Tx<'_>, resource: &str, mut object: Value, now: Timestamp) {
    let namespace = object::text(&object, "/metadata/namespace").unwrap_or_default().to_owned();
    let key = ObjectKey::new(namespace, object::name(&object));
    if tx.get(resource, &key).is_some() {
        return;
    }
    let id = uid(tx);
    let metadata = object::metadata(&mut object);
    metadata.insert("uid".to_owned(), id.into());
    metadata.insert("creationTimestamp".to_owned(), rfc3339(now).into());
    let resource: Resource = Arc::from(resource);
    tx.put(&resource, &key, object);
}
