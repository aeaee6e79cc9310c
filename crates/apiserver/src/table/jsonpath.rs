//! The JSONPath of printer columns: `.a.b`, `['k']`, `[0]`, `[-1]`, `[*]`, `[1:3]`, `[?(@.type=="Ready")]`.

use serde_json::Value;

/// A parsed path.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct JsonPath {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Member(String),
    Index(i64),
    Slice(Option<i64>, Option<i64>),
    Every,
    Filter(Filter),
}

#[derive(Debug, Clone, PartialEq)]
struct Filter {
    path: JsonPath,
    /// Without one, the path must lead somewhere.
    comparison: Option<(Comparison, Value)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl JsonPath {
    /// `None` for a path that is not understood.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
        let mut rest = text.strip_prefix('$').unwrap_or(text);
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(inside) = rest.strip_prefix('[') {
                let end = closing(inside)?;
                steps.push(bracket(inside[..end].trim())?);
                rest = &inside[end + 1..];
            } else {
                let inside = rest.strip_prefix('.').unwrap_or(rest);
                // `.['k']` is `['k']`.
                if inside.starts_with('[') {
                    rest = inside;
                    continue;
                }
                let (name, after) = member(inside);
                if !name.is_empty() {
                    steps.push(if name == "*" { Step::Every } else { Step::Member(name) });
                } else if !after.is_empty() {
                    return None;
                }
                rest = after;
            }
        }
        Some(Self { steps })
    }

    /// The first value it leads to.
    pub(super) fn first<'a>(&self, root: &'a Value) -> Option<&'a Value> {
        self.find(root).into_iter().next()
    }

    fn find<'a>(&self, root: &'a Value) -> Vec<&'a Value> {
        self.steps
            .iter()
            .fold(vec![root], |values, step| values.into_iter().flat_map(|value| step.select(value)).collect())
    }
}

impl Step {
    fn select<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match (self, value) {
            (Self::Member(name), Value::Object(members)) => members.get(name).into_iter().collect(),
            (Self::Index(index), Value::Array(items)) => {
                place(*index, items.len()).and_then(|place| items.get(place)).into_iter().collect()
            }
            (Self::Slice(from, to), Value::Array(items)) => {
                let from = from.map_or(Some(0), |from| place(from, items.len())).unwrap_or(items.len());
                let to = to.map_or(Some(items.len()), |to| place(to, items.len())).unwrap_or(0).min(items.len());
                items.get(from..to).unwrap_or_default().iter().collect()
            }
            (Self::Every, Value::Array(items)) => items.iter().collect(),
            (Self::Every, Value::Object(members)) => members.values().collect(),
            (Self::Filter(filter), Value::Array(items)) => items.iter().filter(|item| filter.holds(item)).collect(),
            _ => Vec::new(),
        }
    }
}

impl Filter {
    fn holds(&self, item: &Value) -> bool {
        let value = self.path.first(item);
        let Some((comparison, wanted)) = &self.comparison else { return value.is_some() };
        let Some(value) = value else { return false };
        let order = match (value, wanted) {
            (Value::String(ours), Value::String(theirs)) => Some(ours.cmp(theirs)),
            (Value::Number(ours), Value::Number(theirs)) => {
                ours.as_f64().zip(theirs.as_f64()).and_then(|(ours, theirs)| ours.partial_cmp(&theirs))
            }
            (Value::Bool(ours), Value::Bool(theirs)) => Some(ours.cmp(theirs)),
            _ => None,
        };
        match comparison {
            Comparison::Equal => order.is_some_and(|order| order.is_eq()),
            Comparison::NotEqual => order.is_none_or(|order| order.is_ne()),
            Comparison::Less => order.is_some_and(|order| order.is_lt()),
            Comparison::LessOrEqual => order.is_some_and(|order| order.is_le()),
            Comparison::Greater => order.is_some_and(|order| order.is_gt()),
            Comparison::GreaterOrEqual => order.is_some_and(|order| order.is_ge()),
        }
    }
}

fn place(index: i64, len: usize) -> Option<usize> {
    let len = i64::try_from(len).ok()?;
    usize::try_from(if index < 0 { index + len } else { index }).ok()
}

/// The place of the bracket that closes the one before the text, past quotes and brackets inside.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (0, None, false);
    for (at, c) in text.char_indices() {
        match (c, quote) {
            _ if escaped => escaped = false,
            ('\\', _) => escaped = true,
            (c, Some(open)) if c == open => quote = None,
            (_, Some(_)) => {}
            ('\'' | '"', None) => quote = Some(c),
            ('[', None) => depth += 1,
            (']', None) if depth == 0 => return Some(at),
            (']', None) => depth -= 1,
            _ => {}
        }
    }
    None
}

/// A name up to the next `.` or `[`; `\` escapes.
fn member(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '.' | '[' => return (name, &text[at..]),
            '\\' => name.extend(chars.next().map(|(_, escaped)| escaped)),
            other => name.push(other),
        }
    }
    (name, "")
}

fn bracket(text: &str) -> Option<Step> {
    if text == "*" {
        return Some(Step::Every);
    }
    if let Some(filter) = text.strip_prefix("?(").and_then(|text| text.strip_suffix(')')) {
        return parse_filter(filter.trim()).map(Step::Filter);
    }
    if let Some(Value::String(name)) = literal(text) {
        return Some(Step::Member(name));
    }
    if let Some((from, to)) = text.split_once(':') {
        let bound = |text: &str| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) };
        return Some(Step::Slice(bound(from.trim())?, bound(to.trim())?));
    }
    text.parse().ok().map(Step::Index)
}

fn parse_filter(text: &str) -> Option<Filter> {
    const OPERATORS: [(&str, Comparison); 6] = [
        ("==", Comparison::Equal),
        ("!=", Comparison::NotEqual),
        ("<=", Comparison::LessOrEqual),
        (">=", Comparison::GreaterOrEqual),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
    ];
    let found = OPERATORS
        .iter()
        .filter_map(|(sign, comparison)| Some((text.find(sign)?, sign, comparison)))
        .min_by_key(|(at, sign, _)| (*at, 2 - sign.len()));
    let path = |text: &str| JsonPath::parse(text.trim().strip_prefix('@')?);
    match found {
        Some((at, sign, comparison)) => Some(Filter {
            path: path(&text[..at])?,
            comparison: Some((*comparison, literal(text[at + sign.len()..].trim())?)),
        }),
        None => Some(Filter { path: path(text)?, comparison: None }),
    }
}

/// A quoted text, a number, or true or false.
fn literal(text: &str) -> Option<Value> {
    for quote in ['\'', '"'] {
        if let Some(inside) = text.strip_prefix(quote) {
            return inside.strip_suffix(quote).map(|inside| Value::from(inside.replace('\\', "")));
        }
    }
    serde_json::from_str(text).ok().filter(|value: &Value| value.is_number() || value.is_boolean())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_where_they_say() {
        let object = json!({
            "spec": {"weight": 3, "names": ["a", "b", "c"], "a.b": {"c": 1}},
            "metadata": {"labels": {"example.com/x": "y"}},
            "status": {"conditions": [{"type": "Offline", "status": "False", "n": 1}, {"type": "Ready", "status": "True", "n": 5, "reason": "Up"}]},
        });
        for (path, wanted) in [
            (".spec.weight", json!(3)),
            ("spec.weight", json!(3)),
            ("{.spec.weight}", json!(3)),
            ("$.spec.weight", json!(3)),
            (".spec['weight']", json!(3)),
            (".spec[\"a.b\"].c", json!(1)),
            (".spec.a\\.b.c", json!(1)),
            (".metadata.labels.example\\.com/x", json!("y")),
            (".metadata.labels['example\\.com/x']", json!("y")),
            (".spec.names[0]", json!("a")),
            (".spec.names[-1]", json!("c")),
            (".spec.names[1:]", json!("b")),
            (".spec.names[*]", json!("a")),
            (".status.conditions[?(@.type==\"Ready\")].reason", json!("Up")),
            (".status.conditions[?(@.type=='Ready')].status", json!("True")),
            (".status.conditions[?(@.type != \"Ready\")].type", json!("Offline")),
            (".status.conditions[?(@.n>=2)].type", json!("Ready")),
            (".status.conditions[?(@.n<2)].type", json!("Offline")),
            (".status.conditions[?(@.reason)].type", json!("Ready")),
        ] {
            assert_eq!(JsonPath::parse(path).unwrap().first(&object), Some(&wanted), "{path}");
        }
        for path in [
            ".nosuch",
            ".spec.weight.deeper",
            ".spec.names[7]",
            ".spec.names[-9]",
            ".status.conditions[?(@.type==\"X\")].reason",
            ".spec.names[2:1]",
        ] {
            assert_eq!(JsonPath::parse(path).unwrap().first(&object), None, "{path}");
        }
        for path in [".a[", ".a[x]", ".a[?(type==1)]", ".a[?(@.x==y)]"] {
            assert_eq!(JsonPath::parse(path), None, "{path}");
        }
    }
}
