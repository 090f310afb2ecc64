//! The loop. One turn:
//!
//!     poll        sleep until a socket, a signal or a timer is due; with many active clients,
//!                 rest a moment first so that their requests gather
//!     clock       read once
//!     accept      new clients, a bounded number
//!     read        one read per readable client into the one shared buffer, its commands run;
//!                 single short commands of several clients are read first, then run
//!     continue    clients with more work than their budget
//!     handshakes  of TLS clients, a share of the turn
//!     timers      expired keys, deadlines of blocked clients, cron
//!     before      clients whose keys became ready, replies (one write per client), closes
//!     sleep
//!
//! - mio is edge-triggered. A read that does not fill its buffer means that the socket is drained,
//!   so no second read is needed; a full read puts the client on the ready list. While that list is
//!   not empty the poll does not sleep, so no event is lost and no client starves the others.
//! - Work that has a budget in each turn continues in the next turn: accepting, each client's
//!   commands and replies, handshakes, expiry, snapshots, defragmentation.
//! - An event's token has role, slot and generation of its connection (`net::Role`). The generation
//!   distinguishes an event of a connection closed earlier in the turn from an event of the
//!   connection that got its slot. Each role is a type with a file of its own beside this file: the
//!   control pipe, listeners, clients, scrapes. Only `net` touches descriptors.
//! - Roles that are not clients (`http.rs`, `console.rs`, `upstream.rs`, `machines.rs`) keep their
//!   connections apart from the poll, so that they are served beside a busy script, too
//!   (`execution::busy`). Scrapes (`http.rs`) are HTTP on
//!   `metrics-port`: not clients; a single answer each, bounded in number, bytes, time. An answer
//!   has INFO's fields under `redis_exporter`'s names (`server/observe/metrics/fields.rs`) and the
//!   metrics with labels (`families.rs`). A scrape takes about 0.2 ms of the loop (and less than
//!   0.1 ms per thousand clients, which are visited once for all sections), because each reads the
//!   latency percentiles of only a few commands (`percentiles.rs`).
//! - Pages of the console (`console.rs`) are HTTP on `console-port`, with keep-alive and a single
//!   request at a time, and share the file of scrapes. The console's answers acknowledge commands,
//!   so they leave with the replies of clients (`flush_consoles`).
//! - systemd's watchdog is fed by cron, by the loop that serves others beside a script, and by SAVE
//!   (`process::feed_watchdog`): by all work that may hold the loop for long.
//! - All replies leave in `Loop::flush_replies`, before the loop sleeps and after the turn has
//!   persisted the writes that the replies acknowledge (`Loop::before_sleep` has the order). A
//!   closing client, or a socket that becomes writable, is only put on the list of clients to
//!   flush. A client's share of a turn is 64 KiB (1 MiB while no other client waits), and a quarter
//!   more if that is the rest, so that a long reply delays no other client.
//! - While many clients are active, the loop does not sleep for each next request. It rests for
//!   `event-coalesce-usec` (a timer, not the poll: no client pays for a wake-up) and handles the
//!   requests that gathered in one turn (`net::gather`). With a single request per client at a time
//!   nearly all of the cost is the kernel's: sleeping, waking, polling. The loop judges each rest
//!   by the requests that it gathered: it doubles the rests while they gather few, and stops them
//!   when few distinct clients are active or all of them wait.
//! - Before it blocks, the loop polls for up to `busy-poll-usec` microseconds, if the last sleep
//!   was short and most of the previous polls found something (`server/run/spin.rs`): with few
//!   clients that each wait for their reply, the next request finds the loop awake and pays for no
//!   wake-up. With 2 to 24 such clients ten microseconds reach the throughput of a slower loop,
//!   which sleeps less, for no more CPU per request; with more clients the rests do.

pub mod accept;
pub mod budgets;
#[cfg(feature = "testing")]
pub mod by_hand;
pub mod console;
pub mod control;
mod early;
pub mod feed;
pub mod handshake;
pub mod http;
mod io_threads;
pub mod machines;
pub mod read;
pub mod sleep;
pub mod spin;
pub mod upstream;
pub mod write;

use std::io;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Poll, Registry};

use self::accept::Acceptor;
use self::control::Control;
use self::read::READ_BYTES;
use self::sleep::Sleeper;

use crate::clients::batch::Batch;
use crate::observe::watchdog;
use crate::parts::http::Port;
use crate::state::Server;
use crate::state::call::CommandTable;
use crate::state::world::{Engine, Flow, Guest};
use russet_base::clock::{self, Now};
use russet_base::memory::alloc;
use russet_base::wake::Wake;
use russet_config::Config;
use russet_keyspace::Keyspace;
use russet_net::{Listener, Role, Target};

/// The active expire cycle's share of a turn.
const EXPIRE_BUDGET: Duration = Duration::from_micros(1000);

/// The reactor: the poll, the listeners and the engine.
pub struct Loop {
    pub engine: Engine,
    /// None for a guest, see `busy`.
    poll: Option<Poll>,
    registry: Registry,
    events: Events,
    control: Option<Control>,
    acceptor: Acceptor,
    inbuf: Box<[u8]>,
    batch: Batch,
    sleeper: Sleeper,
    /// The next short read may be an early read.
    reads_early: bool,
    /// When this turn began, in ticks.
    began: u64,
}

impl Guest for Loop {
    fn serve(&mut self, keyspace: &mut Keyspace, server: &mut Server) {
        let Engine {
            keyspace: mine,
            server: its,
            ..
        } = &mut self.engine;
        std::mem::swap(keyspace, mine);
        std::mem::swap(server, its);
        self.serve_others();
        std::mem::swap(keyspace, &mut self.engine.keyspace);
        std::mem::swap(server, &mut self.engine.server);
    }
}

impl Loop {
    /// A loop with a pipe that wakes it ([`Loop::wake`]).
    pub fn new(engine: Engine, poll: Poll) -> io::Result<Loop> {
        let (control, wake) = Control::open(poll.registry())?;
        let registry = poll.registry().try_clone()?;
        let mut all = Loop::without_poll(engine, registry);
        all.engine.server.connections.registry = Some(poll.registry().try_clone()?);
        all.engine.server.connections.wake = wake;
        all.engine.server.connections.new_guest = Some(Loop::guest);
        all.events = Events::with_capacity(1024);
        (all.poll, all.control) = (Some(poll), Some(control));
        Ok(all)
    }

    /// Wakes this loop from another thread.
    pub fn wake(&self) -> &Wake {
        &self.engine.server.connections.wake
    }

    /// Has the threads that free values and write files wake this loop.
    pub fn let_helpers_wake(&mut self) {
        let wake = self.wake().clone();
        self.engine.keyspace.lazyfree.set_wake(wake.clone());
        let persist = &mut self.engine.server.persist;
        persist.snapshots.set_wake(wake.clone());
        persist.aof.set_wake(wake);
    }

    /// A loop that serves the clients of another loop, where they are registered.
    fn guest(registry: &Registry) -> io::Result<Box<dyn Guest>> {
        let table = CommandTable::new(&[]);
        let engine = Engine::bare(Config::default(), table, Default::default());
        let guest = Loop::without_poll(engine, registry.try_clone()?);
        Ok(Box::new(guest))
    }

    fn without_poll(engine: Engine, registry: Registry) -> Loop {
        Loop {
            engine,
            poll: None,
            registry,
            events: Events::with_capacity(0),
            control: None,
            acceptor: Acceptor::default(),
            inbuf: vec![0; READ_BYTES].into_boxed_slice(),
            batch: Batch::default(),
            sleeper: Sleeper::default(),
            reads_early: false,
            began: clock::cycles(),
        }
    }

    /// A round of a guest: reads once from each readable client and answers it.
    pub(crate) fn serve_others(&mut self) {
        crate::process::feed_watchdog();
        let Engine { server, .. } = &mut self.engine;
        server.now = Now::read(server.identity.started);
        self.give_back_early();
        let server = &mut self.engine.server;
        for (slot, generation) in server.clients.readable() {
            self.guest_reads(slot, generation);
            if self.engine.server.shutdown.request.is_some() {
                // The shutdown ends all connections at the same time.
                return;
            }
        }
        self.serve_io_threads();
        if self.engine.server.shutdown.request.is_some() {
            return;
        }
        for at in 0..self.engine.server.connections.listeners.len() {
            self.acceptor.event(at);
        }
        self.accept_waiting();
        // No poll reports the events of roles that are not clients: each connection is asked.
        for port in Port::ALL {
            self.serve_http(port);
        }
        self.each_machine(|machine| machine.turn_as_guest());
        self.shake_hands();
        // Clients not served yet are found again by the next round.
        self.engine.server.connections.tls.handshakes.ready.clear();
        self.engine.write_aof();
        self.flush_replies();
        self.flush_consoles();
        self.close_clients();
        self.post_io_threads();
    }

    /// Runs until a shutdown is complete.
    pub fn run(&mut self) -> io::Result<Flow> {
        // Rests are shorter than the kernel's usual slack of 50 microseconds.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1000));
        loop {
            let flow = self.turn()?;
            if flow != Flow::GoOn {
                self.announce_end();
                return Ok(flow);
            }
        }
    }

    /// Runs until everything is loaded; clients get the loading error meanwhile.
    pub fn load(&mut self) -> io::Result<Flow> {
        watchdog::set_loop();
        watchdog::watch(self.engine.server.config.watchdog_period);
        while self.engine.server.persist.loading.in_progress() {
            let flow = self.turn()?;
            if flow != Flow::GoOn {
                return Ok(flow);
            }
        }
        Ok(Flow::GoOn)
    }

    pub fn turn(&mut self) -> io::Result<Flow> {
        self.sleep()?;
        let server = &mut self.engine.server;
        server.now = Now::read(server.identity.started);
        server.turn.served_us = None;
        server.diagnostics.cpu.begin_turn(server.now.mono_ms);
        self.work()
    }

    /// The turn after its sleep, at the time `Server::now`.
    fn work(&mut self) -> io::Result<Flow> {
        self.began = clock::cycles();
        watchdog::turn_begins(self.began);
        let server = &mut self.engine.server;
        self.engine.keyspace.set_expiring(server.expiring());
        self.engine.keyspace.set_now_ms(server.now.unix_ms());
        server.measure_not_counted(&self.engine.keyspace);
        if alloc::exceeds(server.eviction_bound()) {
            server.memory.spare.give_up();
        }
        // With the clock of this turn, and all buffers of the last turn returned.
        self.engine.continue_eviction();
        let server = &mut self.engine.server;
        server.stats.turns += 1;
        let commands = server.stats.commands;
        let client_runs = server.stats.batches.client_runs;

        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        if events.iter().nth(1).is_none() {
            events.iter().for_each(|event| self.event(event));
        } else {
            self.handle_several(&events);
        }
        let mut idle = events.is_empty();
        events.clear();
        self.events = events;
        idle &= !self.serve_io_threads();
        self.sleeper.gather.judge();
        self.accept_waiting();
        let ready = std::mem::take(&mut self.engine.server.turn.ready);
        let has_time = idle && ready.is_empty();
        for id in ready {
            self.advance(id);
        }
        self.shake_hands();
        self.timers();
        self.engine.continue_search(has_time);
        self.engine.continue_commands();
        self.drive_machines();
        self.drive_consoles();
        if self.engine.continue_load().is_err() {
            return Ok(Flow::Fail);
        }
        self.before_sleep(idle);
        // Not before, because the final snapshot must have all changes of the turn, and its offset.
        self.engine.handle_signals();
        let server = &mut self.engine.server;
        let micros = server
            .cycles
            .micros(clock::cycles().wrapping_sub(self.began));
        server.stats.turn_us += micros;
        watchdog::turn_ends();
        let commands = server.stats.commands.saturating_sub(commands);
        // Below after CONFIG RESETSTAT in this turn.
        server.stats.batches.turns_with_clients +=
            u64::from(server.stats.batches.client_runs != client_runs);
        server.stats.commands_per_turn_max = server.stats.commands_per_turn_max.max(commands);
        server.stats.slowest_turn_us = server.stats.slowest_turn_us.max(micros);
        server.diagnostics.latency.sample_turn(micros);
        if std::mem::take(&mut self.engine.server.connections.relisten)
            && let Err(e) = self.listen()
        {
            tracing::warn!("Listening on the new addresses: {e}");
        }
        Ok(self.engine.shutdown_flow())
    }

    /// The end of the service: closes all connections before anything else. The keyspace is not
    /// freed: the end of the process frees all of it at once.
    ///
    /// Listeners are closed first, so that a client that sees its connection close finds the server
    /// gone. Returns the paths of the Unix sockets that were listened on.
    pub fn stop(mut self) -> Vec<PathBuf> {
        let server = &mut self.engine.server;
        let listeners = std::mem::take(&mut server.connections.listeners);
        let paths = listeners.iter().filter_map(Listener::path);
        let paths = paths.map(Path::to_owned).collect();
        drop(listeners);
        for session in server.clients.iter_mut() {
            server.connections.io_threads.collect(session);
            session.stream = None;
        }
        server.connections.io_threads.stop();
        drop(std::mem::take(&mut server.persist.locks));
        server.diagnostics.audit.end();
        std::mem::forget(self.engine);
        paths
    }

    /// The events of a poll that has found several.
    fn handle_several(&mut self, events: &Events) {
        for event in events {
            self.begin_early();
            self.event(event);
        }
        self.end_early();
    }

    #[inline]
    fn event(&mut self, event: &Event) {
        let token: Target = event.token().into();
        let Target {
            role,
            slot,
            generation,
        } = token;
        match role {
            Role::Client => self.client_event(slot, generation, event),
            Role::Listener => self.acceptor.event(slot as usize),
            Role::Control => self.control_event(),
            Role::MetricsListener => self.accept_http(Port::Metrics),
            Role::Scrape => self.http_event(Port::Metrics, (slot, generation)),
            Role::Upstream
            | Role::SentinelLink
            | Role::ClusterListener
            | Role::ClusterLink
            | Role::MigrationLink
            | Role::QuorumLink => self.machine_event(token),
            Role::ConsoleListener => self.accept_http(Port::Console),
            Role::Console => self.http_event(Port::Console, (slot, generation)),
            // It has only woken the loop: batches are looked for in every turn.
            Role::IoThreads => {}
        }
    }

    fn timers(&mut self) {
        let engine = &mut self.engine;
        if !engine.server.persist.loading.in_progress()
            && engine
                .keyspace
                .next_expiry()
                .is_some_and(|due| due <= engine.keyspace.now_ms())
        {
            let began = Instant::now();
            let cycle = engine.keyspace.expire_cycle(EXPIRE_BUDGET);
            engine.server.stats.expired_actively += cycle.deleted as u64;
            engine.after_removals();
            let micros = began.elapsed().as_micros() as u64;
            engine.server.stats.active_expire_us += micros;
            engine
                .server
                .diagnostics
                .latency
                .add_if_slow("expire-cycle", micros / 1000);
        }
        engine.wake_claimants();
        engine.time_out_blocked();
        engine.end_pause();
        self.resume_held();
        let engine = &mut self.engine;
        if engine.server.now.mono_ms >= engine.server.turn.cron_due_ms {
            engine.cron();
            crate::process::feed_watchdog();
            self.acceptor.retry();
            for port in Port::ALL {
                self.tend_http(port);
            }
            self.each_machine(|machine| machine.retry());
            self.engine.server.memory.spare.shrink();
            self.resume_readers();
            self.batch.shrink();
            self.tend_io_threads();
        }
    }

    /// The end of a turn. The order is a promise:
    ///
    /// 1. Clients whose keys became ready are served: their replies belong to this turn.
    /// 2. Writes that must be persisted before they are acknowledged go to the append only file.
    /// 3. All replies of the turn leave, but for those that wait for the file or for replicas; if
    ///    replies wait for replicas, the stream leaves before them.
    /// 4. Clients to be closed are closed.
    /// 5. A snapshot in progress gets its share; `idle`: no event began this turn. Then new indexes
    ///    read the existing keys, and active defragmentation gets its share of time.
    fn before_sleep(&mut self, idle: bool) {
        self.engine.serve_ready_keys();
        self.engine.before_stream();
        self.engine.write_aof();
        self.engine.server.acknowledge_turn();
        self.engine.serve_changes();
        self.engine.send_migrations();
        self.engine.judge_reads();
        let began = (!idle).then_some(self.began);
        self.engine.server.queue_replicas(began);
        if self.engine.server.messages.tracking.broadcast().has_news() {
            self.engine.server.notify_broadcast();
            self.engine.evict_clients();
        }
        self.flush_replies();
        self.flush_consoles();
        self.close_clients();
        self.post_io_threads();
        self.engine.continue_freeing();
        let busy = clock::cycles().wrapping_sub(self.began);
        self.engine.continue_snapshot(busy, idle);
        self.engine.continue_indexing();
        self.engine.continue_defrag();
        self.engine.continue_packing();
    }
}
