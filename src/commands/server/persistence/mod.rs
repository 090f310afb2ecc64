//! Commands about what is kept on disk, and the end of the server.

pub(super) mod append_only;
pub(super) mod backup;
pub(super) mod save;
pub(super) mod shutdown;
