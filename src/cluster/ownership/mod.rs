//! Which node serves which slot: claims, moves, routes, the roles that follow.

pub(super) mod claims;
pub(super) mod kept;
pub(super) mod migration;
pub(super) mod roles;
pub(super) mod route;
pub(super) mod slots;
