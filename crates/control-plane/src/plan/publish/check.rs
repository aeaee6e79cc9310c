//! How an address is asked whether it serves.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::ops::RangeInclusive;

use http::uri::PathAndQuery;
use kfed_api::keys;
use kfed_cluster_health::{AddressKind, AddressTarget};
use kube::core::DynamicObject;
use serde::Deserialize;
use serde_json::Value;

use crate::object::{annotation, at};

/// The statuses of a healthy answer where an annotation asks for a check and does not say.
const EXPECTED: RangeInclusive<u16> = 200..=399;

/// Annotation `kfed.io/health-check` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    path: Option<String>,
    port: Option<NonZeroU16>,
    expect: Option<String>,
}

/// What annotation `kfed.io/health-check` asks for.
#[derive(Debug)]
struct HealthCheck {
    path: String,
    port: Option<u16>,
    expect: RangeInclusive<u16>,
}

/// How `ip` of `service` is asked whether it serves; none where it cannot be asked (UDP). An annotation that cannot be read asks
/// for nothing.
pub(super) fn target(service: &DynamicObject, ip: IpAddr) -> Option<AddressTarget> {
    let ports = at(service, "/spec/ports")?.as_array()?;
    let tcp = |port: &&Value| port["protocol"].as_str().unwrap_or("TCP") == "TCP";
    let number = |port: &Value| u16::try_from(port["port"].as_u64()?).ok();
    let is_http = |port: &Value| {
        let says = |field: &str| port[field].as_str().is_some_and(|text| text.to_ascii_lowercase().starts_with("http"));
        // What speaks TLS is asked for a connection only: its name and certificate are not ours to judge.
        let tls = |field: &str| port[field].as_str().is_some_and(|text| text.to_ascii_lowercase().starts_with("https"));
        (says("appProtocol") || says("name")) && !tls("appProtocol") && !tls("name")
    };
    if let Ok(Some(check)) = health_check(service) {
        let first = || ports.iter().find(tcp).and_then(number);
        let addr = SocketAddr::new(ip, check.port.or_else(first)?);
        return Some(http(addr, check.path, check.expect));
    }
    let port = ports.iter().filter(tcp).find(|port| is_http(port)).or_else(|| ports.iter().find(tcp))?;
    let addr = SocketAddr::new(ip, number(port)?);
    Some(match is_http(port) {
        // Whatever the application thinks of `/`, it has answered.
        true => http(addr, "/".to_owned(), 100..=499),
        false => AddressTarget::tcp(addr),
    })
}

/// What is wrong with the annotation, if anything is.
pub(super) fn mistake(service: &DynamicObject) -> Option<String> {
    health_check(service).err().map(|mistake| format!("annotation {}: {mistake}", keys::HEALTH_CHECK))
}

fn health_check(service: &DynamicObject) -> Result<Option<HealthCheck>, String> {
    let Some(json) = annotation(service, keys::HEALTH_CHECK) else { return Ok(None) };
    let written: Written = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let path = written.path.unwrap_or_else(|| "/".to_owned());
    if !path.starts_with('/') || path.parse::<PathAndQuery>().is_err() {
        return Err(format!("path `{path}` is none: it begins with / and has no spaces"));
    }
    let expect = match written.expect {
        None => EXPECTED,
        Some(text) => statuses(&text)
            .ok_or_else(|| format!("expect `{text}` is no range of HTTP statuses, such as 200-399 or 204"))?,
    };
    Ok(Some(HealthCheck { path, port: written.port.map(NonZeroU16::get), expect }))
}

fn http(addr: SocketAddr, path: String, expect: RangeInclusive<u16>) -> AddressTarget {
    AddressTarget { addr, kind: AddressKind::Http { host: addr.ip().to_string(), path, expect } }
}

/// `200-399`, or `204`.
fn statuses(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range: RangeInclusive<u16> = first.trim().parse().ok()?..=last.trim().parse().ok()?;
    // RFC 9110 § 15: three digits, the first of them 1 to 5.
    (!range.is_empty() && *range.start() >= 100 && *range.end() <= 599).then_some(range)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(annotations: &Value, ports: &Value) -> DynamicObject {
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "annotations": annotations}, "spec": {"ports": ports}
        });
        serde_json::from_value(service).unwrap()
    }

    fn asked(annotations: &Value, ports: &Value) -> Option<String> {
        let target = target(&service(annotations, ports), "10.0.0.1".parse().unwrap());
        target.map(|target| format!("{target:?}"))
    }

    #[test]
    fn http_is_asked_by_http_where_the_port_says_so() {
        let http =
            asked(&json!({}), &json!([{"name": "admin", "port": 9000}, {"name": "http", "port": 8000}])).unwrap();
        assert!(http.contains("10.0.0.1:8000") && http.contains("100..=499"), "{http}");
        let by_protocol = asked(&json!({}), &json!([{"port": 80, "appProtocol": "HTTP"}])).unwrap();
        assert!(by_protocol.contains("10.0.0.1:80") && by_protocol.contains("100..=499"), "{by_protocol}");
        let tls = asked(&json!({}), &json!([{"name": "https", "port": 443}])).unwrap();
        assert!(tls.contains("10.0.0.1:443") && !tls.contains("100..=499"), "{tls}");
        assert_eq!(asked(&json!({}), &json!([{"port": 53, "protocol": "UDP"}])), None);
    }

    #[test]
    fn an_annotation_says_how_to_ask() {
        let annotations = json!({"kfed.io/health-check": r#"{"path": "/up", "port": 8001, "expect": "200-204"}"#});
        let asked = asked(&annotations, &json!([{"port": 53, "protocol": "UDP"}])).unwrap();
        assert!(asked.contains("10.0.0.1:8001") && asked.contains("/up") && asked.contains("200..=204"), "{asked}");
    }

    #[test]
    fn an_annotation_that_cannot_be_read_is_told_and_asks_for_nothing() {
        let ports = json!([{"name": "http", "port": 80}]);
        let plain = asked(&json!({}), &ports);
        for (json, names) in [
            ("{", "line 1 column 1"),
            (r#"{"paht": "/"}"#, "paht"),
            (r#"{"expect": "399-200"}"#, "399-200"),
            (r#"{"expect": "20-700"}"#, "20-700"),
            (r#"{"expect": ""}"#, "expect"),
            (r#"{"port": 0}"#, "0"),
            (r#"{"port": 70000}"#, "70000"),
            (r#"{"path": "up"}"#, "`up`"),
            (r#"{"path": "/a b"}"#, "`/a b`"),
        ] {
            let annotations = json!({"kfed.io/health-check": json});
            let told = mistake(&service(&annotations, &ports)).unwrap();
            assert!(told.starts_with("annotation kfed.io/health-check: ") && told.contains(names), "{json}: {told}");
            assert_eq!(asked(&annotations, &ports), plain, "{json}");
        }
        assert_eq!(mistake(&service(&json!({"kfed.io/health-check": r#"{"expect": "204"}"#}), &ports)), None);
    }
}
