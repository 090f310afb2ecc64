//! The lines of a primary's history: one function for each change that matters to a failover.
//!
//! The module that makes a change calls the function at that moment (`down`, `votes`, `failover`,
//! `discovery`, `refresh`, `core`); nothing is decided here. SDOWN, a vote for another Sentinel, an
//! attempt of ours, a refused SENTINEL FAILOVER and another Sentinel's switch open an episode; the
//! other changes add a line to the open episode, or nothing. A line is text from then on: later
//! changes of its subject do not alter it.
//!
//! Cost: nothing while nothing changes; O(Sentinels) for lines that name each of them. Bounds are
//! `history`'s, the comparison of replicas is `choice`'s.

use std::collections::BTreeMap;

use super::choice;
use super::history::{Episode, Obstacle};
use super::words::{count, iso, iso_of, place, sentinel, short, span};
use crate::address::Address;
use crate::failover::votes;
use crate::instances::{FailoverKind, FailoverState, Primary, Role};
use crate::shared::Shared;
use crate::time::Ms;
use russet_base::text::Printable;

fn note(shared: &Shared, primary: &mut Primary, line: String) {
    primary.history.note(shared.clock(), line);
}

/// The outcome of an open episode that is not continued.
pub(super) const NOTHING_MORE: &str = "nothing more was seen of it";

/// An open episode that only another Sentinel's candidacy has begun, without any effect for long.
pub(super) fn is_idle(shared: &Shared, primary: &Primary, episode: &Episode) -> bool {
    let patience = primary.settings.failover_timeout_ms * 2;
    let is_old = shared.now - episode.last_at().monotonic_ms > patience;
    is_old && !primary.node.watch.is_down && !primary.failover.is_running()
}

/// Begins an episode, unless an episode is open; an idle episode (`is_idle`) is closed first.
fn open(shared: &Shared, primary: &mut Primary, about: String) {
    let now = shared.clock();
    let current = primary.history.current();
    if current.is_some_and(|episode| is_idle(shared, primary, episode)) {
        primary.history.close(now, NOTHING_MORE.to_owned());
    }
    primary.history.open(now, about);
}

fn address(shared: &Shared, primary: &Primary) -> String {
    place(shared, &primary.node.watch.address)
}

/// The primary's last signs of life.
pub(super) fn silence(shared: &Shared, primary: &Primary) -> String {
    let link = shared.links.get(primary.node.watch.link);
    let age = |at: Ms| span(shared.now - at);
    let mut text = format!(
        "no valid reply since {} ({}; down-after-milliseconds is {})",
        iso_of(shared, link.available_at),
        age(link.available_at),
        primary.settings.down_after_ms
    );
    if !link.last_reply.is_empty() {
        let reply = Printable(&link.last_reply);
        text += &format!("; last reply to PING {} ago: {reply}", age(link.pong_at));
    }
    if let Some((at, error)) = &link.last_error {
        text += &format!(
            "; last connection error {} ago: {}",
            age(*at),
            Printable(error.as_bytes())
        );
    }
    text
}

/// `+sdown` of the primary.
pub fn down(shared: &Shared, primary: &mut Primary, is_unfit: bool) {
    let now = shared.now;
    let about = format!("{} seen as down", address(shared, primary));
    open(shared, primary, about);
    let node = &primary.node;
    let line = match is_unfit {
        true if node.role == Role::Replica => format!(
            "it reports that it is a replica for {}: seen as down (SDOWN)",
            span(now - node.role_since)
        ),
        true => format!(
            "it was restarted {} ago and has not answered PING with PONG yet: seen as down (SDOWN)",
            span(now - primary.reboot_since.unwrap_or(now))
        ),
        false => format!("seen as down (SDOWN): {}", silence(shared, primary)),
    };
    let received_at = shared.links.get(node.watch.link).available_at;
    note(shared, primary, line);
    if let Some((since, until)) = shared.tilt.ended
        && received_at < until
    {
        let (since, until) = (iso_of(shared, since), iso_of(shared, until));
        let line = format!("TILT from {since} to {until}: nothing was concluded meanwhile");
        note(shared, primary, line);
    }
}

/// `-sdown` of the primary.
pub fn up(shared: &Shared, primary: &mut Primary) {
    let since = primary.node.watch.down_since.unwrap_or(shared.now);
    // SENTINEL FAILOVER marks the primary as down, so that the failover takes its usual course.
    let began = primary.history.current().map(|episode| episode.began);
    let is_marked = primary.failover.kind != FailoverKind::Election
        && began.is_some_and(|began| began.monotonic_ms == since);
    if is_marked && primary.failover.is_running() {
        return;
    }
    let after = span(shared.now - since);
    let line = format!("it is no longer seen as down, {after} after SDOWN");
    let history = &mut primary.history;
    history.add_late_line(shared.clock(), line);
    if !primary.failover.is_running() {
        let outcome = format!("no failover: the primary answers again after {after}");
        history.close(shared.clock(), outcome);
    }
}

/// The Sentinels that see the primary as down: how many of how many, and which.
pub(super) fn agreement(shared: &Shared, primary: &Primary) -> String {
    let mut names = Vec::new();
    if primary.node.watch.is_down {
        names.push(sentinel(shared, primary, &shared.my_id));
    }
    let peers = primary.peers.iter().filter(|(_, peer)| peer.says_down);
    names.extend(peers.map(|(run_id, _)| sentinel(shared, primary, run_id)));
    let which = if names.is_empty() {
        String::new()
    } else {
        format!(": {}", names.join(", "))
    };
    format!(
        "{} of {} see it as down, quorum {}{which}",
        names.len(),
        count(primary.peers.len() + 1, "known Sentinel"),
        primary.settings.quorum,
    )
}

/// `+odown` or `-odown`.
pub fn agreed(shared: &Shared, primary: &mut Primary) {
    let sign = if primary.is_agreed_down {
        "down by agreement (ODOWN)"
    } else {
        "no longer down by agreement (-ODOWN)"
    };
    let line = format!("{sign}: {}", agreement(shared, primary));
    note(shared, primary, line);
}

/// Another Sentinel has changed its opinion, or has not answered for long.
pub(crate) fn opinion(shared: &Shared, primary: &mut Primary, run_id: &[u8], text: &str) {
    if primary.history.is_open() {
        let name = sentinel(shared, primary, run_id);
        note(shared, primary, format!("{name} {text}"));
    }
}

/// Our vote.
pub fn vote(shared: &Shared, primary: &mut Primary, candidate: &[u8], epoch: u64) {
    let name = sentinel(shared, primary, candidate);
    if shared.is_me(candidate) {
        let line = format!("this Sentinel votes for itself in epoch {epoch}");
        return note(shared, primary, line);
    }
    let about = format!(
        "{}: {name} wants to lead a failover in epoch {epoch}",
        address(shared, primary)
    );
    open(shared, primary, about);
    let wait = primary.settings.failover_timeout_ms * 2;
    let line = format!(
        "this Sentinel votes for {name} in epoch {epoch}; its own start is delayed by {} (2 x \
         failover-timeout)",
        span(wait)
    );
    note(shared, primary, line);
}

/// The vote of another Sentinel, for us or another.
pub(crate) fn peer_vote(
    shared: &Shared,
    primary: &mut Primary,
    run_id: &[u8],
    (vote, epoch): (&[u8], u64),
) {
    if epoch == primary.failover.epoch {
        primary.history.votes.insert(run_id.to_vec(), vote.to_vec());
    }
    let candidate = if run_id.eq_ignore_ascii_case(vote) {
        "itself".to_owned()
    } else {
        sentinel(shared, primary, vote)
    };
    let text = format!("votes for {candidate} in epoch {epoch}");
    opinion(shared, primary, run_id, &text);
}

/// Our own attempt begins.
pub fn started(shared: &Shared, primary: &mut Primary) {
    let (epoch, kind) = (primary.failover.epoch, primary.failover.kind);
    let its = address(shared, primary);
    let about = match kind {
        FailoverKind::Election => format!("{its} down, failover attempt in epoch {epoch}"),
        FailoverKind::Forced => format!("SENTINEL FAILOVER of {its} in epoch {epoch}"),
        FailoverKind::Coordinated => {
            format!("SENTINEL FAILOVER COORDINATED of {its} in epoch {epoch}")
        }
    };
    open(shared, primary, about.clone());
    primary.history.rename(about);
    primary.history.votes.clear();
    let votes = match kind {
        FailoverKind::Forced => "no votes are needed, an operator forces it".to_owned(),
        _ => format!("asks for votes; {}", electorate(primary, shared)),
    };
    let line = format!("this Sentinel begins a failover in epoch {epoch}: {votes}");
    note(shared, primary, line);
}

/// How many votes are needed, and how many Sentinels can be reached.
pub(super) fn electorate(primary: &Primary, shared: &Shared) -> String {
    format!(
        "{} needed of {}, {} can be reached (this one included), quorum {}",
        count(votes::needed(primary), "vote"),
        count(primary.peers.len() + 1, "known Sentinel"),
        votes::reachable(shared, primary),
        primary.settings.quorum
    )
}

/// An attempt cannot begin.
pub fn obstacle(shared: &Shared, primary: &mut Primary, obstacle: Obstacle) {
    if !primary.history.replace_obstacle(obstacle) {
        return;
    }
    let line = match obstacle {
        Obstacle::Unsaved => {
            "no failover is begun: the state could not be saved to the file".to_owned()
        }
        Obstacle::Delay(until) => format!(
            "no failover is begun before {} ({} left): 2 x failover-timeout after the last attempt \
             of this Sentinel, or of one that it voted for",
            iso_of(shared, until),
            span(until - shared.now)
        ),
    };
    primary.history.add_late_line(shared.clock(), line);
}

/// `+elected-leader`.
pub fn elected(shared: &Shared, primary: &mut Primary) {
    let epoch = primary.failover.epoch;
    let line = match primary.failover.kind {
        FailoverKind::Forced => "leads without an election".to_owned(),
        _ => format!(
            "elected in epoch {epoch}: {} of {}, {} needed",
            count(
                votes::given_to(shared, primary, &shared.my_id, epoch),
                "vote"
            ),
            primary.peers.len() + 1,
            votes::needed(primary)
        ),
    };
    note(shared, primary, line);
}

/// Another Sentinel with enough votes, ours included if we voted for it.
fn other_leader(primary: &Primary, epoch: u64, needed: usize) -> Option<Vec<u8>> {
    let mut counts: BTreeMap<&[u8], usize> = BTreeMap::new();
    let mine = primary.vote.iter().filter(|_| primary.vote_epoch == epoch);
    for candidate in primary.history.votes.values().chain(mine) {
        *counts.entry(candidate).or_default() += 1;
    }
    let mut counts = counts.into_iter();
    let leader = counts.find(|(_, count)| *count >= needed);
    leader.map(|(leader, _)| leader.to_vec())
}

/// Why the election was not won, with one line for each Sentinel that did not vote. `leader`: by
/// the votes that count now.
pub(crate) fn not_elected(shared: &Shared, primary: &mut Primary, leader: Option<&[u8]>) -> String {
    let (epoch, needed) = (primary.failover.epoch, votes::needed(primary));
    let ours = votes::given_to(shared, primary, &shared.my_id, epoch);
    let other = other_leader(primary, epoch, needed);
    let leader = leader.or(other.as_deref());
    let known = primary.peers.len() + 1;
    let silent = primary.peers.iter().filter_map(|(run_id, peer)| {
        if primary.history.votes.contains_key(run_id) {
            return None;
        }
        let name = sentinel(shared, primary, run_id);
        let why = match (
            peer.watch.is_down,
            shared.links.get(peer.watch.link).is_up(),
        ) {
            (true, _) => "it is down (SDOWN)",
            (_, false) => "it is disconnected",
            _ => "it gave none",
        };
        Some(format!("no vote of {name} in epoch {epoch}: {why}"))
    });
    let silent: Vec<String> = silent.collect();
    for line in silent {
        note(shared, primary, line);
    }
    let votes = count(ours, "vote");
    let tally = format!("{votes} of {known} for this Sentinel, {needed} needed");
    match leader {
        Some(leader) if shared.is_me(leader) => {
            format!("the votes are there, but the state could not be saved to the file ({tally})")
        }
        Some(leader) => {
            let name = sentinel(shared, primary, leader);
            format!("not elected in epoch {epoch}: {name} leads ({tally})")
        }
        None if votes::reachable(shared, primary) < needed => format!(
            "not elected in epoch {epoch}: too few of all known Sentinels can be reached ({tally}, {} \
             can be reached)",
            votes::reachable(shared, primary)
        ),
        None if shared.current_epoch != epoch => format!(
            "not elected in epoch {epoch}: the epoch is {} meanwhile ({tally})",
            shared.current_epoch
        ),
        None => format!("not elected in epoch {epoch}: not enough votes ({tally})"),
    }
}

/// The choice of a replica, or of none, with reasons.
pub fn choice(shared: &Shared, primary: &mut Primary) {
    for finding in choice::findings(shared, primary, "chosen") {
        note(shared, primary, finding.text);
    }
}

/// SENTINEL FAILOVER was refused: no replica can be promoted.
pub fn refused(shared: &Shared, primary: &mut Primary) {
    let was_open = primary.history.is_open();
    let about = format!("SENTINEL FAILOVER of {}", address(shared, primary));
    open(shared, primary, about);
    choice(shared, primary);
    let outcome = "refused: no suitable replica to promote".to_owned();
    if was_open {
        note(shared, primary, format!("SENTINEL FAILOVER {outcome}"))
    } else {
        primary.history.close(shared.clock(), outcome)
    }
}

/// The purpose of a state: the event that it waits for.
pub(super) fn purpose(shared: &Shared, primary: &Primary, state: FailoverState) -> String {
    let to = primary.promoted().map(|r| &r.node.watch.address);
    let to = to.map_or_else(String::new, |address| place(shared, address));
    let timeout = span(primary.settings.failover_timeout_ms);
    let is_coordinated = primary.failover.kind == FailoverKind::Coordinated;
    match state {
        FailoverState::None => String::new(),
        FailoverState::WaitStart => "waits for votes".to_owned(),
        FailoverState::SelectReplica => "a replica is chosen".to_owned(),
        FailoverState::SendReplicaofNoOne if is_coordinated => {
            format!("sends FAILOVER TO {to} to the primary once that is connected")
        }
        FailoverState::SendReplicaofNoOne => {
            format!("sends SLAVEOF NO ONE to {to} once that is connected, for at most {timeout}")
        }
        FailoverState::WaitPromotion => {
            format!("waits for role:master in INFO of {to}, for at most {timeout}")
        }
        FailoverState::ReconfReplicas => format!(
            "{} of {} to follow {to}, {} at a time, for at most {timeout}",
            count(primary.replicas.len().saturating_sub(1), "other replica"),
            address(shared, primary),
            primary.settings.parallel_syncs
        ),
        FailoverState::UpdateConfig => format!("{to} is taken over as the primary"),
    }
}

/// The failover is about to enter this state.
pub fn state(shared: &Shared, primary: &mut Primary, state: FailoverState) {
    let failover = &primary.failover;
    let line = format!(
        "{} took {}; {}: {}",
        failover.state.name(),
        span(shared.now - failover.changed_at),
        state.name(),
        purpose(shared, primary, state)
    );
    note(shared, primary, line);
}

/// The promoted replica has confirmed its role.
pub fn promoted(shared: &Shared, primary: &mut Primary) {
    let line = format!(
        "the chosen replica reports role:master: the new configuration is a fact, config epoch {}",
        primary.config_epoch
    );
    note(shared, primary, line);
}

/// A replica on its way to the new primary.
pub(crate) fn reconf(shared: &Shared, primary: &mut Primary, name: &[u8], text: &str) {
    let Some(replica) = primary.replicas.get(name) else {
        return;
    };
    let place = place(shared, &replica.node.watch.address);
    note(shared, primary, format!("replica {place} {text}"));
}

/// Adds a remark on the failover to the open episode.
pub(crate) fn remark(shared: &Shared, primary: &mut Primary, text: &str) {
    note(shared, primary, text.to_owned());
}

/// The failover is given up.
pub fn aborted(shared: &Shared, primary: &mut Primary, why: &str) {
    let failover = &primary.failover;
    let line = format!(
        "given up in {} after {}: {why}",
        failover.state.name(),
        span(shared.now - failover.changed_at)
    );
    note(shared, primary, line);
    primary
        .history
        .close(shared.clock(), format!("aborted: {why}"));
}

/// Our failover is complete.
pub fn finished(shared: &Shared, primary: &mut Primary, to: &Address) {
    let to = place(shared, to);
    let began = primary.history.current().map(|episode| episode.began);
    let took = began.map_or(0, |began| shared.now - began.monotonic_ms);
    let line = format!("the primary is {to} from now on (switch-master)");
    note(shared, primary, line);
    let outcome = format!("switched to {to} within {}", span(took));
    primary.history.close(shared.clock(), outcome);
}

/// Another Sentinel has announced a newer configuration, with another primary.
pub(crate) fn taken_over(
    shared: &Shared,
    primary: &mut Primary,
    run_id: &[u8],
    (to, epoch): (&Address, u64),
) {
    let (from, to) = (address(shared, primary), place(shared, to));
    let about = format!("{from}: failover led by another Sentinel");
    open(shared, primary, about);
    if primary.failover.is_running() {
        let state = primary.failover.state.name();
        let line = format!("the attempt of this Sentinel ends in {state}");
        note(shared, primary, line);
    }
    let name = sentinel(shared, primary, run_id);
    let line = format!(
        "{name} announces config epoch {epoch} (config-update-from): the primary is {to} from now on \
         (switch-master)"
    );
    note(shared, primary, line);
    let by = short(run_id);
    let outcome = format!("switched to {to} by another Sentinel, as announced by {by}");
    primary.history.close(shared.clock(), outcome);
}

/// SENTINEL RESET.
pub fn reset(shared: &Shared, primary: &mut Primary) {
    if primary.history.is_open() {
        let outcome = "ended by SENTINEL RESET".to_owned();
        primary.history.close(shared.clock(), outcome);
    }
}

/// TILT begins or ends.
pub fn tilt(shared: &Shared, primary: &mut Primary) {
    let line = match shared.tilt.since {
        Some(since) => format!(
            "TILT: a clock has jumped, so nothing is concluded and no order is given until {}",
            iso(shared.wall_ms + since + shared.periods.tilt - shared.now)
        ),
        None => "TILT is over".to_owned(),
    };
    if primary.history.is_open() || !primary.node.watch.is_down {
        note(shared, primary, line)
    } else {
        primary.history.add_late_line(shared.clock(), line)
    }
}

/// Saving the state begins to fail, or works again.
pub fn saved(shared: &Shared, primary: &mut Primary) {
    let line = if shared.out.has_failed() {
        "the state could not be saved to the file: no vote is given, none is won"
    } else {
        "the state can be saved to the file again"
    };
    note(shared, primary, line.to_owned());
}
