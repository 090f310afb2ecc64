//! The lines `sentinel ...` of the configuration file, which also hold the state: read into a
//! [`Setup`], written from a [`Setup`].
//!
//! Redis's and Valkey's words are read, the primary word beside the master word. Written are
//! Redis's, which both read. The file's other lines belong to `russet_config`.

mod lines;
mod read;
mod setup;

pub use lines::rewrite;
pub use read::from_file;
pub use setup::Setup;
pub(crate) use setup::{Globals, KnownPeer, KnownPrimary, PrimarySettings};
