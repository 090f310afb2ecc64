//! Keys by slot, in a node of a cluster.
//!
//!     slot            the slot of a key: CRC-16 of the key or of its hash tag
//!     slot_set        a set of slots, 2 KiB
//!     slot_tables     a database's tables: a hash table for each slot
//!     by_slot         counts, keys and deletion by slot; hidden slots (`hidden`)
//!     dropped_slots   slots that are dropped as a whole, and the work that follows (`dropped`)
//!
//! Only a keyspace made by `Keyspace::with_slots` has slots; in any other this folder costs a test
//! of a null pointer. Which slots a node owns, receives or keeps is decided by `cluster` and
//! `migration`; `store::table` alone knows whether a database has a single table or a table for
//! each slot.

pub(super) mod by_slot;
pub(super) mod dropped;
pub(super) mod dropped_slots;
pub(super) mod hidden;
pub(super) mod slot;
pub(super) mod slot_set;
pub(super) mod slot_tables;
#[cfg(test)]
pub(super) mod tests;
