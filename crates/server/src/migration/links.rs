//! The links of migrations: dialled, read and written. A source's commands are applied as they
//! arrive, in slices.
//!
//! Bounds: [`READS_MAX`] reads and [`COMMANDS_MAX`] commands of a link in a turn, a slice beside
//! clients; [`INPUT_MAX`] unparsed bytes, or [`held_max`] while a snapshot is awaited. A target
//! that does not read is dropped at the output limit of replicas.
//! Invariant: bytes of a link keep their order: effects of a turn leave before later messages.
//! Elsewhere: `russet_cluster::migration` decides what a link expects, `migration::applied` which
//! commands it may run.

use std::io::ErrorKind;

use crate::clients::batch::RequestsEnd;
use crate::clients::client::ClientFlags;
use crate::clients::ending::EndReason;
use crate::clients::session::Session;
use crate::parts::migration::{MigrationDriver, MigrationLinkStage, OutgoingLink};
use crate::state::Server;
use crate::state::world::Engine;
use russet_base::clock;
use russet_base::wake::Wake;
use russet_cluster::migration::{InputKind, MigrationLink};
use russet_config::{Config, system_text};
use russet_keyspace::{ClientId, KeyHash, Keyspace};
use russet_net::{ConnectAttempt, Destination, Target};
use russet_resp::Args;

/// Reads of a link in a turn, and commands of a link that a turn applies.
const READS_MAX: usize = 8;
const COMMANDS_MAX: usize = 512;
const READ_BYTES: usize = 64 * 1024;
/// A reply of a handshake is a line of at most so many bytes.
const LINE_MAX: usize = 4096;
/// The time for a link that is closed to send its remaining bytes, milliseconds.
const CLOSING_MS: u64 = 5000;
/// Unparsed input of a link whose commands run; beyond this the loop does not read the link.
const INPUT_MAX: usize = 1 << 20;

/// Bytes that are kept of a link that waits for the snapshot; beyond this the loop does not read
/// the link.
fn held_max(config: &Config) -> usize {
    const DEFAULT: usize = 256 << 20;
    match config.replica_full_sync_buffer_limit as usize {
        0 => DEFAULT,
        limit => limit.max(INPUT_MAX),
    }
}

/// The rest of a turn's share for the commands of a link.
struct Allowance {
    commands: usize,
    /// The end, in ticks, beside clients.
    until: Option<u64>,
}

impl Allowance {
    fn is_used_up(&self) -> bool {
        self.commands == 0 || self.until.is_some_and(|until| clock::cycles() >= until)
    }
}

/// Unparsed bytes from which on a stream lags, and is not paced.
const BEHIND: usize = 1 << 20;

/// How a step on a link went.
enum StepOutcome {
    /// More may follow at once.
    More,
    /// Not before the link has an event.
    Wait,
}

/// Reads a link's bytes, up to its limit of input. `true`: there may be more.
fn read(link: &mut OutgoingLink, bytes: &mut [u8], held_max: usize) -> bool {
    let MigrationLinkStage::Open(stream) = &mut link.stage else {
        return false;
    };
    for _ in 0..READS_MAX {
        let is_full = if link.is_running {
            link.input.len() >= INPUT_MAX && !link.lacks_bytes
        } else {
            link.input.len() >= held_max
        };
        if link.is_over || is_full {
            return false;
        }
        match stream.fill(bytes) {
            Ok((n @ 1.., more)) => {
                link.input.append(&bytes[..n]);
                if !more {
                    return false;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Ok((0, _)) | Err(_) => link.is_over = true,
        }
    }
    true
}

impl MigrationDriver {
    /// Closes a link that this node has dialled, or a client that is a link, once its queued bytes
    /// are sent.
    pub(super) fn close(&mut self, link: MigrationLink, now_ms: u64) {
        match link {
            MigrationLink::Dialled(number) => {
                if let Some(link) = self.links.get_mut(number) {
                    link.closes_at_ms = Some(now_ms + CLOSING_MS);
                    self.links.unread.push(number);
                }
            }
            MigrationLink::Client(id) => self.to_clients.entry(id).or_default().closes = true,
        }
    }
}

impl Server {
    fn lose_slot_link(&mut self, keyspace: &mut Keyspace, number: u64, refused: Option<&str>) {
        let link = MigrationLink::Dialled(number);
        if let Some(driver) = &mut self.migrations {
            driver.links.remove(number);
        }
        self.with_migrations(keyspace, |m, around| match refused {
            Some(why) => m.refused(around, link, why),
            None => m.closed(around, link),
        });
    }

    /// Continues a connection in progress. `true`: it is open.
    fn open_slot_link(&mut self, keyspace: &mut Keyspace, number: u64) -> bool {
        let Some(driver) = &mut self.migrations else {
            return false;
        };
        let Some((slot, generation)) = driver.links.place(number) else {
            return false;
        };
        let Some(link) = driver.links.get_mut(number) else {
            return false;
        };
        let MigrationLinkStage::Connecting(connecting) = &mut link.stage else {
            return true;
        };
        let Some(registry) = self.connections.registry.as_ref() else {
            return false;
        };
        let token = Target::migration_link(slot, generation).into();
        match connecting.advance(registry, token) {
            Ok(Some(stream)) => {
                stream.tune(0);
                link.stage = MigrationLinkStage::Open(stream);
                self.with_migrations(keyspace, |m, around| {
                    m.opened(around, MigrationLink::Dialled(number));
                });
                true
            }
            Ok(None) => false,
            Err(error) => {
                let why = system_text(&error);
                self.lose_slot_link(keyspace, number, Some(&why));
                false
            }
        }
    }

    /// Writes a link's queued bytes; closes it if it is to be closed.
    fn write_slot_link(&mut self, keyspace: &mut Keyspace, number: u64) {
        let now_ms = self.now.mono_ms;
        let limit = self.config.client_output_buffer_limit.replica.hard_bytes;
        let registry = self.connections.registry.as_ref();
        let Some(driver) = &mut self.migrations else {
            return;
        };
        let Some((slot, generation)) = driver.links.place(number) else {
            return;
        };
        let Some(link) = driver.links.get_mut(number) else {
            return;
        };
        let written = link.write();
        let is_opening = matches!(link.stage, MigrationLinkStage::Connecting(_));
        let is_due = |at_ms| written != Ok(false) || at_ms <= now_ms || is_opening;
        if link.closes_at_ms.is_some_and(is_due) {
            return driver.links.remove(number);
        }
        // A target that does not read holds no more memory than a replica that does not.
        let is_beyond = limit > 0 && link.unsent() as u64 > limit;
        let Some(is_all) = written.ok().filter(|_| !is_beyond) else {
            return self.lose_slot_link(keyspace, number, None);
        };
        if let MigrationLinkStage::Open(stream) = &mut link.stage
            && let Some(registry) = registry
            && link.write_armed == is_all
        {
            let token = Target::migration_link(slot, generation).into();
            link.write_armed = !is_all;
            if stream.want_write(registry, token, !is_all).is_err() {
                self.lose_slot_link(keyspace, number, None);
            }
        }
    }

    /// Moves queued bytes to the replies of clients that are links.
    fn write_to_slot_clients(&mut self) {
        let Some(driver) = &mut self.migrations else {
            return;
        };
        for (id, to) in std::mem::take(&mut driver.to_clients) {
            let Some(mut session) = self.clients.take(ClientId(id)) else {
                continue;
            };
            session.reply.raw(&to.bytes);
            if to.closes {
                session.client.close_after_reply(EndReason::Slots);
            }
            self.turn.queue_flush(&mut session);
            self.put_back(session);
        }
    }
}

impl Engine {
    /// Sends this turn's effects and messages.
    pub(crate) fn send_migrations(&mut self) {
        let Some(driver) = &self.server.migrations else {
            return;
        };
        if driver.machine.is_idle() && driver.to_clients.is_empty() && driver.links.is_empty() {
            return;
        }
        for number in driver.links.numbers() {
            self.server.write_slot_link(&mut self.keyspace, number);
        }
        self.server.write_to_slot_clients();
    }

    pub(super) fn serve_unread_slot_links(&mut self) {
        let Some(driver) = &mut self.server.migrations else {
            return;
        };
        // A link's held input is run when the machine expects its commands.
        for number in driver.links.numbers() {
            let expects = driver.machine.expects(MigrationLink::Dialled(number));
            let runs = expects.is_some_and(InputKind::are_commands);
            if let Some(link) = driver.links.get_mut(number)
                && runs
                && !std::mem::replace(&mut link.is_running, true)
            {
                driver.links.unread.push(number);
            }
        }
        let mut unread = std::mem::take(&mut driver.links.unread);
        unread.sort_unstable();
        unread.dedup();
        for number in unread {
            self.serve_slot_link(number);
        }
    }

    /// A link has had an event, or has more to be read or run.
    pub(crate) fn serve_slot_link(&mut self, number: u64) {
        if !self.server.open_slot_link(&mut self.keyspace, number) {
            return;
        }
        let held_max = held_max(&self.server.config);
        let driver = self.server.migrations.as_mut();
        let may_have_more = driver.is_some_and(|driver| driver.read(number, held_max));
        let mut stepped = StepOutcome::More;
        let mut left = self.allowance(number);
        while matches!(stepped, StepOutcome::More) && !left.is_used_up() {
            stepped = self.run_slot_link(number, &mut left);
        }
        let Some(driver) = &mut self.server.migrations else {
            return;
        };
        let Some(link) = driver.links.get_mut(number) else {
            return;
        };
        if matches!(stepped, StepOutcome::More) || may_have_more {
            driver.links.unread.push(number);
        } else if link.is_over {
            self.server.lose_slot_link(&mut self.keyspace, number, None);
        }
    }

    fn allowance(&mut self, number: u64) -> Allowance {
        let server = &mut self.server;
        let migrations = server.migrations.as_deref();
        let nanos = if migrations.is_some_and(|driver| driver.is_paced(number)) {
            let (stats, cycles) = (&server.stats, &server.cycles);
            server.turn.slice_nanos(migrations, stats, cycles)
        } else {
            None
        };
        Allowance {
            commands: COMMANDS_MAX,
            until: nanos.map(|nanos| clock::cycles().saturating_add(server.cycles.ticks(nanos))),
        }
    }

    /// Handles a link's input, as far as the machine expects it now.
    fn run_slot_link(&mut self, number: u64, left: &mut Allowance) -> StepOutcome {
        let link = MigrationLink::Dialled(number);
        let Some(driver) = &mut self.server.migrations else {
            return StepOutcome::Wait;
        };
        match driver.machine.expects(link) {
            None | Some(InputKind::Hold) => StepOutcome::Wait,
            Some(InputKind::Replies) => self.take_reply(number),
            Some(InputKind::Commands | InputKind::Snapshot) => self.run_commands_of(number, left),
        }
    }

    fn take_reply(&mut self, number: u64) -> StepOutcome {
        let link = MigrationLink::Dialled(number);
        let Engine {
            keyspace, server, ..
        } = self;
        let Some(dialled) = server
            .migrations
            .as_mut()
            .and_then(|d| d.links.get_mut(number))
        else {
            return StepOutcome::Wait;
        };
        let Some(end) = memchr::memchr(b'\n', dialled.input.waiting()) else {
            if dialled.input.len() > LINE_MAX {
                server.lose_slot_link(keyspace, number, None);
            }
            return StepOutcome::Wait;
        };
        let line = dialled.input.waiting()[..=end].to_vec();
        dialled.input.use_up(end + 1);
        let text = line.trim_ascii_end();
        match text.split_first() {
            Some((b'+', text)) => server.with_migrations(keyspace, |m, around| {
                m.reply(around, link, Ok(text));
            }),
            Some((b'-', text)) => server.with_migrations(keyspace, |m, around| {
                m.reply(around, link, Err(text));
            }),
            // Newlines keep a link alive.
            None => Some(()),
            Some(_) => {
                server.lose_slot_link(keyspace, number, None);
                None
            }
        };
        StepOutcome::More
    }

    fn run_commands_of(&mut self, number: u64, left: &mut Allowance) -> StepOutcome {
        let link = MigrationLink::Dialled(number);
        let Some(driver) = &mut self.server.migrations else {
            return StepOutcome::Wait;
        };
        let Some(dialled) = driver.links.get_mut(number) else {
            return StepOutcome::Wait;
        };
        let Some(mut session) = dialled.session.take() else {
            return StepOutcome::Wait;
        };
        let mut inbox = std::mem::take(&mut dialled.input);
        let mut batch = std::mem::take(&mut driver.links.batch);
        let input = inbox.waiting();
        let (mut taken, mut lacks_bytes) = (0, false);
        let stepped = loop {
            let (keyspace, table) = (&self.keyspace, &self.server.table);
            let db = session.client.db;
            match batch.parse_requests(keyspace, table, db, &input[taken..]) {
                RequestsEnd::Commands => {}
                // Newlines keep a link alive.
                RequestsEnd::Nothing(bytes) => {
                    taken += bytes;
                    continue;
                }
                RequestsEnd::Incomplete(_) => {
                    lacks_bytes = true;
                    break StepOutcome::Wait;
                }
                RequestsEnd::Error => {
                    let why = "ERR not a command".to_owned();
                    if let Some(driver) = &mut self.server.migrations {
                        driver.failures.push((link, why));
                    }
                    break StepOutcome::Wait;
                }
            }
            let from = taken;
            let mut stepped = None;
            for (row, args, hashes, end) in batch.commands(&input[from..]) {
                let bytes = from + end - taken;
                stepped = self.run_command_of(&mut session, link, (row, args, hashes), bytes, left);
                taken += bytes;
                if stepped.is_some() {
                    break;
                }
            }
            if let Some(stepped) = stepped {
                break stepped;
            }
        };
        batch.shrink();
        let is_drained = taken == input.len();
        let Engine {
            keyspace, server, ..
        } = self;
        if let Some(driver) = &mut server.migrations {
            driver.links.batch = batch;
            if let Some(dialled) = driver.links.get_mut(number) {
                inbox.use_up(taken);
                dialled.input = inbox;
                dialled.session = Some(session);
                dialled.lacks_bytes = lacks_bytes;
            }
        }
        server.notify_migrations(keyspace);
        if is_drained {
            server.with_migrations(keyspace, |m, around| m.caught_up(around, link));
        }
        stepped
    }

    /// Applies a command of a link, of so many bytes. `Some`: no further command runs now.
    fn run_command_of(
        &mut self,
        session: &mut Session,
        link: MigrationLink,
        (row, args, hashes): (Option<usize>, Args<'_>, &[KeyHash]),
        bytes: usize,
        left: &mut Allowance,
    ) -> Option<StepOutcome> {
        if let Some(driver) = &mut self.server.migrations {
            driver.serving = Some(link);
        }
        self.server.turn.timing.begin();
        let commands = self.server.stats.commands;
        self.apply_slots(session, link, row, args, hashes, bytes);
        let commands = self.server.stats.commands.saturating_sub(commands);
        left.commands -= 1;
        let driver = self.server.migrations.as_mut();
        let expects = driver.and_then(|driver| {
            driver.serving = None;
            driver.commands += commands;
            driver.machine.expects(link)
        });
        let is_ended = session.client.flags.contains(ClientFlags::CLOSE_ASAP);
        if !expects.is_some_and(InputKind::are_commands) || is_ended {
            return Some(StepOutcome::Wait);
        }
        left.is_used_up().then_some(StepOutcome::More)
    }
}

impl MigrationDriver {
    /// Begins a link. Failures are reported by `serve_slot_link`, in a later turn.
    pub(super) fn dial(&mut self, link: MigrationLink, to: Destination, wake: Wake) {
        let MigrationLink::Dialled(number) = link else {
            return;
        };
        match ConnectAttempt::begin(to, wake) {
            Ok(connecting) => {
                let stage = MigrationLinkStage::Connecting(Box::new(connecting));
                self.links.add(OutgoingLink::new(number, stage));
                self.links.unread.push(number);
            }
            Err(error) => self.failures.push((link, system_text(&error))),
        }
    }

    /// Reads a link's bytes. `true`: there may be more.
    fn read(&mut self, number: u64, held_max: usize) -> bool {
        let mut bytes = std::mem::take(&mut self.links.buffer);
        bytes.resize(READ_BYTES, 0);
        let link = self.links.get_mut(number);
        let is_more = link.is_some_and(|link| read(link, &mut bytes, held_max));
        self.links.buffer = bytes;
        is_more
    }

    /// Whether the commands of a link leave room for clients: commands of a snapshot do, and
    /// commands of a stream unless it lags, because a lagging stream would never end.
    fn is_paced(&self, number: u64) -> bool {
        match self.machine.expects(MigrationLink::Dialled(number)) {
            Some(InputKind::Snapshot) => true,
            Some(InputKind::Commands) => {
                let link = self.links.get(number);
                link.is_some_and(|link| link.input.len() < BEHIND)
            }
            Some(InputKind::Replies | InputKind::Hold) | None => false,
        }
    }
}
