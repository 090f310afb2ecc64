//! The basis of every black-box test: a real server process, raw RESP, deadlines.
//!
//! | module | holds |
//! |---|---|
//! | `certificates` | authorities and certificates of our own |
//! | `daemon` | start, restart, end one server process in its own folder |
//! | `fleet` | whole servers on a simulated network; simulations name it themselves |
//! | `folders` | folders of simulated nodes; simulations name it themselves |
//! | `linear` | whether a history of a key is linearizable |
//! | `memory` | memory figures that must agree |
//! | `once` | a process that ends by itself, and its output |
//! | `random` | numbers from a seed |
//! | `resp` | a connection that keeps every reply byte, and the parsed reply |
//! | `peers` | where the real servers are, and what happens if they are missing |
//! | `strangers` | what strangers may cost, and how long others wait |
//! | `wait` | conditions with deadlines instead of sleeps |
//!
//! Each test binary uses a part of this module, hence the `allow`.
#![allow(dead_code, unused_imports)]

pub mod certificates;
pub mod daemon;
pub mod linear;
pub mod memory;
pub mod once;
pub mod peers;
pub mod policies;
pub mod random;
pub mod resp;
pub mod strangers;
pub mod wait;

pub use daemon::Daemon;
pub use resp::{Connection, Reply};
pub use wait::wait_until;
