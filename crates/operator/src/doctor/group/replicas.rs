//! Facts that replicas show and no Sentinel reports: which primary they follow, and whether their
//! data grows old. Whether a replica could be promoted, each Sentinel finds (`verdicts`).

use super::facts::{Address, number, text};
use super::watch::Watch;
use russet_base::finding::Finding;

pub(super) fn look(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    for at in watch.replicas.keys() {
        let found = if watch.rows(at).is_empty() {
            unknown(watch, at)
        } else {
            role(watch, at).or_else(|| link(watch, at))
        };
        to.extend(found);
    }
}

/// A replica that its primary has, and no Sentinel.
fn unknown(watch: &Watch<'_>, at: &Address) -> Option<Finding> {
    let node = watch.node(at).ok();
    // Sentinels do not show such a replica, and may promote it.
    let is_hidden = node.is_some_and(|node| text(&node.info, "replica_announced") == "0");
    (!is_hidden).then(|| {
        Finding::warning(
            "discovery",
            format!("{at}: its primary has it, and no Sentinel knows it"),
            "if it persists for longer than 10 seconds, check the address that the replica \
             announces (replica-announce-ip, replica-announce-port)",
        )
    })
}

/// Whether it is a replica, and of the right primary.
fn role(watch: &Watch<'_>, at: &Address) -> Option<Finding> {
    let follows = match watch.node(at) {
        Ok(node) if text(&node.info, "role") == "master" => {
            return Some(Finding::warning(
                "role",
                format!("{at}: it is a primary itself"),
                "a Sentinel turns it into a replica after some seconds; if it persists, REPLICAOF",
            ));
        }
        Ok(node) => Address::of(&node.info, "master_host", "master_port"),
        Err(_) => {
            let mut rows = watch.rows(at).into_iter();
            rows.find_map(|(_, row)| Address::of(row, "master-host", "master-port"))
        }
    };
    let other = follows.filter(|follows| follows.differs(&watch.primary))?;
    Some(Finding::warning(
        "role",
        format!("{at}: it follows {other} and not {}", watch.primary),
        "a Sentinel corrects it after failover-timeout; if it persists, REPLICAOF with the \
         primary's \
         address",
    ))
}

/// The link to a primary that is up.
fn link(watch: &Watch<'_>, at: &Address) -> Option<Finding> {
    let info = &watch.node(at).ok()?.info;
    let is_primary_up =
        watch.down_by(&watch.primary).is_empty() && watch.node(&watch.primary).is_ok();
    if !is_primary_up || text(info, "master_link_status") != "down" {
        return None;
    }
    // -1: it was never up.
    let since = match number(info, "master_link_down_since_seconds") {
        Some(since) if since >= 0 => format!("is down for {since} s"),
        _ => "has not been up since its start".to_owned(),
    };
    Some(Finding::warning(
        "link",
        format!("{at}: its link to the primary {since}: its data grows old"),
        "see its log for the reason: masterauth, the address, the version of the snapshot",
    ))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fake, findings};
    use super::*;

    fn found(fake: &Fake) -> Vec<String> {
        findings(fake, look)
    }

    #[test]
    fn a_replica_of_another_primary_is_named() {
        let mut fake = Fake::healthy();
        assert_eq!(found(&fake), [""; 0]);
        fake.info(2, "master_host", "10.0.1.3");
        assert_eq!(found(&fake), ["WARN role"]);
        fake.info(3, "role", "master");
        assert_eq!(found(&fake), ["WARN role", "WARN role"]);
        // A name may be the same machine.
        fake.info(2, "master_host", "primary.example");
        assert_eq!(found(&fake), ["WARN role"]);
        fake.silence_node(3);
        fake.row(3, "master-host", "10.0.1.9");
        assert_eq!(found(&fake), ["WARN role"]);
    }

    #[test]
    fn links_that_are_down_count_only_if_the_primary_is_up() {
        let mut fake = Fake::healthy();
        fake.info(2, "master_link_status", "down");
        fake.info(2, "master_link_down_since_seconds", "-1");
        assert_eq!(found(&fake), ["WARN link"]);
        fake.silence_node(1);
        assert_eq!(found(&fake), [""; 0]);
    }

    #[test]
    fn a_replica_that_only_the_primary_knows_is_named() {
        let mut fake = Fake::healthy();
        let line = "ip=10.0.1.7,port=6379,state=online,offset=1,lag=0";
        fake.info(1, "slave7", line);
        assert_eq!(found(&fake), ["WARN discovery"]);
        fake.info(1, "slave8", "ip=,port=x,");
        assert_eq!(found(&fake), ["WARN discovery"]);
    }
}
