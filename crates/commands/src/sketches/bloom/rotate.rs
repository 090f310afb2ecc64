//! ROTATE, which is russet's own: a generation of a filter that forgets begins.
//!
//! Commands that add items begin the generation that is due by the command's clock. The effects are
//! then ROTATE with the generation's beginning, and the command itself. A server that repeats
//! effects begins no generation by its own clock, so that all servers have the same bytes.

use super::super::room::room;
use super::super::row::{GROWS, WRITTEN_KEY};
use super::row::{NOT_FOUND, WRITING};
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, CommandError};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_sketches::bloom::BloomError;
use russet_types::Bloom;

pub(super) const ROTATE: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: WRITING,
    ..Spec::new("bf.rotate", rotate)
};

/// `BF.ROTATE key unix-ms`: begins a generation of a filter that forgets, as of a time that is not
/// in the future; drops the oldest generation if there would be too many.
///
/// Reply: boolean (RESP2: integer); false if the newest generation does not begin earlier. An error
/// if the filter does not forget. O(links).
fn rotate(call: &mut Call<'_>) -> CommandResult {
    let _room = room(call);
    const NO_TIME: CommandError = CommandError::Text("ERR bad time");
    const FUTURE: CommandError = CommandError::Text("ERR the time is in the future");
    const NO_ROTATION: CommandError = CommandError::Text("ERR the filter does not rotate");
    const NO_MEMORY: CommandError =
        CommandError::Text("ERR Insufficient memory to begin a generation");
    let [_, key, begins_ms] = call.args.exactly();
    let begins_ms = parse_i64(begins_ms).ok_or(NO_TIME)?;
    if begins_ms > call.db.now_ms() && !call.was_taken_before() {
        return Err(FUTURE);
    }
    let mut filter = call.db.write::<Bloom>(key)?.ok_or(NOT_FOUND)?;
    if filter.rotation().is_none() {
        return Err(NO_ROTATION);
    }
    let is_begun = filter
        .rotate(begins_ms)
        .map_err(|_: BloomError| NO_MEMORY)?;
    drop(filter);
    if is_begun {
        call.db.changed(key, Class::MODULE, call.name);
    }
    call.reply.boolean(is_begun);
    Ok(())
}

/// Begins the generation that is due before items are added, unless the command `follows` another
/// server's clock; returns when it begins.
#[inline]
pub(super) fn begin_due(
    filter: &mut Bloom,
    now_ms: i64,
    follows: bool,
) -> Result<Option<i64>, BloomError> {
    match filter.due(now_ms) {
        Some(begins_ms) if !follows => {
            filter.rotate(begins_ms)?;
            Ok(Some(begins_ms))
        }
        _ => Ok(None),
    }
}

/// Records that a generation was begun before the command, which has changed the filter.
#[inline]
pub(super) fn record_with(call: &mut Call<'_>, key: &[u8], begun: Option<i64>) {
    if let Some(begins_ms) = begun
        && call.effects_wanted()
    {
        call.rewrite(&[b"BF.ROTATE", key, begins_ms.to_string().as_bytes()]);
        call.rewrite_each(call.args.iter());
    }
}
