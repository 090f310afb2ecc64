//! Data for another server: the limits of its files, and the same data in such a file.
//!
//!     obstacles   values that stand in the way, named as they are found
//!     output      an RDB file for a target, which gets its name when it is whole
//!     rdb         reading an RDB file and writing it again, key by key
//!     version     the versions of files that a target reads as they are
//!
//! No value is lost unnoticed: a value that the target's files cannot hold is an obstacle, and
//! either the user has asked to leave such keys out, or the module makes no file. It writes a value
//! in the form that the target's files have. Append only files are applied to a keyspace first
//! (`server::convert`).
//!
//! Memory: the largest value, and its bytes in the file from one write to the next. So the module
//! does not notice a key that an RDB file holds twice, which no server writes: it writes the key
//! twice, and the target refuses the new file as it would have refused the old file.

mod obstacles;
mod output;
mod rdb;
mod version;

use std::io;
use std::path::PathBuf;

pub use obstacles::Obstacles;
pub use output::{Output, TargetFile};
pub use rdb::{commands_follow, read_rdb, report_left_out};
pub use version::unreadable_version;

use super::rdb::{
    RdbError, VERSION_FIELD_TTLS, VERSION_MEMBER_TTLS, VERSION_MIGRATE, VERSION_NEWEST,
    VERSION_USUAL, VERSION_VALKEY,
};
use russet_base::text::system_text;
use russet_config::Release;

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// A file that cannot be read or written.
    #[error("{}: {}", .0.display(), system_text(.1))]
    Io(PathBuf, io::Error),
    /// A file that is not sound.
    #[error("{}: {}", .0.display(), .1)]
    Damaged(PathBuf, RdbError),
    /// Any other reason, as a line for the user.
    #[error("{0}")]
    Reported(String),
}

/// The version of RDB files that a target reads and that holds the most.
fn version_of(target: Release) -> u32 {
    match target {
        Release::Redis70 => VERSION_MIGRATE,
        Release::Redis72 | Release::Valkey81 => VERSION_USUAL,
        Release::Redis80 => VERSION_FIELD_TTLS,
        Release::Redis810 => VERSION_NEWEST,
        Release::Redis812 => VERSION_MEMBER_TTLS,
        Release::Valkey91 => VERSION_VALKEY,
    }
}
