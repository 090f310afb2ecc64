//! Persistence at work: the append only file, snapshots, backups, loading, shutdown.
//!
//! Each part has its state and its decisions in a type of `parts`, which takes settings, time and
//! events and returns the consequences. This folder carries them out: clients resume, the gates are
//! recomputed, a part waits for another part (a rewrite for a snapshot, a backup for the append
//! only file or a save).

pub mod aof;
pub mod backup;
pub mod flushes;
pub mod load_steps;
pub mod loading;
pub mod preload;
pub mod shutdown;
pub mod snapshot;
