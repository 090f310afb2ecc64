//! Facts about commands: rows, key specs, options, categories, refusals. No handlers, no server.
//!
//!     spec      a row: arity, flags, key specs, categories; generic over the handler
//!     facts     questions of single places of the server about a row
//!     table     all rows by name
//!     plan      the positions of a row's keys in a command line; `keys` holds them
//!     options   words and operands of a command line, read alike by handler and key finder
//!     secrets   arguments that logs and MONITOR do not show
//!     docs      COMMAND DOCS's data: its types, and the text it is read from
//!
//! Rows stand beside their handlers (`commands/<group>/`); the gates are in `server::execution`.
#![warn(missing_docs)]

pub mod docs;
mod facts;
pub mod keys;
pub mod options;
mod plan;
pub mod secrets;
mod spec;
pub mod table;

pub use facts::Facts;
pub use plan::KeyPlan;
pub use russet_resp::{CommandError, up_to_nul};
pub(crate) use spec::FindKeys;
pub use spec::{
    Access, Arity, BadKeys, BeginSearch, Category, ChannelUse, DatabaseUse, ElementArgs, Flags,
    KeyExtent, KeySpec, Spec, Work,
};
