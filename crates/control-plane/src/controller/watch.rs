//! Watches, as changes to an index.

use std::fmt::Debug;

use futures::StreamExt;
use kube::Api;
use kube::runtime::{WatchStreamExt, watcher};
use serde::de::DeserializeOwned;

use crate::world::Change;

/// Follows what `objects` holds for ever, telling every change. Errors are retried with back-off; a relist after one tells
/// what has vanished meanwhile.
pub(super) async fn follow<K>(objects: Api<K>, config: watcher::Config, mut tell: impl FnMut(Change<K>))
where
    K: kube::Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut events = std::pin::pin!(watcher(objects, config).default_backoff());
    let mut listed = Vec::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Init) => listed.clear(),
            Ok(watcher::Event::InitApply(object)) => listed.push(object),
            Ok(watcher::Event::InitDone) => tell(Change::Reset(std::mem::take(&mut listed))),
            Ok(watcher::Event::Apply(object)) => tell(Change::Apply(Box::new(object))),
            Ok(watcher::Event::Delete(object)) => tell(Change::Delete(Box::new(object))),
            Err(error) => tracing::debug!(error = crate::effect::chain(&error), "a watch failed and is tried again"),
        }
    }
}
