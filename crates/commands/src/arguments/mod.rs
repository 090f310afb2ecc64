//! Arguments that commands of several groups share.
//!
//! Parsing and replies only: nothing here opens a key, except `several_keys`, which pops through
//! the callers' closures. An error of a single command is a constant of its file.
//!
//!     db_index      a database, and the commands that a cluster refuses
//!     element       indexes, counts and elements of containers
//!     expiry        EX, PX, EXAT, PXAT
//!     sample        COUNT of HRANDFIELD and the like
//!     scan          MATCH, COUNT, TYPE of the SCAN commands
//!     several_keys  `numkeys key ...` of LMPOP, ZMPOP and the blocking pops
//!     timeout       the time that a blocking command waits

pub(super) mod db_index;
pub(super) mod element;
pub(super) mod expiry;
pub(super) mod sample;
pub(super) mod scan;
pub(super) mod several_keys;
pub(super) mod timeout;
