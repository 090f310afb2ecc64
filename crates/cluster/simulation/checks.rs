//! Invariants of the simulated clusters, checked at every moment.
//!
//!   1. A voter votes once in an epoch, and its file knows before the vote leaves.
//!   2. An epoch has one winner.
//!   3. No epoch falls, in a node's view or over its restart; an epoch that has left is in the
//!      file.
//!   4. Two nodes never claim a slot with one epoch, unless an operator has gone round the votes.
//!   5. A primary that reaches no majority stops taking writes within 1.5 node timeouts and 0.2 s.
//!   6. An acknowledged write is lost only if its primary failed before its successor had it, or if
//!      its primary had been replaced already; never in a manual failover.

use std::collections::{BTreeMap, BTreeSet};

use super::data::Write;
use super::machine::{Machine, TIMEOUT_MS};
use super::world::{STEP_MS, written_slots};
use crate::conf::NodesConf;
use crate::core::{Cluster, TICK_MS};
use crate::message::{Kind, Message, NodeId, SlotMap};
use russet_host::simulation::MachineId;

#[derive(Default)]
pub(super) struct Checks {
    /// By voter and epoch.
    votes: BTreeMap<(MachineId, u64), MachineId>,
    /// By epoch.
    winners: BTreeMap<u64, MachineId>,
    /// The highest current epoch and vote that each machine has sent or shown.
    epochs: Vec<u64>,
    shown: Vec<u64>,
    /// By epoch: the nodes that have claimed slots with it, and these slots.
    claims: BTreeMap<u64, Vec<(NodeId, SlotMap)>>,
    /// An operator has given out epochs without votes: claims may collide for a while.
    pub(crate) has_voteless_epochs: bool,
    pub(crate) are_clocks_skewed: bool,
    /// By slot: the newest epoch with which a node has served it.
    newest: BTreeMap<u16, u64>,
    /// By machine: since when it receives from no majority, and since when it cannot talk with a
    /// majority.
    isolated: Vec<[Option<i64>; 2]>,
    /// Where each acknowledged write must be.
    writes: BTreeMap<Write, (u16, MachineId)>,
    excused: BTreeSet<Write>,
    /// When a manual failover was last certain to have all data, by its replica.
    manual: Vec<Option<i64>>,
    pub failovers: usize,
    pub(crate) manual_failovers: usize,
}

/// A manual failover that has all data ends by then.
const MANUAL_MS: i64 = 5200;
/// When a primary in a minority must have stopped. Beyond the 1.5 timeouts: the tick that pings and
/// the tick that judges may each be as late as a tick is long, and this world's steps add to them.
const STOPS_MS: i64 = TIMEOUT_MS * 3 / 2 + 2 * TICK_MS as i64 + 4 * STEP_MS;
/// Added if clocks differ: by gossip of the minority a node has answered later than it has, so that
/// it is pinged later.
const SKEWED_MS: i64 = TIMEOUT_MS / 2 + 500;
/// When a primary must have stopped that receives, but from which nothing is received: messages
/// under way to it count as answers.
const HALF_CUT_STOPS_MS: i64 = STOPS_MS + 3 * TIMEOUT_MS / 2;

impl Checks {
    pub(super) fn new(machines: usize) -> Checks {
        Checks {
            epochs: vec![0; machines],
            shown: vec![0; machines],
            isolated: vec![[None; 2]; machines],
            manual: vec![None; machines],
            ..Checks::default()
        }
    }

    /// A machine starts with this.
    pub(super) fn restarted(&mut self, at: MachineId, saved: &NodesConf) {
        let epoch = saved.current_epoch;
        assert!(
            epoch >= self.epochs[at],
            "{at} starts at {epoch}, it has sent {}",
            self.epochs[at]
        );
        self.shown[at] = epoch;
        self.isolated[at] = [None; 2];
        self.manual[at] = None;
    }

    /// A machine may begin anew: an operator resets it, or its peers lie to it.
    pub(super) fn forgive(&mut self, at: MachineId) {
        (self.epochs[at], self.shown[at]) = (0, 0);
    }

    /// A core between two events.
    pub(super) fn look(&mut self, at: MachineId, core: &Cluster) {
        assert!(
            core.current_epoch >= self.shown[at],
            "{at}: its epoch falls"
        );
        self.shown[at] = core.current_epoch;
        let epoch = core.me().config_epoch;
        assert!(
            epoch <= core.current_epoch,
            "{at}: {epoch} is beyond the current epoch"
        );
        self.note_newest(core);
    }

    fn note_newest(&mut self, core: &Cluster) {
        if !core.is_voter() {
            return;
        }
        let epoch = core.me().config_epoch;
        for slot in written_slots().filter(|slot| core.is_mine(*slot)) {
            let newest = self.newest.entry(slot).or_default();
            *newest = epoch.max(*newest);
        }
    }

    /// Bytes that leave.
    pub(super) fn sends(
        &mut self,
        at: MachineId,
        to: Option<MachineId>,
        bytes: &[u8],
        machine: &Machine,
    ) {
        let message = Message::parse(bytes).expect("our own message");
        let header = message
            .header
            .expect("nodes of this world send full headers");
        let saved = || NodesConf::parse(&machine.disk.synced).expect("our own file");
        if header.current_epoch > self.epochs[at] {
            let file = saved().current_epoch;
            let sent = header.current_epoch;
            assert!(file >= sent, "{at} sends epoch {sent}, its file has {file}");
            self.epochs[at] = sent;
        }
        if message.kind == Kind::AuthAck {
            let (to, epoch) = (to.expect("an open link"), header.current_epoch);
            let former = self.votes.insert((at, epoch), to);
            assert!(
                former.is_none(),
                "{at} votes for {former:?} and {to} in {epoch}"
            );
            assert!(
                saved().last_vote_epoch >= epoch,
                "{at}: a vote that is not saved"
            );
        }
        if header.primary.is_none() && !header.slots.is_empty() && !self.has_voteless_epochs {
            let claims = self.claims.entry(header.config_epoch).or_default();
            for (other, slots) in claims.iter() {
                let twice = header.slots.iter().find(|slot| slots.contains(*slot));
                let is_same = *other == header.sender || twice.is_none();
                assert!(
                    is_same,
                    "{other} and {} claim {twice:?} with {}",
                    header.sender, header.config_epoch
                );
            }
            let known = claims.iter_mut().find(|(id, _)| *id == header.sender);
            match known {
                Some((_, slots)) => header.slots.iter().for_each(|slot| slots.insert(slot)),
                None => claims.push((header.sender, header.slots.to_map())),
            }
        }
    }

    pub(super) fn logged(&mut self, at: MachineId, text: &str, now: i64) {
        if text.contains("the manual failover can start") {
            self.manual[at] = Some(now);
        }
        if text.contains("timed out") {
            self.manual[at] = None;
        }
    }

    /// A machine becomes a primary.
    pub(super) fn leads(&mut self, at: MachineId, machines: &[Machine], now: i64) {
        let core = machines[at].core.as_ref().expect("it is running");
        if !core.is_voter() {
            return;
        }
        self.note_newest(core);
        let epoch = core.me().config_epoch;
        let former = self.winners.insert(epoch, at);
        let is_one = former.is_none_or(|former| former == at) || self.has_voteless_epochs;
        assert!(is_one, "{at} and {former:?} win in {epoch}");
        self.failovers += 1;
        let manual = self.manual[at]
            .take()
            .is_some_and(|since| now - since <= MANUAL_MS);
        self.manual_failovers += usize::from(manual);
        for (write, (slot, home)) in &mut self.writes {
            let is_taken = core.is_mine(*slot) && *home != at;
            if !is_taken || self.excused.contains(write) {
                continue;
            }
            if machines[at].data.has(*slot, *write) {
                *home = at;
                continue;
            }
            let stood = machines[*home].core.is_some();
            assert!(
                !(manual && stood),
                "write {write} to {slot} at {home} is lost in a manual failover to {at}"
            );
            self.excused.insert(*write);
        }
    }

    /// Whether a machine reaches the majority that it knows; `reached`: the machines from which it
    /// receives, and the machines that it can talk with.
    pub(super) fn reaches(
        &mut self,
        at: MachineId,
        machines: &[Machine],
        reached: [&[MachineId]; 2],
        now: i64,
    ) {
        let core = machines[at].core.as_ref().expect("it is running");
        let voters: Vec<NodeId> = core
            .nodes
            .iter()
            .filter(|(_, node)| node.is_voter())
            .map(|(_, node)| node.id)
            .collect();
        for (since, reached) in self.isolated[at].iter_mut().zip(reached) {
            let reached = reached.iter().filter_map(|at| machines[*at].core.as_ref());
            let reached = reached.filter(|core| voters.contains(&core.my_id()));
            if reached.count() > voters.len() / 2 {
                *since = None
            } else {
                _ = since.get_or_insert(now)
            }
        }
    }

    /// A write was acknowledged.
    pub(super) fn wrote(
        &mut self,
        (at, slot, write): (MachineId, u16, Write),
        machine: &Machine,
        now: i64,
    ) -> Result<(), String> {
        for (since, limit) in self.isolated[at]
            .into_iter()
            .zip([STOPS_MS, HALF_CUT_STOPS_MS])
        {
            let limit = limit + if self.are_clocks_skewed { SKEWED_MS } else { 0 };
            let since = since.map_or(now, |since| since.max(machine.clock.frozen_until));
            if now - since > limit {
                return Err(format!("{at} takes writes in a minority since {since}"));
            }
        }
        let core = machine.core.as_ref().expect("it is running");
        self.writes.insert(write, (slot, at));
        if self
            .newest
            .get(&slot)
            .is_some_and(|newest| *newest > core.me().config_epoch)
        {
            self.excused.insert(write);
        }
        Ok(())
    }

    /// A migration has moved a write.
    pub(super) fn moved(&mut self, write: Write, from: MachineId, to: MachineId) {
        if let Some((_, home)) = self.writes.get_mut(&write)
            && *home == from
        {
            *home = to;
        }
    }

    /// At the end: each acknowledged write is where its slot is served. Returns how many writes
    /// there were and how many of them may be lost; or which write is lost.
    pub(super) fn survived(&self, machines: &[Machine]) -> Result<(usize, usize), String> {
        for (write, (slot, home)) in &self.writes {
            if self.excused.contains(write) {
                continue;
            }
            let owns = |machine: &&Machine| {
                machine
                    .core
                    .as_ref()
                    .is_some_and(|core| core.is_mine(*slot))
            };
            let has = machines
                .iter()
                .filter(owns)
                .any(|machine| machine.data.has(*slot, *write));
            if !has {
                return Err(format!("write {write} to {slot}, at {home}, is lost"));
            }
        }
        Ok((self.writes.len(), self.excused.len()))
    }
}
