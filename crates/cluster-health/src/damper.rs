//! What has died must be well for a while before it counts again, for longer each time that it dies soon after. There is no
//! clock in it: whoever asks says what time it is.

use std::time::Duration;

use serde::Serialize;

/// How long what has died must be well before it counts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Damping {
    /// After the first death; each further one doubles it. With 0 nothing is ever held.
    pub stable: Duration,
    /// The longest that it ever is; never shorter than `stable`.
    pub longest: Duration,
    /// What has counted for so long without dying has no past.
    pub forget: Duration,
}

/// Whether a target counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Damped {
    /// It is well, and counts.
    Up,
    /// It is not.
    Down,
    /// It is well again, and does not count before this moment, on the clock of whoever asks.
    Held {
        /// The moment.
        until: Duration,
    },
}

/// One target's standing. A death shows at once; a return only after the target has been well without interruption for as long as
/// its past asks for:
///
/// ```text
///  well, for the first time       dies                 is well          well for stable × 2^(deaths - 1)
///  ───────────────────────► Up ─────────► Down ◄────────────────► Held ───────────────────────► Up
///                            deaths += 1        dies again: anew
/// ```
///
/// So flaps that are shorter than `stable` are one death and one return, however many they are. A death while it is held is no
/// further one: nobody has seen the return.
#[derive(Debug, Clone)]
pub struct Damper {
    damping: Damping,
    deaths: u32,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Never seen well.
    New,
    Up {
        since: Duration,
    },
    Down,
    Held {
        since: Duration,
    },
}

// === impl Damping ===

impl Damping {
    /// The longest hold and the memory in proportion to the defaults, for targets that return after `stable`.
    pub fn after(stable: Duration) -> Self {
        let default = Self::default();
        let longest = default.longest.max(stable);
        Self { stable, longest, forget: default.forget.max(longest * 2) }
    }

    /// How long a target must be well that has died so many times.
    pub fn hold(&self, deaths: u32) -> Duration {
        let doubled = 1u32.checked_shl(deaths.saturating_sub(1)).unwrap_or(u32::MAX);
        self.stable.saturating_mul(doubled).min(self.longest.max(self.stable))
    }
}

impl Default for Damping {
    /// 10 s, doubled up to 5 min, forgotten after 10 min. Ten flaps in a minute are well for less than 6 s each.
    fn default() -> Self {
        Self { stable: Duration::from_secs(10), longest: Duration::from_secs(300), forget: Duration::from_secs(600) }
    }
}

// === impl Damper ===

impl Damper {
    /// A target without a past.
    pub fn new(damping: Damping) -> Self {
        Self { damping, deaths: 0, state: State::New }
    }

    /// Takes in whether the target is well at `now`, a time since any fixed moment, and tells whether it counts. A clock that
    /// goes back lengthens a hold and breaks nothing.
    pub fn observe(&mut self, well: bool, now: Duration) -> Damped {
        self.state = match (self.state, well) {
            (State::New, false) => State::New,
            (State::New, true) => State::Up { since: now },
            (State::Up { since }, false) => {
                if now.saturating_sub(since) >= self.damping.forget {
                    self.deaths = 0;
                }
                self.deaths = self.deaths.saturating_add(1);
                State::Down
            }
            (State::Down | State::Held { .. }, false) => State::Down,
            (State::Down, true) => State::Held { since: now },
            (state, true) => state,
        };
        if let State::Held { since } = self.state {
            let until = since.saturating_add(self.damping.hold(self.deaths));
            if now < until {
                return Damped::Held { until };
            }
            self.state = State::Up { since: now };
        }
        if matches!(self.state, State::Up { .. }) { Damped::Up } else { Damped::Down }
    }

    /// How often it has died in its present past.
    pub fn deaths(&self) -> u32 {
        self.deaths
    }

    /// Whether it has died lately: what has no past need not be remembered.
    pub fn has_past(&self, now: Duration) -> bool {
        match self.state {
            State::New => false,
            State::Up { since } => self.deaths > 0 && now.saturating_sub(since) < self.damping.forget,
            State::Down | State::Held { .. } => true,
        }
    }
}
