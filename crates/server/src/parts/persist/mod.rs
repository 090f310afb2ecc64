//! State of everything that is kept on disk: log, snapshots, backups, loading, shutdown.
//!
//! Each part decides and writes; it returns the consequences for clients, gates and other parts,
//! which `server::persist` carries out. At most one snapshot is in progress ([`snapshot`]), and one
//! change of the append only file's set ([`aof`]); `server::persist` lets a part wait for another
//! part.
//!
//! Formats of files: `russet_persistence`.

pub mod aof;
pub mod backups;
pub mod disk;
pub mod loading;
pub mod shutdown;
pub mod snapshot;

use crate::process::DataLocks;
use aof::Aof;
use backups::Backups;
use loading::LoadState;
use russet_base::clock::Now;
use russet_keyspace::DbIndex;
use russet_replication::Stream;
use russet_replication::upstream::Unit;
use snapshot::Snapshots;
use snapshot::save::SaveState;

/// The parts that keep data on disk, and load it.
pub struct Persist {
    pub loading: LoadState,
    /// The snapshot in progress, whatever its purpose.
    pub snapshots: Snapshots,
    /// Snapshots to the dump file.
    pub saving: SaveState,
    pub aof: Aof,
    pub backups: Backups,
    pub locks: DataLocks,
}

impl Persist {
    /// `now_s`: Unix seconds.
    pub fn new(now_s: i64) -> Persist {
        Persist {
            loading: LoadState::default(),
            snapshots: Snapshots::default(),
            saving: SaveState::new(now_s),
            aof: Aof::default(),
            backups: Backups::default(),
            locks: DataLocks::default(),
        }
    }

    /// Appends bytes to this server's stream; the log takes `logged` in their place, which lacks
    /// `left_out` bytes at its end.
    #[inline]
    pub(crate) fn append_stream(
        &mut self,
        stream: &mut Stream,
        now: &Now,
        bytes: &[u8],
        logged: &[u8],
        left_out: u64,
    ) {
        let before = (stream.position(), stream.selected());
        stream.record_position();
        stream.append(bytes);
        let after = stream.offset();
        let aof = &mut self.aof;
        aof.take_stream(logged, left_out, (before, after), now);
    }

    /// Appends a part of the primary's stream. `db`: the database selected after it.
    pub(crate) fn append_unit(&mut self, stream: &mut Stream, now: &Now, db: DbIndex, unit: &Unit) {
        self.append_stream(stream, now, &unit.bytes, &unit.logged, unit.left_out);
        stream.set_selected(Some(db));
    }
}
