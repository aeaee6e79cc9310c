//! Pods, and the specs of pods in templates.

use serde_json::{Value, json};

use super::members::{Object, default, ensure, lacks, object, objects, text};
use super::quantity::{canonicalize, canonicalize_members};

/// A Pod, with what the server's admission adds to one: account, priority, the two tolerations.
pub(super) fn default_pod(pod: &mut Object) {
    let Some(spec) = ensure(pod, "spec") else { return };
    for list in ["initContainers", "containers"] {
        objects(spec, list).for_each(default_requests);
    }
    if lacks(spec, "serviceAccountName") && lacks(spec, "serviceAccount") {
        default(spec, "serviceAccountName", "default");
    }
    default(spec, "enableServiceLinks", true);
    default(spec, "priority", 0);
    default(spec, "preemptionPolicy", "PreemptLowerPriority");
    default_spec(spec);
    tolerate(spec, "node.kubernetes.io/not-ready");
    tolerate(spec, "node.kubernetes.io/unreachable");
    let class = qos_class(spec);
    if let Some(status) = ensure(pod, "status") {
        default(status, "phase", "Pending");
        default(status, "qosClass", class);
    }
}

/// The spec of a Pod or of a template.
pub(super) fn default_spec(spec: &mut Object) {
    default(spec, "restartPolicy", "Always");
    default(spec, "terminationGracePeriodSeconds", 30);
    default(spec, "dnsPolicy", "ClusterFirst");
    default(spec, "securityContext", Object::new());
    default(spec, "schedulerName", "default-scheduler");
    // The old name of the account is kept beside the new one.
    let account = [text(spec, "serviceAccountName"), text(spec, "serviceAccount")]
        .into_iter()
        .find(|name| !name.is_empty())
        .map(str::to_owned);
    if let Some(account) = account {
        default(spec, "serviceAccountName", account.clone());
        default(spec, "serviceAccount", account);
    }
    canonicalize_members(spec, "overhead");
    let host_network = spec.get("hostNetwork") == Some(&Value::Bool(true));
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        objects(spec, list).for_each(|container| default_container(container, host_network));
    }
    objects(spec, "volumes").for_each(default_volume);
}

fn default_container(container: &mut Object, host_network: bool) {
    if let Some(resources) = ensure(container, "resources") {
        canonicalize_members(resources, "limits");
        canonicalize_members(resources, "requests");
    }
    let pull = pull_policy(text(container, "image"));
    default(container, "imagePullPolicy", pull);
    default(container, "terminationMessagePath", "/dev/termination-log");
    default(container, "terminationMessagePolicy", "File");
    for port in objects(container, "ports") {
        default(port, "protocol", "TCP");
        if host_network && let Some(number) = port.get("containerPort").cloned() {
            default(port, "hostPort", number);
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = object(container, probe) {
            default(probe, "timeoutSeconds", 1);
            default(probe, "periodSeconds", 10);
            default(probe, "successThreshold", 1);
            default(probe, "failureThreshold", 3);
            default_http_get(probe);
            if let Some(grpc) = object(probe, "grpc") {
                default(grpc, "service", "");
            }
        }
    }
    if let Some(lifecycle) = object(container, "lifecycle") {
        for hook in ["postStart", "preStop"] {
            if let Some(hook) = object(lifecycle, hook) {
                default_http_get(hook);
            }
        }
    }
    for variable in objects(container, "env") {
        if let Some(source) = object(variable, "valueFrom") {
            default_field_ref(source);
        }
    }
}

fn default_http_get(handler: &mut Object) {
    if let Some(get) = object(handler, "httpGet") {
        default(get, "path", "/");
        default(get, "scheme", "HTTP");
    }
}

fn default_field_ref(source: &mut Object) {
    if let Some(field) = object(source, "fieldRef") {
        default(field, "apiVersion", "v1");
    }
}

/// `latest`, said or not, is pulled each time.
fn pull_policy(image: &str) -> &'static str {
    let name = image.rsplit('/').next().unwrap_or(image);
    let latest = !image.contains('@') && name.split_once(':').is_none_or(|(_, tag)| tag == "latest");
    if latest { "Always" } else { "IfNotPresent" }
}

fn default_volume(volume: &mut Object) {
    if volume.iter().all(|(name, value)| name == "name" || value.is_null()) {
        default(volume, "emptyDir", Object::new());
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = object(volume, source) {
            default(source, "defaultMode", 0o644);
            objects(source, "items").for_each(default_field_ref);
            objects(source, "sources").for_each(default_projection);
        }
    }
    if let Some(path) = object(volume, "hostPath") {
        default(path, "type", "");
    }
    if let Some(limit) = object(volume, "emptyDir").and_then(|dir| dir.get_mut("sizeLimit")) {
        canonicalize(limit);
    }
    if let Some(claim) = object(volume, "ephemeral")
        .and_then(|source| object(source, "volumeClaimTemplate"))
        .and_then(|claim| object(claim, "spec"))
    {
        default(claim, "volumeMode", "Filesystem");
    }
    if let Some(disk) = object(volume, "azureDisk") {
        default(disk, "cachingMode", "ReadWrite");
        default(disk, "fsType", "ext4");
        default(disk, "kind", "Shared");
        default(disk, "readOnly", false);
    }
    if let Some(target) = object(volume, "iscsi") {
        default(target, "iscsiInterface", "default");
    }
}

fn default_projection(source: &mut Object) {
    if let Some(token) = object(source, "serviceAccountToken") {
        default(token, "expirationSeconds", 3600);
    }
    if let Some(downward) = object(source, "downwardAPI") {
        objects(downward, "items").for_each(default_field_ref);
    }
}

/// What a container of a Pod is limited to, it asks for.
fn default_requests(container: &mut Object) {
    let Some(resources) = object(container, "resources") else { return };
    let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() else { return };
    if let Some(requests) = ensure(resources, "requests") {
        for (name, quantity) in limits {
            default(requests, &name, quantity);
        }
    }
}

fn tolerate(spec: &mut Object, taint: &str) {
    default(spec, "tolerations", Vec::<Value>::new());
    let Some(tolerations) = spec.get_mut("tolerations").and_then(Value::as_array_mut) else { return };
    let is_tolerated = tolerations.iter().any(|toleration| {
        let text = |name: &str| toleration.get(name).and_then(Value::as_str).unwrap_or_default();
        (text("key") == taint || text("key").is_empty()) && matches!(text("effect"), "" | "NoExecute")
    });
    if !is_tolerated {
        tolerations.push(json!({"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
    }
}

fn qos_class(spec: &Object) -> &'static str {
    let containers: Vec<&Value> =
        ["initContainers", "containers"].iter().filter_map(|list| spec.get(*list)?.as_array()).flatten().collect();
    let quantity = |container: &Value, list: &str, name: &str| {
        let quantity = container.pointer(&format!("/resources/{list}/{name}"))?.as_str().map(str::to_owned);
        quantity.filter(|quantity| quantity != "0")
    };
    let (mut any, mut guaranteed) = (false, true);
    for container in containers {
        for name in ["cpu", "memory"] {
            let (limit, request) = (quantity(container, "limits", name), quantity(container, "requests", name));
            any |= limit.is_some() || request.is_some();
            guaranteed &= limit.is_some() && limit == request;
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}
