//! Keys and fields that leave by time or for lack of memory.

pub(super) mod clock;
pub(super) mod evict;
pub(super) mod expire;
pub(super) mod expired_fields;
pub(super) mod fields;
pub(super) mod iids;
pub(super) mod soonest;
