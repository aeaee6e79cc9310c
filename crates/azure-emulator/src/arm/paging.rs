use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{call::Call, reply::Failure};

const DEFAULT_PAGE: usize = 100;
/// Larger wishes are granted in part.
const LARGEST_PAGE: usize = 1000;

/// Which part of a list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) size: usize,
    /// The key of the last item of the page before.
    pub(crate) after: Option<String>,
}

impl Page {
    pub(crate) fn of(call: &Call) -> Result<Self, Failure> {
        let size = match call.parameter("$top") {
            None | Some("") => DEFAULT_PAGE,
            Some(top) => match top.parse::<usize>() {
                Ok(top @ 1..) => top.min(LARGEST_PAGE),
                _ => {
                    return Err(Failure::bad_request(format!("The value '{top}' of '$top' is invalid.")));
                }
            },
        };
        let after = match call.parameter("$skipToken") {
            None | Some("") => None,
            Some(token) => Some(
                STANDARD
                    .decode(token)
                    .ok()
                    .and_then(|bytes| String::from_utf8(bytes).ok())
                    .ok_or_else(|| Failure::bad_request(format!("The skip token '{token}' is invalid.")))?,
            ),
        };
        Ok(Self { size, after })
    }

    /// The page's JSON from items that come after [`after`](Self::after), each with its key. A position, not a snapshot:
    /// what is written between two pages shows or not by where it sorts.
    pub(crate) fn fill(&self, call: &Call, items: impl Iterator<Item = (String, Value)>) -> Value {
        let mut items = items.peekable();
        let mut value = Vec::new();
        let mut last = String::new();
        while value.len() < self.size {
            let Some((key, item)) = items.next() else {
                break;
            };
            value.push(item);
            last = key;
        }
        let mut page = json!({ "value": value });
        if items.peek().is_some() {
            page["nextLink"] = Value::String(next_link(call, &last));
        }
        page
    }
}

fn next_link(call: &Call, last: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in &call.query {
        if !name.eq_ignore_ascii_case("$skipToken") {
            query.append_pair(name, value);
        }
    }
    query.append_pair("$skipToken", &STANDARD.encode(last));
    // ARM leaves the dollar as it is, and a client that looks for `$skipToken=` must find it.
    let query = query.finish().replace("%24", "$");
    format!("{}{}?{query}", call.origin_with_port(), call.path)
}
