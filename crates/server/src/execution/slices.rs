//! Commands in slices: how long a slice may take, how a command waits for its next slice, and which
//! commands continue in a turn of the loop.
//!
//!     handler: in_slices, work until a slice is over -> a later turn: handler again, `take_work`
//!
//! Replies that are long are written in slices, too ([`Pieces`]).
//!
//! A command that cannot wait (EXEC, a script, another server's) works without a wait, slice after
//! slice, and asks between two slices whether it may continue ([`Call::may_continue`]).
//!
//! Elsewhere: `parts::execution::turn_queue` has the line of commands and the time of a turn.

use std::any::Any;

use crate::clients::blocked::{OnTimeout, Until};
use crate::parts::execution::tasks::TaskResult;
use crate::parts::execution::turn_queue::{FIRST_NANOS, TURN_NANOS};
use crate::state::call::Call;
use crate::state::world::Engine;
use bytes::Bytes;
use russet_base::clock;
use russet_command::CommandError;
use russet_resp::{Reply, message};
use russet_types::vector_set::Progress;

/// A slice takes no longer than this.
const SLICE_NANOS: u64 = 1_000_000;
/// The least time of a slice, so that each slice makes progress.
const SLICE_NANOS_MIN: u64 = 200_000;

/// A share of a turn of the loop.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    began: u64,
    ticks: u64,
}

impl Slice {
    /// Whether the loop is to serve others.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.passed() >= self.ticks
    }

    /// Ticks since the slice began.
    #[inline]
    pub fn passed(&self) -> u64 {
        clock::cycles().wrapping_sub(self.began)
    }

    /// Ticks that the slice may take.
    pub fn ticks(&self) -> u64 {
        self.ticks
    }
}

impl Call<'_> {
    /// A slice that begins now. `None`: the turn has no time left, and the command can wait.
    pub fn slice(&mut self) -> Option<Slice> {
        let began = clock::cycles();
        let cycles = &self.server.cycles;
        let [most, least] = [SLICE_NANOS, SLICE_NANOS_MIN].map(|nanos| cycles.ticks(nanos));
        if !self.may_leave_loop() {
            return Some(self.whole_slice());
        }
        // A command that runs again has been given its turn.
        let is_given = self.is_retry() || self.is_for_other_node();
        let of_turn = if is_given { TURN_NANOS } else { FIRST_NANOS };
        let of_turn = cycles.ticks(of_turn);
        let turn = self.server.stats.turns;
        let left = of_turn.saturating_sub(self.server.turns.spent(turn));
        (left > 0 || is_given).then(|| Slice {
            began,
            ticks: left.clamp(least, most),
        })
    }

    /// Has a command wait for a later turn, in which it runs again, if this turn has no time left
    /// for commands that begin. `true`: it waits. A command that takes long to read its own words
    /// asks this first, because many clients may send one in the same turn.
    pub fn postpone_if_turn_is_full(&mut self) -> bool {
        if self.is_retry() || self.is_for_other_node() || !self.may_leave_loop() {
            return false;
        }
        let turn = self.server.stats.turns;
        let has_time = self.server.turns.spent(turn) < self.server.cycles.ticks(FIRST_NANOS);
        if !has_time {
            self.wait_for_turn(Box::new(()), None);
        }
        !has_time
    }

    /// A slice that begins now, of a command that cannot wait.
    pub fn whole_slice(&self) -> Slice {
        Slice {
            began: clock::cycles(),
            ticks: self.server.cycles.ticks(SLICE_NANOS),
        }
    }

    /// Nanoseconds that a command which begins may take of the turn, at most `most`.
    pub fn time_left(&mut self, most: u64) -> u64 {
        let turn = self.server.stats.turns;
        let spent = self.server.cycles.nanos(self.server.turns.spent(turn));
        FIRST_NANOS.saturating_sub(spent).min(most)
    }

    /// Counts the time of a slice that is over, with the work before it since `began`.
    pub fn end_slice(&mut self, began: u64) {
        let turn = self.server.stats.turns;
        let ticks = clock::cycles().wrapping_sub(began);
        self.server.turns.spend(turn, ticks);
    }

    /// The work of the command that runs again, if it waited for its turn.
    pub fn take_work<T: Any>(&mut self) -> Option<T> {
        self.server.tasks.take_task::<T>().map(|work| *work)
    }

    /// Continues work, slice by slice, until it is done. `None`: the client waits; the command will
    /// run again and take the work back ([`Call::take_work`]).
    ///
    /// # Errors
    ///
    /// The errors of a step, and of [`Call::may_continue`].
    pub fn in_slices<T: Any + Send>(
        &mut self,
        mut work: T,
        mut step: impl FnMut(&mut T, &mut Call<'_>, Slice) -> Result<Progress, CommandError>,
    ) -> Result<Option<T>, CommandError> {
        let began = clock::cycles();
        loop {
            let waits = self.may_leave_loop();
            let uncounted = clock::cycles();
            let progress = match self.slice() {
                Some(slice) => step(&mut work, self, slice)?,
                None => Progress::More,
            };
            self.end_slice(uncounted);
            if progress == Progress::Done {
                return Ok(Some(work));
            }
            if waits {
                self.wait_for_turn(Box::new(work), None);
                return Ok(None);
            }
            self.may_continue(began)?;
        }
    }

    /// Blocks the client until it is the command's turn again. The command then runs again and
    /// takes the work back ([`Call::take_work`]); `until_ms`: the monotonic milliseconds at which
    /// the command's time is up. A command that answers another node runs again in the same way.
    pub fn wait_for_turn(&mut self, task: Box<dyn Any + Send>, until_ms: Option<u64>) {
        if self.is_for_other_node() {
            if let Some(driver) = &mut self.server.cluster {
                driver.surveys.leave(task);
            }
            return;
        }
        let ticket = self.server.tasks.ticket();
        let turns = &mut self.server.turns;
        turns.add(self.client.id, &ticket, task, until_ms);
        // A large argument may be the task's, too.
        let (args, until) = (self.args.to_shared(), Until::Task(ticket));
        self.block_args_until(args, until, 0, OnTimeout::Reply(Reply::null));
    }
}

/// A part of a reply that is written slice by slice.
pub struct Pieces {
    /// The text of this slice, and the texts of the slices before it: a single text would be copied
    /// as it grows.
    pub reply: Reply,
    texts: Vec<Bytes>,
}

impl Pieces {
    /// Of a reply in a protocol.
    pub fn new(of: &Reply) -> Pieces {
        let mut reply = Reply::new();
        reply.set_resp3(of.resp3());
        reply.copy_pieces();
        Pieces {
            reply,
            texts: Vec::new(),
        }
    }

    /// Keeps the text of this slice.
    pub fn end_slice(&mut self) {
        if self.reply.pending_len() > 0 {
            self.texts.push(message(self.reply.take_text()));
        }
    }

    /// Adds all pieces to a reply. O(slices).
    pub fn reply(mut self, reply: &mut Reply) {
        self.end_slice();
        self.texts.into_iter().for_each(|text| reply.shared(text));
    }
}

impl Engine {
    /// Continues the commands whose turn it is.
    pub(crate) fn continue_commands(&mut self) {
        let Engine {
            keyspace, server, ..
        } = self;
        server.continue_drops(keyspace);
        if server.turns.is_empty() {
            return;
        }
        let (turn, now_ms) = (self.server.stats.turns, self.server.now.mono_ms);
        let of_turn = self.server.cycles.ticks(TURN_NANOS);
        // A command that continues and waits again is not asked twice.
        for _ in 0..self.server.turns.begin_turn(now_ms) {
            self.continue_next();
            if self.server.turns.spent(turn) >= of_turn {
                break;
            }
        }
    }

    fn continue_next(&mut self) {
        let Some(waiting) = self.server.turns.take_next() else {
            return;
        };
        let Some(mut session) = self.server.clients.take(waiting.client) else {
            return;
        };
        let blocked = session.client.blocked.as_deref();
        let waits = blocked.is_some_and(|blocked| match &blocked.until {
            Until::Task(ticket) => waiting.is_for(ticket),
            _ => false,
        });
        if waits {
            let turn = self.server.stats.turns;
            let (began, before) = (clock::cycles(), self.server.turns.spent(turn));
            self.server.tasks.put_result(TaskResult::Done(waiting.task));
            self.retry(&mut session);
            // Left over if a gate has refused the command.
            self.server.tasks.take_result();
            // The command counts its slice; the work around the slice counts, too.
            let counted = self.server.turns.spent(turn) - before;
            let ticks = clock::cycles().wrapping_sub(began);
            self.server.turns.spend(turn, ticks.saturating_sub(counted));
        }
        self.server.put_back(session);
    }
}
