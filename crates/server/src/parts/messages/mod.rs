//! Messages to clients that the client's own command did not cause.
//!
//! [`message`]: their form, encoded once for all receivers. [`outbox`]: messages wait there until
//! the command that caused them has replied, so none is ever inside a reply. [`tracking`]: which
//! clients are notified of which keys; its memory is bounded.
//!
//! Delivery: `server::messages`. Channels and patterns: `pubsub`.

pub mod message;
pub mod outbox;
pub mod tracking;

use outbox::Outbox;
use russet_keyspace::ClientId;
use russet_pubsub::Registry;
use tracking::TrackingTable;

/// Messages between clients, and their receivers.
#[derive(Default)]
pub struct Messages {
    pub(crate) outbox: Outbox,
    /// Subscriptions.
    pub pubsub: Registry,
    /// Clients that track keys.
    pub tracking: TrackingTable,
    pub monitors: Vec<ClientId>,
}
