//! The walk-through: ten steps, each of which does something and then asks the system from outside whether it holds.

mod failover;
mod leaving;
mod setup;
mod workloads;

use tokio::time::Instant;

use super::names::{HOSTNAME, Names, ROAMING};
use super::observe::chain;
use super::report::{Outcome, Seen, Unmet};
use super::stage::{Stage, unmet};
use crate::error::Error;

/// A step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    AzureDns,
    Federation,
    FirstMember,
    ReplicaSet,
    Service,
    SecondMember,
    Failover,
    Recovery,
    ServiceDeleted,
    Unjoin,
}

/// All of them, in their order.
pub(super) const ALL: [Step; 10] = [
    Step::AzureDns,
    Step::Federation,
    Step::FirstMember,
    Step::ReplicaSet,
    Step::Service,
    Step::SecondMember,
    Step::Failover,
    Step::Recovery,
    Step::ServiceDeleted,
    Step::Unjoin,
];
/// Those after which there is something to play with.
pub(super) const SET_UP: usize = 6;

/// Plays `steps`; the first that does not hold is the last.
pub(super) async fn play(stage: &mut Stage, steps: &[Step]) -> Result<(), Error> {
    for step in steps {
        let title = step.title(&stage.names);
        let number = ALL.iter().position(|other| other == step).unwrap_or_default() + 1;
        let (start, mut seen) = (Instant::now(), Seen::default());
        let result = step.run(stage, &mut seen).await;
        stage.reporter.step(&Outcome {
            number,
            of: ALL.len(),
            name: step.name(),
            title: &title,
            took: start.elapsed(),
            seen: &seen,
            unmet: result.as_ref().err(),
        });
        result.map_err(|_| Error::Step { step: number })?;
    }
    Ok(())
}

// === impl Step ===

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::AzureDns => "azure-dns",
            Self::Federation => "federation",
            Self::FirstMember => "first-member",
            Self::ReplicaSet => "replica-set",
            Self::Service => "service",
            Self::SecondMember => "second-member",
            Self::Failover => "failover",
            Self::Recovery => "recovery",
            Self::ServiceDeleted => "service-deleted",
            Self::Unjoin => "unjoin",
        }
    }

    fn title(self, names: &Names) -> String {
        let Names { first, second } = names;
        match self {
            Self::AzureDns => "Azure DNS is emulated; dns.conf leads there".to_owned(),
            Self::Federation => "the federation API serves; the control plane runs against it".to_owned(),
            Self::FirstMember => format!("{first} joins and is Ready"),
            Self::ReplicaSet => format!("ReplicaSet {HOSTNAME}: 8 replicas run in {first}"),
            Self::Service => format!("Service {HOSTNAME} is published and answers by its name"),
            Self::SecondMember => format!("{second} joins; preferences spread {HOSTNAME} and {ROAMING}"),
            Self::Failover => format!("{first} is killed: its API and load balancer hang"),
            Self::Recovery => format!("{first} returns"),
            Self::ServiceDeleted => format!("Service {HOSTNAME} is deleted; others' records stay"),
            Self::Unjoin => format!("{second} is unjoined, first refused, then by force"),
        }
    }

    async fn run(self, stage: &mut Stage, seen: &mut Seen) -> Result<(), Unmet> {
        match self {
            Self::AzureDns => setup::azure_dns(stage, seen).await,
            Self::Federation => setup::federation(stage, seen).await,
            Self::FirstMember => {
                let name = stage.names.first.clone();
                setup::join_member(stage, &name, seen).await
            }
            Self::ReplicaSet => workloads::replica_set(stage, seen).await,
            Self::Service => workloads::service(stage, seen).await,
            Self::SecondMember => workloads::second_member(stage, seen).await,
            Self::Failover => failover::kill(stage, seen).await,
            Self::Recovery => failover::recover(stage, seen).await,
            Self::ServiceDeleted => leaving::delete_service(stage, seen).await,
            Self::Unjoin => leaving::unjoin_second(stage, seen).await,
        }
    }
}

/// Something of the demo itself that should have worked.
fn should(expected: &'static str) -> impl Fn(Error) -> Unmet {
    move |error| unmet(expected, chain(&error))
}
