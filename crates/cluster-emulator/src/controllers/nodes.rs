//! The nodes that a member starts with.

use std::{collections::BTreeMap, net::Ipv4Addr};

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Node, NodeAddress, NodeCondition, NodeSpec, NodeStatus, NodeSystemInfo},
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{ObjectMeta, Time},
    },
};

/// What the nodes of a member have in common.
#[derive(Debug, Clone)]
pub(crate) struct NodePool {
    pub(crate) member: String,
    pub(crate) region: String,
    /// Nodes take them in turn.
    pub(crate) zones: Vec<String>,
    pub(crate) nodes: u32,
    pub(crate) pods_per_node: u32,
    pub(crate) kubelet_version: String,
    /// The second octet of node addresses.
    pub(crate) octet: u8,
}

impl NodePool {
    pub(crate) fn nodes(&self, now: Timestamp) -> Vec<Node> {
        (0..self.nodes).map(|number| self.node(number, now)).collect()
    }

    fn node(&self, number: u32, now: Timestamp) -> Node {
        let name = format!("{}-node-{}", self.member, number + 1);
        let zone = (!self.zones.is_empty()).then(|| &self.zones[number as usize % self.zones.len()]);
        let mut labels: BTreeMap<String, String> = [
            ("kubernetes.io/hostname", name.as_str()),
            ("kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", "amd64"),
            ("node.kubernetes.io/instance-type", "emulated"),
            ("topology.kubernetes.io/region", &self.region),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        if let Some(zone) = zone {
            labels.insert("topology.kubernetes.io/zone".to_owned(), zone.clone());
        }
        let [_, _, high, low] = (number + 1).to_be_bytes();
        // 10.X.255.0/24 has room for 254 nodes; further ones share 100.64.0.0/10, which no pod has.
        let address = match number {
            0..=253 => Ipv4Addr::new(10, self.octet, 255, low),
            _ => Ipv4Addr::new(100, 64 + (self.octet & 0x3f), high, low),
        };
        let room: BTreeMap<String, Quantity> = [
            ("cpu", "4".to_owned()),
            ("memory", "16Gi".to_owned()),
            ("ephemeral-storage", "128Gi".to_owned()),
            ("pods", self.pods_per_node.to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), Quantity(value)))
        .into();
        Node {
            metadata: ObjectMeta { name: Some(name.clone()), labels: Some(labels), ..ObjectMeta::default() },
            spec: Some(NodeSpec {
                provider_id: Some(format!("kfed-emulator://{}/{name}", self.member)),
                ..NodeSpec::default()
            }),
            status: Some(NodeStatus {
                addresses: Some(vec![
                    NodeAddress { type_: "InternalIP".to_owned(), address: address.to_string() },
                    NodeAddress { type_: "Hostname".to_owned(), address: name },
                ]),
                allocatable: Some(room.clone()),
                capacity: Some(room),
                conditions: Some(conditions(now)),
                node_info: Some(NodeSystemInfo {
                    architecture: "amd64".to_owned(),
                    operating_system: "linux".to_owned(),
                    kubelet_version: self.kubelet_version.clone(),
                    os_image: "kfed cluster emulator".to_owned(),
                    container_runtime_version: "emulated://1".to_owned(),
                    ..NodeSystemInfo::default()
                }),
                ..NodeStatus::default()
            }),
        }
    }
}

fn conditions(now: Timestamp) -> Vec<NodeCondition> {
    [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ]
    .map(|(type_, status, reason, message)| NodeCondition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_heartbeat_time: Some(Time(now)),
        last_transition_time: Some(Time(now)),
    })
    .into()
}
