//! A session of the script debugger: the connection of its client, and the forked children that
//! have a session.
//!
//!     offered   an EVAL of a client that debugs is on its way to its handler
//!     here      this process runs it
//!     in child  a forked child does
//!
//! `server::execution::debugging` has the work.

mod children;
mod wire;

pub use children::Children;
pub use wire::Wire;

/// The session that the running EVAL is, or may become.
pub struct DebugSession {
    pub wire: Wire,
    pub is_sync: bool,
    pub stage: Stage,
    /// Lines that the script has logged since its last stop.
    pub lines: Vec<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// EVAL has not reached its handler.
    Offered,
    /// This process runs the script.
    Here,
    /// A child runs the script.
    InChild,
}
