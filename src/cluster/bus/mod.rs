//! The links of the bus: dialled, accepted, proven; what leaves by them and what arrives.

pub(super) mod door;
pub(super) mod heartbeat;
pub(super) mod links;
pub(super) mod marks;
pub(super) mod receive;
pub(super) mod secret;
pub(super) mod send;
