//! State of the loop between its turns.
//!
//! [`turn`]: clients with more to do, and deadlines. [`io_threads`]: I/O threads. [`pace`]:
//! how long work that no client waits for may take beside clients. [`reload`]: where the
//! configuration came from, for SIGHUP. [`identity`]: the process, [`debug`]: switches of DEBUG.
//! [`dial`]: links to other servers. [`early`]: requests that wait for other reads. [`timing`]: how
//! long commands take.
//!
//! The order of a turn: `server::run`.

pub mod debug;
pub(crate) mod dial;
pub(crate) mod early;
pub mod identity;
pub(crate) mod io_threads;
pub mod pace;
pub mod reload;
pub(crate) mod signals;
pub(crate) mod timing;
pub mod turn;
