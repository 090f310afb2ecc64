//! Commands of connections whose user has budgets: each command is checked before it runs, and its
//! reply is measured afterwards (`parts::users::budgets` keeps the accounts).
//!
//! A connection over the rate or the bytes is held: its next command stays in its input, the loop
//! reads nothing more from it, and it resumes when its turn comes (`run/budgets.rs`). So commands
//! keep their order, and no command is lost. A session of the console is not held in the middle of
//! a call: the calls wait as a whole (`console/commands.rs`). The commands by which a replica
//! introduces itself wait for their turn, whatever `over=` says, so that a replica can connect in
//! the end; once it is a link, no budgets concern it.
//!
//! The server charges a reply when its command has run, so that neither a closed nor a slow
//! connection gets more. Short replies, and messages and invalidations, which other clients cause,
//! are charged when they are written.
//!
//! The gates check how many elements a command would touch (`gates/work.rs`).

use super::super::execution::dispatch::{Outcome, after_reply, reject, resolve};
use crate::clients::client::{Client, ClientFlags};
use crate::clients::held::Budget;
use crate::clients::session::Session;
use crate::parts::execution::gates::RUNS_SCRIPT;
use crate::parts::users::Acl;
use crate::parts::users::budgets::Verdict;
use crate::state::Server;
use crate::state::world::Engine;
use russet_acl::UserId;
use russet_command::{CommandError, Facts, Flags};
use russet_config::memory_text;
use russet_resp::{Args, BoundedReply, Extent};

/// Rows whose replies are written in full before they are measured: their commands may change
/// something, themselves or by commands that they run.
const IN_FULL: Flags = Flags::WRITE
    .union(RUNS_SCRIPT)
    .union(Flags::RUNS_QUEUE)
    .union(PASSES_MESSAGES);

/// With [`Flags::PUBSUB`]: rows that subscribe, or publish.
const PASSES_MESSAGES: Flags = Flags::PUBSUB_CONTEXT.union(Flags::MAY_REPLICATE);

/// Rows that act outside of the keyspace: its changes do not show whether they have acted.
const ACTS: Flags = Flags::PUBSUB.union(Flags::ADMIN);

/// Flags of a connection that take a command the long way whether the user has budgets or not.
const SPECIAL: ClientFlags = ClientFlags::SLOW_PATH.difference(ClientFlags::BUDGETED);

impl Engine {
    /// Whether the next command of a connection whose user has budgets may run now, and by which
    /// way; if so, the command is charged.
    #[inline]
    pub fn admit(
        &mut self,
        session: &mut Session,
        row: Option<usize>,
        args: Args<'_>,
    ) -> Result<Way, Outcome> {
        let now_ms = self.server.now.mono_ms;
        let account = self.server.acl.accounts.of_mut(session.client.user);
        let bounds_work = account.as_ref().is_some_and(|a| a.budgets.work > 0);
        if account.is_some_and(|account| !account.admits(now_ms)) {
            self.ask_to_run(session, row, args)?;
        }
        let counts_work = || row.is_some_and(|id| self.server.table.row(id).spec.work.is_some());
        Ok(match session.client.flags.intersects(SPECIAL) {
            true => Way::Specially,
            // The gates check the elements that the command would touch.
            false if bounds_work && counts_work() => Way::Carefully,
            false => Way::Plainly,
        })
    }

    /// [`Engine::admit`] when the budgets matter: the connection is held, or it is a held
    /// connection's turn to run, or the user is over a budget or has held connections.
    #[cold]
    #[inline(never)]
    fn ask_to_run(
        &mut self,
        session: &mut Session,
        row: Option<usize>,
        args: Args<'_>,
    ) -> Result<(), Outcome> {
        let server = &mut self.server;
        let client = &mut session.client;
        if client.flags.contains(ClientFlags::HELD) {
            return Err(Outcome::Postponed);
        }
        let now_ms = server.now.mono_ms;
        let joins = |id| server.table.row(id).spec.facts.contains(Facts::JOINS);
        let waits = row.is_some_and(joins);
        match server.acl.accounts.ask_to_run(client, waits, now_ms) {
            Verdict::Within => Ok(()),
            Verdict::Hold(_) if client.console.is_some() => {
                server.acl.accounts.charge(client.user, 1, now_ms);
                Ok(())
            }
            Verdict::Hold(budget) => {
                server.acl.hold(client, budget, now_ms);
                Err(Outcome::Postponed)
            }
            Verdict::Refuse(budget, wait_ms) => {
                let error = over(&server.acl, client, budget, wait_ms);
                let mark = session.reply.mark();
                let id = resolve(server, row, args).ok();
                session.client.traffic.last_command = id;
                reject(server, &mut self.keyspace, session, id, args, &error);
                after_reply(session, mark);
                self.end_one_shots(session, row);
                Err(Outcome::Done)
            }
        }
    }

    /// A command of a connection whose user has budgets begins.
    #[inline]
    pub(crate) fn begin_charged(&mut self, session: &mut Session, id: usize) -> BudgetedCommand {
        let user = session.client.user;
        let account = self.server.acl.accounts.of(user);
        let (most, settles_from) = account.map_or((usize::MAX, usize::MAX), |account| {
            (account.reply_most, account.settles_from)
        });
        // A command that may change data is answered in full: its reply may be the only copy of
        // removed data.
        let limit = if self.server.table.row(id).spec.flags.intersects(IN_FULL) {
            usize::MAX
        } else {
            most
        };
        self.server.turn.has_acted = false;
        let bounded = session.reply.begin_bounded(limit);
        let charged = &mut session.client.traffic.charged;
        *charged = bounded.before().min(*charged);
        BudgetedCommand {
            bounded,
            most,
            settles_from,
            user,
            changes: self.keyspace.dirty,
        }
    }

    /// The command has run: its reply is measured and charged.
    #[inline]
    pub(crate) fn end_charged(
        &mut self,
        session: &mut Session,
        id: usize,
        charged: &BudgetedCommand,
    ) {
        let extent = session.reply.end_bounded(&charged.bounded, charged.most);
        if extent != Extent::Within {
            self.refuse_long_reply(session, id, charged, extent);
        }
        let pending = session.reply.pending_len();
        if pending.saturating_sub(session.client.traffic.charged) >= charged.settles_from {
            self.server.acl.charge_reply(&self.server.now, session);
        }
    }

    /// Replaces a reply that is over the budget by an error, if the command has changed nothing.
    #[cold]
    #[inline(never)]
    fn refuse_long_reply(
        &mut self,
        session: &mut Session,
        id: usize,
        charged: &BudgetedCommand,
        extent: Extent,
    ) {
        let has_changed = self.server.turn.has_acted || self.keyspace.dirty != charged.changes;
        let row = self.server.table.row(id);
        let flags = row.spec.flags;
        // Confirmations of subscriptions are no answer that could be asked for again.
        let is_message = flags.contains(Flags::PUBSUB) && flags.intersects(PASSES_MESSAGES);
        let stays = has_changed || is_message;
        if stays && extent == Extent::Over {
            return;
        }
        session.reply.remove_bounded(&charged.bounded);
        let end = format!(
            "' allows replies of {} (its budget reply=), and this one of '{}' is longer: ask for \
             less at a time, by a range, a COUNT or a SCAN",
            memory_text(charged.most as u64),
            row.full_name
        );
        let server = &mut self.server;
        if let Some(account) = server.acl.accounts.of_mut(charged.user) {
            account.figures.large_replies += 1;
        }
        let error = over_budget(&server.acl, charged.user, &end);
        session.reply.error(&error);
        server.stats.count_error(session.reply.last_error());
    }
}

impl Server {
    /// A command runs for EXEC or a script: records whether it acts outside of the keyspace.
    #[inline]
    pub fn record_nested(&mut self, id: usize) {
        self.turn.has_acted |= self.table.row(id).spec.flags.intersects(ACTS);
    }
}

/// The way of a command that may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Plainly,
    /// Through the gates: they check the elements that it would touch.
    Carefully,
    Specially,
}

/// A command that runs under budgets.
pub struct BudgetedCommand {
    bounded: BoundedReply,
    /// The longest reply that it may have, bytes.
    most: usize,
    /// Pending replies of this many bytes together are charged before they are sent.
    settles_from: usize,
    user: UserId,
    /// Changes of the keyspace before the command.
    changes: u64,
}

/// `OVERBUDGET user 'NAME` and the end of the sentence.
pub(crate) fn over_budget(acl: &Acl, user: UserId, end: &str) -> CommandError {
    let start = b"OVERBUDGET user '";
    CommandError::Bytes([start, acl.users.name(user), end.as_bytes()].concat())
}

/// The refusal of a user that is over its rate or bytes.
fn over(acl: &Acl, client: &Client, budget: Budget, wait_ms: u64) -> CommandError {
    let Some(account) = acl.accounts.of(client.user) else {
        return CommandError::Text("OVERBUDGET");
    };
    let budgets = &account.budgets;
    let what = match budget {
        Budget::Rate => format!("{} commands a second (rate=)", budgets.rate),
        Budget::In => format!(
            "{} received a second (bytes=)",
            memory_text(budgets.bytes_in)
        ),
        Budget::Out => format!("{} sent a second (bytes=)", memory_text(budgets.bytes_out)),
    };
    let end = format!("' is over its budget of {what}: try again in {wait_ms} ms");
    over_budget(acl, client.user, &end)
}
