//! Watches, as changes to an index.

use std::fmt::Debug;
use std::time::Duration;

use futures::StreamExt;
use kube::Api;
use kube::runtime::watcher;
use serde::de::DeserializeOwned;

use crate::world::Change;

/// How long a watch that failed waits before it starts anew; each further failure doubles it.
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
/// The longest that a failing watch waits.
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

/// Follows what `objects` holds for ever, telling every change. A watch that fails starts anew with a list: what came
/// between may be lost, and decisions must not be taken on it. A kind that is not known, or forbidden, is asked for again and again.
pub(super) async fn follow<K>(objects: Api<K>, config: watcher::Config, tell: impl FnMut(Change<K>))
where
    K: kube::Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    follow_as(objects, config, |object| object, tell).await;
}

/// [`follow`] that tells of each object what `keep` keeps of it: the rest is gone before the next one has come. Of an
/// `Api<PartialObjectMeta<_>>` all but the metadata is not even sent.
pub(super) async fn follow_as<K, T>(
    objects: Api<K>,
    config: watcher::Config,
    keep: impl Fn(K) -> T,
    mut tell: impl FnMut(Change<T>),
) where
    K: kube::Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut backoff = FIRST_BACKOFF;
    loop {
        let mut end = Change::Interrupted;
        let mut events = Box::pin(watcher(objects.clone(), config.clone()));
        let mut listed = Vec::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Init) => listed.clear(),
                Ok(watcher::Event::InitApply(object)) => listed.push(keep(object)),
                Ok(watcher::Event::InitDone) => {
                    backoff = FIRST_BACKOFF;
                    tell(Change::Reset(std::mem::take(&mut listed)));
                }
                Ok(watcher::Event::Apply(object)) => tell(Change::Apply(Box::new(keep(object)))),
                Ok(watcher::Event::Delete(object)) => tell(Change::Delete(Box::new(keep(object)))),
                Err(error) => {
                    end = refusal(&error).unwrap_or(Change::Interrupted);
                    tracing::debug!(error = crate::effect::chain(&error), "a watch failed and starts anew");
                    break;
                }
            }
        }
        // Nobody reads it any more, and others may share its connection.
        drop(events);
        tell(end);
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
}

/// What it means that the API server refuses a list: it has nothing under that path, or does not show it.
fn refusal<T>(error: &watcher::Error) -> Option<Change<T>> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404 => Some(Change::NotServed),
        watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 403 => {
            Some(Change::Forbidden(status.message.clone()))
        }
        _ => None,
    }
}
