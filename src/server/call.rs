//! What a handler gets: the arguments, where to write the reply, and the world.

use super::Server;
use super::blocking::{Blocked, TimeoutReply};
use super::client::{Client, ClientFlags};
use crate::command::{self, CommandError};
use crate::keyspace::{Db, Keyspace};
use crate::resp::{Args, OwnedArgs, Reply};
use crate::types::Type;

/// A handler's outcome; the error is sent as the reply.
pub type CommandResult = Result<(), CommandError>;

/// A command's handler.
pub type Handler = fn(&mut Call<'_>) -> CommandResult;

/// A row of the command table.
pub type Spec = command::Spec<Handler>;

/// What a command did to the keyspace, for those who repeat it: the AOF and replicas.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Effect {
    /// Its own arguments, if it changed anything.
    #[default]
    Verbatim,
    /// Its own arguments, even if nothing was there to be changed (FLUSHALL).
    Always,
    /// Nothing, whatever it changed.
    Nothing,
    /// These commands instead.
    Rewritten(Vec<OwnedArgs>),
}

/// One command on its way. Data groups use only `args`, `reply` and `db`.
pub struct Call<'a> {
    pub args: Args<'a>,
    pub reply: &'a mut Reply,
    pub db: Db<'a>,
    pub client: &'a mut Client,
    pub server: &'a mut Server,
    pub effect: Effect,
    /// The full name of the command (`client|list`), for errors that name it.
    pub name: &'static str,
    /// This is another try of a command that was blocked.
    pub retry: bool,
}

impl Call<'_> {
    /// The keyspace and the server at once, for commands that run others.
    pub fn world(&mut self) -> (&mut Keyspace, &mut Server, &mut Client, &mut Reply) {
        (self.db.keyspace(), self.server, self.client, self.reply)
    }

    /// States this command's effect as another command. Costs nothing while nobody listens.
    #[inline]
    pub fn rewrite(&mut self, args: &[&[u8]]) {
        if !self.server.effects.wanted() {
            return;
        }
        let args: OwnedArgs = args.iter().copied().collect();
        match &mut self.effect {
            Effect::Rewritten(all) => all.push(args),
            other => *other = Effect::Rewritten(vec![args]),
        }
    }

    /// States the command's own arguments as its effect, whether it changed anything or not.
    pub fn always_effect(&mut self) {
        self.effect = Effect::Always;
    }

    /// Whether anybody will repeat effects: worth knowing before a costly rewrite is built.
    #[inline]
    pub fn effects_wanted(&self) -> bool {
        self.server.effects.wanted()
    }

    /// States that the command has no effect to be repeated.
    pub fn no_effect(&mut self) {
        self.effect = Effect::Nothing;
    }

    /// Whether this client may be blocked: not inside EXEC or a script.
    pub fn may_block(&self) -> bool {
        !self.client.flags.contains(ClientFlags::DENY_BLOCKING)
    }

    /// Blocks the client until one of `keys` has a value of type `kind`, when the command
    /// runs again from the start, or until `timeout_ms` (0: for ever) have gone by.
    pub fn block_on_keys(
        &mut self,
        keys: &[&[u8]],
        kind: Type,
        timeout_ms: u64,
        on_timeout: TimeoutReply,
    ) {
        let deadline = (timeout_ms > 0).then(|| self.server.now.mono_ms + timeout_ms);
        let keys = keys.iter().map(|&k| k.into()).collect();
        let blocked = Blocked::on_keys(self.db.index(), keys, kind, deadline, on_timeout);
        self.client.block(blocked, self.args.to_owned(), self.retry);
    }

    /// Blocks the client until `timeout_ms` (0: for ever) have gone by: it waits for what
    /// nobody can bring.
    pub fn block_for_time(&mut self, timeout_ms: u64, on_timeout: TimeoutReply) {
        let deadline = (timeout_ms > 0).then(|| self.server.now.mono_ms + timeout_ms);
        let blocked = Blocked::for_time(self.db.index(), deadline, on_timeout);
        self.client.block(blocked, self.args.to_owned(), self.retry);
    }

    /// Blocks the client until the helper thread has freed all that it was given so far; OK
    /// is the answer. `false`: it has, or nobody will be told.
    pub fn block_until_freed(&mut self) -> bool {
        let Some(mark) = self.db.keyspace().lazyfree.mark() else {
            return false;
        };
        let blocked = Blocked::for_memory(self.db.index(), mark);
        self.client.block(blocked, self.args.to_owned(), self.retry);
        true
    }

    /// Waiting reply bytes at which the client is closed once the command has run: behind
    /// them, a reply of any length that was asked for need not be written.
    pub fn reply_bytes_max(&self) -> usize {
        self.server.reply_bytes_max(self.client)
    }
}
