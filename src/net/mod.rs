//! Sockets and readiness: mio behind the few things that the server asks of it.
//! No protocol, no clients here.

mod listener;
mod stream;
mod token;

pub use listener::{ListenError, Listener, bind_tcp, bind_unix};
pub use stream::{Address, Stream};
pub use token::{CONTROL, LISTENERS_MAX, Target, client_token, listener_token, target_of};
