//! `kfed join`

use std::path::PathBuf;

use kfed_control_plane::membership::{Join, join};

use crate::error::Error;
use crate::kubeconfig::{self, DEADLINE, Place};
use crate::output;

/// Make a cluster a member of the federation
///
/// The cluster is asked first; only if it lets kfed in are its credentials kept, in namespace federation-system of the federation
/// API, and its Cluster created. Joining again under the same name renews the credentials.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  kfed join fed-west --context myfederation --cluster-context fed-west")]
pub(crate) struct Args {
    /// The member's name: a DNS label
    name: String,
    /// Context of the member in the kubeconfig [default: the member's name]
    #[arg(long, value_name = "NAME")]
    cluster_context: Option<String>,
    /// Kubeconfig of the member, where it is another one
    #[arg(long, value_name = "FILE")]
    cluster_kubeconfig: Option<PathBuf>,
    /// Give the member roles and role bindings too. Off by default: whoever may write them in the federation API can then give
    /// himself any permission in the member, and the member's credentials must allow to grant all of them
    #[arg(long)]
    federate_rbac: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

pub(crate) async fn run(args: Args) -> Result<(), Error> {
    let federation = args.place.client().await?;
    let kubeconfig = match &args.cluster_kubeconfig {
        Some(path) => kubeconfig::read(path)?,
        None => args.place.read()?,
    };
    let context = args.cluster_context.unwrap_or_else(|| args.name.clone());
    let request =
        Join { name: args.name.clone(), kubeconfig, context: Some(context), federate_rbac: args.federate_rbac };
    let joined = join(&federation, request, DEADLINE).await?;
    let how = if joined.again { "has joined again, with new credentials" } else { "has joined" };
    output::line(format_args!("cluster {} {how} (Kubernetes {})", args.name, joined.version));
    Ok(())
}
