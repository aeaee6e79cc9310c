//! `kfed emulate cluster`

use std::net::SocketAddr;
use std::path::PathBuf;

use kfed_cluster_emulator::{AddressRange, ClusterEmulator, LoadBalancers};

use crate::error::Error;
use crate::{clock, control_plane, files, kubeconfig, listen, output, shutdown};

/// Emulate a member cluster: an API, nodes, pods that start, load balancers that listen on 127.x.y.z
///
/// PUT /emulator/faults on its API port, with {"api": "ok|hang|refuse|500|401", "lb": "ok|hang|refuse"}, breaks and mends it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  kfed emulate cluster fed-west --region westus --zones 1,2 --kubeconfig-out kubeconfig"
)]
pub(crate) struct Args {
    /// The cluster's name; also names cluster, user and context in the kubeconfig
    #[arg(value_parser = control_plane::label)]
    name: String,
    /// Where to serve its API; port 0 is any that is free
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where an administrator's kubeconfig is written once it serves, merged into what is there
    #[arg(long, value_name = "FILE")]
    kubeconfig_out: PathBuf,
    /// Region of its nodes
    #[arg(long, default_value = "local")]
    region: String,
    /// Zones that its nodes take in turn
    #[arg(long, value_name = "ZONE,…", value_delimiter = ',', default_value = "1")]
    zones: Vec<String>,
    /// How many nodes it has
    #[arg(long, value_name = "N", default_value_t = 3)]
    nodes: u32,
    /// How many pods fit on a node
    #[arg(long, value_name = "N", default_value_t = 110)]
    pods_per_node: u32,
    /// Where its load balancers listen [default: a 127.x.y.0/24 made from its name]
    #[arg(long, value_name = "CIDR")]
    lb_range: Option<AddressRange>,
}

pub(crate) async fn run(args: Args) -> Result<(), Error> {
    let end = shutdown::on_signal()?;
    let listener = listen::tcp("the API of the emulated cluster", args.listen)?;
    let what = format!("emulated cluster {}", args.name);
    let cluster = ClusterEmulator::builder(&args.name)
        .region(args.region)
        .zones(args.zones)
        .nodes(args.nodes)
        .pods_per_node(args.pods_per_node)
        .clock(clock::system())
        .seed(clock::seed()?)
        .bearer_token(clock::token()?)
        .load_balancers(LoadBalancers::Listening { range: args.lb_range });
    let cluster = cluster.start().await.map_err(|error| Error::start(&what)(error.into()))?;
    let serving = cluster.serve(listener).await.map_err(|error| Error::start(&what)(error.into()))?;
    let text = kubeconfig::merged(&args.kubeconfig_out, &serving.kubeconfig())?;
    files::replace(&args.kubeconfig_out, &text)?;
    output::line(format_args!("api {}", serving.url()));
    output::line(format_args!("load-balancers {}", cluster.load_balancers().range()));
    end.cancelled().await;
    serving.shutdown().await;
    cluster.stop().await;
    Ok(())
}
