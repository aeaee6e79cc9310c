use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use serde_json::{Map, Value, json};

use super::name;
use crate::{RecordType, ZoneKind};

/// RFC 1035 § 3.3: a character-string.
const MAX_STRING: usize = 255;

/// The data of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rdata {
    A(Ipv4Addr),
    Ns(String),
    Cname(String),
    Soa(Soa),
    Ptr(String),
    Mx { preference: u16, exchange: String },
    Txt(Vec<String>),
    Aaaa(Ipv6Addr),
    Srv { priority: u16, weight: u16, port: u16, target: String },
    Caa { flags: u8, tag: String, value: String },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Soa {
    pub(crate) host: String,
    pub(crate) email: String,
    pub(crate) serial: u32,
    pub(crate) refresh: u32,
    pub(crate) retry: u32,
    pub(crate) expire: u32,
    pub(crate) minimum: u32,
}

/// Why a record was refused, as the message of a 400.
pub(crate) type Refusal = String;

impl Rdata {
    /// Reads an item of a record set's property. Property names are compared without letter case, as the service does.
    pub(crate) fn from_json(kind: RecordType, item: &Value) -> Result<Self, Refusal> {
        let fields = Fields(item.as_object().ok_or_else(invalid_request)?);
        Ok(match kind {
            RecordType::A => Self::A(fields.parsed("ipv4Address")?),
            RecordType::Aaaa => Self::Aaaa(fields.parsed("ipv6Address")?),
            RecordType::Ns => Self::Ns(fields.name("nsdname")?),
            RecordType::Cname => Self::Cname(fields.name("cname")?),
            RecordType::Ptr => Self::Ptr(fields.name("ptrdname")?),
            RecordType::Mx => Self::Mx { preference: fields.number("preference")?, exchange: fields.name("exchange")? },
            RecordType::Srv => Self::Srv {
                priority: fields.number("priority")?,
                weight: fields.number("weight")?,
                port: fields.number("port")?,
                target: fields.name("target")?,
            },
            RecordType::Txt => Self::Txt(fields.strings("value")?),
            RecordType::Caa => Self::Caa {
                flags: fields.number("flags")?,
                tag: fields.text("tag")?.to_owned(),
                value: fields.text("value")?.to_owned(),
            },
            RecordType::Soa => Self::Soa(Soa {
                host: fields.name("host")?,
                email: fields.name("email")?,
                serial: fields.number("serialNumber")?,
                refresh: fields.number("refreshTime")?,
                retry: fields.number("retryTime")?,
                expire: fields.number("expireTime")?,
                minimum: fields.number("minimumTTL")?,
            }),
        })
    }

    pub(crate) fn record_type(&self) -> RecordType {
        match self {
            Self::A(_) => RecordType::A,
            Self::Ns(_) => RecordType::Ns,
            Self::Cname(_) => RecordType::Cname,
            Self::Soa(_) => RecordType::Soa,
            Self::Ptr(_) => RecordType::Ptr,
            Self::Mx { .. } => RecordType::Mx,
            Self::Txt(_) => RecordType::Txt,
            Self::Aaaa(_) => RecordType::Aaaa,
            Self::Srv { .. } => RecordType::Srv,
            Self::Caa { .. } => RecordType::Caa,
        }
    }

    pub(crate) fn to_json(&self, zone: ZoneKind) -> Value {
        match self {
            Self::A(address) => json!({ "ipv4Address": address }),
            Self::Aaaa(address) => json!({ "ipv6Address": address }),
            Self::Ns(name) => json!({ "nsdname": name }),
            Self::Cname(name) => json!({ "cname": name }),
            Self::Ptr(name) => json!({ "ptrdname": name }),
            Self::Mx { preference, exchange } => json!({ "preference": preference, "exchange": exchange }),
            Self::Srv { priority, weight, port, target } => {
                json!({ "priority": priority, "weight": weight, "port": port, "target": target })
            }
            Self::Txt(strings) => json!({ "value": strings }),
            Self::Caa { flags, tag, value } => {
                json!({ "flags": flags, "tag": tag, "value": value })
            }
            Self::Soa(soa) => json!({
                "host": soa.host,
                "email": soa.email,
                "serialNumber": soa.serial,
                "refreshTime": soa.refresh,
                "retryTime": soa.retry,
                "expireTime": soa.expire,
                zone.profile().soa_minimum_property: soa.minimum,
            }),
        }
    }

    /// Reads what [`Display`](fmt::Display) writes. Text is cut into character-strings of at most 255 bytes.
    pub(crate) fn from_text(kind: RecordType, text: &str) -> Result<Self, Refusal> {
        let word = |index: usize| text.split_whitespace().nth(index).unwrap_or_default();
        let item = match kind {
            RecordType::A => json!({ "ipv4Address": text }),
            RecordType::Aaaa => json!({ "ipv6Address": text }),
            RecordType::Ns => json!({ "nsdname": text }),
            RecordType::Cname => json!({ "cname": text }),
            RecordType::Ptr => json!({ "ptrdname": text }),
            RecordType::Txt => json!({ "value": character_strings(text) }),
            RecordType::Mx => json!({ "preference": number(word(0)), "exchange": word(1) }),
            RecordType::Srv => json!({
                "priority": number(word(0)), "weight": number(word(1)), "port": number(word(2)), "target": word(3),
            }),
            RecordType::Caa => {
                let value = text.splitn(3, ' ').nth(2).unwrap_or_default();
                json!({ "flags": number(word(0)), "tag": word(1), "value": value.trim_matches('"') })
            }
            RecordType::Soa => json!({
                "host": word(0), "email": word(1), "serialNumber": number(word(2)), "refreshTime": number(word(3)),
                "retryTime": number(word(4)), "expireTime": number(word(5)), "minimumTTL": number(word(6)),
            }),
        };
        Self::from_json(kind, &item)
    }
}

impl fmt::Display for Rdata {
    /// Presentation format, except that text is neither quoted nor escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::A(address) => address.fmt(f),
            Self::Aaaa(address) => address.fmt(f),
            Self::Ns(name) | Self::Cname(name) | Self::Ptr(name) => f.write_str(name),
            Self::Mx { preference, exchange } => write!(f, "{preference} {exchange}"),
            Self::Srv { priority, weight, port, target } => write!(f, "{priority} {weight} {port} {target}"),
            Self::Txt(strings) => strings.iter().try_for_each(|string| f.write_str(string)),
            Self::Caa { flags, tag, value } => write!(f, "{flags} {tag} \"{value}\""),
            Self::Soa(soa) => write!(
                f,
                "{} {} {} {} {} {} {}",
                soa.host, soa.email, soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum
            ),
        }
    }
}

/// Looks a property up without letter case.
pub(crate) fn property<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

pub(crate) fn invalid_request() -> Refusal {
    "The request was invalid.".to_owned()
}

/// Cuts text between characters, so that every piece is valid UTF-8.
fn character_strings(text: &str) -> Vec<&str> {
    let mut rest = text;
    let mut strings = Vec::new();
    while rest.len() > MAX_STRING {
        let cut = (0..=MAX_STRING).rev().find(|&at| rest.is_char_boundary(at)).unwrap_or(MAX_STRING);
        let (head, tail) = rest.split_at(cut);
        strings.push(head);
        rest = tail;
    }
    strings.push(rest);
    strings
}

/// A number for JSON; what is none stays null and is refused as such.
fn number(word: &str) -> Option<u64> {
    word.parse().ok()
}

struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn get(&self, name: &str) -> Result<&Value, Refusal> {
        property(self.0, name).ok_or_else(|| format!("The record has no '{name}'."))
    }

    fn text(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name)?.as_str().ok_or_else(|| format!("The value of '{name}' is not a string."))
    }

    fn parsed<T: std::str::FromStr>(&self, name: &str) -> Result<T, Refusal> {
        let text = self.text(name)?;
        text.parse().map_err(|_| format!("The value '{text}' of '{name}' is not a valid address."))
    }

    fn name(&self, name: &str) -> Result<String, Refusal> {
        let text = self.text(name)?;
        if name::is_valid_target(text) {
            Ok(text.to_owned())
        } else {
            Err(format!("The domain name '{text}' is invalid."))
        }
    }

    fn number<T: TryFrom<u64>>(&self, name: &str) -> Result<T, Refusal> {
        let value = self.get(name)?;
        value
            .as_u64()
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| format!("The value '{value}' of '{name}' is out of range."))
    }

    fn strings(&self, name: &str) -> Result<Vec<String>, Refusal> {
        let strings: Option<Vec<String>> = self
            .get(name)?
            .as_array()
            .and_then(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect());
        let strings = strings.ok_or_else(invalid_request)?;
        match strings.iter().find(|string| string.len() > MAX_STRING) {
            Some(long) => Err(format!(
                "The value of the TXT record is {} bytes long; a string has at most {MAX_STRING}.",
                long.len()
            )),
            None => Ok(strings),
        }
    }
}
