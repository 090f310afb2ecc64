//! Findings of each Sentinel about a primary: its SENTINEL EXPLAIN FINDINGS, or the same rules
//! applied to what it shows.
//!
//! Whether a failover could run, each Sentinel decides by itself: whether it reaches enough others,
//! is in TILT, and has a replica that it could promote. The same finding of several Sentinels is
//! joined (`joined`).

use super::facts::{Address, Fields, View, clean, has_flag, number};
use super::watch::{Watch, is_down};
use crate::doctor::joined::join;
use russet_base::finding::{Finding, Weight};
use russet_resp::ReplyValue;
use russet_sentinel::{Fitness, Limits};

/// The subjects that a report also names if they are in order.
const MAIN: [&str; 2] = ["quorum", "promotion"];

/// The periods of PING and INFO of a Sentinel of another kind, milliseconds.
const PERIODS_MS: (i64, i64) = (1000, 10_000);

pub(super) fn look(watch: &Watch<'_>, to: &mut Vec<Finding>) {
    let all = || {
        let views = watch.views.iter();
        views.flat_map(|(of, view)| view.verdict.iter().map(move |its| (&of.at, its)))
    };
    let mut joined = join(all(), (watch.views.len(), "Sentinels"));
    for code in MAIN {
        let is_fault = joined.iter().any(|its| its.code == code && its.is_fault());
        let mut good = all().filter(|(_, its)| its.code == code && its.weight == Weight::Ok);
        if let (false, Some((_, finding))) = (is_fault, good.next()) {
            joined.push(finding.clone());
        }
    }
    to.append(&mut joined);
}

/// The findings of a Sentinel without such a command, from its rows, INFO and the reply of
/// CKQUORUM.
pub(super) fn of_replies(view: &View, info: &Fields, quorum: &ReplyValue) -> Vec<Finding> {
    let mut found = Vec::new();
    match quorum {
        ReplyValue::Simple(text) | ReplyValue::Bulk(text) => {
            found.push(Finding::ok("quorum", clean(text)));
        }
        ReplyValue::Error(why) => found.push(Finding::critical(
            "quorum",
            clean(why),
            "start the Sentinels that are missing, see that they reach each other",
        )),
        _ => {}
    }
    if number(info, "sentinel_tilt").unwrap_or(0) > 0 {
        found.push(Finding::warning(
            "tilt",
            "its clock has jumped or its process was paused, so for 30 seconds it only watches",
            "if it happens again, check the clock (slew, do not step) and the load",
        ));
    }
    let primary = &view.primary;
    let primary_down_ms = is_down(primary).then(|| number(primary, "s-down-time").unwrap_or(0));
    let down_after_ms = number(primary, "down-after-milliseconds").unwrap_or(30_000);
    let limits = Limits::new(PERIODS_MS, primary_down_ms, down_after_ms);
    let (mut fit, mut unfit) = (Vec::new(), Vec::new());
    for row in &view.replicas {
        let Some(at) = Address::of(row, "ip", "port") else {
            continue;
        };
        match fitness(row, limits).finding(&at.to_string()) {
            None => fit.push(at.to_string()),
            Some(finding) => unfit.push(finding),
        }
    }
    found.push(if let Some(first) = fit.first() {
        let more = match fit.len() {
            1 => String::new(),
            n => format!(", as could {} more", n - 1),
        };
        Finding::ok(
            "promotion",
            format!("replica {first} could be promoted{more}"),
        )
    } else {
        Finding::critical(
            "promotion",
            "missing: a replica that can be promoted",
            "see why no replica can be promoted; if a priority is 0: CONFIG SET replica-priority \
             100",
        )
    });
    found.append(&mut unfit);
    found
}

/// A replica, as a row of SENTINEL REPLICAS shows it.
fn fitness(row: &Fields, limits: Limits) -> Fitness {
    // A field that is missing is no reason.
    let value = |name: &str| number(row, name).unwrap_or(0);
    Fitness {
        down_ms: is_down(row).then(|| value("s-down-time")),
        is_connected: !has_flag(row, "disconnected"),
        silent_ms: value("last-ok-ping-reply"),
        priority: number(row, "slave-priority").unwrap_or(100),
        info_age_ms: Some(value("info-refresh")),
        link_down_ms: value("master-link-down-time"),
        limits,
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
    fn a_replica_in_order_may_be_promoted() {
        assert_eq!(found(&Fake::healthy()), ["ok quorum", "ok promotion"]);
    }

    #[test]
    fn sentinels_without_findings_are_judged_by_what_they_show() {
        let mut fake = Fake::healthy();
        fake.row(2, "slave-priority", "0");
        fake.judge();
        assert_eq!(found(&fake), ["note priority", "ok quorum", "ok promotion"]);
        fake.flags(3, "s_down,slave,disconnected");
        fake.row(3, "s-down-time", "5000");
        fake.judge();
        let wanted = [
            "FAIL promotion",
            "note priority",
            "WARN replica",
            "ok quorum",
        ];
        assert_eq!(found(&fake), wanted);
        fake.row(3, "master-link-down-time", "60000");
        fake.flags(3, "slave");
        fake.judge();
        assert_eq!(found(&fake), wanted);
        // For as long as the primary is down, its replicas have no link to it.
        fake.set_all("flags", "s_down,master");
        fake.set_all("s-down-time", "55000");
        fake.judge();
        assert_eq!(found(&fake), ["note priority", "ok quorum", "ok promotion"]);
    }

    #[test]
    fn a_tilt_and_a_lost_quorum_are_each_sentinels_own() {
        let mut fake = Fake::healthy();
        let tilt = fake.said(0).info.insert("sentinel_tilt".into(), "1".into());
        assert_eq!(tilt.as_deref(), Some("0"));
        fake.judge();
        assert_eq!(found(&fake)[0], "WARN tilt");
        let refusal = ReplyValue::Error(b"NOQUORUM 1 usable Sentinels.".to_vec());
        let view = fake.view(0).clone();
        let verdict = of_replies(&view, &Fields::new(), &refusal);
        fake.view(0).verdict = verdict;
        assert_eq!(found(&fake)[..2], ["FAIL quorum", "ok promotion"]);
    }
}
