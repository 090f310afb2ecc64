//! The append only file: all writes, in order.
//!
//!     appendonlydir/
//!         appendonly.aof.manifest           which files, in what order
//!         appendonly.aof.3.base.rdb         the keyspace at some moment
//!         appendonly.aof.7.incr.aof         writes since then: requests and annotations
//!
//! The format is Redis's: either side reads the other's files. Our additions are annotations with
//! checksums, which Redis skips (`annotation`). `keyspace::listeners::effects` decides which
//! commands are written, `server::parts::persist::aof` when files are switched and what an error
//! means.

mod annotation;
mod base;
mod chain;
mod change;
pub mod check;
mod commands;
mod decode;
mod disk;
mod feed;
mod hand;
mod log;
mod manifest;
mod reader;
pub mod restore;
mod scrub;
mod stray;
mod sync;
mod units;
mod writer;

pub use annotation::AsideLine;
pub use base::{BaseFile, free_bytes};
pub use change::{CompletedChange, Owner, SealedSet};
pub use commands::CommandWriter;
pub(super) use commands::ELEMENTS_MAX;
pub use disk::Disk;
#[cfg(any(test, feature = "testing"))]
pub use disk::{DiskCall, Fault as DiskFault};
pub use feed::{Feed, LogFeed};
pub use log::{Log, Names, OpenError, Retain, Upgrade};
pub use manifest::{BaseForm, Manifest, Part, Role};
pub use reader::{AsideLines, Fault, NextBytes, Reader};
pub use scrub::{Damage, End as ScrubEnd, Plan as ScrubPlan, scrub};
pub use sync::Syncer;
pub use writer::{Rules, SyncPolicy, Time, Trouble};
