//! The daemon's process settings: background, pid file, title, limits.
//!
//! Each module applies a setting or a few at start; `commands::server::config` applies settings
//! again that CONFIG SET may change.

pub mod background;
pub mod data_locks;
pub mod file_limit;
pub mod listen;
pub mod locked_file;
pub mod log;
pub mod oom_score;
pub mod pidfile;
mod processors;
pub mod supervised;
pub mod title;

pub use background::enter_background;
pub use data_locks::DataLocks;
pub use file_limit::{FileLimit, raise_file_limit, spare_files};
pub use locked_file::open_locked;
pub use oom_score::apply_oom_score;
pub(crate) use oom_score::apply_oom_score_of_child;
pub(crate) use processors::processors;
pub use supervised::{feed_watchdog, supervisor};
pub use title::{show_title, take_title};
