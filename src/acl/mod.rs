//! Users: who may log in, and what each may do.
//!
//!     rule words --rule--> Rule --apply--> User { passwords, selectors }
//!     user + command line --check--> allowed, or what was denied
//!
//! A [`User`] has a root [`Selector`] and any number of others; a command is allowed if one of
//! them allows all of it. A selector is compiled as rules are applied to it: a bit for every
//! command, precompiled key and channel patterns, databases. The command rules are also kept as
//! text, in the order in which ACL LIST shows them.
//!
//! A user may also hold roles (`role`), whose selectors count as its own.
//!
//! What its connections may use is bounded by its [`Budgets`].
//!
//! Commands are known by their numbers in the server's table, whose names, categories and
//! containers [`Commands`] holds; after them come those that the server lacks but rules may name
//! (`reserved`). `rename-command` has no effect here. Which user a connection belongs to, and
//! what follows from a change, is decided in `server::parts::users`.
//!
//! Cost: a check is O(1) for the command, plus O(keys * patterns) unless all keys are allowed. A
//! change is O(rules).

mod attempts;
mod bits;
mod budget;
mod commands;
mod describe;
mod file;
mod log;
mod password;
mod pattern;
mod reserved;
mod role;
mod rule;
mod selector;
mod store;
mod user;

pub use attempts::{Attempts, Judged};
pub use budget::{Budgets, Over};
pub use commands::{CommandFacts, Commands};
#[cfg(feature = "testing")]
pub use file::parse_users;
pub use file::{FileUsers, LoadError, parse_file, write_file};
pub use log::{AclLog, Context, Event, LOG_SHOWN, Reason};
pub use password::password_rule;
pub use pattern::Pattern;
pub use role::{Role, Roles, Terms};
pub use rule::RulesError;
pub use selector::{CommandLine, Denied, Selector};
pub use store::{UserId, Users};
pub use user::{Proof, User, keeps};
