//! The configuration of provider `memory`: how it keeps whose a record set is.
//!
//! ```ini
//! [Global]
//! registry = txt           ; or metadata, as without a file
//! txt-prefix = _kfed-      ; these three as external-dns takes them; optional
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kfed_dnsprovider::txt_registry::InvalidNames;
use kfed_dnsprovider::{DnsName, DnsProvider, MemoryProvider, TxtNames};

const REGISTRY: &str = "registry";
const PREFIX: &str = "txt-prefix";
const SUFFIX: &str = "txt-suffix";
const WILDCARD: &str = "txt-wildcard-replacement";
const KEYS: [&str; 4] = [REGISTRY, PREFIX, SUFFIX, WILDCARD];

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct MemoryConfig {
    /// The names of the TXT sets that keep it; none where the provider does by itself.
    registry: Option<TxtNames>,
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MemoryConfigError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}:{line}: {problem}", path.display())]
    Line { path: PathBuf, line: usize, problem: String },
}

/// A key's value and its line.
type Value<'a> = (&'a str, usize);

// === impl MemoryConfig ===

impl MemoryConfig {
    pub(crate) fn read(path: &Path) -> Result<Self, MemoryConfigError> {
        let text = fs::read_to_string(path).map_err(|source| MemoryConfigError::Read { path: path.into(), source })?;
        Self::parse(&text).map_err(|(line, problem)| MemoryConfigError::Line { path: path.into(), line, problem })
    }

    /// A zone called `zone`, empty.
    pub(crate) fn provider(self, zone: DnsName) -> DnsProvider {
        let memory = MemoryProvider::with_zone(zone);
        match self.registry {
            None => memory.provider(),
            Some(names) => memory.without_metadata().provider().with_txt_registry(names),
        }
    }

    /// The first mistake is told with its line.
    fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut values: [Option<Value<'_>>; KEYS.len()] = [None; KEYS.len()];
        for (line, text) in text.lines().map(str::trim).enumerate().map(|(n, text)| (n + 1, text)) {
            if text.is_empty() || text.starts_with(['#', ';']) || text.eq_ignore_ascii_case("[global]") {
                continue;
            }
            if text.starts_with('[') {
                return Err((line, format!("section `{text}` is not known; only [Global] is read")));
            }
            let (key, value) = text.split_once('=').unwrap_or((text, ""));
            let value = value.split(" ;").next().unwrap_or_default().split(" #").next().unwrap_or_default();
            let key = key.trim();
            let Some(n) = KEYS.iter().position(|known| known.eq_ignore_ascii_case(key)) else {
                return Err((line, format!("key `{key}` is not known; there are: {}", KEYS.join(", "))));
            };
            if values[n].is_some() {
                return Err((line, format!("{}: it stands twice", KEYS[n])));
            }
            values[n] = Some((value.trim().trim_matches('"'), line));
        }
        let [registry, parts @ ..] = values;
        match registry {
            Some(("txt", line)) => Self::txt(parts, line),
            None | Some(("metadata", _)) => match parts.iter().flatten().min_by_key(|(_, line)| line) {
                None => Ok(Self::default()),
                Some((_, line)) => Err((*line, format!("it is of no use without `{REGISTRY} = txt`"))),
            },
            Some((other, line)) => Err((line, format!("{REGISTRY}: `{other}` is none; it is metadata or txt"))),
        }
    }

    fn txt(parts: [Option<Value<'_>>; 3], line: usize) -> Result<Self, (usize, String)> {
        let [prefix, suffix, wildcard] = parts.map(|value| value.map(|(text, _)| text));
        let default = TxtNames::default();
        let wildcard = wildcard.unwrap_or(default.wildcard());
        let names = TxtNames::try_new(prefix.unwrap_or_default(), suffix.unwrap_or_default(), wildcard);
        let registry = names.map_err(|error| {
            let at = match &error {
                InvalidNames::Part { part } | InvalidNames::Ambiguous { part } => {
                    parts.iter().flatten().find(|(text, _)| text.eq_ignore_ascii_case(part))
                }
                _ => parts[1].as_ref(),
            };
            (at.map_or(line, |(_, line)| *line), error.to_string())
        })?;
        Ok(Self { registry: Some(registry) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says_is_what_is_made_of_it() {
        let names = |prefix, suffix, wildcard| Some(TxtNames::try_new(prefix, suffix, wildcard).unwrap());
        for (text, registry) in [
            ("", None),
            ("[Global]\nregistry = metadata\n", None),
            ("; tried out\r\n[global]\r\nRegistry = txt  ; as elsewhere\r\n", Some(TxtNames::default())),
            ("registry=txt\ntxt-prefix = \"%{record_type}.\"", names("%{record_type}.", "", "wildcard")),
            ("registry = txt\ntxt-suffix = -x # x\ntxt-wildcard-replacement = any", names("", "-x", "any")),
        ] {
            assert_eq!(MemoryConfig::parse(text), Ok(MemoryConfig { registry }), "{text}");
        }
    }

    #[test]
    fn a_mistake_is_told_with_its_line() {
        for (text, line, problem) in [
            ("[Global]\nregistry = dynamodb", 2, "registry: `dynamodb` is none; it is metadata or txt"),
            ("[Global]\nregistry", 2, "registry: `` is none; it is metadata or txt"),
            ("[Local]", 1, "section `[Local]` is not known; only [Global] is read"),
            ("\nregister = txt", 2, "key `register` is not known; there are: registry, txt-prefix, txt-suffix"),
            ("registry = txt\nregistry = txt", 2, "registry: it stands twice"),
            ("[Global]\n\ntxt-prefix = x-", 3, "it is of no use without `registry = txt`"),
            ("registry = txt\ntxt-prefix = x-\ntxt-suffix = -x", 3, "a prefix and a suffix exclude each other"),
            ("txt-prefix = a b\nregistry = txt", 1, "`a b` makes no domain name"),
            ("registry = txt\ntxt-suffix = X%{record_type}", 2, "must have one of `-`, `_` and `.`"),
            ("registry = txt\ntxt-wildcard-replacement = a.b", 2, "`a.b` makes no domain name"),
        ] {
            let (at, told) = MemoryConfig::parse(text).unwrap_err();
            assert!(at == line && told.contains(problem), "{text}: {at}: {told}");
        }
    }
}
