//! A reader of a spool, on the loop's thread.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::{Buf, Bytes};

use super::{NO_READER, SegmentPlace, SharedSpool};

/// Bytes of a read from the file.
const READ_BYTES: usize = 128 * 1024;

/// Reads a spool from its first byte on. Dropping it lets the spool drop the bytes held for it.
pub struct SpoolReader {
    shared: Arc<SharedSpool>,
    id: u64,
    position: u64,
    /// The bytes at the position that were found last: part of a segment in memory, or read from
    /// the file.
    held: Bytes,
}

impl SpoolReader {
    /// The reader with this number, at the first byte.
    pub(super) fn new(shared: Arc<SharedSpool>, id: u64) -> SpoolReader {
        SpoolReader {
            shared,
            id,
            position: 0,
            held: Bytes::new(),
        }
    }

    /// Bytes read so far.
    #[cfg(test)]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Bytes ready to be read; none once the spool has failed.
    #[cfg(test)]
    pub fn available(&self) -> u64 {
        let state = self.shared.state();
        match state.failure {
            Some(_) => 0,
            None => state.end - self.position,
        }
    }

    /// Whether all bytes of a whole spool are read.
    pub fn is_done(&self) -> bool {
        let state = self.shared.state();
        state.failure.is_none() && state.is_whole && state.end == self.position
    }

    /// The next contiguous bytes; [`SpoolReader::advance`] passes them. `None`: there are none yet,
    /// and the loop is woken when there are, or all are read ([`SpoolReader::is_done`]).
    ///
    /// Error: the spool has failed, or its file cannot be read.
    pub fn peek(&mut self) -> io::Result<Option<Bytes>> {
        let mut state = self.shared.state();
        if let Some(why) = &state.failure {
            let why = why.clone();
            drop(state);
            self.held = Bytes::new();
            return Err(io::Error::other(why));
        }
        if !self.held.is_empty() {
            return Ok(Some(self.held.clone()));
        }
        let at = self.position;
        let next = state.segments.partition_point(|s| s.end() <= at);
        let Some(segment) = state.segments.get(next) else {
            state.is_starved |= !state.is_whole;
            return Ok(None);
        };
        let skipped = at - segment.start;
        match &segment.place {
            SegmentPlace::Memory(bytes, _) => self.held = bytes.slice(skipped as usize..),
            SegmentPlace::File(begin) => {
                let len = (segment.len - skipped).min(READ_BYTES as u64) as usize;
                let from = begin + skipped;
                let file = state.file.clone();
                drop(state);
                let mut bytes = vec![0; len];
                let file = file.ok_or_else(|| io::Error::other("the spool has no file"))?;
                file.read_exact_at(&mut bytes, from)?;
                self.held = bytes.into();
            }
        }
        Ok(Some(self.held.clone()))
    }

    /// Passes `n` of the bytes that [`SpoolReader::peek`] has returned.
    pub fn advance(&mut self, n: usize) {
        self.held.advance(n);
        if self.held.is_empty() {
            // An empty slice would keep its buffer.
            self.held = Bytes::new();
        }
        self.position += n as u64;
        let mut state = self.shared.state();
        if let Some((_, at)) = state.readers.iter_mut().find(|(id, _)| *id == self.id) {
            *at = self.position;
        }
        if state.trim() && state.is_stuck {
            drop(state);
            self.shared.room.notify_all();
        }
    }
}

impl std::fmt::Debug for SpoolReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = self.position;
        f.debug_struct("SpoolReader")
            .field("at", &at)
            .finish_non_exhaustive()
    }
}

impl Drop for SpoolReader {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.readers.retain(|(id, _)| *id != self.id);
        state.served += usize::from(state.is_whole && self.position == state.end);
        let is_last = state.readers.is_empty() && !state.is_whole && state.failure.is_none();
        if is_last {
            state.is_unread = true;
            state.fail(NO_READER);
        }
        state.trim();
        drop(state);
        self.shared.room.notify_all();
    }
}
