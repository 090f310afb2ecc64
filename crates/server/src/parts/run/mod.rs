//! State of the loop between its turns.
//!
//! [`turn`]: clients with more to do, and deadlines. [`couriers`]: I/O threads. [`pace`]:
//! how long work that no client waits for may take beside clients. [`reload`]: where the
//! configuration came from, for SIGHUP. [`identity`]: the process, [`debug`]: switches of DEBUG.
//! [`dial`]: links to other servers. [`early`]: requests that wait for other reads. [`timing`]: how
//! long commands take.
//!
//! The order of a turn: `server::run`.

pub(in crate::server) mod couriers;
pub mod debug;
pub(in crate::server) mod dial;
pub(in crate::server) mod early;
pub mod identity;
pub mod pace;
pub mod reload;
pub(in crate::server) mod signals;
pub(in crate::server) mod timing;
pub mod turn;
