//! RESP2 and RESP3: the incremental request parser, the reply writer and parser, errors.
//!
//!     request         bytes, cut anywhere -> spans of a buffer (`args`); large arguments apart
//!     reply           a client's output: bytes, shared pieces, and its limit
//!     message         bytes that several clients' outputs share
//!     reply_parser    replies of other servers
//!     error           the wordings of refusals, byte for byte Redis's
//!
//! No sockets and no clients here, except in `blocking_link` (tools). Parsers bound every length
//! before they allocate for it. The server's limits on requests and replies arrive as arguments.
#![warn(missing_docs)]

mod args;
mod blocking_link;
mod encode;
mod error;
mod findings;
mod message;
mod reply;
mod reply_parser;
mod request;

pub use args::{Args, LargeArgs, OwnedArgs, Source, Span};
pub use blocking_link::BlockingLink;
pub use encode::write_request;
pub use error::{CommandError, up_to_nul};
pub use message::message;
pub use reply::{BoundedReply, DeferredHeader, Errors, Extent, Mark, Part, Reply};
pub(crate) use reply_parser::ReplyFault;
pub use reply_parser::{Aggregate, ReplyBounds, ReplyHead, ReplyParser, ReplyValue, Text};
pub use request::{Bounds, Head, INLINE_MAX, ParseStep, Progress, ProtocolError, step};
