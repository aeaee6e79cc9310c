//! Label and field selectors of lists and watches.

use serde_json::Value;

/// A parsed label selector: all requirements must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LabelSelector {
    requirements: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operator {
    Exists,
    Absent,
    In(Vec<String>),
    /// Holds too when the label is absent.
    NotIn(Vec<String>),
    Greater(i64),
    Less(i64),
}

/// A parsed field selector: all requirements must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSelector {
    requirements: Vec<FieldRequirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FieldRequirement {
    path: String,
    value: String,
    equal: bool,
}

impl LabelSelector {
    /// Parses `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1,m<2`.
    ///
    /// # Errors
    /// A sentence about what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut scanner = Scanner { rest: text.trim() };
        let mut requirements = Vec::new();
        while !scanner.rest.is_empty() {
            requirements.push(scanner.requirement()?);
            if !scanner.eat(",") && !scanner.rest.is_empty() {
                return Err(format!(
                    "unable to parse requirement: found '{}', expected: ',' or 'end of string'",
                    scanner.rest
                ));
            }
        }
        Ok(Self { requirements })
    }

    /// Whether the object's labels are as required.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        let labels = object.get("metadata").and_then(|metadata| metadata.get("labels"));
        self.requirements.iter().all(|requirement| {
            let value = labels.and_then(|labels| labels.get(&requirement.key)).and_then(Value::as_str);
            requirement.operator.holds(value)
        })
    }
}

impl Operator {
    fn holds(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        let is_one_of = |values: &[String]| value.is_some_and(|value| values.iter().any(|other| other == value));
        match self {
            Self::Exists => value.is_some(),
            Self::Absent => value.is_none(),
            Self::In(values) => is_one_of(values),
            Self::NotIn(values) => !is_one_of(values),
            Self::Greater(than) => number().is_some_and(|number| number > *than),
            Self::Less(than) => number().is_some_and(|number| number < *than),
        }
    }
}

struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn eat(&mut self, token: &str) -> bool {
        let rest = self.rest.trim_start();
        let found = rest.strip_prefix(token);
        self.rest = found.unwrap_or(rest).trim_start();
        found.is_some()
    }

    fn word(&mut self) -> &'a str {
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| c.is_whitespace() || "=!,()<>".contains(c)).unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        self.rest = rest.trim_start();
        word
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let absent = self.eat("!");
        let key = self.key()?;
        if absent {
            return Ok(Requirement { key, operator: Operator::Absent });
        }
        let operator = if self.eat("==") || self.eat("=") {
            Operator::In(vec![self.value()?])
        } else if self.eat("!=") {
            Operator::NotIn(vec![self.value()?])
        } else if self.eat(">") {
            Operator::Greater(self.number()?)
        } else if self.eat("<") {
            Operator::Less(self.number()?)
        } else if self.rest.is_empty() || self.rest.starts_with(',') {
            Operator::Exists
        } else {
            match self.word() {
                "in" => Operator::In(self.values()?),
                "notin" => Operator::NotIn(self.values()?),
                other => {
                    return Err(format!(
                        "unable to parse requirement: found '{other}', expected: in, notin, =, ==, !=, gt, lt"
                    ));
                }
            }
        };
        Ok(Requirement { key, operator })
    }

    fn key(&mut self) -> Result<String, String> {
        let key = self.word();
        if key.is_empty() {
            return Err(format!("unable to parse requirement: found '{}', expected: identifier", self.rest));
        }
        let (prefix, name) = key.rsplit_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
        let prefix_ok = prefix.is_none_or(|prefix| {
            !prefix.is_empty()
                && prefix.len() <= 253
                && prefix
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.'))
        });
        if name.is_empty() || !is_label_text(name) || !prefix_ok {
            return Err(format!(
                "unable to parse requirement: <nil>: Invalid value: {key:?}: name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
            ));
        }
        Ok(key.to_owned())
    }

    fn value(&mut self) -> Result<String, String> {
        let value = self.word();
        if is_label_text(value) {
            Ok(value.to_owned())
        } else {
            Err(format!(
                "unable to parse requirement: <nil>: Invalid value: {value:?}: a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
            ))
        }
    }

    fn number(&mut self) -> Result<i64, String> {
        let value = self.word();
        value.parse().map_err(|_| format!("unable to parse requirement: <nil>: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an integer"))
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        if !self.eat("(") {
            return Err(format!("unable to parse requirement: found '{}' expected: '('", self.rest));
        }
        let mut values = Vec::new();
        loop {
            values.push(self.value()?);
            if self.eat(")") {
                return Ok(values);
            }
            if !self.eat(",") {
                return Err(format!("unable to parse requirement: found '{}', expected: ',' or ')'", self.rest));
            }
        }
    }
}

/// Empty, or at most 63 letters, digits, `-`, `_`, `.` that begin and end with a letter or digit.
fn is_label_text(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let ends = [text.bytes().next(), text.bytes().last()];
    text.len() <= 63 && text.bytes().all(inner) && ends.iter().flatten().all(u8::is_ascii_alphanumeric)
}

impl FieldSelector {
    /// Parses `metadata.name=a,status.phase!=Failed`; `\`, `,` and `=` in values are escaped by `\`.
    ///
    /// # Errors
    /// A sentence about what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut requirements = Vec::new();
        for part in split_unescaped(text) {
            if part.is_empty() {
                continue;
            }
            let invalid = || format!("invalid selector: '{text}'; can't understand '{part}'");
            let place = part.find(['=', '!']).ok_or_else(invalid)?;
            let (path, rest) = part.split_at(place);
            let (value, equal) = match (rest.strip_prefix("!="), rest.strip_prefix("=="), rest.strip_prefix('=')) {
                (Some(value), _, _) => (value, false),
                (_, Some(value), _) | (_, _, Some(value)) => (value, true),
                _ => return Err(invalid()),
            };
            requirements.push(FieldRequirement {
                path: path.trim().to_owned(),
                value: unescape(value).ok_or_else(invalid)?,
                equal,
            });
        }
        Ok(Self { requirements })
    }

    /// The paths it names, so that those a kind does not know can be refused.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.requirements.iter().map(|requirement| requirement.path.as_str())
    }

    /// Whether the object's fields are as required. A field that is absent is the empty string.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.requirements
            .iter()
            .all(|requirement| (field(object, &requirement.path) == requirement.value) == requirement.equal)
    }
}

fn split_unescaped(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn unescape(value: &str) -> Option<String> {
    let mut result = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next()? {
                escaped @ ('\\' | ',' | '=') => result.push(escaped),
                _ => return None,
            },
            ',' | '=' => return None,
            other => result.push(other),
        }
    }
    Some(result)
}

fn field(object: &Value, path: &str) -> String {
    let mut value = object;
    for name in path.split('.') {
        match value.get(name) {
            Some(below) => value = below,
            None => return absent(object, path),
        }
    }
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Some fields select by what their absence means.
fn absent(object: &Value, path: &str) -> String {
    let is = |kind| object.get("kind").and_then(Value::as_str) == Some(kind);
    match path {
        "spec.unschedulable" => "false".to_owned(),
        "spec.hostNetwork" => "false".to_owned(),
        "status.successful" | "status.replicas" if is("Job") || is("ReplicaSet") => "0".to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn label_selectors_select_by_every_operator() {
        let object = json!({"metadata": {"labels": {"app": "web", "tier": "front", "n": "5", "kubernetes.io/metadata.name": "x", "empty": ""}}});
        for (text, wanted) in [
            ("", true),
            ("app=web", true),
            ("app==web", true),
            ("app = web , tier = front", true),
            ("app=db", false),
            ("app!=db", true),
            ("nosuch!=db", true),
            ("app!=web", false),
            ("app in (web,db)", true),
            ("app in (db)", false),
            ("app notin (db, cache)", true),
            ("nosuch notin (a)", true),
            ("app notin (web)", false),
            ("app", true),
            ("nosuch", false),
            ("!nosuch", true),
            ("!app", false),
            ("! app", false),
            ("n>4", true),
            ("n>5", false),
            ("n<6,n>4", true),
            ("app>1", false),
            ("kubernetes.io/metadata.name=x", true),
            ("empty=", true),
            ("nosuch=", false),
            ("app in (),!app", false),
            ("app=web,tier notin (back),!gone,n", true),
        ] {
            assert_eq!(LabelSelector::parse(text).unwrap().matches(&object), wanted, "{text}");
        }
    }

    #[test]
    fn label_selectors_that_mean_nothing_are_refused() {
        for text in [
            "=a", "a in", "a in (b", "a in b", "a b", "a=-b", "a=b c", "a>x", "-a", "a/", "/a", "A_/b", "a=b)", ",",
            "a,,b",
        ] {
            assert!(LabelSelector::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn field_selectors_compare_dotted_paths() {
        let object = json!({"kind": "Pod", "metadata": {"name": "a", "namespace": "n"}, "spec": {"nodeName": "x,y", "n": 3}, "involvedObject": {"kind": "Pod"}});
        for (text, wanted) in [
            ("", true),
            ("metadata.name=a", true),
            ("metadata.name==a", true),
            ("metadata.name!=a", false),
            ("metadata.name=b", false),
            ("involvedObject.kind=Pod,metadata.namespace=n", true),
            ("spec.nodeName=x\\,y", true),
            ("spec.nodeName!=", true),
            ("status.phase=", true),
            ("spec.n=3", true),
            ("status.phase!=Running", true),
            ("spec.unschedulable=false", true),
        ] {
            assert_eq!(FieldSelector::parse(text).unwrap().matches(&object), wanted, "{text}");
        }
        let selector = FieldSelector::parse("metadata.name=a,status.phase!=x").unwrap();
        assert_eq!(selector.paths().collect::<Vec<_>>(), ["metadata.name", "status.phase"]);
        for bad in ["metadata.name", "a=b=c", "a=\\x", "a!b"] {
            assert!(FieldSelector::parse(bad).is_err(), "{bad}");
        }
    }
}
