//! The parts of rows that these commands share, and the errors of dimensions.

use russet_command::{Access, CommandError, Flags, KeySpec};

/// Commands of a module have no further ACL category, and the same key spec for reading and
/// writing.
pub(super) const KEYS: &[KeySpec] = &[KeySpec::one(1, Access::MODIFY)];
pub(super) const READS: Flags = Flags::READONLY.union(Flags::MODULE);
pub(super) const READS_FAST: Flags = READS.union(Flags::FAST);

/// The error of a dimension that is not the set's.
pub(super) fn dimension_mismatch(got: usize, has: u32) -> CommandError {
    CommandError::owned(format!(
        "ERR Vector dimension mismatch - got {got} but set has {has}"
    ))
}

/// The error of a dimension that is not the projection's.
pub(super) fn input_mismatch(got: usize, expected: u32) -> CommandError {
    CommandError::owned(format!(
        "ERR Input dimension mismatch for projection - got {got} but projection expects {expected}"
    ))
}
