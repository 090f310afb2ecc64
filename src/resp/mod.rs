//! RESP2 and RESP3: the incremental request parser, the reply writer, refusals.

mod args;
mod encode;
mod error;
mod reply;
mod request;

pub use args::{Apart, Args, OwnedArgs, Source, Span};
pub use encode::write_request;
pub use error::{CommandError, up_to_nul};
pub use reply::{Deferred, Mark, Reply};
pub use request::{Bounds, INLINE_MAX, Progress, ProtocolError, Step, step};
