//! Which nodes there are: met, gossiped, forgotten, and unknown ones that knock.

pub(super) mod blacklist;
pub(super) mod gossip;
pub(super) mod meet;
pub(super) mod nodes;
pub(super) mod strangers;
