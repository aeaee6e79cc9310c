//! The `Cluster` objects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kfed_api::Cluster;
use kfed_api::policy::SelectorRequirement;

use super::objects::Change;

/// The Clusters by name, and by label: who is selected must not cost as much as there are others.
#[derive(Debug, Default)]
pub(crate) struct Clusters {
    clusters: BTreeMap<String, Arc<Cluster>>,
    /// Names by key and value.
    labels: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

// === impl Clusters ===

impl Clusters {
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Cluster>> {
        self.clusters.get(name)
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.clusters.contains_key(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Arc<Cluster>)> {
        self.clusters.iter()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.clusters.keys()
    }

    /// Takes in what a watch tells; returns the names it is about.
    pub(crate) fn change(&mut self, change: Change<Cluster>) -> Vec<String> {
        let name = |cluster: &Cluster| cluster.metadata.name.clone().unwrap_or_default();
        match change {
            Change::Apply(cluster) => {
                let name = name(&cluster);
                self.insert(name.clone(), *cluster);
                vec![name]
            }
            Change::Delete(cluster) => {
                let name = name(&cluster);
                self.remove(&name);
                vec![name]
            }
            Change::Interrupted | Change::Forbidden(_) | Change::NotServed => Vec::new(),
            Change::Reset(all) => {
                self.labels.clear();
                let mut names: Vec<_> = std::mem::take(&mut self.clusters).into_keys().collect();
                for cluster in all {
                    let name = name(&cluster);
                    names.push(name.clone());
                    self.insert(name, cluster);
                }
                names.sort();
                names.dedup();
                names
            }
        }
    }

    /// Those that all of `selector` matches, and maybe others; none where that may be nearly all.
    pub(crate) fn selected(&self, selector: &[SelectorRequirement]) -> Option<BTreeSet<&str>> {
        let unlabelled = BTreeMap::new();
        let narrows = selector.iter().filter(|requirement| !requirement.matches(&unlabelled));
        let those = narrows.map(|requirement| {
            let values = self.labels.get(&requirement.key).into_iter().flatten();
            let matching =
                values.filter(|(value, _)| requirement.matches(&[(requirement.key.clone(), (*value).clone())].into()));
            matching.flat_map(|(_, names)| names).map(String::as_str).collect::<BTreeSet<_>>()
        });
        those.min_by_key(BTreeSet::len)
    }

    fn insert(&mut self, name: String, cluster: Cluster) {
        self.remove(&name);
        for (key, value) in cluster.metadata.labels.iter().flatten() {
            self.labels.entry(key.clone()).or_default().entry(value.clone()).or_default().insert(name.clone());
        }
        self.clusters.insert(name, Arc::new(cluster));
    }

    fn remove(&mut self, name: &str) {
        let Some(cluster) = self.clusters.remove(name) else { return };
        for (key, value) in cluster.metadata.labels.iter().flatten() {
            let Some(values) = self.labels.get_mut(key) else { continue };
            if let Some(names) = values.get_mut(value) {
                names.remove(name);
                if names.is_empty() {
                    values.remove(value);
                }
            }
            if values.is_empty() {
                self.labels.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn cluster(name: &str, labels: &Value) -> Cluster {
        let metadata = json!({"name": name, "labels": labels});
        serde_json::from_value(json!({
            "apiVersion": "kfed.io/v1beta1", "kind": "Cluster", "metadata": metadata, "spec": {"secretRef": {"name": name}}
        }))
        .unwrap()
    }

    /// Who a selector selects, in one word.
    fn selected(clusters: &Clusters, selector: &str) -> Option<String> {
        let selector = kfed_api::policy::parse_selector(selector).unwrap();
        clusters.selected(&selector).map(|names| names.into_iter().collect())
    }

    #[test]
    fn who_is_selected_follows_the_labels() {
        const GOLD: &str = r#"[{"key": "tier", "operator": "in", "values": ["gold", "silver"]}]"#;
        const LARGE: &str =
            r#"[{"key": "tier", "operator": "exists"}, {"key": "size", "operator": "gt", "values": ["2"]}]"#;
        let mut clusters = Clusters::default();
        let names = clusters.change(Change::Reset(vec![
            cluster("a", &json!({"tier": "gold", "size": "3"})),
            cluster("b", &json!({"tier": "silver", "size": "2"})),
            cluster("c", &json!({"tier": "iron"})),
        ]));
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!((selected(&clusters, GOLD), selected(&clusters, LARGE)), (Some("ab".into()), Some("a".into())));
        assert_eq!(selected(&clusters, r#"[{"key": "tier", "operator": "notin", "values": ["gold"]}]"#), None);
        assert_eq!(selected(&clusters, "[]"), None, "nothing is asked");
        clusters.change(Change::Apply(Box::new(cluster("a", &json!({"tier": "iron", "size": "3"})))));
        assert_eq!(selected(&clusters, GOLD), Some("b".into()), "it has another label now");
        clusters.change(Change::Delete(Box::new(cluster("b", &json!({})))));
        assert_eq!((selected(&clusters, GOLD), clusters.contains("b")), (Some(String::new()), false));
        assert_eq!(clusters.change(Change::Interrupted), [""; 0]);
        assert_eq!(clusters.change(Change::Reset(Vec::new())), ["a", "c"]);
        assert_eq!((selected(&clusters, LARGE), clusters.labels.len()), (Some(String::new()), 0));
    }
}
