//! Names: relative ones as Azure spells them (`@`, `www`, `*.dev`), absolute ones without a final dot, all lower case.

/// RFC 1035 § 2.3.4, written without the final dot.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// The zone's own name among relative names.
pub(crate) const APEX: &str = "@";

/// `relative` made absolute in `zone`, without a final dot.
pub(crate) fn absolute(relative: &str, zone: &str) -> String {
    if relative == APEX { zone.to_owned() } else { format!("{relative}.{zone}") }
}

/// `absolute` relative to `zone`, when it lies in it. Both without final dot and in lower case.
pub(crate) fn relative<'a>(absolute: &'a str, zone: &str) -> Option<&'a str> {
    if absolute == zone {
        return Some(APEX);
    }
    absolute.strip_suffix(zone)?.strip_suffix('.')
}

/// Whether a record set may be called so: labels of letters, digits, `-` and `_`, and `*` as the first label alone.
pub(crate) fn is_valid_relative(relative: &str, zone: &str) -> bool {
    if relative == APEX {
        return true;
    }
    let below = relative.strip_prefix("*.").unwrap_or(relative);
    (relative == "*" || below.split('.').all(is_valid_label)) && absolute(relative, zone).len() <= MAX_NAME
}

/// Whether a zone may be called so: at least two labels.
pub(crate) fn is_valid_zone(name: &str) -> bool {
    name.contains('.') && name.len() <= MAX_NAME && name.split('.').all(is_valid_label)
}

/// Whether a name may stand in record data, with or without a final dot; a single label is accepted as Azure does.
pub(crate) fn is_valid_target(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.len() <= MAX_NAME
        && name
            .split('.')
            .all(|label| (1..=MAX_LABEL).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_graphic()))
}

fn is_valid_label(label: &str) -> bool {
    (1..=MAX_LABEL).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
