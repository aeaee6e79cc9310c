//! Numbers by a seed: the same seed draws the same.

use std::ops::RangeInclusive;
use std::time::Duration;

/// A sequence of numbers (splitmix64).
pub(crate) struct Draw(u64);

// === impl Draw ===

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let number = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        number ^ (number >> 31)
    }

    pub(crate) fn among(&mut self, range: RangeInclusive<u64>) -> u64 {
        range.start() + self.number() % (range.end() - range.start() + 1)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    /// One of `things`.
    pub(crate) fn one<T: Clone>(&mut self, things: &[T]) -> T {
        things[self.below(things.len())].clone()
    }

    /// Whether it is one of `times` times.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.number().is_multiple_of(times)
    }

    /// A time of `range`, short ones as likely as long ones: each doubling is.
    pub(crate) fn time(&mut self, range: RangeInclusive<Duration>) -> Duration {
        let (least, most) = (range.start().as_secs_f64().ln(), range.end().as_secs_f64().ln());
        let share = (self.number() >> 11) as f64 / (1u64 << 53) as f64;
        let seconds = (least + (most - least) * share).exp();
        Duration::from_millis((seconds * 1000.0) as u64)
    }

    /// A time in which things follow each other: at once for some, a while later for most.
    pub(crate) fn moment(&mut self, most: Duration) -> Duration {
        let least = if self.once_in(3) { Duration::from_millis(5) } else { Duration::from_secs(4) };
        self.time(least..=most)
    }
}
