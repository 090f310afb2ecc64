//! State that a turn of the loop passes on within it and to the next: clients with more to do,
//! clients to write to, deadlines.

use crate::clients::blocked::{Deadlines, Wake};
use crate::clients::client::{Client, ClientFlags};
use crate::clients::ending::Disconnection;
use crate::clients::session::Session;
use crate::clients::table::Clients;
use crate::figures::stats::Stats;
use crate::parts::console::Console;
use crate::parts::migration::MigrationDriver;
use crate::parts::persist::shutdown::Shutdown;
use crate::parts::run::early::Early;
use crate::parts::run::pace::{Pace, SLICE_NANOS};
use crate::parts::run::timing::Timing;
use russet_base::clock;
use russet_base::clock::{Cycles, Now};
use russet_keyspace::{ClientId, Keyspace};

/// See the module.
#[derive(Default)]
pub struct Turn {
    /// Requests that run after other reads.
    pub(crate) early: Early,
    /// Clients with more to read or to execute.
    pub ready: Vec<ClientId>,
    /// Clients whose replies are sent before the loop sleeps.
    pub flush: Vec<ClientId>,
    pub to_close: Vec<ClientId>,
    pub(crate) deadlines: Deadlines,
    /// Clients that wait until a stream's pending entry can be claimed.
    pub(crate) wakes: Deadlines,
    /// Clients that wait for memory to be freed, in the order of their marks.
    pub(crate) awaiting_memory: Vec<(u64, ClientId)>,
    /// An eviction ran out of time and must continue.
    pub(crate) evicting: bool,
    /// Values are still to be freed in slices, or keys to be counted by prefix.
    pub(crate) freeing: bool,
    /// New indexes have still to read the existing keys.
    pub(crate) indexing: bool,
    /// Keys of slots that were lost are still to be recorded as deleted and freed.
    pub(crate) dropping: bool,
    /// The link to the primary has more to do: the loop does not sleep.
    pub(crate) receives: bool,
    /// Elements that a command would touch, as its row has counted them.
    pub(crate) touched: u64,
    /// A command of EXEC or a script has acted outside of the keyspace (`users::budgets`).
    pub(crate) has_acted: bool,
    pub(crate) timing: Timing,
    pub(crate) pace: Pace,
    /// When others were last served beside a script in this turn, Unix microseconds.
    pub(crate) served_us: Option<i64>,
    /// Monotonic milliseconds.
    pub(crate) cron_due_ms: u64,
    /// Turns of cron so far.
    pub(crate) cron_turns: u64,
}

impl Turn {
    /// Queues the client's replies to be sent in this turn.
    #[inline]
    pub(crate) fn queue_flush(&mut self, session: &mut Session) {
        if !session.flush_queued {
            session.flush_queued = true;
            self.flush.push(session.client.id);
        }
    }

    /// Closes a client in this turn, whatever is pending.
    pub fn close_soon(&mut self, session: &mut Session, ending: impl Into<Disconnection>) {
        session.client.flags |= ClientFlags::CLOSE_ASAP;
        session.client.ends_by(ending);
        self.to_close.push(session.client.id);
    }

    /// As [`Turn::close_soon`], by number. `false`: there is no such client, or its command runs.
    pub(crate) fn close_by_id(
        &mut self,
        clients: &mut Clients,
        id: ClientId,
        ending: impl Into<Disconnection>,
    ) -> bool {
        let Some(mut session) = clients.take(id) else {
            return false;
        };
        self.close_soon(&mut session, ending);
        clients.put_back(session);
        true
    }

    /// A stopped client runs again: the loop continues with its input.
    pub fn resume(&mut self, session: &mut Session) {
        if !session.input.is_empty() {
            session.input.runnable = true;
        }
        if !session.ready_queued {
            session.ready_queued = true;
            self.ready.push(session.client.id);
        }
    }

    pub(crate) fn register_wake(&mut self, keyspace: &mut Keyspace, id: ClientId, wake: Wake) {
        match wake {
            Wake::Never => {}
            Wake::At(at_ms) => self.wakes.add(at_ms, id),
            Wake::Untimed => keyspace.waiting.count_claimant(true),
        }
    }

    pub(crate) fn forget_wake(&mut self, keyspace: &mut Keyspace, id: ClientId, wake: Wake) {
        match wake {
            Wake::Never => {}
            Wake::At(at_ms) => self.wakes.remove(at_ms, id),
            Wake::Untimed => keyspace.waiting.count_claimant(false),
        }
    }

    /// Removes a client from everything it waits in. `false`: it was not blocked.
    pub(crate) fn stop_waiting(
        &mut self,
        clients: &mut Clients,
        keyspace: &mut Keyspace,
        client: &mut Client,
    ) -> bool {
        let Some(blocked) = client.blocked.take() else {
            return false;
        };
        client.flags.remove(ClientFlags::BLOCKED);
        for key in blocked.keys() {
            keyspace
                .waiting
                .leave(blocked.db, key, client.id, blocked.guards());
        }
        if let Some(at) = blocked.deadline_ms {
            self.deadlines.remove(at, client.id);
        }
        self.forget_wake(keyspace, client.id, blocked.wake);
        clients.blocked -= 1;
        true
    }

    /// Unblocks the client; the input it has sent meanwhile runs next.
    pub(crate) fn unblock(
        &mut self,
        clients: &mut Clients,
        keyspace: &mut Keyspace,
        session: &mut Session,
    ) {
        if self.stop_waiting(clients, keyspace, &mut session.client) {
            self.resume(session);
        }
    }

    /// The time that commands of a transaction or a script see, Unix microseconds.
    pub fn time_of_commands_us(&self, now: &Now) -> i64 {
        self.served_us.unwrap_or(now.unix_us)
    }

    /// Whether clients are being served, so that other work has to leave them room
    /// (`parts::run::pace`).
    pub(crate) fn is_beside_clients(
        &mut self,
        migrations: Option<&MigrationDriver>,
        stats: &Stats,
        cycles: &Cycles,
    ) -> bool {
        let of_sources = migrations.map_or(0, |driver| driver.commands);
        let (pace, now) = (&mut self.pace, clock::cycles());
        pace.note(stats.commands.wrapping_sub(of_sources), now);
        pace.is_beside_clients(cycles, now)
    }

    /// The length of a slice of work that moves slots and begins now; `None`: clients do not limit
    /// it.
    pub(crate) fn slice_nanos(
        &mut self,
        migrations: Option<&MigrationDriver>,
        stats: &Stats,
        cycles: &Cycles,
    ) -> Option<u64> {
        let is_beside_clients = self.is_beside_clients(migrations, stats, cycles);
        if is_beside_clients {
            self.pace.worked();
        }
        is_beside_clients.then_some(SLICE_NANOS)
    }

    /// Work that cannot wait for the next event.
    pub fn has_urgent(&self, shutdown: &Shutdown, console: &Console) -> bool {
        !self.flush.is_empty()
            || !self.to_close.is_empty()
            || shutdown.request.is_some()
            || self.evicting
            || self.freeing
            || self.indexing
            || console.is_urgent
    }
}
