//! `russet doctor`: findings about the machine and a running server that a senior operator would
//! have, each with the reason and the remedy.
//!
//! `machine` checks the kernel's settings and the disk, `service` the server's own figures,
//! `replication` its links. They only read. Each check is a function from readings (`answers`) to
//! findings (`russet_base::finding`), so tests can simulate any machine.
//!
//! The server makes the same checks of itself ([`findings`]), and more: INFO's section `findings`
//! has their list, which the console shows. The report takes the server's finding if there is one,
//! so that no two places disagree.
//!
//! `group` looks at Sentinels and their data nodes instead of a server, `cluster` at all nodes of
//! a cluster. Both ask russet's servers for their own findings, which `joined` joins.

mod answers;
mod cluster;
mod group;
mod joined;
mod machine;
mod quorum;
mod replication;
mod report;
mod service;

use std::net::IpAddr;

use super::{Target, listening, ping};
use answers::{Answers, ask};
use machine::Machine;
use report::Report;
use russet_base::finding::{Finding, Weight};

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
            format!("another server (Redis {other}) uses the port: russet does not serve there"),
            "stop that server (redis-server.service), or give one of the two another port",
        ));
    }
    findings.extend(its_own_first(reported(&answers), look(&answers, &machine)));
    report.add(findings);
    report.end("")
}

/// Settings that the checks of a server read.
pub const SETTINGS: &[&str] = &[
    "aclfile",
    "appendfsync",
    "bind",
    "dir",
    "maxmemory",
    "maxmemory-clients",
    "maxmemory-policy",
    "maxmemory-reserve",
    "min-replicas-to-write",
    "min-sync-replicas",
    "protected-mode",
    "requirepass",
    "save",
    "snapshot-method",
    "tcp-backlog",
];

/// The checks of a server, made by itself: INFO, the [`SETTINGS`], and the slowest command of the
/// slow log, in microseconds, with its words. O(INFO), and some readings of `/proc`.
pub fn findings(
    info: &str,
    settings: impl IntoIterator<Item = (String, String)>,
    slowest: Option<(i64, String)>,
) -> Vec<Finding> {
    let mut answers = Answers::of_info(info);
    answers.config = settings.into_iter().collect();
    answers.slowest = slowest;
    let machine = Machine::read(&answers);
    answers.memory = machine.memory(&answers);
    look(&answers, &machine)
}

fn look(answers: &Answers, machine: &Machine) -> Vec<Finding> {
    let mut found = service::look(answers);
    found.extend(replication::look(answers));
    found.extend(quorum::look(answers));
    found.extend(machine.look(answers));
    found
}

/// The findings of `first`, and the findings of `then` on other subjects.
pub fn its_own_first(first: Vec<Finding>, then: Vec<Finding>) -> Vec<Finding> {
    let is_new = |its: &Finding| first.iter().all(|known| known.code != its.code);
    let then: Vec<Finding> = then.into_iter().filter(is_new).collect();
    first.into_iter().chain(then).collect()
}

/// The findings in INFO: `finding0:weight,code,text`, and `finding0_mend:text`.
fn reported(answers: &Answers) -> Vec<Finding> {
    let count = usize::try_from(answers.number("findings")).unwrap_or(0);
    let one = |n: usize| {
        let mut parts = answers.info.get(&format!("finding{n}"))?.splitn(3, ',');
        let weight = Weight::of_name(parts.next()?)?;
        let mut finding = Finding::new(weight, parts.next()?.to_owned(), parts.next()?);
        finding.remedy = answers.info.get(&format!("finding{n}_mend")).cloned();
        Some(finding)
    };
    (0..count).filter_map(one).collect()
}

/// The report if no server answers: the reason, and findings about the machine. Exit status 2.
fn without_server(target: &Target, place: &str, why: &str) -> (String, i32) {
    if why.starts_with("BUSY") {
        let mut report = Report::headed(format!("{place}: a script is running\n"));
        let text = format!("a script has run for long, and other clients wait: {why}");
        let mend = "SCRIPT KILL (FUNCTION KILL, of a function); one that has written ends with \
                    SHUTDOWN NOSAVE alone";
        report.add(vec![Finding::critical("script", text, mend)]);
        return report.end("");
    }
    if let Some(refused) = refused(why) {
        let mut report = Report::headed(format!("{place}: access is denied\n"));
        report.add(vec![refused]);
        return (report.end("").0, 2);
    }
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
    findings.extend(Machine::read(&answers).check_without_server(&answers));
    let mut report = Report::headed(format!("{place}: no server\n"));
    report.add(findings);
    (report.end("").0, 2)
}

/// A server that answers with an error: it wants a login, or a login with more rights.
fn refused(why: &str) -> Option<Finding> {
    let (text, mend) = match why.split(' ').next()? {
        "NOAUTH" => (
            "it asks for a password",
            "name its configuration file (russet doctor FILE), or give the password by \
             REDISCLI_AUTH=PASSWORD in the environment or -a PASSWORD, and a user by -u NAME",
        ),
        "WRONGPASS" => (
            "it refuses this user and password",
            "the password of -a or REDISCLI_AUTH, else that of the configuration file, must be that \
             of the user of -u (without -u: default)",
        ),
        "NOPERM" => (
            "this user may not run INFO",
            "-u NAME and -a PASSWORD of one that may: ACL SETUSER NAME +info +config|get +slowlog|get",
        ),
        _ => return None,
    };
    Some(Finding::critical("access", format!("{text}: {why}"), mend))
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
        packing: Vec::new(),
    }
}

#[cfg(test)]
fn warnings(findings: &[Finding]) -> Vec<&str> {
    let warned = findings.iter().filter(|f| f.weight == Weight::Warning);
    warned.map(|f| f.code.as_ref()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_the_server_counts_first() {
        let info = "findings:2\r\nfinding0:critical,folder,dir /x: no, not here\r\n\
                    finding0_mend:CONFIG GET dir\r\nfinding1:notice,disk,slow\r\n";
        let own = reported(&Answers::of_info(info));
        let folder = Finding::critical("folder", "dir /x: no, not here", "CONFIG GET dir");
        assert_eq!(own, [folder.clone(), Finding::notice("disk", "slow")]);
        let looked = vec![
            Finding::ok("disk", "1 GiB free"),
            Finding::ok("swap", "0 B"),
        ];
        let all = its_own_first(own, looked);
        let codes: Vec<&str> = all.iter().map(|its| its.code.as_ref()).collect();
        assert_eq!(codes, ["folder", "disk", "swap"]);
    }

    #[test]
    fn who_is_not_let_in_learns_how() {
        let refused = |why: &str| refused(why).expect("a login is wanted").to_string();
        let said = refused("NOAUTH Authentication required.");
        assert!(
            said.contains("russet doctor FILE") && said.contains("REDISCLI_AUTH"),
            "{said}"
        );
        assert!(refused("NOPERM no").contains("+info"));
    }
}
