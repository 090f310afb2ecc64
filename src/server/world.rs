//! The context of a command, and its origin.
//!
//! [`World::run`](super::World::run) is the one way to run a command: a client's own, one of a
//! transaction, a retry of one that had blocked. It nests (EXEC runs queued commands): it restores
//! the statistics and notes of the outer command.

use super::Server;
use super::client::Client;
use crate::keyspace::Keyspace;
use crate::resp::Reply;

/// All parts at once, for the client being served.
pub struct World<'a> {
    pub keyspace: &'a mut Keyspace,
    pub server: &'a mut Server,
    pub client: &'a mut Client,
    pub reply: &'a mut Reply,
}

/// What runs a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client.
    Client,
    /// A client whose command had blocked: it runs again from the start.
    Retry,
    /// EXEC, for queued commands.
    Exec,
    /// A script.
    Script,
    /// The loader, for commands of the append only file. They bypass the gates, and are not counted
    /// or notified.
    Loading,
}

impl Origin {
    /// Whether the command may block its client.
    pub fn may_block(self) -> bool {
        match self {
            Origin::Client | Origin::Retry => true,
            Origin::Exec | Origin::Script | Origin::Loading => false,
        }
    }

    /// Whether an outer command runs this one, whose time includes it.
    pub fn is_nested(self) -> bool {
        matches!(self, Origin::Exec | Origin::Script)
    }
}
