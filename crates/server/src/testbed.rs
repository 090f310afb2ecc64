//! Runs commands in process, for tests and fuzzing: a hand-set clock, raw reply bytes, the recorded
//! effects.
//!
//! Commands pass the gates as a client's commands do, unless a method says otherwise. There are no
//! sockets, no loop and no cron: blocked clients, timeouts and freed memory move only when a test
//! calls for it. Time stands still between calls.
//! Cost: a copy of the table of commands and an empty keyspace for each bed. Elsewhere:
//! `tests/it` runs the daemon.

mod turns;

use std::sync::Arc;

use crate::clients::batch::{Batch, InputRemainder};
use crate::clients::client::Client;
use crate::clients::session::Session;
use crate::origin::Origin;
use crate::parts::observe::recorder::KeyEvent;
use crate::parts::observe::recorder::{RecordedRequest, Recorder};
use crate::parts::run::signals::Signals;
use crate::state::call::CommandTable;
use crate::state::world::Engine;
use russet_config::Config;
use russet_keyspace::{Audience, ClientId};
use russet_net::Address;
use russet_resp::{Args, OwnedArgs, Progress};

/// An engine without sockets.
pub struct Testbed {
    pub engine: Engine,
    client: ClientId,
    batch: Batch,
}

impl Testbed {
    /// Default configuration, a single client; the clock is at 1,000,000 seconds.
    pub fn with(table: CommandTable) -> Testbed {
        let mut bed = Testbed::unheard_with(table);
        bed.engine.server.debug.recorder = Some(Recorder::default());
        bed.engine.keyspace.effects.set_wanted(Audience::LOG);
        let Engine {
            keyspace, server, ..
        } = &mut bed.engine;
        server.update_listeners(keyspace);
        bed
    }

    /// As [`Testbed::with`], but without a recorder of effects and changes.
    pub fn unheard_with(table: CommandTable) -> Testbed {
        let mut engine = Engine::new(Config::default(), table, Arc::new(Signals::default()));
        engine.server.debug.clock_by_hand = true;
        let (client, batch) = (ClientId(0), Batch::default());
        let mut bed = Testbed {
            engine,
            client,
            batch,
        };
        bed.client = bed.connect();
        bed.set_time_ms(1_000_000_000);
        bed
    }

    /// Applies changes of the configuration.
    pub fn apply_config(&mut self) {
        let Engine {
            keyspace, server, ..
        } = &mut self.engine;
        server.settings_loaded(keyspace);
    }

    /// Another client. Commands run as the first client unless [`Testbed::run_as`] says otherwise.
    pub fn connect(&mut self) -> ClientId {
        let id = self.engine.server.clients.next_id();
        let nowhere = Address::Unix("/test".into());
        let mut client = Client::new(id, nowhere.clone(), nowhere, -1, 0);
        self.engine.server.acl.greet(&mut client);
        self.engine.server.acl.enter_account(&mut client);
        self.engine
            .server
            .clients
            .add(Box::new(Session::new(client, None)));
        id
    }

    /// As [`Testbed::connect`]: commands run as this client from now on.
    pub fn reconnect(&mut self) {
        self.client = self.connect();
    }

    /// Sets both clocks; Unix time in milliseconds.
    pub fn set_time_ms(&mut self, ms: i64) {
        self.engine.server.now.unix_us = ms * 1000;
        self.engine.server.now.mono_ms = ms as u64;
        self.engine.keyspace.set_now_ms(ms);
    }

    /// Lets time pass; nothing is expired actively.
    pub fn advance_ms(&mut self, ms: i64) {
        self.set_time_ms(self.engine.keyspace.now_ms() + ms);
    }

    /// Runs a command, its words split at spaces; returns the raw reply.
    pub fn run(&mut self, line: &str) -> String {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        String::from_utf8_lossy(&self.run_args(&words)).into_owned()
    }

    /// As [`Testbed::run`], by another client.
    pub fn run_as(&mut self, client: ClientId, line: &str) -> String {
        let mine = std::mem::replace(&mut self.client, client);
        let reply = self.run(line);
        self.client = mine;
        reply
    }

    /// As [`Testbed::run_args`], by another client.
    pub fn run_args_as(&mut self, client: ClientId, args: &[&[u8]]) -> Vec<u8> {
        let mine = std::mem::replace(&mut self.client, client);
        let reply = self.run_args(args);
        self.client = mine;
        reply
    }

    fn take_session(&mut self) -> Box<Session> {
        let clients = &mut self.engine.server.clients;
        clients.take(self.client).expect("connected")
    }

    /// Runs a command of any bytes.
    pub fn run_args(&mut self, args: &[&[u8]]) -> Vec<u8> {
        let owned: OwnedArgs = args.iter().copied().collect();
        self.dispatch(owned.args());
        self.engine.serve_ready_keys();
        self.take_reply(self.client)
    }

    /// Runs a command as the loop does; the reply stays with the client.
    fn dispatch(&mut self, args: Args<'_>) {
        let mut session = self.take_session();
        let row = self.engine.server.table.find(args.at(0)).map(|row| row.id);
        let config = &self.engine.server.config;
        super::parts::clients::output_limits::limit(&session.client, &mut session.reply, config);
        self.engine.server.turn.timing.begin();
        self.engine.dispatch(&mut session, row, args, &[]);
        self.engine.server.clients.put_back(session);
    }

    /// Runs a command as the loader replays it.
    pub fn repeat_args_as(&mut self, client: ClientId, args: &[&[u8]]) -> Vec<u8> {
        let owned: OwnedArgs = args.iter().copied().collect();
        let args = owned.args();
        let (table, name) = (&self.engine.server.table, args.at(0));
        let row = table.find(name).or_else(|| table.find_of_servers(name));
        let id = row.expect("a command that was stated").id;
        let mut session = self.engine.server.clients.take(client).expect("connected");
        self.engine
            .run_unit(&mut session, Origin::Loading, id, args, &[]);
        self.engine.server.clients.put_back(session);
        self.take_reply(client)
    }

    /// Runs the handler of a row as EXEC does: it bypasses the gates and cannot block.
    pub fn run_row(&mut self, id: usize, args: Args<'_>) -> Vec<u8> {
        let mut session = self.take_session();
        self.engine
            .run_unit(&mut session, Origin::Exec, id, args, &[]);
        self.engine.server.clients.put_back(session);
        self.take_reply(self.client)
    }

    /// From now on no change of any key is confirmed by a replica (`min-sync-replicas`).
    pub fn confirm_nothing(&mut self) {
        self.engine.keyspace.unconfirmed.begin(u64::MAX / 2);
        self.engine.server.gates.has_hooks = true;
    }

    /// Whether a reply since the last call must wait for replicas.
    pub fn take_waits(&mut self) -> bool {
        let mut session = self.take_session();
        let needs = std::mem::take(&mut session.client.needs);
        self.engine.server.clients.put_back(session);
        needs > 0
    }

    /// How many elements a command would touch, as its row counts them before it runs.
    pub fn work_of(&mut self, line: &str) -> u64 {
        let owned: OwnedArgs = line.split(' ').map(str::as_bytes).collect();
        let mut session = self.take_session();
        let server = &self.engine.server;
        let row = server.table.find(owned.args().at(0)).map(|row| row.id);
        let row = super::execution::dispatch::resolve(server, row, owned.args());
        let row = row.expect("a command");
        let mut world = self.engine.world(&mut session);
        let work = super::execution::gates::work::count(&mut world, (row, owned.args()));
        self.engine.server.clients.put_back(session);
        work
    }

    /// Runs requests in their wire form as the loop runs its input: batched and prefetched. Returns
    /// the length of the replies, which are dropped.
    ///
    /// Panics if the requests are incomplete, or do not run to their end.
    pub fn run_pipeline(&mut self, requests: &[u8]) -> usize {
        let mut session = self.take_session();
        let (mut pos, mut replied) = (0, 0);
        // Commands of the previous pipeline, whose last batch may not have been full.
        self.batch.clear();
        loop {
            let progress = Progress::default();
            let rest =
                self.engine
                    .run_buffer(&mut session, &mut self.batch, requests, pos, progress);
            let len = session.reply.pending_len();
            session.reply.advance(len);
            replied += len;
            match rest {
                InputRemainder::Nothing => break,
                InputRemainder::Stopped { start } if start > pos => pos = start,
                _ => panic!("requests that do not run to their end"),
            }
        }
        self.engine.server.clients.put_back(session);
        replied
    }

    /// The bytes sent to a client since the last call (blocked clients, messages).
    pub fn take_reply(&mut self, client: ClientId) -> Vec<u8> {
        let session = self
            .engine
            .server
            .clients
            .get_mut(client)
            .expect("connected");
        let out = session.reply.pending();
        session.reply.advance(out.len());
        out
    }

    /// Unblocks clients whose time is up.
    pub fn time_out_blocked(&mut self) {
        self.engine.time_out_blocked();
    }

    /// Runs the commands of clients again that wait for a pending entry which can be claimed now.
    pub fn wake_claimants(&mut self) {
        self.engine.wake_claimants();
    }

    /// The number of clients that wait with a timer for such an entry.
    pub fn claim_timers(&self) -> usize {
        self.engine.server.turn.wakes.len()
    }

    /// Answers clients whose flushed databases have been freed.
    pub fn serve_freed(&mut self) {
        self.engine.serve_freed();
    }

    fn recorder(&mut self) -> &mut Recorder {
        self.engine.server.debug.recorder.get_or_insert_default()
    }

    /// The arguments of the slow log's newest entry.
    pub fn newest_slow(&self) -> Vec<String> {
        let log = self
            .engine
            .server
            .diagnostics
            .command_logs
            .of(super::LogKind::Slow);
        let args = &log.entries().front().expect("an entry").args;
        let text = |arg: &[u8]| String::from_utf8_lossy(arg).into_owned();
        args.iter().map(|arg| text(arg)).collect()
    }

    /// The units of effects recorded since the last call.
    pub fn take_units(&mut self) -> Vec<Vec<RecordedRequest>> {
        std::mem::take(&mut self.recorder().units)
    }

    /// The effects recorded since the last call.
    pub fn take_recorded(&mut self) -> Vec<RecordedRequest> {
        self.take_units().into_iter().flatten().collect()
    }

    /// The keyspace events since the last call.
    pub fn take_events(&mut self) -> Vec<KeyEvent> {
        std::mem::take(&mut self.recorder().events)
    }

    /// The effects recorded since the last call, as words joined by spaces.
    pub fn take_effects(&mut self) -> Vec<String> {
        let word = |w: &[u8]| String::from_utf8_lossy(w).into_owned();
        let line =
            |s: &RecordedRequest| s.args.args().iter().map(word).collect::<Vec<_>>().join(" ");
        self.take_recorded().iter().map(line).collect()
    }
}
