//! RESP2 and RESP3: the incremental request parser and the reply writer.

mod args;
mod encode;
mod reply;
mod request;

pub use args::{Apart, Args, OwnedArgs, Source, Span};
pub use encode::write_request;
pub use reply::{Deferred, Mark, Reply};
pub use request::{Bounds, INLINE_MAX, Progress, ProtocolError, Step, split_args, step};
