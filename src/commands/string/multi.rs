//! MGET, MSET: several strings at once.

use super::set::write_str;
use crate::command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use crate::keyspace::{Class, Expiry, NewValue};
use crate::server::{Call, CommandResult, Spec};

pub(super) const MGET: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::range(1, -1, 1, Access::READ)],
    categories: Category::STRING,
    tips: &["request_policy:multi_shard"],
    ..Spec::new("mget", mget)
};

/// `MGET key ...`: the strings at the keys.
///
/// Reply: array of bulk strings; null where the key is missing or holds no string. O(keys).
fn mget(call: &mut Call<'_>) -> CommandResult {
    call.reply.array(call.args.len() - 1);
    for key in call.args.from(1).iter() {
        match call.db.string(key) {
            Ok(Some(text)) => write_str(call.reply, text),
            Ok(None) | Err(_) => call.reply.null(),
        }
    }
    Ok(())
}

pub(super) const MSET: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::range(1, -1, 2, Access::OW.union(Access::UPDATE))],
    categories: Category::STRING,
    tips: &[
        "request_policy:multi_shard",
        "response_policy:all_succeeded",
    ],
    ..Spec::new("mset", mset)
};

/// `MSET key value ...`: sets all of them.
///
/// Reply: OK. O(keys).
fn mset(call: &mut Call<'_>) -> CommandResult {
    if call.args.len() % 2 == 0 {
        return Err(CommandError::WrongArity(call.name.into()));
    }
    for at in (1..call.args.len()).step_by(2) {
        let (key, text) = (call.args.at(at), call.args.at(at + 1));
        call.db.set_string(key, NewValue::text(text), Expiry::Clear);
        call.db.changed(key, Class::STRING, "set");
    }
    call.reply.ok();
    Ok(())
}
