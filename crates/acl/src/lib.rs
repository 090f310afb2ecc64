//! Users: their logins and their permissions.
//!
//!     rule words --rule--> Rule --apply--> User { passwords, selectors }
//!     user + command line --check--> allowed, or the denied part
//!
//! A [`User`] has a root [`Selector`] and any number of others; a command is allowed if any
//! selector allows all of it. Applying a rule compiles it into a selector: a bit for every command,
//! precompiled key and channel patterns, databases. The command rules are also kept as text, in the
//! order in which ACL LIST shows them.
//!
//! A user may also hold roles (`role`); a role's selectors count as the user's own.
//!
//! A user's [`Budgets`] bound what its connections may use.
//!
//! Commands are known by their numbers in the server's table, whose names, categories and
//! containers [`Commands`] holds; after them come commands that the server lacks but rules may name
//! (`reserved`). `rename-command` has no effect here. `server::parts::users` decides which user a
//! connection belongs to, and what follows from a change.
//!
//! Cost: a check is O(1) for the command, plus O(keys * patterns) unless all keys are allowed. A
//! change is O(rules).
//!
//! # Users
//!
//! `acl` knows users and rules, but no server: `User::apply_all` compiles rules into selectors (a
//! bit for each command of the table, patterns classified as name, prefix or glob), and
//! `User::check` tests them for a command line, with the keys of the row's plan and the channels
//! and databases that the row declares. ACL DRYRUN, the gates, EXEC and scripts all use the same
//! function. A connection has its user's number and a flag for a user that lacks any permission
//! (`ClientFlags::RESTRICTED`): connections without the flag need no check, and restricted users
//! stay on the short way, too, as long as their commands are permitted (`Acl::permits`).
//! `server::parts::users::Acl` owns the users; each of its methods acts on one connection, and the
//! changes of users return the consequences for the others. A role (`acl/role.rs`) is a named list
//! of selectors; the role's users have copies of the selectors, and a change of the role renews the
//! copies. `server/users/login.rs` carries out the consequences: it closes connections, and logs
//! denials (`acl/log.rs`). When too many attempts from an address fail, the server delays each next
//! attempt: the attempt waits as a blocked command does. `acl/attempts.rs` has a bounded table of
//! addresses.
//!
//! A user's budgets (`acl/budget.rs`) have an account (`parts/users/budgets.rs`) with token buckets
//! that all connections of the user share. These connections have the flag `BUDGETED`, which takes
//! a command the long way (`SLOW_PATH`), so other users' commands meet at most a further test of a
//! flag; the commands of a budgeted user are checked in `users/budgets.rs` and take the short way
//! again. A connection over the budget gets the flag `HELD`: the server postpones the connection's
//! command as for CLIENT PAUSE, and does not read the connection. The connection waits in the
//! account's queue. When the bucket has 10 ms' worth, `run/budgets.rs` continues the first
//! connections, each with a share, so that a flood does not wake the loop for each of its commands.
//! `work=` is a gate (`gates/work.rs`): a row that may touch many elements has a function that
//! counts the elements before the command runs, with the handler's parser (`commands/work.rs`). A
//! test demands the function, or an excuse, for every command on data. `reply=` is a limit of a
//! single reply (`Reply::begin_bounded`), which leaves earlier replies alone.
#![warn(missing_docs)]

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

pub use attempts::{Attempts, CheckTime};
pub use budget::{Budgets, OverBudget};
pub use commands::{CommandFacts, Commands};
#[cfg(feature = "testing")]
pub use file::parse_users;
pub use file::{FileUsers, LoadError, parse_file, write_file};
pub use log::{AclLog, Context, Event, LOG_SHOWN, Reason};
#[cfg(feature = "testing")]
pub use password::Hash;
pub use password::password_rule;
pub use pattern::Pattern;
#[cfg(feature = "testing")]
pub use reserved::reserved_names;
pub use role::{Role, Roles, Terms};
#[cfg(feature = "testing")]
pub use rule::RuleError;
pub use rule::RulesError;
pub use selector::{CommandLine, Denial, Selector};
pub use store::{UserId, Users};
pub use user::{Proof, User, keeps};
