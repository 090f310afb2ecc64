//! LPUSH, RPUSH and their forms that never create a list.
//!
//! The handlers push elements singly, so LPUSH reverses them. They signal the key after the push:
//! the server serves waiting clients when the command, or the transaction, has ended, and the reply
//! is the length before that.
//!
//! Cost: O(1) an element.
//!
//! Decided elsewhere: when a list converts: `types::list`.

use crate::work;
use russet_command::{Access, Arity, Category, Flags, KeySpec};
use russet_keyspace::{Class, RefMut};
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Container, End, Limits, List};

pub(super) const LPUSH: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::ADD)],
    categories: Category::LIST,
    work: work::EACH_MEMBER,
    ..Spec::new("lpush", lpush)
};

pub(super) const RPUSH: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::ADD)],
    categories: Category::LIST,
    work: work::EACH_MEMBER,
    ..Spec::new("rpush", rpush)
};

pub(super) const LPUSHX: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::ADD)],
    categories: Category::LIST,
    work: work::EACH_MEMBER,
    ..Spec::new("lpushx", lpushx)
};

pub(super) const RPUSHX: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::ADD)],
    categories: Category::LIST,
    work: work::EACH_MEMBER,
    ..Spec::new("rpushx", rpushx)
};

/// `LPUSH key element ...`: pushes elements at the head singly, so the last ends up first. Creates
/// a missing list.
///
/// Reply: the length of the list. O(1) an element, as the other three.
fn lpush(call: &mut Call<'_>) -> CommandResult {
    push(call, End::Front, true)
}

/// `RPUSH key element ...`: pushes elements at the tail.
fn rpush(call: &mut Call<'_>) -> CommandResult {
    push(call, End::Back, true)
}

/// `LPUSHX key element ...`: like LPUSH if the list exists; else 0.
fn lpushx(call: &mut Call<'_>) -> CommandResult {
    push(call, End::Front, false)
}

/// `RPUSHX key element ...`: like RPUSH if the list exists; else 0.
fn rpushx(call: &mut Call<'_>) -> CommandResult {
    push(call, End::Back, false)
}

#[inline]
fn push(call: &mut Call<'_>, end: End, create: bool) -> CommandResult {
    let key = call.args.at(1);
    let elements = call.args.from(2);
    let limits = *call.db.limits();
    let mut list: RefMut<'_, List> = if create {
        call.db.write_or(key, List::new)?
    } else {
        match call.db.write(key)? {
            Some(list) => list,
            None => {
                call.reply.int(0);
                return Ok(());
            }
        }
    };
    list.prepare(elements.bytes(), elements.len(), &limits);
    for element in elements.iter() {
        list.push(end, element);
    }
    let len = list.len();
    drop(list);
    // A list that was there may have a client that waits for more elements (BLMOVEM).
    call.db.signal(key);
    call.db
        .changed_by(key, elements.len(), Class::LIST, event(end));
    call.reply.int(len as i64);
    Ok(())
}

/// Pushes an element to a list that may be new.
pub(super) fn push_one(list: &mut List, end: End, element: &[u8], limits: &Limits) {
    list.prepare(element.len(), 1, limits);
    list.push(end, element);
}

/// The event of a push at this end.
#[inline]
pub(super) fn event(end: End) -> &'static str {
    match end {
        End::Front => "lpush",
        End::Back => "rpush",
    }
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn elements_are_pushed_one_after_the_other() {
        let mut t = Testbed::new();
        assert_eq!(t.run("LPUSH l a b c"), ":3\r\n");
        assert_eq!(t.run("RPUSH l 1 2"), ":5\r\n");
        assert_eq!(
            t.run("LRANGE l 0 -1"),
            "*5\r\n$1\r\nc\r\n$1\r\nb\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\n2\r\n"
        );
        assert_eq!(t.take_effects(), ["LPUSH l a b c", "RPUSH l 1 2"]);
    }

    #[test]
    fn the_x_forms_create_nothing() {
        let mut t = Testbed::new();
        assert_eq!(t.run("LPUSHX l a"), ":0\r\n");
        assert_eq!(t.run("RPUSHX l a"), ":0\r\n");
        t.run("RPUSH l a");
        assert_eq!(t.run("LPUSHX l b c"), ":3\r\n");
        assert_eq!(t.run("RPUSHX l b c"), ":5\r\n");
        assert_eq!(
            t.take_effects(),
            ["RPUSH l a", "LPUSHX l b c", "RPUSHX l b c"]
        );
    }

    #[test]
    fn a_key_of_another_type_is_refused() {
        let mut t = Testbed::new();
        t.run("SET s 1");
        for line in [
            "LPUSH s a",
            "RPUSHX s a",
            "LPOP s",
            "LRANGE s 0 1",
            "LLEN s",
        ] {
            assert!(t.run(line).starts_with("-WRONGTYPE "), "{line}");
        }
    }
}
