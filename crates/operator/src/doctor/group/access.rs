//! Whether the servers reach each other: addresses, logins and permissions, those of the Sentinels
//! at the data nodes, of the data nodes at each other, and our own.
//!
//! Checks, in the order of the report: data nodes that do not answer here, loopback addresses, data
//! nodes that refuse our login, data nodes that answer us
//! and not the Sentinels, commands that the Sentinels' users may not run, nodes where ACL DRYRUN is
//! not allowed to us, and nodes without `masterauth` that could not follow a primary with a
//! password. Nodes that are alike share one finding. Permissions are tried in `asking`, never by a
//! command itself.

use std::collections::BTreeMap;

use super::facts::{Address, Fault, text};
use super::watch::Watch;
use crate::doctor::report::list;
use russet_base::finding::Finding;

/// Without these a Sentinel works, only less well.
const OPTIONAL: [&str; 2] = ["SCRIPT KILL", "CLIENT SETNAME x"];
/// The rights that the user of Sentinels needs.
const RULES: &str = "+ping +info +subscribe +publish +multi +exec +slaveof +config|rewrite \
                     +client|kill +client|setname +script|kill &__sentinel__:hello";

pub(super) fn look(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    addresses(watch, to);
    loopback(watch, to);
    logins(watch, to);
    held_for_down(watch, to);
    permissions(watch, to);
    unchecked(watch, to);
    primary_passwords(watch, to);
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
            to.push(Finding::critical(
                "protected-mode",
                format!("{at} refuses all machines but its own: it has no password"),
                "requirepass there with sentinel auth-pass and masterauth, or protected-mode no in a \
                 network of its own",
            ));
            continue;
        }
        let what = format!("{at} ({})", kind(watch, at));
        let finding = match by {
            0 => Finding::warning(
                "address",
                format!(
                    "{what} does not answer this tool: {fault}; no Sentinel reports it as down"
                ),
                "if clients have this address from Sentinel and cannot reach it either: \
                 replica-announce-ip and replica-announce-port",
            ),
            _ if *at == watch.primary => Finding::critical(
                "primary",
                format!("{what} does not answer: {fault}; it is down for {by} of {all} Sentinels"),
                "start it; if no replica becomes primary within failover-timeout, the other findings \
                 say why",
            ),
            // The consequence is among the candidates.
            _ => Finding::notice(
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
        to.push(Finding::critical(
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

/// Data nodes that refuse us.
fn logins(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    let mut found: BTreeMap<String, Vec<&Address>> = BTreeMap::new();
    for at in watch.addresses() {
        if let Err(Some(fault)) = watch.node(at)
            && fault.is_login()
        {
            found.entry(fault.to_string()).or_default().push(at);
        }
    }
    for (why, nodes) in found {
        let is_down = |at: &&&Address| !watch.down_by(at).is_empty();
        let down: Vec<_> = nodes.iter().filter(is_down).collect();
        let more = if down.is_empty() {
            String::new()
        } else {
            format!("; down for Sentinels: {}", list(down))
        };
        to.push(Finding::warning(
            "auth",
            format!(
                "not checked, because the login failed: {}: {why}{more}",
                list(&nodes)
            ),
            "--node-user and --node-pass, or $RUSSET_NODE_AUTH",
        ));
    }
}

/// Data nodes that answer us and not the Sentinels.
fn held_for_down(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    for (at, node) in watch.nodes() {
        let by = watch.down_by(at);
        if by.is_empty() {
            continue;
        }
        let is_logged_in = |sentinel: &Address| {
            let of = watch.views.iter().find(|(other, _)| other.at == *sentinel);
            let links = node.links.iter().flatten();
            of.is_some_and(|(of, _)| {
                links
                    .into_iter()
                    .any(|(id, _)| of.id.starts_with(id.as_str()))
            })
        };
        let outside = by.iter().filter(|sentinel| !is_logged_in(sentinel)).count();
        let hint = match (&node.links, outside) {
            (Some(_), 1..) if node.has_password => {
                "; none of them is logged in there, and it wants a password"
            }
            (Some(_), 1..) => "; they have no connection there",
            _ => "",
        };
        let text = format!("{at} answers here, and is down for {}{hint}", list(by));
        let mend = format!(
            "SENTINEL SET {} auth-pass (and auth-user) with its password at each Sentinel; else see that \
             the way to it is open",
            watch.name
        );
        to.push(if *at == watch.primary {
            Finding::critical("sentinel login", text, mend)
        } else {
            Finding::warning("sentinel login", text, mend)
        });
    }
}

/// A user, and the commands that are refused to it.
type UserDenials<'n> = (&'n str, Vec<&'n str>);

/// Commands that the users of Sentinels may not run.
fn permissions(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    // A finding for all nodes that are alike.
    let mut found: BTreeMap<UserDenials<'_>, (Vec<&Address>, &str)> = BTreeMap::new();
    for (at, node) in watch.nodes() {
        for (user, refused) in &node.access.refused {
            if let Some((_, why)) = refused.first() {
                let commands = refused.iter().map(|(command, _)| *command).collect();
                let (nodes, _) = found.entry((user, commands)).or_insert((Vec::new(), why));
                nodes.push(at);
            }
        }
    }
    for ((user, commands), (nodes, why)) in found {
        let needed: Vec<&str> = commands
            .iter()
            .filter(|c| !OPTIONAL.contains(c))
            .copied()
            .collect();
        let text = format!(
            "{}: the user {user:?} of the Sentinels may not {}: {why}",
            list(&nodes),
            list(&commands)
        );
        let mend = if why.contains("not found") {
            "sentinel rename-command with the name that the command has there".to_owned()
        } else {
            format!("ACL SETUSER {user} {RULES}")
        };
        to.push(if needed.is_empty() {
            Finding::warning("acl", text, mend)
        } else {
            Finding::critical("acl", text, mend)
        });
    }
}

/// Data nodes that do not allow us to check the rights.
fn unchecked(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    let mut found: BTreeMap<&str, Vec<&Address>> = BTreeMap::new();
    for (at, node) in watch.nodes() {
        if let Some(why) = &node.access.unchecked {
            found.entry(why).or_default().push(at);
        }
    }
    for (why, nodes) in found {
        to.push(Finding::notice(
            "acl",
            format!(
                "{}: permissions were not checked ({why}); Sentinels need {RULES}",
                list(nodes)
            ),
        ));
    }
}

/// A node without `masterauth` cannot follow a node with a password: the classic is the old
/// primary, which never needed it.
fn primary_passwords(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    for (at, node) in watch.nodes() {
        let lacks = node.has_masterauth == Some(false);
        let wants = |(other, node): &(&Address, &super::facts::DataNodeReplies)| {
            node.has_password && *other != at && text(&node.info, "slave_priority") != "0"
        };
        if lacks && let Some((other, _)) = watch.nodes().find(wants) {
            to.push(Finding::warning(
                "masterauth",
                format!("{at} has none: it cannot follow {other} or any other that wants a password"),
                "CONFIG SET masterauth (and masteruser) there, also at the present primary, then CONFIG \
                 REWRITE",
            ));
        }
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
    fn logins_that_work_are_in_order() {
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
        assert_eq!(found(&fake)[..2], ["FAIL primary", "note address"]);
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
    fn a_login_that_is_refused_is_named() {
        let mut fake = Fake::healthy();
        fake.set_fault(
            2,
            Fault::Refused("NOAUTH Authentication required.".to_owned()),
        );
        assert_eq!(found(&fake), ["WARN auth"]);
    }

    #[test]
    fn a_primary_that_is_down_only_for_the_sentinels_is_grave() {
        let mut fake = Fake::healthy();
        fake.set_all("flags", "s_down,master");
        assert_eq!(found(&fake), ["FAIL sentinel login"]);
        fake.flags(3, "s_down,slave");
        assert_eq!(found(&fake), ["FAIL sentinel login", "WARN sentinel login"]);
    }

    #[test]
    fn commands_that_sentinels_may_not_run_are_named_once() {
        let mut fake = Fake::healthy();
        let why = "User w has no permissions to run the 'config|rewrite' command".to_owned();
        let refused = vec![("CONFIG REWRITE", why)];
        for node in 1..=3 {
            fake.node(node)
                .access
                .refused
                .insert("w".to_owned(), refused.clone());
        }
        assert_eq!(found(&fake), ["FAIL acl"]);
        let optional = vec![("SCRIPT KILL", "User w has no permissions".to_owned())];
        fake.node(2).access.refused.insert("w".to_owned(), optional);
        assert_eq!(found(&fake), ["FAIL acl", "WARN acl"]);
        fake.node(3).access.unchecked = Some("NOPERM".to_owned());
        assert_eq!(found(&fake), ["FAIL acl", "WARN acl", "note acl"]);
    }

    #[test]
    fn an_old_primary_must_be_able_to_log_in() {
        let mut fake = Fake::healthy();
        for node in 1..=3 {
            fake.node(node).has_password = true;
            fake.node(node).has_masterauth = Some(true);
        }
        assert_eq!(found(&fake), [""; 0]);
        fake.node(1).has_masterauth = Some(false);
        assert_eq!(found(&fake), ["WARN masterauth"]);
    }
}
