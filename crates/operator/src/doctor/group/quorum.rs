//! Whether enough Sentinels can agree: that a primary is down (the quorum), and on the Sentinel
//! that fails over (a majority of all that are known).
//!
//!     known       Sentinels that any of them counts, gone Sentinels included
//!     needed      more than half of them, and at least the quorum: the votes of a leader
//!     answering   Sentinels that answer here, watch the primary and are not in TILT
//!
//! Checks: the majority, Sentinels that do not answer, numbers that make failovers impossible or
//! unsafe, and Sentinels on one host. A way that is closed from here may be open for the Sentinels,
//! so their own findings (`verdicts`) stand beside the count. Settings: `agreement`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::facts::{Address, Fault, Sentinel, View, text};
use super::watch::Watch;
use crate::doctor::report::list;
use russet_base::finding::{Finding, Weight};

pub(super) fn look(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    let votes = Votes::of(watch);
    majority(watch, &votes, to);
    silent(watch, to);
    numbers(watch, &votes, to);
    hosts(watch, &votes, to);
}

/// The votes that there are, and the votes that are needed.
struct Votes {
    /// Sentinels that any of them counts, gone Sentinels included.
    known: usize,
    /// Votes that a leader needs: more than half, and at least the quorum.
    needed: usize,
    /// Sentinels that answer here, watch this primary and are not in TILT.
    answering: usize,
    quorum: usize,
    /// None is in TILT, or finds that it reaches too few others.
    is_reached: bool,
}

impl Votes {
    fn of(watch: &Watch<'_>) -> Votes {
        let (known, quorum) = (watch.known().len(), watch.quorum());
        let finds = |view: &View, code: &str| {
            let mut verdict = view.verdict.iter();
            verdict.any(|its| its.code == code && its.is_fault())
        };
        let views = watch.views.iter().map(|(_, view)| view);
        let (tilted, able): (Vec<&View>, Vec<&View>) = views.partition(|view| finds(view, "tilt"));
        Votes {
            known,
            needed: (known / 2 + 1).max(quorum),
            answering: able.len(),
            quorum,
            is_reached: tilted.is_empty() && !able.iter().any(|view| finds(view, "quorum")),
        }
    }
}

fn majority(watch: &Watch<'_>, votes: &Votes, to: &mut Vec<Finding>) {
    let Votes {
        known,
        needed,
        answering,
        quorum,
        ..
    } = *votes;
    if quorum > known {
        to.push(Finding::critical(
            "quorum",
            format!("{quorum} Sentinels must agree, and there are {known}"),
            format!(
                "SENTINEL SET {} quorum {} at each Sentinel",
                watch.name,
                known / 2 + 1
            ),
        ));
    } else if answering < needed {
        // From another place the way may be open.
        let weight = if votes.is_reached {
            Weight::Warning
        } else {
            Weight::Critical
        };
        to.push(Finding {
            weight,
            ..Finding::warning(
                "majority",
                format!(
                    "{answering} of {known} Sentinels answer here, watch {} and are not in TILT; a \
                     failover needs the votes of {needed}",
                    watch.name
                ),
                format!(
                    "start the missing Sentinels; if they are gone for good, SENTINEL RESET {} at \
                     each of the others, one after the other, 30 seconds apart",
                    watch.name
                ),
            )
        });
    }
}

/// Sentinels that are counted but do not answer.
fn silent(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    for id in watch.known() {
        let Some(Sentinel {
            at,
            said: Err(fault),
            ..
        }) = watch.sentinel(id)
        else {
            continue;
        };
        if fault.is_login() {
            to.push(Finding::warning(
                "sentinel auth",
                format!("{at} refuses the login that {} takes: {fault}", watch.group.sentinels[0].at),
                "the same requirepass at all Sentinels, and sentinel sentinel-pass with it; else they \
                 refuse each other",
            ));
            continue;
        }
        let counts = watch
            .views
            .iter()
            .filter(|(_, view)| view.knows(id))
            .count();
        let short = id.get(..8).unwrap_or(id);
        to.push(Finding::warning(
            "sentinel",
            format!(
                "{at} ({short}) does not answer: {fault}; {counts} of {} others count it",
                watch.views.len()
            ),
            match fault {
                Fault::Odd(_) => format!("SENTINEL RESET {} at those that count it", watch.name),
                _ => format!(
                    "start it, or open the network path; if it is gone for good, SENTINEL RESET \
                     {} at the Sentinels that count it",
                    watch.name
                ),
            },
        ));
    }
    for (at, why) in &watch.group.stale {
        let names = |view: &View| {
            let peers = view.peers.iter();
            peers
                .filter_map(|peer| Address::of(peer, "ip", "port"))
                .any(|peer| peer == *at)
        };
        let by: Vec<_> = watch
            .views
            .iter()
            .filter(|(_, view)| names(view))
            .map(|(s, _)| &s.at)
            .collect();
        if !by.is_empty() {
            to.push(Finding::warning(
                "sentinel address",
                format!("{} know a Sentinel at {at}: {why}", list(by)),
                "sentinel announce-ip and announce-port with the address that all others reach",
            ));
        }
    }
}

fn numbers(watch: &Watch<'_>, votes: &Votes, to: &mut Vec<Finding>) {
    let Votes { known, quorum, .. } = *votes;
    let set_quorum = format!(
        "SENTINEL SET {} quorum {} at each Sentinel",
        watch.name,
        known / 2 + 1
    );
    if known < 3 {
        to.push(Finding::warning(
            "sentinels",
            format!("{known}: if any of them is missing, there is no majority"),
            "run three or five, on machines of their own",
        ));
    } else if known.is_multiple_of(2) {
        to.push(Finding::warning(
            "sentinels",
            format!(
                "{known}, an even number: a majority survives the loss of no more of them than with {}",
                known - 1
            ),
            "one more, or one less",
        ));
    }
    if quorum == 1 && known > 1 {
        to.push(Finding::warning(
            "quorum",
            "1: a single Sentinel that is cut off declares the primary down",
            set_quorum.as_str(),
        ));
    }
    if quorum == known && known > 2 {
        to.push(Finding::warning(
            "quorum",
            format!(
                "{quorum}, all Sentinels: if any of them is missing, no primary is declared down"
            ),
            set_quorum,
        ));
    }
}

fn hosts(watch: &Watch<'_>, votes: &Votes, to: &mut Vec<Finding>) {
    let mut hosts: BTreeMap<&str, usize> = BTreeMap::new();
    for id in watch.known() {
        // The address as the others know it, which may differ from the address that was asked.
        let peers = watch.views.iter().flat_map(|(_, view)| &view.peers);
        let mut named = peers
            .filter(|peer| text(peer, "runid") == id)
            .map(|peer| text(peer, "ip"));
        let asked = watch.sentinel(id).map(|sentinel| sentinel.at.host.as_str());
        if let Some(host) = named.next().or(asked) {
            *hosts.entry(host).or_default() += 1;
        }
    }
    for (host, count) in hosts.into_iter().filter(|(_, count)| *count > 1) {
        let left = votes.known - count;
        let more = if left < votes.needed {
            format!(
                "if it is lost, {left} are left of the {} that are needed",
                votes.needed
            )
        } else {
            "they are lost together".to_owned()
        };
        let is_ip = host.parse::<IpAddr>().is_ok();
        let what = if is_ip { "address" } else { "host" };
        to.push(Finding::warning(
            "hosts",
            format!(
                "{count} of {} Sentinels have the {what} {host}: {more}",
                votes.known
            ),
            "run each Sentinel on a machine of its own",
        ));
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
    fn three_sentinels_that_agree_are_in_order() {
        assert_eq!(found(&Fake::healthy()), [""; 0]);
    }

    #[test]
    fn a_majority_that_is_not_there_prevents_a_failover() {
        let mut fake = Fake::healthy();
        fake.silence_sentinel(1);
        fake.silence_sentinel(2);
        let lost = Finding::critical("quorum", "NOQUORUM 1 usable Sentinels.", "start them");
        fake.view(0).verdict = vec![lost];
        let wanted = ["FAIL majority", "WARN sentinel", "WARN sentinel"];
        assert_eq!(found(&fake), wanted);
        // The Sentinel that answers reaches the others.
        fake.view(0).verdict.clear();
        assert_eq!(found(&fake)[0], "WARN majority");
    }

    #[test]
    fn stale_entries_count_as_sentinels() {
        let mut fake = Fake::healthy();
        for number in 0..4 {
            fake.add_stale_sentinel(number);
        }
        let text = found(&fake);
        assert_eq!(text[0], "WARN majority");
        assert_eq!(text.len(), 1 + 4);
    }

    #[test]
    fn numbers_that_do_not_fit_are_named() {
        let mut fake = Fake::healthy();
        fake.set_all("quorum", "4");
        assert_eq!(found(&fake), ["FAIL quorum"]);
        fake.set_all("quorum", "1");
        assert_eq!(found(&fake), ["WARN quorum"]);
        fake.set_all("quorum", "3");
        assert_eq!(found(&fake), ["WARN quorum"]);
        fake.set_all("quorum", "-9999999999999999999");
        assert_eq!(found(&fake), [""; 0]);
        let mut two = Fake::with_sentinels(2);
        two.set_all("quorum", "2");
        assert_eq!(found(&two), ["WARN sentinels"]);
        assert_eq!(found(&Fake::with_sentinels(4)), ["WARN sentinels"]);
        assert_eq!(found(&Fake::with_sentinels(5)), [""; 0]);
    }

    #[test]
    fn sentinels_of_one_host_are_lost_together() {
        let mut fake = Fake::healthy();
        fake.move_sentinel(2, "10.0.0.2");
        assert_eq!(found(&fake), ["WARN hosts"]);
    }

    #[test]
    fn tilt_is_grave_if_the_others_are_too_few() {
        let mut fake = Fake::healthy();
        let tilt = || vec![Finding::warning("tilt", "a clock has jumped", "wait")];
        fake.view(0).verdict = tilt();
        assert_eq!(found(&fake), [""; 0]);
        fake.view(1).verdict = tilt();
        assert_eq!(found(&fake), ["FAIL majority"]);
    }

    #[test]
    fn a_sentinel_with_another_password_is_named() {
        let mut fake = Fake::healthy();
        fake.group.sentinels[2].said = Err(Fault::Refused("WRONGPASS invalid".to_owned()));
        assert_eq!(found(&fake), ["WARN sentinel auth"]);
        fake.group.sentinels[2].said = Err(Fault::Odd("another Sentinel answers there".to_owned()));
        assert_eq!(found(&fake), ["WARN sentinel"]);
    }
}
