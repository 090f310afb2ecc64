//! The append only file of a running server: when it is written, and what an error means.
//!
//!     turn's commands -> effects -> Writer's buffer -> before replies leave: one write
//!                                                       (and fsync, with `always`)
//!
//! A write is acknowledged when it is safe under the policy: with `always` on disk, otherwise
//! handed to the kernel; while an fsync is under way, that may be up to two seconds later. While
//! writing fails, the reply is held back ([`Server::withholds`]), new writes are refused with the
//! cause, and the file is retried until it succeeds.
//!
//! The set of files changes off the loop (`persistence::aof::change`): each turn checks whether the
//! change that a rewrite or a backup waits for has ended ([`Engine::look_at_changes`]).
//!
//! A failed fsync is final for its file. The unsynced bytes go to a new file if the buffer still
//! has them (`always`); otherwise only a rewrite from the keyspace makes the set whole.
//!
//! Cost: one write per turn, whatever the number of commands. `loader` replays the set at start,
//! `rewrite` compacts it.

/// Bytes written to the file between two checks of the free space.
const ROOM_LOOK_BYTES: u64 = 256 * 1024;

pub mod rewrites;

use rewrites::Rewrites;

use crate::base::clock::Now;
use crate::command::CommandError;
use crate::keyspace::{ClientId, Effects};
use crate::persistence::aof::{Disk, Log, Manifest, Names, Sealed, Time, Trouble, Wake};
use crate::replication::{ReplOffset, Stream};

/// WAITAOF's error while there is no append only file.
pub const NO_AOF: CommandError = CommandError::Text(
    "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
);

/// Whether there is an append only file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AofState {
    #[default]
    Off,
    On,
    /// Switched on; counts once its first base is complete.
    WaitsForBase,
}

/// See the module.
#[derive(Default)]
pub struct Aof {
    pub state: AofState,
    pub(in crate::server) log: Option<Box<Log>>,
    /// The set that a rewrite builds in another folder, because the server has moved there or the
    /// file is off. It receives effects since the rewrite began, in parallel with `log`, and
    /// replaces `log` when it is whole.
    pub(in crate::server) next: Option<Box<Log>>,
    pub(in crate::server) disk: Disk,
    wake: Option<Wake>,
    pub rewrites: Rewrites,
    /// The file has lost, or may have lost, data that only the keyspace has.
    pub(in crate::server) incomplete: bool,
    /// Length of the file at the last check of the free space.
    looked_at_bytes: u64,
    pub(in crate::server) retry_ms: u64,
    /// Delay before each write (DEBUG AOF-FLUSH-SLEEP), microseconds.
    pub flush_sleep_us: u64,
    /// Clients whose replies are held until their writes are safe.
    pub(in crate::server) held: Vec<ClientId>,
    /// Clients in WAITAOF, with the offset that must be on disk for them.
    pub(in crate::server) awaiting: Vec<(ReplOffset, ClientId)>,
}

pub(in crate::server) fn time(now: &Now) -> Time {
    Time {
        mono_ms: now.mono_ms,
        unix_s: now.unix_s(),
    }
}

impl Aof {
    /// How helper threads wake the loop.
    pub fn set_wake(&mut self, wake: Wake) {
        self.wake = Some(wake);
    }

    /// From the next file on, calls fail as `disk` plans.
    #[cfg(test)]
    pub fn set_disk(&mut self, disk: Disk) {
        self.disk = disk;
    }

    pub(in crate::server) fn disk(&self) -> &Disk {
        &self.disk
    }

    pub(in crate::server) fn wake(&self) -> Option<Wake> {
        self.wake.clone()
    }

    /// The set for a backup to link: none of its files is removed until [`Aof::unseal`].
    pub(in crate::server) fn seal(&mut self) -> Option<Sealed> {
        Some(self.log.as_mut()?.sealed())
    }

    pub(in crate::server) fn unseal(&mut self) {
        if let Some(log) = &mut self.log {
            log.unlink();
        }
    }

    pub(in crate::server) fn new_log(
        &self,
        names: Names,
        manifest: Manifest,
        offset: ReplOffset,
    ) -> Log {
        let (disk, wake) = (self.disk.clone(), self.wake.clone());
        Log::new(names, manifest, disk, wake, offset)
    }

    pub fn log(&self) -> Option<&Log> {
        self.log.as_deref()
    }

    /// Takes complete units of effects.
    #[inline]
    pub(in crate::server) fn take_effects(
        &mut self,
        effects: &Effects,
        stream: &mut Stream,
        now: &Now,
    ) {
        let Some(log) = &mut self.log else { return };
        let time = time(now);
        let begins = |log: &Log| log.writer.begins();
        if begins(log) || self.next.as_deref().is_some_and(begins) {
            stream.select_anew();
        }
        for unit in effects.units() {
            let before = self.next.is_some().then(|| stream.position());
            let from = log.writer.append(unit, stream, time);
            if let (Some(next), Some(before)) = (&mut self.next, before) {
                let bytes = log.writer.appended_bytes(from);
                next.writer
                    .append_bytes(bytes, (before, stream.offset()), time);
            }
        }
        // Between two tries to make a first base no file is open.
        if log.writer.path().is_none() {
            log.writer.skip();
        }
    }

    /// Whether enough was written to check the free space again.
    pub(in crate::server) fn has_written_much(&mut self) -> bool {
        let bytes = self.log.as_ref().map_or(0, |log| log.current_bytes());
        let is_much = bytes >= self.looked_at_bytes + ROOM_LOOK_BYTES;
        if is_much || bytes < self.looked_at_bytes {
            self.looked_at_bytes = bytes;
        }
        is_much
    }

    /// Whether the set of files is being changed.
    pub(in crate::server) fn is_changing(&self) -> bool {
        let is_changing = |log: &Option<Box<Log>>| log.as_ref().is_some_and(|l| l.is_changing());
        is_changing(&self.log) || is_changing(&self.next)
    }

    /// The offset up to which effects are on disk for certain; 0 while the set of files is not
    /// whole.
    pub fn synced(&self) -> ReplOffset {
        match (&self.log, self.state) {
            (Some(log), AofState::On) if !self.incomplete => log.writer.synced(),
            _ => 0,
        }
    }

    /// Why writes are refused.
    pub(in crate::server) fn trouble(&self) -> Option<&Trouble> {
        self.log.as_ref()?.writer.trouble()
    }

    /// Whether writes are refused.
    pub(in crate::server) fn refuses_writes(&self) -> bool {
        self.incomplete || self.trouble().is_some()
    }

    /// `aof_last_write_status`.
    pub fn is_sound(&self) -> bool {
        !self.refuses_writes()
    }
}
