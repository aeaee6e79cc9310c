//! Services and their endpoints.

use serde_json::{Value, json};

use super::members::{Object, default, ensure, lacks, objects, text};

pub(super) fn default_service(service: &mut Object) {
    let Some(spec) = ensure(service, "spec") else { return };
    default(spec, "type", "ClusterIP");
    default(spec, "sessionAffinity", "None");
    if text(spec, "sessionAffinity") == "ClientIP" {
        default(spec, "sessionAffinityConfig", json!({"clientIP": {"timeoutSeconds": 10800}}));
    }
    for port in objects(spec, "ports") {
        default(port, "protocol", "TCP");
        if let Some(number) = port.get("port").cloned() {
            default(port, "targetPort", number);
        }
    }
    let kind = text(spec, "type").to_owned();
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        default(spec, "externalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        default(spec, "allocateLoadBalancerNodePorts", true);
    }
    if kind != "ExternalName" {
        default(spec, "internalTrafficPolicy", "Cluster");
        default_families(spec);
    }
    if let Some(status) = ensure(service, "status") {
        default(status, "loadBalancer", Object::new());
    }
}

/// One stack, of the family of the address that is given, else IPv4. Headless without a selector is anybody's, so both.
fn default_families(spec: &mut Object) {
    let address = text(spec, "clusterIP").to_owned();
    if !address.is_empty() {
        default(spec, "clusterIPs", vec![Value::from(address.clone())]);
    }
    let both = address == "None"
        && (lacks(spec, "selector") || spec.get("selector").is_some_and(|selector| selector == &json!({})));
    if both {
        default(spec, "ipFamilyPolicy", "RequireDualStack");
        default(spec, "ipFamilies", json!(["IPv4", "IPv6"]));
    } else {
        default(spec, "ipFamilyPolicy", "SingleStack");
        default(spec, "ipFamilies", json!([if address.contains(':') { "IPv6" } else { "IPv4" }]));
    }
}

pub(super) fn default_endpoints(endpoints: &mut Object) {
    for subset in objects(endpoints, "subsets") {
        objects(subset, "ports").for_each(|port| default(port, "protocol", "TCP"));
    }
}

pub(super) fn default_endpoint_slice(slice: &mut Object) {
    for port in objects(slice, "ports") {
        default(port, "name", "");
        default(port, "protocol", "TCP");
    }
}
