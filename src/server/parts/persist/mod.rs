//! State of everything that is kept on disk: log, snapshots, backups, loading, shutdown.
//!
//! Each part decides and writes; it returns the consequences for clients, gates and other parts,
//! which `server::persist` carries out. At most one snapshot is in progress ([`snapshot`]), and one
//! change of the append only file's set ([`aof`]); `server::persist` has one part wait for another.
//!
//! Formats of files: `russet_persistence`.

pub mod aof;
pub mod backups;
pub mod disk;
pub mod loading;
pub mod shutdown;
pub mod snapshot;
