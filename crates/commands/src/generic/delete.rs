//! DEL, UNLINK, EXISTS, TYPE and TOUCH.
//!
//! An expired key counts as missing. DEL deletes a key named twice once, but EXISTS and TOUCH count
//! it twice. EXISTS and TYPE are no use of a key (LRU, LFU); TOUCH is a use, even under CLIENT
//! NO-TOUCH.
//!
//! Cost: O(keys). A thread or slices free a big value, whichever command deletes it.
//!
//! Decided elsewhere: how a value is freed: `keyspace::passes::lazyfree`.

use crate::work;
use russet_command::{Access, Arity, Category, Flags, KeySpec};
use russet_keyspace::{Cause, Class};
use russet_server::{Call, CommandResult, Spec};

const SUM: &[&str] = &["request_policy:multi_shard", "response_policy:agg_sum"];

pub(super) const DEL: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::WRITE,
    keys: &[KeySpec::range(1, -1, 1, Access::RM.union(Access::DELETE))],
    categories: Category::KEYSPACE,
    tips: SUM,
    work: work::EACH_KEY,
    ..Spec::new("del", del)
};

pub(super) const UNLINK: Spec = Spec {
    name: "unlink",
    work: work::EACH_KEY,
    handler: unlink,
    flags: Flags::WRITE.union(Flags::FAST),
    ..DEL
};

/// `DEL key ...`: deletes keys. `lazyfree-lazy-user-del` selects the thread that frees big values;
/// neither way blocks the event loop.
///
/// Reply: the number of deleted keys. O(keys).
fn del(call: &mut Call<'_>) -> CommandResult {
    delete(call, Cause::User)
}

/// `UNLINK key ...`: like DEL, but a helper thread frees big values.
fn unlink(call: &mut Call<'_>) -> CommandResult {
    delete(call, Cause::Unlink)
}

fn delete(call: &mut Call<'_>, cause: Cause) -> CommandResult {
    let mut deleted = 0;
    for key in call.args.from(1).iter() {
        if call.db.delete(key, cause) {
            call.db.changed(key, Class::GENERIC, "del");
            deleted += 1;
        }
    }
    call.reply.int(deleted);
    Ok(())
}

pub(super) const EXISTS: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::range(1, -1, 1, Access::RO)],
    categories: Category::KEYSPACE,
    tips: SUM,
    work: work::EACH_KEY,
    ..Spec::new("exists", exists)
};

/// `EXISTS key ...`: counts existing keys, each as often as it is named.
///
/// Reply: integer. O(keys). Does not count as a use of the keys.
fn exists(call: &mut Call<'_>) -> CommandResult {
    call.db.set_touch(false);
    count(call)
}

pub(super) const TOUCH: Spec = Spec {
    name: "touch",
    work: work::EACH_KEY,
    handler: touch,
    ..EXISTS
};

/// `TOUCH key ...`: counts as a use of the keys, so that eviction sees them as recent.
///
/// Reply: the number of existing keys. O(keys). Applies even under CLIENT NO-TOUCH.
fn touch(call: &mut Call<'_>) -> CommandResult {
    call.db.set_touch(true);
    count(call)
}

fn count(call: &mut Call<'_>) -> CommandResult {
    let keys = call.args.from(1);
    let found = keys.iter().filter(|key| call.db.exists(key)).count();
    call.reply.int(found as i64);
    Ok(())
}

pub(super) const TYPE: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::RO)],
    categories: Category::KEYSPACE,
    ..Spec::new("type", kind)
};

/// `TYPE key`: the type of the value. Reply: status, `none` for a missing key. O(1).
fn kind(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    call.db.set_touch(false);
    let kind = call.db.kind(key).map_or("none", |kind| kind.name());
    call.reply.simple(kind);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn keys_are_counted_as_often_as_they_are_named() {
        let mut t = Testbed::new();
        t.run("MSET a 1 b 2");
        assert_eq!(t.run("EXISTS a a none b"), ":3\r\n");
        assert_eq!(t.run("TOUCH a a none"), ":2\r\n");
        assert_eq!(t.run("TYPE a"), "+string\r\n");
        assert_eq!(t.run("TYPE none"), "+none\r\n");
        assert_eq!(t.run("DEL a a none"), ":1\r\n");
        assert_eq!(t.run("UNLINK a b"), ":1\r\n");
        t.take_effects();
        assert_eq!(t.run("DEL a"), ":0\r\n");
        assert!(t.take_effects().is_empty());
    }

    #[test]
    fn a_key_lives_through_the_millisecond_of_its_expiry() {
        let mut t = Testbed::new();
        t.run("SET a 1 PX 100");
        t.advance_ms(100);
        assert_eq!(t.run("PTTL a"), ":0\r\n");
        assert_eq!(t.run("EXISTS a"), ":1\r\n");
        assert_eq!(t.engine.keyspace.next_expiry(), Some(1_000_000_101));
        t.advance_ms(1);
        assert_eq!(t.run("DEL a"), ":0\r\n");
        assert_eq!(t.take_effects(), ["SET a 1 PXAT 1000000100", "DEL a"]);
    }

    #[test]
    fn only_touch_is_a_use() {
        let mut t = Testbed::new();
        t.run("SET a 1");
        t.advance_ms(10_000);
        t.run("EXISTS a");
        t.run("TYPE a");
        t.run("TTL a");
        assert_eq!(t.run("OBJECT IDLETIME a"), ":10\r\n");
        t.run("TOUCH a");
        assert_eq!(t.run("OBJECT IDLETIME a"), ":0\r\n");
    }
}
