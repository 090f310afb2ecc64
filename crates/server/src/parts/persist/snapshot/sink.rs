//! Sinks: they receive the keys of a snapshot, and each becomes a file.
//!
//! A sink belongs to the driver, which makes it ([`super::making`]) for a target; its bytes go to a
//! thread, or, in a child, straight to the file.

use std::io;

use russet_keyspace::Saver;
use russet_persistence::aof::BaseFile;

/// Receives the keys of a snapshot. Dropped before its end, it leaves no file.
pub trait Sink: Saver {
    /// All keys are saved: writes the end of the file, and forces it to disk.
    fn finish(&mut self);

    /// Bytes that wait to be written.
    fn waiting_bytes(&self) -> usize;

    /// How the sink ended, once it has ended; returned only once. The sink may end before
    /// [`Sink::finish`], with an error.
    fn ended(&mut self) -> Option<io::Result<()>>;

    /// Fails the sink if it would have room only after the loop has served other clients, because
    /// they wait now.
    fn fail_if_stuck(&mut self) {}
}

impl Sink for BaseFile {
    fn finish(&mut self) {
        BaseFile::finish(self);
    }

    fn waiting_bytes(&self) -> usize {
        BaseFile::memory_bytes(self)
    }

    fn ended(&mut self) -> Option<io::Result<()>> {
        Some(BaseFile::ended(self)?.map(|_| ()))
    }
}
