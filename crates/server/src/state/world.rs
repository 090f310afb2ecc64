//! Keyspace and server together: [`Engine`] owns both, side by side, so that a handler can borrow
//! both; [`World`] borrows them for a client.
//!
//! `World::run` (`execution::execute`) is the only way to run a command: a client's own, a command
//! of a transaction, a retry of a command that had blocked. It nests (EXEC runs queued commands),
//! and then restores the statistics and notes of the outer command.

use std::io;

use crate::clients::client::Client;
use crate::clients::session::Session;
use crate::parts::persist::loading::{LoadFailed, Progress};
use crate::state::Server;
use crate::state::script::RunningScript;
use russet_keyspace::Keyspace;
use russet_resp::Reply;

/// Whether the loop continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    GoOn,
    Stop,
    /// The persisted data cannot be loaded.
    Fail,
}

/// All state, and the load in progress.
pub struct Engine {
    pub keyspace: Keyspace,
    pub server: Server,
    /// The persisted data that is loaded at the start, until that is done.
    pub(crate) loader: Option<Box<dyn Load>>,
}

/// Loads persisted data in slices (`persist::load_steps`).
pub trait Load {
    /// Loads about `bytes` bytes.
    fn step(
        &mut self,
        keyspace: &mut Keyspace,
        server: &mut Server,
        bytes: u64,
    ) -> Result<Progress, LoadFailed>;

    /// Keys and commands loaded so far.
    fn done(&self) -> u64;

    /// Everything has been loaded.
    fn finish(
        self: Box<Self>,
        keyspace: &mut Keyspace,
        server: &mut Server,
    ) -> Result<(), LoadFailed>;
}

/// Makes a guest of the loop whose connections are registered here.
pub type NewGuest = fn(&mio::Registry) -> io::Result<Box<dyn Guest>>;

/// Serves other clients in the middle of a script (`execution::busy`).
pub trait Guest {
    /// A round: accepts, reads, answers.
    fn serve(&mut self, keyspace: &mut Keyspace, server: &mut Server);
}

/// All parts at once, for the client being served.
pub struct World<'a> {
    pub keyspace: &'a mut Keyspace,
    pub server: &'a mut Server,
    pub client: &'a mut Client,
    pub reply: &'a mut Reply,
    /// The script that calls the client's command.
    pub script: Option<&'a RunningScript<'a>>,
}

impl<'a> World<'a> {
    /// All parts, for a command that no script calls.
    #[inline]
    pub fn new(
        keyspace: &'a mut Keyspace,
        server: &'a mut Server,
        client: &'a mut Client,
        reply: &'a mut Reply,
    ) -> World<'a> {
        World {
            keyspace,
            server,
            client,
            reply,
            script: None,
        }
    }

    /// The same, if a script calls the command.
    #[inline]
    pub(crate) fn in_script(mut self, script: Option<&'a RunningScript<'a>>) -> World<'a> {
        self.script = script;
        self
    }
}

impl Engine {
    /// All parts, for the client of a session.
    #[inline]
    pub fn world<'a>(&'a mut self, session: &'a mut Session) -> World<'a> {
        let Engine {
            keyspace, server, ..
        } = self;
        World::new(keyspace, server, &mut session.client, &mut session.reply)
    }
}
