//! A handler's view of the server: the arguments, the reply, a database, the client.
//!
//! Invariants
//!   1. An effect is the command's own arguments, unless the handler records other commands
//!      ([`Effect`]).
//!   2. A handler that blocks writes no reply: the reply comes from a later run, or from
//!      [`OnTimeout`].
//!   3. No command blocks inside EXEC or a script (`may_block`).
//!
//! Cost: `Call` borrows all parts and copies nothing; blocking copies the arguments once, but
//! shares large arguments with a task.
//! Elsewhere: `execution::execute` makes a `Call` and calls the handler, `execution::blocking` runs
//! blocked commands again, `keyspace::listeners::effects` encodes effects.

use crate::clients::blocked::{BlockingState, OnTimeout, Until, Wake};
use crate::clients::client::{Client, TAKEN_BULK_MAX};
use crate::origin::Origin;
use crate::parts::execution::tasks::{Task, VectorWork};
use crate::parts::replication::changes::{Reader as ChangeReader, WaitingReader};
use crate::state::Server;
use crate::state::script::RunningScript;
use crate::state::world::World;
use russet_command::keys::Keys;
use russet_command::{CommandError, table};
use russet_config::Dialect;
use russet_keyspace::{Audience, Db, DbIndex, slot_of};
use russet_resp::{Args, OwnedArgs, Reply};
use russet_types::{Type, VectorSet};

/// A handler's outcome; the error is sent as the reply.
pub type CommandResult = Result<(), CommandError>;

/// A command's handler.
pub type Handler = fn(&mut Call<'_>) -> CommandResult;

/// A row of the command table, as declared.
pub type Spec = russet_command::Spec<Handler>;

/// A row of the command table, as the server runs it.
pub type Row = table::Row<Handler>;

/// All rows.
pub type CommandTable = table::CommandTable<Handler>;

/// A command's effect on the keyspace, as it is propagated to the log and replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effect {
    /// The command's own arguments, if it changed something.
    #[default]
    Verbatim,
    /// The command's own arguments, even if it changed nothing (FLUSHALL).
    Always,
    /// Nothing, whatever it changed.
    Nothing,
    /// Other commands, which the command has recorded.
    Rewritten,
}

/// A command being run. Data groups use only `args`, `reply` and `db`.
pub struct Call<'a> {
    pub args: Args<'a>,
    pub reply: &'a mut Reply,
    pub db: Db<'a>,
    pub client: &'a mut Client,
    pub server: &'a mut Server,
    pub effect: Effect,
    /// The full name of the command (`client|list`), for errors that name it.
    pub name: &'static str,
    /// The number of the command's row in the command table.
    pub row: usize,
    pub origin: Origin,
    /// The script that calls the command.
    pub script: Option<&'a RunningScript<'a>>,
}

impl Call<'_> {
    /// All parts at once, for commands that run others or act on other clients.
    pub fn world(&mut self) -> World<'_> {
        World::new(self.db.keyspace(), self.server, self.client, self.reply).in_script(self.script)
    }

    /// Records how many elements the command would touch (`Work::count`).
    #[inline]
    pub fn touches(&mut self, elements: u64) {
        self.server.turn.touched = elements;
    }

    /// The keys of a command whose key specs fit every arity that it admits.
    #[inline]
    pub fn keys(&self) -> Keys {
        let row = self.server.table.row(self.row);
        row.keys(self.args).expect("the specs fit every form")
    }

    /// Records another command as the effect of this command; each call adds an effect. Call it
    /// after the command has changed something.
    #[inline]
    pub fn rewrite(&mut self, args: &[&[u8]]) {
        self.rewrite_in(self.db.index(), args);
    }

    /// As [`Call::rewrite`], with a command that runs in a database.
    #[inline]
    pub fn rewrite_in(&mut self, db: DbIndex, args: &[&[u8]]) {
        self.rewrite_iter(db, args.iter().copied());
    }

    /// As [`Call::rewrite`], with arguments that are not contiguous.
    #[inline]
    pub fn rewrite_each<'w>(&mut self, args: impl ExactSizeIterator<Item = &'w [u8]>) {
        self.rewrite_iter(self.db.index(), args);
    }

    #[inline]
    fn rewrite_iter<'w>(&mut self, db: DbIndex, args: impl ExactSizeIterator<Item = &'w [u8]>) {
        self.effect = Effect::Rewritten;
        let (server, row, own) = (&*self.server, self.row, self.args);
        // All keys of a command have the same slot, and its effects have no other keys.
        let slot = || server.table.row(row).first_key(own).map(slot_of);
        self.db.effects().record(db, slot, args);
    }

    /// Records the command's own arguments as its effect, whether it changed something or not.
    #[inline]
    pub fn always_effect(&mut self) {
        self.effect = Effect::Always;
    }

    /// Records the command's own arguments as an effect for replicas only.
    pub fn effect_for_replicas(&mut self) {
        self.effect = Effect::Rewritten;
        let (db, args) = (self.db.index(), self.args);
        let effects = self.db.effects();
        effects.record_for(Audience::REPLICAS, db, args.iter());
    }

    /// Whether effects have a listener: check it before building a costly rewrite.
    #[inline]
    pub fn effects_wanted(&self) -> bool {
        self.db.effects_wanted()
    }

    /// The command has no effect to propagate.
    #[inline]
    pub fn no_effect(&mut self) {
        self.effect = Effect::Nothing;
    }

    /// Whether a server has executed the command before, perhaps in the other dialect: the command
    /// comes from the append only file, from the primary, or from a node that sends its slots, also
    /// within a transaction.
    #[inline]
    pub fn was_taken_before(&self) -> bool {
        self.origin == Origin::Loading || self.client.sends_taken()
    }

    /// The longest string that the command may make, bytes: `proto-max-bulk-len`. A command that a
    /// server has executed before was within that server's limit, or within an earlier limit.
    #[inline]
    pub fn string_max(&self) -> u64 {
        let max = self.server.config.proto_max_bulk_len;
        if self.was_taken_before() {
            max.max(TAKEN_BULK_MAX)
        } else {
            max
        }
    }

    /// The dialect of numbers in arguments: the wider dialect for commands that a server has
    /// executed before.
    #[inline]
    pub fn number_dialect(&self) -> Dialect {
        if self.was_taken_before() {
            Dialect::Redis
        } else {
            self.db.dialect()
        }
    }

    /// Whether this client may block: not inside EXEC, and not another server, whose next command
    /// follows at once.
    #[inline]
    pub fn may_block(&self) -> bool {
        self.origin.may_block() && self.client.console.is_none() && !self.client.sends_taken()
    }

    /// Whether the client has waited, its time is up, and the handler is only to answer.
    #[inline]
    pub fn is_time_up(&self) -> bool {
        self.origin == Origin::TimeUp
    }

    /// Whether this is a retry of a command that had blocked.
    #[inline]
    pub fn is_retry(&self) -> bool {
        self.origin == Origin::Retry
    }

    /// Blocks the client until any of `keys` has a value of type `kind`, when the command runs
    /// again from the start, or until `timeout_ms` (0: for ever) have passed.
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

    /// As [`Call::block_on_keys`], with other arguments for the retry; `guards`: the command also
    /// runs again when any of the keys is removed or changes its type.
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

    /// The client, which the command has just blocked on keys, runs again after `in_ms`, and if
    /// that is `None`, when a stream gets a pending entry.
    pub fn wake_to_claim(&mut self, in_ms: Option<u64>) {
        if let Some(blocked) = &mut self.client.blocked {
            blocked.wake = match in_ms {
                // Not in the same turn: nothing can have changed.
                Some(ms) => Wake::At(self.server.now.mono_ms.saturating_add(ms.max(1))),
                None => Wake::Untimed,
            };
        }
    }

    /// Blocks the client for `wait_ms`, which nothing shortens; then the handler decides on the
    /// client's login attempt.
    pub(crate) fn block_to_log_in(&mut self, wait_ms: u64) {
        self.block_until(Until::LogIn, wait_ms, OnTimeout::Handler);
    }

    /// Blocks the client until the append only file is on disk up to `offset` (`None`: and until a
    /// condition that cannot be met), or until `timeout_ms` (0: for ever) have passed. Fails if the
    /// append only file is switched off meanwhile.
    pub fn block_until_synced(&mut self, offset: Option<u64>, timeout_ms: u64) {
        self.block_until(Until::Synced { offset }, timeout_ms, OnTimeout::Handler);
    }

    /// Blocks the client until `replicas` have acknowledged its writes, or for `timeout_ms` (0: for
    /// ever). `local`: until the writes are on the replicas' disks, and, with `Some(true)`, on this
    /// server's disk.
    pub fn block_until_acked(&mut self, replicas: usize, local: Option<bool>, timeout_ms: u64) {
        let until = Until::Acked {
            offset: self.client.written(&self.server.stream),
            replicas,
            local,
        };
        self.block_for_acks(until, timeout_ms);
    }

    /// Blocks the client until a replica has acknowledged the stream up to `offset`, or for
    /// `timeout_ms`.
    pub(crate) fn block_until_acked_at(&mut self, offset: u64, timeout_ms: u64) {
        let until = Until::Acked {
            offset,
            replicas: 1,
            local: None,
        };
        self.block_for_acks(until, timeout_ms);
    }

    /// Asks the replicas for acknowledgements, and blocks the client for them.
    fn block_for_acks(&mut self, until: Until, timeout_ms: u64) {
        let replication = &mut self.server.replication;
        replication.asks_acks = true;
        replication.awaiting_acks.push(self.client.id);
        self.block_until(until, timeout_ms, OnTimeout::Handler);
    }

    /// Whether work that takes about so long is to leave the loop, because the client can wait for
    /// it and the loop has no time for it in this turn.
    pub fn leaves_loop(&mut self, nanos: usize) -> bool {
        let turn = self.server.stats.turns;
        self.may_leave_loop() && !self.server.tasks.reserve_time(turn, nanos)
    }

    /// Whether the client, or the other node, can wait for work off the loop.
    pub fn may_leave_loop(&self) -> bool {
        self.may_block() && self.server.tasks.is_on(&self.server.config) || self.is_for_other_node()
    }

    /// Has a vector set searched off the loop, and blocks the client until the command runs again,
    /// with the answer.
    pub fn block_on_search(&mut self, set: VectorSet, work: VectorWork) {
        let threads = self.server.config.task_threads as usize;
        let turn = self.server.stats.turns;
        let ticket = (self.server.tasks).begin_search(self.client.id, set, work, threads, turn);
        self.block_until(Until::Task(ticket), 0, OnTimeout::Reply(Reply::null));
    }

    /// Has a task done off the loop, and blocks the client until the command runs again, which
    /// takes the task back (`TaskQueue::take_task`). A command that answers another node runs again
    /// in the same way.
    pub fn block_on_task(&mut self, task: Box<dyn Task>) {
        if self.is_for_other_node() {
            if let Some(driver) = &mut self.server.cluster {
                driver.surveys.leave(task);
            }
            return;
        }
        let threads = self.server.config.task_threads as usize;
        let turn = self.server.stats.turns;
        let ticket = (self.server.tasks).begin_task(self.client.id, task, threads, turn);
        // A large argument may be the task's, too.
        let (args, until) = (self.args.to_shared(), Until::Task(ticket));
        self.block_args_until(args, until, 0, OnTimeout::Reply(Reply::null));
    }

    /// Blocks the client until its command can read further changes: at once if `limit` is `None`,
    /// else when the stream is beyond it, or `timeout_ms` (0: never) have passed.
    pub fn block_on_changes(
        &mut self,
        reader: ChangeReader,
        limit: Option<u64>,
        replicas: usize,
        timeout_ms: u64,
    ) {
        let waiting = WaitingReader {
            client: self.client.id,
            limit,
            replicas,
            history: reader.history,
        };
        self.server.changes.continue_later(waiting, reader);
        self.block_until(Until::Changes, timeout_ms, OnTimeout::Handler);
    }

    /// Blocks the client until the service ends.
    pub fn block_until_shutdown(&mut self) {
        self.block_until(Until::Shutdown, 0, OnTimeout::Reply(|_| ()));
    }

    /// Blocks the client until the backup that it has begun is made.
    pub fn block_until_backed_up(&mut self) {
        self.block_until(Until::Backup, 0, OnTimeout::Handler);
    }

    /// Blocks the client until `until`, or until `timeout_ms` (0: for ever) have passed.
    pub(crate) fn block_until(&mut self, until: Until, timeout_ms: u64, on_timeout: OnTimeout) {
        self.block_args_until(self.args.to_owned(), until, timeout_ms, on_timeout);
    }

    pub(crate) fn block_args_until(
        &mut self,
        args: OwnedArgs,
        until: Until,
        timeout_ms: u64,
        on_timeout: OnTimeout,
    ) {
        let blocked = BlockingState {
            db: self.db.index(),
            until,
            deadline_ms: (timeout_ms > 0).then(|| self.server.now.mono_ms + timeout_ms),
            wake: Wake::Never,
            on_timeout,
            row: self.row,
            args,
            ticks: 0,
        };
        let retry = self.is_retry();
        self.client.block(blocked, retry);
    }

    /// Blocks the client until the helper thread has freed everything it was given so far; the
    /// reply is OK. `false`: everything is freed already, or the thread cannot wake the loop.
    pub fn block_until_freed(&mut self) -> bool {
        let mark = self.db.keyspace().lazyfree.mark();
        self.block_until_mark(mark)
    }

    /// Blocks the client until the helper thread has returned unused pages to the system; the reply
    /// is OK. `false`: the loop cannot be woken.
    pub fn block_until_given_back(&mut self) -> bool {
        let mark = self.db.keyspace().lazyfree.give_pages_back();
        self.block_until_mark(mark)
    }

    fn block_until_mark(&mut self, mark: Option<u64>) -> bool {
        let Some(mark) = mark else { return false };
        self.block_until(Until::Memory { mark }, 0, OnTimeout::Reply(Reply::ok));
        true
    }
}
