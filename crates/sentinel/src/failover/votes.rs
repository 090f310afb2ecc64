//! Votes: asking the other Sentinels, voting, and the election of a leader.
//!
//! Invariants
//!   1. One vote per primary and epoch: the epoch of the last vote only grows, and is saved before
//!      the vote leaves, or before an election with it is won. A vote that could not be saved is
//!      given to no other candidate.
//!   2. The leader has at least `max(known / 2 + 1, quorum)` votes, `known` being all Sentinels
//!      ever known (until SENTINEL RESET), and ourselves.

use std::collections::BTreeMap;

use super::super::discovery::strangers;
use super::super::explain::record;
use super::super::instances::{Peer, Primary};
use super::super::links::{ExpectedReply, Member, Target};
use super::super::shared::{DESYNC_MAX_MS, Reporter, Shared};
use super::super::time::Ms;
use russet_host::Level;

/// How often others are asked about a primary that has just been seen as down.
const ASK_SOON_MS: Ms = 50;

/// Takes over a higher epoch.
pub(crate) fn adopt_epoch(shared: &mut Shared, reporter: &Reporter, epoch: u64) {
    if epoch > shared.current_epoch {
        receive_epoch(shared, reporter, epoch);
        shared.out.persist();
    }
}

/// Takes over a higher epoch of a hello. It is saved with other changes, before it is announced.
pub(crate) fn receive_epoch(shared: &mut Shared, reporter: &Reporter, epoch: u64) {
    if epoch > shared.current_epoch {
        shared.current_epoch = epoch;
        shared.out.persist_soon();
        let text = epoch.to_string();
        reporter.plain(shared, Level::Warning, "+new-epoch", text);
    }
}

/// Votes for `candidate` in `epoch`, unless we have voted in it, or in a later epoch, already.
/// Returns our last vote and its epoch; the vote is unknown if an earlier process gave it.
pub fn vote(
    shared: &mut Shared,
    primary: &mut Primary,
    epoch: u64,
    candidate: &[u8],
) -> (Option<Vec<u8>>, u64) {
    let reporter = Reporter::new(primary, shared);
    adopt_epoch(shared, &reporter, epoch);
    if primary.vote_epoch < epoch && shared.current_epoch <= epoch {
        primary.vote = Some(candidate.to_vec());
        primary.vote_epoch = shared.current_epoch;
        shared.out.persist();
        let text = [candidate, b" ", primary.vote_epoch.to_string().as_bytes()].concat();
        reporter.plain(shared, Level::Warning, "+vote-for-leader", text);
        // The candidate gets its time before we try ourselves.
        if !shared.is_me(candidate) {
            let delay = shared.random.below(DESYNC_MAX_MS);
            primary.failover.started_at = Some(shared.now + delay);
        }
        record::vote(shared, primary, candidate, epoch);
    }
    (primary.vote.clone(), primary.vote_epoch)
}

/// The vote for another Sentinel that asks for it; as [`vote`]. A request for an unknown candidate,
/// or after too many others, changes nothing: else an invented name takes the vote of an epoch.
pub fn vote_on_request(
    shared: &mut Shared,
    primary: &mut Primary,
    epoch: u64,
    candidate: &[u8],
) -> (Option<Vec<u8>>, u64) {
    let now = shared.now;
    let changes = epoch > shared.current_epoch || epoch > primary.vote_epoch;
    let mut known = primary.peers.keys();
    let is_known =
        shared.is_me(candidate) || known.any(|run_id| run_id.eq_ignore_ascii_case(candidate));
    let is_plausible = is_known && strangers::is_plausible(shared, epoch);
    if changes && !is_plausible {
        strangers::note(shared, || {
            format!("Ignored a request for a vote in the epoch {epoch}")
        });
    }
    if changes && !(is_plausible && primary.vote_rate.take(now)) {
        return (primary.vote.clone(), primary.vote_epoch);
    }
    vote(shared, primary, epoch, candidate)
}

/// How many votes a leader needs: a majority of all Sentinels ever known, and the quorum.
pub fn needed(primary: &Primary) -> usize {
    let known = primary.peers.len() + 1;
    (known / 2 + 1).max(primary.settings.quorum)
}

/// How many Sentinels can be asked for a vote, ourselves included.
pub fn reachable(shared: &Shared, primary: &Primary) -> usize {
    let is_reachable = |peer: &&Peer| shared.reaches(&peer.watch);
    primary.peers.values().filter(is_reachable).count() + 1
}

/// How many votes `candidate` has got in `epoch`, as far as is known here.
pub(crate) fn given_to(shared: &Shared, primary: &Primary, candidate: &[u8], epoch: u64) -> usize {
    let is_its = |vote: &Option<Vec<u8>>, its_epoch: u64| {
        let is_its = |vote: &Vec<u8>| vote.eq_ignore_ascii_case(candidate);
        its_epoch == epoch && vote.as_ref().is_some_and(is_its)
    };
    let peers = primary.peers.values();
    let others = peers.filter(|peer| is_its(&peer.vote, peer.vote_epoch));
    let mine = is_its(&primary.vote, primary.vote_epoch) && shared.current_epoch >= epoch;
    others.count() + usize::from(mine)
}

/// SENTINEL CKQUORUM: how many Sentinels can be used, and whether they are enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Sentinels that are not down, ourselves included.
    pub usable: usize,
    pub(crate) has_quorum: bool,
    pub(crate) has_majority: bool,
}

impl Reach {
    pub fn of(primary: &Primary) -> Reach {
        let others = primary.peers.values().filter(|peer| !peer.watch.is_down);
        let usable = others.count() + 1;
        Reach {
            usable,
            has_quorum: usable >= primary.settings.quorum,
            has_majority: usable > primary.peers.len().div_ceil(2),
        }
    }

    pub fn is_enough(self) -> bool {
        self.has_quorum && self.has_majority
    }

    /// The words of CKQUORUM, without the `-` of an error.
    pub fn text(self) -> String {
        let usable = self.usable;
        if self.is_enough() {
            return format!(
                "OK {usable} usable Sentinels. Quorum and failover authorization can be reached"
            );
        }
        const QUORUM: &str =
            "Not enough available Sentinels to reach the specified quorum for this master";
        const MAJORITY: &str =
            "Not enough available Sentinels to reach the majority and authorize a failover";
        let lacks: Vec<&str> = [(self.has_quorum, QUORUM), (self.has_majority, MAJORITY)]
            .into_iter()
            .filter_map(|(has_it, text)| (!has_it).then_some(text))
            .collect();
        format!("NOQUORUM {usable} usable Sentinels. {}", lacks.join(". "))
    }
}

/// The elected leader of `epoch`, if any. Our own vote is given now if it was not.
pub(crate) fn leader(shared: &mut Shared, primary: &mut Primary, epoch: u64) -> Option<Vec<u8>> {
    let mut votes: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for peer in primary.peers.values() {
        if let Some(vote) = &peer.vote
            && peer.vote_epoch == shared.current_epoch
        {
            *votes.entry(vote.clone()).or_default() += 1;
        }
    }
    let most = |votes: &BTreeMap<Vec<u8>, usize>| {
        let best = votes.iter().max_by_key(|(_, count)| **count)?;
        Some((best.0.clone(), *best.1))
    };
    let candidate = most(&votes).map_or_else(|| shared.my_id.clone(), |(leader, _)| leader);
    let (mine, mine_epoch) = vote(shared, primary, epoch, &candidate);
    if let Some(mine) = mine
        && mine_epoch == epoch
    {
        *votes.entry(mine).or_default() += 1;
    }
    let (leader, count) = most(&votes)?;
    (count >= needed(primary)).then_some(leader)
}

/// Asks the other Sentinels whether the primary is down, and for their votes during a failover; at
/// their times, or at once if `is_forced`. Old answers are forgotten.
pub fn ask(shared: &mut Shared, primary: &mut Primary, is_forced: bool) {
    let (now, period) = (shared.now, shared.periods.ask);
    // The others notice it within moments, too.
    let is_new = !primary.is_agreed_down && primary.is_in_motion(now);
    let ask_period = if is_new {
        period.min(ASK_SOON_MS)
    } else {
        period
    };
    let is_down = primary.node.watch.is_down;
    let candidate = if primary.failover.is_running() {
        shared.my_id.clone()
    } else {
        b"*".to_vec()
    };
    let address = &primary.node.watch.address;
    let host = address.shown(shared.globals.announce_hostnames);
    let (port, epoch) = (address.port.to_string(), shared.current_epoch.to_string());
    // Usually there are none.
    let mut expired = Vec::new();
    for (run_id, peer) in &mut primary.peers {
        if now - peer.answered_at > period * 5 {
            if peer.says_down {
                expired.push(run_id.clone());
            }
            (peer.says_down, peer.vote) = (false, None);
        }
        if !is_down || !(is_forced || now - peer.answered_at >= ask_period) {
            continue;
        }
        let link = shared.links.get(peer.watch.link);
        let target = Target {
            primary: primary.name.clone(),
            member: Member::Peer(run_id.clone()),
        };
        let expected = ExpectedReply::IsDown(target);
        let is_asked = link
            .commands
            .as_ref()
            .is_some_and(|conn| conn.expected.contains(&expected));
        if !link.is_up() || (is_asked && !is_forced) {
            continue;
        }
        let words: [&[u8]; 6] = [
            b"SENTINEL",
            b"is-master-down-by-addr",
            host,
            port.as_bytes(),
            epoch.as_bytes(),
            &candidate,
        ];
        // The epoch that it announces is saved first.
        shared.out.persist_wanted();
        shared.send(peer.watch.link, &words, expected);
    }
    for run_id in expired {
        let text = "has not answered for a while: it does not count";
        record::opinion(shared, primary, &run_id, text);
    }
}

/// Takes an answer: whether the primary is down, the vote or `*`, its epoch.
pub fn answered(
    shared: &mut Shared,
    primary: &mut Primary,
    run_id: &[u8],
    (is_down, vote, epoch): (bool, &[u8], u64),
) {
    let Some(peer) = primary.peers.get_mut(run_id) else {
        return;
    };
    peer.answered_at = shared.now;
    let said_down = std::mem::replace(&mut peer.says_down, is_down);
    let is_new = peer.vote.as_deref() != Some(vote) || peer.vote_epoch != epoch;
    let vote = if strangers::is_run_id(vote) {
        vote
    } else {
        b"*"
    };
    if vote != b"*" {
        if peer.vote_epoch != epoch {
            let (name, vote) = (
                String::from_utf8_lossy(run_id),
                String::from_utf8_lossy(vote),
            );
            shared.log(Level::Notice, format!("{name} voted for {vote} {epoch}"));
        }
        (peer.vote, peer.vote_epoch) = (Some(vote.to_vec()), epoch);
    }
    if said_down != is_down {
        let text = if is_down {
            "sees it as down, too"
        } else {
            "does not see it as down any more"
        };
        record::opinion(shared, primary, run_id, text);
    }
    if vote != b"*" && is_new {
        record::peer_vote(shared, primary, run_id, (vote, epoch));
    }
}
