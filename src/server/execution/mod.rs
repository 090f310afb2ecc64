//! The way of a command: parsed in batches, dispatched, checked at the gates, run; scripts, waits.

pub mod batch;
pub mod blocking;
pub mod busy;
pub mod cross_protocol;
pub mod dispatch;
pub mod execute;
pub mod gates;
pub mod script;
pub mod slots;
pub mod undo;
pub mod upstream;
