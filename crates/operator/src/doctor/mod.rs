//! `russet doctor`: findings about the machine and a running server that a senior operator would
//! have, each with the reason and the remedy.
//!
//! `machine` checks the kernel's settings and the disk, `service` the server's own figures,
//! `replication` its links. They only read. Each check is a function from readings (`answers`) to
//! findings (`russet_base::finding`), so tests can simulate any machine.
//!
//! `group` looks at Sentinels and their data nodes instead of one server, `cluster` at all nodes of
//! a cluster. Both ask russet's servers for their own findings, which `joined` joins.

mod answers;
mod cluster;
mod group;
mod joined;
mod machine;
mod replication;
mod report;
mod service;

use std::net::IpAddr;

use super::{Target, listening, ping};
use answers::{Answers, ask};
use machine::Machine;
use report::Report;
use russet_base::finding::Finding;

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
    let version = answers.info.get("russet_version");
    let version = version.map_or("not russet".to_owned(), |version| {
        format!("russet {version}")
    });
    let mut report = Report::headed(format!("{place}: {version}\n"));
    let mut findings = Vec::new();
    if !target.settings.is_empty() && !answers.info.contains_key("russet_version") {
        let other = answers
            .info
            .get("redis_version")
            .map_or("?", String::as_str);
        findings.push(Finding::critical(
            "port",
            format!("another server (Redis {other}) holds it: russet does not serve there"),
            "stop that server (redis-server.service), or give one of the two another port",
        ));
    }
    findings.extend(service::look(&answers));
    findings.extend(replication::look(&answers));
    findings.extend(machine.look(&answers));
    report.add(findings);
    report.end("")
}

/// The report if no server answers: the reason, and findings about the machine. Exit status 2.
fn without_server(target: &Target, place: &str, why: &str) -> (String, i32) {
    let down = match foreign_holder(target) {
        Some((name, pid)) => Finding::critical(
            "server",
            format!("it does not answer: {why}; {name} (process {pid}) holds the port"),
            "stop that program, or give one of the two another port",
        ),
        None => Finding::critical(
            "server",
            format!("it does not answer: {why}"),
            "systemctl status russet; its log and journalctl -u russet have the reason",
        ),
    };
    let answers = Answers {
        config: target.settings.iter().cloned().collect(),
        ..Answers::default()
    };
    let mut findings = vec![down];
    findings.extend(Machine::read(&answers).look_without_server(&answers));
    let mut report = Report::headed(format!("{place}: no server\n"));
    report.add(findings);
    (report.end("").0, 2)
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
fn warnings(findings: &[Finding]) -> Vec<&str> {
    use russet_base::finding::Weight;
    let warned = findings.iter().filter(|f| f.weight == Weight::Warning);
    warned.map(|f| f.code.as_ref()).collect()
}
