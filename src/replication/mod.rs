//! Replication: the one stream of effects, counted in bytes, and its history.
//!
//! The append only file and replicas receive the same bytes. State machines without I/O.

mod backlog;
pub mod change_stream;
mod channel;
pub mod compression;
mod handshake;
mod held;
mod history;
mod lines;
mod marks;
mod payload;
mod requests;
mod stream;

pub use backlog::Backlog;
pub use channel::{Announced, ChannelHandshake, Dialect, Join};
pub use handshake::{Agreed, Handshake, HandshakeError, Introduction};
pub use held::HeldStream;
pub use history::ReplId;
pub use marks::Mark;
pub use payload::Payload;
pub use requests::{Changes, NoRequest, Request, align, changes, first_request};
pub use stream::{Position, ReplOffset, Stream, write_select};
