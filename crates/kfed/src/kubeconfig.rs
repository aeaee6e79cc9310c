//! Kubeconfigs, found as kubectl finds them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kfed_apiserver::serve::merge_kubeconfig;
use kfed_control_plane::connect::client_of;
use kube::Client;
use kube::config::{Kubeconfig, KubeconfigError};

use crate::error::Error;

/// The longest that one request to an API may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// Which kubeconfig and which context in it.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Place {
    /// Kubeconfig file [default: the files of $KUBECONFIG, else ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Context of the federation API in the kubeconfig [default: its current context]
    #[arg(long, visible_alias = "host-cluster-context", value_name = "NAME")]
    pub(crate) context: Option<String>,
}

// === impl Place ===

impl Place {
    /// The kubeconfig: the file that was named, or all of $KUBECONFIG merged (those that are missing are passed over, as kubectl
    /// does), or the user's own.
    pub(crate) fn read(&self) -> Result<Kubeconfig, Error> {
        if let Some(path) = &self.kubeconfig {
            return read(path);
        }
        let listed = std::env::var_os("KUBECONFIG").unwrap_or_default();
        let mut candidates: Vec<_> =
            std::env::split_paths(&listed).filter(|path| !path.as_os_str().is_empty()).collect();
        if candidates.is_empty() {
            candidates.extend(std::env::home_dir().map(|home| home.join(".kube").join("config")));
        }
        let present: Vec<_> = candidates.iter().filter(|path| path.exists()).collect();
        if present.is_empty() {
            return Err(Error::NoKubeconfig { tried: candidates });
        }
        present.into_iter().try_fold(Kubeconfig::default(), |merged, path| {
            merged.merge(read(path)?).map_err(|error| unusable(path, error))
        })
    }

    /// A client of the context.
    pub(crate) async fn client(&self) -> Result<Client, Error> {
        client(self.read()?, self.context.as_deref()).await
    }
}

/// A client of `context` of `kubeconfig`; of its current context where none is named.
pub(crate) async fn client(kubeconfig: Kubeconfig, context: Option<&str>) -> Result<Client, Error> {
    let name = context.map(str::to_owned).or_else(|| kubeconfig.current_context.clone());
    let known: Vec<_> = kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
    match name {
        Some(name) if !known.contains(&name) => Err(Error::NoContext { name, known }),
        None => Err(Error::NoCurrentContext { known }),
        Some(name) => client_of(kubeconfig, context, DEADLINE).await.map_err(|source| Error::Context { name, source }),
    }
}

/// One kubeconfig file.
pub(crate) fn read(path: &Path) -> Result<Kubeconfig, Error> {
    Kubeconfig::read_from(path).map_err(|error| unusable(path, error))
}

fn unusable(path: &Path, error: KubeconfigError) -> Error {
    let source = match error {
        // It says why in its own words, and once more by its cause.
        KubeconfigError::ReadConfig(source, _) => source.into(),
        error => error.into(),
    };
    Error::Kubeconfig { path: path.to_owned(), source }
}

/// What `path` holds, if anything, with the kubeconfig `new` merged in: its context becomes the current one.
pub(crate) fn merged(path: &Path, new: &str) -> Result<String, Error> {
    let existing = crate::files::read(path)?.unwrap_or_default();
    merge_kubeconfig(&existing, new)
        .map_err(|source| Error::MergeKubeconfig { path: path.to_owned(), source: source.into() })
}
