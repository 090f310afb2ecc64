//! Facts about commands: rows, key specs, categories, refusals. No handler, no server.

pub mod docs;
pub mod finders;
pub mod keys;
mod plan;
mod spec;

pub use crate::resp::{CommandError, up_to_nul};
pub use plan::KeyPlan;
pub use spec::{
    Access, Arity, BadKeys, Begin, Category, ChannelUse, DatabaseUse, Find, FindKeys, Flags,
    KeySpec, Spec, Within,
};
