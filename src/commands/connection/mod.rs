//! The connection commands.

mod auth;
pub(super) mod docs;
mod session;

use crate::server::Spec;

pub(super) static SPECS: &[Spec] = &[
    auth::AUTH,
    auth::HELLO,
    session::ECHO,
    session::PING,
    session::QUIT,
    session::RESET,
    session::SELECT,
];
