use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::schema::{Field, Label, Message, SCHEMA, Type};
use super::{MEDIA_TYPE, ProtobufError, decode};

fn fixture(name: &str) -> Value {
    let path = format!("{}/../../fixtures/kube/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What kubectl sent: the command, the body, and the object that a kube-apiserver read from it.
fn captured() -> Vec<(String, Vec<u8>, Value)> {
    let cases = fixture("protobuf_bodies.json");
    let case = |c: &Value| {
        let body = STANDARD.decode(c["body"].as_str().unwrap()).unwrap();
        (c["command"].as_str().unwrap().to_owned(), body, c["object"].clone())
    };
    cases.as_array().unwrap().iter().map(case).collect()
}

// A writer, the other way round, for what nobody has captured.

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn number(field: u32, value: i64, out: &mut Vec<u8>) {
    varint(u64::from(field) << 3, out);
    varint(value as u64, out);
}

fn delimited(field: u32, bytes: &[u8], out: &mut Vec<u8>) {
    varint(u64::from(field) << 3 | 2, out);
    varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn wrapped(field: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    delimited(field, bytes, &mut out);
    out
}

fn encode_value(field: u32, of: Type, value: &Value, out: &mut Vec<u8>) {
    let text = || value.as_str().unwrap_or_else(|| panic!("{of:?}: {value}"));
    match of {
        Type::Bool => number(field, i64::from(value.as_bool().unwrap()), out),
        Type::Int32 | Type::Int64 => number(field, value.as_i64().unwrap(), out),
        Type::Text => delimited(field, text().as_bytes(), out),
        Type::Bytes => delimited(field, &STANDARD.decode(text()).unwrap(), out),
        Type::Quantity => delimited(field, &wrapped(1, text().as_bytes()), out),
        Type::Raw => delimited(field, &wrapped(1, value.to_string().as_bytes()), out),
        Type::Texts => {
            let texts = value.as_array().unwrap().iter().flat_map(|t| wrapped(1, t.as_str().unwrap().as_bytes()));
            delimited(field, &texts.collect::<Vec<u8>>(), out);
        }
        Type::Time | Type::MicroTime => {
            let at: jiff::Timestamp = text().parse().unwrap();
            let mut inner = Vec::new();
            number(1, at.as_second(), &mut inner);
            number(2, at.subsec_nanosecond().into(), &mut inner);
            delimited(field, &inner, out);
        }
        Type::IntOrString => {
            let mut inner = Vec::new();
            number(1, i64::from(value.is_string()), &mut inner);
            number(2, value.as_i64().unwrap_or(0), &mut inner);
            delimited(3, value.as_str().unwrap_or_default().as_bytes(), &mut inner);
            delimited(field, &inner, out);
        }
        Type::Message(index) => {
            let mut members = value.as_object().unwrap().clone();
            let inner = encode_message(SCHEMA.message(index), &mut members);
            assert!(members.is_empty(), "no such fields: {members:?}");
            delimited(field, &inner, out);
        }
    }
}

/// Takes the message's fields out of `members`.
fn encode_message(of: &Message, members: &mut Map<String, Value>) -> Vec<u8> {
    let mut out = Vec::new();
    for Field { name, number, label, of, .. } in &of.fields {
        match (label, of) {
            (Label::Inline, Type::Message(index)) => {
                delimited(*number, &encode_message(SCHEMA.message(*index), members), &mut out);
            }
            _ => match (label, members.remove(*name)) {
                (_, None) => {}
                (Label::List, Some(list)) => {
                    list.as_array().unwrap().iter().for_each(|v| encode_value(*number, *of, v, &mut out));
                }
                (Label::Map, Some(map)) => {
                    for (key, value) in map.as_object().unwrap() {
                        let mut entry = wrapped(1, key.as_bytes());
                        encode_value(2, *of, value, &mut entry);
                        delimited(*number, &entry, &mut out);
                    }
                }
                (_, Some(value)) => encode_value(*number, *of, &value, &mut out),
            },
        }
    }
    out
}

fn body(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let type_meta = [wrapped(1, api_version.as_bytes()), wrapped(2, kind.as_bytes())].concat();
    [b"k8s\0".to_vec(), wrapped(1, &type_meta), wrapped(2, raw), wrapped(3, b""), wrapped(4, b"")].concat()
}

fn encode(object: &Value) -> Vec<u8> {
    let mut members = object.as_object().unwrap().clone();
    let (version, kind) = (members.remove("apiVersion").unwrap(), members.remove("kind").unwrap());
    let (version, kind) = (version.as_str().unwrap(), kind.as_str().unwrap());
    let raw = encode_message(SCHEMA.root(version, kind).unwrap(), &mut members);
    assert!(members.is_empty(), "no such fields: {members:?}");
    body(version, kind, &raw)
}

/// A value of each field there is, all the way down.
fn full(of: &Message, members: &mut Map<String, Value>) {
    for field in &of.fields {
        let one = match field.of {
            Type::Text => json!(format!("{} {}", of.name, field.name)),
            Type::Bytes => json!("AP8="),
            Type::Bool => json!(true),
            Type::Int32 => json!(-i64::from(field.number)),
            Type::Int64 => json!(i64::MIN + i64::from(field.number)),
            Type::Time => json!("2026-01-01T00:00:00Z"),
            Type::MicroTime => json!("2026-01-01T00:00:00.000001Z"),
            Type::Quantity => json!("100m"),
            Type::IntOrString => json!("25%"),
            Type::Raw => json!({"f:a": {}}),
            Type::Texts => json!(["a", "b"]),
            Type::Message(index) if field.label == Label::Inline => {
                full(SCHEMA.message(index), members);
                continue;
            }
            Type::Message(index) => {
                let mut inner = Map::new();
                full(SCHEMA.message(index), &mut inner);
                Value::Object(inner)
            }
        };
        let value = match field.label {
            Label::List => json!([one, one]),
            Label::Map => json!({"": one, "k": one}),
            Label::Single | Label::Inline => one,
        };
        assert_eq!(members.insert(field.name.to_owned(), value), None, "{}.{} twice", of.name, field.name);
    }
}

#[test]
fn what_kubectl_sends_is_read_as_a_kube_apiserver_reads_it() {
    let cases = captured();
    assert!(cases.len() >= 22);
    for (command, body, object) in cases {
        let mut read = decode(&body).unwrap_or_else(|e| panic!("{command}: {e}"));
        // The path says it too, and the server's answer is where the capture has it from.
        if let Some(metadata) = read.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("namespace");
        }
        assert_eq!(read, object, "{command}");
    }
}

#[test]
fn every_field_of_every_kind_comes_back() {
    let mut roots = 0;
    for (api_version, kind) in SCHEMA.kinds() {
        let mut object = Map::new();
        full(SCHEMA.root(api_version, kind).unwrap(), &mut object);
        object.insert("apiVersion".to_owned(), api_version.into());
        object.insert("kind".to_owned(), kind.into());
        let object = Value::Object(object);
        assert_eq!(decode(&encode(&object)).unwrap(), object);
        roots += 1;
    }
    assert!(roots > 40, "{roots}");
}

#[test]
fn objects_that_were_captured_in_json_come_back() {
    let mut compared = 0;
    for name in ["pod", "deployment", "replicaset", "service", "others"] {
        for case in fixture(&format!("defaults_{name}.json")).as_array().unwrap() {
            let response = &case["response"];
            let (version, kind) = (response["apiVersion"].as_str().unwrap(), response["kind"].as_str().unwrap());
            if SCHEMA.root(version, kind).is_none() {
                continue;
            }
            let read = decode(&encode(&without_nulls(response))).unwrap();
            // Zeros that JSON shows since the field has no omitempty say nothing.
            assert_eq!(without_empty(read), without_empty(response.clone()), "{kind}");
            compared += 1;
        }
    }
    assert!(compared > 5, "{compared}");
}

fn without_nulls(value: &Value) -> Value {
    let mut value = value.clone();
    prune(&mut value, &|v| v.is_null());
    value
}

fn without_empty(mut value: Value) -> Value {
    prune(&mut value, &|v| match v {
        Value::Null => true,
        Value::Object(members) => members.is_empty(),
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        _ => false,
    });
    value
}

fn prune(value: &mut Value, goes: &impl Fn(&Value) -> bool) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(|v| prune(v, goes));
            members.retain(|_, v| !goes(v));
        }
        Value::Array(items) => items.iter_mut().for_each(|v| prune(v, goes)),
        _ => {}
    }
}

#[test]
fn a_zero_that_was_said_stays_and_one_that_was_not_goes() {
    let zero_replicas = wrapped(2, &[0x08, 0, 0x28, 0, 0x38, 0]);
    let read = decode(&body("apps/v1", "Deployment", &zero_replicas)).unwrap();
    assert_eq!(read["spec"], json!({"replicas": 0}));
    let nothing = decode(&body("apps/v1", "Deployment", &wrapped(2, &[0x28, 0, 0x38, 0]))).unwrap();
    assert_eq!(nothing, json!({"apiVersion": "apps/v1", "kind": "Deployment"}));
    // The selector of everything is not the selector of nothing.
    let read = decode(&body("policy/v1", "PodDisruptionBudget", &wrapped(2, &wrapped(2, b"")))).unwrap();
    assert_eq!(read["spec"], json!({"selector": {}}));
}

#[test]
fn fields_nobody_knows_are_passed_over() {
    let mut raw = Vec::new();
    number(900, 7, &mut raw);
    delimited(901, b"xyz", &mut raw);
    varint(902 << 3 | 1, &mut raw);
    raw.extend_from_slice(&[0; 8]);
    varint(903 << 3 | 5, &mut raw);
    raw.extend_from_slice(&[0; 4]);
    // A group with a group in it.
    for tag in [904 << 3 | 3, 904 << 3 | 3, 904 << 3 | 4, 904 << 3 | 4] {
        varint(tag, &mut raw);
    }
    delimited(2, &[&wrapped(1, b"k")[..], &wrapped(9, b"?")[..], &wrapped(2, b"v")[..]].concat(), &mut raw);
    let read = decode(&body("v1", "ConfigMap", &raw)).unwrap();
    assert_eq!(read, json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "v"}}));
}

#[test]
fn messages_that_come_twice_are_merged_and_of_values_the_last_one_stands() {
    let name = |name: &[u8]| wrapped(1, &wrapped(1, name));
    let label = wrapped(1, &wrapped(11, &[wrapped(1, b"a"), wrapped(2, b"b")].concat()));
    let read = decode(&body("v1", "ConfigMap", &[name(b"one"), label, name(b"two")].concat())).unwrap();
    assert_eq!(read["metadata"], json!({"name": "two", "labels": {"a": "b"}}));
}

#[test]
fn numbers_in_a_list_may_be_packed() {
    let groups = |list: Vec<u8>| body("v1", "Pod", &wrapped(2, &wrapped(14, &list)));
    let expected = json!({"supplementalGroups": [1, 300]});
    assert_eq!(decode(&groups(wrapped(4, &[1, 0xac, 2]))).unwrap()["spec"]["securityContext"], expected);
    assert_eq!(decode(&groups(vec![0x20, 1, 0x20, 0xac, 2])).unwrap()["spec"]["securityContext"], expected);
}

#[test]
fn map_entries_may_leave_out_what_is_empty() {
    let raw = [wrapped(2, b""), wrapped(2, &wrapped(1, b"k"))].concat();
    assert_eq!(decode(&body("v1", "ConfigMap", &raw)).unwrap()["data"], json!({"": "", "k": ""}));
}

#[test]
fn options_of_every_group_are_read() {
    let read =
        decode(&body("apps/v1", "DeleteOptions", &[&[0x08, 0][..], &wrapped(4, b"Orphan")[..]].concat())).unwrap();
    assert_eq!((&read["gracePeriodSeconds"], &read["propagationPolicy"]), (&json!(0), &json!("Orphan")));
}

#[track_caller]
fn refuses(body: &[u8], expected: &str) {
    assert_eq!(decode(body).unwrap_err().to_string(), expected);
}

#[test]
fn what_is_no_message_is_refused_with_its_place() {
    let envelope = |raw: &[u8]| body("v1", "ConfigMap", raw);
    let in_envelope = "the protobuf body cannot be read: ";
    let in_object = "ConfigMap in the protobuf body cannot be read: ";
    refuses(b"", &format!("{in_envelope}no \"k8s\\0\" in front, in Unknown at byte 0"));
    refuses(b"{}", &format!("{in_envelope}no \"k8s\\0\" in front, in Unknown at byte 0"));
    refuses(b"k8s\0", "Object 'Kind' is missing in the request's body");
    refuses(b"k8s\0\x0a\x05\x0a", &format!("{in_envelope}a length beyond the end, in Unknown at byte 5"));
    // The raw message starts at byte 23.
    refuses(&envelope(b"\x0a\x03\x0a\x05x"), &format!("{in_object}a length beyond the end, in ObjectMeta at byte 26"));
    refuses(
        &envelope(b"\x0a\x03\x0a\x01\xff"),
        &format!("{in_object}a string that is not UTF-8, in ObjectMeta at byte 27"),
    );
    refuses(&envelope(b"\x08\x01"), &format!("{in_object}a field of another type, in ConfigMap at byte 23"));
    refuses(&envelope(b"\x20"), &format!("{in_object}a number that breaks off, in ConfigMap at byte 24"));
    refuses(
        &envelope(&[0x20, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2]),
        &format!("{in_object}a number of more than 64 bits, in ConfigMap at byte 24"),
    );
    refuses(&envelope(b"\x0f"), &format!("{in_object}an unknown wire type, in ConfigMap at byte 23"));
    refuses(&envelope(b"\x00"), &format!("{in_object}a field number out of range, in ConfigMap at byte 23"));
    refuses(&envelope(&[0xfb; 1000]), &format!("{in_object}a number of more than 64 bits, in ConfigMap at byte 24"));
    refuses(&envelope(&[0x7b; 100]), &format!("{in_object}groups nested too deep, in ConfigMap at byte 24"));
    refuses(&envelope(b"\x7c"), &format!("{in_object}the end of no group, in ConfigMap at byte 24"));
    refuses(&envelope(b"\x7b"), &format!("{in_object}a group that breaks off, in ConfigMap at byte 24"));
}

#[test]
fn only_plain_messages_of_known_kinds_are_read() {
    let unknown = |body: &[u8]| matches!(decode(body), Err(ProtobufError::UnknownKind { .. }));
    assert!(unknown(&body("example.com/v1", "Thing", b"")));
    assert!(unknown(&body("apiextensions.k8s.io/v1", "CustomResourceDefinition", b"")));
    assert!(unknown(&body("apps/v1", "ConfigMap", b"")));
    let plain = body("v1", "ConfigMap", b"");
    assert!(!unknown(&[&plain[..], &wrapped(4, MEDIA_TYPE.as_bytes())[..]].concat()));
    assert!(unknown(&[&plain[..], &wrapped(4, b"application/json")[..]].concat()));
    let zipped = decode(&[&plain[..], &wrapped(3, b"gzip")[..]].concat());
    assert_eq!(zipped, Err(ProtobufError::Encoding("gzip".to_owned())));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(raw in prop::collection::vec(any::<u8>(), 0..200), root in any::<prop::sample::Index>()) {
        let kinds: Vec<_> = SCHEMA.kinds().collect();
        let (api_version, kind) = kinds[root.index(kinds.len())];
        let _ = decode(&raw);
        let body = body(api_version, kind, &raw);
        if let Err(ProtobufError::Object { malformed, .. }) = decode(&body) {
            prop_assert!(malformed.offset <= body.len());
        }
    }

    #[test]
    fn no_damage_to_a_body_makes_it_panic(
        case in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let cases = captured();
        let (_, mut body, _) = cases[case.index(cases.len())].clone();
        for (at, byte) in damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let _ = decode(&body);
        body.truncate(cut.index(body.len()));
        let _ = decode(&body);
    }
}
