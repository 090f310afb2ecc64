//! `client-output-buffer-limit`: limits of pending output for a client that does not read.

use super::{Lines, Special};
use crate::problem::refusal::ValueError;
use crate::words::{self, Text};

/// `client-output-buffer-limit`, one limit per kind of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputBufferLimits {
    /// Ordinary clients, MONITOR included. No limit by default.
    pub normal: OutputBufferLimit,
    /// Replicas; 256 MiB, or 64 MiB for 60 seconds.
    pub replica: OutputBufferLimit,
    /// Clients with a subscription; 32 MiB, or 8 MiB for 60 seconds.
    pub pubsub: OutputBufferLimit,
}

/// When to close a client that does not read its replies. Zero bytes mean no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputBufferLimit {
    /// Closed as soon as this much is pending.
    pub hard_bytes: u64,
    /// Closed when this much has been pending for `soft_seconds`.
    pub soft_bytes: u64,
    /// See `soft_bytes`.
    pub soft_seconds: u64,
}

impl OutputBufferLimit {
    const fn new(hard_bytes: u64, soft_bytes: u64, soft_seconds: u64) -> Self {
        OutputBufferLimit {
            hard_bytes,
            soft_bytes,
            soft_seconds,
        }
    }
}

impl Default for OutputBufferLimits {
    fn default() -> Self {
        OutputBufferLimits {
            normal: OutputBufferLimit::new(0, 0, 0),
            replica: OutputBufferLimit::new(256 << 20, 64 << 20, 60),
            pubsub: OutputBufferLimit::new(32 << 20, 8 << 20, 60),
        }
    }
}

impl Special for OutputBufferLimits {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let mut limits = *self;
        if !words.len().is_multiple_of(4) {
            return Err(ValueError::BufferLimitCount);
        }
        for row in words.chunks_exact(4) {
            let limit = match row[0].to_ascii_lowercase().as_slice() {
                b"normal" => &mut limits.normal,
                b"slave" | b"replica" => &mut limits.replica,
                b"pubsub" => &mut limits.pubsub,
                _ => return Err(ValueError::BufferLimitClass),
            };
            let bytes = |word| words::parse_memory(word).ok_or(ValueError::BufferLimitNumber);
            let seconds = words::parse_c_number(&row[3], 10)
                .and_then(|n| u64::try_from(n).ok())
                .ok_or(ValueError::BufferLimitNumber);
            *limit = OutputBufferLimit::new(bytes(&row[1])?, bytes(&row[2])?, seconds?);
        }
        *self = limits;
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        let row = |name: &str, l: OutputBufferLimit| {
            format!(
                "{name} {} {} {}",
                l.hard_bytes, l.soft_bytes, l.soft_seconds
            )
        };
        // CONFIG GET still uses the old name of replicas; CONFIG REWRITE does not.
        let rows = [
            row("normal", self.normal),
            row("slave", self.replica),
            row("pubsub", self.pubsub),
        ];
        rows.join(" ").into_bytes()
    }

    fn lines(&self, default: &Self) -> Lines {
        let line = |name: &str, l: OutputBufferLimit, standard: OutputBufferLimit| {
            let (hard, soft) = (
                words::memory_text(l.hard_bytes),
                words::memory_text(l.soft_bytes),
            );
            (
                format!("{name} {hard} {soft} {}", l.soft_seconds).into_bytes(),
                l != standard,
            )
        };
        Lines::Values(vec![
            line("normal", self.normal, default.normal),
            line("replica", self.replica, default.replica),
            line("pubsub", self.pubsub, default.pubsub),
        ])
    }
}
