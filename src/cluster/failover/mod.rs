//! Which node is down, and which replica takes over.

pub(super) mod election;
pub(super) mod failure;
pub(super) mod health;
pub(super) mod manual;
pub(super) mod reports;
pub(super) mod votes;
