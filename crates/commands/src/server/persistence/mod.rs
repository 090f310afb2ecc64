//! Commands about the files on disk, and the end of the server.
//!
//! SAVE, BGSAVE, LASTSAVE (`save`), BGREWRITEAOF and the append only file's orders (`append_only`),
//! BACKUP (`backup`), SHUTDOWN (`shutdown`). Handlers check arguments and state; the work is
//! `server::persist`'s, between turns. SAVE alone holds the loop, as in Redis.

pub(super) mod append_only;
pub(super) mod backup;
pub(super) mod save;
pub(super) mod shutdown;
