//! What a federation has done and computed so far.

use std::fmt;
use std::time::Duration;

use kfed_benches::resources::threads_cpu_time;

use crate::figures::milliseconds;
use crate::fleet::{CONTROL_PLANE, Fleet, SERVERS};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    control_plane: Duration,
    servers: Duration,
    plans: usize,
    federation_writes: u64,
}

/// What each of many things has cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Each {
    all: Spent,
    count: usize,
}

// === impl Spent ===

impl Spent {
    pub(crate) fn of(fleet: &Fleet) -> Self {
        Self {
            control_plane: threads_cpu_time(CONTROL_PLANE).unwrap_or_default(),
            servers: threads_cpu_time(SERVERS).unwrap_or_default(),
            plans: fleet.looks.plans(),
            federation_writes: fleet.api.writes(),
        }
    }

    /// What has been spent until `after`.
    pub(crate) fn until(&self, after: &Self) -> Self {
        Self {
            control_plane: after.control_plane - self.control_plane,
            servers: after.servers - self.servers,
            plans: after.plans - self.plans,
            federation_writes: after.federation_writes - self.federation_writes,
        }
    }

    /// Without `times` of the CPU time that is spent by the way.
    pub(crate) fn without(self, idle: &Self, times: f64) -> Self {
        let control_plane = self.control_plane.saturating_sub(idle.control_plane.mul_f64(times));
        let servers = self.servers.saturating_sub(idle.servers.mul_f64(times));
        Self { control_plane, servers, ..self }
    }

    /// As what each of `count` things has cost.
    pub(crate) fn each(self, count: usize) -> Each {
        Each { all: self, count }
    }
}

impl fmt::Display for Each {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = u32::try_from(self.count).unwrap_or(u32::MAX).max(1);
        let share = |number: f64| number / f64::from(count);
        write!(
            f,
            "each: {} of CPU time, {:.1} placements, {:.1} writes to the federation; of the servers' CPU time {}",
            milliseconds(self.all.control_plane / count),
            share(self.all.plans as f64),
            share(self.all.federation_writes as f64),
            milliseconds(self.all.servers / count)
        )
    }
}
