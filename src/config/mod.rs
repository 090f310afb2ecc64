//! Settings: the table of directives, the redis.conf reader, CONFIG GET, SET and REWRITE.
//!
//!     argv, file, stdin --cli--> text --reader--> Config --get--> CONFIG GET
//!                                                  | ^
//!                                         rewrite  | |  set (all or nothing)
//!                                                  v |
//!                                              new file text
//!
//! [`Config`] is plain data: others read its fields, or receive them as values. `table`
//! holds every name, default and bound once. Nothing here opens a socket or changes the
//! process; what a change entails (listening again, chdir) is `server`'s, which gets the
//! names of what changed and can take it back.

mod checks;
mod choices;
mod cli;
mod directive;
#[cfg(test)]
mod documents;
mod get;
mod include;
mod problem;
mod program;
mod reader;
mod refusal;
mod rewrite;
mod set;
mod special;
mod table;
mod words;

pub use checks::expand_title;
pub use choices::*;
pub use cli::{Run, Startup, start, version_line};
pub use directive::{Directive, Empty, Feature, Flags, Kind, Support, Unit};
pub use problem::{Check, FileLine, Origin, Problem};
pub use reader::*;
pub use refusal::{ValueError, system_text};
pub use set::{Changes, Gate, SetError};
pub use special::*;
pub use table::{Config, DIRECTIVES, find};
pub use words::{Text, memory_text, parse_memory, quote, split};
