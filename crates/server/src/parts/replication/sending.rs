//! A snapshot on its way to a replica.
//!
//!     from a pass:   $EOF:<mark>\r\n | bytes as they come | <mark>       then silence until an ACK
//!     from a file:   (wait until it is whole) $<length>\r\n | bytes      then the stream
//!
//! Each replica reads the spool at its own pace.

use std::io;

use bytes::Bytes;

use russet_base::random;
use russet_persistence::spool::{Spool, SpoolReader};
use russet_replication::primary::SnapshotFraming;

const MARK_BYTES: usize = 40;

/// See the module.
#[derive(Debug)]
pub struct SnapshotTransfer {
    spool: Spool,
    reader: SpoolReader,
    form: SnapshotFraming,
    mark: Vec<u8>,
    /// Bytes of the frame that are still to be sent: the line before the content, or the mark.
    frame: Bytes,
    stage: SendStage,
    /// When the replica's socket last took bytes, monotonic milliseconds.
    pub moved_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SendStage {
    Before,
    Content,
    After,
}

/// The next step for the socket.
pub enum Next {
    /// These bytes are to be written; [`SnapshotTransfer::advance`] takes how many were.
    Bytes(Bytes),
    /// Nothing can be sent now; the spool wakes the loop.
    Wait,
    Done(SnapshotFraming),
    /// There will be no whole snapshot.
    Failed(String),
}

impl SnapshotTransfer {
    pub fn new(
        spool: Spool,
        reader: SpoolReader,
        form: SnapshotFraming,
        now_ms: u64,
    ) -> SnapshotTransfer {
        let mark = random::hex(MARK_BYTES).into_bytes();
        let frame = match form {
            SnapshotFraming::Length => Bytes::new(),
            SnapshotFraming::Mark => [b"$EOF:", &mark[..], b"\r\n"].concat().into(),
        };
        SnapshotTransfer {
            spool,
            reader,
            form,
            mark,
            frame,
            stage: SendStage::Before,
            moved_ms: now_ms,
        }
    }

    /// Whether no byte can be sent before the snapshot is whole.
    pub fn waits(&self) -> bool {
        self.stage == SendStage::Before
            && self.form == SnapshotFraming::Length
            && self.spool.total().is_none()
    }

    /// The next bytes for the socket.
    pub fn next(&mut self) -> io::Result<Next> {
        if let Some(why) = self.spool.failure() {
            return Ok(Next::Failed(why));
        }
        loop {
            if !self.frame.is_empty() {
                return Ok(Next::Bytes(self.frame.clone()));
            }
            match self.stage {
                SendStage::Before if self.form == SnapshotFraming::Mark => {
                    self.stage = SendStage::Content
                }
                SendStage::Before => {
                    let Some(total) = self.spool.total() else {
                        return Ok(Next::Wait);
                    };
                    self.frame = format!("${total}\r\n").into_bytes().into();
                    self.stage = SendStage::Content;
                }
                SendStage::Content => match self.reader.peek()? {
                    Some(bytes) => return Ok(Next::Bytes(bytes)),
                    None if !self.reader.is_done() => return Ok(Next::Wait),
                    None => {
                        self.stage = SendStage::After;
                        if self.form == SnapshotFraming::Mark {
                            self.frame = std::mem::take(&mut self.mark).into();
                        }
                    }
                },
                SendStage::After => return Ok(Next::Done(self.form)),
            }
        }
    }

    /// The socket has taken this many of the bytes.
    pub fn advance(&mut self, n: usize, now_ms: u64) {
        self.moved_ms = now_ms;
        if self.frame.is_empty() {
            self.reader.advance(n)
        } else {
            _ = self.frame.split_to(n)
        }
    }
}
