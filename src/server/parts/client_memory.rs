//! `maxmemory-clients`: the clients that hold the most memory are closed until the rest fits.
//!
//! While there is a limit every session's memory is added up as it changes: after its commands,
//! after others have sent it much, and after its output is flushed; cron recounts all of them.
//! Without a limit nothing is counted.

/// The memory of all clients together.
#[derive(Debug, Default)]
pub struct ClientMemory {
    /// Bytes; 0: no limit, and nothing is counted.
    pub(in crate::server) limit: usize,
    pub(in crate::server) total: usize,
}
