//! Whether there is a replica that Sentinels may promote.
//!
//!     reasons against one: down or unknown, priority 0, wrong role or primary, link down too long
//!
//! A replica without a reason may be promoted; without any such replica the report fails. The rules
//! are those by which a Sentinel selects a replica. The replica's own INFO goes before what
//! Sentinels know of it, because it is newer; for one that does not answer their rows decide.
//! Addresses and logins of the same servers: `access`.

use super::facts::{Address, Fields, has_flag, number, text};
use super::watch::{Watch, is_down, list};
use russet_base::finding::Finding;

/// A replica whose link is down for longer than so many `down-after-milliseconds` is not promoted.
const LINK_DOWN_MAX: i64 = 10;

/// Why a replica is not promoted.
struct Reason {
    what: &'static str,
    text: String,
    mend: &'static str,
}

pub(super) fn look(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    if watch.replicas.is_empty() {
        to.push(Finding::critical(
            "replicas",
            format!("{} has none: nothing can be promoted", watch.primary),
            format!(
                "REPLICAOF {} {} at another server",
                watch.primary.host, watch.primary.port
            ),
        ));
        return;
    }
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for at in watch.replicas.keys() {
        let reasons = reasons(watch, at);
        if reasons.is_empty() {
            good.push(at)
        } else {
            bad.push((at, reasons))
        }
    }
    let has_priority_0 =
        |reasons: &[Reason]| reasons.iter().any(|reason| reason.what == "priority");
    if good.is_empty() {
        let why = |(at, reasons): &(&Address, Vec<Reason>)| {
            let texts: Vec<&str> = reasons.iter().map(|reason| reason.text.as_str()).collect();
            format!("{at} ({})", texts.join(", "))
        };
        let mend = match bad.iter().find(|(_, reasons)| has_priority_0(reasons)) {
            Some((at, _)) => {
                format!("CONFIG SET replica-priority 100 at {at} or another, then CONFIG REWRITE")
            }
            None => "see the replicas below".to_owned(),
        };
        to.push(Finding::critical(
            "promotion",
            format!("no replica may be promoted: {}", list(bad.iter().map(why))),
            mend,
        ));
    } else {
        let text = format!("{} may be promoted", list(&good));
        to.push(Finding::ok("promotion", text));
    }
    for (at, reasons) in &bad {
        for reason in reasons {
            if reason.what != "priority" {
                let text = format!("{at}: {}", reason.text);
                to.push(Finding::warning(reason.what, text, reason.mend));
            } else if !good.is_empty() {
                let text = format!("{at}: {}; it is never promoted", reason.text);
                to.push(Finding::notice("priority", text));
            }
        }
    }
}

fn reasons(watch: &Watch<'_>, at: &Address) -> Vec<Reason> {
    let rows = watch.rows(at);
    let info = watch.node(at).ok().map(|node| &node.info);
    let mut found = Vec::new();
    found.extend(down(watch, at));
    // The replica's own INFO is newer.
    let said = rows
        .iter()
        .find_map(|(_, row)| number(row, "slave-priority"));
    let priority = info
        .and_then(|info| number(info, "slave_priority"))
        .or(said);
    if priority == Some(0) {
        found.push(Reason {
            what: "priority",
            text: "replica-priority is 0".to_owned(),
            mend: "",
        });
    }
    found.extend(role(watch, &rows, info));
    if found.is_empty() {
        found.extend(link(watch, &rows, info));
    }
    found
}

fn down(watch: &Watch<'_>, at: &Address) -> Option<Reason> {
    if watch.rows(at).is_empty() {
        let node = watch.node(at).ok();
        // Sentinels do not show such a replica, and may promote it.
        let is_hidden = node.is_some_and(|node| text(&node.info, "replica_announced") == "0");
        return (!is_hidden).then(|| Reason {
            what: "discovery",
            text: "its primary has it, and no Sentinel knows it".to_owned(),
            mend: "if it stays for longer than 10 seconds: is the address that it announces right \
                   (replica-announce-ip, replica-announce-port)?",
        });
    }
    // One without a link is not promoted either, though it may have been lost just now.
    let is_unusable = |row: &Fields| is_down(row) || has_flag(row, "disconnected");
    let rows = watch.rows(at);
    let by = rows.iter().filter(|(_, row)| is_unusable(row)).count();
    let all = watch.views.len();
    (2 * by > all || by > 0 && watch.node(at).is_err()).then(|| Reason {
        what: "down",
        text: format!("down for {by} of {all} Sentinels"),
        mend: "start it, or see why the Sentinels do not reach it; if it is gone for good, \
               SENTINEL RESET at each of them, one after the other",
    })
}

/// Whether it is a replica, and of the right primary.
fn role(watch: &Watch<'_>, rows: &[(&Address, &Fields)], info: Option<&Fields>) -> Option<Reason> {
    let follows = match info {
        Some(info) if text(info, "role") == "master" => {
            return Some(Reason {
                what: "role",
                text: "it is a primary itself".to_owned(),
                mend: "a Sentinel turns it into a replica after some seconds; if it stays, REPLICAOF",
            });
        }
        Some(info) => Address::of(info, "master_host", "master_port"),
        None => rows
            .iter()
            .find_map(|(_, row)| Address::of(row, "master-host", "master-port")),
    };
    let other = follows.filter(|follows| follows.differs(&watch.primary))?;
    Some(Reason {
        what: "role",
        text: format!("it follows {other} and not {}", watch.primary),
        mend: "a Sentinel corrects it after failover-timeout; if it stays, REPLICAOF with the \
               primary's address",
    })
}

/// Whether its data is new enough.
fn link(watch: &Watch<'_>, rows: &[(&Address, &Fields)], info: Option<&Fields>) -> Option<Reason> {
    if !watch.down_by(&watch.primary).is_empty() || watch.node(&watch.primary).is_err() {
        // Without a primary no link is up.
        return None;
    }
    let down_ms = match info {
        Some(info) if text(info, "master_link_status") == "up" => return None,
        // -1: it was never up.
        Some(info) => match number(info, "master_link_down_since_seconds") {
            Some(since) if since >= 0 => since.saturating_mul(1000),
            _ => i64::MAX,
        },
        None => {
            let is_broken = |row: &Fields| text(row, "master-link-status") == "err";
            let (_, row) = rows.iter().find(|(_, row)| is_broken(row))?;
            number(row, "master-link-down-time").unwrap_or(0)
        }
    };
    let limits = watch
        .views
        .iter()
        .filter_map(|(_, view)| number(&view.primary, "down-after-milliseconds"));
    let limit = limits.max().unwrap_or(30_000).saturating_mul(LINK_DOWN_MAX);
    let since = match down_ms {
        i64::MAX => "has not been up since its start".to_owned(),
        ms => format!("is down for {} s", ms / 1000),
    };
    let more = if down_ms > limit {
        "so it is not promoted"
    } else {
        "its data grows old"
    };
    Some(Reason {
        what: "link",
        text: format!("its link to the primary {since}: {more}"),
        mend: "see its log for the reason: masterauth, the address, the version of the snapshot",
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fake, findings};
    use super::*;

    fn found(fake: &Fake) -> Vec<String> {
        findings(fake, look)
    }

    #[test]
    fn a_replica_in_order_may_be_promoted() {
        assert_eq!(found(&Fake::healthy()), ["ok promotion"]);
    }

    #[test]
    fn priority_0_everywhere_prevents_a_failover() {
        let mut fake = Fake::healthy();
        fake.info(2, "slave_priority", "0");
        assert_eq!(found(&fake), ["ok promotion", "note priority"]);
        fake.info(3, "slave_priority", "0");
        assert_eq!(found(&fake), ["FAIL promotion"]);
    }

    #[test]
    fn no_replica_is_grave() {
        let mut fake = Fake::healthy();
        for at in 0..3 {
            fake.view(at).replicas.clear();
        }
        fake.group.nodes.retain(|at, _| at.host == "10.0.1.1");
        fake.node(1)
            .info
            .retain(|name, _| !name.starts_with("slave"));
        assert_eq!(found(&fake), ["FAIL replicas"]);
    }

    #[test]
    fn replicas_that_are_down_are_not_promoted() {
        let mut fake = Fake::healthy();
        fake.silence_node(2);
        fake.flags(2, "s_down,slave,disconnected");
        assert_eq!(found(&fake), ["ok promotion", "WARN down"]);
        fake.silence_node(3);
        fake.flags(3, "s_down,slave,disconnected");
        assert_eq!(found(&fake), ["FAIL promotion", "WARN down", "WARN down"]);
    }

    #[test]
    fn a_replica_of_another_primary_is_named() {
        let mut fake = Fake::healthy();
        fake.info(2, "master_host", "10.0.1.3");
        assert_eq!(found(&fake), ["ok promotion", "WARN role"]);
        fake.info(3, "role", "master");
        assert_eq!(found(&fake), ["FAIL promotion", "WARN role", "WARN role"]);
        // A name may be the same machine.
        fake.info(2, "master_host", "primary.example");
        assert_eq!(found(&fake), ["ok promotion", "WARN role"]);
    }

    #[test]
    fn links_that_are_down_count_only_if_the_primary_is_up() {
        let mut fake = Fake::healthy();
        fake.info(2, "master_link_status", "down");
        fake.info(2, "master_link_down_since_seconds", "-1");
        fake.silence_node(3);
        fake.row(3, "master-link-status", "err");
        fake.row(3, "master-link-down-time", "9000");
        assert_eq!(found(&fake), ["FAIL promotion", "WARN link", "WARN link"]);
        fake.silence_node(1);
        assert_eq!(found(&fake), ["ok promotion"]);
    }

    #[test]
    fn a_replica_that_only_the_primary_knows_is_named() {
        let mut fake = Fake::healthy();
        fake.info(
            1,
            "slave7",
            "ip=10.0.1.7,port=6379,state=online,offset=1,lag=0",
        );
        assert_eq!(found(&fake), ["ok promotion", "WARN discovery"]);
        fake.info(1, "slave8", "ip=,port=x,");
        assert_eq!(found(&fake), ["ok promotion", "WARN discovery"]);
    }
}
