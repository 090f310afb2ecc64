//! Clients that wait: for a key to have something, for a time to pass, for memory to be
//! given back.
//!
//! A command that finds nothing states what it waits for ([`super::Call::block_on_keys`])
//! and its client leaves the stage with the arguments kept. When a key it waits for gets a
//! value of the right type, the command runs again from the start, first come first served;
//! it either answers or waits on in its old place. So there is one implementation of each
//! command, not a second one for the blocked.

use std::collections::BTreeSet;

use super::Engine;
use crate::keyspace::{ClientId, DbIndex};
use crate::resp::{OwnedArgs, Reply};
use crate::types::Type;

/// What a client is told when its time is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutReply {
    Ok,
    NullArray,
    Null,
    /// The number that WAIT has counted so far.
    Int(i64),
    /// Both numbers of WAITAOF.
    Ints([i64; 2]),
}

impl TimeoutReply {
    pub fn write(self, reply: &mut Reply) {
        match self {
            TimeoutReply::Ok => reply.ok(),
            TimeoutReply::NullArray => reply.null_array(),
            TimeoutReply::Null => reply.null(),
            TimeoutReply::Int(n) => reply.int(n),
            TimeoutReply::Ints(both) => {
                reply.array(2);
                both.into_iter().for_each(|n| reply.int(n));
            }
        }
    }
}

/// Why and until when a client waits.
#[derive(Debug)]
pub struct Blocked {
    pub db: DbIndex,
    pub keys: Vec<Box<[u8]>>,
    /// The type of value that it can use; `None`: it waits for time alone.
    pub kind: Option<Type>,
    /// Monotonic milliseconds.
    pub deadline_ms: Option<u64>,
    pub on_timeout: TimeoutReply,
    /// The mark in the helper thread's work that it waits for (`keyspace::LazyFree`).
    pub mark: Option<u64>,
    pub args: OwnedArgs,
    /// What its tries have taken so far, in ticks of the cycle counter.
    pub ticks: u64,
}

impl Blocked {
    pub fn on_keys(
        db: DbIndex,
        keys: Vec<Box<[u8]>>,
        kind: Type,
        deadline_ms: Option<u64>,
        on_timeout: TimeoutReply,
    ) -> Blocked {
        Blocked {
            db,
            keys,
            kind: Some(kind),
            deadline_ms,
            on_timeout,
            mark: None,
            args: OwnedArgs::new(),
            ticks: 0,
        }
    }

    /// Waits for nothing but the deadline (WAIT without replicas).
    pub fn for_time(db: DbIndex, deadline_ms: Option<u64>, on_timeout: TimeoutReply) -> Blocked {
        let args = OwnedArgs::new();
        Blocked {
            db,
            keys: Vec::new(),
            kind: None,
            deadline_ms,
            on_timeout,
            mark: None,
            args,
            ticks: 0,
        }
    }

    /// Waits until the helper thread has come to `mark`; OK is the answer whatever ends it.
    pub fn for_memory(db: DbIndex, mark: u64) -> Blocked {
        Blocked {
            mark: Some(mark),
            ..Blocked::for_time(db, None, TimeoutReply::Ok)
        }
    }
}

/// Deadlines of blocked clients, earliest first.
#[derive(Debug, Default)]
pub struct Deadlines {
    by_time: BTreeSet<(u64, ClientId)>,
}

impl Deadlines {
    pub fn len(&self) -> usize {
        self.by_time.len()
    }

    pub fn add(&mut self, at_ms: u64, client: ClientId) {
        self.by_time.insert((at_ms, client));
    }

    pub fn remove(&mut self, at_ms: u64, client: ClientId) {
        self.by_time.remove(&(at_ms, client));
    }

    pub fn next(&self) -> Option<u64> {
        self.by_time.first().map(|d| d.0)
    }

    /// Takes one client whose time is up.
    pub fn take_due(&mut self, now_ms: u64) -> Option<ClientId> {
        let first = *self.by_time.first().filter(|d| d.0 <= now_ms)?;
        self.by_time.remove(&first);
        Some(first.1)
    }
}

impl Engine {
    /// Answers clients whose flushed databases have been freed (FLUSHALL SYNC).
    pub(super) fn serve_freed(&mut self) {
        let met = self.keyspace.lazyfree.marks_met();
        let waiting = &mut self.server.awaiting_memory;
        let served = waiting.partition_point(|&(mark, _)| mark <= met);
        for (mark, id) in waiting.drain(..served).collect::<Vec<_>>() {
            // It may have been let go meanwhile, and wait for something else by now.
            let still = |b: &Blocked| b.mark == Some(mark);
            if let Some(session) = self.server.clients.get_mut(id)
                && session.client.blocked.as_deref().is_some_and(still)
            {
                self.end_wait(id);
            }
        }
    }
}
