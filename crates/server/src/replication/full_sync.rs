//! Snapshots for full syncs at work: replicas read their bytes from a spool (`persistence::spool`)
//! while the pass makes them. `server::replication::primary` decides which replicas wait for a
//! snapshot, and the form of the snapshot.

use crate::parts::persist::Persist;
use crate::parts::persist::snapshot::{Consumer, SnapshotEnd, SyncForm, Target, TargetKind};
use crate::parts::replication::Replication;
use crate::state::{Connections, Server};
use russet_config::Config;
use russet_keyspace::Keyspace;
use russet_persistence::spool::{Spool, SpoolPlan};

impl Server {
    /// Begins a snapshot for replicas; they read the spool ([`Spool::reader`]) from now on. The
    /// stream of effects that follows the snapshot begins at the position of this call.
    ///
    /// Error: why it cannot begin, for example because another snapshot or a rewrite is in
    /// progress. Cost: as
    /// [`Snapshots::begin`](crate::parts::persist::snapshot::Snapshots::begin).
    pub fn begin_sync_snapshot(
        &mut self,
        keyspace: &mut Keyspace,
        form: SyncForm,
    ) -> Result<Spool, String> {
        if self.persist.snapshots.in_progress() || self.persist.aof.rewrites.in_progress() {
            return Err("another snapshot is in progress".to_owned());
        }
        let (spool, target) = self
            .persist
            .sync_target(&self.config, &self.connections, form);
        let begun = self.begin_snapshot(keyspace, vec![target]);
        match begun {
            Ok(pid) => tracing::info!("Background RDB transfer started by pid {pid}"),
            Err(why) => {
                tracing::warn!("Can't begin a snapshot for replicas: {why}");
                return Err(why);
            }
        }
        Ok(spool)
    }

    /// Cancels the snapshots for replicas: their spools fail.
    pub fn give_up_sync(&mut self, keyspace: &mut Keyspace) {
        if self.persist.snapshots.serves_replicas() {
            self.give_up_snapshot(keyspace, Consumer::FullSync);
        }
    }
}

impl Persist {
    /// An empty spool, and the target that fills it, for [`Server::begin_snapshot`]: alone, or
    /// beside others that begin at the same moment.
    pub fn sync_target(
        &self,
        config: &Config,
        connections: &Connections,
        form: SyncForm,
    ) -> (Spool, Target) {
        let plan = SpoolPlan {
            dir: std::env::current_dir().unwrap_or_default(),
            memory_max: usize::try_from(config.repl_spool_memory).unwrap_or(usize::MAX),
            checksum: Some(config.rdbchecksum),
            packs: form.packed,
            disk: self.aof.disk().clone(),
        };
        let spool = Spool::new(plan, connections.wake.clone());
        let target = Target::new(TargetKind::Spool {
            spool: spool.clone(),
            form,
        });
        (spool, target)
    }
}

impl Replication {
    /// The snapshot of a spool has ended: it is whole, or fails.
    pub(crate) fn sync_snapshot_ended(&mut self, spool: &Spool, end: &SnapshotEnd) {
        match end {
            SnapshotEnd::Done => {
                let is_shared = self.sync.as_ref().is_some_and(|its| its.is_same(spool));
                if is_shared && self.replicas.sends_by_mark() {
                    // As Redis words it.
                    tracing::info!(
                        "Diskless rdb transfer, done reading from pipe, {} replicas still up.",
                        spool.readers_up()
                    );
                }
                tracing::info!("Background RDB transfer terminated with success");
                return;
            }
            SnapshotEnd::Cancelled if spool.is_unread() => {
                // As Redis words it, also without a child.
                tracing::info!("Diskless rdb transfer, last replica dropped, killing fork child.");
                tracing::warn!("Background transfer error: {}", end.why());
            }
            SnapshotEnd::Killed(signal) => {
                tracing::warn!("Background transfer terminated by signal {signal}");
            }
            SnapshotEnd::Failed(_) | SnapshotEnd::Unwanted | SnapshotEnd::Cancelled => {
                tracing::warn!("Background transfer error: {}", end.why());
            }
        }
        spool.fail(end.why());
    }
}
