//! The connection commands.

mod auth;
mod client;
mod client_closed;
mod client_control;
mod client_filter;
mod client_list;
mod client_tracking;
pub(super) mod docs;
mod session;

use crate::server::Spec;

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
