//! The group of a server whose failovers lose no acknowledged write (`sync-quorum`).
//!
//! Checks, in the order of the report: writes that cannot be taken, and why; a takeover that waits
//! for promises; members that are missing; members without which no other may be lost; a server
//! that is not whole; replicas that are no members; another number of acknowledgements than the
//! configuration says; acknowledged writes that were given up. All is read from the server's INFO
//! and CONFIG GET.

use super::answers::Answers;
use super::report::human;
use russet_base::finding::Finding;

/// A member that is away for longer than a restart takes.
const MISSING_S: i64 = 60;

pub(super) fn look(answers: &Answers) -> Vec<Finding> {
    let mut found = Vec::new();
    if answers.info.contains_key("sync_group") {
        if answers.is("role", "slave") {
            follower(answers, &mut found);
        } else {
            leader(answers, &mut found);
        }
        settings(answers, &mut found);
        given_up(answers, &mut found);
    }
    found
}

fn text<'a>(answers: &'a Answers, field: &str) -> &'a str {
    answers.info.get(field).map_or("", String::as_str)
}

/// The lines of INFO with this name and a number.
fn lines<'a>(answers: &'a Answers, prefix: &'static str) -> impl Iterator<Item = &'a str> {
    let is_one = move |name: &str| {
        let number = name.strip_prefix(prefix);
        number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let lines = answers.info.iter().filter(move |(name, _)| is_one(name));
    lines.map(|(_, line)| line.as_str())
}

fn word<'a>(line: &'a str, name: &str) -> &'a str {
    let mut words = line.split(',').filter_map(|word| word.split_once('='));
    words
        .find(|(key, _)| *key == name)
        .map_or("", |(_, value)| value)
}

fn address(line: &str) -> String {
    format!("{}:{}", word(line, "ip"), word(line, "port"))
}

fn leader(answers: &Answers, to: &mut Vec<Finding>) {
    let members: Vec<&str> = lines(answers, "sync_member").collect();
    let (count, k) = (members.len(), answers.number("sync_min_replicas"));
    let linked = members
        .iter()
        .filter(|line| word(line, "state") == "linked");
    let linked = linked.count() as i64;
    if linked < k {
        to.push(Finding::critical(
            "group",
            format!(
                "{linked} of {} other members are connected, {k} must acknowledge: no write is \
                 acknowledged",
                count.saturating_sub(1)
            ),
            "bring members back; members that are gone for good: QUORUM TAKEOVER LOSSY in \
             docs/durable.md",
        ));
    }
    for line in members
        .iter()
        .filter(|line| word(line, "state") == "unlinked")
    {
        let missing_s = word(line, "missing_ms").parse::<i64>().unwrap_or(0) / 1000;
        if missing_s >= MISSING_S {
            to.push(Finding::warning(
                "group",
                format!(
                    "the member {} has been away for {missing_s} s: its promise is missed at the \
                     next takeover",
                    address(line)
                ),
                format!("bring it back, or QUORUM REMOVE {}", word(line, "id")),
            ));
        }
    }
    if count == 2 {
        to.push(Finding::warning(
            "group",
            "the group has two members: the loss of either stops writes",
            "add a replica, and sync-replicas 2",
        ));
    }
    let outsiders: Vec<String> = lines(answers, "slave")
        .filter(|line| word(line, "sync") == "outsider")
        .map(address)
        .collect();
    if !outsiders.is_empty() {
        to.push(Finding::notice(
            "group",
            format!(
                "replicas that are no members count for no write and may not lead: {}. Set \
                 replica-priority 0 there if they are no servers of russet, because a Sentinel may \
                 choose them",
                outsiders.join(", ")
            ),
        ));
    }
    if answers.number("sync_unsafe_ms") > 1000 {
        to.push(Finding::warning(
            "group",
            format!(
                "{} have waited for {} ms for an acknowledgement",
                human(answers.number("sync_unsafe_bytes")),
                answers.number("sync_unsafe_ms")
            ),
            "INFO replication has the offset and the lag of each member (sync_memberN)",
        ));
    }
}

fn follower(answers: &Answers, to: &mut Vec<Finding>) {
    let state = text(answers, "sync_state");
    let why = text(answers, "sync_obstacle");
    match state {
        "recovering" | "deposed" | "sealed" | "taking-over" => {
            let why = if why.is_empty() {
                String::new()
            } else {
                format!(": {why}")
            };
            to.push(Finding::critical(
                "group",
                format!("this server has no leader ({state}){why}"),
                "QUORUM EXPLAIN; bring the members back that are named",
            ));
        }
        "outsider" => to.push(Finding::notice(
            "group",
            "this server is no member: it counts for no write, and does not lead",
        )),
        _ => {}
    }
    let unclean_s = answers.number("sync_unclean_ms") / 1000;
    if answers.is("sync_clean", "0") && unclean_s >= MISSING_S {
        to.push(Finding::warning(
            "group",
            format!("this member has not been whole for {unclean_s} s: its promise does not count"),
            "see that it follows the leader (master_link_status), and its log",
        ));
    }
}

/// The group's note counts; the settings of the servers may differ from it.
fn settings(answers: &Answers, to: &mut Vec<Finding>) {
    let noted = answers.number("sync_acknowledgements");
    let wanted = answers.config_number("min-sync-replicas");
    let is_known = answers.info.contains_key("sync_acknowledgements");
    if is_known && !text(answers, "sync_group").is_empty() && noted != wanted {
        to.push(Finding::warning(
            "min-sync-replicas",
            format!(
                "the group has each write acknowledged by {noted} members, this server's setting \
                 is {wanted}"
            ),
            format!("CONFIG SET min-sync-replicas {noted} and CONFIG REWRITE here"),
        ));
    }
}

fn given_up(answers: &Answers, to: &mut Vec<Finding>) {
    let count = answers.number("sync_lossy_takeovers");
    if count > 0 {
        to.push(Finding::notice(
            "group",
            format!(
                "QUORUM TAKEOVER LOSSY has made this server leave group {}: acknowledged writes of \
                 that group may be lost",
                text(answers, "sync_left_group")
            ),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{facts_of, warnings};
    use super::*;

    fn texts(info: &[(&str, &str)], config: &[(&str, &str)]) -> Vec<String> {
        let found = look(&facts_of(info, config));
        found.into_iter().map(|its| its.text).collect()
    }

    #[test]
    fn missing_members_and_too_few_of_them_are_named() {
        let mut info = vec![
            ("role", "master"),
            ("sync_state", "ok"),
            ("sync_group", "aa"),
            ("sync_min_replicas", "1"),
            ("sync_acknowledgements", "1"),
            ("sync_member0", "id=a,ip=10.0.0.1,port=1,state=self"),
            (
                "sync_member1",
                "id=b,ip=10.0.0.2,port=1,state=linked,lag_ms=3",
            ),
            (
                "sync_member2",
                "id=c,ip=10.0.0.3,port=1,state=linked,lag_ms=3",
            ),
        ];
        let config = [("min-sync-replicas", "1")];
        assert!(texts(&info, &config).is_empty());
        info[7].1 = "id=c,ip=10.0.0.3,port=1,state=unlinked,missing_ms=59000";
        assert!(texts(&info, &config).is_empty(), "a restart");
        info[7].1 = "id=c,ip=10.0.0.3,port=1,state=unlinked,missing_ms=60000";
        let found = look(&facts_of(&info, &config));
        assert_eq!(warnings(&found), ["group"]);
        assert!(
            found[0]
                .text
                .starts_with("the member 10.0.0.3:1 has been away for 60 s")
        );
        info[6].1 = "id=b,ip=10.0.0.2,port=1,state=unlinked,missing_ms=0";
        assert!(texts(&info, &config)[0].starts_with("0 of 2 other members are connected"));
        info.truncate(7);
        info[6].1 = "id=b,ip=10.0.0.2,port=1,state=linked,lag_ms=3";
        let text = "the group has two members: the loss of either stops writes";
        assert_eq!(texts(&info, &config), [text]);
        let differs = texts(&info, &[("min-sync-replicas", "2")]);
        assert!(differs[1].ends_with("this server's setting is 2"));
    }

    #[test]
    fn a_server_without_a_leader_says_why() {
        let info = [
            ("role", "slave"),
            ("sync_group", "aa"),
            ("sync_state", "taking-over"),
            ("sync_obstacle", "NOQUORUM Taking over needs promises"),
            ("sync_clean", "0"),
            ("sync_unclean_ms", "61000"),
        ];
        let text = "this server has no leader (taking-over): NOQUORUM Taking over needs promises";
        let found = texts(&info, &[]);
        assert_eq!(found[0], text);
        assert!(found[1].starts_with("this member has not been whole for 61 s"));
        assert!(texts(&info[..1], &[]).is_empty());
    }

    #[test]
    fn replicas_that_are_no_members_and_lost_writes_are_told() {
        let info = [
            ("role", "master"),
            ("sync_group", "aa"),
            (
                "slave0",
                "ip=10.0.0.9,port=2,state=online,offset=1,lag=0,sync=outsider",
            ),
            (
                "slave1",
                "ip=10.0.0.8,port=2,state=online,offset=1,lag=0,sync=member",
            ),
            ("sync_lossy_takeovers", "1"),
            ("sync_left_group", "bb"),
        ];
        let found = texts(&info, &[]);
        assert!(found[0].contains("10.0.0.9:2") && !found[0].contains("10.0.0.8"));
        assert!(found[1].contains("leave group bb"));
    }
}
