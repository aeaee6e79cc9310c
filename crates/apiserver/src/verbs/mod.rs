//! The verbs, each written once for all kinds.

mod decode;
mod delete;
mod read;
mod reviews;
mod scale;
mod subresource;
mod write;

use std::sync::Arc;

use http::Method;
use jiff::Timestamp;

use crate::kinds::Kind;
use crate::reply::Reply;
use crate::request::{Request, ResourcePath};
use crate::server::Shared;
use crate::status::Status;
use crate::store::ObjectKey;

/// One request for one kind.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) server: &'a Shared,
    pub(crate) request: &'a Request,
    pub(crate) kind: Arc<Kind>,
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
    pub(crate) now: Timestamp,
}

impl Call<'_> {
    pub(crate) fn key(&self) -> ObjectKey {
        self.key_of(&self.name)
    }

    pub(crate) fn key_of(&self, name: &str) -> ObjectKey {
        ObjectKey::new(self.namespace.clone().unwrap_or_default(), name)
    }
}

/// The part of an object that a request reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Main,
    Status,
    Scale,
    /// The finalizers in a namespace's specification.
    Finalize,
}

impl Part {
    /// As managedFields name it.
    pub(crate) fn subresource(self) -> Option<&'static str> {
        match self {
            Self::Main => None,
            Self::Status => Some("status"),
            Self::Scale => Some("scale"),
            Self::Finalize => Some("finalize"),
        }
    }
}

/// Answers a request below `/api/v1` or `/apis/{group}/{version}`.
pub(crate) async fn answer(server: &Shared, request: &Request, path: ResourcePath) -> Result<Reply, Status> {
    let registry = server.registry();
    let Some(kind) = registry.find(&path.group, &path.version, &path.plural).map(Arc::clone) else {
        return Err(Status::no_such_resource());
    };
    if path.namespace.is_some() && !kind.namespaced() {
        return Err(Status::no_such_resource());
    }
    let whole_cluster = kind.namespaced() && path.namespace.is_none();
    let (named, subresource) = (path.name.is_some(), path.subresource);
    let name = path.name.unwrap_or_default();
    let call = Call { server, request, kind, namespace: path.namespace, name, now: server.now() };
    let reads = matches!(request.method, Method::GET | Method::HEAD);
    let watches = reads && request.query.flag("watch");

    if call.kind.virtual_only() {
        return if request.method == Method::POST && !named {
            reviews::create(&call)
        } else {
            Err(Status::method_not_allowed())
        };
    }
    match (named, subresource.as_deref()) {
        (false, _) if watches => read::watch(&call, None),
        (false, _) if reads => read::list(&call).await,
        // Across namespaces objects can only be read.
        (_, _) if whole_cluster => Err(if named { Status::no_such_resource() } else { Status::method_not_allowed() }),
        (false, _) => match request.method {
            Method::POST => write::create(&call),
            Method::DELETE if call.kind.deletes_collections() => delete::collection(&call),
            _ => Err(Status::method_not_allowed()),
        },
        (true, None) if watches => read::watch(&call, Some(&call.name)),
        (true, None) => match request.method {
            Method::GET | Method::HEAD => read::get(&call).await,
            Method::PUT => write::replace(&call, Part::Main),
            Method::PATCH => write::patch(&call, Part::Main),
            Method::DELETE => delete::one(&call),
            _ => Err(Status::method_not_allowed()),
        },
        (true, Some(subresource)) => subresource::answer(&call, subresource).await,
    }
}
