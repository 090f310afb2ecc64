//! Whether memory is short: of the machine, or of the container.

use super::cgroup;

/// The least part of the machine's memory that should be available, a part in so many.
const MACHINE_PARTS: u64 = 20;
/// The least part of a control group's limit that should be left, a part in so many.
const GROUP_PARTS: u64 = 10;

/// Whether less than a twentieth of the machine's memory is available, or less than a tenth of a
/// control group's limit is left. Reads a few files: about 50 microseconds.
pub fn is_short() -> bool {
    let machine = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    is_machine_short(&machine) || cgroup::is_short_of(GROUP_PARTS)
}

/// `machine`: as in `/proc/meminfo`.
fn is_machine_short(machine: &str) -> bool {
    let line = |name: &str| {
        let rest = machine.lines().find_map(|line| line.strip_prefix(name))?;
        rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    match (line("MemTotal:"), line("MemAvailable:")) {
        (Some(total), Some(available)) => available < total / MACHINE_PARTS,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_short_of_what_is_available() {
        let machine = |available: u64| {
            format!("MemTotal:        2000 kB\nMemFree: 1 kB\nMemAvailable:     {available} kB\n")
        };
        assert!(!is_machine_short(&machine(100)));
        assert!(is_machine_short(&machine(99)));
        assert!(!is_machine_short("unreadable"));
    }
}
