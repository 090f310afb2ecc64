//! The turns of packing cold values (`parts::memory::packing` has the schedule).

use crate::parts::memory::packing::MemoryState;
use crate::state::world::Engine;
use russet_base::memory::alloc;

impl Engine {
    /// Packs cold values after a turn, if `compress-values` asks for it.
    #[inline]
    pub(crate) fn continue_packing(&mut self) {
        if self.server.memory.packing.is_active() {
            self.pack_some();
        }
    }

    #[cold]
    fn pack_some(&mut self) {
        let (keyspace, server) = (&mut self.keyspace, &mut self.server);
        let mono_ms = server.now.mono_ms;
        let packing = &mut server.memory.packing;
        packing.adopt(keyspace, mono_ms);
        if !packing.is_due(mono_ms) {
            return;
        }
        // A child shares the pages that packing would write.
        let has_child = server.persist.snapshots.child_progress().is_some();
        if has_child || server.persist.loading.in_progress() {
            return packing.rest(mono_ms);
        }
        let cycles = keyspace.packing.figures().frames.read_cycles;
        packing.judge_reads(&server.config, mono_ms, cycles, |it| {
            server.cycles.micros(it)
        });
        let memory = MemoryState {
            used: alloc::used_memory() as u64,
            limit: server.memory.limit.maxmemory(),
        };
        let wake = &server.connections.wake;
        packing.gather(keyspace, &server.config, memory, mono_ms, wake);
    }
}
