//! What a handler gets: the arguments, where to write the reply, and the world.

use super::Server;
use super::backup::tell_backup;
use super::blocking::{Blocked, OnTimeout, Until};
use super::client::Client;
use super::world::{Origin, World};
use crate::command::keys::Keys;
use crate::command::{self, CommandError};
use crate::keyspace::{Audience, Db};
use crate::resp::{Args, OwnedArgs, Reply};
use crate::types::Type;

/// A handler's outcome; the error is sent as the reply.
pub type CommandResult = Result<(), CommandError>;

/// A command's handler.
pub type Handler = fn(&mut Call<'_>) -> CommandResult;

/// A row of the command table.
pub type Spec = command::Spec<Handler>;

/// What a command did to the keyspace, for those who repeat it: the AOF and replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effect {
    /// Its own arguments, if it changed anything.
    #[default]
    Verbatim,
    /// Its own arguments, even if nothing was there to be changed (FLUSHALL).
    Always,
    /// Nothing, whatever it changed.
    Nothing,
    /// Other commands, which it has stated.
    Rewritten,
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
    /// Its row's number in the command table.
    pub row: usize,
    pub origin: Origin,
}

impl Call<'_> {
    /// Everything at once, for commands that run others or act on other clients.
    pub fn world(&mut self) -> World<'_> {
        World {
            keyspace: self.db.keyspace(),
            server: self.server,
            client: self.client,
            reply: self.reply,
        }
    }

    /// The keys of a command whose key specs fit whatever its arity admits.
    pub fn keys(&self) -> Keys {
        let row = self.server.table.row(self.row);
        row.keys(self.args).expect("the specs fit every form")
    }

    /// States this command's effect as another command; called again, as both. To be called
    /// where the command has changed something.
    #[inline]
    pub fn rewrite(&mut self, args: &[&[u8]]) {
        self.effect = Effect::Rewritten;
        let db = self.db.index();
        self.db.effects().state(db, args.iter().copied());
    }

    /// As [`Call::rewrite`], of arguments that are not all in one place.
    #[inline]
    pub fn rewrite_each<'w>(&mut self, args: impl ExactSizeIterator<Item = &'w [u8]>) {
        self.effect = Effect::Rewritten;
        let db = self.db.index();
        self.db.effects().state(db, args);
    }

    /// States the command's own arguments as its effect, whether it changed anything or not.
    pub fn always_effect(&mut self) {
        self.effect = Effect::Always;
    }

    /// States the command's own arguments as an effect for replicas alone.
    pub fn effect_for_replicas(&mut self) {
        self.effect = Effect::Rewritten;
        let (db, args) = (self.db.index(), self.args);
        let effects = self.db.effects();
        effects.state_for(Audience::REPLICAS, db, args.iter());
    }

    /// Whether anybody will repeat effects: worth knowing before a costly rewrite is built.
    #[inline]
    pub fn effects_wanted(&self) -> bool {
        self.db.effects_wanted()
    }

    /// States that the command has no effect to be repeated.
    pub fn no_effect(&mut self) {
        self.effect = Effect::Nothing;
    }

    /// Whether this client may be blocked: not inside EXEC.
    pub fn may_block(&self) -> bool {
        self.origin.may_block()
    }

    /// Whether this is another try of a command that was blocked.
    pub fn is_retry(&self) -> bool {
        self.origin == Origin::Retry
    }

    /// Blocks the client until one of `keys` has a value of type `kind`, when the command
    /// runs again from the start, or until `timeout_ms` (0: for ever) have gone by.
    pub fn block_on_keys(
        &mut self,
        keys: &[&[u8]],
        kind: Type,
        timeout_ms: u64,
        on_timeout: OnTimeout,
    ) {
        let keys = keys.iter().map(|&k| k.into()).collect();
        let until = Until::Keys {
            keys,
            kind,
            guards: false,
        };
        self.block_until(until, timeout_ms, on_timeout);
    }

    /// As [`Call::block_on_keys`], with other arguments to run again with; `guards`: also
    /// when one of the keys goes or becomes another type.
    pub fn block_on_keys_as(
        &mut self,
        args: OwnedArgs,
        keys: &[&[u8]],
        (kind, guards): (Type, bool),
        timeout_ms: u64,
        on_timeout: OnTimeout,
    ) {
        let keys = keys.iter().map(|&k| k.into()).collect();
        let until = Until::Keys { keys, kind, guards };
        self.block_args_until(args, until, timeout_ms, on_timeout);
    }

    /// Blocks the client until `timeout_ms` (0: for ever) have gone by: it waits for what
    /// nobody can bring.
    pub fn block_for_time(&mut self, timeout_ms: u64, on_timeout: OnTimeout) {
        self.block_until(Until::Time, timeout_ms, on_timeout);
    }

    /// Blocks the client for `wait_ms`, and nothing ends that earlier: then its attempt to log in
    /// is judged by `judge`.
    pub(super) fn block_to_log_in(&mut self, wait_ms: u64, judge: OnTimeout) {
        self.block_until(Until::LogIn, wait_ms, judge);
    }

    /// Blocks the client until the append only file is on disk up to `offset` (`None`: and until
    /// something that nobody can bring), or until `timeout_ms` (0: for ever) have gone by. It is
    /// refused if the append only file is switched off meanwhile.
    pub fn block_until_synced(
        &mut self,
        offset: Option<u64>,
        timeout_ms: u64,
        on_timeout: OnTimeout,
    ) {
        self.block_until(Until::Synced { offset }, timeout_ms, on_timeout);
    }

    /// Blocks the client until the backup that it has begun is made.
    pub fn block_until_backed_up(&mut self) {
        self.block_until(Until::Backup, 0, tell_backup);
    }

    /// Blocks the client until something, or until `timeout_ms` (0: for ever) have gone by.
    fn block_until(&mut self, until: Until, timeout_ms: u64, on_timeout: OnTimeout) {
        self.block_args_until(self.args.to_owned(), until, timeout_ms, on_timeout);
    }

    fn block_args_until(
        &mut self,
        args: OwnedArgs,
        until: Until,
        timeout_ms: u64,
        on_timeout: OnTimeout,
    ) {
        let blocked = Blocked {
            db: self.db.index(),
            until,
            deadline_ms: (timeout_ms > 0).then(|| self.server.now.mono_ms + timeout_ms),
            on_timeout,
            row: self.row,
            args,
            ticks: 0,
        };
        let retry = self.is_retry();
        self.client.block(blocked, retry);
    }

    /// Blocks the client until the helper thread has freed all that it was given so far; OK
    /// is the answer. `false`: it has, or nobody will be told.
    pub fn block_until_freed(&mut self) -> bool {
        let mark = self.db.keyspace().lazyfree.mark();
        self.block_until_mark(mark)
    }

    /// Blocks the client until the helper thread has given unused pages back to the system; OK
    /// is the answer. `false`: nobody will be told.
    pub fn block_until_given_back(&mut self) -> bool {
        let mark = self.db.keyspace().lazyfree.give_pages_back();
        self.block_until_mark(mark)
    }

    fn block_until_mark(&mut self, mark: Option<u64>) -> bool {
        let Some(mark) = mark else { return false };
        self.block_until(Until::Memory { mark }, 0, |world, _| world.reply.ok());
        true
    }
}
