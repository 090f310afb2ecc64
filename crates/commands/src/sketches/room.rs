//! The room that a command has for a sketch: `maxmemory`, if there is a limit. The handlers refuse
//! a larger sketch before they take memory, and the server evicts no key for a sketch.

use russet_server::Call;
use russet_sketches::Room;

/// Bounds the sketches that the command makes or enlarges, until it is dropped. A command that was
/// taken before has made them elsewhere.
pub(super) fn room(call: &Call<'_>) -> Room {
    let max = call.server.memory.limit.maxmemory();
    let is_bounded = max > 0 && !call.was_taken_before();
    Room::of(is_bounded.then_some(max))
}
