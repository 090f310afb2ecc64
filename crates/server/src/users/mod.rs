//! Users of connections at work: login, permissions, budgets.
//!
//! `login` carries out AUTH and the ACL commands and applies changed users to open connections;
//! `budgets` admits, measures and charges commands. Without budgets a command costs a test of the
//! client's flags. Elsewhere: `russet_acl` has users and rules; `parts::users` keeps them, the
//! accounts and the attempts, and decides; `run::budgets` resumes held connections.

pub mod budgets;
pub mod login;
