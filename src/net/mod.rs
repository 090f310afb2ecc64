//! Sockets and readiness: mio behind the few things that the server asks of it. Nobody else
//! touches a descriptor. No protocol here, and no clients.

mod dial;
mod listener;
mod stream;
mod sys;
mod token;

pub use dial::Dialled;
pub use listener::{LISTENERS_MAX, ListenError, Listener, bind_tcp, bind_unix};
pub use stream::{Address, Stream, readable};
pub use token::{Role, Target};
