//! A client whose requests share one connection, where the server speaks HTTP/2: kube's own opens one for each watch.

use std::time::Duration;

use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ClientBuilder, ConfigExt};
use kube::{Client, Config};
use tower::util::option_layer;
use tower::{BoxError, ServiceExt};

use super::ConnectError;

/// A connection that says nothing for so long is asked whether it still is one; client-go does the same.
const PING_AFTER: Duration = Duration::from_secs(30);
/// How long it has to answer.
const PONG_WITHIN: Duration = Duration::from_secs(15);

/// Over a proxy, and to a server without HTTP/2, requests have connections of their own. A server that allows fewer streams than there are
/// watches lets the rest wait: kube-apiserver allows 100 where it is not told otherwise, and there are some 22 and one a custom kind.
pub(super) fn client(config: Config) -> Result<Client, ConnectError> {
    if config.proxy_url.is_some() {
        return Client::try_from(config).map_err(ConnectError::Use);
    }
    let tls = config.rustls_client_config().map_err(ConnectError::Use)?;
    let mut https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = name.clone().try_into().map_err(|_| ConnectError::ServerName { name: name.clone() })?;
        https = https.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    let mut connector = TimeoutConnector::new(https.enable_all_versions().wrap_connector(tcp));
    connector.set_connect_timeout(config.connect_timeout);
    let service: legacy::Client<_, Body> = legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        // By when a request last began, and watches last longer than the default; pings find what is dead.
        .pool_idle_timeout(None)
        .http2_keep_alive_interval(PING_AFTER)
        .http2_keep_alive_timeout(PONG_WITHIN)
        .http2_keep_alive_while_idle(true)
        .build(connector);
    Ok(ClientBuilder::new(service.map_err(BoxError::from), config.default_namespace.clone())
        .with_layer(&config.extra_headers_layer().map_err(ConnectError::Use)?)
        .with_layer(&option_layer(config.auth_layer().map_err(ConnectError::Use)?))
        .with_layer(&config.base_uri_layer())
        .build())
}
