//! BGREWRITEAOF.

use russet_command::{Arity, CommandError, Flags};
use russet_server::{Call, CommandResult, Origin, Spec};

pub(crate) const BGREWRITEAOF: Spec = Spec {
    arity: Arity::Exactly(1),
    flags: Flags::ADMIN
        .union(Flags::NOSCRIPT)
        .union(Flags::NO_ASYNC_LOADING),
    ..Spec::new("bgrewriteaof", rewrite)
};

/// `BGREWRITEAOF`: rewrites the append only file from the keyspace, in steps between ticks; if a
/// snapshot is in progress, starts after it.
///
/// Reply: status. Inside MULTI the handler schedules the rewrite.
fn rewrite(call: &mut Call<'_>) -> CommandResult {
    call.no_effect();
    let in_transaction = call.origin == Origin::Exec;
    let world = call.world();
    match world.server.rewrite_aof(world.keyspace, in_transaction) {
        Ok(status) => world.reply.simple(status),
        Err(why) => return Err(CommandError::Text(why)),
    }
    Ok(())
}
