//! The steps of active defragmentation, over the keyspace, the scripts and the channels
//! (`parts::memory::defrag` has the schedule).

use crate::clients::table::Clients;
use crate::parts::execution::scripting::ScriptState;
use crate::parts::memory::defrag::walk::{WalkStage, Work};
use crate::parts::messages::Messages;
use crate::state::Server;
use crate::state::world::Engine;
use russet_base::memory::alloc;
use russet_base::memory::mover::Mover;
use russet_keyspace::Keyspace;
use russet_pubsub as pubsub;
use russet_scripting::Scripts;

/// Scripts or channels per step.
const NAMES_STEP: usize = 64;

impl Server {
    /// Defragments while data is loaded and no client is served.
    pub(crate) fn defrag_while_loading(&mut self, keyspace: &mut Keyspace) {
        let defrag = &mut self.memory.defrag;
        if self.config.activedefrag {
            let now_ms = self.identity.started.elapsed().as_millis() as u64;
            defrag.check_while_loading(&self.config, now_ms);
        }
        if let Some(ticks) = defrag.due_while_loading(&self.cycles) {
            self.defrag_slice(keyspace, ticks);
        }
    }

    #[cold]
    fn defrag_slice(&mut self, keyspace: &mut Keyspace, ticks: u64) {
        if self.persist.snapshots.child_progress().is_some() {
            return self.memory.defrag.forfeit();
        }
        let Some(mut slice) = self.memory.defrag.begin_slice(ticks, &self.config) else {
            return;
        };
        while defrag_step(
            &mut self.scripting,
            &mut self.messages,
            &mut self.clients,
            keyspace,
            &mut slice.work,
        ) && !slice.is_over()
        {}
        let (defrag, now_ms) = (&mut self.memory.defrag, self.now.mono_ms);
        let took_us = defrag.end_slice(slice, &self.config, &self.cycles, now_ms);
        let latency = &mut self.diagnostics.latency;
        latency.add_if_slow("active-defrag-cycle", took_us / 1000);
    }
}

impl Engine {
    /// Defragments after a turn if a slice is owed.
    pub(crate) fn continue_defrag(&mut self) {
        let Server {
            stats,
            memory,
            config,
            cycles,
            ..
        } = &mut self.server;
        if let Some(ticks) = memory.defrag.due(stats.commands, config, cycles) {
            self.server.defrag_slice(&mut self.keyspace, ticks);
        }
    }
}

/// Replaces channel names by copies at better places, both at the channel and at each
/// subscribed client. Returns the next place, `None` at the end.
fn move_channels(
    messages: &mut Messages,
    clients: &mut Clients,
    mover: &mut Mover,
    from: pubsub::Bucket,
    n: usize,
) -> Option<pubsub::Bucket> {
    let mut renewed = Vec::new();
    let next = messages.pubsub.renew(from, n, mover, &mut renewed);
    for name in &renewed {
        for &id in &name.clients {
            let session = clients.get_mut(id);
            if let Some(its) = session.and_then(|s| s.client.subscriptions.as_mut()) {
                its.renew(name.kind, &name.name);
            }
        }
    }
    if !renewed.is_empty() {
        // Freed at once: otherwise the next copies would reuse the places just left.
        drop(renewed);
        let _ = alloc::perform(c"thread.tcache.flush");
    }
    next
}

/// A step; `false`: everything has been offered.
fn defrag_step(
    scripting: &mut ScriptState,
    messages: &mut Messages,
    clients: &mut Clients,
    keyspace: &mut Keyspace,
    work: &mut Work,
) -> bool {
    let mover = &mut work.walk.mover;
    work.stage = match work.stage {
        WalkStage::Keys => {
            if keyspace.relocate_step(&mut work.walk) {
                WalkStage::Keys
            } else {
                WalkStage::Scripts(0)
            }
        }
        WalkStage::Scripts(at) => {
            let scripts: &mut Scripts = &mut scripting.scripts;
            match scripts.relocate(mover, at, NAMES_STEP) {
                Some(next) => WalkStage::Scripts(next),
                None => WalkStage::Channels(pubsub::Bucket::default()),
            }
        }
        WalkStage::Channels(at) => match move_channels(messages, clients, mover, at, NAMES_STEP) {
            Some(next) => WalkStage::Channels(next),
            None => WalkStage::Done,
        },
        WalkStage::Done => return false,
    };
    true
}
