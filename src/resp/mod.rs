//! RESP2 and RESP3: the incremental request parser, the reply writer and parser, errors.

mod args;
mod blocking_link;
mod encode;
mod error;
mod message;
mod reply;
mod reply_parser;
mod request;

pub use args::{Apart, Args, OwnedArgs, Source, Span};
pub use blocking_link::BlockingLink;
pub use encode::write_request;
pub use error::{CommandError, up_to_nul};
pub use message::message;
pub use reply::{Bounded, Deferred, Errors, Extent, Mark, Reply};
pub use reply_parser::{Aggregate, Head, ReplyBounds, ReplyFault, ReplyParser, ReplyValue, Text};
pub use request::{Bounds, INLINE_MAX, Progress, ProtocolError, Step, step};
