//! Keys by slot: the tables of a cluster's node, and what is known and done by slot.

pub(super) mod by_slot;
pub(super) mod dropped_slots;
pub(super) mod slot;
pub(super) mod slot_set;
pub(super) mod slot_tables;
#[cfg(test)]
pub(super) mod tests;
