//! Durations as kubectl prints them: short, two units at most.

use jiff::Timestamp;
use serde_json::Value;

use super::read::text_at;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// How long ago the object was created.
pub(super) fn age(object: &Value, now: Timestamp) -> Value {
    Value::from(since(text_at(object, "/metadata/creationTimestamp"), now))
}

/// How long ago that RFC 3339 time was; `<unknown>` when there is none.
pub(super) fn since(time: &str, now: Timestamp) -> String {
    match parse(time) {
        Some(time) => human(seconds_between(time, now)),
        None if time.is_empty() => "<unknown>".to_owned(),
        None => "<invalid>".to_owned(),
    }
}

pub(super) fn parse(time: &str) -> Option<Timestamp> {
    time.parse().ok()
}

pub(super) fn seconds_between(from: Timestamp, to: Timestamp) -> i64 {
    let millis = to.as_millisecond() - from.as_millisecond();
    millis / 1000
}

/// `95s`, `3m20s`, `45m`, `5h10m`, `30h`, `4d2h`, `100d`, `2y10d`, `9y`. A second ahead is clock skew, more is invalid.
pub(super) fn human(seconds: i64) -> String {
    let two = |big: i64, unit: &str, small: i64, small_unit: &str| {
        if small == 0 { format!("{big}{unit}") } else { format!("{big}{unit}{small}{small_unit}") }
    };
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => two(seconds / MINUTE, "m", seconds % MINUTE, "s"),
        600..10_800 => format!("{}m", seconds / MINUTE),
        10_800..28_800 => two(seconds / HOUR, "h", seconds % HOUR / MINUTE, "m"),
        28_800..172_800 => format!("{}h", seconds / HOUR),
        172_800..691_200 => two(seconds / DAY, "d", seconds % DAY / HOUR, "h"),
        691_200..63_072_000 => format!("{}d", seconds / DAY),
        63_072_000..252_288_000 => two(seconds / YEAR, "y", seconds % YEAR / DAY, "d"),
        _ => format!("{}y", seconds / YEAR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_kubectl_prints_them() {
        for (seconds, wanted) in [
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (599, "9m59s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (18_600, "5h10m"),
            (28_799, "7h59m"),
            (28_800, "8h"),
            (172_799, "47h"),
            (172_800, "2d"),
            (180_000, "2d2h"),
            (691_199, "7d23h"),
            (691_200, "8d"),
            (63_071_999, "729d"),
            (63_072_000, "2y"),
            (63_158_400, "2y1d"),
            (252_288_000, "8y"),
        ] {
            assert_eq!(human(seconds), wanted, "{seconds}");
        }
        let now: Timestamp = "2026-01-01T00:00:10.9Z".parse().unwrap();
        assert_eq!(since("2026-01-01T00:00:00Z", now), "10s");
        assert_eq!(since("2026-01-01T00:00:00.123456Z", now), "10s");
        assert_eq!(since("", now), "<unknown>");
        assert_eq!(since("yesterday", now), "<invalid>");
    }
}
