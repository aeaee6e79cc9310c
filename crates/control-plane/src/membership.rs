//! Joining and leaving: what `kfed join` and `kfed unjoin` do.
//!
//! A member joins by two objects in the federation API: a Secret with the kubeconfig that reaches it, and its `Cluster`. It
//! leaves by a wish in the `Cluster`, which the control plane carries out.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kfed_api::conditions::{reasons, types};
use kfed_api::{Cluster, ClusterSpec, FIELD_MANAGER, SYSTEM_NAMESPACE, SecretReference, Unjoin, keys};
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::config::Kubeconfig;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watch_object};
use serde_json::json;

use crate::connect::{ConnectError, client_of};
use crate::effect::{EffectError, chain, manager, within};

/// A cluster that is to become a member.
#[derive(Debug, Clone)]
pub struct Join {
    /// The member's name: a DNS label.
    pub name: String,
    /// A kubeconfig that reaches it. Only what `context` needs of it is kept.
    pub kubeconfig: Kubeconfig,
    /// The context in it; its current one by default.
    pub context: Option<String>,
    /// Whether roles and their bindings are federated to it too. A member that joins again keeps what it had unless this says so.
    pub federate_rbac: bool,
}

/// A cluster that has become a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The Kubernetes version it tells.
    pub version: String,
    /// Whether it had joined before, with the same name.
    pub again: bool,
}

/// Why a cluster did not become a member. Nothing is left of the attempt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The name is no DNS label.
    #[error("`{name}` cannot name a member: {problem}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The kubeconfig has no such context, or one that is incomplete.
    #[error("the kubeconfig of member {member} has no usable context `{context}`: {problem}")]
    Context {
        /// The member.
        member: String,
        /// The context.
        context: String,
        /// What is missing.
        problem: String,
    },
    /// The kubeconfig does not lead to a client.
    #[error("the kubeconfig of member {member} cannot be used")]
    Connect {
        /// The member.
        member: String,
        /// Why not.
        source: ConnectError,
    },
    /// The cluster does not let kfed in, or does not answer.
    #[error("member {member} refuses: {problem}")]
    Refused {
        /// The member.
        member: String,
        /// What it said.
        problem: String,
    },
    /// The cluster is a member already.
    #[error(
        "{member} is a cluster that has joined before, as {other}: both have the same namespace kube-system. One cluster is one member; \
         `kfed unjoin {other}` first if it is to be called {member}"
    )]
    SameCluster {
        /// The name that it was to have.
        member: String,
        /// The name that it has.
        other: String,
    },
    /// The federation API does not take the objects.
    #[error("could not {step} in the federation API: {problem}")]
    Federation {
        /// What was tried.
        step: &'static str,
        /// What came of it.
        problem: String,
    },
}

/// A cluster that is no member any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departed {
    /// What kfed made and could not take away, in words; none where nothing is left.
    pub left_behind: Option<String>,
}

/// Why a member did not leave.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnjoinError {
    /// There is no such member.
    #[error("there is no member {member}; members are: {members}")]
    NoSuchMember {
        /// The name that was asked for.
        member: String,
        /// Those that there are.
        members: String,
    },
    /// Replicas would lose their place. Nothing was changed.
    #[error("member {member} stays: {why}. --force lets it leave all the same, and these replicas are then nowhere")]
    NoRoom {
        /// The member.
        member: String,
        /// Which replicas.
        why: String,
    },
    /// It takes longer than one wants to wait. It goes on by itself.
    #[error("member {member} is still leaving after {after:?}: {progress}. It goes on by itself")]
    Timeout {
        /// The member.
        member: String,
        /// How long one has waited.
        after: Duration,
        /// What is being waited for.
        progress: String,
    },
    /// The federation API does not answer or refuses.
    #[error("could not {step} in the federation API: {problem}")]
    Federation {
        /// What was tried.
        step: &'static str,
        /// What came of it.
        problem: String,
    },
}

/// Makes a cluster a member: asks it first, then keeps its credentials, then creates its `Cluster`. Doing it again with the
/// same name renews the credentials. Each request is given up after `deadline`.
pub async fn join(federation: &Client, join: Join, deadline: Duration) -> Result<Joined, JoinError> {
    let Join { name: member, kubeconfig, context, federate_rbac } = join;
    check_name(&member)?;
    let kubeconfig = minify(&member, kubeconfig, context)?;
    let client = client_of(kubeconfig.clone(), None, deadline)
        .await
        .map_err(|source| JoinError::Connect { member: member.clone(), source })?;
    let (version, uid) =
        greet(&client, deadline).await.map_err(|problem| JoinError::Refused { member: member.clone(), problem })?;

    let failed = |step| move |error: EffectError| JoinError::Federation { step, problem: error.to_string() };
    let secret_name = format!("{member}-credentials");
    let secrets = Api::<Secret>::namespaced(federation.clone(), SYSTEM_NAMESPACE);
    let clusters = Api::<Cluster>::all(federation.clone());
    let all = within(deadline, clusters.list(&ListParams::default())).await.map_err(failed("list the Clusters"))?;
    let name = |cluster: &Cluster| cluster.metadata.name.clone().unwrap_or_default();
    let known_as = |cluster: &&Cluster| {
        uid.is_some() && cluster.status.as_ref().and_then(|s| s.cluster_uid.as_ref()) == uid.as_ref()
    };
    if let Some(other) = all.iter().filter(|cluster| name(cluster) != member).find(known_as) {
        return Err(JoinError::SameCluster { member, other: name(other) });
    }
    let before = all.into_iter().find(|cluster| name(cluster) == member);
    let leaves = |cluster: &Cluster| cluster.metadata.deletion_timestamp.is_some() || cluster.spec.unjoin.is_some();
    if before.as_ref().is_some_and(leaves) {
        let problem = format!("Cluster {member} is still leaving; wait until it is gone");
        return Err(JoinError::Federation { step: "create the Cluster", problem });
    }
    let text = serde_json::to_vec(&kubeconfig).expect("a kubeconfig that was parsed can be written");
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(secret_name.clone()),
            labels: Some(BTreeMap::from([(keys::MEMBER.to_owned(), member.clone())])),
            ..ObjectMeta::default()
        },
        type_: Some("Opaque".to_owned()),
        // A JSON document is a YAML document.
        data: Some(BTreeMap::from([(keys::SECRET_KUBECONFIG.to_owned(), ByteString(text))])),
        ..Secret::default()
    };
    let apply = PatchParams::apply(FIELD_MANAGER).force();
    within(deadline, secrets.patch(&secret_name, &apply, &Patch::Apply(&secret)))
        .await
        .map_err(failed("keep the member's credentials"))?;
    if let Some(before) = before {
        if federate_rbac && !before.spec.federate_rbac {
            let patch = Patch::Merge(json!({"spec": {"federateRbac": true}}));
            within(deadline, clusters.patch(&member, &manager(), &patch))
                .await
                .map_err(failed("change the Cluster"))?;
        }
        return Ok(Joined { version, again: true });
    }
    let secret_ref = SecretReference { name: secret_name.clone() };
    let spec = ClusterSpec { secret_ref, federate_rbac, ..ClusterSpec::default() };
    let how = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    if let Err(error) = within(deadline, clusters.create(&how, &Cluster::new(&member, spec))).await {
        // Credentials without a member serve nobody.
        let rolled_back = within(deadline, secrets.delete(&secret_name, &DeleteParams::default())).await;
        if let Err(error) = rolled_back {
            tracing::warn!(secret = secret_name, %error, "could not take the credentials back");
        }
        return Err(failed("create the Cluster")(error));
    }
    // So that it is known at once; the control plane says the same as soon as it has asked.
    let told = Patch::Merge(json!({"status": {"clusterUid": uid}}));
    if let Err(error) = within(deadline, clusters.patch_status(&member, &manager(), &told)).await {
        tracing::info!(member, %error, "could not write down which cluster it is");
    }
    Ok(Joined { version, again: false })
}

/// What a cluster is known by under any name: its namespace `kube-system` is as old as itself.
pub(crate) async fn cluster_uid(client: &Client) -> kube::Result<Option<String>> {
    Ok(Api::<Namespace>::all(client.clone()).get("kube-system").await?.metadata.uid)
}

/// Asks for a member's departure and waits until it is gone, at most for `timeout`; tells `progress` whatever is new.
///
/// A refusal changes nothing: the control plane takes the wish back. When the wait is over the departure goes on.
pub async fn unjoin(
    federation: &Client,
    member: &str,
    how: Unjoin,
    timeout: Duration,
    mut progress: impl FnMut(&str),
) -> Result<Departed, UnjoinError> {
    let clusters = Api::<Cluster>::all(federation.clone());
    let failed = |step| move |error: EffectError| UnjoinError::Federation { step, problem: error.to_string() };
    // Every change from here on is seen: what is said last is said just before the Cluster goes.
    let mut changes = std::pin::pin!(watch_object(clusters.clone(), member).default_backoff());
    let first = async { changes.next().await.transpose().map_err(watch_failure) };
    let Some(mut asked) = within(timeout, first).await.map_err(failed("look for the Cluster"))?.flatten() else {
        let all = within(timeout, clusters.list(&Default::default())).await.map_err(failed("list the Clusters"))?;
        let names: Vec<_> = all.into_iter().filter_map(|cluster| cluster.metadata.name).collect();
        let members = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(UnjoinError::NoSuchMember { member: member.to_owned(), members });
    };
    if asked.spec.unjoin != Some(how) {
        let wish = Patch::Merge(json!({"spec": {"unjoin": how}}));
        asked = within(timeout, clusters.patch(member, &manager(), &wish))
            .await
            .map_err(failed("ask for the departure"))?;
    }

    let (uid, generation) = (asked.metadata.uid.clone(), asked.metadata.generation);
    let mut last = String::new();
    let wait = async {
        let mut left_behind = None;
        let mut now = Some(asked);
        while let Some(cluster) = now.filter(|cluster| cluster.metadata.uid == uid) {
            let mut conditions = cluster.status.iter().flat_map(|status| &status.conditions);
            if let Some(condition) = conditions.find(|condition| is_answer(condition, generation)) {
                if condition.reason == reasons::NO_ROOM {
                    return Err(UnjoinError::NoRoom { member: member.to_owned(), why: condition.message.clone() });
                }
                left_behind = (condition.reason == reasons::LEFT_BEHIND).then(|| condition.message.clone());
                if last != condition.message {
                    last.clone_from(&condition.message);
                    progress(&last);
                }
            }
            now = loop {
                match changes.next().await.transpose().map_err(watch_failure) {
                    Ok(next) => break next.flatten(),
                    Err(refused @ EffectError::Refused { .. }) => return Err(failed("follow the departure")(refused)),
                    // It is tried again.
                    Err(_) => {}
                }
            };
        }
        Ok(Departed { left_behind })
    };
    match tokio::time::timeout(timeout, wait).await {
        Ok(result) => result,
        Err(_) => Err(UnjoinError::Timeout { member: member.to_owned(), after: timeout, progress: last }),
    }
}

fn watch_failure(error: watcher::Error) -> EffectError {
    match error {
        watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error) => error.into(),
        error => EffectError::Unreachable { message: chain(&error) },
    }
}

/// Whether `condition` is the control plane's word on the wish of `generation`, not on an earlier one.
fn is_answer(condition: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition, generation: Option<i64>) -> bool {
    condition.type_ == types::DRAINING && condition.observed_generation >= generation
}

/// Member names are labels of DNS names and parts of others (RFC 1123).
fn check_name(name: &str) -> Result<(), JoinError> {
    let problem = if name.is_empty() || name.len() > 63 {
        "it must have 1 to 63 characters"
    } else if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
        "only lower-case letters, digits and `-` may be in it"
    } else if name.starts_with('-') || name.ends_with('-') {
        "it must begin and end with a letter or digit"
    } else {
        return Ok(());
    };
    Err(JoinError::Name { name: name.to_owned(), problem })
}

/// What `context` needs of `kubeconfig`, and nothing else: nobody's other credentials are kept.
fn minify(member: &str, kubeconfig: Kubeconfig, context: Option<String>) -> Result<Kubeconfig, JoinError> {
    let name = context.or(kubeconfig.current_context).unwrap_or_default();
    let problem = |problem: String| JoinError::Context { member: member.to_owned(), context: name.clone(), problem };
    let known: Vec<_> = kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
    let context = kubeconfig.contexts.into_iter().find(|context| context.name == name);
    let context = context.ok_or_else(|| problem(format!("its contexts are: {}", known.join(", "))))?;
    let parts = context.context.clone().ok_or_else(|| problem("it is empty".to_owned()))?;
    let clusters: Vec<_> = kubeconfig.clusters.into_iter().filter(|cluster| cluster.name == parts.cluster).collect();
    let users: Vec<_> =
        kubeconfig.auth_infos.into_iter().filter(|user| Some(&user.name) == parts.user.as_ref()).collect();
    if clusters.is_empty() {
        return Err(problem(format!("there is no cluster `{}`", parts.cluster)));
    }
    if users.is_empty() {
        return Err(problem(format!("there is no user `{}`", parts.user.unwrap_or_default())));
    }
    Ok(Kubeconfig {
        clusters,
        auth_infos: users,
        contexts: vec![context],
        current_context: Some(name),
        api_version: Some("v1".to_owned()),
        kind: Some("Config".to_owned()),
        ..Kubeconfig::default()
    })
}

/// Asks the cluster for its version, who it is, and whether kfed may write there; all before anything is kept.
async fn greet(client: &Client, deadline: Duration) -> Result<(String, Option<String>), String> {
    let version = within(deadline, client.apiserver_version()).await.map_err(|error| chain(&error))?;
    let namespaces = Api::<Namespace>::all(client.clone());
    let uid = within(deadline, cluster_uid(client)).await.map_err(|error| chain(&error))?;
    let dry_run = PostParams { dry_run: true, field_manager: Some(FIELD_MANAGER.to_owned()) };
    let metadata = ObjectMeta { generate_name: Some("kfed-may-i-".to_owned()), ..ObjectMeta::default() };
    let namespace = Namespace { metadata, ..Namespace::default() };
    within(deadline, namespaces.create(&dry_run, &namespace))
        .await
        .map_err(|error| format!("kfed may not create namespaces there: {}", chain(&error)))?;
    Ok((version.git_version, uid))
}
