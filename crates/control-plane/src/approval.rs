//! Letting pass what kfed holds back: what `kfed approve` does.

use jiff::Timestamp;
use kfed_api::{Awaiting, Federation, MASS_FAILOVER, keys};
use kube::Client;
use kube::api::{Api, Patch};
use serde_json::json;

use crate::effect::{chain, manager};
use crate::published::{self, ReadError};

/// What waits for approval in a federation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waiting {
    /// The federation.
    pub federation: String,
    /// What waits.
    pub awaiting: Vec<Awaiting>,
}

/// Something could not be approved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApprovalError {
    /// The federation API did not do as it was asked.
    #[error("the federation API did not {step}: {problem}")]
    Api {
        /// What was asked of it.
        step: &'static str,
        /// What came of it.
        problem: String,
    },
    /// There is no Federation to be read.
    #[error(transparent)]
    Federation(#[from] ReadError),
    /// Nothing of that name waits.
    #[error("`{approval}` does not wait for approval; {}", list(.waiting))]
    NotWaiting {
        /// What was asked for.
        approval: String,
        /// What waits.
        waiting: Vec<Awaiting>,
    },
}

/// What waits for approval in the federation whose API is behind `client`.
pub async fn waiting(client: &Client) -> Result<Waiting, ApprovalError> {
    let federation = published::federation(client).await?;
    let awaiting = federation.status.map(|status| status.awaiting).unwrap_or_default();
    Ok(Waiting { federation: federation.metadata.name.unwrap_or_default(), awaiting })
}

/// Approves `what` at `now`: the control plane goes on with it within seconds, and for an hour.
pub async fn approve(client: &Client, federation: &str, what: &Awaiting, now: Timestamp) -> Result<(), ApprovalError> {
    let (key, value) = match what.approval.as_str() {
        MASS_FAILOVER => (keys::APPROVED_MASS_FAILOVER, "true"),
        hash => (keys::APPROVED, hash),
    };
    let annotations = json!({key: value, keys::APPROVED_AT: now.to_string()});
    let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
    let federations = Api::<Federation>::all(client.clone());
    federations.patch(federation, &manager(), &patch).await.map(drop).map_err(failed("take the approval"))
}

// === impl Waiting ===

impl Waiting {
    /// What `approval` approves: a hash, or enough of its beginning to know it; or `mass-failover`.
    pub fn find(&self, approval: &str) -> Result<&Awaiting, ApprovalError> {
        let begins = |awaiting: &&Awaiting| approval.len() >= 4 && awaiting.approval.starts_with(approval);
        let exact = self.awaiting.iter().find(|awaiting| awaiting.approval == approval);
        let mut alike = self.awaiting.iter().filter(begins);
        match (exact, alike.next(), alike.next()) {
            (Some(awaiting), ..) | (None, Some(awaiting), None) => Ok(awaiting),
            _ => {
                let waiting = self.awaiting.clone();
                Err(ApprovalError::NotWaiting { approval: approval.to_owned(), waiting })
            }
        }
    }
}

fn failed(step: &'static str) -> impl FnOnce(kube::Error) -> ApprovalError {
    move |error| ApprovalError::Api { step, problem: chain(&error) }
}

fn list(waiting: &[Awaiting]) -> String {
    let items = waiting.iter().map(|awaiting| format!("{} ({})", awaiting.approval, awaiting.what));
    match waiting.is_empty() {
        true => "nothing does".to_owned(),
        false => format!("what does: {}", items.collect::<Vec<_>>().join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_found_by_the_beginning_of_its_hash_and_listed_otherwise() {
        let awaiting = |approval: &str| Awaiting { approval: approval.into(), what: "12 names would go".into() };
        let waiting =
            Waiting { federation: "fed".into(), awaiting: vec![awaiting("0123abcd"), awaiting(MASS_FAILOVER)] };
        for approval in ["0123abcd", "0123", MASS_FAILOVER] {
            assert!(waiting.find(approval).unwrap().approval.starts_with(approval));
        }
        for approval in ["012", "4567", ""] {
            let said = waiting.find(approval).unwrap_err().to_string();
            assert!(said.contains("0123abcd (12 names would go)") && said.contains(MASS_FAILOVER), "{said}");
        }
        let none = Waiting { federation: "fed".into(), awaiting: vec![] }.find("0123").unwrap_err().to_string();
        assert!(none.ends_with("nothing does"), "{none}");
    }
}
