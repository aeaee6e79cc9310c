//! Watches that end at once are not begun anew at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Request;
use kube::Client;
use kube::client::Body;
use tokio::time::Instant;
use tower::BoxError;

/// How long after a watch has begun the next of the same objects begins at the earliest. If the first has ended before that, twice as
/// long after the next, and so on.
const SHORTEST: Duration = Duration::from_millis(500);
/// The longest that the beginnings of two watches are kept apart.
const LONGEST: Duration = Duration::from_secs(10);

/// When watches have begun, by what they watch.
#[derive(Debug, Default)]
struct Watches(HashMap<String, Begun>);

#[derive(Debug, Clone, Copy)]
struct Begun {
    at: Instant,
    /// The next begins that much later at the earliest.
    apart: Duration,
}

/// `client`, through which watches are not begun over and over: whoever follows objects begins the next watch when one has ended
/// well, however soon, and a server that ends each at once would be asked without a pause.
pub(crate) fn paced(client: Client) -> Client {
    let namespace = client.default_namespace().to_owned();
    let watches = Arc::new(Mutex::new(Watches::default()));
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, watches) = (client.clone(), watches.clone());
        async move {
            if let Some(what) = watched(&request) {
                let at = watches.lock().unwrap_or_else(PoisonError::into_inner).begin(what, Instant::now());
                tokio::time::sleep_until(at).await;
            }
            client.send(request).await.map_err(BoxError::from)
        }
    });
    Client::new(service, namespace)
}

/// What is to be watched, if anything: not from which version on.
fn watched(request: &Request<Body>) -> Option<String> {
    let (uri, mut watches) = (request.uri(), false);
    let parameters = uri.query()?.split('&').filter(|parameter| {
        watches |= matches!(*parameter, "watch=true" | "watch=1");
        !parameter.starts_with("resourceVersion")
    });
    let parameters = parameters.collect::<Vec<_>>().join("&");
    watches.then(|| format!("{}?{parameters}", uri.path()))
}

// === impl Watches ===

impl Watches {
    /// When a watch of `what` that is wanted at `now` may begin.
    fn begin(&mut self, what: String, now: Instant) -> Instant {
        let begun = match self.0.get(&what) {
            Some(last) if now < last.at + last.apart => {
                Begun { at: last.at + last.apart, apart: (last.apart * 2).min(LONGEST) }
            }
            _ => Begun { at: now, apart: SHORTEST },
        };
        self.0.retain(|_, begun| now < begun.at + LONGEST);
        self.0.insert(what, begun);
        begun.at
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use http::Response;
    use k8s_openapi::api::core::v1::{ConfigMap, Secret};
    use kfed_apiserver::ApiServer;
    use kube::runtime::watcher;
    use kube::{Api, ResourceExt};
    use serde_json::json;

    use super::*;

    /// What was to be watched, each time.
    type Asked = Arc<Mutex<Vec<String>>>;

    /// A server of which every watch ends as soon as it has begun.
    fn ending() -> (Client, Asked) {
        let (api, asked) = (Client::new(ApiServer::new(), "default"), Asked::default());
        let of_service = asked.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (api, asked) = (api.clone(), of_service.clone());
            async move {
                match watched(&request) {
                    None => api.send(request).await,
                    Some(what) => {
                        asked.lock().unwrap().push(what);
                        Ok(Response::new(Body::empty()))
                    }
                }
            }
        });
        (Client::new(service, "default"), asked)
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_ends_every_watch_at_once_is_asked_now_and_then() {
        let (client, asked) = ending();
        let client = paced(client);
        let maps = watcher(Api::<ConfigMap>::namespaced(client.clone(), "default"), watcher::Config::default());
        let secrets = watcher(Api::<Secret>::namespaced(client.clone(), "default"), watcher::Config::default());
        let events = futures::stream::select(maps.map(|_| ()), secrets.map(|_| ()));
        let all = tokio::time::timeout(Duration::from_secs(600), events.for_each(async |()| {}));
        let _: Result<(), _> = all.await;
        let of = |what: &str| asked.lock().unwrap().iter().filter(|path| path.contains(what)).count();
        // Each for itself.
        assert!((60..=70).contains(&of("/configmaps")), "{}", of("/configmaps"));
        assert!((60..=70).contains(&of("/secrets")), "{}", of("/secrets"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_watch_waits_for_nothing() {
        let (client, _) = ending();
        let maps = Api::<ConfigMap>::namespaced(paced(client), "default");
        let begin = Instant::now();
        let map = |name: &str| serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
        for name in ["a", "b"] {
            maps.create(&kube::api::PostParams::default(), &map(name)).await.unwrap();
            assert_eq!(maps.get(name).await.unwrap().name_any(), name);
        }
        let listed = maps.list(&kube::api::ListParams::default()).await.unwrap();
        assert!(["a", "b"].iter().all(|name| listed.iter().any(|map| map.name_any() == *name)));
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }

    #[test]
    fn a_watch_that_has_lasted_is_followed_by_the_next_without_a_pause() {
        let mut watches = Watches::default();
        let start = Instant::now();
        let millis = |at: Instant| (at - start).as_millis();
        let mut begin = |after: u64| millis(watches.begin("a".into(), start + Duration::from_millis(after)));
        // One that ends at once, again and again: half a second, one, two.
        assert_eq!([begin(0), begin(0), begin(500), begin(1500)], [0, 500, 1500, 3500]);
        // One that lasts as long as the next would have waited.
        assert_eq!([begin(7500), begin(8000), begin(8000)], [7500, 8000, 8500]);
        // Nothing is kept of watches that have begun long ago.
        watches.begin("b".into(), start + Duration::from_secs(60));
        assert_eq!(watches.0.len(), 1);
    }
}
