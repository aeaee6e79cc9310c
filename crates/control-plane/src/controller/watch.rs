//! Watches, as changes to an index.

use std::fmt::Debug;
use std::time::Duration;

use futures::StreamExt;
use kube::Api;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::core::Status;
use kube::runtime::watcher;
use serde::de::DeserializeOwned;

use crate::world::{Ban, Change};

/// How long a watch that failed waits before it starts anew; each further failure doubles it.
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
/// The longest that a failing watch waits.
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);
/// For how long a watch is tried after one has been refused.
const TRIAL: Duration = Duration::from_secs(1);

const LIST: &str = "list";
const WATCH: &str = "watch";

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
    tell: impl FnMut(Change<T>),
) where
    K: kube::Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    follow_by(objects, config, false, false, keep, tell).await;
}

/// [`follow_as`] of what is acted on only while it can be watched: where that is refused, no list is told until a watch has begun.
/// `before` is what was forbidden last.
pub(super) async fn follow_closely<K, T>(
    objects: Api<K>,
    config: watcher::Config,
    before: Option<Ban>,
    keep: impl Fn(K) -> T,
    tell: impl FnMut(Change<T>),
) where
    K: kube::Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let refused = before.is_some_and(|ban| ban.verb == WATCH);
    follow_by(objects, config, true, refused, keep, tell).await;
}

/// Follows `closely`, or not. `refused` is whether the last watch was: a list is then no sign that all is well.
async fn follow_by<K, T>(
    objects: Api<K>,
    config: watcher::Config,
    closely: bool,
    mut refused: bool,
    keep: impl Fn(K) -> T,
    mut tell: impl FnMut(Change<T>),
) where
    K: kube::Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut backoff = FIRST_BACKOFF;
    loop {
        if closely && refused {
            let trial = trial(&objects, &config).await;
            if trial != Trial::Begun {
                if let Trial::Refused(ban) = trial {
                    tell(Change::Forbidden(ban));
                }
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(LONGEST_BACKOFF);
                continue;
            }
        }
        let mut end = Change::Interrupted;
        let mut events = Box::pin(watcher(objects.clone(), config.clone()));
        let mut listed = Vec::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Init) => listed.clear(),
                Ok(watcher::Event::InitApply(object)) => listed.push(keep(object)),
                Ok(watcher::Event::InitDone) => {
                    if !refused {
                        backoff = FIRST_BACKOFF;
                    }
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
        refused = matches!(&end, Change::Forbidden(ban) if ban.verb == WATCH);
        // Nobody reads it any more, and others may share its connection.
        drop(events);
        tell(end);
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
}

/// What it means that the API server refuses a list or a watch: it has nothing under that path, or does not show it.
fn refusal<T>(error: &watcher::Error) -> Option<Change<T>> {
    let ban = |verb, status: &Status| (status.code == 403).then(|| Change::Forbidden(Ban::of(verb, status)));
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404 => Some(Change::NotServed),
        watcher::Error::InitialListFailed(kube::Error::Api(status)) => ban(LIST, status),
        watcher::Error::WatchStartFailed(kube::Error::Api(status)) | watcher::Error::WatchError(status) => {
            ban(WATCH, status)
        }
        _ => None,
    }
}

/// How a watch goes after one has been refused.
#[derive(Debug, PartialEq, Eq)]
enum Trial {
    /// It has begun and gone on for a moment, or the kind is not served any more: both are for the list to tell.
    Begun,
    Refused(Ban),
    /// Nobody can tell now: what was refused still counts as that.
    Failed,
}

/// Tries a watch. Of objects no more is asked than the version of their list.
async fn trial<K>(objects: &Api<K>, config: &watcher::Config) -> Trial
where
    K: Clone + DeserializeOwned + Debug,
{
    let ban = |verb, error| match error {
        kube::Error::Api(status) if status.code == 403 => Trial::Refused(Ban::of(verb, &status)),
        kube::Error::Api(status) if status.code == 404 => Trial::Begun,
        _ => Trial::Failed,
    };
    let labels = config.label_selector.clone();
    let first = ListParams { label_selector: labels.clone(), limit: Some(1), ..ListParams::default() };
    let version = match objects.list(&first).await {
        Ok(list) => list.metadata.resource_version.unwrap_or_default(),
        Err(error) => return ban(LIST, error),
    };
    let params = WatchParams { label_selector: labels, ..WatchParams::default() };
    let events = match objects.watch(&params, &version).await {
        Ok(events) => events,
        Err(error) => return ban(WATCH, error),
    };
    let mut bans = std::pin::pin!(events.filter_map(async |event| match event {
        Ok(WatchEvent::Error(status)) if status.code == 403 => Some(Ban::of(WATCH, &status)),
        _ => None,
    }));
    tokio::time::timeout(TRIAL, bans.next()).await.ok().flatten().map_or(Trial::Begun, Trial::Refused)
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use k8s_openapi::api::core::v1::ConfigMap;
    use kfed_apiserver::ApiServer;
    use kube::Client;
    use kube::client::Body;
    use serde_json::json;
    use tokio::sync::watch::{Receiver, Sender, channel};

    use super::*;

    /// What becomes of a watch.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Watches {
        Refused,
        /// Begun, and refused by its first event.
        RefusedLater,
        Allowed,
        /// Nothing is answered well.
        Failing,
    }

    /// An API server that takes watches so, and what it was asked for.
    #[derive(Clone)]
    struct Server(Sender<State>);

    struct State {
        watches: Watches,
        /// Whole lists that were asked for.
        lists: usize,
        /// All requests.
        asked: usize,
    }

    impl Server {
        fn new(watches: Watches) -> (Self, Api<ConfigMap>) {
            let server = Self(Sender::new(State { watches, lists: 0, asked: 0 }));
            let api = Client::new(ApiServer::new(), "default");
            let asked = server.clone();
            let service = tower::service_fn(move |request: Request<Body>| {
                let (asked, api) = (asked.clone(), api.clone());
                async move {
                    match asked.ask(request.uri().query().unwrap_or_default()) {
                        Some(answer) => Ok(answer),
                        None => api.send(request).await,
                    }
                }
            });
            (server, Api::namespaced(Client::new(service, "default"), "default"))
        }

        /// What is answered where it is not the API server itself that answers.
        fn ask(&self, query: &str) -> Option<Response<Body>> {
            let lists = !query.contains("watch=true");
            let whole = lists && !query.contains("limit=1&") && !query.ends_with("limit=1");
            let watches = self.0.borrow().watches;
            self.0.send_modify(|state| {
                state.asked += 1;
                state.lists += usize::from(whole && watches != Watches::Failing);
            });
            if watches == Watches::Failing {
                return Some(Response::builder().status(500).body(Body::empty()).unwrap());
            }
            if lists {
                return None;
            }
            let status =
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403, "message": "no"});
            let (code, body) = match watches {
                Watches::Allowed | Watches::Failing => return None,
                Watches::Refused => (403, status),
                Watches::RefusedLater => (200, json!({"type": "ERROR", "object": status})),
            };
            Some(Response::builder().status(code).body(Body::from(body.to_string().into_bytes())).unwrap())
        }

        fn takes(&self, watches: Watches) {
            self.0.send_modify(|state| state.watches = watches);
        }

        fn lists(&self) -> usize {
            self.0.borrow().lists
        }

        /// Waits until `count` has grown by [`MANY`].
        async fn many_more(&self, count: impl Fn(&State) -> usize) {
            let (before, mut states) = (count(&self.0.borrow()), self.0.subscribe());
            let grown = states.wait_for(|state| count(state) >= before + MANY);
            tokio::time::timeout(LONG, grown).await.expect("it is asked again and again").unwrap();
        }
    }

    /// Enough for every pause to have become the longest.
    const MANY: usize = 30;
    /// Longer than any of these tests waits.
    const LONG: Duration = Duration::from_secs(600);

    /// Follows for ever; what it has told, a word each.
    fn followed(objects: Api<ConfigMap>, closely: bool, refused: bool) -> Receiver<Vec<String>> {
        let (told, words) = channel(Vec::new());
        let tell = move |change: Change<ConfigMap>| {
            let word = match change {
                Change::Forbidden(ban) => format!("forbidden to {}: {}", ban.verb, ban.says),
                Change::Reset(_) => "listed".to_owned(),
                other => format!("{other:?}"),
            };
            told.send_modify(|words| words.push(word));
        };
        tokio::spawn(follow_by(objects, watcher::Config::default(), closely, refused, |object| object, tell));
        words
    }

    /// Waits until a list is the last that has been told.
    async fn listed(told: &mut Receiver<Vec<String>>) {
        let is_listed = |words: &Vec<String>| words.last().is_some_and(|word| word == "listed");
        tokio::time::timeout(LONG, told.wait_for(is_listed)).await.expect("a list is told").unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_watch_is_told_and_no_list_more_until_one_begins() {
        for watches in [Watches::Refused, Watches::RefusedLater] {
            let (server, objects) = Server::new(watches);
            let mut told = followed(objects, true, false);
            server.many_more(|state| state.asked).await;
            let mut words = told.borrow().clone();
            words.dedup();
            assert_eq!(words, ["listed", "forbidden to watch: no"], "{watches:?}");
            assert_eq!(server.lists(), 1, "{watches:?}");
            // What fails says nothing of what is allowed.
            for watches in [Watches::Failing, watches] {
                server.takes(watches);
                server.many_more(|state| state.asked).await;
            }
            assert_eq!(server.lists(), 1, "{watches:?}");
            server.takes(Watches::Allowed);
            listed(&mut told).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_refused_before_is_tried_before_it_is_listed() {
        let (server, objects) = Server::new(Watches::Refused);
        let mut told = followed(objects, true, true);
        server.many_more(|state| state.asked).await;
        assert!(told.borrow().iter().all(|word| word == "forbidden to watch: no"), "{told:?}");
        assert_eq!(server.lists(), 0);
        server.takes(Watches::Allowed);
        listed(&mut told).await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_watched_is_listed_from_time_to_time_where_that_is_enough() {
        let (server, objects) = Server::new(Watches::Refused);
        let told = followed(objects, false, false);
        server.many_more(|state| state.lists).await;
        let begin = tokio::time::Instant::now();
        server.many_more(|state| state.lists).await;
        let (pauses, longest) = (begin.elapsed(), LONGEST_BACKOFF * MANY.try_into().unwrap());
        assert!((longest..longest + LONGEST_BACKOFF).contains(&pauses), "{pauses:?}");
        assert_eq!(told.borrow().iter().filter(|word| *word == "listed").count(), server.lists());
    }
}
