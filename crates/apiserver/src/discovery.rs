//! Discovery: which groups, versions and kinds are served, in the classic form and the aggregated one (KEP-3352).

use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, VARY};
use serde_json::{Value, json};

use crate::kinds::{Kind, Registry, group_version};
use crate::openapi::{self, GroupVersionKinds, OpenApiKind};
use crate::reply::{self, Reply};
use crate::request::Request;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const CUSTOM_VERBS: [&str; 8] = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
const PART_VERBS: [&str; 3] = ["get", "patch", "update"];

/// `/api`.
pub(crate) fn core(request: &Request, registry: &Registry) -> Reply {
    if wants_aggregated(request) {
        return aggregated(request, registry, true);
    }
    reply::value_reply(
        200,
        &json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:6443"}],
        }),
    )
}

/// `/apis`.
pub(crate) fn groups(request: &Request, registry: &Registry) -> Reply {
    if wants_aggregated(request) {
        return aggregated(request, registry, false);
    }
    let groups: Vec<Value> = named(registry).map(|(group, versions)| group_document(group, &versions)).collect();
    reply::value_reply(200, &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
}

/// `/apis/{group}`.
pub(crate) fn group(registry: &Registry, name: &str) -> Option<Reply> {
    let (group, versions) = named(registry).find(|(g, _)| *g == name)?;
    let mut document = group_document(group, &versions);
    document["kind"] = "APIGroup".into();
    document["apiVersion"] = "v1".into();
    Some(reply::value_reply(200, &document))
}

/// `/api/v1` and `/apis/{group}/{version}`.
pub(crate) fn resources(registry: &Registry, group: &str, version: &str) -> Option<Reply> {
    if !registry.serves(group, version) {
        return None;
    }
    let resources: Vec<Value> = registry.in_version(group, version).flat_map(resource_rows).collect();
    let document = json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version(group, version),
        "resources": resources,
    });
    Some(reply::value_reply(200, &document))
}

/// `/`.
pub(crate) fn root(registry: &Registry) -> Reply {
    let mut paths = vec!["/api".to_owned(), "/api/v1".to_owned(), "/apis".to_owned()];
    for (group, versions) in named(registry) {
        paths.push(format!("/apis/{group}"));
        paths.extend(versions.iter().map(|v| format!("/apis/{group}/{v}")));
    }
    paths.extend(["/healthz", "/livez", "/openapi/v3", "/readyz", "/version"].map(str::to_owned));
    paths.sort();
    reply::value_reply(200, &json!({"paths": paths}))
}

/// `/openapi/v3` and what is below it.
pub(crate) fn open_api(registry: &Registry, path: &[&str]) -> Option<Reply> {
    let describe = |group: &'_ str, version: &'_ str| -> Vec<OpenApiKind<'_>> {
        let kinds = registry.rows().iter().filter(|k| k.group == group && k.version == version && !k.virtual_only());
        kinds
            .map(|k| OpenApiKind {
                kind: &k.kind,
                plural: &k.plural,
                namespaced: k.namespaced(),
                schema: k.custom.as_ref().map(|c| &c.schema),
            })
            .collect()
    };
    match path {
        [] => {
            let groups = registry.groups();
            let all =
                groups.iter().flat_map(|(group, versions)| versions.iter().map(move |version| (*group, *version)));
            let documents: Vec<_> = all
                .map(|(group, version)| GroupVersionKinds { group, version, kinds: describe(group, version) })
                .collect();
            Some(reply::text_reply(200, openapi::index(&documents).to_string()))
        }
        ["api", version] => document(registry, "", version, describe("", version)),
        ["apis", group, version] => document(registry, group, version, describe(group, version)),
        _ => None,
    }
}

fn document<'a>(registry: &Registry, group: &'a str, version: &'a str, kinds: Vec<OpenApiKind<'a>>) -> Option<Reply> {
    let served = registry.serves(group, version);
    served.then(|| reply::value_reply(200, &openapi::document(&GroupVersionKinds { group, version, kinds })))
}

fn named(registry: &Registry) -> impl Iterator<Item = (&str, Vec<&str>)> {
    registry.groups().into_iter().filter(|(group, _)| !group.is_empty())
}

fn group_document(group: &str, versions: &[&str]) -> Value {
    let entry = |v: &&str| json!({"groupVersion": group_version(group, v), "version": v});
    let versions: Vec<Value> = versions.iter().map(entry).collect();
    json!({"name": group, "preferredVersion": versions.first(), "versions": versions})
}

fn verbs(kind: &Kind) -> Vec<&'static str> {
    if kind.virtual_only() {
        return vec!["create"];
    }
    let all = if kind.custom.is_some() { CUSTOM_VERBS } else { VERBS };
    all.into_iter().filter(|v| *v != "deletecollection" || kind.deletes_collections()).collect()
}

/// A subresource: its name, the group, version and kind of its body, and its verbs.
type Part = (&'static str, (String, String, String), Vec<&'static str>);

fn parts(kind: &Kind) -> Vec<Part> {
    let own = || (kind.group.clone(), kind.version.clone(), kind.kind.clone());
    let other = |group: &str, version: &str, name: &str| (group.to_owned(), version.to_owned(), name.to_owned());
    let mut parts: Vec<Part> = Vec::new();
    if kind.is("", "Pod") {
        parts.push(("binding", other("", "v1", "Binding"), vec!["create"]));
        parts.push(("eviction", other("policy", "v1", "Eviction"), vec!["create"]));
    }
    if kind.is("", "Namespace") {
        parts.push(("finalize", own(), vec!["update"]));
    }
    if kind.is("", "ServiceAccount") {
        parts.push(("token", other("authentication.k8s.io", "v1", "TokenRequest"), vec!["create"]));
    }
    let scale = kind.scale.is_some().then(|| ("scale", other("autoscaling", "v1", "Scale"), PART_VERBS.to_vec()));
    let status = kind.has_status().then(|| ("status", own(), PART_VERBS.to_vec()));
    let (first, second) = if kind.custom.is_some() { (status, scale) } else { (scale, status) };
    parts.extend(first);
    parts.extend(second);
    parts
}

fn resource_rows(kind: &Arc<Kind>) -> Vec<Value> {
    let mut row = json!({
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced(),
        "kind": kind.kind,
        "verbs": verbs(kind),
    });
    if !kind.short_names.is_empty() {
        row["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        row["categories"] = json!(kind.categories);
    }
    let mut rows = vec![row];
    for (name, (group, version, of), verbs) in parts(kind) {
        let mut row = json!({
            "name": format!("{}/{name}", kind.plural),
            "singularName": "",
            "namespaced": kind.namespaced(),
            "kind": of,
            "verbs": verbs,
        });
        if (&group, &version) != (&kind.group, &kind.version) && !group.is_empty() {
            row["group"] = group.into();
            row["version"] = version.into();
        }
        rows.push(row);
    }
    rows
}

fn wants_aggregated(request: &Request) -> bool {
    let first = request.accept().into_iter().find(|m| m.is_json());
    first.is_some_and(|m| {
        m.parameter("as") == Some("APIGroupDiscoveryList")
            && m.parameter("g") == Some("apidiscovery.k8s.io")
            && m.parameter("v") == Some("v2")
    })
}

fn aggregated(request: &Request, registry: &Registry, core: bool) -> Reply {
    let groups = registry.groups().into_iter().filter(|(group, _)| group.is_empty() == core);
    let items: Vec<Value> = groups.map(|(group, versions)| aggregated_group(registry, group, &versions)).collect();
    let document = json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items});
    let mut reply = reply::value_reply(200, &document);
    let etag = format!("\"{}\"", digest(document.to_string().as_bytes()));
    if request.header(&IF_NONE_MATCH) == Some(&etag) {
        reply = reply::text_reply(304, "");
        reply.headers_mut().remove(CONTENT_TYPE);
    } else {
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(AGGREGATED));
    }
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        reply.headers_mut().insert(ETAG, etag);
    }
    reply.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public"));
    reply
}

fn aggregated_group(registry: &Registry, group: &str, versions: &[&str]) -> Value {
    let version = |version: &&str| {
        let resources: Vec<Value> = registry.in_version(group, version).map(|k| aggregated_resource(k)).collect();
        json!({"version": version, "resources": resources, "freshness": "Current"})
    };
    let versions: Vec<Value> = versions.iter().map(version).collect();
    let metadata = if group.is_empty() { json!({}) } else { json!({"name": group}) };
    json!({"metadata": metadata, "versions": versions})
}

fn aggregated_resource(kind: &Kind) -> Value {
    // Upstream leaves group and version of its own kinds empty: they are the enclosing ones.
    let response = |(group, version, of): &(String, String, String)| {
        let inherited = kind.custom.is_none() && (group, version) == (&kind.group, &kind.version);
        if inherited {
            json!({"group": "", "version": "", "kind": of})
        } else {
            json!({"group": group, "version": version, "kind": of})
        }
    };
    let mut resource = json!({
        "resource": kind.plural,
        "responseKind": response(&(kind.group.clone(), kind.version.clone(), kind.kind.clone())),
        "scope": if kind.namespaced() { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular,
        "verbs": verbs(kind),
    });
    if !kind.short_names.is_empty() {
        resource["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        resource["categories"] = json!(kind.categories);
    }
    let parts: Vec<Value> = parts(kind)
        .iter()
        .map(|(name, of, verbs)| json!({"subresource": name, "responseKind": response(of), "verbs": verbs}))
        .collect();
    if !parts.is_empty() {
        resource["subresources"] = parts.into();
    }
    resource
}

/// 128 bits of FNV-1a, in hexadecimal: tells documents apart, no more.
pub(crate) fn digest(bytes: &[u8]) -> String {
    const PRIME: u128 = 0x0100_0000_0000_0000_0000_013B;
    const BASIS: u128 = 0x6C62_272E_07BB_0142_62B8_2175_6295_C58D;
    let hash = bytes.iter().fold(BASIS, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME));
    format!("{hash:032X}")
}
