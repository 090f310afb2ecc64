//! Slots that move in a migration: each node's migration machine, its links and exports, hidden and
//! kept keys, and claims that wait for replicas.
//!
//! Bytes that acknowledge nothing leave at the end of the turn, with the server's other bytes. A
//! write to a leaving slot goes to the export's stream when the server executes it.

use std::collections::{BTreeMap, BTreeSet};

use super::commands::{Words, host_of, requests};
use super::data::{Write, slot_of, written_slots};
use super::member::TIMEOUT_MS;
use super::server::Server;
use super::world::{CLUSTER, HOSTS, Process, World, client_door};
use russet_base::Millis;
use russet_base::numbers::number::parse_digits;
use russet_cluster::migration::{
    Action, Answer, InputKind, MigrationContext, MigrationLink, Migrations, Name, NodeContext,
    Ranges, Sender, Settings,
};
use russet_config::{Config, Dialect};
use russet_host::LinkId;
use russet_host::simulation::World as _;
use russet_resp::write_request;

/// The first number of dialled links.
const DIALLED: u64 = 1 << 42;
/// The number of snapshot keys in a turn.
const KEYS_MAX: usize = 8;

/// The export of slots that leave.
struct Export {
    job: Name,
    slots: Ranges,
    snapshot: MigrationLink,
    stream: MigrationLink,
    /// The keys to send; `None` before the moment of the snapshot.
    keys: Option<Vec<Write>>,
    is_sent: bool,
    /// Effects that wait for the end of the snapshot.
    held: Option<Vec<u8>>,
}

/// A claim that waits for replicas.
struct Claim {
    job: Name,
    slots: Ranges,
    offset: u64,
    until: i64,
    over: i64,
}

/// A migration's link.
#[derive(Default)]
struct Mover {
    input: Vec<u8>,
    is_ended: bool,
    is_internal: bool,
    node: Option<Name>,
}

/// See the module.
pub struct Moves {
    machine: Option<Migrations>,
    exports: Vec<Export>,
    claims: Vec<Claim>,
    held: BTreeMap<Name, Ranges>,
    hidden: BTreeSet<u16>,
    kept: BTreeSet<u16>,
    links: BTreeMap<MigrationLink, Mover>,
    /// Bytes to send, and links to close after their bytes, in order.
    out: Vec<(MigrationLink, Option<Vec<u8>>)>,
    routes_changed: bool,
    next_tick: i64,
    /// Makes the links of each process different.
    run: u64,
    /// The number of copies and new histories that the server's data has begun with.
    pub copies: u64,
    pub histories: u64,
}

fn settings(dialect: Dialect) -> Settings {
    Settings {
        dialect,
        repl_timeout: Millis::of_s(3),
        keep_grace: Millis::of_ms(4 * TIMEOUT_MS as u64),
        ..Settings::of(&Config::default())
    }
}

impl Moves {
    pub fn new(dialect: Dialect, run: u64) -> Moves {
        Moves {
            machine: Some(Migrations::new(settings(dialect))),
            exports: Vec::new(),
            claims: Vec::new(),
            held: BTreeMap::new(),
            hidden: BTreeSet::new(),
            kept: BTreeSet::new(),
            links: BTreeMap::new(),
            out: Vec::new(),
            routes_changed: false,
            next_tick: 0,
            run,
            copies: 0,
            histories: 0,
        }
    }

    /// Whether nothing moves and no data is kept.
    pub fn is_idle(&self) -> bool {
        self.machine.as_ref().is_some_and(Migrations::is_idle)
    }

    /// Whether writes to a slot wait, or the cluster must not see its keys.
    pub fn holds(&self, slot: u16) -> bool {
        self.held.values().any(|slots| slots.contains(slot)) || self.hidden.contains(&slot)
    }

    /// Whether all of these slots are kept slots.
    pub fn has_only_kept(&self, mut slots: impl Iterator<Item = u16>) -> bool {
        slots.all(|slot| self.kept.contains(&slot))
    }

    /// The number of a dialled link on the network.
    fn dialled(&self, number: u64) -> LinkId {
        LinkId(DIALLED + (self.run << 20) + number)
    }

    fn link(&self, link: MigrationLink) -> LinkId {
        match link {
            MigrationLink::Dialled(number) => self.dialled(number),
            MigrationLink::Client(number) => Server::link(number),
        }
    }

    /// Whether a migration has dialled a link of the network.
    pub fn is_dialled(link: LinkId) -> bool {
        link.0 > DIALLED
    }

    fn number(&self, link: LinkId) -> Option<MigrationLink> {
        let number = link.0.checked_sub(DIALLED + (self.run << 20))?;
        (number < 1 << 20).then_some(MigrationLink::Dialled(number))
    }

    /// Takes over a peer's connection whose request no replica sends.
    pub fn adopt(&mut self, number: u64, bytes: Vec<u8>) {
        let mover = Mover {
            input: bytes,
            ..Mover::default()
        };
        self.links.insert(MigrationLink::Client(number), mover);
    }

    fn send(&mut self, link: MigrationLink, bytes: &[u8]) {
        self.out.push((link, Some(bytes.to_vec())));
    }

    /// Sends the effect of an executed write to the exports of its slot.
    pub fn stream(&mut self, write: Write, is_deaf: bool) {
        let (slot, bytes) = (slot_of(write), set_request(write));
        let mut sent = Vec::new();
        for export in &mut self.exports {
            if export.keys.is_none() || !export.slots.contains(slot) || is_deaf {
                continue;
            }
            if let Some(machine) = &mut self.machine {
                machine.streamed(export.job, bytes.len());
            }
            match &mut export.held {
                Some(held) => held.extend_from_slice(&bytes),
                None => sent.push(export.stream),
            }
        }
        for link in sent {
            self.send(link, &bytes);
        }
    }

    /// Ends the exports of slots that another node serves now.
    fn stop_exports(&mut self, slots: &[u16]) {
        let is_lost = |export: &Export| slots.iter().any(|slot| export.slots.contains(*slot));
        self.exports.retain(|export| !is_lost(export));
    }
}

fn set_request(write: Write) -> Vec<u8> {
    let (mut bytes, text) = (Vec::new(), write.to_string());
    let words: [&[u8]; 3] = [b"SET", b"write", text.as_bytes()];
    write_request(&mut bytes, words.into_iter());
    bytes
}

impl World {
    fn moves(&mut self, host: usize) -> Option<&mut Moves> {
        self.server_mut(host).member.as_mut()?.moves.as_mut()
    }

    /// Calls the machine, and carries out its actions.
    fn with_moves<T>(
        &mut self,
        host: usize,
        call: impl FnOnce(&mut Migrations, &dyn MigrationContext) -> T,
    ) -> Option<T> {
        let clock = self.clock(host);
        let name = self.fresh_name();
        let member = self.server_mut(host).member.as_mut()?;
        let mut machine = member.moves.as_mut()?.machine.take()?;
        let result = member.core.as_ref().map(|core| {
            let around = NodeContext {
                core,
                now: clock,
                unsent: &|_| 0,
                fresh_name: &|| name,
            };
            call(&mut machine, &around)
        });
        if let Some(moves) = &mut member.moves {
            moves.machine = Some(machine);
        }
        while let Some(action) = self
            .moves(host)
            .and_then(|moves| moves.machine.as_mut()?.pop())
        {
            self.move_on(host, action);
        }
        result
    }

    fn fresh_name(&mut self) -> Name {
        let text: String = (0..3)
            .map(|_| format!("{:016x}", self.random.next_u64()))
            .collect();
        Name::parse(&text.as_bytes()[..Name::LEN]).expect("hexadecimal digits")
    }

    fn move_on(&mut self, host: usize, action: Action) {
        let Some(moves) = self.moves(host) else {
            return;
        };
        match action {
            Action::Dial { link, ip, .. } => {
                let number = moves.link(link);
                moves.links.insert(link, Mover::default());
                let to = host_of(&ip).filter(|to| (CLUSTER..HOSTS).contains(to));
                let at = self.delay();
                if let Some(to) = to {
                    self.network
                        .dial(client_door(host), number, client_door(to), at);
                }
            }
            Action::Send { link, bytes } => moves.send(link, &bytes),
            Action::Close(link) => moves.out.push((link, None)),
            Action::Export {
                job,
                slots,
                snapshot,
                stream,
                ..
            } => moves.exports.push(Export {
                job,
                slots,
                snapshot,
                stream,
                keys: None,
                is_sent: false,
                held: (snapshot == stream).then(Vec::new),
            }),
            Action::Stream(job) => {
                let mut exports = moves.exports.iter_mut();
                let export = exports.find(|export| export.job == job);
                let held = export.and_then(|its| Some((its.held.take()?, its.stream)));
                if let Some((bytes, link)) = held {
                    moves.send(link, &bytes);
                }
            }
            Action::EndExport(job) => moves.exports.retain(|export| export.job != job),
            Action::Hold { job, slots, .. } => _ = moves.held.insert(job, slots),
            Action::Release(job) => {
                let within = settings(Dialect::Redis).claim_wait().get() * 2;
                if let Some(slots) = moves.held.get(&job).cloned() {
                    self.drive(host, |core, now| {
                        core.keep_slots(now, slots.pairs(), within)
                    });
                }
                if let Some(moves) = self.moves(host) {
                    moves.held.remove(&job);
                }
            }
            Action::Take { job, slots } => {
                let wait = settings(Dialect::Redis).claim_wait().get();
                let now = self.clock(host).monotonic_ms;
                let node = &mut self.server_mut(host).node;
                let offset = node.stream.offset();
                node.append(&[b"REPLCONF", b"GETACK", b"*"]);
                let claim = Claim {
                    job,
                    slots,
                    offset,
                    until: now + wait,
                    over: now + 2 * wait,
                };
                if let Some(moves) = self.moves(host) {
                    moves.claims.push(claim);
                }
            }
            Action::Hide(slots) => moves.hidden.extend(written_in(&slots)),
            Action::Show(slots) => moves.hidden.retain(|slot| !slots.contains(*slot)),
            Action::Drop(slots) => {
                moves.hidden.retain(|slot| !slots.contains(*slot));
                self.drop_keys(host, &slots);
            }
            Action::Keep(slots) => moves.kept.extend(written_in(&slots)),
            Action::Forget(slots) => {
                moves.kept.retain(|slot| !slots.contains(*slot));
                self.drop_keys(host, &slots);
            }
            Action::Return(slots) => moves.kept.retain(|slot| !slots.contains(*slot)),
            Action::Reclaim(slots) => _ = self.claim(host, &slots, None),
            Action::AskReplicas(node) => {
                self.drive(host, |core, now| {
                    core.greet_replicas_of(now, node.as_bytes())
                });
            }
            Action::Propagate(words) => {
                let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
                let node = &mut self.server_mut(host).node;
                if node.is_primary() {
                    node.append(&words);
                }
            }
            Action::Log { text, .. } => self.note(|| format!("host {host}: {text}")),
        }
    }

    /// A primary deletes keys; a replica receives the deletions with the stream.
    fn drop_keys(&mut self, host: usize, slots: &Ranges) {
        let node = &mut self.server_mut(host).node;
        if !node.is_primary() {
            return;
        }
        for slot in written_in(slots) {
            if node.data.count(slot) > 0 {
                node.write(&[(b"drop", slot.into())]);
            }
        }
    }

    fn claim(&mut self, host: usize, slots: &Ranges, is_held: Option<bool>) -> bool {
        let taken = self.drive(host, |core, now| {
            core.take_slots_without_vote(now, slots.pairs())
        });
        if taken != Some(true) {
            return false;
        }
        let Process::Server(server) = &self.hosts[host].process else {
            return false;
        };
        let slots: Vec<u16> = written_in(slots).collect();
        let claimed = self
            .checks
            .claimed(&slots, (host, is_held), &server.node.data);
        self.check(claimed);
        true
    }

    /// Continues claims whose keys the replicas have: see `server::migration::claims`.
    fn continue_claims(&mut self, host: usize) {
        let now = self.clock(host).monotonic_ms;
        let Some(moves) = self.moves(host) else {
            return;
        };
        for claim in std::mem::take(&mut moves.claims) {
            let server = self.server(host);
            let member = server.member.as_ref();
            let machine = member.and_then(|its| its.moves.as_ref()?.machine.as_ref());
            if !machine.is_some_and(|machine| machine.awaits_claim(claim.job)) {
                continue;
            }
            let electable = self.core(host).map_or(0, |core| core.electable_replicas());
            let online = server.replicas().count();
            let acked = server.acknowledged(claim.offset);
            let (is_late, is_over) = (now >= claim.until, now >= claim.over);
            let is_claimed = acked >= online.max(electable) || is_late && acked > 0;
            if !is_over && !is_claimed && !is_late {
                if let Some(moves) = self.moves(host) {
                    moves.claims.push(claim);
                }
                continue;
            }
            let is_taken =
                !is_over && is_claimed && self.claim(host, &claim.slots, Some(acked > 0));
            self.note(|| format!("host {host}: {} is claimed: {is_taken}", claim.slots));
            self.with_moves(host, |m, around| {
                m.slots_taken_over(around, claim.job, is_taken);
            });
        }
    }

    // --- turns ---

    /// The migrations' part of a server's turn.
    pub fn turn_moves(&mut self, host: usize) {
        let node = &self.server(host).node;
        let (copies, histories, loads) = (node.copies, node.histories, node.is_loading);
        let now = self.clock(host).monotonic_ms;
        let Some(moves) = self.moves(host) else {
            return;
        };
        if std::mem::replace(&mut moves.copies, copies) != copies {
            moves.hidden.clear();
            self.with_moves(host, |m, around| m.forget_followed(around));
        }
        let Some(moves) = self.moves(host) else {
            return;
        };
        if std::mem::replace(&mut moves.histories, histories) != histories {
            self.with_moves(host, |m, around| m.history_changed(around));
        }
        self.serve_movers(host);
        let Some(moves) = self.moves(host) else {
            return;
        };
        if std::mem::take(&mut moves.routes_changed) {
            self.with_moves(host, |m, around| m.routes_changed(around));
        }
        if !loads {
            self.export_keys(host);
        }
        let Some(moves) = self.moves(host) else {
            return;
        };
        if !moves.is_idle() && moves.next_tick <= now {
            moves.next_tick = now + 100;
            if !moves.held.is_empty() {
                let silent = settings(Dialect::Redis).claim_wait().get() / 2;
                self.drive(host, |core, now| core.greet_voters(now, silent));
            }
            self.with_moves(host, |m, around| m.tick(around));
        }
        self.continue_claims(host);
        if !self.server(host).node.is_primary() {
            self.forget_empty_kept(host);
        }
    }

    /// Announces imports to a replica that has begun with a snapshot.
    pub fn announce_moves(&mut self, host: usize) {
        self.with_moves(host, |m, around| m.announce_again(around));
    }

    fn export_keys(&mut self, host: usize) {
        let Some(moves) = self.moves(host) else {
            return;
        };
        let jobs: Vec<Name> = moves.exports.iter().map(|export| export.job).collect();
        for job in jobs {
            let Process::Server(server) = &mut self.hosts[host].process else {
                return;
            };
            let data = &server.node.data;
            let moves = server.member.as_mut().and_then(|its| its.moves.as_mut());
            let Some(moves) = moves else {
                return;
            };
            let mut exports = moves.exports.iter_mut();
            let Some(export) = exports.find(|export| export.job == job) else {
                continue;
            };
            let link = export.snapshot;
            match &mut export.keys {
                None => {
                    let all = written_in(&export.slots).flat_map(|slot| data.of(slot));
                    export.keys = Some(all.collect());
                    self.with_moves(host, |m, around| m.exporting(around, job));
                }
                Some(keys) if !keys.is_empty() => {
                    let part = keys.split_off(keys.len().saturating_sub(KEYS_MAX));
                    let bytes: Vec<u8> = part.into_iter().flat_map(set_request).collect();
                    moves.send(link, &bytes);
                }
                Some(_) => {
                    if !std::mem::replace(&mut export.is_sent, true) {
                        self.with_moves(host, |m, around| m.snapshot_sent(around, job));
                    }
                }
            }
        }
    }

    // --- links ---

    /// Handles an event of a link that a migration has dialled.
    pub fn on_mover(&mut self, host: usize, event: russet_host::Event<'_>) {
        use russet_host::Event;
        let Some(moves) = self.moves(host) else {
            return;
        };
        match event {
            Event::Opened { link, .. } => {
                if let Some(link) = moves.number(link) {
                    self.with_moves(host, |m, around| m.opened(around, link));
                }
            }
            Event::Refused { link, why } => {
                if let Some(link) = moves.number(link) {
                    moves.links.remove(&link);
                    self.with_moves(host, |m, around| m.refused(around, link, why));
                }
            }
            Event::Received { link, bytes, .. } => {
                if let Some(link) = moves.number(link) {
                    self.mover_received(host, link, bytes);
                }
            }
            Event::Closed { link, .. } => {
                if let Some(link) = moves.number(link) {
                    self.mover_ended(host, link);
                }
            }
            _ => {}
        }
    }

    pub fn mover_received(&mut self, host: usize, link: MigrationLink, bytes: &[u8]) {
        let moves = self.moves(host);
        if let Some(mover) = moves.and_then(|moves| moves.links.get_mut(&link)) {
            mover.input.extend_from_slice(bytes);
        }
    }

    pub fn mover_ended(&mut self, host: usize, link: MigrationLink) {
        let moves = self.moves(host);
        if let Some(mover) = moves.and_then(|moves| moves.links.get_mut(&link)) {
            mover.is_ended = true;
        }
    }

    fn serve_movers(&mut self, host: usize) {
        let Some(moves) = self.moves(host) else {
            return;
        };
        let links: Vec<MigrationLink> = moves.links.keys().copied().collect();
        for link in links {
            while self.serve_mover(host, link) {}
            let moves = self.moves(host);
            let mover = moves.and_then(|moves| moves.links.get(&link));
            if mover.is_some_and(|mover| mover.is_ended) {
                if let Some(moves) = self.moves(host) {
                    moves.links.remove(&link);
                }
                self.with_moves(host, |m, around| m.closed(around, link));
            }
        }
    }

    /// Takes a single reply or command of a link; returns whether there may be more.
    fn serve_mover(&mut self, host: usize, link: MigrationLink) -> bool {
        let Some(moves) = self.moves(host) else {
            return false;
        };
        let expects = moves.machine.as_ref().and_then(|m| m.expects(link));
        let Some(mover) = moves.links.get_mut(&link) else {
            return false;
        };
        match (expects, link) {
            (Some(InputKind::Hold), _) | (None, MigrationLink::Dialled(_)) => false,
            (Some(InputKind::Replies), _) => {
                let Some(end) = mover.input.iter().position(|&b| b == b'\n') else {
                    return false;
                };
                let line: Vec<u8> = mover.input.drain(..=end).collect();
                let line = line.trim_ascii().to_vec();
                self.with_moves(host, |m, around| match line.split_first() {
                    Some((b'+', text)) => m.reply(around, link, Ok(text)),
                    Some((b'-', text)) => m.reply(around, link, Err(text)),
                    _ => {}
                });
                true
            }
            _ => {
                let mut first = mover.input.clone();
                let before = first.len();
                let Some(words) = first_of(&mut first) else {
                    return false;
                };
                let len = before - first.len();
                mover.input = first;
                let is_drained = mover.input.is_empty();
                self.run_for(host, link, &words, len);
                if is_drained && expects.is_some() {
                    self.with_moves(host, |m, around| {
                        if m.expects(link).is_some_and(InputKind::are_commands) {
                            m.caught_up(around, link);
                        }
                    });
                }
                true
            }
        }
    }

    fn run_for(&mut self, host: usize, link: MigrationLink, words: &Words, len: usize) {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        match words[..] {
            [b"SET", b"write", value] => {
                let write = parse_digits(value).unwrap_or(0);
                let member = self.server(host).member.as_ref();
                let machine = member.and_then(|its| its.moves.as_ref()?.machine.as_ref());
                let slots = machine.and_then(|machine| machine.slots_of(link));
                let is_its = slots.is_some_and(|slots| slots.contains(slot_of(write)));
                let node = &mut self.server_mut(host).node;
                if !is_its || !node.is_primary() {
                    self.with_moves(host, |m, around| {
                        m.failed_to_apply(around, link, "ERR not of this migration");
                    });
                    return;
                }
                node.write(&[(b"write", write)]);
                self.with_moves(host, |m, around| m.applied(around, link, len));
            }
            [b"AUTH", _, secret] => {
                let own = self.core(host).and_then(|core| core.internal_secret());
                let is_right = own.is_some_and(|own| own[..] == *secret);
                if let Some(moves) = self.moves(host) {
                    if let Some(mover) = moves.links.get_mut(&link) {
                        mover.is_internal = is_right;
                    }
                    let reply: &[u8] = if is_right {
                        b"+OK\r\n"
                    } else {
                        b"-WRONGPASS not the secret\r\n"
                    };
                    moves.send(link, reply);
                }
            }
            [b"CLUSTER", b"SYNCSLOTS", b"CONF", b"NODE-ID", id] => {
                if let Some(moves) = self.moves(host) {
                    if let Some(mover) = moves.links.get_mut(&link) {
                        mover.node = Name::parse(id);
                    }
                    moves.send(link, b"+OK\r\n");
                }
            }
            [b"CLUSTER", b"SYNCSLOTS", ref rest @ ..] if !rest.is_empty() => {
                let moves = self.moves(host);
                let mover = moves.and_then(|moves| moves.links.get(&link));
                let sender = Sender {
                    link,
                    is_internal: mover.is_some_and(|mover| mover.is_internal),
                    is_primary: false,
                    node: mover.and_then(|mover| mover.node),
                };
                let answer = self.with_moves(host, |m, around| m.request(around, &sender, rest));
                let Some(moves) = self.moves(host) else {
                    return;
                };
                match answer {
                    Some(Answer::Status(status)) => {
                        moves.send(link, format!("+{status}\r\n").as_bytes());
                    }
                    Some(Answer::Refused(why)) => {
                        moves.send(link, format!("-{why}\r\n").as_bytes());
                    }
                    Some(Answer::RefusedAndClosed(_) | Answer::Closed) => {
                        moves.out.push((link, None));
                    }
                    Some(Answer::Silent) | None => {}
                }
            }
            _ => self.check(Err(format!("{host}: a peer sends {words:?}"))),
        }
    }

    /// Sends the bytes of migrations, in their order.
    pub fn send_moves(&mut self, host: usize) {
        let Some(moves) = self.moves(host) else {
            return;
        };
        for (link, bytes) in std::mem::take(&mut moves.out) {
            let Some(moves) = self.moves(host) else {
                return;
            };
            let number = moves.link(link);
            match bytes {
                Some(bytes) => self.send(client_door(host), number, bytes),
                None => {
                    moves.links.remove(&link);
                    let at = self.delay();
                    self.network.close(client_door(host), number, at);
                    self.with_moves(host, |m, around| m.closed(around, link));
                }
            }
        }
    }

    // --- the cluster's orders ---

    fn foreign(&self, host: usize, slots: impl Iterator<Item = u16>) -> Vec<u16> {
        let core = self.core(host);
        let is_foreign = |slot: &u16| core.is_some_and(|core| !core.takes_keys_of(*slot));
        slots.filter(is_foreign).collect()
    }

    /// Deletes the keys of slots that this node does not serve any more.
    pub fn drop_slots(&mut self, host: usize, slots: impl Iterator<Item = u16>) {
        let lost = self.foreign(host, slots);
        if let Some(moves) = self.moves(host) {
            moves.stop_exports(&lost);
        }
        self.drop_keys(host, &Ranges::of_slots(lost.into_iter()));
    }

    /// Keeps the keys of slots that another node has claimed, for a time.
    pub fn lose_slots(&mut self, host: usize, slots: impl Iterator<Item = u16>) {
        let lost = self.foreign(host, slots);
        let node = &self.server(host).node;
        let (is_primary, has_keys) = (
            node.is_primary(),
            lost.iter().any(|slot| node.data.count(*slot) > 0),
        );
        let Some(moves) = self.moves(host) else {
            return;
        };
        moves.stop_exports(&lost);
        if !has_keys {
            return;
        }
        if !is_primary {
            return moves.kept.extend(lost);
        }
        let lost = Ranges::of_slots(lost.into_iter());
        self.with_moves(host, |m, around| m.lost(around, &lost));
    }

    /// Kept keys may belong to this node again, because owners have changed.
    pub fn review_moves(&mut self, host: usize) {
        let Some(moves) = self.moves(host) else {
            return;
        };
        moves.routes_changed = true;
        if moves.kept.is_empty() {
            return;
        }
        self.with_moves(host, |m, around| m.review_kept(around));
        if !self.server(host).node.is_primary() {
            let kept = self.moves(host).map(|moves| moves.kept.clone());
            let foreign = self.foreign(host, kept.into_iter().flatten());
            if let Some(moves) = self.moves(host) {
                moves.kept = foreign.into_iter().collect();
            }
        }
    }

    /// This node becomes a leader: it keeps the data that its primary kept, and deletes another
    /// node's keys.
    pub fn lead_moves(&mut self, host: usize) {
        self.with_moves(host, |m, around| m.routes_changed(around));
        let Some(moves) = self.moves(host) else {
            return;
        };
        let kept = std::mem::take(&mut moves.kept);
        self.lose_slots(host, kept.into_iter());
        let node = &self.server(host).node;
        let with_keys: Vec<u16> = written_slots()
            .filter(|slot| node.data.count(*slot) > 0)
            .collect();
        let member = self.server(host).member.as_ref();
        let moves = member.and_then(|member| member.moves.as_ref());
        let stays = |slot: &u16| moves.is_some_and(|moves| moves.kept.contains(slot));
        let rest: Vec<u16> = with_keys.into_iter().filter(|slot| !stays(slot)).collect();
        let foreign = self.foreign(host, rest.into_iter());
        self.drop_keys(host, &Ranges::of_slots(foreign.into_iter()));
    }

    fn forget_empty_kept(&mut self, host: usize) {
        let Process::Server(server) = &mut self.hosts[host].process else {
            return;
        };
        let data = &server.node.data;
        let moves = server.member.as_mut().and_then(|its| its.moves.as_mut());
        if let Some(moves) = moves {
            moves.kept.retain(|slot| data.count(*slot) > 0);
        }
    }

    /// Deletes all keys.
    pub fn flush_moves(&mut self, host: usize) {
        self.with_moves(host, |m, around| m.flushed(around));
    }

    /// Handles the words about a migration in the primary's stream.
    pub fn follow_moves(&mut self, host: usize, words: &[&[u8]]) {
        let sender = Sender {
            link: MigrationLink::Client(0),
            is_internal: false,
            is_primary: true,
            node: None,
        };
        self.with_moves(host, |m, around| m.request(around, &sender, words));
    }

    /// An operator has a slot moved in a migration: pulled by the target, or pushed by the source.
    pub fn shift_slot(&mut self, slot: u16, from: usize, to: usize, is_pushed: bool) {
        let number = slot.to_string();
        let number = number.as_bytes();
        let target = self.core(to).map(|core| core.my_id());
        let Some(target) = target else {
            return;
        };
        // Only nodes of Redis's dialect pull slots, because they share a secret.
        let is_redis = |host: &usize| {
            let member = self.server(*host).member.as_ref();
            member.is_some_and(|member| member.dialect == Dialect::Redis)
        };
        let is_pushed = is_pushed || ![from, to].iter().all(is_redis);
        let result = if is_pushed {
            let words: [&[u8]; 5] = [b"SLOTSRANGE", number, number, b"NODE", target.as_bytes()];
            let begun = self.with_moves(from, |m, around| m.migrate_slots(around, &words));
            begun.map(|begun| begun.map_err(|why| why.to_string()))
        } else {
            let words: [&[u8]; 2] = [number, number];
            let begun = self.with_moves(to, |m, around| m.import(around, &words));
            begun.map(|begun| begun.map(|_| ()).map_err(|why| why.to_string()))
        };
        let is_begun = result == Some(Ok(()));
        self.checks.figures.shifts += usize::from(is_begun);
        self.note(|| format!("slot {slot} from {from} to {to}: {result:?}"));
    }
}

/// The slots of these ranges that clients write to.
fn written_in(slots: &Ranges) -> impl Iterator<Item = u16> + use<> {
    let slots = slots.clone();
    written_slots().filter(move |slot| slots.contains(*slot))
}

/// Takes the words of the first request, if it is complete.
fn first_of(input: &mut Vec<u8>) -> Option<Words> {
    let request = russet_replication::first_request(input).ok()?;
    let words = request.words.iter().map(|word| word.to_vec()).collect();
    let len = request.len;
    input.drain(..len);
    Some(words)
}

/// Whether the first request of an accepted link belongs to a migration; `None` until it is
/// complete.
pub fn is_mover(bytes: &[u8]) -> Option<bool> {
    let mut bytes = bytes.to_vec();
    let words = requests(&mut bytes).into_iter().next()?;
    Some([&b"AUTH"[..], b"CLUSTER"].contains(&words[0].as_slice()))
}
