//! Which members' labels are right, in the format of v1's cluster selector.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::decode::Noted;
use super::read::InvalidPolicy;

/// One thing that a member's labels must satisfy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
pub struct SelectorRequirement {
    /// The label's key.
    pub key: String,
    /// What is asked of it.
    pub operator: SelectorOperator,
    /// What it is compared with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// What is asked of a label. All of v1's ways to write one are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum SelectorOperator {
    /// It is there, with one of the values.
    #[default]
    #[serde(alias = "in")]
    In,
    /// It is not there, or with none of the values.
    #[serde(alias = "notin")]
    NotIn,
    /// It is there, with the one value.
    #[serde(rename = "=", alias = "==")]
    Equals,
    /// It is not there, or with another value.
    #[serde(rename = "!=")]
    NotEquals,
    /// It is there.
    #[serde(alias = "exists")]
    Exists,
    /// It is not there.
    #[serde(alias = "!")]
    DoesNotExist,
    /// It is there, an integer, and greater than the one value.
    #[serde(alias = "gt", alias = ">")]
    Gt,
    /// It is there, an integer, and less than the one value.
    #[serde(alias = "lt", alias = "<")]
    Lt,
}

/// Reads a selector that stands alone, as in v1's annotation `federation.alpha.kubernetes.io/cluster-selector`.
///
/// ```
/// use kfed_api::policy::parse_selector;
///
/// let selector = parse_selector(r#"[{"key": "environment", "operator": "in", "values": ["prod"]}]"#)?;
/// assert!(selector[0].matches(&[("environment".to_owned(), "prod".to_owned())].into()));
/// # Ok::<(), kfed_api::policy::InvalidPolicy>(())
/// ```
pub fn parse_selector(json: &str) -> Result<Vec<SelectorRequirement>, InvalidPolicy> {
    let read: Option<Vec<Noted<SelectorRequirement>>> = serde_json::from_str(json).map_err(InvalidPolicy)?;
    Ok(read.unwrap_or_default().into_iter().map(|requirement| requirement.value).collect())
}

// === impl SelectorRequirement ===

impl SelectorRequirement {
    /// Whether `labels` satisfy it, as Kubernetes' label selectors have it.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let label = labels.get(&self.key);
        let listed = || label.is_some_and(|label| self.values.contains(label));
        let numbers = || Some((label?.parse::<i64>().ok()?, self.number()?));
        match self.operator {
            SelectorOperator::In | SelectorOperator::Equals => listed(),
            SelectorOperator::NotIn | SelectorOperator::NotEquals => !listed(),
            SelectorOperator::Exists => label.is_some(),
            SelectorOperator::DoesNotExist => label.is_none(),
            SelectorOperator::Gt => numbers().is_some_and(|(label, value)| label > value),
            SelectorOperator::Lt => numbers().is_some_and(|(label, value)| label < value),
        }
    }

    /// The one value as an integer.
    pub(super) fn number(&self) -> Option<i64> {
        let [value] = self.values.as_slice() else { return None };
        value.parse().ok()
    }
}

/// As kubectl writes selectors: `environment in (prod, test)`.
impl fmt::Display for SelectorRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, operator, values } = self;
        let values = values.join(", ");
        match operator {
            SelectorOperator::In => write!(f, "{key} in ({values})"),
            SelectorOperator::NotIn => write!(f, "{key} notin ({values})"),
            SelectorOperator::Equals => write!(f, "{key}={values}"),
            SelectorOperator::NotEquals => write!(f, "{key}!={values}"),
            SelectorOperator::Exists => write!(f, "{key}"),
            SelectorOperator::DoesNotExist => write!(f, "!{key}"),
            SelectorOperator::Gt => write!(f, "{key}>{values}"),
            SelectorOperator::Lt => write!(f, "{key}<{values}"),
        }
    }
}
