//! The entries of a database: keys and values in memory, and the tables that find them.

pub(super) mod check;
pub(super) mod database;
pub(super) mod databases;
pub(super) mod entry;
pub(super) mod footprint;
pub(super) mod key_hash;
pub(super) mod prefixes;
pub(super) mod sizes;
pub(super) mod table;
pub(super) mod weight;
