//! Settings: the table of directives, the redis.conf reader, CONFIG GET, SET and REWRITE.
//!
//!     argv, file, stdin --cli--> text --reader--> Config --get--> CONFIG GET
//!                                                  | ^
//!                                         rewrite  | |  set (all or nothing)
//!                                                  v |
//!                                              new file text
//!
//! [`Config`] is plain data: other crates read its fields, or receive them as values. `table` holds
//! every name, default and limit once. Nothing here opens a socket or changes the process; applying
//! a change (listen again, chdir) is up to `server`, which gets the names of the changed directives
//! and can roll the change back.
#![warn(missing_docs)]

mod advice;
mod checks;
mod choices;
mod cli;
mod data_files;
mod defaults;
mod dialect;
mod directive;
#[cfg(test)]
mod documents;
mod get;
mod include;
mod meaning;
mod modules;
mod outside;
mod policy;
mod problem;
mod program;
mod reader;
mod release;
mod rewrite;
mod set;
mod special;
mod table;
mod words;

pub use checks::expand_title;
pub use choices::*;
pub use cli::{NameDefaults, Run, Startup, start};
pub use dialect::{Dialect, version};
pub use directive::{Directive, Flags};
pub use policy::{EvictionOrder, EvictionPolicy, UseFigure};
pub use problem::line::{FileLine, Origin};
pub use problem::refusal::system_text;
pub use problem::{Check, Problem};
pub use program::{Errand, Login, ServerAddress, TlsFiles};
pub use reader::{Sources, load};
pub use release::{Conversion, Release};
pub use rewrite::{ForeignLines, RewriteLine};
pub use rewrite::{check_replaceable, replace_file};
pub use set::Gate;
pub use special::*;
pub use table::{Config, DIRECTIVES, find};
pub use words::Text;
pub use words::{memory_text, parse_memory, quote, split};
