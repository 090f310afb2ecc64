//! DEBUG PACK and UNPACK: values become compressed frames and values again, on the loop, whatever
//! it costs: for tests, which run under `DEBUG PACK EVERY yes`.

use super::on_off;
use russet_command::CommandError;
use russet_keyspace::PackRule;
use russet_server::{Call, CommandResult};

/// `DEBUG PACK key`: packs the value at the key. Reply: 1, or 0 if there is none, it has no form
/// that is packed, or it is packed already.
///
/// `DEBUG PACK ALL`: trains a dictionary with the values of all databases, if there are enough,
/// and packs them all. Reply: how many were packed.
///
/// `DEBUG PACK EVERY yes|no`: packs all values after each command. Reply: OK.
pub(crate) fn pack(call: &mut Call<'_>) -> CommandResult {
    let (args, at) = (call.args, call.db.index());
    match args.len() {
        4 if args.is(2, "EVERY") => {
            let on = args.is(3, "yes") || on_off(args.at(3));
            if !on && !args.is(3, "no") && args.at(3) != b"0" {
                return Err(CommandError::Syntax);
            }
            call.server.debug.packs_after_each = on;
            call.server.update_observers();
            call.reply.ok();
        }
        3 => {
            let keyspace = call.db.keyspace();
            let packed = if args.is(2, "ALL") {
                keyspace.train_for_packing();
                keyspace.pack_all(&PackRule::ALL)
            } else {
                usize::from(keyspace.pack_key(at, args.at(2), &PackRule::ALL))
            };
            call.reply.int(packed as i64);
        }
        _ => return Err(CommandError::Syntax),
    }
    Ok(())
}

/// `DEBUG UNPACK key`: reply 1, or 0 if there is no packed value at the key.
///
/// `DEBUG UNPACK ALL`: reply: how many values were packed. Damaged values stay as they are.
pub(crate) fn unpack(call: &mut Call<'_>) -> CommandResult {
    let (args, at) = (call.args, call.db.index());
    let keyspace = call.db.keyspace();
    let unpacked = if args.is(2, "ALL") {
        keyspace.unpack_all()
    } else {
        usize::from(keyspace.unpack_key(at, args.at(2))?)
    };
    call.reply.int(unpacked as i64);
    Ok(())
}
