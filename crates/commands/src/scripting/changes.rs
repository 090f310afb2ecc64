//! Changes of the cache and of the libraries: not while a script runs, and freed later.

use russet_command::CommandError;
use russet_keyspace::FEW;
use russet_server::Call;

/// Parses SYNC or ASYNC after `FLUSH`; the default is `lazyfree-lazy-user-flush`. `true`: a thread
/// frees the memory later.
pub(super) fn frees_later(call: &Call<'_>, wrong: &'static str) -> Result<bool, CommandError> {
    let args = call.args;
    match args.len() {
        2 => Ok(call.server.config.lazyfree_lazy_user_flush),
        3 if args.is(2, "SYNC") => Ok(false),
        3 if args.is(2, "ASYNC") => Ok(true),
        _ => Err(CommandError::Text(wrong)),
    }
}

/// Frees scripts or libraries with their VM: with `later` by the helper thread, unless they are
/// few.
pub(super) fn free(
    call: &mut Call<'_>,
    old: impl Send + 'static,
    bytes: usize,
    objects: usize,
    later: bool,
) {
    if later && objects > FEW {
        let lazyfree = &mut call.db.keyspace().lazyfree;
        lazyfree.drop_later(Box::new(old), bytes, objects as u64);
    } else {
        drop(old)
    }
}

/// An error while a script runs: scripts and libraries may not change then.
pub(super) fn check_idle(call: &Call<'_>) -> Result<(), CommandError> {
    if call.server.scripting.is_running() {
        Err(call.server.scripting.busy_error(call.server.config.dialect))
    } else {
        Ok(())
    }
}
