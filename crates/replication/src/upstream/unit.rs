//! The parts of the primary's stream that are appended to this server's own at once.
//!
//!     SET a 1   | MULTI  SET b 1  INCR c  EXEC |   \n\n SET d 1
//!     one part  | one part: the offset moves after EXEC alone
//!
//! Invariants
//!   1. The offset moves after a command, and after EXEC for the commands of a transaction, so a
//!      link that is lost never leaves half a unit.
//!   2. Bytes are accounted for in order, newlines between commands too.
//!
//! Cost: a command alone is copied nowhere.

use super::super::marks::Mark;

/// Bytes of the stream that have been applied.
#[derive(Clone, Copy, Debug)]
pub struct AppliedBytes<'a> {
    /// Newlines before the command: the primary sends them in place of bytes that only its log has.
    pub before: &'a [u8],
    /// The command; empty after newlines alone.
    pub bytes: &'a [u8],
    /// The log takes the command; otherwise only its length.
    pub is_logged: bool,
}

impl<'a> AppliedBytes<'a> {
    /// Bytes that the log has no use for.
    pub fn unlogged(bytes: &'a [u8]) -> AppliedBytes<'a> {
        AppliedBytes {
            before: bytes,
            bytes: &[],
            is_logged: false,
        }
    }
}

/// A part of the stream that is appended to this server's own at once.
#[derive(Debug, Default)]
pub struct Unit {
    /// The bytes as the primary sent them.
    pub bytes: Vec<u8>,
    /// The bytes that the log takes, with the lengths of the parts that it does not take.
    pub logged: Vec<u8>,
    /// Bytes since the last that the log takes.
    pub left_out: u64,
}

/// The part of the stream that is complete.
#[derive(Debug)]
pub enum CompletePart<'a> {
    /// None: a transaction goes on.
    Nothing,
    /// A command, which the log takes as it is.
    Command(&'a [u8]),
    /// More, or less for the log.
    Unit(Unit),
}

impl Unit {
    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds bytes that were applied; returns what is complete now. `with_marks`: the log has
    /// annotations.
    #[inline]
    pub fn add<'a>(
        &mut self,
        applied: &AppliedBytes<'a>,
        in_transaction: bool,
        with_marks: bool,
    ) -> CompletePart<'a> {
        if in_transaction || !self.is_empty() {
            self.leave_out(applied.before);
            self.push(applied.bytes, with_marks);
            if in_transaction {
                return CompletePart::Nothing;
            }
            return CompletePart::Unit(std::mem::take(self));
        }
        if applied.is_logged && applied.before.is_empty() {
            return CompletePart::Command(applied.bytes);
        }
        let mut unit = Unit::default();
        unit.leave_out(applied.before);
        if applied.is_logged {
            unit.push(applied.bytes, with_marks);
        } else {
            unit.leave_out(applied.bytes);
        }
        CompletePart::Unit(unit)
    }

    /// Adds bytes that the log does not take.
    fn leave_out(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.left_out += bytes.len() as u64;
    }

    /// Adds a command that the log takes.
    fn push(&mut self, command: &[u8], with_marks: bool) {
        let left_out = std::mem::take(&mut self.left_out);
        if with_marks && left_out > 0 {
            Mark::ReplicasOnly(left_out).write(&mut self.logged);
        }
        self.bytes.extend_from_slice(command);
        self.logged.extend_from_slice(command);
    }
}
