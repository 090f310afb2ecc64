//! The host of the machines: it carries out their actions, and checks the claims where they matter.
//!
//! A leader is checked when it begins (Q1, Q3), and when an earlier one acknowledges a write.

use super::network::{Connection, Packet, Use};
use super::node::{Entry, digits, number_of};
use super::world::World;
use crate::quorum::{Address, Ballot, Fault, GroupId, Order, Report};
use crate::{ReplId, ReplOffset};
use russet_host::{Action, Event, Machine};

impl World {
    pub(super) fn event(&mut self, at: usize, event: Event<'_>) {
        let (now, stream) = (self.now(), self.nodes[at].stream());
        self.nodes[at].machine().event(now, &stream, event);
        self.carry_out(at);
    }

    pub fn report(&mut self, at: usize, report: Report<'_>) {
        let (now, stream) = (self.now(), self.nodes[at].stream());
        if let Some(machine) = &mut self.nodes[at].machine {
            machine.report(now, stream, report);
            self.carry_out(at);
        }
    }

    pub(super) fn close_links(&mut self, at: usize, is_its: impl Fn(&Connection) -> bool) {
        let due_ms = self.delay();
        for connection in self.connections.values_mut() {
            if connection.ends[0] == at && connection.is_open[0] && is_its(connection) {
                connection.close(0, due_ms);
            }
        }
    }

    pub(super) fn carry_out(&mut self, at: usize) {
        while let Some(machine) = &mut self.nodes[at].machine
            && let Some(action) = machine.pop()
        {
            match action {
                Action::Dial { link, host, .. } => {
                    let host = String::from_utf8(host).expect("an address");
                    let to = number_of(&Address { host, port: 1 });
                    self.dial(at, to, Use::Member(link));
                }
                Action::Send { link, bytes } => {
                    let its = Use::Member(link);
                    let is_its = |c: &&Connection| c.ends[0] == at && c.its == its && c.is_open[0];
                    let number = self.connections.values().find(is_its).map(|its| its.number);
                    if let Some(number) = number {
                        self.send(number, 0, Packet::Bytes(bytes.to_vec()));
                    }
                }
                Action::Close(link) => {
                    let its = Use::Member(link);
                    self.close_links(at, |connection| connection.its == its);
                }
                Action::Persist { .. } => self.save(at),
                Action::Log { text, .. } => self.note(|| format!("node {at}: {text}")),
                Action::Order(order) => self.obey(at, order),
                Action::Resolve(_) => {}
            }
        }
    }

    pub(super) fn save(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let state = node.machine().saved_state();
        let promised = state.promised;
        let sync = node.fault != Some(Fault::UnsyncedPromise);
        let is_saved = node.disk.save(state.text(), sync);
        if is_saved {
            node.told = node.told.max(Some(promised));
        }
        self.event(at, Event::Persisted { is_saved });
    }

    pub(super) fn obey(&mut self, at: usize, order: Order) {
        if !matches!(order, Order::Safe(_)) {
            self.note(|| format!("node {at} <- {order:?}"));
        }
        match order {
            Order::Answer(peer, answer) => {
                let mut bytes = Vec::new();
                answer.write(&mut bytes);
                self.send(peer.0, 1, Packet::Bytes(bytes));
            }
            Order::SendTail {
                peer,
                history,
                offset,
            } => {
                let node = &self.nodes[at];
                let bytes = if node.is_past(history, offset) {
                    let bytes = Entry::bytes(&node.log[offset as usize..]);
                    let head = format!("${}\r\n", bytes.len());
                    [head.as_bytes(), &bytes, b"\r\n"].concat()
                } else {
                    b"-ERR the position is of another past\r\n".to_vec()
                };
                self.send(peer.0, 1, Packet::Bytes(bytes));
            }
            Order::EndPeer(peer) => self.give_up(peer.0),
            Order::EndUpstream => {
                self.close_links(at, |connection| connection.its == Use::Stream);
                self.nodes[at].redial_ms = self.now_ms + 200;
            }
            Order::AcceptUpstream => {
                let stream = self.nodes[at].stream();
                let is_its = |its: &&Connection| {
                    its.its == Use::Stream && its.ends[0] == at && its.is_open[0]
                };
                let number = self.connections.values().find(is_its).map(|its| its.number);
                if let Some(number) = number {
                    let psync = Packet::Psync(stream.history, stream.end);
                    self.send(number, 0, psync);
                }
            }
            Order::RefuseUpstream(_) => {
                self.close_links(at, |connection| connection.its == Use::Stream);
                self.nodes[at].redial_ms = self.now_ms + 300;
            }
            Order::Follow { address, .. } => self.replicate(at, number_of(&address)),
            Order::Discard => {
                self.figures.copies += 1;
                self.nodes[at].discard();
            }
            Order::ApplyTail { history, bytes } => {
                self.nodes[at].follow_as(history);
                self.append(at, Entry::read(&bytes));
                self.figures.tails += 1;
                self.report(at, Report::TailApplied);
            }
            Order::BeginHistory => {
                self.last_id += 1;
                let id = ReplId::parse(digits(self.last_id).as_bytes()).expect("digits");
                self.nodes[at].follow_as(id);
            }
            Order::Append(note) => self.append(at, vec![Entry::Note(note)]),
            Order::Lead(ballot) => self.leads(at, ballot),
            Order::TakeoverFailed(..) | Order::HandOverFailed(_) => {}
            Order::Depose(_) => {
                self.nodes[at].waiting.clear();
                let due_ms = self.delay();
                for connection in self.connections.values_mut() {
                    let is_replica = connection.its == Use::Stream && connection.ends[1] == at;
                    if is_replica && connection.is_open[1] {
                        connection.close(1, due_ms);
                    }
                }
            }
            Order::LeaveGroup { is_off } => self.leave_group(at, is_off),
            Order::Safe(offset) => self.safe(at, offset),
            Order::Overdue => self.nodes[at].waiting.clear(),
        }
    }

    /// A server has left its group: it is a new node from now on.
    fn leave_group(&mut self, at: usize, is_off: bool) {
        let node = &mut self.nodes[at];
        let left = node.machine().saved_state().left.last().copied();
        node.id = node.machine().node();
        node.told = None;
        if is_off {
            node.settings.acknowledgements = 0;
            self.ended.extend(left.map(|(group, _)| group));
        }
    }

    pub(super) fn leads(&mut self, at: usize, ballot: Ballot) {
        self.figures.takeovers += 1;
        let node = &mut self.nodes[at];
        (node.is_primary, node.follows) = (true, None);
        let group = node.machine().group().expect("it leads one");
        node.term = Some((ballot, group));
        if let Some(other) = self.ballots.insert(ballot, at) {
            self.fail(format!(
                "Q3: nodes {other} and {at} lead by ballot {ballot:?}"
            ));
        }
        let machine = self.nodes[at].machine();
        let knows = machine
            .lineage()
            .configurations
            .newest()
            .is_some_and(|its| its.is_ended());
        if let Some(group) = machine
            .group()
            .filter(|its| self.ended.contains(its) && !knows)
        {
            self.fail(format!(
                "Q2: node {at} leads group {group}, which has ended, and does not know that"
            ));
        }
        self.check_leader(at);
    }

    /// A leader has all that its own and earlier ballots have acknowledged. A candidate that stood
    /// still may begin to lead long after a greater ballot does: no member acknowledges its writes.
    pub(super) fn check_leader(&mut self, at: usize) {
        let (ballot, group) = self.term(at);
        let log = &self.nodes[at].log;
        let lacks = |&&(value, end, by, of): &&(u64, ReplOffset, Ballot, GroupId)| {
            let entry = log.get(end as usize - 1);
            of == group && by <= ballot && entry != Some(&Entry::Write(value))
        };
        if let Some((value, end, ..)) = self.acknowledged.iter().find(lacks).copied() {
            self.fail(format!("Q1: write {value}@{end} is not at the leader {at}"));
        }
    }

    /// The ballot of a leader, and its group. It may have left the group with the last write.
    fn term(&self, at: usize) -> (Ballot, GroupId) {
        self.nodes[at].term.expect("it leads")
    }

    /// Replies leave.
    pub(super) fn safe(&mut self, at: usize, offset: ReplOffset) {
        let node = &mut self.nodes[at];
        let is_safe = |&(_, end): &(u64, ReplOffset)| end <= offset;
        let safe: Vec<(u64, ReplOffset)> = node.waiting.iter().copied().filter(is_safe).collect();
        node.waiting.retain(|write| !is_safe(write));
        if safe.is_empty() {
            return;
        }
        self.note(|| format!("node {at} is safe up to {offset}: {safe:?}"));
        let (ballot, group) = self.term(at);
        let safe = safe
            .into_iter()
            .map(|(value, end)| (value, end, ballot, group));
        self.acknowledged.extend(safe);
        // A later leader leads already.
        for number in 0..self.nodes.len() {
            let machine = self.nodes[number].machine.as_ref();
            let is_later = machine.is_some_and(|its| {
                its.safe_offset().is_some()
                    && its.promised() > ballot
                    && self.nodes[number].is_primary
            });
            if is_later
                && self.ballots.get(&self.nodes[number].machine().promised()) == Some(&number)
            {
                self.check_leader(number);
            }
        }
    }

    /// Equal positions have equal data.
    pub(super) fn check_positions(&mut self) {
        let mut differs = None;
        for node in &self.nodes {
            let Some(machine) = &node.machine else {
                continue;
            };
            let position = machine.position();
            let Some(&digest) = node.digests.last() else {
                continue;
            };
            // Data that a server has brought from another group counts for nothing yet.
            if position.offset != node.end() || position.ballot == Ballot::NONE {
                continue;
            }
            let known = *self.digests.entry(position).or_insert(digest);
            if known != digest {
                differs = Some((node.number, position));
            }
        }
        if let Some((number, position)) = differs {
            self.fail(format!("Q3: node {number} has other data at {position:?}"));
        }
    }
}
