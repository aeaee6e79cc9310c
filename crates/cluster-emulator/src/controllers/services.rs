//! Service of type LoadBalancer → an address in its status.

use k8s_openapi::api::core::v1::{LoadBalancerIngress, LoadBalancerStatus, Service};
use std::net::Ipv4Addr;

use super::Write;
use crate::load_balancers::Request;

/// What load balancer the Service asks for, if any. One that names a class is another implementation's.
pub(crate) fn desired(service: &Service) -> Option<Request> {
    let spec = service.spec.as_ref()?;
    let ours = spec.type_.as_deref() == Some("LoadBalancer")
        && spec.load_balancer_class.is_none()
        && service.metadata.deletion_timestamp.is_none();
    let ports = spec.ports.iter().flatten().filter(|port| port.protocol.as_deref().unwrap_or("TCP") == "TCP");
    ours.then(|| Request {
        ports: ports.filter_map(|port| u16::try_from(port.port).ok()).collect(),
        address: spec.load_balancer_ip.as_deref().and_then(|ip| ip.parse().ok()),
    })
}

/// Writes the address, or its absence, where the status does not say so yet.
pub(crate) fn step(service: &Service, address: Option<Ipv4Addr>) -> Option<Write> {
    let foreign = service.spec.as_ref().is_some_and(|spec| spec.load_balancer_class.is_some());
    let wanted = address.map(|address| {
        vec![LoadBalancerIngress {
            ip: Some(address.to_string()),
            ip_mode: Some("VIP".to_owned()),
            ..LoadBalancerIngress::default()
        }]
    });
    let known = service.status.as_ref().and_then(|status| status.load_balancer.as_ref()?.ingress.clone());
    if foreign || known.unwrap_or_default() == wanted.clone().unwrap_or_default() {
        return None;
    }
    let mut service = service.clone();
    service.status.get_or_insert_default().load_balancer = Some(LoadBalancerStatus { ingress: wanted });
    Some(Write::ServiceStatus(Box::new(service)))
}
