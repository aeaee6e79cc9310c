//! The canonical form of resource quantities: `1000m` is `1`, `1024Mi` is `1Gi`.

use serde_json::Value;

use super::members::{Object, object};

const NANO: i128 = 1_000_000_000;
const BINARY: [(&str, u32); 6] = [("Ei", 60), ("Pi", 50), ("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
const DECIMAL: [(&str, i32); 10] =
    [("E", 18), ("P", 15), ("T", 12), ("G", 9), ("M", 6), ("k", 3), ("", 0), ("m", -3), ("u", -6), ("n", -9)];

/// Rewrites the quantities of a map from resource names to quantities.
pub(super) fn canonicalize_members(parent: &mut Object, name: &str) {
    for quantity in object(parent, name).into_iter().flat_map(Object::values_mut) {
        canonicalize(quantity);
    }
}

/// Rewrites one quantity; what is none stays as it is.
pub(super) fn canonicalize(quantity: &mut Value) {
    let text = match &*quantity {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return,
    };
    if let Some(canonical) = canonical(&text) {
        *quantity = Value::from(canonical);
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Format {
    Binary,
    Decimal,
    Exponent,
}

fn canonical(text: &str) -> Option<String> {
    let end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (nanos, format) = if let Some((_, shift)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        (scaled(number, 0)?.checked_mul(1i128.checked_shl(*shift)?)?, Format::Binary)
    } else if let Some((_, exponent)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        (scaled(number, *exponent)?, Format::Decimal)
    } else {
        let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
        (scaled(number, exponent)?, Format::Exponent)
    };
    if nanos == 0 {
        return Some("0".to_owned());
    }
    // Less than a KiB, or no whole number of bytes, cannot be told in binary units.
    if format == Format::Binary && nanos % NANO == 0 && nanos.abs() >= 1024 * NANO {
        let bytes = nanos / NANO;
        return Some(match BINARY.iter().find(|(_, shift)| bytes % (1i128 << shift) == 0) {
            Some((name, shift)) => format!("{}{name}", bytes >> shift),
            None => bytes.to_string(),
        });
    }
    let (name, exponent) = DECIMAL.iter().find(|(_, exponent)| {
        let unit = 10i128.pow(u32::try_from(exponent + 9).unwrap_or_default());
        nanos % unit == 0
    })?;
    let unit = 10i128.pow(u32::try_from(exponent + 9).ok()?);
    Some(match format {
        Format::Exponent if *exponent != 0 => format!("{}e{exponent}", nanos / unit),
        _ => format!("{}{name}", nanos / unit),
    })
}

/// The decimal number times 10^exponent, in billionths, rounded away from zero.
fn scaled(number: &str, exponent: i32) -> Option<i128> {
    let (negative, digits) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let mantissa: i128 = format!("0{whole}{fraction}").parse().ok()?;
    let shift = exponent + 9 - i32::try_from(fraction.len()).ok()?;
    let power = 10i128.checked_pow(shift.unsigned_abs())?;
    let value = if shift >= 0 { mantissa.checked_mul(power)? } else { (mantissa + power - 1) / power };
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_take_their_canonical_form() {
        for (given, wanted) in [
            ("1000m", "1"),
            ("1024Mi", "1Gi"),
            ("0.5Gi", "512Mi"),
            ("1.5", "1500m"),
            ("0", "0"),
            ("100Ki", "100Ki"),
            ("1500M", "1500M"),
            ("2000M", "2G"),
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("512", "512"),
            ("1000", "1k"),
            ("100m", "100m"),
            ("0.1", "100m"),
            ("-2000m", "-2"),
            ("1023Ki", "1023Ki"),
            ("0.5Ki", "512"),
            ("10Ei", "10Ei"),
        ] {
            assert_eq!(canonical(given).as_deref(), Some(wanted), "{given}");
        }
        for bad in ["", "abc", "1X", "1.2.3", "Mi", "--1"] {
            assert_eq!(canonical(bad), None, "{bad}");
        }
    }
}
