//! The server's own figures: memory, persistence, speed, big keys, access, clients.
//!
//! Each check reads the server's INFO and CONFIG GET and gives findings: nothing is measured here.
//! A limit is judged by what may come, not by the present use alone: `maxmemory` covers keys, so
//! output buffers and the like must fit beside it. The machine is checked in `machine`, links in
//! `replication`.

use super::answers::{Answers, PackingLine};
use super::report::{human, list};
use russet_base::finding::Finding;

/// A snapshot older than this, with changes since, is reported.
const STALE_SAVE_S: i64 = 24 * 3600;
/// A fork, a turn or a command that blocks all clients for longer is reported.
const SLOW_US: i64 = 100_000;
/// Elements or bytes from which a key counts as big: reading or copying all of it is noticeable.
const BIG: i64 = 1 << 20;

pub(super) fn look(answers: &Answers) -> Vec<Finding> {
    let mut found = Vec::new();
    memory(answers, &mut found);
    packing(answers, &mut found);
    persistence(answers, &mut found);
    speed(answers, &mut found);
    big_keys(answers, &mut found);
    access(answers, &mut found);
    clients(answers, &mut found);
    found
}

/// `maxmemory` covers keys. Memory that does not count towards it must fit beside it: now, and when
/// clients hold as much as they may.
fn memory(answers: &Answers, to: &mut Vec<Finding>) {
    let (used, max) = (answers.number("used_memory"), answers.number("maxmemory"));
    let beside = answers.number("mem_not_counted_for_evict");
    let (total, clients) = (answers.memory, clients_may_hold(answers));
    let counted = (used - beside).max(0);
    let of_clients = if answers.config("maxmemory-clients") == "0" {
        "maxmemory-clients 0 is a share of it"
    } else {
        "maxmemory-clients"
    };
    let bounds = format!("maxmemory ({})", human(max));
    to.push(if max == 0 && used > total / 2 {
        Finding::warning(
            "memory",
            format!(
                "{} of {} in use and no limit: the kernel ends the process that fills the machine",
                human(used),
                human(total)
            ),
            "CONFIG SET maxmemory auto, and a maxmemory-policy",
        )
    } else if max == 0 {
        Finding::notice(
            "memory",
            format!(
                "no maxmemory; {} in use, half of the machine is {}",
                human(used),
                human(total / 2)
            ),
        )
    } else if max.saturating_add(beside) > total {
        Finding::warning(
            "memory",
            format!(
                "{bounds} and what does not count towards it ({}) are more than the {} that there are: \
                 the kernel ends the process",
                human(beside),
                human(total)
            ),
            more_room(answers),
        )
    } else if max.saturating_add(clients) > total {
        Finding::warning(
            "memory",
            format!(
                "{bounds} of {} leaves too little: clients alone may hold {} beside it ({of_clients}), \
                 and the log, snapshots and the system need the rest",
                human(total),
                human(clients)
            ),
            more_room(answers),
        )
    } else if counted > max / 10 * 9 {
        let policy = answers.config("maxmemory-policy");
        let text = format!("{} of {} in use, policy {policy}", human(counted), human(max));
        match policy {
            "noeviction" | "" => Finding::warning(
                "memory",
                format!("{text}: writes are soon refused"),
                "raise maxmemory, delete keys, or set maxmemory-policy allkeys-lru for a cache",
            ),
            _ => Finding::notice("memory", format!("{text}: keys are evicted")),
        }
    } else {
        Finding::ok(
            "memory",
            format!(
                "{} of {} in use, and {} beside that",
                human(counted),
                human(max),
                human(beside)
            ),
        )
    });
    blessed(answers, to);
    let ratio: f64 = answers
        .info
        .get("mem_fragmentation_ratio")
        .and_then(|r| r.parse().ok())
        .unwrap_or(1.0);
    if ratio > 1.5 && used > 256 << 20 {
        to.push(Finding::warning(
            "fragmentation",
            format!("the process holds {ratio} times what is in use"),
            "MEMORY PURGE, or a restart in a quiet hour",
        ));
    }
}

/// The memory that `compress-values` would save, where that is a tenth and more.
fn packing(answers: &Answers, to: &mut Vec<Finding>) {
    /// Less is not worth the time of reading packed values.
    const WORTH_BYTES: i64 = 64 << 20;
    const WORTH_SHARE: i64 = 10;
    let saved = |line: &PackingLine| line.bytes - line.packed_bytes;
    let all: i64 = answers.packing.iter().map(saved).sum();
    if all < WORTH_BYTES || all < answers.number("used_memory") / WORTH_SHARE {
        return;
    }
    let pays = answers.packing.iter().filter(|line| saved(line) > all / 20);
    let lines = list(pays.map(|line| {
        let share = line.packed_bytes as f64 / line.bytes.max(1) as f64;
        let PackingLine { prefix, .. } = line;
        format!(
            "{prefix} would take {share:.2} of its memory, saves {}",
            human(saved(line))
        )
    }));
    let text = format!("values that could be packed: {lines}");
    let is_on = !matches!(answers.config("compress-values"), "no" | "");
    to.push(if is_on {
        Finding::notice("packing", text)
    } else {
        Finding::notice("packing", text).with_remedy(
            "CONFIG SET compress-values auto packs what has not been used for long, once memory is \
             short; reads of it take 1 to 2 microseconds more",
        )
    });
}

/// Keys that BLESS has marked: once the others are evicted, writes are refused.
fn blessed(answers: &Answers, to: &mut Vec<Finding>) {
    let marked = answers.number("blessed_keys");
    let policy = answers.config("maxmemory-policy");
    if marked == 0 || matches!(policy, "noeviction" | "") {
        return;
    }
    let databases = answers.info.iter().filter(|(name, _)| {
        let number = name.strip_prefix("db");
        number.is_some_and(|number| number.bytes().all(|digit| digit.is_ascii_digit()))
    });
    let keys = databases.filter_map(|(_, figures)| {
        let keys = figures
            .split(',')
            .find_map(|one| one.strip_prefix("keys="))?;
        keys.parse::<i64>().ok()
    });
    let keys: i64 = keys.sum();
    let text = format!("{marked} of {keys} keys are never evicted (BLESS)");
    to.push(if marked > keys / 10 * 9 {
        Finding::warning(
            "blessed",
            format!("{text}: when maxmemory is reached, writes are refused"),
            "BLESS CLEAR keys that may be evicted, or raise maxmemory; BLESS SCAN names them",
        )
    } else {
        Finding::notice("blessed", text)
    });
}

/// Bytes that all clients may hold beside `maxmemory`; the server closes the largest from there on.
fn clients_may_hold(answers: &Answers) -> i64 {
    const SHARE_MIN: i64 = 32 << 20;
    let max = answers.number("maxmemory");
    let set = answers.config("maxmemory-clients");
    if let Some(percent) = set.strip_suffix('%') {
        return max / 100 * percent.parse().unwrap_or(0);
    }
    match answers.config_number("maxmemory-clients") {
        0 if answers.config("maxmemory") == "auto" => (answers.memory - max).max(0) / 2,
        0 => (max / 4).max(SHARE_MIN),
        bytes => bytes,
    }
}

/// The remedy that makes room beside `maxmemory`.
fn more_room(answers: &Answers) -> String {
    if answers.config("maxmemory") == "auto" {
        let reserve = answers.config("maxmemory-reserve");
        return format!("raise maxmemory-reserve (now {reserve}), or lower maxmemory-clients");
    }
    "CONFIG SET maxmemory auto: it leaves room for both".to_owned()
}

fn persistence(answers: &Answers, to: &mut Vec<Finding>) {
    let aof = answers.is("aof_enabled", "1");
    let saves = !answers.config("save").is_empty();
    if !aof && !saves {
        to.push(Finding::notice(
            "persistence",
            "off: a restart begins with nothing (for data that must last: appendonly yes)",
        ));
    }
    failed_writes(answers, to);
    unsaved_changes(answers, to);
    if aof || saves {
        let how = match (aof, saves) {
            (true, true) => "append only file and snapshots",
            (true, false) => "append only file",
            _ => "snapshots",
        };
        to.push(Finding::ok("persistence", how));
    }
    if aof && answers.config("appendfsync") == "no" {
        to.push(Finding::notice("append only file", "appendfsync no: a crash of the machine loses what the kernel has not written, half a minute or so"));
    }
    damage(answers, to);
}

/// Snapshots, writes and rewrites that failed.
fn failed_writes(answers: &Answers, to: &mut Vec<Finding>) {
    if answers.is("rdb_last_bgsave_status", "err") {
        let why = answers.info.get("rdb_last_bgsave_error");
        to.push(Finding::critical(
            "snapshot",
            format!(
                "the last snapshot failed, and writes may be refused: {}",
                why.map_or("see the log for the reason", String::as_str)
            ),
            "free space or give dir to the server's user, then BGSAVE",
        ));
    }
    if answers.is("aof_last_write_status", "err") {
        to.push(Finding::critical(
            "append only file",
            "the last write failed: writes are refused",
            "see the log for the reason, free space on the disk",
        ));
    }
    if answers.is("aof_last_bgrewrite_status", "err") {
        to.push(Finding::warning(
            "rewrite",
            "the last rewrite failed: the append only file grows until a rewrite succeeds",
            "see the log for the reason, make room, BGREWRITEAOF",
        ));
    }
}

/// Changes that a crash would lose.
fn unsaved_changes(answers: &Answers, to: &mut Vec<Finding>) {
    let aof = answers.is("aof_enabled", "1");
    let saves = !answers.config("save").is_empty();
    let age = answers.number("server_time_usec") / 1_000_000 - answers.number("rdb_last_save_time");
    let changes = answers.number("rdb_changes_since_last_save");
    if saves && !aof && age > STALE_SAVE_S && changes > 0 {
        to.push(Finding::warning(
            "snapshot",
            format!(
                "{changes} changes are in no snapshot; the last is {} hours old",
                age / 3600
            ),
            "BGSAVE, and save points that fit how much is written",
        ));
    } else if !aof && changes > 0 {
        let last = if saves && is_unsaved(answers) {
            "no snapshot has been written since the start".to_owned()
        } else if saves {
            format!("the last snapshot is {} min old", age / 60)
        } else {
            "nothing is saved (no save points, appendonly no)".to_owned()
        };
        let noun = if changes == 1 { "change" } else { "changes" };
        let text = format!("a crash now loses {changes} {noun}: {last}");
        to.push(Finding::notice("snapshot", text));
    }
}

/// Damaged files, and a disk that is too slow.
fn damage(answers: &Answers, to: &mut Vec<Finding>) {
    let damaged = answers.number("aof_damaged_files");
    if damaged > 0 {
        let first = answers.info.get("aof_first_damage");
        to.push(Finding::warning(
            "append only file",
            format!(
                "{damaged} of its files are damaged, so a restart would not load it: {}",
                first.map_or("see the log", |first| first.as_str())
            ),
            "BGREWRITEAOF now, while the server has the data; then look for the cause at the disk",
        ));
    }
    if answers.number("aof_delayed_fsync") > 0 {
        to.push(Finding::notice(
            "disk",
            format!(
                "an fsync was waited for {} times: the disk is slower than the writes",
                answers.number("aof_delayed_fsync")
            ),
        ));
    }
}

fn speed(answers: &Answers, to: &mut Vec<Finding>) {
    let fork = answers.number("latest_fork_usec");
    if fork > SLOW_US {
        to.push(Finding::warning(
            "fork",
            format!("the last fork blocked all clients for {} ms", fork / 1000),
            "CONFIG SET snapshot-method loop",
        ));
    }
    match &answers.slowest {
        Some((micros, words)) if *micros > SLOW_US => to.push(Finding::warning(
            "slow commands",
            format!(
                "{words:?} took {} ms; no other client is served meanwhile",
                micros / 1000
            ),
            "SLOWLOG GET shows them; SCAN in place of KEYS, ranges in place of whole values",
        )),
        Some((micros, words)) => {
            to.push(Finding::notice(
                "slow commands",
                format!("the slowest, {words:?}, took {micros} us"),
            ));
        }
        None => to.push(Finding::ok("slow commands", "none in SLOWLOG")),
    }
    let turn = answers.number("eventloop_duration_max");
    if turn > SLOW_US {
        to.push(Finding::notice(
            "loop",
            format!("its longest turn took {} ms", turn / 1000),
        ));
    }
}

/// INFO keysizes has the number of keys per size bin, in powers of two.
fn big_keys(answers: &Answers, to: &mut Vec<Finding>) {
    let mut big: Vec<String> = Vec::new();
    for (field, text) in &answers.info {
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
    to.push(if big.is_empty() {
        Finding::ok("big keys", "none")
    } else {
        Finding::notice(
            "big keys",
            format!(
                "{}; commands on all of one are slow (redis-cli --bigkeys names them)",
                big.join(", ")
            ),
        )
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

fn access(answers: &Answers, to: &mut Vec<Finding>) {
    let open = answers.config("requirepass").is_empty() && answers.config("aclfile").is_empty();
    let everywhere = answers
        .config("bind")
        .split(' ')
        .any(|word| matches!(word.trim_start_matches('-'), "*" | "0.0.0.0" | "::*" | "::"));
    let protected = answers.config("protected-mode") == "yes";
    if !answers.config.is_empty() && open && everywhere && !protected {
        to.push(Finding::warning(
            "access",
            "whoever reaches the port may do everything: no password, all addresses, no protected mode",
            "CONFIG SET requirepass, or bind to the addresses that are needed",
        ));
    }
}

fn clients(answers: &Answers, to: &mut Vec<Finding>) {
    let (now, max) = (
        answers.number("connected_clients"),
        answers.number("maxclients"),
    );
    if max > 0 && now > max * 8 / 10 {
        to.push(Finding::warning(
            "clients",
            format!("{now} of {max} are connected: others are soon refused"),
            "CONFIG SET maxclients, or timeout to close the idle",
        ));
    }
    let rejected = answers.number("rejected_connections");
    if rejected > 0 {
        to.push(Finding::notice(
            "clients",
            format!("{rejected} connections were refused"),
        ));
    }
}

/// Whether the server has written no snapshot since its start. Its `rdb_last_save_time` is then
/// the time of the start, as in Redis, within the seconds that loading takes.
fn is_unsaved(answers: &Answers) -> bool {
    let began =
        answers.number("server_time_usec") / 1_000_000 - answers.number("uptime_in_seconds");
    answers.is("rdb_saves", "0")
        && answers.is("rdb_last_bgsave_time_sec", "-1")
        && answers.number("rdb_last_save_time") <= began + 3
}

#[cfg(test)]
mod tests {
    use super::super::{facts_of, warnings};
    use super::*;
    use russet_base::finding::Weight;

    #[test]
    fn a_server_in_order_is_left_alone() {
        let answers = facts_of(
            &[
                ("used_memory", "1000"),
                ("maxmemory", "100000000"),
                ("total_system_memory", "1000000000"),
                ("aof_enabled", "1"),
            ],
            &[
                ("bind", "127.0.0.1"),
                ("protected-mode", "yes"),
                ("requirepass", ""),
            ],
        );
        assert_eq!(warnings(&look(&answers)), [""; 0]);
    }

    /// The finding about memory on a machine of 1000 MB.
    fn of_memory(info: &[(&str, i64)], config: &[(&str, &str)]) -> Finding {
        let texts: Vec<(&str, String)> = info
            .iter()
            .map(|(name, megabytes)| (*name, (megabytes * 1_000_000).to_string()))
            .collect();
        let mut info: Vec<(&str, &str)> = texts.iter().map(|(n, t)| (*n, t.as_str())).collect();
        info.push(("total_system_memory", "1000000000"));
        let mut found = Vec::new();
        memory(&facts_of(&info, config), &mut found);
        found.remove(0)
    }

    #[test]
    fn packing_is_recommended_where_it_pays() {
        let found = |saved_mb: i64, setting: &str| {
            let info = [("used_memory", "4000000000")];
            let mut answers = facts_of(&info, &[("compress-values", setting)]);
            answers.packing = vec![
                PackingLine {
                    prefix: "sess:".to_owned(),
                    bytes: saved_mb * 1_400_000,
                    packed_bytes: saved_mb * 400_000,
                },
                PackingLine {
                    prefix: "count:".to_owned(),
                    bytes: 1_000_000,
                    packed_bytes: 1_000_000,
                },
            ];
            let mut found = Vec::new();
            packing(&answers, &mut found);
            found.pop()
        };
        let finding = found(3000, "no").expect("it pays");
        let text = "sess: would take 0.29 of its memory, saves 2.8 GiB";
        assert!(finding.text.ends_with(text), "{}", finding.text);
        assert!(
            finding
                .remedy
                .is_some_and(|remedy| remedy.contains("compress-values auto"))
        );
        assert_eq!(found(3000, "auto").expect("it pays").remedy, None);
        assert_eq!(found(100, "no"), None);
    }

    #[test]
    fn what_does_not_count_must_fit_beside_maxmemory() {
        let share = [("maxmemory-clients", "0")];
        let full = [("used_memory", 730), ("maxmemory", 750)];
        let three_quarters = of_memory(&full, &share);
        assert_ne!(three_quarters.weight, Weight::Ok, "nearly full");
        assert!(three_quarters.text.contains("writes are soon refused"));
        // The log's buffer is no data.
        let log = [full[0], full[1], ("mem_not_counted_for_evict", 100)];
        assert_eq!(of_memory(&log, &share).weight, Weight::Ok);
        let beside = [full[0], full[1], ("mem_not_counted_for_evict", 260)];
        let finding = of_memory(&beside, &share);
        assert_eq!(finding.weight, Weight::Warning);
        assert!(finding.text.contains("does not count"), "{finding}");
        assert!(finding.remedy.is_some_and(|mend| mend.contains("auto")));

        let large = [("used_memory", 1), ("maxmemory", 850)];
        let finding = of_memory(&large, &share);
        assert_eq!(finding.weight, Weight::Warning);
        assert!(finding.text.contains("clients alone"), "{finding}");
        for bound in ["100000000", "5%"] {
            let config = [("maxmemory-clients", bound)];
            assert_eq!(of_memory(&large, &config).weight, Weight::Ok, "{bound}");
        }
        // Clients get half of the reserve: that always fits.
        let auto = [
            ("maxmemory-clients", "0"),
            ("maxmemory", "auto"),
            ("maxmemory-reserve", "15%"),
        ];
        assert_eq!(of_memory(&large, &auto).weight, Weight::Ok);
        let finding = of_memory(
            &[large[0], large[1], ("mem_not_counted_for_evict", 160)],
            &auto,
        );
        assert_eq!(finding.weight, Weight::Warning);
        let mend = finding.remedy.expect("a way out");
        assert!(mend.contains("maxmemory-reserve (now 15%)"), "{mend}");
    }

    #[test]
    fn damage_of_the_append_only_file_is_named_with_its_place() {
        let answers = facts_of(
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
        let found = look(&answers);
        let damage = found
            .iter()
            .find(|f| f.text.contains("2 of its files are damaged"));
        let damage = damage.expect("it is found");
        assert!(damage.text.contains("a.1.base.rdb, offset 17"));
        let mend = damage.remedy.as_deref().expect("a way out");
        assert!(mend.contains("BGREWRITEAOF"), "{mend}");
    }

    #[test]
    fn what_hurts_is_named() {
        let mut answers = facts_of(
            &[
                ("used_memory", "99000000"),
                ("maxmemory", "100000000"),
                ("total_system_memory", "1000000000"),
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
        answers.slowest = Some((2_000_000, "KEYS *".to_owned()));
        let found = look(&answers);
        assert_eq!(
            warnings(&found),
            ["memory", "fork", "slow commands", "access", "clients"]
        );
        let big = found.iter().find(|f| f.code == "big keys").expect("a look");
        assert!(
            big.text
                .starts_with("1 lists of a million elements or more in db0"),
            "{}",
            big.text
        );
        assert!(
            found
                .iter()
                .all(|f| f.weight != Weight::Warning || f.remedy.is_some())
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
        let answers = facts_of(&info, &[("save", "3600 1")]);
        assert_eq!(warnings(&look(&answers)), ["snapshot"]);
    }

    #[test]
    fn a_server_without_a_snapshot_has_no_last_snapshot() {
        let info = |saves| {
            facts_of(
                &[
                    ("server_time_usec", "200000000000"),
                    ("uptime_in_seconds", "100"),
                    ("rdb_last_save_time", "199901"),
                    ("rdb_last_bgsave_time_sec", "-1"),
                    ("rdb_saves", saves),
                    ("rdb_changes_since_last_save", "7"),
                ],
                &[("save", "3600 1")],
            )
        };
        let text = |saves| {
            let found = look(&info(saves));
            let its = found.into_iter().find(|its| its.code == "snapshot");
            its.expect("changes are in no snapshot").text
        };
        assert!(text("0").ends_with("no snapshot has been written since the start"));
        assert!(text("1").ends_with("the last snapshot is 1 min old"));
    }
}
