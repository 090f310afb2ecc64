//! What a command runs in, and who asked for it.
//!
//! [`World::run`](super::World::run) is the one way to run a command: a client's own, one of
//! a transaction, one that was blocked and runs again. It nests (EXEC runs what was queued):
//! whatever it finds of statistics and notes under way it leaves as it was.

use super::Server;
use super::client::Client;
use crate::keyspace::Keyspace;
use crate::resp::Reply;

/// Everything at once, for the client that is served.
pub struct World<'a> {
    pub keyspace: &'a mut Keyspace,
    pub server: &'a mut Server,
    pub client: &'a mut Client,
    pub reply: &'a mut Reply,
}

/// Who asks for a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client.
    Client,
    /// A client whose command waited: it runs again from the start.
    Retry,
    /// EXEC, for what MULTI queued.
    Exec,
    /// A script.
    Script,
    /// The loader, for what stands in the append only file. No gate has looked at it, and
    /// nobody counts it or hears of it.
    Loading,
}

impl Origin {
    /// Whether the command may make its client wait.
    pub fn may_block(self) -> bool {
        match self {
            Origin::Client | Origin::Retry => true,
            Origin::Exec | Origin::Script | Origin::Loading => false,
        }
    }

    /// Whether another command runs this one: its time is part of that one's.
    pub fn is_nested(self) -> bool {
        matches!(self, Origin::Exec | Origin::Script)
    }
}
