//! `kfed emulate azure-dns`

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use kfed_azure_emulator::{AzureEmulator, DEFAULT_SUBSCRIPTION, Faults, Limits, dns, serve};

use crate::error::Error;
use crate::{clock, files, listen, output, shutdown};

/// Emulate Azure DNS: the Resource Manager and the token endpoint over TLS, and a DNS server that answers from the zones
///
/// Once it serves, it prints a line `arm https://127.0.0.1:PORT` and a line `dns 127.0.0.1:PORT`. Any client-id with any secret gets
/// a token, unless --client-id and --secret say which.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  kfed emulate azure-dns --zone example.com --resource-group dns --ca-out azure-ca.pem"
)]
pub(crate) struct Args {
    /// Where to serve the Resource Manager and the token endpoint; port 0 is any that is free
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where to answer DNS, over UDP and TCP; port 0 is any that is free
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    dns_listen: SocketAddr,
    /// Where the certificate authority that clients must trust is written, PEM
    #[arg(long, value_name = "FILE")]
    ca_out: Option<PathBuf>,
    /// Whether to answer 429 as Azure documents its limits
    #[arg(long, value_enum, default_value_t)]
    limits: Throttling,
    /// A zone to start with; may be given several times
    #[arg(long = "zone", value_name = "NAME", requires = "resource_group")]
    zones: Vec<String>,
    /// A private zone to start with, for provider azure-private-dns; may be given several times
    #[arg(long = "private-zone", value_name = "NAME", requires = "resource_group")]
    private_zones: Vec<String>,
    /// The resource group of the zones
    #[arg(long, value_name = "NAME")]
    resource_group: Option<String>,
    /// The subscription of the resource group
    #[arg(long, value_name = "ID", default_value = DEFAULT_SUBSCRIPTION)]
    subscription: String,
    /// The only application that gets tokens
    #[arg(long, value_name = "ID", requires = "secret")]
    client_id: Option<String>,
    /// Its secret; better given in the environment, where process lists do not show it
    #[arg(long, value_name = "SECRET", requires = "client_id", env = "KFED_EMULATE_SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// What goes wrong, how often and with which requests, as JSON
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Throttling {
    #[default]
    Documented,
    None,
}

pub(crate) async fn run(args: Args) -> Result<(), Error> {
    let end = shutdown::on_signal()?;
    let faults = args.faults.as_deref().map(read_faults).transpose()?;
    let listener = listen::tcp("the Resource Manager", args.listen)?;
    let (udp, tcp) = listen::dns("DNS", args.dns_listen)?;
    let mut builder =
        AzureEmulator::builder().clock(clock::system()).seed(clock::seed()?).subscription(args.subscription).limits(
            match args.limits {
                Throttling::Documented => Limits::documented(),
                Throttling::None => Limits::none(),
            },
        );
    if let (Some(client), Some(secret)) = (args.client_id, args.secret) {
        builder = builder.client(client, secret);
    }
    if let Some(group) = args.resource_group {
        builder = builder.resource_group(&group);
        for zone in args.zones {
            builder = builder.zone(&group, zone);
        }
        for zone in args.private_zones {
            builder = builder.private_zone(&group, zone);
        }
    }
    let emulator = builder.build();
    emulator.set_faults(faults.unwrap_or_default());
    let what = "the Azure emulator";
    let arm = serve::serve(emulator.clone(), listener).await.map_err(|error| Error::start(what)(error.into()))?;
    let front = dns::serve(emulator, udp, tcp).await.map_err(|error| Error::start(what)(error.into()))?;
    if let Some(path) = &args.ca_out {
        files::replace(path, arm.ca_pem())?;
    }
    output::line(format_args!("arm {}", arm.url()));
    output::line(format_args!("dns {}", front.addr()));
    end.cancelled().await;
    arm.shutdown().await;
    front.shutdown().await.map_err(|error| Error::start(what)(error.into()))
}

fn read_faults(path: &Path) -> Result<Faults, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    serde_json::from_str(&text).map_err(|source| Error::Faults { path: path.to_owned(), source })
}
