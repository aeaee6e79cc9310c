//! How the control plane reaches members: by a kubeconfig, through a `tower` service that tests replace.

use std::time::Duration;

use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use secrecy::{ExposeSecret, SecretString};
use tower::BoxError;
use tower::util::BoxCloneSyncService;

/// A request for a client of one member.
#[derive(Debug, Clone)]
pub struct Connect {
    /// The member's name.
    pub member: String,
    /// The kubeconfig from the member's Secret.
    pub kubeconfig: SecretString,
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
    /// Its server, certificates or credentials cannot be used.
    #[error("the kubeconfig cannot be used")]
    Use(#[source] kube::Error),
}

/// The connector that trusts the kubeconfig: its current context is the member. Connections are given up after `deadline`.
pub fn by_kubeconfig(deadline: Duration) -> MemberConnector {
    BoxCloneSyncService::new(tower::service_fn(move |connect: Connect| async move {
        Ok(client(connect.kubeconfig.expose_secret(), deadline).await?)
    }))
}

/// A client of the current context of `kubeconfig`.
///
/// Requests are sent once: whoever calls decides on retries and deadlines. Reads have no time limit, since watches last.
pub async fn client(kubeconfig: &str, deadline: Duration) -> Result<Client, ConnectError> {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).map_err(|error| unreadable(&error))?;
    client_of(kubeconfig, None, deadline).await
}

/// A client of `context` of `kubeconfig`; of its current context where none is named.
pub async fn client_of(
    kubeconfig: Kubeconfig,
    context: Option<&str>,
    deadline: Duration,
) -> Result<Client, ConnectError> {
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let mut config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| unreadable(&error))?;
    config.connect_timeout = Some(deadline);
    config.default_retry = false;
    Client::try_from(config).map_err(ConnectError::Use)
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
