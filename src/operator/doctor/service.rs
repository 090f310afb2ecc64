//! What the server reports about itself: memory, persistence, latency, access.

use super::{Finding, Told, human};

/// A snapshot older than this, with changes since, is reported.
const STALE_SAVE_S: i64 = 24 * 3600;
/// A fork, a turn or a command that blocks all clients for longer is reported.
const SLOW_US: i64 = 100_000;
/// Elements or bytes from which a key counts as big: reading or copying all of it is noticeable.
const BIG: i64 = 1 << 20;

pub(super) fn look(told: &Told) -> Vec<Finding> {
    let mut found = Vec::new();
    memory(told, &mut found);
    persistence(told, &mut found);
    speed(told, &mut found);
    big_keys(told, &mut found);
    access(told, &mut found);
    clients(told, &mut found);
    found
}

fn memory(told: &Told, to: &mut Vec<Finding>) {
    let (used, max) = (told.number("used_memory"), told.number("maxmemory"));
    let total = told.number("total_system_memory");
    if max == 0 {
        let half = human(total / 2);
        to.push(match used > total / 2 {
            true => Finding::warn(
                "memory",
                format!(
                    "{} of {} in use and no limit: the kernel ends the process that fills \
                         the machine",
                    human(used),
                    human(total)
                ),
                format!(
                    "CONFIG SET maxmemory {} and a maxmemory-policy",
                    total * 3 / 4
                ),
            ),
            false => Finding::note(
                "memory",
                format!(
                    "no maxmemory; {} in use, half of the machine is {half}",
                    human(used)
                ),
            ),
        });
    } else if max > total * 9 / 10 {
        to.push(Finding::warn(
            "memory",
            format!(
                "maxmemory is {} of {}: buffers, snapshots and the system need the rest",
                human(max),
                human(total)
            ),
            format!("CONFIG SET maxmemory {}", total * 3 / 4),
        ));
    } else if used > max * 9 / 10 {
        let policy = told.config("maxmemory-policy");
        let text = format!("{} of {} in use, policy {policy}", human(used), human(max));
        to.push(match policy {
            "noeviction" | "" => Finding::warn(
                "memory",
                format!("{text}: writes are soon refused"),
                "raise maxmemory, delete keys, or set maxmemory-policy allkeys-lru for a cache",
            ),
            _ => Finding::note("memory", format!("{text}: keys are evicted")),
        });
    } else {
        to.push(Finding::fine(
            "memory",
            format!("{} of {} in use", human(used), human(max)),
        ));
    }
    let ratio: f64 = told
        .info
        .get("mem_fragmentation_ratio")
        .and_then(|r| r.parse().ok())
        .unwrap_or(1.0);
    if ratio > 1.5 && used > 256 << 20 {
        to.push(Finding::warn(
            "fragmentation",
            format!("the process holds {ratio} times what is in use"),
            "MEMORY PURGE, or a restart in a quiet hour",
        ));
    }
}

fn persistence(told: &Told, to: &mut Vec<Finding>) {
    let aof = told.is("aof_enabled", "1");
    let saves = !told.config("save").is_empty();
    if !aof && !saves {
        to.push(Finding::note(
            "persistence",
            "off: a restart begins with nothing (for data that must last: appendonly yes)",
        ));
    }
    for (field, what, mend) in [
        (
            "rdb_last_bgsave_status",
            "snapshot",
            "see the log for the reason, make room, BGSAVE",
        ),
        (
            "aof_last_write_status",
            "append only file",
            "see the log for the reason, make room on the disk",
        ),
        (
            "aof_last_bgrewrite_status",
            "rewrite",
            "see the log for the reason, make room, BGREWRITEAOF",
        ),
    ] {
        if told.is(field, "err") {
            to.push(Finding::warn(
                what,
                "the last one failed; writes may be refused",
                mend,
            ));
        }
    }
    let age = told.number("server_time_usec") / 1_000_000 - told.number("rdb_last_save_time");
    let changes = told.number("rdb_changes_since_last_save");
    if saves && !aof && age > STALE_SAVE_S && changes > 0 {
        to.push(Finding::warn(
            "snapshot",
            format!(
                "{changes} changes are in no snapshot; the last is {} hours old",
                age / 3600
            ),
            "BGSAVE, and save points that fit how much is written",
        ));
    } else if aof || saves {
        let how = match (aof, saves) {
            (true, true) => "append only file and snapshots",
            (true, false) => "append only file",
            _ => "snapshots",
        };
        to.push(Finding::fine("persistence", how));
    }
    if aof && told.config("appendfsync") == "no" {
        to.push(Finding::note("append only file", "appendfsync no: a crash of the machine loses what the kernel has not written, half a minute or so"));
    }
    let damaged = told.number("aof_damaged_files");
    if damaged > 0 {
        let first = told.info.get("aof_first_damage");
        to.push(Finding::warn(
            "append only file",
            format!(
                "{damaged} of its files are damaged, so a restart would not load it: {}",
                first.map_or("see the log", |first| first.as_str())
            ),
            "BGREWRITEAOF now, while the server has the data; then look for the cause at the disk",
        ));
    }
    if told.number("aof_delayed_fsync") > 0 {
        to.push(Finding::note(
            "disk",
            format!(
                "an fsync was waited for {} times: the disk is slower than the writes",
                told.number("aof_delayed_fsync")
            ),
        ));
    }
}

fn speed(told: &Told, to: &mut Vec<Finding>) {
    let fork = told.number("latest_fork_usec");
    if fork > SLOW_US {
        to.push(Finding::warn(
            "fork",
            format!("the last one held everybody up for {} ms", fork / 1000),
            "CONFIG SET snapshot-method loop",
        ));
    }
    match &told.slowest {
        Some((micros, words)) if *micros > SLOW_US => to.push(Finding::warn(
            "slow commands",
            format!(
                "{words:?} took {} ms; nobody else is served meanwhile",
                micros / 1000
            ),
            "SLOWLOG GET shows them; SCAN in place of KEYS, ranges in place of whole values",
        )),
        Some((micros, words)) => {
            to.push(Finding::note(
                "slow commands",
                format!("the slowest, {words:?}, took {micros} us"),
            ));
        }
        None => to.push(Finding::fine("slow commands", "none in SLOWLOG")),
    }
    let turn = told.number("eventloop_duration_max");
    if turn > SLOW_US {
        to.push(Finding::note(
            "loop",
            format!("its longest turn took {} ms", turn / 1000),
        ));
    }
}

/// INFO keysizes has the number of keys per size bin, in powers of two.
fn big_keys(told: &Told, to: &mut Vec<Finding>) {
    let mut big: Vec<String> = Vec::new();
    for (field, text) in &told.info {
        let Some((db, kind)) = field.split_once("_distrib_") else {
            continue;
        };
        let bins = text.split(',').filter_map(|bin| bin.split_once('='));
        let keys: i64 = bins
            .filter(|(size, _)| size_of_bin(size) >= BIG)
            .filter_map(|(_, keys)| keys.parse::<i64>().ok())
            .sum();
        if keys > 0 {
            let unit = if kind == "strings_sizes" {
                "bytes"
            } else {
                "elements"
            };
            let kind = kind.split('_').next().unwrap_or(kind);
            big.push(format!("{keys} {kind} of a million {unit} or more in {db}"));
        }
    }
    big.sort();
    to.push(match big.is_empty() {
        true => Finding::fine("big keys", "none"),
        false => Finding::note(
            "big keys",
            format!(
                "{}; commands on all of one are slow (redis-cli --bigkeys names them)",
                big.join(", ")
            ),
        ),
    });
}

/// Parses `512`, `1K`, `4M`: INFO's abbreviations of powers of two.
fn size_of_bin(text: &str) -> i64 {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_uppercase());
    let unit = "KMGTPE"
        .find(&text[digits.len()..])
        .filter(|_| digits.len() < text.len());
    let shift = unit.map_or(0, |at| 10 * (at + 1));
    digits
        .parse::<i64>()
        .map_or(0, |n| n.saturating_mul(1 << shift))
}

fn access(told: &Told, to: &mut Vec<Finding>) {
    let open = told.config("requirepass").is_empty() && told.config("aclfile").is_empty();
    let everywhere = told
        .config("bind")
        .split(' ')
        .any(|word| matches!(word.trim_start_matches('-'), "*" | "0.0.0.0" | "::*" | "::"));
    let protected = told.config("protected-mode") == "yes";
    if !told.config.is_empty() && open && everywhere && !protected {
        to.push(Finding::warn(
            "access",
            "whoever reaches the port may do everything: no password, all addresses, no protected mode",
            "CONFIG SET requirepass, or bind to the addresses that are needed",
        ));
    }
}

fn clients(told: &Told, to: &mut Vec<Finding>) {
    let (now, max) = (told.number("connected_clients"), told.number("maxclients"));
    if max > 0 && now > max * 8 / 10 {
        to.push(Finding::warn(
            "clients",
            format!("{now} of {max} are connected: others are soon refused"),
            "CONFIG SET maxclients, or timeout to close the idle",
        ));
    }
    let rejected = told.number("rejected_connections");
    if rejected > 0 {
        to.push(Finding::note(
            "clients",
            format!("{rejected} connections were refused"),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{told, warnings};
    use super::*;

    #[test]
    fn a_server_in_order_is_left_alone() {
        let told = told(
            &[
                ("used_memory", "1000"),
                ("maxmemory", "100000"),
                ("total_system_memory", "1000000"),
                ("aof_enabled", "1"),
            ],
            &[
                ("bind", "127.0.0.1"),
                ("protected-mode", "yes"),
                ("requirepass", ""),
            ],
        );
        assert_eq!(warnings(&look(&told)), [""; 0]);
    }

    #[test]
    fn damage_of_the_append_only_file_is_named_with_its_place() {
        let told = told(
            &[
                ("total_system_memory", "1000000"),
                ("aof_enabled", "1"),
                ("aof_damaged_files", "2"),
                (
                    "aof_first_damage",
                    "a.1.base.rdb, offset 17: it ends too early",
                ),
            ],
            &[("bind", "127.0.0.1"), ("protected-mode", "yes")],
        );
        let found = look(&told);
        let damage = found
            .iter()
            .find(|f| f.text.contains("2 of its files are damaged"));
        let damage = damage.expect("it is found");
        assert!(damage.text.contains("a.1.base.rdb, offset 17"));
        let mend = damage.mend.as_deref().expect("a way out");
        assert!(mend.contains("BGREWRITEAOF"), "{mend}");
    }

    #[test]
    fn what_hurts_is_named() {
        let mut told = told(
            &[
                ("used_memory", "990"),
                ("maxmemory", "1000"),
                ("total_system_memory", "100000"),
                ("rdb_last_bgsave_status", "err"),
                ("latest_fork_usec", "900000"),
                ("connected_clients", "99"),
                ("maxclients", "100"),
                ("db0_distrib_lists_items", "512=3,2M=1"),
            ],
            &[
                ("bind", "* -::*"),
                ("protected-mode", "no"),
                ("maxmemory-policy", "noeviction"),
                ("save", "900 1"),
            ],
        );
        told.slowest = Some((2_000_000, "KEYS *".to_owned()));
        let found = look(&told);
        assert_eq!(
            warnings(&found),
            [
                "memory",
                "snapshot",
                "fork",
                "slow commands",
                "access",
                "clients"
            ]
        );
        let big = found.iter().find(|f| f.what == "big keys").expect("a look");
        assert!(
            big.text
                .starts_with("1 lists of a million elements or more in db0"),
            "{}",
            big.text
        );
        assert!(
            found
                .iter()
                .all(|f| f.weight != super::super::Weight::Warn || f.mend.is_some())
        );
    }

    #[test]
    fn changes_that_no_snapshot_has_grow_old() {
        let info = [
            ("server_time_usec", "200000000000"),
            ("rdb_last_save_time", "100000"),
            ("rdb_changes_since_last_save", "7"),
            ("total_system_memory", "100"),
        ];
        let told = told(&info, &[("save", "3600 1")]);
        assert_eq!(warnings(&look(&told)), ["snapshot"]);
    }
}
