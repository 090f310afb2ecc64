//! The connection commands.
//!
//! They work on the connection that sends them or on other connections (CLIENT LIST, KILL,
//! UNBLOCK), never on keys.
//!
//!     auth      AUTH, HELLO              client_*  CLIENT's subcommands by subject
//!     client    CLIENT, own fields       session   PING, ECHO, SELECT, QUIT, RESET
//!
//! Decided elsewhere: connections and their state: `server::clients`; users: `russet_acl`.

mod auth;
mod client;
mod client_closed;
mod client_control;
mod client_filter;
mod client_flags;
mod client_list;
mod client_tracking;
mod session;

use russet_server::Spec;

pub(super) static SPECS: &[Spec] = &[
    auth::AUTH,
    auth::HELLO,
    client::CLIENT,
    session::ECHO,
    session::PING,
    session::QUIT,
    session::RESET,
    session::SELECT,
];
