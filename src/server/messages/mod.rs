//! Messages between clients: pub/sub, invalidations, MONITOR, and their delivery.
//!
//! # Messages between clients
//!
//! `pubsub/` knows the listeners: channels and shard channels by name; patterns by their literal
//! prefix (only those whose prefix matches the channel are tried, found in one pass over its name:
//! `heads`); and readers of keys and prefixes for client-side caching (BCAST prefixes are stored
//! once for all clients in a radix tree, `prefix_tree`; each client has its own in a front-coded
//! list, `prefix_list`). `server/messages/pubsub.rs` encodes a message once and delivers it to all
//! receivers: short ones are copied after their pending replies, longer ones shared. Only the
//! outbox writes into the reply of the client whose command runs: its messages follow its own
//! reply. Events come from the journal, after each command; tracking reads the same journal:
//! `server::parts::messages::tracking::Tracking` returns the invalidations, and
//! `server/messages/tracking.rs` delivers them. BCAST clients are notified once a turn, before
//! replies leave. A receiver's pending messages count as its memory and against its output limit at
//! once.
//!
//! A key that a caching client has read is stored as its seeded 64-bit hash and length: comparing
//! the bytes would be one more cache miss at every read.

pub mod monitor;
pub mod outbox;
pub mod pubsub;
pub mod tracking;
