//! Clients: their state, their connections, their waits, and the table of all of them.
//!
//! `Client` is the identity and the state that commands see; `Session` adds the socket, the input
//! and the pending replies. `Clients` has every session, and lends a session out while it is
//! served. Elsewhere: `run` reads, writes and closes; `execution` runs the commands, and blocks and
//! serves clients that wait; `parts::clients` has output limits and TLS,
//! `parts::memory::client_memory` the limit of all clients' memory.

pub mod batch;
pub mod blocked;
pub mod client;
pub mod ending;
mod exemptions;
pub mod fieldsets;
pub mod held;
pub mod input;
pub mod output;
pub mod session;
pub mod table;
pub mod waiting_replies;
