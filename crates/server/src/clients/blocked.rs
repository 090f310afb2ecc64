//! Blocked clients: they wait until a key has a value of their type, a time has passed, memory is
//! freed, or data is on disk.
//!
//! A command that finds nothing names the keys or the condition that it waits for
//! ([`crate::Call::block_on_keys`]); its client blocks, with the arguments kept. When a key
//! gets a value of the right type, the command runs again from the start, first come first served;
//! it either answers or keeps its place in the wait queue. So each command has a single
//! implementation, for blocked clients too. The reply to a timeout is computed when the time is up
//! ([`OnTimeout`]).
//!
//! Deadlines are ordered by time: O(log n) to add and to remove a deadline. A blocked client's next
//! commands stay in its input and run when it resumes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use russet_keyspace::{ClientId, DbIndex};
use russet_resp::{OwnedArgs, Reply};
use russet_types::Type;

/// How a client whose time is up is answered.
#[derive(Clone, Copy, Debug)]
pub enum OnTimeout {
    /// By a fixed reply.
    Reply(fn(&mut Reply)),
    /// By the command's handler, which runs once more, with [`Origin::TimeUp`].
    ///
    /// [`Origin::TimeUp`]: crate::Origin::TimeUp
    Handler,
}

/// The condition that ends a client's wait.
#[derive(Debug)]
pub enum Until {
    /// Any of the keys has a value of this type; with `guards` the client also wakes when a key is
    /// removed or changes its type, because the command itself must report that.
    Keys {
        keys: Vec<Box<[u8]>>,
        kind: Type,
        guards: bool,
    },
    /// The helper thread has reached this mark (`keyspace::LazyFree`).
    Memory { mark: u64 },
    /// The append only file is on disk up to this offset; `None`: that, and a condition that cannot
    /// be met.
    Synced { offset: Option<u64> },
    /// So many replicas have acknowledged the stream up to this offset; with `local` they have it
    /// on disk, and with `Some(true)` this server has it on disk, too.
    Acked {
        offset: u64,
        replicas: usize,
        local: Option<bool>,
    },
    /// The end of the service, for which replicas have to catch up.
    Shutdown,
    /// The client's backup is made.
    Backup,
    /// The stream has more changes to read.
    Changes,
    /// The client's task has ended.
    Task(Ticket),
    /// The other shards have answered the client's question.
    Survey { number: u64 },
    /// The client's login attempt is decided at the deadline; CLIENT UNBLOCK does not shorten that.
    LogIn,
}

impl Until {
    /// Whether the command has done its work and only the reply is pending: the command counts as a
    /// call even if the client is gone.
    pub fn is_done(&self) -> bool {
        !matches!(
            self,
            Until::Keys { .. } | Until::Changes | Until::Task(_) | Until::Survey { .. }
        )
    }
}

/// The claim of a waiting client to the answer of its work. If it is dropped, the work ends.
#[derive(Debug)]
pub struct Ticket {
    number: u64,
    is_dropped: Arc<AtomicBool>,
}

impl Ticket {
    /// Each number is used once.
    pub fn new(number: u64) -> Ticket {
        Ticket {
            number,
            is_dropped: Arc::default(),
        }
    }

    pub fn number(&self) -> u64 {
        self.number
    }

    /// Set when no client waits any more; the search reads it.
    pub fn is_dropped(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_dropped)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.is_dropped.store(true, Ordering::Relaxed);
    }
}

/// When a client that waits for keys runs its command again even without a change of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wake {
    #[default]
    Never,
    /// At this time, monotonic milliseconds: a stream's pending entry can be claimed then.
    At(u64),
    /// When a stream gets a pending entry, to learn when it can be claimed.
    Untimed,
}

/// Why and until when a client waits.
#[derive(Debug)]
pub struct BlockingState {
    pub db: DbIndex,
    pub until: Until,
    /// Monotonic milliseconds.
    pub deadline_ms: Option<u64>,
    pub wake: Wake,
    pub on_timeout: OnTimeout,
    /// The number of the row of the command that waits.
    pub row: usize,
    pub args: OwnedArgs,
    /// Ticks of the cycle counter spent on the command's tries so far.
    pub ticks: u64,
}

impl BlockingState {
    /// The keys that the client waits for.
    pub fn keys(&self) -> &[Box<[u8]>] {
        match &self.until {
            Until::Keys { keys, .. } => keys,
            _ => &[],
        }
    }

    /// Whether the client must be woken when a key is removed or changes its type.
    pub(crate) fn guards(&self) -> bool {
        matches!(self.until, Until::Keys { guards: true, .. })
    }

    /// Whether a key that now has the type `found` (`None`: no such key) wakes the client;
    /// `has_news`: the key has new elements.
    pub(crate) fn wants(&self, found: Option<Type>, has_news: bool) -> bool {
        match self.until {
            Until::Keys { kind, .. } if found == Some(kind) => has_news,
            Until::Keys { guards, .. } => guards,
            _ => false,
        }
    }

    /// Memory, approximately, bytes.
    pub fn memory_bytes(&self) -> usize {
        let keys: usize = self.keys().iter().map(|key| key.len()).sum();
        size_of::<BlockingState>() + self.args.memory_bytes() + keys
    }
}

/// Deadlines of blocked clients, earliest first.
#[derive(Debug, Default)]
pub struct Deadlines {
    by_time: BTreeSet<(u64, ClientId)>,
}

impl Deadlines {
    /// The number of clients that wait with a deadline.
    pub fn len(&self) -> usize {
        self.by_time.len()
    }

    pub fn add(&mut self, at_ms: u64, client: ClientId) {
        self.by_time.insert((at_ms, client));
    }

    pub fn remove(&mut self, at_ms: u64, client: ClientId) {
        self.by_time.remove(&(at_ms, client));
    }

    /// The earliest deadline, in monotonic milliseconds.
    #[inline]
    pub fn next(&self) -> Option<u64> {
        self.by_time.first().map(|d| d.0)
    }

    /// Takes a client whose time is up.
    #[inline]
    pub fn take_due(&mut self, now_ms: u64) -> Option<ClientId> {
        let first = *self.by_time.first().filter(|d| d.0 <= now_ms)?;
        self.by_time.remove(&first);
        Some(first.1)
    }
}
