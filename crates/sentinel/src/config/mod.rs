//! The lines `sentinel ...` of the configuration file, which also hold the state: read into a
//! [`Setup`], written from a [`Setup`].
//!
//! The reader knows the words of Redis and Valkey, the primary word beside the master word. The
//! writer uses Redis's words, because both programs read them. The file's other lines belong to
//! `russet_config`.

mod lines;
mod read;
mod setup;

pub use lines::rewrite;
pub use read::from_file;
pub use setup::Setup;
pub(crate) use setup::{Globals, KnownPeer, KnownPrimary, PrimarySettings};
