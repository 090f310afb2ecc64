//! A whole server in process, for a simulator: its loop is driven turn by turn at given times, and
//! its sockets are pairs whose other ends the simulator holds. Threads that write files stay real;
//! [`ServerNode::run`] waits for them, so that their speed changes nothing.
//!
//!     shards    a node of a cluster: its bus, and questions to all shards
//!
//! Files are in the process's working folder at the time of the call: the simulator sets it.

mod shards;

pub use crate::parts::cluster::BrokenRule;
pub use shards::{GroupFacts, ShardFacts};

use std::ffi::OsString;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::observe::not_counted::NotCounted;
use crate::parts::replication::failover::FailoverStage;
use crate::parts::run::signals::Signals;
use crate::run::Loop;
use crate::state::call::CommandTable;
use crate::state::world::{Engine, Flow};
use russet_base::clock::Now;
use russet_base::memory::alloc;
use russet_config::{NameDefaults, Startup, start};
use russet_keyspace::{Db, DbIndex, TextBuffer};
use russet_net::{Address, Stream, simulated};
use russet_persistence::aof::Log;
use russet_types::{Container, Signature, Type, for_container};

/// Turns of one [`ServerNode::run`] at most: a node that does more never rests.
const TURNS_MAX: usize = 20_000;
/// The wait for a helper thread between two turns.
const HELPER_WAIT: Duration = Duration::from_micros(20);
/// The longest wait for a helper thread.
const HELPER_MAX: Duration = Duration::from_secs(1);

/// A place in a history: its id, and an offset.
pub type HistoryPlace = (String, u64);

/// A node's knowledge of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaFacts {
    pub port: u16,
    pub state: &'static str,
    pub sent: u64,
    pub acked: u64,
    pub is_online: bool,
}

/// The state of a node's replication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub id: String,
    pub offset: u64,
    /// The history continued, and the first offset that is no part of it.
    pub earlier: Option<HistoryPlace>,
    /// The histories before, as the append only file names them: ids with their last offsets.
    pub ancestors: Vec<HistoryPlace>,
    /// The offset belongs to the data.
    pub is_known: bool,
    /// First and end positions, and the configured size.
    pub backlog: Option<(u64, u64, u64)>,
    /// The first position of the stream that the append only file has.
    pub log: Option<u64>,
    /// The port of the primary that is followed.
    pub follows: Option<u16>,
    /// ROLE's word for the link to the primary.
    pub link: &'static str,
    pub has_data: bool,
    /// Data is being loaded, from disk or from a primary.
    pub is_loading: bool,
    pub replicas: Vec<ReplicaFacts>,
    /// `sync_full`, `sync_partial_ok`, `sync_partial_err`.
    pub syncs: (u64, u64, u64),
    /// FAILOVER is in progress; it waits for a replica.
    pub fails_over: Option<bool>,
    /// A snapshot or a rewrite is in progress.
    pub is_saving: bool,
    /// Effects up to here are certainly in the append only file.
    pub synced: Option<u64>,
    pub clients: usize,
}

/// Memory as the memory limit counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryFacts {
    /// Used bytes.
    pub used: usize,
    /// Bytes of them that do not count towards `maxmemory`, by owner.
    pub not_counted: [(&'static str, usize); 6],
    /// Keys of all databases, expired or not.
    pub keys: usize,
    /// Bytes that wait to be written to the append only file.
    pub unwritten: usize,
    /// Keys evicted, commands refused with -OOM and clients closed so far.
    pub evicted: u64,
    pub refused: u64,
    pub closed: u64,
}

impl MemoryFacts {
    /// Bytes that count towards `maxmemory`.
    pub fn counted(&self) -> usize {
        let not_counted: usize = self.not_counted.iter().map(|(_, bytes)| bytes).sum();
        self.used.saturating_sub(not_counted)
    }
}

/// See the module.
pub struct ServerNode {
    all: Loop,
    now: Now,
    is_loaded: bool,
    has_stopped: bool,
    /// For a node of a cluster: makes all connections.
    dialler: Option<simulated::Dialler>,
}

impl ServerNode {
    /// A server with these commands and options, which loads the files of the working folder.
    /// `dial` connects to a primary's host and port.
    ///
    /// Error: an option is refused, or the data cannot be loaded.
    pub fn start(
        table: CommandTable,
        options: &[String],
        unix_us: i64,
        dial: impl FnMut(&str, u16) -> io::Result<UnixStream> + 'static,
    ) -> Result<ServerNode, String> {
        ServerNode::start_with(table, options, unix_us, dial, |_| true)
    }

    /// `prepare` comes before the data is loaded; `false`: it has failed.
    fn start_with(
        table: CommandTable,
        options: &[String],
        unix_us: i64,
        mut dial: impl FnMut(&str, u16) -> io::Result<UnixStream> + 'static,
        prepare: impl FnOnce(&mut Engine) -> bool,
    ) -> Result<ServerNode, String> {
        let arguments: Vec<OsString> = options.iter().map(OsString::from).collect();
        let config = match start(&arguments, NameDefaults::default(), || Ok(Vec::new())) {
            Startup::Run(run) => run.config,
            _ => return Err(format!("refused: {options:?}")),
        };
        let text = |error: io::Error| error.to_string();
        let mut engine = Engine::new(config, table, Arc::new(Signals::default()));
        engine.server.persist.saving.on_disk = true;
        engine.server.debug.clock_by_hand = true;
        engine.server.connections.dialler = Some(Box::new(move |host, port| {
            let socket = dial(host, port)?;
            socket.set_nonblocking(true)?;
            Ok(Stream::Unix(mio::net::UnixStream::from_std(socket)))
        }));
        let now = Now {
            unix_us,
            mono_ms: 0,
        };
        engine.server.now = now;
        engine.keyspace.set_now_ms(now.unix_ms());
        let poll = mio::Poll::new().map_err(text)?;
        let mut all = Loop::new(engine, poll).map_err(text)?;
        all.let_helpers_wake();
        if !prepare(&mut all.engine) || all.engine.begin_loading_data().is_err() {
            return Err("the data cannot be loaded".to_owned());
        }
        Ok(ServerNode {
            all,
            now,
            is_loaded: false,
            has_stopped: false,
            dialler: None,
        })
    }

    /// Sets both clocks; the monotonic clock counts from the node's start.
    pub fn set_time(&mut self, unix_us: i64, mono_ms: u64) {
        self.now = Now { unix_us, mono_ms };
    }

    /// A client has connected, from a port of this machine.
    pub fn accept(&mut self, socket: UnixStream, from: u16) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        let stream = Stream::Unix(mio::net::UnixStream::from_std(socket));
        self.all
            .welcome(stream, Address::Tcp(([127, 0, 0, 1], from).into()));
        Ok(())
    }

    /// A turn of the loop. Returns whether there was something to do.
    pub fn turn(&mut self) -> Result<bool, String> {
        self.with_dialler(ServerNode::turn_now)
    }

    fn turn_now(&mut self) -> Result<bool, String> {
        if self.has_stopped {
            return Ok(false);
        }
        let turned = self.all.turn_at(self.now).map_err(|e| e.to_string())?;
        if !self.is_loaded && !self.all.engine.server.persist.loading.in_progress() {
            self.is_loaded = true;
            let Engine {
                keyspace, server, ..
            } = &mut self.all.engine;
            if !server.cluster_loaded(keyspace) {
                return Err("the data is no node's".to_owned());
            }
            server.begin_quorum(keyspace)?;
            server.follow_configured(keyspace);
            return Ok(true);
        }
        match turned {
            (Flow::GoOn, had_events) => Ok(had_events || self.all.is_urgent()),
            (Flow::Stop, _) => {
                self.has_stopped = true;
                let server = &mut self.all.engine.server;
                let _ = server.persist.aof.finish(&server.now, &server.stream);
                Ok(false)
            }
            (Flow::Fail, _) => Err("the data cannot be loaded".to_owned()),
        }
    }

    /// Turns until there is nothing to do at this time, and no helper thread is at work.
    pub fn run(&mut self) -> Result<(), String> {
        let (mut calm, mut turns) = (0, 0);
        let end = Instant::now() + HELPER_MAX;
        while turns < TURNS_MAX {
            if self.turn()? {
                (calm, turns) = (0, turns + 1);
            } else if self.awaits_helper() && Instant::now() < end {
                std::thread::sleep(HELPER_WAIT);
            } else if calm > 0 || self.has_stopped {
                return Ok(());
            } else {
                calm += 1;
            }
        }
        Err(format!("it never rests: {:?}", self.facts()))
    }

    fn awaits_helper(&self) -> bool {
        let Engine {
            keyspace, server, ..
        } = &self.all.engine;
        let persist = &server.persist;
        let aof = &persist.aof;
        keyspace.is_saving()
            || persist.snapshots.in_progress()
            || aof.rewrites.in_progress()
            || aof.is_changing()
            || aof.log().is_some_and(|log| {
                log.writer.is_syncing() || log.writer.safe() < log.writer.appended()
            })
    }

    /// Whether SHUTDOWN has ended the node.
    pub fn has_stopped(&self) -> bool {
        self.has_stopped
    }

    /// Whether the persisted data has been loaded.
    pub fn is_loaded(&self) -> bool {
        self.is_loaded
    }

    pub fn facts(&self) -> Facts {
        let Engine {
            keyspace, server, ..
        } = &self.all.engine;
        let (stream, persist) = (&server.stream, &server.persist);
        let history = stream.history();
        let upstream = server.replication.upstream.as_deref();
        let loads = upstream.is_some_and(|upstream| upstream.is_loading());
        let replicas = server.replication.replicas.iter();
        let replicas = replicas.map(|replica| ReplicaFacts {
            port: replica.facts.port,
            state: replica.state_name(),
            sent: replica.sent,
            acked: replica.acked,
            is_online: replica.is_online(),
        });
        let failover = server.replication.failover.as_ref();
        Facts {
            id: history.id.to_string(),
            offset: stream.offset(),
            earlier: history.earlier.map(|(id, end)| (id.to_string(), end)),
            ancestors: {
                let ancestors = stream.ancestors().iter();
                ancestors
                    .map(|(id, last)| (id.to_string(), *last))
                    .collect()
            },
            is_known: stream.is_known(),
            backlog: stream.backlog().map(|b| (b.first(), b.end(), b.size())),
            log: persist.aof.log().and_then(Log::first),
            follows: upstream.map(|upstream| upstream.core.port),
            link: upstream.map_or("none", |upstream| upstream.core.state_name()),
            has_data: upstream.is_none_or(|upstream| upstream.core.has_data),
            is_loading: loads || persist.loading.in_progress(),
            replicas: replicas.collect(),
            syncs: {
                let syncs = server.replication.replicas.syncs;
                (syncs.full, syncs.partial_ok, syncs.partial_err)
            },
            fails_over: failover.map(|failover| failover.stage == FailoverStage::WaitingForSync),
            is_saving: keyspace.is_saving() || persist.snapshots.in_progress(),
            synced: persist.aof.log().map(|_| persist.aof.synced()),
            clients: server.clients.len(),
        }
    }

    /// O(the owners that take a walk, see `observe::not_counted`).
    pub fn memory(&self) -> MemoryFacts {
        let Engine {
            keyspace, server, ..
        } = &self.all.engine;
        let clients = server.memory.clients.not_counted(None);
        let not_counted = NotCounted::measure(server, keyspace, clients).with_walked(server);
        MemoryFacts {
            used: alloc::used_memory(),
            not_counted: not_counted.lines(),
            keys: keyspace.len(),
            unwritten: server
                .persist
                .aof
                .log()
                .map_or(0, |log| log.writer.buffer_bytes()),
            evicted: keyspace.stats.evicted,
            refused: server.stats.errors.get(&b"OOM"[..]).copied().unwrap_or(0),
            closed: server.stats.clients.evicted_clients,
        }
    }

    /// The bytes of the stream from a position on, as the backlog has them.
    pub fn stream_from(&self, from: u64) -> Option<Vec<u8>> {
        let backlog = self.all.engine.server.stream.backlog()?;
        backlog
            .holds(from)
            .then(|| backlog.read(from).flatten().copied().collect())
    }

    /// A signature of all data, expired or not, with the times of expiry. O(all elements).
    pub fn signature(&mut self) -> String {
        let keyspace = &mut self.all.engine.keyspace;
        let now_ms = keyspace.now_ms();
        keyspace.set_now_ms(0);
        let used: Vec<DbIndex> = keyspace.in_use().map(|(at, _)| at).collect();
        let mut all = Signature::default();
        for at in used {
            let db = keyspace.db(at);
            db.each_key(|key, kind| {
                let mut one = Signature::default();
                one.follow(&at.0.to_be_bytes());
                one.follow(key);
                sign(&mut one, &db, key, kind);
                all.join_signed(one);
            });
        }
        keyspace.set_now_ms(now_ms);
        all.hex()
    }

    /// Each key with its database and a readable form of the value, to show a difference.
    pub fn contents(&mut self) -> Vec<String> {
        let keyspace = &mut self.all.engine.keyspace;
        let now_ms = keyspace.now_ms();
        keyspace.set_now_ms(0);
        let used: Vec<DbIndex> = keyspace.in_use().map(|(at, _)| at).collect();
        let mut lines = Vec::new();
        for at in used {
            let db = keyspace.db(at);
            db.each_key(|key, kind| {
                let mut one = Signature::default();
                sign(&mut one, &db, key, kind);
                let expiry = db.info(key).and_then(|info| info.expiry);
                let text = match db.peek_string(key) {
                    Ok(Some(text)) => {
                        let mut buffer = TextBuffer::new();
                        let text = text.text(&mut buffer).expect("no damaged frame");
                        String::from_utf8_lossy(text).into_owned()
                    }
                    _ => one.hex(),
                };
                let key = String::from_utf8_lossy(key);
                lines.push(format!("{}:{key} {kind:?} {expiry:?} {text:.60}", at.0));
            });
        }
        keyspace.set_now_ms(now_ms);
        lines.sort();
        lines
    }

    /// The string at a key of database 0, expired or not.
    pub fn text(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        let keyspace = &mut self.all.engine.keyspace;
        let now_ms = keyspace.now_ms();
        keyspace.set_now_ms(0);
        let db = keyspace.db(DbIndex(0));
        let found = db.peek_string(key).ok().flatten();
        let found = found.and_then(|text| Some(text.text(&mut TextBuffer::new()).ok()?.to_vec()));
        keyspace.set_now_ms(now_ms);
        found
    }
}

/// Combines a key's value and its expiry.
fn sign(signature: &mut Signature, db: &Db<'_>, key: &[u8], kind: Type) {
    signature.follow(&kind.number().to_be_bytes());
    for_container!(
        kind,
        T => if let Ok(Some(value)) = db.peek::<T>(key) {
            value.sign(signature);
        },
        _ => if let Ok(Some(text)) = db.peek_string(key) {
            let mut buffer = TextBuffer::new();
            signature.follow(text.text(&mut buffer).unwrap_or(b"damaged"));
        },
    );
    if let Some(expiry) = db.info(key).and_then(|info| info.expiry) {
        signature.join(format!("{expiry:?}").as_bytes());
    }
}
