//! The reply: the conditions missing now for a failover, then the episodes, newest first; and what
//! is found of the present alone, for programs.

use super::choice;
use super::history::Episode;
use super::record::{NOTHING_MORE, agreement, electorate, is_idle, purpose, silence};
use super::words::{iso, iso_of, place, sentinel, span};
use crate::failover::select::select;
use crate::failover::votes::{self, Reach};
use crate::instances::Primary;
use crate::shared::Shared;
use russet_base::finding::Finding;

/// At most `max` entries, newest first. Each has a headline, then lines in the order of time.
pub fn entries(shared: &Shared, primary: &Primary, max: usize) -> Vec<Vec<String>> {
    let episodes = primary.history.newest_first();
    let episodes = episodes.map(|episode| episode_lines(shared, primary, episode));
    situation(shared, primary)
        .into_iter()
        .chain(episodes)
        .take(max)
        .collect()
}

fn episode_lines(shared: &Shared, primary: &Primary, episode: &Episode) -> Vec<String> {
    let began = episode.began;
    let outcome = match &episode.end {
        Some((_, outcome)) => outcome,
        None if is_idle(shared, primary, episode) => NOTHING_MORE,
        None => "not over yet",
    };
    let mut lines = vec![format!(
        "{} ({} ago) {}: {outcome}",
        iso(began.wall_ms),
        span(shared.now - began.monotonic_ms),
        episode.about
    )];
    for (n, (at, line)) in episode.lines.iter().enumerate() {
        if episode.gap() == Some(n) {
            lines.push(format!("... {} lines left out", episode.left_out));
        }
        lines.push(format!("{} {line}", iso(at.wall_ms)));
    }
    let failover = &primary.failover;
    if episode.end.is_none() && failover.is_running() {
        lines.push(format!(
            "{} now in {} for {}: {}",
            iso(shared.wall_ms),
            failover.state.name(),
            span(shared.now - failover.changed_at),
            purpose(shared, primary, failover.state)
        ));
        if shared.tilt.since.is_some() {
            lines.push(tilt(shared));
        }
    }
    lines
}

fn tilt(shared: &Shared) -> String {
    let since = shared.tilt.since.unwrap_or(shared.now);
    let left = since + shared.periods.tilt - shared.now;
    format!(
        "TILT since {}: a clock has jumped, so nothing is concluded and no order is given for {} more",
        iso_of(shared, since),
        span(left.max(0))
    )
}

/// The conditions that are missing now, if the primary is down or does not answer and no failover
/// runs.
fn situation(shared: &Shared, primary: &Primary) -> Option<Vec<String>> {
    let mut lines: Vec<String> = trouble(shared, primary)?
        .into_iter()
        .map(|finding| finding.text)
        .collect();
    lines[0].insert_str(0, &format!("{} (now) ", iso(shared.wall_ms)));
    Some(lines)
}

/// `EXPLAIN FINDINGS`: what prevents a failover of the primary now, or would if it were due.
pub fn findings(shared: &Shared, primary: &Primary) -> Vec<Finding> {
    if let Some(found) = trouble(shared, primary) {
        return found;
    }
    let (failover, reach) = (&primary.failover, Reach::of(primary));
    let mut found = Vec::new();
    if failover.is_running() {
        let text = format!(
            "a failover is in {} for {}: {}",
            failover.state.name(),
            span(shared.now - failover.changed_at),
            purpose(shared, primary, failover.state)
        );
        let remedy = "wait: it ends, or is given up after failover-timeout";
        found.push(Finding::warning("failover", text, remedy));
    }
    found.extend(in_tilt(shared));
    found.push(if !reach.is_enough() {
        Finding::critical("quorum", reach.text(), START_OTHERS)
    } else {
        majority(shared, primary).unwrap_or_else(|| Finding::ok("quorum", reach.text()))
    });
    found.extend(disk(shared));
    found.extend(replicas(shared, primary));
    found
}

const START_OTHERS: &str = "start the Sentinels that are missing, see that they reach each other";

/// The state of a primary that is down or does not answer while no failover of it runs, and what is
/// missing for a failover.
fn trouble(shared: &Shared, primary: &Primary) -> Option<Vec<Finding>> {
    let watch = &primary.node.watch;
    let received_at = shared.links.get(watch.link).available_at;
    let is_silent = shared.now - received_at > primary.settings.down_after_ms;
    if primary.failover.is_running() || !(watch.is_down || is_silent) {
        return None;
    }
    let its = place(shared, &watch.address);
    let state = match (watch.down_since, watch.is_down) {
        (Some(since), true) => format!("seen as down for {}", span(shared.now - since)),
        _ => "not answering, not seen as down".to_owned(),
    };
    let text = format!("{its} {state}, and no failover runs");
    let mut found = vec![
        Finding::critical("primary", text, "start it, or provide what is missing"),
        Finding::notice("primary", silence(shared, primary)),
    ];
    found.extend(in_tilt(shared));
    found.push(Finding::notice("agreement", agreement(shared, primary)));
    if !primary.is_agreed_down {
        let text = "missing: enough Sentinels that see it as down (ODOWN)";
        found.push(Finding::critical("agreement", text, START_OTHERS));
        let others = others(shared, primary).into_iter();
        found.extend(others.map(|text| Finding::notice("agreement", text)));
    }
    found.extend(majority(shared, primary));
    found.extend(disk(shared));
    let wait = primary.settings.failover_timeout_ms * 2;
    if let Some(until) = primary.failover.started_at.map(|at| at + wait)
        && until > shared.now
    {
        let text = format!(
            "missing: {} until {}, when 2 x failover-timeout are over since the last attempt of this \
             Sentinel, or of one that it voted for",
            span(until - shared.now),
            iso_of(shared, until)
        );
        found.push(Finding::notice("delay", text));
    }
    found.extend(replicas(shared, primary));
    Some(found)
}

fn in_tilt(shared: &Shared) -> Option<Finding> {
    shared.tilt.since?;
    let remedy = "if it happens again, check the clock (slew, do not step) and the load";
    Some(Finding::warning("tilt", tilt(shared), remedy))
}

/// Too few Sentinels can be reached.
fn majority(shared: &Shared, primary: &Primary) -> Option<Finding> {
    let lacks = votes::reachable(shared, primary) < votes::needed(primary);
    lacks.then(|| {
        let electorate = electorate(primary, shared);
        let text = format!("missing: enough reachable Sentinels to be elected: {electorate}");
        Finding::critical("quorum", text, START_OTHERS)
    })
}

fn disk(shared: &Shared) -> Option<Finding> {
    let text = "missing: a file that can be written, for the epoch and the vote";
    let remedy = "see its log for the reason; free space, or make the folder writable";
    (shared.out.has_failed()).then(|| Finding::critical("disk", text, remedy))
}

/// Whether a replica can be promoted, and why each of the others would not be.
fn replicas(shared: &Shared, primary: &Primary) -> Vec<Finding> {
    let mut found = choice::findings(shared, primary, "would be chosen now");
    if select(shared, primary).is_none() {
        let text = "missing: a replica that can be promoted";
        let remedy = "see why no replica can be promoted; if a priority is 0: CONFIG SET \
                      replica-priority 100";
        found.insert(0, Finding::critical("promotion", text, remedy));
    }
    found
}

/// Why each other Sentinel does not see it as down, as far as is known.
fn others(shared: &Shared, primary: &Primary) -> Vec<String> {
    let silent = primary.peers.iter().filter(|(_, peer)| !peer.says_down);
    let line = silent.map(|(run_id, peer)| {
        let name = sentinel(shared, primary, run_id);
        let received = span(shared.now - peer.received_at);
        let why = match (
            peer.watch.is_down,
            shared.links.get(peer.watch.link).is_up(),
        ) {
            (true, _) => format!("is down (SDOWN), last hello {received} ago"),
            (_, false) => format!("is disconnected, last hello {received} ago"),
            _ => {
                let answered = span(shared.now - peer.answered_at);
                format!("does not see it as down, last answer {answered} ago")
            }
        };
        format!("{name} {why}")
    });
    line.collect()
}
