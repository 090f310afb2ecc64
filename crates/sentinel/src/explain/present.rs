//! The reply: the conditions missing now for a failover, then the episodes, newest first.

use super::choice;
use super::history::Episode;
use super::record::{NOTHING_MORE, agreement, electorate, is_idle, purpose, silence};
use super::words::{iso, iso_of, place, sentinel, span};
use crate::failover::select::select;
use crate::failover::votes;
use crate::instances::Primary;
use crate::shared::Shared;

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

/// The missing conditions, if the primary is down or does not answer and no failover runs.
fn situation(shared: &Shared, primary: &Primary) -> Option<Vec<String>> {
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
    let mut lines = vec![format!(
        "{} (now) {its} {state}, and no failover runs",
        iso(shared.wall_ms)
    )];
    lines.push(silence(shared, primary));
    lines.extend(missing(shared, primary));
    Some(lines)
}

fn missing(shared: &Shared, primary: &Primary) -> Vec<String> {
    let mut lines = Vec::new();
    if shared.tilt.since.is_some() {
        lines.push(tilt(shared));
    }
    lines.push(agreement(shared, primary));
    if !primary.is_agreed_down {
        lines.push("missing: enough Sentinels that see it as down (ODOWN)".to_owned());
        lines.extend(others(shared, primary));
    }
    if votes::reachable(shared, primary) < votes::needed(primary) {
        lines.push(format!(
            "missing: enough reachable Sentinels to be elected: {}",
            electorate(primary, shared)
        ));
    }
    if shared.out.has_failed() {
        lines.push("missing: a file that can be written, for the epoch and the vote".to_owned());
    }
    let wait = primary.settings.failover_timeout_ms * 2;
    if let Some(until) = primary.failover.started_at.map(|at| at + wait)
        && until > shared.now
    {
        lines.push(format!(
            "missing: {} until {}, when 2 x failover-timeout are over since the last attempt of this \
             Sentinel, or of one that it voted for",
            span(until - shared.now),
            iso_of(shared, until)
        ));
    }
    if select(shared, primary).is_none() {
        lines.push("missing: a replica that can be promoted".to_owned());
    }
    lines.extend(choice::lines(shared, primary, "would be chosen now"));
    lines
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
