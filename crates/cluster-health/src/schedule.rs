//! When to probe.

use std::time::Duration;

/// When a target is probed, and how long a probe may take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProbeSchedule {
    /// From the start of one probe to the start of the next.
    pub period: Duration,
    /// The longest that one probe may take, from waiting for the service to the end of its answer. At most the period.
    pub deadline: Duration,
    /// The period while the target has never been well, so that one that joins is seen at once. A probe may still take the
    /// whole deadline; the next one starts after it.
    pub until_ready: Duration,
    /// By which part of itself a period may be shorter, at random, so that many targets are not probed at the same moment.
    /// Never longer: what a failure may take to be noticed stays `failures × period + deadline`. From 0 to 1.
    pub jitter: f64,
    /// What the jitter is drawn from.
    pub seed: u64,
}

// === impl ProbeSchedule ===

impl ProbeSchedule {
    /// A schedule of one period, everything else in proportion to the defaults.
    pub fn every(period: Duration) -> Self {
        let default = Self::default();
        Self { period, deadline: default.deadline.min(period), until_ready: default.until_ready.min(period), ..default }
    }

    /// The same schedule with jitter of its own for the target called `name`.
    pub fn for_target(self, name: &str) -> Self {
        Self { seed: name.bytes().fold(self.seed, |seed, byte| mix(seed ^ u64::from(byte))), ..self }
    }

    /// How long a probe may take.
    pub fn deadline(&self) -> Duration {
        self.deadline.min(self.period)
    }

    /// From the start of probe number `probe` to the start of the next.
    pub fn wait(&self, probe: u64, ever_healthy: bool) -> Duration {
        let period = if ever_healthy { self.period } else { self.until_ready.min(self.period) };
        // 53 bits: as many as a double holds.
        let drawn = (mix(self.seed ^ mix(probe)) >> 11) as f64 / (1u64 << 53) as f64;
        let jitter = if self.jitter.is_finite() { self.jitter.clamp(0.0, 1.0) } else { 0.0 };
        period.mul_f64(1.0 - jitter * drawn)
    }
}

impl Default for ProbeSchedule {
    /// Every 5 s with 3 s to answer, every 1 s until first well, up to a tenth earlier.
    fn default() -> Self {
        Self {
            period: Duration::from_secs(5),
            deadline: Duration::from_secs(3),
            until_ready: Duration::from_secs(1),
            jitter: 0.1,
            seed: 0,
        }
    }
}

/// The finalizer of splitmix64: neighbouring numbers become unrelated ones.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_never_exceeds_its_period() {
        assert_eq!(ProbeSchedule::default().deadline(), Duration::from_secs(3));
        assert_eq!(ProbeSchedule::every(Duration::from_secs(1)).deadline(), Duration::from_secs(1));
        let late = ProbeSchedule { deadline: Duration::from_secs(60), ..ProbeSchedule::default() };
        assert_eq!(late.deadline(), Duration::from_secs(5));
    }

    #[test]
    fn jitter_only_shortens_and_comes_from_the_seed() {
        let schedule = ProbeSchedule::default();
        let waits = |schedule: ProbeSchedule| (0..200).map(|probe| schedule.wait(probe, true)).collect::<Vec<_>>();
        assert!(waits(schedule).iter().all(|wait| (4.5..=5.0).contains(&wait.as_secs_f64())));
        assert!(waits(schedule).iter().any(|wait| wait.as_secs_f64() < 4.6));
        assert_eq!(waits(schedule), waits(schedule));
        assert_ne!(waits(schedule.for_target("fed-west")), waits(schedule.for_target("fed-east")));
        let steady = ProbeSchedule { jitter: 0.0, ..schedule };
        assert!(waits(steady).iter().all(|wait| *wait == Duration::from_secs(5)));
        let absurd = ProbeSchedule { jitter: f64::NAN, ..schedule };
        assert_eq!(waits(absurd), waits(steady));
    }

    #[test]
    fn a_target_that_was_never_well_is_probed_more_often() {
        let steady = ProbeSchedule { jitter: 0.0, ..ProbeSchedule::default() };
        assert_eq!(steady.wait(0, false), Duration::from_secs(1));
        let fast = ProbeSchedule { period: Duration::from_millis(200), ..steady };
        assert_eq!(fast.wait(0, false), Duration::from_millis(200), "but never less often");
    }
}
