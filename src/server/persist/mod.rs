//! What is kept on disk: the append only file, snapshots, backups, loading, shutdown.

pub mod aof;
pub mod backup;
pub mod load_steps;
pub mod loading;
pub mod shutdown;
pub mod snapshot;
