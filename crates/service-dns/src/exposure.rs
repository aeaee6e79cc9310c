//! Which services are found by name.

use serde::{Deserialize, Serialize};

/// How a service is reached in a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Exposure {
    /// By a load balancer's address (type LoadBalancer).
    LoadBalancer,
    /// By the addresses of its endpoints (type ClusterIP with `clusterIP: None`).
    Headless,
    /// Not in a member at all: it is another name for something elsewhere (type ExternalName).
    ExternalName,
    /// From within the member alone (types ClusterIP and NodePort).
    Internal,
}

// === impl Exposure ===

impl Exposure {
    /// The exposure of a Service with this `spec.type` and `spec.clusterIP`; none for a type that there is not.
    pub fn of(service_type: Option<&str>, cluster_ip: Option<&str>) -> Option<Self> {
        match service_type.unwrap_or("ClusterIP") {
            "LoadBalancer" => Some(Self::LoadBalancer),
            "ExternalName" => Some(Self::ExternalName),
            "ClusterIP" if cluster_ip == Some("None") => Some(Self::Headless),
            "ClusterIP" | "NodePort" => Some(Self::Internal),
            _ => None,
        }
    }

    /// Whether such a service has names in the zone. `wish` is what annotation `kfed.io/publish` says.
    ///
    /// | | nothing said | `"true"` | `"false"` |
    /// | --- | --- | --- | --- |
    /// | LoadBalancer, ExternalName | yes | yes | no |
    /// | Headless | in a private zone | yes | no |
    /// | Internal | no | no | no |
    ///
    /// Addresses of pods are no use to the public, unless somebody says that they are; addresses that are reached from within one
    /// member alone are no use to anybody else.
    pub fn is_published(self, wish: Option<bool>, private_zone: bool) -> bool {
        match self {
            Self::LoadBalancer | Self::ExternalName => wish.unwrap_or(true),
            Self::Headless => wish.unwrap_or(private_zone),
            Self::Internal => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_tells_the_exposure() {
        for (service_type, cluster_ip, exposure) in [
            (Some("LoadBalancer"), Some("10.0.0.1"), Some(Exposure::LoadBalancer)),
            (Some("ClusterIP"), Some("None"), Some(Exposure::Headless)),
            (None, Some("None"), Some(Exposure::Headless)),
            (None, None, Some(Exposure::Internal)),
            (Some("NodePort"), Some("10.0.0.1"), Some(Exposure::Internal)),
            (Some("ExternalName"), None, Some(Exposure::ExternalName)),
            (Some("Loadbalancer"), None, None),
        ] {
            assert_eq!(Exposure::of(service_type, cluster_ip), exposure, "{service_type:?} {cluster_ip:?}");
        }
    }

    #[test]
    fn pod_addresses_are_published_where_they_can_be_reached_or_are_asked_for() {
        for (exposure, wish, private, published) in [
            (Exposure::LoadBalancer, None, false, true),
            (Exposure::LoadBalancer, Some(false), false, false),
            (Exposure::ExternalName, None, false, true),
            (Exposure::Headless, None, false, false),
            (Exposure::Headless, None, true, true),
            (Exposure::Headless, Some(true), false, true),
            (Exposure::Headless, Some(false), true, false),
            (Exposure::Internal, Some(true), true, false),
        ] {
            assert_eq!(exposure.is_published(wish, private), published, "{exposure:?} {wish:?} {private}");
        }
    }
}
