//! Facts about commands: rows, key specs, categories, refusals. No handler, no server.

pub mod docs;
mod error;
pub mod finders;
pub mod keys;
mod spec;

pub use error::{CommandError, up_to_nul};
pub use spec::{
    Access, Arity, BadKeys, Begin, Category, Find, FindKeys, Flags, KeySpec, Spec, Within,
};
