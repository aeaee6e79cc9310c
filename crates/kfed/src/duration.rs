//! Durations on a command line.

use std::time::Duration;

use jiff::SignedDuration;

/// Reads `10s`, `1m30s`, `500ms`; a bare number has no unit and is refused, since nobody agrees on which it would be.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    const HELP: &str = "write a number with its unit, as in 10s, 1m30s or 500ms";
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let duration: SignedDuration = text.parse().map_err(|_| HELP.to_owned())?;
    Duration::try_from(duration).map_err(|_| format!("it cannot be negative; {HELP}"))
}

/// The same, and nought is refused: what happens every nought seconds never ends.
pub(crate) fn parse_positive(text: &str) -> Result<Duration, String> {
    let duration = parse(text)?;
    if duration.is_zero() { Err("it must be longer than nothing".to_owned()) } else { Ok(duration) }
}

/// `10s`, `1m30s`, `500ms`: as [`parse`] reads it.
pub(crate) fn show(duration: Duration) -> String {
    let (minutes, seconds, millis) = (duration.as_secs() / 60, duration.as_secs() % 60, duration.subsec_millis());
    let mut text = String::new();
    for (number, unit) in [(minutes, "m"), (seconds, "s"), (u64::from(millis), "ms")] {
        if number > 0 {
            text += &format!("{number}{unit}");
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_they_are_shown() {
        for (text, millis) in [("10s", 10_000), ("1m30s", 90_000), ("500ms", 500), ("2m", 120_000), ("0s", 0)] {
            let duration = parse(text).unwrap();
            assert_eq!(duration, Duration::from_millis(millis), "{text}");
            assert_eq!(show(duration), text);
        }
        assert_eq!(parse("1h").unwrap(), Duration::from_secs(3600));
    }

    #[test]
    fn what_has_no_unit_or_no_sense_is_refused() {
        for wrong in ["10", "", "s", "ten seconds", "-5s"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert!(parse_positive("0s").is_err());
    }
}
