//! Sockets and readiness: a thin layer over mio. Only this crate handles descriptors. It knows no
//! protocol except TLS (`tls`), and no clients.
#![warn(missing_docs)]

mod connecting;
mod dial;
pub mod gather;
pub mod io_thread;
#[cfg(test)]
#[path = "io_thread/tests/mod.rs"]
mod io_thread_tests;
mod listener;
mod outside;
#[cfg(feature = "testing")]
pub mod simulated;
mod slab;
mod stream;
mod sys;
pub mod tls;
mod token;
mod unpacking;

pub use connecting::{ConnectAttempt, Destination};
pub use dial::DialledStream;
pub use listener::{
    AcceptedStream, LISTENERS_MAX, ListenError, Listener, SocketSettings, Transport, bind_tcp,
    bind_unix, unix_address,
};
pub use slab::Slab;
pub use stream::{Address, Stream, await_stream, readable};
pub use token::{Role, Target};
pub use unpacking::Unpack;
