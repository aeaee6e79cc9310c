//! Messages as JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::schema::{Field, Label, Message, SCHEMA, Type};
use super::wire::{Malformed, Reader, Wire};
use crate::clock::rfc3339;

/// The object that a stretch of bytes holds.
pub(super) fn object(reader: Reader<'_>, of: &Message) -> Result<Map<String, Value>, Malformed> {
    let mut object = Map::new();
    merge(reader, of, &mut object)?;
    Ok(object)
}

/// Reads a message's fields into an object: messages that come twice are merged; of single values, the last one stands.
fn merge(reader: Reader<'_>, of: &Message, into: &mut Map<String, Value>) -> Result<(), Malformed> {
    read_fields(reader, of, into).map_err(|malformed| malformed.within(of.name))
}

fn read_fields(mut reader: Reader<'_>, of: &Message, into: &mut Map<String, Value>) -> Result<(), Malformed> {
    loop {
        let at = reader;
        let Some((number, wire)) = reader.tag()? else { return Ok(()) };
        match of.field(number) {
            None => reader.skip(wire)?,
            Some(field) if !fits(field, wire) => return Err(at.malformed("a field of another type")),
            Some(field) => read_field(&mut reader, field, wire, into)?,
        }
    }
}

fn is_varint(of: Type) -> bool {
    matches!(of, Type::Bool | Type::Int32 | Type::Int64)
}

/// Whether a field's value may be laid out so. Lists of numbers come one by one or packed.
fn fits(field: &Field, wire: Wire) -> bool {
    match wire {
        Wire::Varint => is_varint(field.of) && matches!(field.label, Label::Single | Label::List),
        Wire::Delimited => !is_varint(field.of) || field.label != Label::Single,
        _ => false,
    }
}

fn read_field(
    reader: &mut Reader<'_>,
    field: &Field,
    wire: Wire,
    into: &mut Map<String, Value>,
) -> Result<(), Malformed> {
    match (field.label, field.of) {
        (Label::Inline, Type::Message(index)) => merge(reader.delimited()?, SCHEMA.message(index), into),
        (Label::Single, Type::Message(index)) => {
            let mut inner = match into.remove(field.name) {
                Some(Value::Object(earlier)) => earlier,
                _ => Map::new(),
            };
            merge(reader.delimited()?, SCHEMA.message(index), &mut inner)?;
            if field.knows_absence || !inner.is_empty() {
                into.insert(field.name.to_owned(), inner.into());
            }
            Ok(())
        }
        (Label::Single | Label::Inline, of) => {
            let value = read_value(reader, of)?;
            if value.is_null() || (is_zero(&value) && !field.knows_absence) {
                into.remove(field.name);
            } else {
                into.insert(field.name.to_owned(), value);
            }
            Ok(())
        }
        (Label::List, of) => {
            let list = into.entry(field.name).or_insert_with(|| Value::Array(Vec::new()));
            let Value::Array(list) = list else { return Err(reader.malformed("a list that is something else")) };
            if is_varint(of) && wire == Wire::Delimited {
                let mut packed = reader.delimited()?;
                while !packed.is_empty() {
                    list.push(read_value(&mut packed, of)?);
                }
            } else {
                list.push(read_value(reader, of)?);
            }
            Ok(())
        }
        (Label::Map, of) => {
            let (key, value) = read_entry(reader.delimited()?, of)?;
            let map = into.entry(field.name).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(map) = map else { return Err(reader.malformed("a map that is something else")) };
            map.insert(key, value);
            Ok(())
        }
    }
}

/// One key and value of a map; either may be left out when it is empty.
fn read_entry(mut reader: Reader<'_>, of: Type) -> Result<(String, Value), Malformed> {
    let (mut key, mut value) = (String::new(), Value::Null);
    loop {
        let at = reader;
        match reader.tag()? {
            None => break,
            Some((1, Wire::Delimited)) => key = reader.delimited()?.text()?.to_owned(),
            Some((2, wire))
                if (wire == Wire::Varint) == is_varint(of) && matches!(wire, Wire::Varint | Wire::Delimited) =>
            {
                value = read_value(&mut reader, of)?;
            }
            Some((1 | 2, _)) => return Err(at.malformed("a field of another type")),
            Some((_, wire)) => reader.skip(wire)?,
        }
    }
    if value.is_null() {
        value = match of {
            Type::Text | Type::Bytes => "".into(),
            Type::Quantity => "0".into(),
            Type::Bool => false.into(),
            Type::Int32 | Type::Int64 => 0.into(),
            Type::Texts => Value::Array(Vec::new()),
            _ => Value::Null,
        };
    }
    Ok((key, value))
}

fn read_value(reader: &mut Reader<'_>, of: Type) -> Result<Value, Malformed> {
    Ok(match of {
        Type::Bool => Value::Bool(reader.varint()? != 0),
        // Negative numbers of either width come sign-extended to 64 bits.
        #[allow(clippy::cast_possible_truncation, reason = "the lower half is the number")]
        Type::Int32 => (reader.varint()? as i32).into(),
        Type::Int64 => reader.varint()?.cast_signed().into(),
        Type::Text => reader.delimited()?.text()?.into(),
        Type::Bytes => STANDARD.encode(reader.delimited()?.bytes()).into(),
        Type::Time => time(reader.delimited()?, rfc3339)?,
        Type::MicroTime => time(reader.delimited()?, |at| format!("{at:.6}"))?,
        Type::Quantity => {
            let text = only_text(reader.delimited()?)?;
            if text.is_empty() { Value::Null } else { text.into() }
        }
        Type::IntOrString => int_or_string(reader.delimited()?)?,
        Type::Raw => raw(reader.delimited()?)?,
        Type::Texts => texts(reader.delimited()?)?,
        Type::Message(index) => object(reader.delimited()?, SCHEMA.message(index))?.into(),
    })
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// `Timestamp { seconds = 1, nanos = 2 }`; no time at all when it is empty.
fn time(mut reader: Reader<'_>, write: impl FnOnce(Timestamp) -> String) -> Result<Value, Malformed> {
    if reader.is_empty() {
        return Ok(Value::Null);
    }
    let start = reader;
    let (mut seconds, mut nanos) = (0, 0);
    while let Some((number, wire)) = reader.tag()? {
        match (number, wire) {
            (1, Wire::Varint) => seconds = reader.varint()?.cast_signed(),
            #[allow(clippy::cast_possible_truncation, reason = "an int32")]
            (2, Wire::Varint) => nanos = reader.varint()? as i32,
            _ => reader.skip(wire)?,
        }
    }
    let time = Timestamp::new(seconds, nanos).map_err(|_| start.malformed("a time out of range"))?;
    Ok(write(time).into())
}

/// The string in a message's first field.
fn only_text(mut reader: Reader<'_>) -> Result<&str, Malformed> {
    let mut text = "";
    while let Some((number, wire)) = reader.tag()? {
        match (number, wire) {
            (1, Wire::Delimited) => text = reader.delimited()?.text()?,
            _ => reader.skip(wire)?,
        }
    }
    Ok(text)
}

/// The strings in a message's first field.
fn texts(mut reader: Reader<'_>) -> Result<Value, Malformed> {
    let mut texts = Vec::new();
    while let Some((number, wire)) = reader.tag()? {
        match (number, wire) {
            (1, Wire::Delimited) => texts.push(reader.delimited()?.text()?.into()),
            _ => reader.skip(wire)?,
        }
    }
    Ok(Value::Array(texts))
}

/// `IntOrString { type = 1, intVal = 2, strVal = 3 }`, where a type of 1 is the string.
fn int_or_string(mut reader: Reader<'_>) -> Result<Value, Malformed> {
    let (mut is_text, mut number, mut text) = (false, 0, "");
    while let Some((field, wire)) = reader.tag()? {
        match (field, wire) {
            (1, Wire::Varint) => is_text = reader.varint()? == 1,
            #[allow(clippy::cast_possible_truncation, reason = "an int32")]
            (2, Wire::Varint) => number = reader.varint()? as i32,
            (3, Wire::Delimited) => text = reader.delimited()?.text()?,
            _ => reader.skip(wire)?,
        }
    }
    Ok(if is_text { text.into() } else { number.into() })
}

/// JSON in a message's first field.
fn raw(mut reader: Reader<'_>) -> Result<Value, Malformed> {
    let mut value = Value::Null;
    while let Some((number, wire)) = reader.tag()? {
        match (number, wire) {
            (1, Wire::Delimited) => {
                let inner = reader.delimited()?;
                if !inner.is_empty() {
                    value = serde_json::from_slice(inner.bytes()).map_err(|_| inner.malformed("no JSON"))?;
                }
            }
            _ => reader.skip(wire)?,
        }
    }
    Ok(value)
}
