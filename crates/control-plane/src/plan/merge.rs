//! Many members' statuses as one, as the table of kinds says.

use std::collections::BTreeSet;

use kube::core::DynamicObject;
use serde_json::{Value, json};

use crate::kinds::{Merge, StatusField, Truth};
use crate::object::{at, number};

/// A member's copy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copy<'a> {
    pub(super) member: &'a str,
    pub(super) object: &'a DynamicObject,
    /// Whether it is what the user asks for now, and its status is about just that.
    pub(super) current: bool,
    /// Whether its addresses are to be given to anybody.
    pub(super) alive: bool,
    /// Whether anything is to run there.
    pub(super) used: bool,
}

/// The value of a field; `null` where there is none.
pub(super) fn field(field: &StatusField, copies: &[Copy<'_>]) -> Value {
    let path = field.path;
    let values = || copies.iter().filter_map(|copy| at(copy.object, path));
    let numbers = || copies.iter().filter_map(|copy| number(copy.object, path));
    let text = |value: Option<&str>| value.map_or(Value::Null, Value::from);
    // Times in the form of the API are ordered as texts.
    let times = || values().filter_map(Value::as_str);
    match field.merge {
        Merge::Sum => json!(numbers().sum::<i64>()),
        Merge::SumCurrent => {
            let current = copies.iter().filter(|copy| copy.current);
            json!(current.filter_map(|copy| number(copy.object, path)).sum::<i64>())
        }
        Merge::Min => json!(numbers().min()),
        Merge::Max => json!(numbers().max()),
        Merge::And => {
            json!(!copies.is_empty() && copies.iter().all(|copy| at(copy.object, path) == Some(&json!(true))))
        }
        Merge::Union => union(copies.iter().filter(|copy| copy.alive).filter_map(|copy| at(copy.object, path))),
        Merge::Earliest => text(times().min()),
        Merge::Latest => text(times().max()),
        Merge::LatestOfAll => text(times().max().filter(|_| times().count() == copies.len())),
        Merge::First => values().find(|value| !value.is_null()).cloned().unwrap_or_default(),
        Merge::Behind(other) => {
            let behind = copies.iter().find(|copy| at(copy.object, path) != at(copy.object, other));
            behind.or(copies.first()).and_then(|copy| at(copy.object, path)).cloned().unwrap_or_default()
        }
    }
}

/// Whether condition `type_` holds in the members as `truth` asks, with reason and message; none where nobody says.
/// `missing` are members of which one would have to know.
pub(super) fn truth(
    type_: &str,
    truth: Truth,
    copies: &[Copy<'_>],
    missing: &[&str],
) -> Option<(bool, String, String)> {
    let used: Vec<_> = copies.iter().filter(|copy| copy.used).collect();
    let said: Vec<_> = used.iter().filter_map(|copy| Some((copy, condition(copy.object, type_)?))).collect();
    let is_true = |copy: &Copy<'_>, type_: &str| condition(copy.object, type_).is_some_and(|c| c["status"] == "True");
    let (first, _) = said.first()?;
    let holding: Vec<_> = said.iter().filter(|(copy, _)| is_true(copy, type_)).collect();
    let failing: Vec<_> = said.iter().filter(|(copy, _)| !is_true(copy, type_)).collect();
    let silent = used.iter().filter(|copy| condition(copy.object, type_).is_none()).map(|copy| copy.member);
    let silent: Vec<_> = silent.chain(missing.iter().copied()).collect();
    let (holds, tellers) = match truth {
        Truth::All | Truth::AllPlaced => {
            let all = failing.is_empty() && silent.is_empty();
            (all, if failing.is_empty() { holding } else { failing })
        }
        Truth::Any => (!holding.is_empty(), if holding.is_empty() { failing } else { holding }),
        Truth::AnyBeside(other) => {
            let over = missing.is_empty() && used.iter().all(|copy| is_true(copy, type_) || is_true(copy, other));
            (!holding.is_empty() && over, holding)
        }
    };
    let told = tellers.first().map_or_else(|| condition(first.object, type_), |(_, condition)| Some(condition))?;
    let reason = told["reason"].as_str().filter(|reason| !reason.is_empty()).unwrap_or(type_).to_owned();
    let messages: BTreeSet<_> = tellers.iter().map(|(_, c)| c["message"].as_str().unwrap_or_default()).collect();
    let mut message = match messages.len() {
        0 | 1 => messages.first().copied().unwrap_or_default().to_owned(),
        _ => {
            let each = |(copy, c): &(&&Copy<'_>, &Value)| {
                format!("{}: {}", copy.member, c["message"].as_str().unwrap_or_default())
            };
            tellers.iter().map(|teller| each(teller)).collect::<Vec<_>>().join("; ")
        }
    };
    if !holds && !silent.is_empty() && truth != Truth::Any {
        let silent = format!("{} {} not there yet", silent.join(", "), if silent.len() == 1 { "is" } else { "are" });
        message = if message.is_empty() { silent } else { format!("{message}; {silent}") };
    }
    Some((holds, reason, message))
}

fn condition<'a>(object: &'a DynamicObject, type_: &str) -> Option<&'a Value> {
    at(object, "/status/conditions")?.as_array()?.iter().find(|condition| condition["type"] == type_)
}

/// Sorted as v1 sorted ingresses: by address, then by host name.
fn union<'a>(lists: impl Iterator<Item = &'a Value>) -> Value {
    let mut items: Vec<_> = lists.filter_map(Value::as_array).flatten().cloned().collect();
    let text = |item: &Value, field: &str| item[field].as_str().unwrap_or_default().to_owned();
    items.sort_by_cached_key(|item| (text(item, "ip"), text(item, "hostname"), item.to_string()));
    items.dedup();
    Value::Array(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(status: &Value) -> DynamicObject {
        serde_json::from_value(json!({"apiVersion": "v1", "kind": "K", "metadata": {"name": "x"}, "status": status}))
            .unwrap()
    }

    /// Of two members, the second of which is not current.
    fn both(a: &Value, b: &Value, check: impl FnOnce(&[Copy<'_>])) {
        let (a, b) = (object(a), object(b));
        let copy = |member, object, current| Copy { member, object, current, alive: true, used: true };
        check(&[copy("a", &a, true), copy("b", &b, false)]);
    }

    #[test]
    fn fields_become_one_as_the_table_says() {
        let early = "2026-01-01T00:00:00Z";
        let late = "2026-01-02T00:00:00Z";
        for (merge, a, b, one) in [
            (Merge::Sum, json!(2), json!(3), json!(5)),
            (Merge::Sum, json!(null), json!(3), json!(3)),
            (Merge::Sum, json!(null), json!(null), json!(0)),
            (Merge::SumCurrent, json!(2), json!(3), json!(2)),
            (Merge::Min, json!(2), json!(3), json!(2)),
            (Merge::Max, json!(2), json!(3), json!(3)),
            (Merge::Max, json!(null), json!(null), json!(null)),
            (Merge::And, json!(true), json!(true), json!(true)),
            (Merge::And, json!(true), json!(null), json!(false)),
            (Merge::Union, json!(["b"]), json!(["a", "b"]), json!(["a", "b"])),
            (
                Merge::Union,
                json!([{"ip": "10.0.0.2"}, {"hostname": "h"}]),
                json!([{"ip": "10.0.0.1"}]),
                json!([{"hostname": "h"}, {"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}]),
            ),
            (Merge::Earliest, json!(late), json!(early), json!(early)),
            (Merge::Latest, json!(late), json!(early), json!(late)),
            (Merge::LatestOfAll, json!(late), json!(early), json!(late)),
            (Merge::LatestOfAll, json!(late), json!(null), json!(null)),
            (Merge::First, json!(null), json!("r2"), json!("r2")),
        ] {
            both(&json!({"f": a}), &json!({"f": b}), |copies| {
                assert_eq!(field(&StatusField { path: "/status/f", merge }, copies), one, "{merge:?} {copies:?}");
            });
        }
        let revisions = |a, b| (json!({"now": a, "next": "r2"}), json!({"now": b, "next": "r2"}));
        for (a, b, one) in [("r2", "r1", "r1"), ("r2", "r2", "r2")] {
            let (a, b) = revisions(a, b);
            both(&a, &b, |copies| {
                let merge = Merge::Behind("/status/next");
                assert_eq!(field(&StatusField { path: "/status/now", merge }, copies), one);
            });
        }
    }

    fn says(status: &str) -> Value {
        let conditions: Vec<_> = [("Ok", status), ("Complete", if status == "done" { "True" } else { "" })]
            .into_iter()
            .filter(|(_, status)| ["True", "False"].contains(status))
            .map(|(type_, status)| json!({"type": type_, "status": status, "reason": format!("Is{status}"), "message": status}))
            .collect();
        json!({"conditions": conditions})
    }

    #[test]
    fn conditions_become_one_as_the_table_says() {
        for (how, a, b, one) in [
            (Truth::All, "True", "True", Some((true, "IsTrue", "True"))),
            (Truth::All, "True", "False", Some((false, "IsFalse", "False"))),
            (Truth::All, "True", "", Some((false, "IsTrue", "True; b is not there yet"))),
            (Truth::All, "", "", None),
            (Truth::Any, "True", "False", Some((true, "IsTrue", "True"))),
            (Truth::Any, "False", "", Some((false, "IsFalse", "False"))),
            (Truth::AnyBeside("Complete"), "True", "done", Some((true, "IsTrue", "True"))),
            (Truth::AnyBeside("Complete"), "True", "", Some((false, "IsTrue", "True; b is not there yet"))),
        ] {
            both(&says(a), &says(b), |copies| {
                let found = truth("Ok", how, copies, &[]);
                let one = one.map(|(holds, reason, message)| (holds, reason.to_owned(), message.to_owned()));
                assert_eq!(found, one, "{how:?} {a} {b}");
            });
        }
        both(&says("True"), &says("True"), |copies| {
            let (holds, _, message) = truth("Ok", Truth::All, copies, &["c"]).unwrap();
            assert!(!holds && message.contains("c is not there yet"), "{message}");
        });
    }
}
