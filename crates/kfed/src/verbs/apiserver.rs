//! `kfed apiserver`

use std::net::SocketAddr;
use std::path::PathBuf;

use kfed_apiserver::ApiServer;
use kfed_apiserver::serve::{ServeOptions, serve};

use crate::error::Error;
use crate::{clock, control_plane, files, kubeconfig, listen, output, shutdown};

/// Serve an in-memory Kubernetes API over TLS
///
/// Namespace default is there; there are no nodes. What it holds is gone with the process.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  kfed apiserver --listen 127.0.0.1:6443 --kubeconfig-out federation.kubeconfig --name myfederation"
)]
pub(crate) struct Args {
    /// Where to serve; port 0 is any that is free
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where an administrator's kubeconfig is written once it serves, merged into what is there
    #[arg(long, value_name = "FILE")]
    kubeconfig_out: PathBuf,
    /// Names cluster, user and context in the kubeconfig
    #[arg(long, value_name = "NAME", default_value = "kfed", value_parser = control_plane::label)]
    name: String,
}

pub(crate) async fn run(args: Args) -> Result<(), Error> {
    let end = shutdown::on_signal()?;
    let listener = listen::tcp("the API server", args.listen)?;
    let token = clock::token()?;
    let server =
        ApiServer::builder().name(&args.name).clock(clock::system()).seed(clock::seed()?).bearer_token(&token).build();
    let options = ServeOptions { name: args.name, token, ..ServeOptions::default() };
    let serving =
        serve(server, listener, options).await.map_err(|error| Error::start("the API server")(error.into()))?;
    let text = kubeconfig::merged(&args.kubeconfig_out, &serving.kubeconfig())?;
    files::replace(&args.kubeconfig_out, &text)?;
    output::line(format_args!("api {}", serving.url()));
    end.cancelled().await;
    serving.shutdown().await;
    Ok(())
}
