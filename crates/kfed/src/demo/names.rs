//! What everything in the walk-through is called.

/// The federation.
pub(super) const FEDERATION: &str = "myfederation";
/// The zone in (emulated) Azure DNS.
pub(super) const ZONE: &str = "xtophs.com";
/// The resource group of the zone.
pub(super) const RESOURCE_GROUP: &str = "fed-dns-rg";
/// The federated ReplicaSet, and the Service in front of it.
pub(super) const HOSTNAME: &str = "hostname";
/// The ReplicaSet that may run anywhere.
pub(super) const ROAMING: &str = "roaming";
/// Where both live.
pub(super) const NAMESPACE: &str = "default";
/// The Service's port.
pub(super) const PORT: u16 = 8000;
/// Zones of every member.
pub(super) const ZONES: [&str; 2] = ["1", "2"];

/// What the two members are called, and where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    /// The first member, in westus.
    pub(super) first: String,
    /// The second member, in eastus.
    pub(super) second: String,
}

// === impl Names ===

impl Names {
    pub(super) fn new(first: &str, second: &str) -> Self {
        Self { first: first.to_owned(), second: second.to_owned() }
    }

    /// The region of a member.
    pub(super) fn region(&self, member: &str) -> &'static str {
        if member == self.first { "westus" } else { "eastus" }
    }

    /// The Service's name for everybody.
    pub(super) fn global(&self) -> String {
        format!("{HOSTNAME}.{NAMESPACE}.{FEDERATION}.svc.{ZONE}")
    }

    /// The Service's names in the region and the zones of `member`.
    pub(super) fn local(&self, member: &str) -> Vec<String> {
        let region = self.region(member);
        let prefix = format!("{HOSTNAME}.{NAMESPACE}.{FEDERATION}.svc");
        let zones = ZONES.iter().map(|zone| format!("{prefix}.{zone}.{region}.{ZONE}"));
        std::iter::once(format!("{prefix}.{region}.{ZONE}")).chain(zones).collect()
    }

    /// Every name of the Service.
    pub(super) fn all(&self) -> Vec<String> {
        let local = [&self.first, &self.second].into_iter().flat_map(|member| self.local(member));
        std::iter::once(self.global()).chain(local).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_a_name_for_everybody_one_a_region_and_one_a_zone() {
        let names = Names::new("fed-west", "fed-east");
        let all = names.all();
        assert_eq!(all.len(), 7);
        assert_eq!(all[0], "hostname.default.myfederation.svc.xtophs.com");
        assert_eq!(all[1], "hostname.default.myfederation.svc.westus.xtophs.com");
        assert_eq!(all[2], "hostname.default.myfederation.svc.1.westus.xtophs.com");
    }
}
