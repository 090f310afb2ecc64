//! The invariants that every action is checked against: one vote and one leader per epoch, saved
//! epochs, and no order or start in TILT.

use std::collections::BTreeMap;

use super::world::{NAME, words_of};
use crate::actions::{Action, Order};
use crate::core::Sentinel;
use crate::instances::FailoverKind;

pub(super) struct Checks {
    sentinels: usize,
    /// The votes that left, by voter and epoch.
    votes: BTreeMap<(usize, u64), String>,
    /// The leaders, by epoch.
    leaders: BTreeMap<u64, usize>,
    /// The highest epoch that each Sentinel has sent.
    sent: Vec<u64>,
    /// Saves may be interrupted by a crash.
    pub(crate) may_crash: bool,
}

fn number(text: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(text);
    text.parse().expect("an epoch")
}

impl Checks {
    pub(super) fn new(sentinels: usize) -> Checks {
        Checks {
            sentinels,
            votes: BTreeMap::new(),
            leaders: BTreeMap::new(),
            sent: vec![0; sentinels],
            may_crash: false,
        }
    }

    pub(super) fn leaders(&self) -> usize {
        self.leaders.len()
    }

    /// A Sentinel starts with this epoch.
    pub(super) fn restarted(&self, n: usize, epoch: u64) {
        assert!(epoch >= self.sent[n], "an epoch that was sent is saved");
    }

    /// An action that is about to be carried out. `is_saved`: its Sentinel's disk works.
    pub(super) fn seen(&mut self, (n, is_saved): (usize, bool), core: &Sentinel, action: &Action) {
        match action {
            Action::Order(Order::Event { channel, .. }) => match *channel {
                "+elected-leader" => self.elected(n, core),
                "+try-failover" => {
                    assert!(core.shared.tilt.since.is_none(), "a start in TILT");
                }
                _ => {}
            },
            Action::Send { bytes, .. } => {
                let words = words_of(bytes);
                let is_order = [&b"SLAVEOF"[..], b"FAILOVER"].contains(&words[0].as_slice());
                let is_tilted = core.shared.tilt.since.is_some();
                assert!(!(is_order && is_tilted), "an order in TILT: {words:?}");
                if is_saved {
                    self.sends(n, &words);
                }
            }
            _ => {}
        }
    }

    /// A vote that leaves: always the same in one epoch.
    pub(super) fn voted(&mut self, n: usize, candidate: &str, epoch: u64) {
        let old = self.votes.insert((n, epoch), candidate.to_owned());
        let is_same = old.as_deref().is_none_or(|old| old == candidate);
        assert!(is_same, "{n} voted for {old:?} and {candidate} in {epoch}");
    }

    /// Checks that an epoch has a single leader, with the votes of a majority.
    fn elected(&mut self, n: usize, core: &Sentinel) {
        let failover = &core.primaries[NAME].failover;
        if failover.kind == FailoverKind::Forced {
            return;
        }
        let epoch = failover.epoch;
        let other = self.leaders.insert(epoch, n);
        assert!(other.is_none(), "{n} and {other:?} lead in {epoch}");
        let me = String::from_utf8_lossy(&core.shared.my_id);
        let primary = &core.primaries[NAME];
        if primary.vote_epoch == epoch && primary.vote.as_ref() == Some(&core.shared.my_id) {
            self.voted(n, &me, epoch);
        }
        let votes = (0..self.sentinels).filter(|voter| {
            let vote = self.votes.get(&(*voter, epoch));
            vote.is_some_and(|vote| *vote == me)
        });
        let (votes, needed) = (votes.count(), self.sentinels / 2 + 1);
        assert!(votes >= needed, "{votes} votes of {}", self.sentinels);
    }

    /// Epochs that leave have been saved.
    fn sends(&mut self, n: usize, words: &[Vec<u8>]) {
        match words[0].as_slice() {
            b"PUBLISH" => {
                let epoch = words[2].split(|&b| b == b',').nth(3).expect("an epoch");
                self.sent[n] = self.sent[n].max(number(epoch));
            }
            b"SENTINEL" if words.len() > 4 => self.sent[n] = self.sent[n].max(number(&words[4])),
            _ => {}
        }
    }
}
