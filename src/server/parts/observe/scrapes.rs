//! Connections that scrape the metrics (`run::links::scrape` serves them).

use russet_net::{Slab, Stream};

/// One connection.
pub(in crate::server) struct Scrape {
    pub stream: Stream,
    /// The received part of the request.
    pub request: Vec<u8>,
    pub answer: Vec<u8>,
    /// Bytes of the answer sent.
    pub sent: usize,
    pub write_armed: bool,
    pub due_ms: u64,
}

/// All scrape connections.
#[derive(Default)]
pub(in crate::server) struct Scrapes {
    pub slab: Slab<Box<Scrape>>,
    /// Connections may be waiting at a listener.
    pub waiting: bool,
}
