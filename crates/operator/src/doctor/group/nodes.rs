//! The data nodes of a primary: their addresses, machines, clocks and settings.
//!
//! Checks, in the order of the report: addresses that are not reached from here, loopback
//! addresses, machines, clocks, announced addresses, roles that no file keeps,
//! `min-replicas-to-write` that a failover would break, and protected mode. An address counts as
//! wrong only as seen from this machine, and the text says so; the Sentinels' own opinion stands
//! beside it. Whether a replica may be promoted: `candidates`.

use std::net::IpAddr;

use super::facts::{Address, Clock, Fault, number, text};
use super::watch::{Watch, list};
use crate::doctor::finding::Finding;

/// Clocks that differ by more are reported.
const CLOCK_US_MAX: i64 = 2_000_000;

pub(super) fn look(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    addresses(watch, to);
    loopback(watch, to);
    hosts(watch, to);
    clocks(watch, to);
    announced(watch, to);
    files(watch, to);
    min_replicas(watch, to);
    protected_mode(watch, to);
}

fn kind(watch: &Watch<'_>, at: &Address) -> &'static str {
    if *at == watch.primary {
        "primary"
    } else {
        "replica"
    }
}

/// Addresses that are not reached from here.
fn addresses(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    let all = watch.views.len();
    for at in watch.addresses() {
        let fault = match watch.node(at) {
            Err(Some(fault)) if !fault.is_login() => fault,
            _ => continue,
        };
        let by = watch.down_by(at).len();
        if matches!(fault, Fault::Refused(why) if why.starts_with("DENIED")) {
            to.push(Finding::fail(
                "protected-mode",
                format!("{at} refuses all machines but its own: it has no password"),
                "requirepass there with sentinel auth-pass and masterauth, or protected-mode no in a \
                 network of its own",
            ));
            continue;
        }
        let what = format!("{at} ({})", kind(watch, at));
        let finding = match by {
            0 => Finding::warn(
                "address",
                format!("{what} does not answer here: {fault}; no Sentinel holds it for down"),
                "if clients have this address from Sentinel and cannot reach it either: \
                 replica-announce-ip and replica-announce-port",
            ),
            _ if *at == watch.primary => Finding::fail(
                "primary",
                format!("{what} does not answer: {fault}; it is down for {by} of {all} Sentinels"),
                "start it; if no replica becomes primary within failover-timeout, the other findings \
                 say why",
            ),
            // Its consequence is among the candidates.
            _ => Finding::note(
                "address",
                format!("{what} does not answer here either: {fault}"),
            ),
        };
        to.push(finding);
    }
}

/// A loopback address means another machine to each of the others.
fn loopback(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    let known = watch.known();
    let peers = watch.views.iter().flat_map(|(_, view)| &view.peers);
    let peers: Vec<Address> = peers
        .filter_map(|peer| Address::of(peer, "ip", "port"))
        .collect();
    let asked = known.iter().filter_map(|id| Some(&watch.sentinel(id)?.at));
    let all = || watch.addresses().chain(&peers);
    let is_remote = |at: &Address| at.is_loopback() == Some(false);
    if !all().chain(asked).any(is_remote) {
        return;
    }
    let mut local: Vec<&Address> = all().filter(|at| at.is_loopback() == Some(true)).collect();
    local.sort();
    local.dedup();
    if !local.is_empty() {
        to.push(Finding::fail(
            "loopback",
            format!(
                "{}: such an address reaches only its own machine, and others are elsewhere",
                list(local)
            ),
            "SENTINEL MONITOR with an address that all reach; replica-announce-ip, sentinel \
             announce-ip",
        ));
    }
}

fn hosts(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    let mut hosts: Vec<&str> = watch.addresses().map(|at| at.host.as_str()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    if let [host] = hosts[..]
        && !watch.replicas.is_empty()
    {
        let what = if host.parse::<IpAddr>().is_ok() {
            "address"
        } else {
            "host"
        };
        let text = format!("all data nodes have the {what} {host}: they are lost together");
        to.push(Finding::note("hosts", text));
    }
}

fn clocks(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    let of_sentinel = |id: &str| {
        let sentinel = watch.sentinel(id)?;
        Some((&sentinel.at, sentinel.said.as_ref().ok()?.clock?))
    };
    let mut clocks: Vec<(&Address, Clock)> =
        watch.known().into_iter().filter_map(of_sentinel).collect();
    clocks.extend(
        watch
            .nodes()
            .filter_map(|(at, node)| Some((at, node.clock?))),
    );
    clocks.sort_by_key(|(_, clock)| clock.ahead_us);
    let Some((_, median)) = clocks.get(clocks.len() / 2).copied() else {
        return;
    };
    for (at, clock) in clocks {
        let ahead_us = clock.ahead_us.saturating_sub(median.ahead_us);
        let within_us = clock.within_us.saturating_add(median.within_us);
        if ahead_us.saturating_abs().saturating_sub(within_us) > CLOCK_US_MAX {
            let seconds = ahead_us.saturating_abs() as f64 / 1e6;
            let side = if ahead_us > 0 { "ahead of" } else { "behind" };
            to.push(Finding::warn(
                "clock",
                format!("{at} is {seconds:.1} s {side} most others: keys expire at another time there"),
                "chronyc tracking, or timedatectl; correct it slowly, a step is a TILT to a Sentinel",
            ));
        }
    }
}

fn announced(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    let hidden = watch
        .nodes()
        .filter(|(_, node)| text(&node.info, "replica_announced") == "0");
    let hidden: Vec<_> = hidden.map(|(at, _)| at).collect();
    if !hidden.is_empty() {
        to.push(Finding::warn(
            "replica-announced",
            format!(
                "no at {}: SENTINEL REPLICAS does not show it, and it may be promoted",
                list(hidden)
            ),
            "CONFIG SET replica-announced yes, or replica-priority 0 if it must not be promoted",
        ));
    }
}

/// A role that is not written to a file is lost at the next start.
fn files(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    let is_without =
        |info| number(info, "process_id").is_some() && text(info, "config_file").is_empty();
    let without: Vec<_> = watch
        .nodes()
        .filter(|(_, node)| is_without(&node.info))
        .map(|(at, _)| at)
        .collect();
    if !without.is_empty() {
        to.push(Finding::warn(
            "config file",
            format!(
                "none at {}: after a failover and a restart it has its old role",
                list(without)
            ),
            "start it with a configuration file that it may write",
        ));
    }
}

fn min_replicas(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    // One of them is promoted, and the primary is lost.
    let left = watch.replicas.len().saturating_sub(1);
    for (at, node) in watch.nodes().filter(|(at, _)| **at != watch.primary) {
        let wanted = number(&node.config, "min-replicas-to-write").unwrap_or(0);
        if wanted > left as i64 {
            to.push(Finding::warn(
                "min-replicas-to-write",
                format!(
                    "{wanted} at {at}: once it is promoted, with {left} left, it refuses writes until the \
                     old primary is back"
                ),
                format!("CONFIG SET min-replicas-to-write {left} there, or one more replica"),
            ));
        }
    }
}

fn protected_mode(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    let is_local = |word: &str| matches!(word, "127.0.0.1" | "::1" | "localhost");
    let refuses = watch.nodes().filter(|(_, node)| {
        let is_wide = |bind: &str| {
            bind.split(' ')
                .any(|word| !is_local(word.trim_start_matches('-')))
        };
        text(&node.config, "protected-mode") == "yes"
            && !node.has_password
            && is_wide(text(&node.config, "bind"))
    });
    let refuses: Vec<_> = refuses.map(|(at, _)| at).collect();
    if !refuses.is_empty() {
        let text = format!(
            "{}: without a password other machines are refused",
            list(refuses)
        );
        to.push(Finding::note("protected-mode", text));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fake, findings};
    use super::*;

    fn found(fake: &Fake) -> Vec<String> {
        findings(fake, look)
    }

    #[test]
    fn nodes_in_order_are_left_alone() {
        assert_eq!(found(&Fake::healthy()), [""; 0]);
    }

    #[test]
    fn addresses_that_are_not_reached_are_named() {
        let mut fake = Fake::healthy();
        fake.silence_node(1);
        fake.silence_node(2);
        assert_eq!(found(&fake), ["WARN address", "WARN address"]);
        fake.flags(2, "s_down,slave");
        fake.set_all("flags", "s_down,o_down,master");
        assert_eq!(found(&fake), ["FAIL primary", "note address"]);
        fake.set_fault(
            1,
            Fault::Refused("DENIED Redis is running in protected mode".to_owned()),
        );
        assert_eq!(found(&fake), ["FAIL protected-mode", "note address"]);
    }

    #[test]
    fn a_loopback_address_is_grave_if_others_are_elsewhere() {
        let mut fake = Fake::healthy();
        fake.set_all("ip", "127.0.0.1");
        assert_eq!(found(&fake), ["FAIL loopback"]);
    }

    #[test]
    fn clocks_far_apart_are_named() {
        let mut fake = Fake::healthy();
        let clock = |ahead_us, within_us| {
            Some(Clock {
                ahead_us,
                within_us,
            })
        };
        fake.node(3).clock = clock(5_000_000, 1000);
        assert_eq!(found(&fake), ["WARN clock"]);
        // It answered late.
        fake.node(3).clock = clock(5_000_000, 4_000_000);
        assert_eq!(found(&fake), [""; 0]);
        fake.said(1).clock = clock(i64::MIN, 0);
        assert_eq!(found(&fake), ["WARN clock"]);
    }

    #[test]
    fn settings_that_hurt_after_a_failover_are_named() {
        let mut fake = Fake::healthy();
        fake.info(2, "config_file", "");
        fake.info(3, "replica_announced", "0");
        fake.config(2, "min-replicas-to-write", "2");
        fake.config(1, "protected-mode", "yes");
        let wanted = [
            "WARN replica-announced",
            "WARN config file",
            "WARN min-replicas-to-write",
            "note protected-mode",
        ];
        assert_eq!(found(&fake), wanted);
        fake.config(2, "min-replicas-to-write", "1");
        fake.config(1, "bind", "127.0.0.1 -::1");
        assert_eq!(found(&fake), wanted[..2]);
    }
}
