//! HDEL.

use crate::work;
use russet_command::{Access, Arity, Category, ElementArgs, Flags, KeySpec};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Container, Expirable as _, Hash, HashField};

pub(super) const HDEL: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::REMOVE)],
    categories: Category::HASH,
    within: Some(ElementArgs::Every { first: 2, step: 1 }),
    work: work::EACH_MEMBER,
    ..Spec::new("hdel", hdel)
};

/// `HDEL key field [field ...]`: removes fields; deletes the hash if none are left.
///
/// Reply: the number of fields removed. O(fields given).
fn hdel(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    let (mut removed, mut emptied, mut calmed) = (0, false, false);
    let received = call.db.wants_fields(Class::HASH);
    let mut names = Vec::new();
    // Fields that an effect names go, expired or not.
    let hides = call.db.dialect().keeps_expired_fields() && !call.was_taken_before();
    let now = call.db.due_ms() as u64;
    if let Some(mut hash) = call.db.write::<Hash>(key)? {
        let volatile = hash.next_due().is_some();
        let hides = hides && volatile;
        let is_hidden = |field: HashField<'_>| hides && field.expired(now);
        for field in call.args.from(2).iter() {
            if hash.get(field).is_some_and(is_hidden) {
                continue;
            }
            if hash.remove(field) {
                removed += 1;
                if received {
                    names.push(field);
                }
            }
        }
        emptied = hash.is_empty();
        calmed = volatile && hash.next_due().is_none();
    }
    if removed > 0 {
        call.db
            .changed_fields(key, removed, Class::HASH, "hdel", names.into_iter());
        if emptied {
            call.db.delete_emptied(key);
        } else if calmed {
            call.db.forget_field_expiry(key);
        }
    }
    call.reply.int(removed as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn the_last_field_takes_the_hash_along() {
        let mut t = Testbed::new();
        t.run("HSET h a 1 b 2");
        assert_eq!(t.run("HDEL h a x a"), ":1\r\n");
        assert_eq!(t.run("HDEL h x"), ":0\r\n");
        assert_eq!(t.run("HDEL none x"), ":0\r\n");
        assert_eq!(t.run("HDEL h b"), ":1\r\n");
        assert_eq!(
            t.take_effects(),
            ["HSET h a 1 b 2", "HDEL h a x a", "HDEL h b"]
        );
        assert_eq!(t.engine.keyspace.db(Default::default()).len(), 0);
    }
}
