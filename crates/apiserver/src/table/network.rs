//! Services, their endpoints, and ingresses.

use std::collections::BTreeSet;

use serde_json::Value;

use super::age::age;
use super::read::{NONE, first_three, labels, list_at, name, number_at, or_none, show, text_at};
use super::{AGE, NAME, Printer, text, wide};

pub(super) const SERVICES: Printer = Printer {
    columns: &[
        NAME,
        text("Type", "How the service is reached."),
        text("Cluster-IP", "The address inside the cluster."),
        text("External-IP", "The addresses outside the cluster."),
        text("Port(s)", "The ports, and the nodes' ports for them."),
        AGE,
        wide("Selector", "Which pods serve it."),
    ],
    cells: |service, now| {
        let addresses = list_at(service, "/spec/clusterIPs");
        let address = addresses.first().and_then(Value::as_str).unwrap_or_else(|| text_at(service, "/spec/clusterIP"));
        vec![
            name(service),
            text_at(service, "/spec/type").into(),
            or_none(address).into(),
            external_address(service).into(),
            ports(service).into(),
            age(service, now),
            labels(service.pointer("/spec/selector")).into(),
        ]
    },
};

fn external_address(service: &Value) -> String {
    let given: Vec<String> = list_at(service, "/spec/externalIPs").iter().map(|ip| show(Some(ip))).collect();
    match text_at(service, "/spec/type") {
        "ExternalName" => or_none(text_at(service, "/spec/externalName")).to_owned(),
        "LoadBalancer" => {
            let mut all = Vec::new();
            let balanced = balancer_addresses(service);
            if !balanced.is_empty() {
                all.push(balanced);
            }
            all.extend(given);
            if all.is_empty() { "<pending>".to_owned() } else { all.join(",") }
        }
        _ => or_none(&given.join(",")).to_owned(),
    }
}

/// Addresses and names of the load balancer, sorted, each once.
fn balancer_addresses(object: &Value) -> String {
    let addresses: BTreeSet<&str> = list_at(object, "/status/loadBalancer/ingress")
        .iter()
        .filter_map(|ingress| {
            [text_at(ingress, "/ip"), text_at(ingress, "/hostname")].into_iter().find(|address| !address.is_empty())
        })
        .collect();
    addresses.into_iter().collect::<Vec<_>>().join(",")
}

fn ports(service: &Value) -> String {
    let ports: Vec<String> = list_at(service, "/spec/ports")
        .iter()
        .map(|port| {
            let (number, node, protocol) =
                (number_at(port, "/port"), number_at(port, "/nodePort"), text_at(port, "/protocol"));
            if node > 0 { format!("{number}:{node}/{protocol}") } else { format!("{number}/{protocol}") }
        })
        .collect();
    or_none(&ports.join(",")).to_owned()
}

pub(super) const ENDPOINTS: Printer = Printer {
    columns: &[NAME, text("Endpoints", "Addresses and ports that are ready."), AGE],
    cells: |endpoints, now| {
        let mut all = Vec::new();
        for subset in list_at(endpoints, "/subsets") {
            let addresses = list_at(subset, "/addresses");
            let ports = list_at(subset, "/ports");
            if ports.is_empty() {
                all.extend(addresses.iter().map(|address| text_at(address, "/ip").to_owned()));
            }
            for port in ports {
                all.extend(
                    addresses.iter().map(|address| host_and_port(text_at(address, "/ip"), number_at(port, "/port"))),
                );
            }
        }
        vec![name(endpoints), or_none(&first_three(&all)).into(), age(endpoints, now)]
    },
};

fn host_and_port(host: &str, port: i64) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

pub(super) const ENDPOINT_SLICES: Printer = Printer {
    columns: &[
        NAME,
        text("AddressType", "What kind of addresses it holds."),
        text("Ports", "The ports of each endpoint."),
        text("Endpoints", "The addresses of the endpoints."),
        AGE,
    ],
    cells: |slice, now| {
        let ports: Vec<String> = list_at(slice, "/ports")
            .iter()
            .map(|port| match port.get("port").and_then(Value::as_i64) {
                Some(number) => number.to_string(),
                None => "*".to_owned(),
            })
            .collect();
        let addresses: Vec<String> = list_at(slice, "/endpoints")
            .iter()
            .flat_map(|endpoint| list_at(endpoint, "/addresses"))
            .map(|address| show(Some(address)))
            .collect();
        let or_unset = |texts: &[String]| if texts.is_empty() { "<unset>".to_owned() } else { first_three(texts) };
        vec![
            name(slice),
            text_at(slice, "/addressType").into(),
            or_unset(&ports).into(),
            or_unset(&addresses).into(),
            age(slice, now),
        ]
    },
};

pub(super) const INGRESSES: Printer = Printer {
    columns: &[
        NAME,
        text("Class", "The ingress class that serves it."),
        text("Hosts", "The hosts that it routes."),
        text("Address", "The addresses of its load balancer."),
        text("Ports", "The ports: 443 too where there is TLS."),
        AGE,
    ],
    cells: |ingress, now| {
        let class = [
            text_at(ingress, "/spec/ingressClassName"),
            text_at(ingress, "/metadata/annotations/kubernetes.io~1ingress.class"),
        ];
        let class = class.into_iter().find(|class| !class.is_empty()).unwrap_or(NONE);
        let hosts: Vec<String> = list_at(ingress, "/spec/rules")
            .iter()
            .map(|rule| text_at(rule, "/host").to_owned())
            .filter(|host| !host.is_empty())
            .collect();
        let hosts = if hosts.is_empty() { "*".to_owned() } else { first_three(&hosts) };
        let ports = if list_at(ingress, "/spec/tls").is_empty() { "80" } else { "80, 443" };
        vec![
            name(ingress),
            class.into(),
            hosts.into(),
            balancer_addresses(ingress).into(),
            ports.into(),
            age(ingress, now),
        ]
    },
};
