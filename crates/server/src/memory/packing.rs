//! The turns of packing cold values (`parts::memory::packing` has the schedule).

use crate::parts::memory::packing::{LoadPace, MemoryState, SLICE_BYTES};
use crate::state::Server;
use crate::state::world::Engine;
use russet_base::memory::alloc;
use russet_keyspace::Keyspace;

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
        let memory = server.memory_state();
        let packing = &mut server.memory.packing;
        if server.persist.loading.in_progress() {
            // The slices of the load pack, perhaps into another keyspace.
            return packing.rest(mono_ms);
        }
        packing.adopt(keyspace, mono_ms);
        packing.unpack_some(keyspace, memory, mono_ms);
        if !packing.is_due(mono_ms) {
            return;
        }
        // A child shares the pages that packing would write.
        if server.persist.snapshots.child_progress().is_some() {
            return packing.rest(mono_ms);
        }
        let cycles = keyspace.packing.figures().frames.read_cycles;
        packing.judge_reads(&server.config, mono_ms, cycles, |it| {
            server.cycles.micros(it)
        });
        let wake = &server.connections.wake;
        packing.gather(keyspace, &server.config, memory, mono_ms, wake);
    }
}

impl Server {
    fn memory_state(&self) -> MemoryState {
        MemoryState {
            used: alloc::used_memory() as u64,
            limit: self.memory.limit.maxmemory(),
        }
    }

    /// Bytes of the next slice of a load into `keyspace`, before which loaded strings are packed.
    /// `None`: the load goes on in a later turn, because memory is at its limit and strings are
    /// with the thread, or because the slice is not due (`LoadState::slice_bytes`).
    pub(crate) fn load_slice_bytes(&mut self, keyspace: &mut Keyspace) -> Option<u64> {
        let started = self.identity.started;
        let bytes = self.persist.loading.slice_bytes(&self.config, started)?;
        let memory = self.memory_state();
        let (mono_ms, wake) = (self.now.mono_ms, &self.connections.wake);
        let packing = &mut self.memory.packing;
        match packing.pace_load(keyspace, &self.config, memory, mono_ms, wake) {
            LoadPace::Free => Some(bytes),
            LoadPace::Packs => Some(bytes.min(SLICE_BYTES)),
            LoadPace::Waits => None,
        }
    }
}
