//! Custom resources, by the columns of their definition.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::age::since;
use super::jsonpath::JsonPath;
use super::read::name;
use super::{CrdColumn, NAME, definition};

/// The columns with their paths parsed.
pub(super) struct CustomPrinter<'a> {
    columns: Vec<(&'a CrdColumn, Option<JsonPath>)>,
}

impl<'a> CustomPrinter<'a> {
    pub(super) fn new(columns: &'a [CrdColumn]) -> Self {
        Self { columns: columns.iter().map(|column| (column, JsonPath::parse(&column.json_path))).collect() }
    }

    pub(super) fn definitions(&self) -> Vec<Value> {
        let mut definitions = vec![definition(&NAME)];
        definitions.extend(self.columns.iter().map(|(column, _)| {
            let description = match column.description.as_str() {
                "" => format!("Custom resource definition column (in JSONPath format): {}", column.json_path),
                own => own.to_owned(),
            };
            json!({"name": column.name, "type": column.type_, "format": column.format, "description": description, "priority": column.priority})
        }));
        definitions
    }

    pub(super) fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let mut cells = vec![name(object)];
        cells.extend(self.columns.iter().map(|(column, path)| {
            let value = path.as_ref().and_then(|path| path.first(object));
            value.map_or(Value::Null, |value| cell(&column.type_, value, now))
        }));
        cells
    }
}

/// A value that is not of the column's type is not shown, but a string column shows anything.
fn cell(type_: &str, value: &Value, now: Timestamp) -> Value {
    match (type_, value) {
        (_, Value::Null) => Value::Null,
        ("integer", Value::Number(number)) => {
            number.as_i64().or_else(|| number.as_f64().map(truncated)).map_or(Value::Null, Value::from)
        }
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) | ("string", Value::String(_)) => value.clone(),
        ("string", other) => Value::from(other.to_string()),
        ("date", Value::String(time)) => Value::from(since(time, now)),
        _ => Value::Null,
    }
}

/// Towards zero, as an integer column shows a fraction.
#[expect(clippy::cast_possible_truncation, reason = "saturates, which is what is wanted of numbers out of range")]
fn truncated(number: f64) -> i64 {
    number as i64
}
