//! Listeners to changes of keys.
//!
//!     effects      bytes that repeat a write, for the log, replicas and nodes that take over slots
//!     journal      changes in order, for keyspace events and clients that cache their reads
//!     record       the only path of a change to all of them
//!     unconfirmed  keys whose last change too few replicas have (`min-sync-replicas`)
//!     watch        WATCH: the clients whose transactions can no longer run
//!     waiting      keys that blocked clients wait for, and those of them that became ready
//!
//! Every change of a key passes through `Keyspace::record_change` (`record`), which serves all but
//! the effects; a command records its effect separately. All of them only collect: the server takes
//! changes, clients and ready keys after each command (`server::execution`), effects when their
//! unit is complete. Cost of a change without listeners: a test for each of them.

pub(super) mod effects;
pub(super) mod journal;
pub(super) mod record;
pub(super) mod unconfirmed;
pub(super) mod waiting;
pub(super) mod watch;
