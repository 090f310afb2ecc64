//! The known nodes (met, learnt from gossip, forgotten), and unknown nodes that ask to join.
//!
//! Invariants: a node becomes known by MEET or by the gossip of a known node (`meet`, `gossip`); a
//! forgotten node stays out for a time (`blacklist`). The number and the rate of nodes that only
//! gossip names are bounded (`strangers`). `members` decides which nodes may ask for data.
//!
//! Cost: a lookup by id is O(1) (`nodes`); a message of gossip O(its entries).

pub(super) mod blacklist;
pub(super) mod gossip;
pub(super) mod meet;
pub(super) mod members;
pub(super) mod nodes;
pub(super) mod strangers;
pub(super) mod tokens;
