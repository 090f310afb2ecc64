//! What the server does for the users of its connections: login, permissions, budgets.

pub mod budgets;
pub mod login;
