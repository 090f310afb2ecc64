//! Users: logins, locked sessions, budgets.
//! Each file tests the folder or file of the server that has its name.

mod budgets;
mod lock;
mod login;
