//! Two nodes and the stream for their replicas, driven by hand: links, keys, claims, clocks. Or two
//! shards of a primary with a replica each, and three more primaries that vote.

use std::collections::{BTreeMap, VecDeque};

use crate::migration::*;
use russet_host::Now;
use russet_resp::{ReplyBounds, ReplyParser, ReplyValue, write_request};

mod shards;

pub(super) const SOURCE: usize = 0;
pub(super) const TARGET: usize = 1;
pub(super) const SLOT: u16 = 7;
/// The third primary, of shards, and two more, which make a majority without the source.
pub(super) const OTHER: usize = 2;
const VOTERS: [usize; 2] = [5, 6];
/// A node whose last greeting is older than this has failed.
const FAILED_MS: i64 = 1500;
/// The replicas of source and target, of shards.
pub(super) const REPLICAS: [usize; 2] = [3, 4];

pub(super) fn id(node: usize) -> Name {
    Name::parse(&[b'a' + node as u8; 40]).expect("a name")
}

/// A node's last greeting, as another received it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Greeting {
    pub at_ms: i64,
    pub owner: usize,
    pub epoch: u64,
    pub offset: u64,
    pub is_primary: bool,
    pub follows: usize,
}

/// The cluster as a node sees it.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub me: usize,
    /// The owner of the slots under test, and the epoch of its claim.
    pub owner: usize,
    pub epoch: u64,
    pub is_primary: bool,
    /// The node that a replica follows.
    pub follows: usize,
    pub open: OpenSlots,
    /// Bytes that wait for the other end.
    pub unsent: usize,
    /// The last greeting of each node, and the moment of the last beat.
    pub received: BTreeMap<usize, Greeting>,
    pub now_ms: i64,
    /// The time of the machine's event.
    pub now: Now,
    names: std::cell::Cell<u8>,
}

impl View {
    /// Of a primary, while the source has the slots.
    pub(super) fn new(me: usize) -> View {
        View {
            me,
            owner: SOURCE,
            epoch: 1,
            is_primary: true,
            follows: me,
            open: OpenSlots::default(),
            unsent: 0,
            received: BTreeMap::new(),
            now_ms: 0,
            now: Now::default(),
            names: Default::default(),
        }
    }

    fn received(&self, node: Name) -> Option<&Greeting> {
        let (_, received) = self.received.iter().find(|&(&at, _)| id(at) == node)?;
        Some(received)
    }

    fn has_failed(&self, received: &Greeting) -> bool {
        self.now_ms - received.at_ms > FAILED_MS
    }
}

impl MigrationContext for View {
    fn now(&self) -> Now {
        self.now
    }
    fn my_id(&self) -> Name {
        id(self.me)
    }
    fn is_primary(&self) -> bool {
        self.is_primary
    }
    fn shard(&self) -> Option<Name> {
        let shard = if self.is_primary {
            self.me
        } else {
            self.follows
        };
        Some(id(shard))
    }
    fn owner(&self, slot: u16) -> Option<Name> {
        match slot {
            0..100 => Some(id(self.owner)),
            100..200 => Some(id(SOURCE)),
            200..300 => Some(id(TARGET)),
            300..400 => Some(id(2)),
            _ => None,
        }
    }
    fn is_known(&self, node: Name) -> bool {
        (0..7).any(|known| id(known) == node)
    }
    fn address(&self, node: Name) -> Option<(Vec<u8>, u16)> {
        let at = (0..7).find(|&known| id(known) == node)?;
        Some((b"127.0.0.1".to_vec(), at as u16))
    }
    fn is_importing(&self, _: u16) -> bool {
        false
    }
    fn is_working_primary(&self, node: Name) -> bool {
        let received = self.received(node);
        received.is_some_and(|received| received.is_primary && !self.has_failed(received))
    }
    fn is_replaced(&self, node: Name) -> bool {
        let Some(received) = self.received(node) else {
            return false;
        };
        let shards = [SOURCE, TARGET].map(|at| [at, REPLICAS[at]]);
        let shard = shards.into_iter().flatten().find(|&at| id(at) == node);
        let takes_place = |at: usize| {
            let same = shards
                .iter()
                .any(|all| all.contains(&at) && shard.is_some_and(|it| all.contains(&it)));
            let other = self.received.get(&at);
            same && id(at) != node && other.is_some_and(|it| it.is_primary && !self.has_failed(it))
        };
        (!received.is_primary || self.has_failed(received)) && (0..5).any(takes_place)
    }
    fn offset(&self, node: Name) -> u64 {
        self.received(node).map_or(0, |received| received.offset)
    }
    fn is_claim_held(&self, node: Name, since_ms: i64, offset: u64) -> bool {
        let of_it = |received: &&Greeting| !received.is_primary && id(received.follows) == node;
        let mut replicas = self.received.values().filter(of_it).peekable();
        let agrees = |received: &Greeting| {
            received.at_ms > since_ms
                && (received.owner, received.epoch) == (self.owner, self.epoch)
                && received.offset >= offset
        };
        let is_working = |received: &&Greeting| !self.has_failed(received);
        replicas.peek().is_some() && replicas.filter(is_working).all(agrees)
    }
    fn open_slots(&self) -> OpenSlots {
        self.open
    }
    fn can_be_asked(&self, node: Name) -> bool {
        node != id(2)
    }
    fn secret(&self) -> Vec<u8> {
        vec![b's'; 40]
    }
    fn unsent(&self, _: MigrationLink) -> usize {
        self.unsent
    }
    fn fresh_name(&self) -> Name {
        self.names.set(self.names.get() + 1);
        let mut name = [b'0'; 40];
        name[0] = b'a' + self.me as u8;
        name[1] = b'a' + self.names.get();
        Name::parse(&name).expect("a name")
    }
}

/// An item of a primary's stream for its replica.
#[derive(Clone, Debug)]
enum Effect {
    Set(String, u64),
    Drop,
    Tell(Vec<Vec<u8>>),
}

/// An import that is complete, and is claimed once a replica has its keys.
#[derive(Debug)]
struct Claim {
    node: usize,
    job: Name,
    /// The end of the import in the node's history.
    offset: usize,
    until_ms: i64,
}

#[derive(Debug)]
pub(super) struct Export {
    slots: Ranges,
    snapshot: MigrationLink,
    stream: MigrationLink,
    has_begun: bool,
    keys: VecDeque<(String, u64)>,
    is_sent: bool,
    /// Effects that wait for the end of the snapshot.
    waiting: Option<Vec<u8>>,
}

#[derive(Debug)]
pub(super) struct SimulatedNode {
    pub machine: Migrations,
    pub view: View,
    /// Keys of the slots under test.
    pub keys: BTreeMap<String, u64>,
    pub hidden: usize,
    /// The keys are another node's by now.
    pub is_kept: bool,
    pub held: BTreeMap<Name, i64>,
    pub exports: BTreeMap<Name, Export>,
    pub is_up: bool,
    pub reported: Vec<String>,
    pub logged: Vec<String>,
    internal: Vec<MigrationLink>,
    nodes: BTreeMap<MigrationLink, Name>,
    /// The claim is on disk.
    saved: (usize, u64),
    /// The stream that a primary has sent, or a replica has applied; on disk.
    history: Vec<Effect>,
    /// Since its start the replica has had all data of its primary.
    is_fit: bool,
}

impl SimulatedNode {
    fn new(me: usize, settings: Settings) -> SimulatedNode {
        SimulatedNode {
            machine: Migrations::new(settings),
            view: View::new(me),
            keys: BTreeMap::new(),
            hidden: 0,
            is_kept: false,
            held: BTreeMap::new(),
            exports: BTreeMap::new(),
            is_up: true,
            reported: Vec::new(),
            logged: Vec::new(),
            internal: Vec::new(),
            nodes: BTreeMap::new(),
            saved: (SOURCE, 1),
            history: Vec::new(),
            is_fit: true,
        }
    }

    pub(super) fn is_owner(&self) -> bool {
        self.is_up && self.view.is_primary && self.view.owner == self.view.me
    }
}

/// A connection: end 0 has dialled, end 1 has accepted.
#[derive(Debug)]
struct SimulatedLink {
    ends: [(usize, MigrationLink); 2],
    /// Bytes on their way to an end.
    queues: [Vec<u8>; 2],
    /// An end has closed; what it sent before still arrives.
    is_closing: [bool; 2],
    is_gone: [bool; 2],
}

pub(super) struct World {
    pub nodes: Vec<SimulatedNode>,
    wires: Vec<SimulatedLink>,
    dials: VecDeque<(usize, MigrationLink, usize)>,
    /// Claims on their way: to whom, of whom, epoch.
    claims: VecDeque<(usize, usize, u64)>,
    waiting: Vec<Claim>,
    /// A mutation: claims wait for no replica.
    pub(crate) claims_at_once: bool,
    /// Two nodes that receive nothing from each other until a moment.
    apart: Option<([usize; 2], i64)>,
    /// A replica that receives nothing of its primary's stream until a moment.
    stalled: Option<(usize, i64)>,
    pub now: Now,
    clients: u64,
    random: u64,
}

fn words(command: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_request(&mut bytes, command.iter().copied());
    bytes
}

/// The first whole command, and its length.
fn command(bytes: &[u8]) -> Option<(Vec<Vec<u8>>, usize)> {
    let (mut rest, mut parser) = (bytes, ReplyParser::new(ReplyBounds::default()));
    let ReplyValue::Array(words) = parser.push(&mut rest).expect("a request")? else {
        panic!("a request is an array");
    };
    let word = |word| match word {
        ReplyValue::Bulk(word) => word,
        other => panic!("{other:?}"),
    };
    let words = words.into_iter().map(word).collect();
    Some((words, bytes.len() - rest.len()))
}

impl World {
    pub(super) fn new(settings: [Settings; 2], seed: u64) -> World {
        let nodes = settings.into_iter().enumerate();
        let nodes = nodes.map(|(me, settings)| SimulatedNode::new(me, settings));
        World {
            nodes: nodes.collect(),
            wires: Vec::new(),
            dials: VecDeque::new(),
            claims: VecDeque::new(),
            waiting: Vec::new(),
            claims_at_once: false,
            apart: None,
            stalled: None,
            now: Now {
                monotonic_ms: 1000,
                wall_ms: 1_700_000_000_000,
            },
            clients: 0,
            random: seed.wrapping_mul(2).wrapping_add(1),
        }
    }

    /// A number of a linear congruential generator; enough to vary an order.
    pub(super) fn random(&mut self, below: usize) -> usize {
        self.random = self
            .random
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.random >> 33) as usize % below
    }

    /// Calls a node's machine, and carries out its actions.
    pub(super) fn call<R>(
        &mut self,
        node: usize,
        call: impl FnOnce(&mut Migrations, &View) -> R,
    ) -> R {
        let it = &mut self.nodes[node];
        it.view.now = self.now;
        let result = call(&mut it.machine, &it.view);
        self.carry_out(node);
        result
    }

    fn carry_out(&mut self, node: usize) {
        while let Some(action) = self.nodes[node].machine.pop() {
            let it = &mut self.nodes[node];
            match action {
                Action::Dial { link, port, .. } => {
                    self.dials.push_back((node, link, usize::from(port)));
                }
                Action::Send { link, bytes } => self.send(node, link, &bytes),
                Action::Close(link) => self.close(node, link),
                Action::Export {
                    job,
                    slots,
                    snapshot,
                    stream,
                    ..
                } => {
                    let waiting = (snapshot == stream).then(Vec::new);
                    it.exports.insert(
                        job,
                        Export {
                            slots,
                            snapshot,
                            stream,
                            has_begun: false,
                            keys: VecDeque::new(),
                            is_sent: false,
                            waiting,
                        },
                    );
                }
                Action::Stream(job) => {
                    let export = it.exports.get_mut(&job).expect("an export");
                    let (bytes, link) = (export.waiting.take().unwrap_or_default(), export.stream);
                    self.send(node, link, &bytes);
                }
                Action::EndExport(job) => {
                    it.exports.remove(&job).expect("an export");
                }
                Action::Hold { job, until_ms, .. } => {
                    assert_eq!(it.held.insert(job, until_ms), None);
                }
                Action::Release(job) => {
                    it.held.remove(&job).expect("held");
                }
                Action::Take { job, .. } => {
                    let wait_ms = it.machine.settings_mut().claim_wait().get();
                    self.waiting.push(Claim {
                        node,
                        job,
                        offset: it.history.len(),
                        until_ms: self.now.monotonic_ms + wait_ms,
                    });
                    self.continue_claims(node);
                }
                Action::Hide(_) => it.hidden += 1,
                Action::Show(_) => it.hidden -= 1,
                Action::Drop(_) => {
                    assert_ne!((it.view.owner, it.view.is_primary), (node, true));
                    self.drop_keys(node);
                }
                Action::Keep(_) => it.is_kept = true,
                Action::Return(_) => it.is_kept = false,
                Action::Forget(_) => {
                    it.is_kept = false;
                    self.drop_keys(node);
                }
                Action::Reclaim(_) => {
                    self.claim(node);
                    self.call(node, |m, view| m.review_kept(view));
                }
                Action::AskReplicas(_) => (),
                Action::Propagate(words) => {
                    if it.view.is_primary {
                        it.history.push(Effect::Tell(words.clone()));
                    }
                    let words = words
                        .iter()
                        .map(|word| String::from_utf8_lossy(word).into_owned());
                    it.reported.push(words.collect::<Vec<_>>().join(" "));
                }
                Action::Log { text, .. } => it.logged.push(text),
            }
        }
    }

    fn wire(&self, node: usize, link: MigrationLink) -> Option<(usize, usize)> {
        let at = self.wires.iter().position(|wire| {
            wire.ends
                .iter()
                .zip(wire.is_gone)
                .any(|(end, gone)| *end == (node, link) && !gone)
        })?;
        let end = usize::from(self.wires[at].ends[1] == (node, link));
        Some((at, end))
    }

    pub(super) fn send(&mut self, node: usize, link: MigrationLink, bytes: &[u8]) {
        if let Some((at, end)) = self.wire(node, link) {
            self.wires[at].queues[1 - end].extend_from_slice(bytes);
        }
    }

    fn close(&mut self, node: usize, link: MigrationLink) {
        if let Some((at, end)) = self.wire(node, link) {
            self.wires[at].is_closing[end] = true;
            self.wires[at].is_gone[end] = true;
            self.wires[at].queues[end].clear();
        }
        self.dials
            .retain(|&(from, dialled, _)| (from, dialled) != (node, link));
    }

    /// Connections of a node break; both ends see it later.
    pub(super) fn cut(&mut self, lost: bool) {
        self.dials.clear();
        for wire in &mut self.wires {
            wire.is_closing = [true, true];
            if lost {
                wire.queues = Default::default();
            }
        }
    }

    /// A node's process ends, and starts from its disk: with its claim, but no key of others'
    /// slots.
    pub(super) fn crash(&mut self, node: usize) {
        self.stop(node);
        self.start(node);
    }

    /// A node's process ends.
    pub(super) fn stop(&mut self, node: usize) {
        for wire in &mut self.wires {
            for end in 0..2 {
                if wire.ends[end].0 == node {
                    wire.is_gone[end] = true;
                    wire.is_closing[end] = true;
                    wire.queues[end].clear();
                }
            }
        }
        self.dials.retain(|&(from, ..)| from != node);
        self.waiting.retain(|claim| claim.node != node);
        // The last claims may not have been sent.
        for (to, owner, epoch) in std::mem::take(&mut self.claims) {
            if owner != node || self.random(2) == 0 {
                self.claims.push_back((to, owner, epoch));
            }
        }
        let it = &mut self.nodes[node];
        let settings = it.machine.settings_mut().clone();
        it.machine = Migrations::new(settings);
        it.is_up = false;
        it.hidden = 0;
        it.is_kept = false;
        it.held.clear();
        it.exports.clear();
        it.internal.clear();
        it.nodes.clear();
    }

    fn start(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        it.is_up = true;
        (it.view.owner, it.view.epoch) = it.saved;
        if it.view.is_primary && it.view.owner != node {
            self.drop_keys(node);
        }
    }

    /// A client writes to the slot's owner, following MOVED. `None`: writes are held, or no node
    /// serves the slot.
    pub(super) fn write(&mut self, key: &str, value: u64) -> Option<usize> {
        let node = (0..self.nodes.len()).find(|&node| self.nodes[node].is_owner())?;
        let it = &mut self.nodes[node];
        if !it.held.is_empty() {
            return None;
        }
        it.keys.insert(key.into(), value);
        it.history.push(Effect::Set(key.into(), value));
        let effect = words(&[b"SET", key.as_bytes(), value.to_string().as_bytes()]);
        let jobs: Vec<Name> = it.exports.keys().copied().collect();
        for job in jobs {
            let export = self.nodes[node].exports.get_mut(&job).expect("listed");
            assert!(export.slots.contains(SLOT));
            if !export.has_begun {
                continue;
            }
            match &mut export.waiting {
                Some(waiting) => waiting.extend_from_slice(&effect),
                None => {
                    let link = export.stream;
                    self.send(node, link, &effect);
                }
            }
            self.nodes[node].machine.streamed(job, effect.len());
        }
        Some(node)
    }

    /// Does something that can happen now. `false`: nothing can.
    pub(super) fn step(&mut self) -> bool {
        // Replicas are slow: their primaries' streams lag the links of a migration.
        if self.random(8) == 0 && self.replicate() {
            return true;
        }
        let kinds = 4;
        let first = self.random(kinds);
        let is_done = (0..kinds).any(|kind| match (first + kind) % kinds {
            0 => self.dial(),
            1 => self.deliver(),
            2 => self.export(),
            _ => self.receive(),
        });
        is_done || self.replicate()
    }

    fn dial(&mut self) -> bool {
        let Some((from, link, to)) = self.dials.pop_front() else {
            return false;
        };
        if !self.nodes[to].is_up {
            self.call(from, |m, view| m.refused(view, link, "Connection refused"));
            return true;
        }
        self.clients += 1;
        self.wires.push(SimulatedLink {
            ends: [(from, link), (to, MigrationLink::Client(self.clients))],
            queues: Default::default(),
            is_closing: [false; 2],
            is_gone: [false; 2],
        });
        self.call(from, |m, view| m.opened(view, link));
        true
    }

    fn receive(&mut self) -> bool {
        if self.claims.is_empty() {
            return false;
        }
        let at = self.random(self.claims.len());
        let Some((to, owner, epoch)) = self.claims.remove(at) else {
            return false;
        };
        let is_up = self.nodes[to].is_up;
        let view = &mut self.nodes[to].view;
        if is_up && epoch > view.epoch {
            let had = view.is_primary && view.owner == to;
            (view.owner, view.epoch) = (owner, epoch);
            self.nodes[to].saved = (owner, epoch);
            if had {
                self.lose(to);
            }
            self.call(to, |m, view| {
                m.review_kept(view);
                m.routes_changed(view);
            });
        }
        true
    }

    fn export(&mut self) -> bool {
        for node in 0..self.nodes.len() {
            let keys: Vec<_> = self.nodes[node].keys.clone().into_iter().collect();
            let jobs: Vec<Name> = self.nodes[node].exports.keys().copied().collect();
            for job in jobs {
                let export = self.nodes[node].exports.get_mut(&job).expect("listed");
                if !export.has_begun {
                    export.has_begun = true;
                    export.keys = keys.into();
                    self.call(node, |m, view| m.exporting(view, job));
                    return true;
                }
                if let Some((key, value)) = export.keys.pop_front() {
                    let link = export.snapshot;
                    let value = value.to_string();
                    let bytes = words(&[b"SET", key.as_bytes(), value.as_bytes()]);
                    self.send(node, link, &bytes);
                    return true;
                }
                if !std::mem::replace(&mut export.is_sent, true) {
                    self.call(node, |m, view| m.snapshot_sent(view, job));
                    return true;
                }
            }
        }
        false
    }

    /// Delivers a message to an end of some link, or reports to it that the other end has closed.
    fn deliver(&mut self) -> bool {
        if self.wires.is_empty() {
            return false;
        }
        let (first, side) = (self.random(self.wires.len()), self.random(2));
        for at in 0..self.wires.len() * 2 {
            let wire = (first + at / 2) % self.wires.len();
            if self.deliver_to(wire, (side + at) % 2) {
                return true;
            }
        }
        false
    }

    fn deliver_to(&mut self, at: usize, end: usize) -> bool {
        let wire = &self.wires[at];
        let (node, link) = wire.ends[end];
        if wire.is_gone[end] {
            return false;
        }
        let bytes = wire.queues[end].clone();
        let expects = self.nodes[node].machine.expects(link);
        if bytes.is_empty() {
            if wire.is_closing[1 - end] {
                self.wires[at].is_gone[end] = true;
                self.wires[at].is_closing[end] = true;
                self.call(node, |m, view| m.closed(view, link));
                return true;
            }
            return false;
        }
        match (expects, link) {
            (Some(InputKind::Hold), _) => false,
            (Some(InputKind::Replies), _) => {
                let end_of_line = bytes
                    .windows(2)
                    .position(|two| two == b"\r\n")
                    .expect("a line");
                self.take(at, end, end_of_line + 2);
                let line = bytes[1..end_of_line].to_vec();
                let is_error = bytes[0] == b'-';
                self.call(node, |m, view| {
                    if is_error {
                        m.reply(view, link, Err(&line))
                    } else {
                        m.reply(view, link, Ok(&line))
                    }
                });
                self.caught_up(node, link);
                true
            }
            (None, MigrationLink::Dialled(_)) => panic!("bytes of an unknown link"),
            _ => {
                let (command, len) = command(&bytes).expect("whole commands");
                self.take(at, end, len);
                self.run(node, link, &command, len);
                self.caught_up(node, link);
                true
            }
        }
    }

    fn take(&mut self, at: usize, end: usize, len: usize) {
        self.wires[at].queues[end].drain(..len);
    }

    fn caught_up(&mut self, node: usize, _: MigrationLink) {
        // Every link without bytes: another link's last message may have ended a link's `Hold`.
        let ends: Vec<MigrationLink> = self
            .wires
            .iter()
            .flat_map(|wire| {
                let end = |end: usize| {
                    let (at, link) = wire.ends[end];
                    (at == node && !wire.is_gone[end] && wire.queues[end].is_empty())
                        .then_some(link)
                };
                [end(0), end(1)]
            })
            .flatten()
            .collect();
        for link in ends {
            let expects = self.nodes[node].machine.expects(link);
            if expects.is_some_and(InputKind::are_commands) {
                self.call(node, |m, view| m.caught_up(view, link));
            }
        }
    }

    fn run(&mut self, node: usize, link: MigrationLink, command: &[Vec<u8>], len: usize) {
        let words: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
        match words[..] {
            [b"SET", key, value] => {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
                let value = text(value).parse().expect("a number");
                let it = &mut self.nodes[node];
                it.keys.insert(text(key), value);
                it.history.push(Effect::Set(text(key), value));
                self.call(node, |m, view| m.applied(view, link, len));
            }
            [b"AUTH", b"internal connection", secret] => {
                assert_eq!(secret, [b's'; 40]);
                self.nodes[node].internal.push(link);
                self.send(node, link, b"+OK\r\n");
            }
            [b"CLUSTER", b"SYNCSLOTS", b"CONF", b"NODE-ID", peer] => {
                self.nodes[node]
                    .nodes
                    .insert(link, Name::parse(peer).expect("a name"));
                self.send(node, link, b"+OK\r\n");
            }
            [b"CLUSTER", b"SYNCSLOTS", ref rest @ ..] => {
                let it = &self.nodes[node];
                let sender = Sender {
                    link,
                    is_internal: it.internal.contains(&link),
                    is_primary: false,
                    node: it.nodes.get(&link).copied(),
                };
                let answer = self.call(node, |m, view| m.request(view, &sender, rest));
                match answer {
                    Answer::Status(status) => {
                        self.send(node, link, format!("+{status}\r\n").as_bytes());
                    }
                    Answer::Silent => (),
                    Answer::Refused(why) => {
                        self.send(node, link, format!("-{why}\r\n").as_bytes());
                    }
                    Answer::RefusedAndClosed(_) | Answer::Closed => self.close(node, link),
                }
            }
            _ => panic!("{words:?}"),
        }
    }

    pub(super) fn pass(&mut self, ms: i64) {
        self.now.monotonic_ms += ms;
        self.now.wall_ms += ms;
        self.greet();
        for node in 0..self.nodes.len() {
            if !self.nodes[node].is_up {
                continue;
            }
            let now = self.now.monotonic_ms;
            self.nodes[node].held.retain(|_, until| {
                assert!(*until + 200 >= now, "held for longer than was said");
                true
            });
            self.call(node, |m, view| m.tick(view));
            self.continue_claims(node);
        }
        self.beat();
    }

    /// Runs until nothing happens for a while.
    pub(super) fn settle(&mut self) {
        // Longer than any timeout during which nothing happens.
        let mut quiet = 0;
        while quiet < 35 {
            while self.step() {}
            self.pass(100);
            let mut primaries = self.nodes.iter().filter(|node| node.view.is_primary);
            let is_idle = primaries.all(|node| node.machine.active() == 0);
            let has_kept = self.nodes.iter().any(|node| node.is_kept);
            quiet += if has_kept {
                // A grace is longer.
                0
            } else if is_idle && self.claims.is_empty() {
                7
            } else {
                1
            };
        }
    }

    /// The state of a node's newest migration, in Redis's words and Valkey's.
    pub(super) fn state(&self, node: usize) -> (&'static str, &'static str) {
        let machine = &self.nodes[node].machine;
        let newest = machine.jobs.iter().rev().chain(&machine.ended).next();
        newest.map_or(("", ""), |job| {
            (
                job.state(MigrationProtocol::Pull),
                job.state(MigrationProtocol::Push),
            )
        })
    }
}
