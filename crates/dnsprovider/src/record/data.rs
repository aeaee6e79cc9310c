//! The data of records, and their presentation format: the way zone files write them (RFC 1035 § 5.1).

#[cfg(test)]
mod tests;

use std::fmt::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::name::DnsName;
use crate::record::RecordType;

/// One record's data.
///
/// ```
/// use kfed_dnsprovider::{RecordData, RecordType};
///
/// let datum = RecordData::parse(RecordType::Srv, "10 5 5060 sip.example.com")?;
/// assert_eq!(datum.to_string(), "10 5 5060 sip.example.com.");
/// assert_eq!(RecordData::parse(RecordType::Txt, r#""v=spf1 -all" \"x"#)?.to_string(), r#""v=spf1 -all" "\"x""#);
/// assert!(RecordData::parse(RecordType::A, "192.0.2.256").is_err());
/// # Ok::<(), kfed_dnsprovider::InvalidData>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RecordData {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// The name that is meant.
    Cname(DnsName),
    /// The strings of one TXT record, each of at most 255 octets.
    Txt(Vec<String>),
    /// Where a service is.
    Srv(Srv),
    /// Who takes mail.
    Mx(Mx),
    /// The name that is pointed to.
    Ptr(DnsName),
    /// A name server.
    Ns(DnsName),
    /// Who may issue certificates. In a box, because it is rare and would make all others larger.
    Caa(Box<Caa>),
    /// Data in presentation format of a type that has no variant here, or that could not be read as its type. Never written.
    Other(String),
}

/// Where a service is (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Srv {
    /// Lower ones are tried first.
    pub priority: u16,
    /// The share among those of one priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host; [the root](DnsName::root) where there is no such service.
    pub target: DnsName,
}

/// Who takes mail (RFC 1035 § 3.3.9).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mx {
    /// Lower ones are tried first.
    pub preference: u16,
    /// The host; [the root](DnsName::root) where no mail is taken (RFC 7505).
    pub exchange: DnsName,
}

/// Who may issue certificates (RFC 8659 § 4).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Caa {
    /// 128 is "critical".
    pub flags: u8,
    /// `issue`, `issuewild`, `iodef`, …: 1 to 15 letters and digits, in lower case.
    pub tag: String,
    /// What it says for the tag.
    pub value: String,
}

/// Data that no record of the type has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no data of type {record_type}: {problem}")]
pub struct InvalidData {
    /// The type.
    pub record_type: RecordType,
    /// The data, in presentation format.
    pub text: String,
    /// What is wrong with them.
    pub problem: String,
}

/// A `<character-string>` in quotes.
struct Quoted<'a>(&'a str);

// === impl RecordData ===

impl RecordData {
    /// Data of `record_type` from presentation format. Data of types without a variant are taken as they are.
    ///
    /// # Errors
    /// [`InvalidData`] when the text is no data of the type.
    pub fn parse(record_type: RecordType, text: &str) -> Result<Self, InvalidData> {
        let parsed = match record_type {
            RecordType::A => whole(text).map(Self::A),
            RecordType::Aaaa => whole(text).map(Self::Aaaa),
            RecordType::Cname => name(text).map(Self::Cname),
            RecordType::Ptr => name(text).map(Self::Ptr),
            RecordType::Ns => name(text).map(Self::Ns),
            RecordType::Txt => strings(text).map(Self::Txt),
            RecordType::Srv => srv(text).map(Self::from),
            RecordType::Mx => mx(text).map(Self::from),
            RecordType::Caa => caa(text).map(Self::from),
            RecordType::Soa => Ok(Self::Other(text.to_owned())),
        };
        let invalid = |problem| InvalidData { record_type, text: text.to_owned(), problem };
        let data = parsed.map_err(invalid)?;
        match data.problem() {
            None => Ok(data),
            Some(problem) => Err(invalid(problem)),
        }
    }

    /// Whether a record of `record_type` can have these data.
    ///
    /// # Errors
    /// [`InvalidData`] when they are of another type, or break a limit of their own.
    pub fn check(&self, record_type: RecordType) -> Result<(), InvalidData> {
        let problem = match self.record_type() {
            None if record_type == RecordType::Soa => None,
            None => Some("it could not be read".to_owned()),
            Some(own) if own == record_type => self.problem(),
            Some(_) => Some("it is of another type".to_owned()),
        };
        match problem {
            None => Ok(()),
            Some(problem) => Err(InvalidData { record_type, text: self.to_string(), problem }),
        }
    }

    /// The type of records that have such data; none for [`RecordData::Other`].
    pub fn record_type(&self) -> Option<RecordType> {
        Some(match self {
            Self::A(_) => RecordType::A,
            Self::Aaaa(_) => RecordType::Aaaa,
            Self::Cname(_) => RecordType::Cname,
            Self::Txt(_) => RecordType::Txt,
            Self::Srv(_) => RecordType::Srv,
            Self::Mx(_) => RecordType::Mx,
            Self::Ptr(_) => RecordType::Ptr,
            Self::Ns(_) => RecordType::Ns,
            Self::Caa(_) => RecordType::Caa,
            Self::Other(_) => return None,
        })
    }

    /// Which limit of their own the data break.
    fn problem(&self) -> Option<String> {
        match self {
            Self::Txt(strings) if strings.is_empty() => Some("there is no string".to_owned()),
            Self::Txt(strings) => {
                // RFC 1035 § 3.3: one octet holds the length.
                let long = strings.iter().find(|string| string.len() > 255)?;
                Some(format!("a string has {} octets; at most 255 fit", long.len()))
            }
            Self::Caa(caa) => {
                let fits = (1..=15).contains(&caa.tag.len())
                    && caa.tag.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
                (!fits).then(|| format!("tag `{}` is not 1 to 15 letters and digits in lower case", caa.tag))
            }
            _ => None,
        }
    }
}

impl fmt::Display for RecordData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::A(address) => write!(f, "{address}"),
            Self::Aaaa(address) => write!(f, "{address}"),
            Self::Cname(name) | Self::Ptr(name) | Self::Ns(name) => write!(f, "{name}"),
            Self::Txt(strings) => {
                for (n, string) in strings.iter().enumerate() {
                    let space = if n == 0 { "" } else { " " };
                    write!(f, "{space}{}", Quoted(string))?;
                }
                Ok(())
            }
            Self::Srv(srv) => write!(f, "{} {} {} {}", srv.priority, srv.weight, srv.port, srv.target),
            Self::Mx(mx) => write!(f, "{} {}", mx.preference, mx.exchange),
            Self::Caa(caa) => write!(f, "{} {} {}", caa.flags, caa.tag, Quoted(&caa.value)),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// In presentation format.
impl Serialize for RecordData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<std::net::IpAddr> for RecordData {
    fn from(address: std::net::IpAddr) -> Self {
        match address {
            std::net::IpAddr::V4(address) => Self::A(address),
            std::net::IpAddr::V6(address) => Self::Aaaa(address),
        }
    }
}

impl From<Srv> for RecordData {
    fn from(srv: Srv) -> Self {
        Self::Srv(srv)
    }
}

impl From<Mx> for RecordData {
    fn from(mx: Mx) -> Self {
        Self::Mx(mx)
    }
}

impl From<Caa> for RecordData {
    fn from(caa: Caa) -> Self {
        Self::Caa(Box::new(caa))
    }
}

// === presentation format ===

fn whole<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|error: T::Err| error.to_string())
}

fn name(text: &str) -> Result<DnsName, String> {
    whole(text)
}

/// A host that may be the root: "none".
fn host(text: &str) -> Result<DnsName, String> {
    if text == "." { Ok(DnsName::root()) } else { name(text) }
}

fn number<T: FromStr>(what: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{what} `{text}` is no number that fits"))
}

fn fields<const N: usize>(text: &str) -> Result<[&str; N], String> {
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    fields.try_into().map_err(|fields: Vec<_>| format!("there are {} fields, not {N}", fields.len()))
}

fn srv(text: &str) -> Result<Srv, String> {
    let [priority, weight, port, target] = fields(text)?;
    Ok(Srv {
        priority: number("priority", priority)?,
        weight: number("weight", weight)?,
        port: number("port", port)?,
        target: host(target)?,
    })
}

fn mx(text: &str) -> Result<Mx, String> {
    let [preference, exchange] = fields(text)?;
    Ok(Mx { preference: number("preference", preference)?, exchange: host(exchange)? })
}

fn caa(text: &str) -> Result<Caa, String> {
    let rest =
        |text: &str| text.split_once(|c: char| c.is_ascii_whitespace()).map(|(a, b)| (a.to_owned(), b.to_owned()));
    let missing = || "there are fewer than 3 fields".to_owned();
    let (flags, text) = rest(text.trim()).ok_or_else(missing)?;
    let (tag, value) = rest(text.trim_start()).ok_or_else(missing)?;
    let [value] =
        <[String; 1]>::try_from(strings(&value)?).map_err(|_| "its value is more than one string".to_owned())?;
    Ok(Caa { flags: number("flags", &flags)?, tag: tag.to_ascii_lowercase(), value })
}

/// `<character-string>`s, in quotes or not, with `\"` and `\DDD`.
fn strings(text: &str) -> Result<Vec<String>, String> {
    let mut bytes = text.bytes().peekable();
    let mut strings = Vec::new();
    loop {
        while bytes.next_if(u8::is_ascii_whitespace).is_some() {}
        let Some(first) = bytes.peek() else { return Ok(strings) };
        let quoted = *first == b'"';
        if quoted {
            bytes.next();
        }
        let mut string = Vec::new();
        loop {
            match bytes.next() {
                None if quoted => return Err("a quote is not closed".to_owned()),
                None => break,
                Some(b'"') if quoted => break,
                Some(byte) if !quoted && byte.is_ascii_whitespace() => break,
                Some(b'"') => return Err("a quote is within a string".to_owned()),
                Some(b'\\') => string.push(escaped(&mut bytes)?),
                Some(byte) => string.push(byte),
            }
        }
        if quoted && bytes.peek().is_some_and(|byte| !byte.is_ascii_whitespace()) {
            return Err("a string goes on after its quote".to_owned());
        }
        strings.push(String::from_utf8(string).map_err(|_| "a string is not UTF-8".to_owned())?);
    }
}

/// What stands after a backslash: an octet in three decimal digits, or itself.
fn escaped(bytes: &mut impl Iterator<Item = u8>) -> Result<u8, String> {
    let first = bytes.next().ok_or("a backslash is the last character")?;
    if !first.is_ascii_digit() {
        return Ok(first);
    }
    let mut value = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = bytes.next().filter(u8::is_ascii_digit).ok_or("an octet has three digits")?;
        value = value * 10 + u16::from(digit - b'0');
    }
    u8::try_from(value).map_err(|_| format!("{value} is no octet"))
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for byte in self.0.bytes() {
            match byte {
                b'"' | b'\\' => write!(f, "\\{}", char::from(byte))?,
                b' '..=b'~' => f.write_char(char::from(byte))?,
                _ => write!(f, "\\{byte:03}")?,
            }
        }
        f.write_char('"')
    }
}
