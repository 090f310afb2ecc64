//! The rows' common parts: categories, errors, compressions, finding a digest to ask.

use russet_base::numbers::number::parse_i64;
use russet_command::{Category, CommandError};
use russet_keyspace::{Db, Ref};
use russet_sketches::t_digest::COMPRESSION_MAX;
use russet_types::TDigest;

/// Commands of a module are in the categories that they name alone.
pub(super) const READING: Category = Category::TDIGEST.union(Category::READ);
pub(super) const WRITING: Category = Category::TDIGEST.union(Category::WRITE);

/// No digest is at the key.
pub(super) const MISSING: CommandError = CommandError::Text("ERR T-Digest: key does not exist");
pub(super) const OVERFLOW: CommandError = CommandError::Text("ERR T-Digest: overflow detected");
pub(super) const BAD_WORD: CommandError = CommandError::Text("ERR T-Digest: wrong keyword");
pub(super) const COMPRESSION: &str = "COMPRESSION";

/// A compression; `no_room`: the error if it is too large.
pub(super) fn compression(text: &[u8], no_room: &'static str) -> Result<i64, CommandError> {
    const NO_NUMBER: CommandError =
        CommandError::Text("ERR T-Digest: error parsing compression parameter");
    const NOT_POSITIVE: CommandError =
        CommandError::Text("ERR T-Digest: compression parameter needs to be a positive integer");
    match parse_i64(text).ok_or(NO_NUMBER)? {
        ..1 => Err(NOT_POSITIVE),
        n if n > COMPRESSION_MAX => Err(CommandError::Text(no_room)),
        n => Ok(n),
    }
}

/// A digest whose nodes are merged, here or in the digest's copy.
pub(super) fn merged_digest<'d>(
    db: &'d mut Db<'_>,
    key: &[u8],
) -> Result<Ref<'d, TDigest>, CommandError> {
    let wants_copy = db.read::<TDigest>(key)?.ok_or(MISSING)?.wants_copy();
    if wants_copy {
        db.write::<TDigest>(key)?.ok_or(MISSING)?.keep_copy();
    }
    db.peek::<TDigest>(key)?.ok_or(MISSING)
}
