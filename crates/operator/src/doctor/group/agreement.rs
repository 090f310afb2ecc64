//! Whether the Sentinels of a primary know each other, and agree about it.
//!
//! Checks, in the order of the report: different primaries under one name, settings that differ,
//! Sentinels that others count but that do not watch the primary, Sentinels that do not know each
//! other, and Sentinels that are held for down. Each reads a `Watch`; only Sentinels that answered
//! are compared. Votes are counted in `quorum`.

use super::facts::{Sentinel, View, has_flag, text};
use super::watch::{Watch, is_down};
use crate::doctor::report::{differences, list};
use russet_base::finding::Finding;

pub(super) fn look(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    split(watch, to);
    settings(watch, to);
    strangers(watch, to);
    discovery(watch, to);
    refusals(watch, to);
}

/// Different primaries of the same name.
fn split(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    let address = |view: &View| {
        view.address()
            .map_or_else(|| "none".to_owned(), |at| at.to_string())
    };
    let all = watch
        .views
        .iter()
        .map(|(sentinel, view)| (&sentinel.at, address(view)));
    let text = differences(all);
    if text.is_empty() {
        return;
    }
    let is_moving = watch
        .views
        .iter()
        .any(|(_, view)| has_flag(&view.primary, "failover_in_progress"));
    to.push(if is_moving { Finding::notice("primary", format!("a failover is in progress: {text}")) } else { Finding::critical(
            "primary",
            format!("the Sentinels name different primaries: {text}"),
            format!(
                "if it is not over in a minute: SENTINEL REMOVE {0} and SENTINEL MONITOR {0} with the \
                 address of the highest config-epoch at the others",
                watch.name
            ),
        ) });
}

/// The options that each Sentinel has for itself.
fn settings(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    for what in [
        "quorum",
        "down-after-milliseconds",
        "failover-timeout",
        "parallel-syncs",
    ] {
        let value = |view: &View| text(&view.primary, what).to_owned();
        let all = watch
            .views
            .iter()
            .map(|(sentinel, view)| (&sentinel.at, value(view)));
        let text = differences(all);
        if !text.is_empty() {
            to.push(Finding::warning(
                what,
                format!("the Sentinels differ: {text}"),
                format!("SENTINEL SET {} {what} <value> at each of them", watch.name),
            ));
        }
    }
    let epoch = |view: &View| text(&view.primary, "config-epoch").to_owned();
    let all = watch
        .views
        .iter()
        .map(|(sentinel, view)| (&sentinel.at, epoch(view)));
    let text = differences(all);
    if !text.is_empty() {
        to.push(Finding::warning(
            "config-epoch",
            format!(
                "the Sentinels differ: {text}; those with the lower one miss the hello messages"
            ),
            "check again in some seconds; if it persists, make sure that all reach the same data \
             nodes",
        ));
    }
}

/// Sentinels that others count for this primary, and that do not watch it.
fn strangers(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    for id in watch.known() {
        if let Some(Sentinel {
            at, said: Ok(said), ..
        }) = watch.sentinel(id)
            && !said.views.contains_key(watch.name)
        {
            let (name, primary) = (watch.name, &watch.primary);
            to.push(Finding::warning(
                "monitor",
                format!("{at} is counted and does not watch {name}"),
                format!(
                    "SENTINEL MONITOR {name} {} {} {} there, or SENTINEL RESET {name} at the others",
                    primary.host,
                    primary.port,
                    watch.quorum()
                ),
            ));
        }
    }
}

/// Sentinels that do not know each other: each finds the others through the data nodes.
fn discovery(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    for (sentinel, view) in &watch.views {
        let others = watch
            .views
            .iter()
            .filter(|(other, _)| other.id != sentinel.id);
        let unknown = others.filter(|(other, _)| !view.knows(&other.id));
        let unknown: Vec<_> = unknown.map(|(other, _)| &other.at).collect();
        if !unknown.is_empty() {
            to.push(Finding::warning(
                "discovery",
                format!("{} does not know {}", sentinel.at, list(unknown)),
                "they find each other through the primary's channel __sentinel__:hello: see that all \
                 watch the same primary and that its users may SUBSCRIBE and PUBLISH there",
            ));
        }
    }
}

/// Sentinels that answer here, and that others hold for down.
fn refusals(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    for (sentinel, view) in &watch.views {
        let down = view.peers.iter().filter(|peer| is_down(peer));
        let answers = down.filter_map(|peer| {
            let other = watch.sentinel(text(peer, "runid"))?;
            other.said.is_ok().then_some(&other.at)
        });
        let answers: Vec<_> = answers.collect();
        if !answers.is_empty() {
            to.push(Finding::warning(
                "peers",
                format!(
                    "{} reports {} as down, but it answers this tool",
                    sentinel.at,
                    list(answers)
                ),
                "see that the way between them is open, and that sentinel sentinel-user and \
                 sentinel-pass are the login that the others want",
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
    fn sentinels_that_agree_are_in_order() {
        assert_eq!(found(&Fake::healthy()), [""; 0]);
    }

    #[test]
    fn each_setting_that_differs_is_named() {
        for name in [
            "quorum",
            "down-after-milliseconds",
            "failover-timeout",
            "parallel-syncs",
        ] {
            let mut fake = Fake::healthy();
            fake.set(1, name, "170000");
            let replies = found(&fake);
            assert_eq!(replies[0], format!("WARN {name}"));
        }
        let mut fake = Fake::healthy();
        fake.set(1, "config-epoch", "7");
        assert_eq!(found(&fake), ["WARN config-epoch"]);
    }

    #[test]
    fn a_split_is_grave_unless_a_failover_is_in_progress() {
        let mut fake = Fake::healthy();
        fake.set(2, "ip", "10.0.1.2");
        assert_eq!(found(&fake), ["FAIL primary"]);
        fake.set(2, "flags", "master,failover_in_progress");
        assert_eq!(found(&fake), ["note primary"]);
    }

    #[test]
    fn sentinels_that_do_not_know_each_other_are_named() {
        let mut fake = Fake::healthy();
        let id = fake.group.sentinels[2].id.clone();
        fake.view(0).peers.retain(|peer| text(peer, "runid") != id);
        assert_eq!(found(&fake), ["WARN discovery"]);
    }

    #[test]
    fn a_sentinel_that_is_counted_must_watch() {
        let mut fake = Fake::healthy();
        fake.said(2).views.clear();
        assert_eq!(found(&fake), ["WARN monitor"]);
    }

    #[test]
    fn sentinels_that_refuse_each_other_are_named() {
        let mut fake = Fake::healthy();
        fake.view(0).peers[0].insert(
            "flags".to_owned(),
            "s_down,sentinel,disconnected".to_owned(),
        );
        assert_eq!(found(&fake), ["WARN peers"]);
    }
}
