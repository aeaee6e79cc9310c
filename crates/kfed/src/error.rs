//! What can end the program, and what to do about it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use kfed_control_plane::approval::ApprovalError;
use kfed_control_plane::bootstrap::BootstrapError;
use kfed_control_plane::connect::ConnectError;
use kfed_control_plane::leader::ElectionError;
use kfed_control_plane::membership::{JoinError, UnjoinError};
use kfed_control_plane::overview::OverviewError;
use kfed_control_plane::published::ReadError;
use kfed_dnsprovider::registry::RegistryError;
use kfed_dnsprovider::{DnsError, ErrorClass};
use kfed_dnsprovider_azure::{ConfigError, ConnectError as AzureConnectError};
use kfed_service_dns::Refusal;
use miette::Diagnostic;

/// Why a verb did not do what it was asked.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[non_exhaustive]
pub(crate) enum Error {
    #[error("cannot start the runtime")]
    Runtime { source: io::Error },
    #[error("cannot listen for signals")]
    Signals { source: io::Error },
    #[error("cannot read /dev/urandom")]
    Chance { source: io::Error },
    #[error("`{filter}` is no log filter")]
    #[diagnostic(help(
        "KFED_LOG and RUST_LOG take a level or a list, as in `info` or `warn,kfed_control_plane=debug`"
    ))]
    LogFilter { filter: String, source: tracing_subscriber::filter::ParseError },

    #[error("cannot listen on {address} for {what}")]
    #[diagnostic(help("{}", listen_help(source, address)))]
    Listen { what: &'static str, address: SocketAddr, source: io::Error },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is there already", path.display())]
    #[diagnostic(help(
        "nothing was changed: remove it if it is left from a run that was killed, or choose another directory"
    ))]
    Exists { path: PathBuf },

    #[error("there is no kubeconfig: tried {}", list(tried))]
    #[diagnostic(help("name one with --kubeconfig, or set KUBECONFIG"))]
    NoKubeconfig { tried: Vec<PathBuf> },
    #[error("{} is no usable kubeconfig", path.display())]
    Kubeconfig { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("cannot merge into {}", path.display())]
    MergeKubeconfig { path: PathBuf, source: Box<kfed_apiserver::serve::ServeError> },
    #[error("the kubeconfig has no context `{name}`; its contexts are: {}", some(known))]
    NoContext { name: String, known: Vec<String> },
    #[error("the kubeconfig has no current context; its contexts are: {}", some(known))]
    #[diagnostic(help("choose one with --context"))]
    NoCurrentContext { known: Vec<String> },
    #[error("context `{name}` of the kubeconfig cannot be used")]
    Context { name: String, source: ConnectError },

    #[error("the federation API cannot be reached")]
    #[diagnostic(help(
        "--kubeconfig and --context must lead to the federation API; `kfed apiserver` serves one on this machine"
    ))]
    FederationApi { source: BootstrapError },
    #[error(transparent)]
    #[diagnostic(help("{}", election_help(.0)))]
    Election(#[from] ElectionError),
    #[error(transparent)]
    #[diagnostic(help("nothing was changed in the federation API"))]
    Join(#[from] JoinError),
    #[error(transparent)]
    Unjoin(#[from] UnjoinError),
    #[error(transparent)]
    #[diagnostic(help("nothing was changed; what waits is in the Federation's status and its conditions"))]
    Approval(#[from] ApprovalError),
    #[error(transparent)]
    #[diagnostic(help("--kubeconfig and --context must lead to the federation API"))]
    ReadFederation(#[from] ReadError),
    #[error("the federation API is to tell which federation and which zone, and it cannot be reached")]
    #[diagnostic(help(
        "--kubeconfig and --context must lead to it. `kfed dns list` does without where --federation-name and --dns-zone-name are given"
    ))]
    NoFederation { source: Box<Error> },
    #[error("{flag} says `{said}`, and federation {federation} of this API has `{is}`")]
    #[diagnostic(help("leave {flag} out, or lead --kubeconfig and --context to the other federation"))]
    OtherFederation { flag: &'static str, said: String, federation: String, is: String },
    #[error("the Federation names zone `{zone}`, which is none: {problem}")]
    FederationZone { zone: String, problem: String },
    #[error("provider `memory` keeps its zone within the control plane's process: nobody else can read it")]
    MemoryZone,
    #[error("{names} of {owned} names would go without a cause in the API: it looks like lost input")]
    #[diagnostic(help(
        "nothing was done. Look at `kfed dns audit`: if they may go, --approve {hash} lets them. A running control plane \
         holds them back too, until `kfed approve`"
    ))]
    MassDeletion { names: usize, owned: usize, hash: String },
    #[error("{first}{}", and_more(*more))]
    #[diagnostic(help("{done} record sets were written or removed; what is left can be tried again"))]
    NotWritten { done: usize, first: String, more: usize },
    #[error("others have changed the zone meanwhile")]
    #[diagnostic(help("{done} record sets were written or removed; run it again"))]
    Contended { done: usize },
    #[error("{name} is not taken over: {refusal}")]
    #[diagnostic(help("{}", adopt_help(refusal)))]
    NotAdopted { name: String, refusal: Refusal },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Checking(Box<Error>),
    #[error(transparent)]
    #[diagnostic(help("{}", overview_help(.0)))]
    Overview(#[from] OverviewError),
    #[error("there is no {kind} {name} in namespace {namespace} of the federation API, or its kind is not federated")]
    #[diagnostic(help("kinds are written as for kubectl; FederatedKind objects add to those that are federated"))]
    NoObject { kind: String, name: String, namespace: String },
    #[error("not done: nobody confirmed it")]
    #[diagnostic(help("answer y, or pass --yes"))]
    NotConfirmed,

    #[error(transparent)]
    #[diagnostic(transparent)]
    DnsConf(ConfigError),
    #[error(transparent)]
    #[diagnostic(help("{}", provider_help(.0)))]
    Provider(RegistryError),
    #[error("DNS provider `{provider}` does not give the zone")]
    #[diagnostic(help("{}", zone_help(source)))]
    Zone { provider: String, source: Box<DnsError> },

    #[error("cannot start {what}")]
    Start { what: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("{} tells no faults", path.display())]
    #[diagnostic(help(
        r#"as in {{"rules": [{{"fault": "serviceUnavailable", "operations": ["recordSetWrite"], "count": 3}}]}}"#
    ))]
    Faults { path: PathBuf, source: serde_json::Error },

    #[error(transparent)]
    Change(#[from] crate::schedule::ChangeError),

    #[error("it ends with {code}")]
    Told { code: u8 },
    #[error("step {step} of the demo did not hold")]
    Step { step: usize },
    #[error("interrupted")]
    Interrupted,
    #[error("cannot read {}", path.display())]
    ReadInput { path: PathBuf, source: io::Error },
    #[error("cannot write what was asked for")]
    WriteOutput { source: io::Error },
    #[error("there are mistakes in the input")]
    Mistakes,
}

// === impl Error ===

impl Error {
    /// Something of this process that could not be started.
    pub(crate) fn start(what: impl Into<String>) -> impl FnOnce(Box<dyn std::error::Error + Send + Sync>) -> Self {
        move |source| Self::Start { what: what.into(), source }
    }

    /// An error of a verb whose exit code 1 means that something was found.
    pub(crate) fn checking(error: Self) -> Self {
        if error.is_told() { error } else { Self::Checking(Box::new(error)) }
    }

    /// 128 + SIGINT where somebody ended it early, as shells count; 2 for what `plan` verbs cannot do, whose 1 means changes; else 1.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted => 130,
            Self::Told { code } => *code,
            Self::ReadInput { .. } | Self::WriteOutput { .. } | Self::Mistakes | Self::Change(_) => 2,
            Self::Checking(error) => error.exit_code().max(2),
            _ => 1,
        }
    }

    /// Whether all there is to say has been said.
    pub(crate) fn is_told(&self) -> bool {
        matches!(self, Self::Step { .. } | Self::Interrupted | Self::Told { .. } | Self::Mistakes)
    }
}

impl From<RegistryError> for Error {
    /// A mistake in a file is shown in the file.
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Setup { name, source } => match source.downcast::<ConfigError>() {
                Ok(mistake) => Self::DnsConf(*mistake),
                Err(source) => Self::Provider(RegistryError::Setup { name, source }),
            },
            other => Self::Provider(other),
        }
    }
}

fn election_help(error: &ElectionError) -> &'static str {
    match error {
        ElectionError::Timings { .. } => {
            "lengthen --leader-elect-lease-duration, or shorten --leader-elect-renew-deadline and --leader-elect-retry-period"
        }
        _ => {
            "the federation API must serve leases (coordination.k8s.io/v1) and let kfed get, create and update them in namespace \
             federation-system; --leader-elect=false does without, and then no second control plane may run"
        }
    }
}

fn provider_help(error: &RegistryError) -> &'static str {
    match error {
        RegistryError::Setup { source, .. } if is_refusal(source.as_ref()) => REFUSED,
        RegistryError::Setup { .. } => {
            "--dns-provider-config names the provider's configuration, a file in the form of dns.conf"
        }
        _ => "--dns-provider takes one of these",
    }
}

/// Whether the provider does not take the credentials.
fn is_refusal(error: &(dyn std::error::Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(AzureConnectError::Authenticate(_)))
}

const REFUSED: &str =
    "the credentials in --dns-provider-config are refused: client-id, secret and tenant-id must belong together";

fn listen_help(source: &io::Error, address: &SocketAddr) -> String {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            format!("another program has port {}; choose another one, or port 0 for any that is free", address.port())
        }
        io::ErrorKind::PermissionDenied => {
            format!("port {} is for the system; choose one from 1024 on", address.port())
        }
        _ => "choose an address of this machine".to_owned(),
    }
}

fn overview_help(error: &OverviewError) -> &'static str {
    match error.is_no_federation() {
        true => {
            "this API is no federation's: --kubeconfig and --context name another; `kfed controller-manager` makes one of an \
             empty API"
        }
        false => "--kubeconfig and --context say which API is asked",
    }
}

fn zone_help(source: &DnsError) -> &'static str {
    match source.class {
        ErrorClass::NotFound => {
            "--dns-zone-name names a zone, --dns-provider-config where it is: correct one of them, or create the zone there"
        }
        ErrorClass::Unauthenticated => REFUSED,
        ErrorClass::Forbidden => "give the service principal the role `DNS Zone Contributor` on the resource group",
        _ => {
            "are the endpoints in --dns-provider-config reachable from here? An authority of one's own is named there by ca-file"
        }
    }
}

fn and_more(more: usize) -> String {
    if more == 0 { String::new() } else { format!("; nor were {more} others written") }
}

fn adopt_help(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NotInZone => "names are written in full, and end in the federation's zone",
        Refusal::Nothing { .. } => "`kfed dns list --all` shows what the zone holds",
        Refusal::NotWanted { by_rule: true } => {
            "create the Service first; with --force it is taken over to be removed by the control plane or `kfed dns gc`"
        }
        Refusal::NotWanted { by_rule: false } => "annotation kfed.io/hostname of a Service asks for a name",
        Refusal::WholeName { .. } => "leave the type out",
        _ => "nothing was changed",
    }
}

fn list(paths: &[PathBuf]) -> String {
    some(&paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>())
}

fn some(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
