//! The append only file: what was done, in the order in which it was done.
//!
//!     appendonlydir/
//!         appendonly.aof.manifest           which files, in what order
//!         appendonly.aof.3.base.rdb         the keyspace as it was once
//!         appendonly.aof.7.incr.aof         what was done since: requests and annotations
//!
//! Files are Redis's: either side reads the other's. What is added are annotations with
//! checksums, which Redis passes over (`annotation`). Which commands go in is decided by
//! `keyspace::effects`, when files are switched and what an error means by `server::aof`.

mod annotation;
mod base;
mod change;
pub mod check;
mod commands;
mod disk;
mod log;
mod manifest;
mod reader;
pub mod restore;
mod stream;
mod sync;
mod units;
mod writer;

pub use base::{BaseFile, free_bytes};
pub use change::{Changed, Owner, Sealed};
#[cfg(feature = "testing")]
pub use commands::CommandWriter;
pub use disk::Disk;
#[cfg(test)]
pub use disk::{Fault as DiskFault, Step};
pub use log::{Log, Names, OpenError, Upgrade};
pub use manifest::{BaseForm, Manifest, Part, Role};
pub use reader::{Fault, Next, Reader};
pub use sync::{Syncer, Wake};
pub use writer::{Rules, SyncPolicy, Time, Trouble};
