//! Hidden slots: which ones, why, and for how long their expired keys may stay.

use super::slot_set::{SlotFilter, SlotSet};

/// Why slots are hidden. Their union is `Keyspace::hidden`.
#[derive(Default)]
pub(crate) struct WhyHidden {
    pub(super) received: SlotSet,
    pub(super) kept: SlotSet,
}

/// The expiry cycle looks at an expired key of a hidden slot again after this time.
pub(crate) const HIDDEN_MS: i64 = 500;

/// The slots that are not hidden.
#[inline]
pub fn visible_slots(hidden: &Option<SlotSet>) -> SlotFilter<'_> {
    hidden.as_ref().map_or(SlotFilter::All, SlotFilter::Without)
}
