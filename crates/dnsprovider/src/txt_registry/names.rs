//! Where marks stand, as external-dns names its TXT records: `a-web.example.com` for the A set of `web.example.com`.

use crate::name::{DnsName, InvalidName};
use crate::record::{RecordSetKey, RecordType};

/// What external-dns replaces by the type, in lower case.
const TYPE: &str = "%{record_type}";

/// How the name of a mark is made of its set's. The parts are external-dns' `--txt-prefix`, `--txt-suffix` and
/// `--txt-wildcard-replacement`, and the default is its own, but that `wildcard` stands for the asterisk: `a-*` is no name that servers take.
/// Whoever changes them loses sight of the marks that there are.
///
/// ```
/// use kfed_dnsprovider::txt_registry::TxtNames;
/// use kfed_dnsprovider::{RecordSetKey, RecordType};
///
/// let web = RecordSetKey::new("web.example.com".parse()?, RecordType::Aaaa);
/// let mark = TxtNames::default().mark(&web)?;
/// assert_eq!(mark.as_str(), "aaaa-web.example.com.");
/// assert_eq!(TxtNames::default().set(&mark, false), Some(web.clone()));
/// // A label of its own leaves the name all of its 63 octets, and is in the zone for the zone's own name too.
/// assert_eq!(TxtNames::try_new("%{record_type}.", "", "")?.mark(&web)?.as_str(), "aaaa.web.example.com.");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxtNames {
    prefix: String,
    suffix: String,
    wildcard: String,
}

/// Parts that make no names, or none that can be read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidNames {
    /// Both are given.
    #[error("a prefix and a suffix exclude each other")]
    Both,
    /// A name cannot hold it.
    #[error("`{part}` makes no domain name")]
    Part {
        /// The prefix, the suffix, or what stands for the asterisk.
        part: String,
    },
    /// `a` and `aaaa` could not be told apart.
    #[error("between `%{{record_type}}` and the name `{part}` must have one of `-`, `_` and `.`")]
    Ambiguous {
        /// The prefix or the suffix.
        part: String,
    },
}

// === impl TxtNames ===

impl TxtNames {
    /// Names with these parts; an empty one is none.
    ///
    /// # Errors
    /// [`InvalidNames`] when marks could not be told from each other.
    pub fn try_new(prefix: &str, suffix: &str, wildcard: &str) -> Result<Self, InvalidNames> {
        if !prefix.is_empty() && !suffix.is_empty() {
            return Err(InvalidNames::Both);
        }
        let [prefix, suffix, wildcard] = [prefix, suffix, wildcard].map(str::to_ascii_lowercase);
        // What stands between the type and the name: `a` is an end of `aaaa`.
        let apart = |part: &String, between: Option<char>| match part.matches(TYPE).count() {
            0 => Ok(()),
            1 if between.is_some_and(|c| "-_.".contains(c)) => Ok(()),
            _ => Err(InvalidNames::Ambiguous { part: part.clone() }),
        };
        apart(&prefix, prefix.split(TYPE).nth(1).and_then(|rest| rest.chars().next()))?;
        apart(&suffix, suffix.split(TYPE).next().and_then(|rest| rest.chars().last()))?;
        let names = Self { prefix, suffix, wildcard };
        // CNAME is the longest type that marks are made for.
        let reads = |label: &str| {
            let key = RecordSetKey::new(format!("{label}.example.com").parse().expect("a name"), RecordType::Cname);
            names.mark(&key).ok().and_then(|mark| names.set(&mark, label == "*")) == Some(key)
        };
        if !reads("x") {
            return Err(InvalidNames::Part { part: names.prefix + &names.suffix });
        }
        if !names.wildcard.is_empty() && (names.wildcard.contains('.') || !reads("*")) {
            return Err(InvalidNames::Part { part: names.wildcard });
        }
        Ok(names)
    }

    /// What stands for an asterisk; empty where nothing does.
    pub fn wildcard(&self) -> &str {
        &self.wildcard
    }

    /// The name of the mark of `set`.
    ///
    /// # Errors
    /// [`InvalidName`] when it does not fit into a domain name: of a label of 63 octets there is nothing left for a prefix.
    pub fn mark(&self, set: &RecordSetKey) -> Result<DnsName, InvalidName> {
        let name = set.name.without_dot();
        let (label, rest) = match name.split_once('.') {
            Some((label, rest)) => (label, Some(rest)),
            None => (name, None),
        };
        let label = if self.replaces(&set.name) { &self.wildcard } else { label };
        let (before, after) = self.around(set.record_type);
        let mark = format!("{before}{label}{after}");
        match rest {
            Some(rest) => format!("{mark}.{rest}").parse(),
            None => mark.parse(),
        }
    }

    /// Whose mark stands at `mark`, if any could. Where asterisks are replaced, `wildcard` tells whether this was one.
    pub fn set(&self, mark: &DnsName, wildcard: bool) -> Option<RecordSetKey> {
        let text = mark.without_dot();
        let replaced = wildcard && !self.wildcard.is_empty();
        RecordType::ALL.into_iter().find_map(|record_type| {
            let (before, after) = self.around(record_type);
            let rest = text.strip_prefix(&*before)?;
            // What is behind the label reaches over as many dots as it has.
            let end = rest.match_indices('.').nth(after.matches('.').count()).map_or(rest.len(), |(at, _)| at);
            let label = rest[..end].strip_suffix(&*after)?;
            let label = if replaced && label == self.wildcard { "*" } else { label };
            let key = RecordSetKey::new(format!("{label}{}", &rest[end..]).parse().ok()?, record_type);
            (self.replaces(&key.name) == replaced && self.mark(&key).as_ref() == Ok(mark)).then_some(key)
        })
    }

    /// Whether something else stands for the asterisk of `name` in the name of its mark.
    pub(super) fn replaces(&self, name: &DnsName) -> bool {
        !self.wildcard.is_empty() && (name.as_str().starts_with("*.") || name.without_dot() == "*")
    }

    /// What is before and behind the first label of a set's name in that of its mark.
    fn around(&self, record_type: RecordType) -> (String, String) {
        let record_type = record_type.as_str().to_ascii_lowercase();
        let named = self.prefix.contains(TYPE) || self.suffix.contains(TYPE);
        let [mut before, after] = [&self.prefix, &self.suffix].map(|part| part.replace(TYPE, &record_type));
        if !named {
            before.extend([&*record_type, "-"]);
        }
        (before, after)
    }
}

impl Default for TxtNames {
    fn default() -> Self {
        Self { prefix: String::new(), suffix: String::new(), wildcard: "wildcard".to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(record_type: RecordType, name: &str) -> RecordSetKey {
        RecordSetKey::new(name.parse().unwrap(), record_type)
    }

    /// As external-dns v0.18 and later name them (registry/mapper).
    #[test]
    fn marks_stand_where_external_dns_puts_its_own() {
        use RecordType::{A, Aaaa, Cname};
        for (prefix, suffix, wildcard, record_type, name, mark) in [
            ("", "", "", A, "foo.example.com", "a-foo.example.com."),
            ("", "", "", Cname, "foo.example.com", "cname-foo.example.com."),
            ("", "", "any", Aaaa, "*.example.com", "aaaa-any.example.com."),
            ("%{record_type}-", "", "", A, "foo.example.com", "a-foo.example.com."),
            ("%{record_type}-abc-.", "", "", Cname, "ex.com", "cname-abc-.ex.com."),
            ("%{record_type}-abc-.", "", "", Cname, "www.ex.com", "cname-abc-.www.ex.com."),
            ("", "-%{record_type}", "", A, "foo.example.com", "foo-a.example.com."),
            ("", "-.%{record_type}", "", A, "www.ex.com", "www-.a.ex.com."),
            ("", "-TXT", "", A, "foo.example.com", "a-foo-txt.example.com."),
            ("txt-", "", "wild", A, "*.example.com", "txt-a-wild.example.com."),
        ] {
            let names = TxtNames::try_new(prefix, suffix, wildcard).expect(mark);
            let key = key(record_type, name);
            assert_eq!(names.mark(&key).unwrap().as_str(), mark, "{prefix} {suffix} {wildcard}");
            assert_eq!(names.set(&mark.parse().unwrap(), name.starts_with('*')), Some(key), "{mark}");
        }
    }

    #[test]
    fn a_name_that_is_no_marks_is_nobodys() {
        let default = TxtNames::default();
        let replacing = TxtNames::try_new("kfed-", "", "any").unwrap();
        for (names, name, wildcard) in [
            (&default, "foo.example.com", false),
            (&default, "ab-foo.example.com", false),
            (&default, "a-.example.com", false),
            (&replacing, "a-foo.example.com", false),
            // Nothing else is replaced.
            (&replacing, "kfed-a-foo.example.com", true),
        ] {
            assert_eq!(names.set(&name.parse().unwrap(), wildcard), None, "{name}");
        }
    }

    /// A label that holds more than the asterisk is no wildcard, and hardly any server takes it.
    #[test]
    fn an_asterisk_needs_something_that_stands_for_it() {
        let any = key(RecordType::A, "*.example.com");
        assert!(TxtNames::try_new("", "", "").unwrap().mark(&any).is_err());
        assert_eq!(TxtNames::default().mark(&any).unwrap().as_str(), "a-wildcard.example.com.");
    }

    #[test]
    fn parts_that_cannot_be_read_back_are_refused() {
        for (prefix, suffix, wildcard, why) in [
            ("a-", "-b", "", "a prefix and a suffix exclude each other"),
            ("%{record_type}", "", "", "must have one of"),
            ("", "x%{record_type}", "", "must have one of"),
            ("%{record_type}-%{record_type}-", "", "", "must have one of"),
            ("a b-", "", "", "`a b-` makes no domain name"),
            ("..", "", "", "`..` makes no domain name"),
            ("", ".", "", "`.` makes no domain name"),
            ("", "", "a.b", "`a.b` makes no domain name"),
            ("", "", "*", "`*` makes no domain name"),
        ] {
            let error = TxtNames::try_new(prefix, suffix, wildcard).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
    }

    proptest! {
        #[test]
        fn whose_a_mark_is_can_be_told_from_its_name(
            parts in prop::sample::select(vec![
                ("", ""), ("kfed-", ""), ("%{record_type}.", ""), ("_kfed-%{record_type}-", ""), ("x.%{record_type}-y.", ""),
                ("", "-kfed"), ("", "-%{record_type}"), ("", ".%{record_type}-x"), ("", "-a.b"),
            ]),
            wildcard in prop::sample::select(vec!["", "any", "a-any"]),
            label in prop_oneof![Just("*".to_owned()), "((a|aaaa|cname|any|x)-){0,2}[a-z]{1,5}"],
            record_type in prop::sample::select(RecordType::ALL.to_vec()),
        ) {
            let names = TxtNames::try_new(parts.0, parts.1, wildcard).unwrap();
            let key = key(record_type, &format!("{label}.ns.example.com"));
            prop_assume!(label != "*" || !wildcard.is_empty());
            let mark = names.mark(&key).unwrap();
            prop_assert_eq!(names.set(&mark, label == "*"), Some(key));
        }
    }
}
