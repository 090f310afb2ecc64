//! A client: its identity, the state of its commands, and how the server treats it.
//!
//! Invariants
//!   1. Between commands, the flag `BLOCKED` is set if and only if `blocked` is.
//!   2. The flag `HELD` is set if and only if `held` is.
//!   3. `ending` is the first reason given: later reasons do not replace it.
//!
//! Cost: state that few clients have (transaction, subscriptions, waits) is boxed. Reads of flags
//! are O(1); with none of `SLOW_PATH` a command skips the long way through the gates.
//! Elsewhere: `session` has the socket and the buffers, `execution::gates` decides what may run.

use std::net::SocketAddr;

use bitflags::bitflags;

use crate::clients::blocked::BlockingState;
use crate::clients::ending::Disconnection;
use crate::clients::fieldsets::Fieldsets;
use crate::clients::held::QueuePlace;
use crate::origin::Origin;
use russet_acl::UserId;
use russet_base::memory::alloc;
use russet_keyspace::{ClientId, DbIndex, WatchList, Watchers};
use russet_net::Address;
use russet_net::io_thread::Handoff;
use russet_pubsub::{Kind, Subscriptions};
use russet_replication::primary::Peer;
use russet_replication::{ReplOffset, Stream};
use russet_resp::{Args, OwnedArgs};

/// Bytes of an argument of a command that another server has taken, at most.
pub const TAKEN_BULK_MAX: u64 = 1 << 36;

bitflags! {
    /// A client's kind and treatment. `clients::exemptions` lists what each flag exempts from.
    ///
    /// The flags that each command tests are in the low bits, because an instruction has no room
    /// for a larger mask.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct ClientFlags: u64 {
        // Transactions.
        /// Between MULTI and EXEC.
        const MULTI = 1 << 0;
        /// A watched key was touched: EXEC will refuse.
        const DIRTY_CAS = 1 << 1;
        /// A command could not be queued: EXEC will abort.
        const DIRTY_EXEC = 1 << 2;

        // Replies.
        /// CLIENT REPLY OFF.
        const REPLY_OFF = 1 << 3;
        /// CLIENT REPLY SKIP: the next command has no reply.
        const REPLY_SKIP_NEXT = 1 << 4;
        /// The command that runs has no reply.
        const REPLY_SKIP = 1 << 5;

        // Messages beside the replies.
        /// Has subscriptions.
        const PUBSUB = 1 << 6;
        const MONITOR = 1 << 7;
        /// Receives invalidation messages (CLIENT TRACKING).
        const TRACKING = 1 << 8;
        /// Tracking by keys read: receives their invalidations.
        const CACHES = 1 << 9;
        /// CLIENT CACHING applies to the client's next command.
        const CACHING_SAID = 1 << 10;

        // Keys as the client sees them.
        /// CLIENT NO-TOUCH.
        const NO_TOUCH = 1 << 11;
        /// CLIENT IMPORT-SOURCE: while `import-mode` is on, it sees expired keys.
        const IMPORTS = 1 << 12;

        // Redirections of a cluster.
        /// ASKING: its next command, or transaction, may use slots that are on their way here.
        const ASKING = 1 << 13;
        /// READONLY: a client that knows of a cluster, or follows redirections, reads from this
        /// replica.
        const READS_HERE = 1 << 14;
        /// CLIENT CAPA REDIRECT: it follows redirections.
        const REDIRECTS = 1 << 15;

        // The user.
        /// Must authenticate first.
        const UNAUTHENTICATED = 1 << 16;
        /// The client's user lacks some permission.
        const RESTRICTED = 1 << 17;
        /// The client counts in the account of its user, which has budgets.
        const BUDGETED = 1 << 18;
        /// The client's user is over a budget: the client's next command and next read wait.
        const HELD = 1 << 19;

        // Links between servers, and clients without a connection.
        const REPLICA = 1 << 20;
        /// The second link of a replica, which carries the snapshot.
        const RDB_CHANNEL = 1 << 21;
        /// The link to the primary that this server follows: its commands are the stream.
        const PRIMARY = 1 << 22;
        /// A node of this cluster that has shown its secret.
        const INTERNAL = 1 << 23;
        /// A node that sends its slots; this server applies the commands.
        const SENDS_SLOTS = 1 << 24;
        /// A module, a script or the AOF loader, not a connection.
        const FAKE = 1 << 25;

        // Waits, and the end.
        const BLOCKED = 1 << 26;
        /// Waits for the end of CLIENT PAUSE with a command not yet executed.
        const POSTPONED = 1 << 27;
        /// Close once the replies so far are sent; nothing more is executed.
        const CLOSE_AFTER_REPLY = 1 << 28;
        /// Close as soon as possible, whatever is pending.
        const CLOSE_ASAP = 1 << 29;

        // The debugger of scripts.
        /// SCRIPT DEBUG: its scripts are debugged.
        const DEBUGS = 1 << 30;
        /// SCRIPT DEBUG SYNC: by this process, and not by a child.
        const DEBUGS_HERE = 1 << 31;

        // The connection.
        const UNIX_SOCKET = 1 << 32;
        const TLS = 1 << 33;
        /// Has authenticated with a password.
        const PROVEN = 1 << 34;
        /// CLIENT NO-EVICT.
        const NO_EVICT = 1 << 35;
    }
}

const _: () = assert!(ClientFlags::SLOW_PATH.union(ClientFlags::STOPPED).bits() < 1 << 31);

impl ClientFlags {
    /// With any of these flags a command takes the long way through the gates.
    pub const SLOW_PATH: ClientFlags = ClientFlags::MULTI
        .union(ClientFlags::UNAUTHENTICATED)
        .union(ClientFlags::PUBSUB)
        .union(ClientFlags::MONITOR)
        .union(ClientFlags::REPLY_OFF)
        .union(ClientFlags::REPLY_SKIP)
        .union(ClientFlags::REPLY_SKIP_NEXT)
        .union(ClientFlags::FAKE)
        .union(ClientFlags::PRIMARY)
        .union(ClientFlags::REPLICA)
        .union(ClientFlags::NO_TOUCH)
        .union(ClientFlags::CACHING_SAID)
        .union(ClientFlags::ASKING)
        .union(ClientFlags::INTERNAL)
        .union(ClientFlags::SENDS_SLOTS)
        .union(ClientFlags::DEBUGS)
        .union(ClientFlags::BUDGETED);

    /// The client's next command does not run.
    pub const STOPPED: ClientFlags = ClientFlags::BLOCKED
        .union(ClientFlags::POSTPONED)
        .union(ClientFlags::HELD)
        .union(ClientFlags::CLOSE_AFTER_REPLY)
        .union(ClientFlags::CLOSE_ASAP);

    /// Links between servers, and clients without a connection: their user's budgets do not concern
    /// them.
    pub const BETWEEN_SERVERS: ClientFlags = ClientFlags::REPLICA
        .union(ClientFlags::PRIMARY)
        .union(ClientFlags::INTERNAL)
        .union(ClientFlags::SENDS_SLOTS)
        .union(ClientFlags::FAKE);

    /// Links whose commands another server has executed: this server's limits for clients do not
    /// apply to them.
    pub const SENDS_TAKEN: ClientFlags = ClientFlags::PRIMARY.union(ClientFlags::SENDS_SLOTS);

    /// The replies to the client's commands are discarded.
    pub const UNHEARD: ClientFlags = ClientFlags::REPLY_OFF.union(ClientFlags::REPLY_SKIP);
}

/// A client's class, for CLIENT LIST TYPE and CLIENT KILL TYPE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    Normal,
    Pubsub,
    Replica,
    Primary,
}

impl ClientKind {
    /// The kind with this name, whatever its case.
    pub fn named(name: &[u8]) -> Option<ClientKind> {
        let kinds = [
            ("normal", ClientKind::Normal),
            ("pubsub", ClientKind::Pubsub),
            ("replica", ClientKind::Replica),
            ("slave", ClientKind::Replica),
            ("master", ClientKind::Primary),
        ];
        let same = |n: &str| n.as_bytes().eq_ignore_ascii_case(name);
        kinds.iter().find(|(n, _)| same(n)).map(|(_, kind)| *kind)
    }
}

/// A transaction being queued.
#[derive(Debug, Default)]
pub struct Transaction {
    pub commands: Vec<QueuedCommand>,
    /// Bytes of the queued commands' arguments.
    pub bytes: usize,
    /// Bytes that Redis would report (`multi-mem`): the arguments and a pointer to each.
    pub args_bytes: usize,
}

/// A queued command.
#[derive(Debug)]
pub struct QueuedCommand {
    /// The number of the command's row in the command table.
    pub row: usize,
    pub args: OwnedArgs,
}

/// A client's identity and state. `Session` holds its socket, output and input.
#[derive(Debug)]
pub struct Client {
    pub id: ClientId,
    pub flags: ClientFlags,
    pub db: DbIndex,
    pub user: UserId,
    /// The client has a connection that is reserved for its network (`priority-subnets`).
    pub has_priority: bool,
    /// The thread that has its socket (`net::io_thread`); 0: the loop.
    pub io_thread: u32,
    pub identity: ClientIdentity,
    pub transaction: Option<Box<Transaction>>,
    pub watched: WatchList,
    /// The client's subscriptions, if any.
    pub subscriptions: Option<Box<Subscriptions>>,
    pub blocked: Option<Box<BlockingState>>,
    /// The client's place in its user's queue, while the client has the flag `HELD`.
    pub held: Option<Box<QueuePlace>>,
    pub fieldsets: Fieldsets,
    pub buffers: ClientBuffers,
    pub traffic: Traffic,
    /// The log offset after this client's last write: up to there the file must be safe.
    pub wrote_to: ReplOffset,
    /// With `min-sync-replicas`: the position that this client's latest reply needs, because it
    /// acknowledges or shows writes up to there.
    pub needs: ReplOffset,
    /// With `sync-reads linear`: replies that are pending show data.
    pub shows_data: bool,
    /// Why the connection ends, once the server has decided to close it.
    pub ending: Option<Box<Disconnection>>,
    /// Set if the client belongs to a page of the console and has no connection.
    pub console: Option<OfConsole>,
}

/// A client of the console: a session, or the subscriptions of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfConsole {
    /// The session runs only commands that read.
    pub is_locked: bool,
    /// Slot and generation of the connection that the client's messages go to.
    pub stream: Option<(u32, u32)>,
}

/// A client's addresses and names.
#[derive(Clone, Debug)]
pub struct ClientIdentity {
    pub peer: Address,
    pub local: Address,
    pub fd: i32,
    pub created_ms: u64,
    pub name: Option<Box<str>>,
    pub lib_name: Option<Box<str>>,
    pub lib_ver: Option<Box<str>>,
}

/// A client's memory besides its replies, bytes, kept current for limits and CLIENT LIST.
#[derive(Debug, Default)]
pub struct ClientBuffers {
    /// Bytes in the query buffer.
    pub query_bytes: usize,
    pub query_capacity: usize,
    /// Bytes that a large argument in progress will still add.
    pub query_growth: usize,
    /// Memory of the list of an unfinished command's arguments so far.
    pub query_list: usize,
    /// Memory of the client's prefixes (CLIENT TRACKING BCAST).
    pub tracking_bytes: usize,
    /// Reply bytes at the client's I/O thread that the socket is not known to have taken.
    pub in_flight: usize,
    /// Memory that this client alone has at its I/O thread, and on the way there and back.
    pub at_io_thread: usize,
    /// The most reply bytes pending at once since the last check (`rbp`).
    pub reply_peak: usize,
    /// Since when the output has been over the soft limit, monotonic milliseconds.
    pub soft_limit_since_ms: Option<u64>,
    /// The client's part of all clients' totals.
    pub counted: CountedBytes,
}

impl ClientBuffers {
    /// The figures of a connection whose socket an I/O thread has.
    #[inline]
    pub fn count_handoff(&mut self, handoff: &Handoff) {
        self.in_flight = handoff.unsent();
        self.at_io_thread = handoff.memory_bytes();
    }
}

/// A client's part of the totals of all clients (`parts::memory::client_memory`), bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct CountedBytes {
    /// Bytes that count towards the limit of all clients; 0 for clients that the limit does not
    /// concern.
    pub limited: usize,
    /// Memory of this client alone (`own_bytes`).
    pub own: usize,
}

/// Traffic between a client and the server.
#[derive(Debug)]
pub struct Traffic {
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub commands: u64,
    /// Reads from the client's connection.
    pub reads: u64,
    /// Batches of the client's input, and the commands in them.
    pub batches: u64,
    pub batched: u64,
    /// The row of the last command.
    pub last_command: Option<usize>,
    /// The last time the client sent or received anything, monotonic milliseconds.
    pub last_active_ms: u64,
    /// Pending reply bytes that the user's budget has been charged for.
    pub charged: usize,
}

impl Client {
    pub fn new(id: ClientId, peer: Address, local: Address, fd: i32, now_ms: u64) -> Client {
        let unix = matches!(peer, Address::Unix(_));
        Client {
            id,
            flags: if unix {
                ClientFlags::UNIX_SOCKET
            } else {
                ClientFlags::empty()
            },
            db: DbIndex(0),
            user: UserId::DEFAULT,
            has_priority: false,
            io_thread: 0,
            identity: ClientIdentity {
                peer,
                local,
                fd,
                created_ms: now_ms,
                name: None,
                lib_name: None,
                lib_ver: None,
            },
            transaction: None,
            watched: WatchList::default(),
            subscriptions: None,
            blocked: None,
            held: None,
            fieldsets: Fieldsets::default(),
            buffers: ClientBuffers::default(),
            traffic: Traffic {
                bytes_in: 0,
                bytes_out: 0,
                commands: 0,
                reads: 0,
                batches: 0,
                batched: 0,
                last_command: None,
                last_active_ms: now_ms,
                charged: 0,
            },
            wrote_to: 0,
            needs: 0,
            shows_data: false,
            ending: None,
            console: None,
        }
    }

    /// The server's own client, without a connection: for scripts and loading.
    pub fn fake(id: ClientId) -> Client {
        let mut client = Client::new(id, Address::Unknown, Address::Unknown, -1, 0);
        client.flags = ClientFlags::FAKE;
        client
    }

    /// Blocks the client; on a retry of the same command it keeps its place in the wait queues.
    pub fn block(&mut self, mut blocked: BlockingState, retry: bool) {
        // The deadline of the first try counts.
        if retry && let Some(old) = &self.blocked {
            blocked.deadline_ms = old.deadline_ms;
            blocked.ticks = old.ticks;
        }
        self.blocked = Some(Box::new(blocked));
        self.flags |= ClientFlags::BLOCKED;
    }

    /// Ends all watches of the client.
    pub fn unwatch(&mut self, watchers: &mut Watchers) {
        watchers.unwatch(&std::mem::take(&mut self.watched), self.id);
    }

    /// A watched key was touched: EXEC will refuse, and its watches end.
    pub(crate) fn lose_watches(&mut self, watchers: &mut Watchers) {
        self.flags |= ClientFlags::DIRTY_CAS;
        self.unwatch(watchers);
    }

    /// Ends the transaction and the client's watches; returns the queued commands.
    pub fn leave_transaction(&mut self, watchers: &mut Watchers) -> Option<Box<Transaction>> {
        self.unwatch(watchers);
        let flags = ClientFlags::MULTI | ClientFlags::DIRTY_CAS | ClientFlags::DIRTY_EXEC;
        self.flags.remove(flags);
        self.transaction.take()
    }

    /// Adds a command to the client's transaction.
    pub(crate) fn queue(&mut self, row: usize, args: Args<'_>) {
        let transaction = self.transaction.get_or_insert_with(Box::default);
        transaction.args_bytes += args.bytes() + args.len() * size_of::<usize>();
        let args = args.to_owned();
        transaction.bytes += args.memory_bytes();
        transaction.commands.push(QueuedCommand { row, args });
    }

    /// The number of the client's subscriptions of a kind.
    pub fn subscribed(&self, kind: Kind) -> usize {
        self.subscriptions
            .as_ref()
            .map_or(0, |its| its.of(kind).len())
    }

    /// The client's class.
    pub fn kind(&self) -> ClientKind {
        if self.flags.contains(ClientFlags::PRIMARY) {
            ClientKind::Primary
        } else if self.flags.contains(ClientFlags::REPLICA) {
            ClientKind::Replica
        } else if self.flags.contains(ClientFlags::PUBSUB) {
            ClientKind::Pubsub
        } else {
            ClientKind::Normal
        }
    }

    /// Whether another server has executed the client's commands before: see
    /// [`ClientFlags::SENDS_TAKEN`].
    pub fn sends_taken(&self) -> bool {
        self.flags.intersects(ClientFlags::SENDS_TAKEN)
    }

    /// Bytes of the commands that the client has queued in MULTI.
    pub fn multi_bytes(&self) -> usize {
        let of = |t: &Transaction| t.bytes + alloc::vec_bytes(&t.commands);
        self.transaction.as_ref().map_or(0, |t| of(t))
    }

    /// The server will close the connection for this reason, unless an earlier reason was given.
    pub fn ends_by(&mut self, ending: impl Into<Disconnection>) {
        if self.ending.is_none() {
            self.ending = Some(Box::new(ending.into()));
        }
    }

    /// The server will close the connection once the replies so far are sent.
    pub fn close_after_reply(&mut self, ending: impl Into<Disconnection>) {
        self.flags |= ClientFlags::CLOSE_AFTER_REPLY;
        self.ends_by(ending);
    }

    /// Whether input may be executed now.
    pub fn runs(&self) -> bool {
        !self.flags.intersects(ClientFlags::STOPPED)
    }

    /// Whether the peer is on this machine: a Unix socket or a loopback address.
    pub fn is_local(&self) -> bool {
        self.identity.peer.is_local()
    }

    /// The peer's IP address; none for a Unix socket.
    /// The connection as the machine of the replicas knows it.
    pub fn link_peer(&self) -> Peer {
        Peer {
            id: self.id,
            ip: self.ip().map(|address| address.ip().to_canonical()),
        }
    }

    pub fn ip(&self) -> Option<SocketAddr> {
        match &self.identity.peer {
            Address::Tcp(a) => Some(*a),
            Address::Unix(_) | Address::Unknown => None,
        }
    }

    /// This server's end of the connection; none for a Unix socket.
    pub fn local_ip(&self) -> Option<SocketAddr> {
        match &self.identity.local {
            Address::Tcp(a) => Some(*a),
            Address::Unix(_) | Address::Unknown => None,
        }
    }

    /// Whether a command repeats a command of the log or of the primary, also within a transaction.
    pub fn repeats(&self, origin: Origin) -> bool {
        origin == Origin::Loading || self.flags.contains(ClientFlags::PRIMARY)
    }

    /// The position of the stream up to which this client's writes reach.
    pub fn written(&self, stream: &Stream) -> ReplOffset {
        self.wrote_to.min(stream.offset())
    }
}
