//! Settings that hold for the connections of clients.
//!
//! [`output_limits`]: how many reply bytes may be pending for a client. Functions without state.
//! [`tls`]: the certificates in use, their renewal, and the queue of handshakes. A thread reads
//! files that may have changed; a connection keeps the materials it began with.
//!
//! The connections themselves and their state: `server::clients`. Memory of all clients:
//! `parts::memory::client_memory`.

pub mod output_limits;
pub mod tls;
