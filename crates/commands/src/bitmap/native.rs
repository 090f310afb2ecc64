//! Native bitmaps: when a command makes them, and how others learn of it.
//!
//! With `bitmap-default-roaring` SETBIT, BITFIELD and BITOP make native bitmaps; else these come
//! from files, RESTORE, the primary, or BITOP with a native source. The decision is the primary's:
//! a replica and a server that loads a log follow BITCONVERT and BITROAROP of their source.
//!
//! A bitmap that a command makes or converts is propagated as BITCONVERT of the key, beside the
//! command itself: before SETBIT and BITFIELD, after BITOP. The log always has it. Replicas get it
//! if all of them say that they are russets; the stream is one for all, and a real 8.12 does not
//! say what it is. Others keep strings with the same bits, by the same commands: BITOP is not
//! replaced by BITROAROP, because a reader that does not know that word would lack the result. A
//! slot that moves gets the commands alone; bitmaps in its snapshot stay bitmaps.
//!
//! BITCONVERT and BITROAROP are for servers (`Facts::OF_SERVERS`): to clients they are unknown.

use russet_command::{Access, Arity, Category, Facts, Flags, KeySpec};
use russet_keyspace::Audience;
use russet_server::{Call, CommandResult, Spec};

const BITCONVERT_NAME: &[u8] = b"BITCONVERT";

pub(super) const BITCONVERT: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::NOSCRIPT),
    facts: Facts::OF_SERVERS,
    keys: &[KeySpec::one(1, Access::MODIFY)],
    categories: Category::BITMAP,
    ..Spec::new("bitconvert", bitconvert)
};

/// `BITCONVERT key`: makes a string a native bitmap in place, and a missing key an empty one.
///
/// Reply: OK, also if the key is a bitmap already. O(bytes of the string).
fn bitconvert(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    if call.db.make_bitmap(key)? {
        call.db.changed_silently(key);
    }
    call.reply.ok();
    Ok(())
}

/// Whether a command makes native bitmaps of its own accord.
#[inline]
pub(super) fn is_default(call: &Call<'_>) -> bool {
    call.server.config.bitmap_default_roaring && decides(call)
}

#[cold]
fn decides(call: &Call<'_>) -> bool {
    !call.was_taken_before() && !call.server.replication.is_replica()
}

/// Makes the key a native bitmap before a command writes to it.
#[cold]
pub(super) fn convert(call: &mut Call<'_>, key: &[u8]) -> CommandResult {
    if call.db.make_bitmap(key)? {
        call.db.changed_silently(key);
        propagate(call, key);
    }
    Ok(())
}

/// Propagates that the key is a native bitmap.
pub(super) fn propagate(call: &mut Call<'_>, key: &[u8]) {
    let audience = if call.server.replication.all_read_bitmaps() {
        Audience::BOTH
    } else {
        Audience::LOG
    };
    let db = call.db.index();
    let words = [BITCONVERT_NAME, key];
    (call.db.effects()).record_for(audience, db, words.into_iter());
}
