//! Facts about commands: rows, key specs, options, categories, refusals. No handlers, no server.

pub mod docs;
pub mod keys;
pub mod options;
mod plan;
pub mod secrets;
mod spec;
pub mod table;

pub use crate::resp::{CommandError, up_to_nul};
pub use plan::KeyPlan;
pub use spec::{
    Access, Arity, BadKeys, Begin, Category, ChannelUse, DatabaseUse, Find, FindKeys, Flags,
    KeySpec, Spec, Within, Work,
};
