//! What a process takes of its machine; none where there is no `/proc`.

use std::time::Duration;

/// How much memory this process holds, in bytes.
pub fn resident_bytes() -> Option<u64> {
    memory("self", "VmRSS")
}

/// How much memory process `pid` holds by `field` of its status, in bytes.
pub fn memory(pid: &str, field: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// How long this process's first thread has computed.
pub fn cpu_time() -> Option<Duration> {
    cpu_time_of("/proc/self/schedstat")
}

/// How long this process's threads of a name have computed. A name has 15 characters at most.
pub fn threads_cpu_time(name: &str) -> Option<Duration> {
    let tasks = std::fs::read_dir("/proc/self/task").ok()?.flatten().map(|task| task.path());
    let is_one = |task: &std::path::PathBuf| {
        std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim_end() == name)
    };
    tasks.filter(is_one).map(|task| cpu_time_of(task.join("schedstat"))).sum()
}

/// How long process `pid` has computed, to a hundredth of a second.
pub fn process_cpu_time(pid: &str) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; user and system time are the 14th and 15th field (proc(5)).
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks = fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().ok()).sum::<Option<u64>>()?;
    Some(Duration::from_millis(ticks * 10))
}

fn cpu_time_of(schedstat: impl AsRef<std::path::Path>) -> Option<Duration> {
    let text = std::fs::read_to_string(schedstat).ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}
