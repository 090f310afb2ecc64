//! Messages between clients: pub/sub, invalidations, MONITOR, and their delivery.
//!
//! # Messages between clients
//!
//! `pubsub/` knows the listeners: channels and shard channels by name; patterns by their literal
//! prefix (only patterns whose prefix matches the channel are tried, found in one pass over the
//! channel's name: `heads`); and readers of keys and prefixes for client-side caching (BCAST
//! prefixes are stored once for all clients in a radix tree, `prefix_tree`; each client has its own
//! prefixes in a front-coded list, `prefix_list`). `server/messages/pubsub.rs` encodes a message
//! once and delivers it to all receivers: short messages are copied after the receiver's pending
//! replies, longer messages are shared. Only the outbox writes into the reply of the client whose
//! command runs: the client's messages follow the command's reply. Events come from the journal,
//! after each command; tracking reads the same journal:
//! `server::parts::messages::tracking::TrackingTable` returns the invalidations, and
//! `server/messages/tracking.rs` delivers them. BCAST clients are notified once a turn, before
//! replies leave. A receiver's pending messages count as its memory and against its output limit at
//! once.
//!
//! A key that a caching client has read is stored as its seeded 64-bit hash and length, because
//! comparing the bytes would cost another cache miss at every read.

pub mod monitor;
pub mod outbox;
pub mod pubsub;
pub mod tracking;
