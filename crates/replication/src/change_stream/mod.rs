//! The stream as changes (`CHANGES READ`): the changes of each unit, with time and user.
//!
//!     PING "russet:by 1764000000123 0 app"   MULTI  SET a 1  DEL b  EXEC   PING "russet:by ..."
//!     a note: the user is app                a unit: two changes           the next note
//!
//! The stream itself has commands and databases. Times, users and cursors are in notes, which are
//! PINGs with a message: replicas of any kind pass over them, and everything counts them as bytes
//! of the stream, so offsets are the same everywhere. [`note`] has their form, [`units`] takes the
//! stream apart, [`cursors`] are the places up to which consumers have read.

mod cursors;
mod note;
mod units;

pub use cursors::{CursorError, Cursors};
pub use note::{Note, is_note};
pub use units::{Context, Unit, Units};
