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
/// between may be lost, and decisions must not be taken on it. A kind that is not known is asked for again and again: it may come.
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
        let mut served = true;
        let mut events = std::pin::pin!(watcher(objects.clone(), config.clone()));
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
                    served = !is_unknown(&error);
                    tracing::debug!(error = crate::effect::chain(&error), "a watch failed and starts anew");
                    break;
                }
            }
        }
        tell(if served { Change::Interrupted } else { Change::NotServed });
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
}

/// Whether the API server has nothing under that path.
fn is_unknown(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404)
}
