//! `russet doctor`: findings about the machine and a running server that a senior operator would
//! have, each with the reason and the remedy.
//!
//! `machine` checks the kernel's settings and the disk, `service` the server's own figures,
//! `replication` its links. They only read. Each check is a function from readings to
//! findings, so tests can simulate any machine.
//!
//! `group` looks at Sentinels and their data nodes instead of one server, `cluster` at all nodes of
//! a cluster.

mod cluster;
mod group;
mod machine;
mod replication;
mod service;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use super::{Link, Target, listening, ping, text};
use crate::resp::ReplyValue;
use machine::Machine;

/// Severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// As it should be.
    Fine,
    /// Worth knowing.
    Note,
    /// Should be fixed.
    Warn,
    /// Must be fixed: a failover would not succeed, or slots are not served.
    Fail,
}

impl Weight {
    /// The first word of a finding's line.
    fn mark(self) -> &'static str {
        match self {
            Weight::Fine => "ok  ",
            Weight::Note => "note",
            Weight::Warn => "WARN",
            Weight::Fail => "FAIL",
        }
    }
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub weight: Weight,
    /// The subject of the check, one or two words.
    pub what: &'static str,
    /// The state, and why it matters.
    pub text: String,
    /// A command or directive that fixes it.
    pub mend: Option<String>,
}

impl Finding {
    fn fine(what: &'static str, text: impl Into<String>) -> Finding {
        let (weight, text) = (Weight::Fine, text.into());
        Finding {
            weight,
            what,
            text,
            mend: None,
        }
    }

    fn note(what: &'static str, text: impl Into<String>) -> Finding {
        let (weight, text) = (Weight::Note, text.into());
        Finding {
            weight,
            what,
            text,
            mend: None,
        }
    }

    fn warn(what: &'static str, text: impl Into<String>, mend: impl Into<String>) -> Finding {
        let (weight, text) = (Weight::Warn, text.into());
        Finding {
            weight,
            what,
            text,
            mend: Some(mend.into()),
        }
    }

    fn fail(what: &'static str, text: impl Into<String>, mend: impl Into<String>) -> Finding {
        Finding {
            weight: Weight::Fail,
            ..Finding::warn(what, text, mend)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = self.weight.mark();
        writeln!(f, "{mark} {}: {}", self.what, self.text)?;
        match &self.mend {
            Some(mend) => writeln!(f, "     mend: {mend}"),
            None => Ok(()),
        }
    }
}

/// Data reported by the server.
#[derive(Debug, Default)]
struct Answers {
    info: HashMap<String, String>,
    config: HashMap<String, String>,
    /// The slowest entry of the slow log: microseconds, and the command's words.
    slowest: Option<(i64, String)>,
    /// Memory that the server may use, bytes: the machine's, or the limit of its control group.
    memory: i64,
}

impl Answers {
    fn number(&self, field: &str) -> i64 {
        let text = self.info.get(field);
        text.and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    fn is(&self, field: &str, value: &str) -> bool {
        self.info.get(field).is_some_and(|is| is == value)
    }

    fn config(&self, name: &str) -> &str {
        self.config.get(name).map_or("", String::as_str)
    }

    fn config_number(&self, name: &str) -> i64 {
        self.config(name).parse().unwrap_or(0)
    }
}

/// The text to print and the exit status: 0 if nothing needs fixing, 1 if something does, 2 if the
/// server does not answer.
pub fn run(target: &Target) -> (String, i32) {
    if target.group.is_some() {
        return group::run(target);
    }
    if target.is_cluster {
        return cluster::run(target);
    }
    let place = ping::place(target);
    let mut answers = match ask(target) {
        Ok(answers) => answers,
        Err(why) => return without_server(target, &place, &why),
    };
    let machine = Machine::read(&answers);
    answers.memory = machine.memory(&answers);
    let mut findings = service::look(&answers);
    findings.extend(replication::look(&answers));
    findings.extend(machine.look(&answers));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
    let version = answers.info.get("russet_version");
    let version = version.map_or("not russet".to_owned(), |version| {
        format!("russet {version}")
    });
    let mut text = format!("{place}: {version}\n");
    if !target.settings.is_empty() && !answers.info.contains_key("russet_version") {
        let other = answers
            .info
            .get("redis_version")
            .map_or("?", String::as_str);
        findings.insert(
            0,
            Finding::fail(
                "port",
                format!("another server (Redis {other}) holds it: russet does not serve there"),
                "stop that server (redis-server.service), or give one of the two another port",
            ),
        );
    }
    let to_mend = findings.iter().filter(|f| f.weight >= Weight::Warn).count();
    for finding in &findings {
        text += &finding.to_string();
    }
    text += &ending(to_mend);
    (text, i32::from(to_mend > 0))
}

/// The report if no server answers: the reason, and findings about the machine. Exit status 2.
fn without_server(target: &Target, place: &str, why: &str) -> (String, i32) {
    let down = match foreign_holder(target) {
        Some((name, pid)) => Finding::fail(
            "server",
            format!("it does not answer: {why}; {name} (process {pid}) holds the port"),
            "stop that program, or give one of the two another port",
        ),
        None => Finding::fail(
            "server",
            format!("it does not answer: {why}"),
            "systemctl status russet; its log and journalctl -u russet have the reason",
        ),
    };
    let answers = Answers {
        config: target.settings.iter().cloned().collect(),
        ..Answers::default()
    };
    let mut findings = Machine::read(&answers).look_without_server(&answers);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
    findings.insert(0, down);
    let to_mend = findings.iter().filter(|f| f.weight >= Weight::Warn).count();
    let lines: String = findings.iter().map(Finding::to_string).collect();
    (format!("{place}: no server\n{lines}{}", ending(to_mend)), 2)
}

/// The program that holds the port on this machine, if it is no server.
fn foreign_holder(target: &Target) -> Option<(String, u32)> {
    const SERVERS: [&str; 3] = ["russet", "redis", "valkey"];
    let is_here =
        target.host == "localhost" || target.host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    if target.socket.is_some() || !is_here {
        return None;
    }
    let (name, pid) = listening::holder(target.port)?;
    let is_server = SERVERS.iter().any(|server| name.starts_with(server));
    (!is_server).then_some((name, pid))
}

/// The last line.
fn ending(to_mend: usize) -> String {
    match to_mend {
        0 => "nothing to mend\n".to_owned(),
        1 => "1 thing to mend\n".to_owned(),
        n => format!("{n} things to mend\n"),
    }
}

fn ask(target: &Target) -> Result<Answers, String> {
    let mut link = Link::open(target).map_err(|error| ping::explain(target, &error))?;
    let mut reply = |line: &str| match link.run(line) {
        Ok(ReplyValue::Error(why)) => Err(String::from_utf8_lossy(&why).into_owned()),
        Ok(reply) => Ok(reply),
        Err(error) => Err(ping::explain(target, &error)),
    };
    let info = text(&reply("INFO everything")?);
    let info = info.lines().filter_map(|line| line.split_once(':'));
    let mut answers = Answers {
        info: info.map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
        ..Answers::default()
    };
    // Without permission for it, the checks use INFO alone.
    if let Ok(ReplyValue::Array(pairs)) = reply("CONFIG GET *") {
        let pairs = pairs
            .chunks_exact(2)
            .map(|pair| (text(&pair[0]), text(&pair[1])));
        answers.config = pairs.collect();
    }
    if let Ok(ReplyValue::Array(entries)) = reply("SLOWLOG GET 128") {
        answers.slowest = entries.iter().filter_map(slow_entry).max();
    }
    Ok(answers)
}

/// `[id, time, microseconds, [words], ...]`.
fn slow_entry(entry: &ReplyValue) -> Option<(i64, String)> {
    let ReplyValue::Array(parts) = entry else {
        return None;
    };
    let (ReplyValue::Integer(micros), ReplyValue::Array(words)) = (parts.get(2)?, parts.get(3)?)
    else {
        return None;
    };
    let words: Vec<String> = words.iter().take(3).map(text).collect();
    Some((*micros, words.join(" ")))
}

/// Bytes in human-readable form.
fn human(bytes: i64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut amount, mut unit) = (bytes as f64, 0);
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        (amount, unit) = (amount / 1024.0, unit + 1);
    }
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{amount:.1} {}", UNITS[unit]),
    }
}

#[cfg(test)]
fn facts_of(info: &[(&str, &str)], config: &[(&str, &str)]) -> Answers {
    let map = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|&(k, v)| (k.to_owned(), v.to_owned()));
        pairs.collect()
    };
    Answers {
        memory: {
            let total = info.iter().find(|(name, _)| *name == "total_system_memory");
            total.map_or(0, |(_, bytes)| bytes.parse().expect("a number"))
        },
        info: map(info),
        config: map(config),
        slowest: None,
    }
}

#[cfg(test)]
fn warnings(findings: &[Finding]) -> Vec<&'static str> {
    let warned = findings.iter().filter(|f| f.weight == Weight::Warn);
    warned.map(|f| f.what).collect()
}
