//! Whether memory is short: of the machine, or of the container.

use super::{cgroup, usage};

/// The least share of the machine's memory that should be available: one in this many parts,
const MACHINE_SHARE: u64 = 20;
/// and of what the process may use that it should leave.
const OWN_SHARE: u64 = 10;

/// Whether the process holds more than nine tenths of what it may use, or less than a twentieth of the
/// machine's memory is available. Reads a few files: about 50 microseconds.
pub fn is_short() -> bool {
    let (limit, _) = cgroup::available_bytes();
    let machine = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    is_short_of(limit, usage::resident_bytes() as u64, &machine)
}

/// `limit`: what the process may use; `machine`: as in `/proc/meminfo`.
fn is_short_of(limit: u64, resident: u64, machine: &str) -> bool {
    let line = |name: &str| {
        let rest = machine.lines().find_map(|line| line.strip_prefix(name))?;
        rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    let is_machine_short = match (line("MemTotal:"), line("MemAvailable:")) {
        (Some(total), Some(available)) => available < total / MACHINE_SHARE,
        _ => false,
    };
    is_machine_short || resident > limit - limit / OWN_SHARE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_short_by_the_limit_or_by_the_machine() {
        let machine = |available: u64| {
            format!("MemTotal:        2000 kB\nMemFree: 1 kB\nMemAvailable:     {available} kB\n")
        };
        assert!(!is_short_of(1000, 900, &machine(100)));
        assert!(is_short_of(1000, 901, &machine(100)));
        assert!(is_short_of(1000, 1, &machine(99)));
        assert!(!is_short_of(1000, 1, "unreadable"));
    }
}
