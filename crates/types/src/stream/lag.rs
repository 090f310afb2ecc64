//! A group's lag: entries ever added to the stream, minus those that the group has read, as far as
//! that is known after deletions.

use super::{Group, Stream, StreamId};

/// The number of entries read is unknown.
pub(super) const UNKNOWN: i64 = -1;

impl Stream {
    /// Number of entries added up to this entry, inclusive; -1 if deletions make it uncertain.
    pub fn entries_until(&self, id: StreamId) -> i64 {
        let body = &*self.0;
        let added = body.entries_added as i64;
        if body.entries_added == 0 {
            return 0;
        }
        if body.len == 0 && id <= body.last_id {
            return added;
        }
        if !id.is_zero() && id < body.max_deleted_id {
            return UNKNOWN;
        }
        if id == body.last_id {
            return added;
        }
        if id > body.last_id {
            return UNKNOWN;
        }
        if body.max_deleted_id.is_zero() || body.max_deleted_id < body.first_id {
            let before = added.wrapping_sub(body.len as i64);
            if id < body.first_id {
                return before;
            }
            if id == body.first_id {
                return before.wrapping_add(1);
            }
        }
        UNKNOWN
    }

    /// Whether an entry after `from` may have been deleted.
    pub(super) fn has_gap_from(&self, from: StreamId) -> bool {
        let body = &*self.0;
        body.len > 0 && !body.max_deleted_id.is_zero() && from <= body.max_deleted_id
    }

    /// Number of entries that the group has yet to read; `None` if unknown.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        let body = &*self.0;
        let added = body.entries_added as i64;
        if body.entries_added == 0 || body.len == 0 {
            return Some(0);
        }
        if group.last_id < body.first_id && body.max_deleted_id < body.first_id {
            return Some(body.len as i64);
        }
        if group.entries_read != UNKNOWN && !self.has_gap_from(group.last_id) {
            return Some(added.wrapping_sub(group.entries_read));
        }
        match self.entries_until(group.last_id) {
            UNKNOWN => None,
            read => Some(added.wrapping_sub(read)),
        }
    }

    /// The number of entries a group has read after it reads `id` next.
    pub fn entries_read_with(&self, group: &Group, id: StreamId) -> i64 {
        let body = &*self.0;
        if group.entries_read != UNKNOWN
            && group.last_id >= body.first_id
            && !self.has_gap_from(group.last_id)
        {
            return group.entries_read.checked_add(1).unwrap_or(UNKNOWN);
        }
        match body.entries_added {
            0 => group.entries_read,
            _ => self.entries_until(id),
        }
    }
}
