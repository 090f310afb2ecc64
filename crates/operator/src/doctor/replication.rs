//! The links to replicas and to the primary.
//!
//! Checks, in the order of the report: a replica's upstream (a refused snapshot, a link that is
//! down), writes lost when a primary was demoted, then the replicas: too few for
//! `min-replicas-to-write`, full copies without an acknowledgement, lag against the backlog, and
//! all of them on this machine. All is read from the server's INFO and CONFIG GET; no other server
//! is asked. The backlog is judged by the present rate of writes: [`BACKLOG_S_MIN`] seconds of it
//! should fit.

use super::answers::Answers;
use super::report::human;
use russet_base::finding::Finding;
use russet_base::text::with_article;

/// A backlog that covers less time than this is too short for a replica that restarts.
const BACKLOG_S_MIN: i64 = 60;

pub(super) fn look(answers: &Answers) -> Vec<Finding> {
    let mut found = Vec::new();
    if answers.is("role", "slave") {
        upstream(answers, &mut found)
    } else {
        demotion(answers, &mut found)
    }
    replicas(answers, &mut found);
    found
}

fn upstream(answers: &Answers, to: &mut Vec<Finding>) {
    let text = |field: &str| answers.info.get(field).map_or("", String::as_str);
    let (host, port) = (text("master_host"), text("master_port"));
    if answers.info.contains_key("master_sync_refused_keys") {
        to.push(Finding::warning(
            "refused sync",
            format!(
                "the snapshot of {host}:{port} has {} keys and this replica {}: its data is kept and \
                 grows old",
                answers.number("master_sync_refused_keys"),
                answers.number("master_sync_refused_own_keys"),
            ),
            format!(
                "see why the primary is empty; REPLICAOF {host} {port} takes its snapshot, REPLICAOF \
                 NO ONE makes this server the primary"
            ),
        ));
    } else if !answers.is("master_link_status", "up") {
        to.push(Finding::warning(
            "primary",
            format!("the link to {host}:{port} is down: the data grows old"),
            "see the log for the reason",
        ));
    } else {
        to.push(Finding::ok(
            "primary",
            format!("{host}:{port}, the link is up"),
        ));
    }
    demotion(answers, to);
}

fn demotion(answers: &Answers, to: &mut Vec<Finding>) {
    let commands = answers.number("demotion_lost_commands");
    if commands > 0 {
        let file = answers
            .info
            .get("demotion_lost_file")
            .map_or("", String::as_str);
        to.push(Finding::notice(
            "demotion",
            format!("{commands} commands that the new primary lacked are kept in {file}"),
        ));
    }
}

/// The replicas of INFO: address and state.
fn lines(answers: &Answers) -> impl Iterator<Item = &str> {
    let is_replica = |name: &str| {
        let number = name.strip_prefix("slave");
        number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let lines = answers
        .info
        .iter()
        .filter(move |(name, _)| is_replica(name));
    lines.map(|(_, line)| line.as_str())
}

/// Replicas that load none of the snapshots that they are sent.
fn failing_lines(answers: &Answers) -> impl Iterator<Item = &str> {
    let is_one = |name: &str| {
        let number = name.strip_prefix("sync_failing");
        number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let lines = answers.info.iter().filter(move |(name, _)| is_one(name));
    lines.map(|(_, line)| line.as_str())
}

fn failing_text(line: &str) -> String {
    let [ip, port, copies, version, needs] =
        ["ip", "port", "copies", "version", "needs"].map(|name| word(line, name));
    let needs = match needs {
        "" => String::new(),
        needs => format!(
            ", there is {}, which needs RDB version {version}",
            with_article(needs)
        ),
    };
    format!("{ip}:{port} ({copies} copies{needs})")
}

fn word<'a>(line: &'a str, name: &str) -> &'a str {
    let mut words = line.split(',').filter_map(|word| word.split_once('='));
    words
        .find(|(key, _)| *key == name)
        .map_or("", |(_, value)| value)
}

/// `min-sync-replicas`: writes that wait or are refused, and a replica too few to lose one.
fn sync_replicas(answers: &Answers, to: &mut Vec<Finding>) {
    let Some(state) = answers.info.get("sync_state") else {
        return;
    };
    let (good, needed) = (
        answers.number("sync_good_replicas"),
        answers.number("sync_min_replicas"),
    );
    let waiting = answers.number("sync_unsafe_bytes");
    match state.as_str() {
        "lost" => to.push(Finding::critical(
            "min-sync-replicas",
            format!(
                "writes are refused: {good} of {needed} replicas are connected, {} are not \
                 acknowledged",
                human(waiting)
            ),
            "bring replicas back; INFO replication names the replicas and their offsets",
        )),
        "forming" => to.push(Finding::critical(
            "min-sync-replicas",
            format!("writes wait: {good} of {needed} replicas are connected"),
            "bring replicas back, or CONFIG SET min-sync-replicas",
        )),
        _ if good == needed => to.push(Finding::warning(
            "min-sync-replicas",
            format!(
                "all {good} replicas must acknowledge each write: the loss of one stops writes"
            ),
            "add a replica",
        )),
        _ => {}
    }
}

fn replicas(answers: &Answers, to: &mut Vec<Finding>) {
    let count = answers.number("connected_slaves");
    let wanted = answers.config_number("min-replicas-to-write");
    let good = answers.number("min_slaves_good_slaves");
    if wanted > 0 && answers.info.contains_key("min_slaves_good_slaves") && good < wanted {
        to.push(Finding::warning(
            "min-replicas-to-write",
            format!("{good} of {wanted} replicas are in touch: writes are refused"),
            "bring replicas back, or CONFIG SET min-replicas-to-write",
        ));
    }
    sync_replicas(answers, to);
    let failing: Vec<&str> = failing_lines(answers).collect();
    if !failing.is_empty() {
        let names: Vec<String> = failing.iter().map(|line| failing_text(line)).collect();
        to.push(Finding::critical(
            "replicas",
            format!(
                "sent whole copies, of which none was acknowledged: {}",
                names.join("; ")
            ),
            "see the log; `russet check-rdb --for RELEASE dump.rdb` names what the replica's release \
             cannot read; bring its server to a release that can, or delete such keys",
        ));
    }
    if count == 0 {
        return;
    }
    let offset = answers.number("master_repl_offset");
    let behind = lines(answers)
        .filter(|line| word(line, "state") == "online")
        .map(|line| offset - word(line, "offset").parse::<i64>().unwrap_or(offset))
        .max();
    let backlog = answers.number("repl_backlog_size");
    match behind {
        Some(bytes) if backlog > 0 && bytes > backlog / 2 => to.push(Finding::warning(
            "replicas",
            format!(
                "a replica is {} behind, more than half of the backlog: if its link is lost it \
                 needs a full sync",
                human(bytes)
            ),
            format!("CONFIG SET repl-backlog-size {}", bytes.saturating_mul(4)),
        )),
        Some(bytes) if failing.is_empty() => to.push(Finding::ok(
            "replicas",
            format!("{count} connected, at most {} behind", human(bytes)),
        )),
        _ => {}
    }
    backlog_time(answers, to);
    let here = lines(answers)
        .filter(|line| matches!(word(line, "ip"), "127.0.0.1" | "::1"))
        .count();
    if here > 0 && here as i64 == count {
        to.push(Finding::notice(
            "replicas",
            "all of them are on this machine: they are lost with it",
        ));
    }
}

/// The time whose writes the backlog holds at the present rate.
fn backlog_time(answers: &Answers, to: &mut Vec<Finding>) {
    let backlog = answers.number("repl_backlog_size");
    let count = answers.number("connected_slaves");
    let rate = answers
        .info
        .get("instantaneous_output_repl_kbps")
        .and_then(|text| text.parse::<f64>().ok())
        .unwrap_or(0.0);
    let bytes_per_s = (rate * 1024.0) as i64 / count;
    if backlog > 0 && bytes_per_s > 0 && backlog / bytes_per_s < BACKLOG_S_MIN {
        to.push(Finding::warning(
            "backlog",
            format!(
                "{} are the writes of {} s at the present rate: a replica that is away for longer \
                 needs a full sync",
                human(backlog),
                backlog / bytes_per_s
            ),
            format!(
                "CONFIG SET repl-backlog-size {}",
                bytes_per_s.saturating_mul(2 * BACKLOG_S_MIN)
            ),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{facts_of, warnings};
    use super::*;

    #[test]
    fn a_refused_snapshot_is_named() {
        let info = [
            ("role", "slave"),
            ("master_host", "h"),
            ("master_port", "1"),
            ("master_link_status", "down"),
            ("master_sync_refused_keys", "0"),
            ("master_sync_refused_own_keys", "70"),
        ];
        let found = look(&facts_of(&info, &[]));
        assert_eq!(warnings(&found), ["refused sync"]);
        assert!(found[0].text.contains("0 keys and this replica 70"));
        assert_eq!(warnings(&look(&facts_of(&info[..4], &[]))), ["primary"]);
    }

    #[test]
    fn writes_that_wait_for_replicas_are_named() {
        let of = |state, good| {
            let info = [
                ("role", "master"),
                ("connected_slaves", "0"),
                ("sync_state", state),
                ("sync_min_replicas", "1"),
                ("sync_good_replicas", good),
                ("sync_unsafe_bytes", "27"),
            ];
            let found = look(&facts_of(&info, &[]));
            found.first().map(|first| first.text.clone())
        };
        assert_eq!(of("ok", "2"), None);
        let text = "all 1 replicas must acknowledge each write: the loss of one stops writes";
        assert_eq!(of("ok", "1").as_deref(), Some(text));
        let text = "writes wait: 0 of 1 replicas are connected";
        assert_eq!(of("forming", "0").as_deref(), Some(text));
        assert!(of("lost", "0").is_some_and(|text| text.starts_with("writes are refused: 0 of 1")));
    }

    #[test]
    fn a_replica_that_loads_nothing_is_named() {
        let info = [
            ("role", "master"),
            ("connected_slaves", "1"),
            ("slave0", "ip=10.0.0.1,port=2,state=online,offset=0,lag=0"),
            ("sync_failing_replicas", "1"),
            (
                "sync_failing0",
                "ip=10.0.0.1,port=2,copies=3,retry_s=2,version=14,needs=array",
            ),
        ];
        let found = look(&facts_of(&info, &[]));
        let failed: Vec<&Finding> = found
            .iter()
            .filter(|finding| matches!(finding.weight, russet_base::finding::Weight::Critical))
            .collect();
        assert_eq!(failed.len(), 1);
        let text = "10.0.0.1:2 (3 copies, there is an array, which needs RDB version 14)";
        assert!(failed[0].text.ends_with(text), "{}", failed[0].text);
        assert!(
            !found
                .iter()
                .any(|finding| finding.text.contains("connected"))
        );
    }

    #[test]
    fn a_short_backlog_and_missing_replicas_are_named() {
        let mut info = vec![
            ("role", "master"),
            ("connected_slaves", "1"),
            (
                "slave0",
                "ip=127.0.0.1,port=2,state=online,offset=100,lag=0",
            ),
            ("master_repl_offset", "150"),
            ("repl_backlog_size", "1048576"),
        ];
        let config = [("min-replicas-to-write", "2")];
        let found = look(&facts_of(&info, &config));
        assert_eq!(warnings(&found), [""; 0]);
        assert_eq!(found.len(), 2);
        info.extend([
            ("min_slaves_good_slaves", "1"),
            ("instantaneous_output_repl_kbps", "1024.00"),
        ]);
        let found = look(&facts_of(&info, &config));
        assert_eq!(warnings(&found), ["min-replicas-to-write", "backlog"]);
        info[3] = ("master_repl_offset", "1000000");
        let found = look(&facts_of(&info, &[]));
        assert_eq!(warnings(&found), ["replicas", "backlog"]);
    }
}
