//! Many durations in a line.

use std::time::Duration;

/// Median, 99th of a hundred, and the most.
pub(crate) fn quantiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: f64| {
        // Nearest rank.
        let rank = (share * times.len() as f64).ceil() as usize;
        milliseconds(times[rank.clamp(1, times.len()) - 1])
    };
    format!("p50 {}  p99 {}  max {}", at(0.5), at(0.99), at(1.0))
}

pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
