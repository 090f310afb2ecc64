//! Arguments that commands of several groups share.

pub(super) mod db_index;
pub(super) mod element;
pub(super) mod expiry;
pub(super) mod sample;
pub(super) mod scan;
pub(super) mod several_keys;
pub(super) mod timeout;
