//! How the control plane reaches members: by a kubeconfig, through a `tower` service that tests replace.

mod multiplexed;
mod paced;
#[cfg(test)]
mod tests;

use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use secrecy::{ExposeSecret, SecretString};
use tower::BoxError;
use tower::util::BoxCloneSyncService;

pub(crate) use self::paced::paced;

/// A request for a client of one member.
#[derive(Debug, Clone)]
pub struct Connect {
    /// The member's name.
    pub member: String,
    /// The kubeconfig from the member's Secret.
    pub kubeconfig: SecretString,
    /// What the client is for.
    pub purpose: Purpose,
}

/// What a client of a member is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose {
    /// Probes, questions and writes. None of them is to wait for another, nor to be lost with it.
    Calls,
    /// Watches: many, that last and say little. They may share a connection.
    Watches,
}

/// Makes clients of members.
pub type MemberConnector = BoxCloneSyncService<Connect, Client, BoxError>;

/// A kubeconfig that leads nowhere.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// It is no kubeconfig.
    #[error("the kubeconfig cannot be read: {problem}")]
    Parse {
        /// What is wrong with it. Never its text, which holds secrets.
        problem: String,
    },
    /// Its server is to be known by a name that cannot be one.
    #[error("the kubeconfig's tls-server-name {name:?} is no name")]
    ServerName {
        /// The name.
        name: String,
    },
    /// Its server, certificates or credentials cannot be used.
    #[error("the kubeconfig cannot be used")]
    Use(#[source] kube::Error),
}

/// The connector that trusts the kubeconfig: its current context is the member. Connections are given up after `deadline`.
pub fn by_kubeconfig(deadline: Duration) -> MemberConnector {
    BoxCloneSyncService::new(tower::service_fn(move |connect: Connect| async move {
        let kubeconfig = connect.kubeconfig.expose_secret();
        match connect.purpose {
            Purpose::Calls => Ok(client(kubeconfig, deadline).await?),
            Purpose::Watches => Ok(multiplexed::client(config(kubeconfig, deadline).await?)?),
        }
    }))
}

/// A client of the current context of `kubeconfig`.
///
/// Requests are sent once: whoever calls decides on retries and deadlines. Reads have no time limit, since watches last.
pub async fn client(kubeconfig: &str, deadline: Duration) -> Result<Client, ConnectError> {
    Client::try_from(config(kubeconfig, deadline).await?).map_err(ConnectError::Use)
}

/// A client of `context` of `kubeconfig`; of its current context where none is named.
pub async fn client_of(
    kubeconfig: Kubeconfig,
    context: Option<&str>,
    deadline: Duration,
) -> Result<Client, ConnectError> {
    Client::try_from(config_of(kubeconfig, context, deadline).await?).map_err(ConnectError::Use)
}

async fn config(kubeconfig: &str, deadline: Duration) -> Result<Config, ConnectError> {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).map_err(|error| unreadable(&error))?;
    config_of(kubeconfig, None, deadline).await
}

async fn config_of(kubeconfig: Kubeconfig, context: Option<&str>, deadline: Duration) -> Result<Config, ConnectError> {
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| unreadable(&error))?;
    config.connect_timeout = Some(deadline);
    config.default_retry = false;
    Ok(config)
}

/// YAML errors quote the text, and that may be a token: only the place is told.
fn unreadable(error: &KubeconfigError) -> ConnectError {
    let problem = match error {
        KubeconfigError::Parse(error) => match error.location() {
            Some(place) => format!("it is no kubeconfig from line {}, column {}", place.line(), place.column()),
            None => "it is no kubeconfig".to_owned(),
        },
        other => other.to_string(),
    };
    ConnectError::Parse { problem }
}
