//! What the server keeps on disk: log, snapshots, backups, loading.

pub mod aof;
pub mod backups;
pub mod disk;
pub mod loading;
pub mod shutdown;
pub mod snapshot;
