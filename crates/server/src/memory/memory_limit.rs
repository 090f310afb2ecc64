//! The memory limit at work: evicts, and updates state that depends on the limit
//! (`parts::memory::memory_limit`).
//!
//! Invariant: an eviction is bounded in time (`maxmemory-eviction-tenacity`); the rest continues
//! between turns, while each command evicts a few keys as well.

use crate::clients::client::Client;
use crate::figures::latency::Latency;
use crate::observe::not_counted::{NotCounted, walked};
use crate::parts::memory::eviction;
use crate::state::Server;
use russet_base::clock::Cycles;
use russet_base::{clock, memory::alloc};
use russet_config::Config;
use russet_keyspace::{EvictionOutcome, Keyspace};
use russet_resp::Reply;

/// Used memory may exceed the limit by this part of it if marked keys are all that is left.
const GRACE_SHARE: usize = 4;

impl Server {
    /// Whether there is memory for a command that needs some. First memory that no client needs is
    /// freed (flushes set aside, kept slots, spare buffers); then keys are evicted, if the policy
    /// allows. `running`: the client of the command, and its replies.
    pub fn make_room(
        &mut self,
        keyspace: &mut Keyspace,
        running: Option<(&Client, &Reply)>,
    ) -> bool {
        let has_aside = keyspace.has_aside();
        if has_aside && alloc::exceeds(self.memory.limit.room_bound(self.eviction_bound())) {
            self.exceeds_measured(keyspace, running);
            self.free_aside_for_room(keyspace);
        }
        // The kept keys of other nodes' slots are next; while they are being deleted no key is
        // evicted.
        let may_free = self.migrations.as_ref().is_some_and(|it| it.has_kept())
            && self.gates.pause().is_none();
        if may_free && self.lacks_room(keyspace, running) {
            let bound = self.eviction_bound();
            if self.free_kept_for_room(keyspace, bound) {
                return true;
            }
        }
        // While clients are paused the keyspace stands still.
        if !self.lacks_room(keyspace, running) || self.gates.pause().is_some() {
            self.stats.record_memory(true, self.now.mono_ms);
            return true;
        }
        let evicting = EvictionRun {
            limit: self.eviction_bound(),
            config: &self.config,
            cycles: &self.cycles,
            latency: &mut self.diagnostics.latency,
            is_continued: self.turn.evicting,
        };
        let evicted = evicting.run(keyspace);
        self.turn.evicting = evicted == EvictionOutcome::InPart;
        self.stats
            .record_memory(evicted == EvictionOutcome::Fits, self.now.mono_ms);
        evicted != EvictionOutcome::Everything || self.has_grace(keyspace)
    }

    /// Whether used memory exceeds the limit, without memory that does not count or that no client
    /// needs.
    fn lacks_room(&mut self, keyspace: &Keyspace, running: Option<(&Client, &Reply)>) -> bool {
        if !alloc::exceeds(self.eviction_bound()) || !self.exceeds_measured(keyspace, running) {
            return false;
        }
        // Spare buffers go before keys. The bound is as measured now.
        !self.memory.spare.give_up() || alloc::exceeds(self.eviction_bound())
    }

    /// Nothing is left to evict: whether that is so because of the marks of BLESS, and used memory
    /// is at most a quarter above the limit. Without eviction there is no such grace.
    fn has_grace(&self, keyspace: &Keyspace) -> bool {
        let bound = self.eviction_bound();
        eviction::policy(&self.config).is_some()
            && keyspace.blessed_keys() > 0
            && !alloc::exceeds(bound.saturating_add(bound / GRACE_SHARE))
    }

    /// See [`Memory::eviction_bound`](crate::parts::memory::Memory::eviction_bound).
    pub(crate) fn eviction_bound(&self) -> usize {
        self.memory.eviction_bound(&self.replication, &self.config)
    }

    /// Whether used memory exceeds the limit, and nothing that could be evicted is left.
    pub fn is_out_of_memory(&self) -> bool {
        !self.turn.evicting && alloc::exceeds(self.eviction_bound())
    }

    /// Each turn: measures the owners that are O(1), so that freed memory does not count any more.
    #[inline]
    pub fn measure_not_counted(&mut self, keyspace: &Keyspace) {
        if self.memory.limit.maxmemory() > 0 {
            if !self.connections.io_threads.is_empty() {
                // I/O threads free what the loop has written: the commands of this turn compare
                // with a figure that holds that.
                alloc::used_memory();
            }
            let clients = self.memory.clients.not_counted(None);
            self.set_not_counted(NotCounted::measure(self, keyspace, clients).total());
        }
    }

    /// Used memory exceeds the bound as of the last look: measures memory that does not count, and
    /// returns whether used memory still exceeds the bound. `running`: the client of the command.
    #[cold]
    pub(crate) fn exceeds_measured(
        &mut self,
        keyspace: &Keyspace,
        running: Option<(&Client, &Reply)>,
    ) -> bool {
        let clients = self.memory.clients.not_counted(running);
        let known = NotCounted::measure(self, keyspace, clients);
        let turn = self.stats.turns;
        let walked_now = match self.memory.limit.walked(turn) {
            Some(bytes) => bytes,
            None => {
                self.set_not_counted(known.total());
                if !alloc::exceeds(self.eviction_bound()) {
                    return false;
                }
                let bytes = walked(self);
                self.memory.limit.set_walked(turn, bytes);
                bytes
            }
        };
        self.set_not_counted(known.total() + walked_now);
        alloc::exceeds(self.eviction_bound())
    }

    /// Cron: follows the available memory, and checks resident memory.
    pub fn watch_memory_limit(&mut self) {
        if self.memory.limit.watch(&self.config, self.now.mono_ms) {
            self.update_interest();
            self.memory
                .set_client_memory_limit(&self.config, &mut self.clients);
        }
    }

    fn set_not_counted(&mut self, bytes: usize) {
        if self.memory.limit.set_not_counted(bytes) {
            let bound = self.eviction_bound();
            self.gates.interest.memory_limit = self.memory.limit.room_bound(bound);
        }
    }
}

/// An eviction, which borrows the parts of the server that it needs.
struct EvictionRun<'a> {
    /// Used bytes at which the eviction ends.
    limit: usize,
    config: &'a Config,
    cycles: &'a Cycles,
    latency: &'a mut Latency,
    /// An earlier eviction has used up its time, and continues between turns.
    is_continued: bool,
}

impl EvictionRun<'_> {
    /// Evicts within the time limit, if the policy allows; the rest continues between turns.
    /// Commands that come meanwhile evict a few keys each, so that writers cannot outrun eviction.
    fn run(self, keyspace: &mut Keyspace) -> EvictionOutcome {
        let Some(policy) = eviction::policy(self.config) else {
            return EvictionOutcome::Everything;
        };
        let ticks = if self.is_continued {
            0
        } else {
            let tenacity = self.config.maxmemory_eviction_tenacity;
            self.cycles.ticks(eviction::time_limit_nanos(tenacity))
        };
        let began = clock::cycles();
        let evicted = keyspace.evict_while(
            |unreported| alloc::exceeds(self.limit.saturating_add(unreported)),
            policy,
            ticks,
        );
        let micros = self.cycles.micros(clock::cycles().wrapping_sub(began));
        self.latency.add_if_slow("eviction-cycle", micros / 1000);
        evicted
    }
}
