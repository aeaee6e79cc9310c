//! What the walk-through creates: plain YAML that a user could apply, and that is written to the demo's directory.

use super::names::Names;

/// A manifest, under the name of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) file: &'static str,
    text: &'static str,
}

macro_rules! manifest {
    ($file:literal) => {
        Manifest { file: $file, text: include_str!(concat!("manifests/", $file)) }
    };
}

pub(super) const HOSTNAME: Manifest = manifest!("hostname-replicaset.yaml");
pub(super) const HOSTNAME_PREFERENCES: Manifest = manifest!("hostname-replicaset-preferences.yaml");
pub(super) const HOSTNAME_SERVICE: Manifest = manifest!("hostname-service.yaml");
pub(super) const ROAMING: Manifest = manifest!("roaming-replicaset.yaml");
pub(super) const ALL: [Manifest; 4] = [HOSTNAME, HOSTNAME_PREFERENCES, HOSTNAME_SERVICE, ROAMING];

// === impl Manifest ===

impl Manifest {
    /// The YAML, with the members' names in the places of `fed-west` and `fed-east`.
    pub(super) fn yaml(self, names: &Names) -> String {
        let mut yaml = String::new();
        let mut rest = self.text;
        while let Some(at) = rest.find("fed-") {
            let (before, from) = rest.split_at(at);
            yaml += before;
            (rest, yaml) = match (from.strip_prefix("fed-west"), from.strip_prefix("fed-east")) {
                (Some(after), _) => (after, yaml + &names.first),
                (_, Some(after)) => (after, yaml + &names.second),
                _ => (&from["fed-".len()..], yaml + "fed-"),
            };
        }
        yaml + rest
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::ReplicaSet;
    use k8s_openapi::api::core::v1::Service;
    use kfed_api::keys;
    use kfed_api::preferences::ReplicaPreferences;

    use super::*;

    fn preferences(manifest: Manifest, names: &Names) -> ReplicaPreferences {
        let set: ReplicaSet = serde_saphyr::from_str(&manifest.yaml(names)).unwrap();
        set.metadata.annotations.unwrap()[keys::REPLICA_SET_PREFERENCES].parse().unwrap()
    }

    #[test]
    fn every_manifest_is_an_object_with_preferences_that_can_be_read() {
        let names = Names::new("fed-west", "fed-east");
        let plain: ReplicaSet = serde_saphyr::from_str(&HOSTNAME.yaml(&names)).unwrap();
        assert_eq!(plain.spec.replicas, Some(8));
        let service: Service = serde_saphyr::from_str(&HOSTNAME_SERVICE.yaml(&names)).unwrap();
        assert_eq!(service.spec.unwrap().ports.unwrap()[0].name.as_deref(), Some("http"));
        assert!(preferences(ROAMING, &names).clusters.contains_key("*"));
        assert_eq!(preferences(HOSTNAME_PREFERENCES, &names).clusters["fed-west"].max_replicas, Some(4));
    }

    #[test]
    fn members_may_have_other_names_even_each_others() {
        for (first, second) in [("a", "b"), ("fed-east", "fed-west"), ("fed-west-2", "fed-east")] {
            let names = Names::new(first, second);
            let clusters = preferences(HOSTNAME_PREFERENCES, &names).clusters;
            assert_eq!(clusters.len(), 2);
            assert!(clusters.contains_key(first) && clusters.contains_key(second), "{clusters:?}");
        }
    }
}
