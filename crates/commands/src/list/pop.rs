//! LPOP, RPOP, LMPOP and their blocking forms: pop elements from an end.
//!
//! Of several keys the first that exists gives all elements. The effect names this key: LPOP or
//! RPOP, with the number popped. The handler deletes an emptied list.
//!
//! Cost: O(keys + elements popped). A client that waits costs nothing until a write signals a key
//! for which it waits; then the command runs again.
//!
//! Decided elsewhere: the arguments of LMPOP and the wait: `arguments::several_keys`.

use crate::arguments::element;
use crate::arguments::several_keys::{self, mpop, mpop_or_wait, pop_or_wait};
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::Class;
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Container, End, List, Type};

pub(super) const LPOP: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::TAKE)],
    categories: Category::LIST,
    work: work::POPPED,
    ..Spec::new("lpop", lpop)
};

pub(super) const RPOP: Spec = Spec {
    name: "rpop",
    work: work::POPPED,
    handler: rpop,
    ..LPOP
};

/// `LPOP key [count]`: removes elements from the head.
///
/// Reply: the element, or null; with `count` an array of up to that many, or a null array.
/// O(elements), as RPOP.
fn lpop(call: &mut Call<'_>) -> CommandResult {
    pop(call, End::Front)
}

/// `RPOP key [count]`: removes elements from the tail, the last first.
fn rpop(call: &mut Call<'_>) -> CommandResult {
    pop(call, End::Back)
}

#[inline]
fn pop(call: &mut Call<'_>, end: End) -> CommandResult {
    let key = call.args.at(1);
    match call.args.len() {
        2 => {
            if !pop_one(call, key, end, false)? {
                call.reply.null();
            }
        }
        3 => {
            let count = element::at_least(call.args.at(2), 0, CommandError::MustBePositive)?;
            if pop_many(call, key, end, count, false)?.is_none() {
                call.reply.null_array();
            }
        }
        _ => return Err(CommandError::WrongArity(call.name.into())),
    }
    Ok(())
}

/// Pops an element and replies it, after the key if `with_key`; `false`: no list.
#[inline(always)]
fn pop_one(
    call: &mut Call<'_>,
    key: &[u8],
    end: End,
    with_key: bool,
) -> Result<bool, CommandError> {
    let limits = *call.db.limits();
    let Some(mut list) = call.db.write::<List>(key)? else {
        return Ok(false);
    };
    let reply = &mut *call.reply;
    if with_key {
        reply.array(2);
        reply.bulk(key);
    }
    list.pop_with(end, |entry| element::write(reply, entry));
    list.shrunk(&limits);
    let empty = list.is_empty();
    drop(list);
    record_pops(call, key, end, 1, empty);
    Ok(true)
}

/// Pops up to `count` elements and replies them as an array, after the key if `with_key`. Returns
/// their number; `None`: no list.
fn pop_many(
    call: &mut Call<'_>,
    key: &[u8],
    end: End,
    count: usize,
    with_key: bool,
) -> Result<Option<usize>, CommandError> {
    let limits = *call.db.limits();
    let Some(mut list) = call.db.write::<List>(key)? else {
        return Ok(None);
    };
    let len = list.len();
    let count = count.min(len);
    let reply = &mut *call.reply;
    if with_key {
        reply.array(2);
        reply.bulk(key);
    }
    reply.array(count);
    if count == 0 {
        return Ok(Some(0));
    }
    let (start, first) = match end {
        End::Front => (0, 0),
        End::Back => (len - 1, len - count),
    };
    list.visit(start, count, end == End::Back, |entry| {
        element::write(reply, entry);
        true
    });
    let empty = count == len;
    if !empty {
        list.delete_range(first, count);
        list.shrunk(&limits);
    }
    drop(list);
    record_pops(call, key, end, count, empty);
    Ok(Some(count))
}

/// Records that elements were popped from an end; deletes the list if it is empty.
#[inline]
pub(super) fn record_pops(call: &mut Call<'_>, key: &[u8], end: End, count: usize, empty: bool) {
    let event = match end {
        End::Front => "lpop",
        End::Back => "rpop",
    };
    call.db.changed_by(key, count, Class::LIST, event);
    if empty {
        call.db.delete_emptied(key);
    }
}

/// The name of the command that pops at this end.
fn name(end: End) -> &'static [u8] {
    match end {
        End::Front => b"LPOP",
        End::Back => b"RPOP",
    }
}

/// `LEFT` or `RIGHT`.
pub(super) fn parse_end(args: Args<'_>, at: usize) -> Result<End, CommandError> {
    if args.is(at, "LEFT") {
        Ok(End::Front)
    } else if args.is(at, "RIGHT") {
        Ok(End::Back)
    } else {
        Err(CommandError::Syntax)
    }
}

// --- several keys ---

pub(super) const LMPOP: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::WRITE,
    keys: &[KeySpec::counted(1, Access::TAKE)],
    categories: Category::LIST,
    work: several_keys::POPPED,
    ..Spec::new("lmpop", lmpop)
};

/// `LMPOP numkeys key ... LEFT|RIGHT [COUNT count]`: pops elements from the first list that exists.
///
/// Reply: array of the key and an array of elements; a null array if there is no list.
/// O(keys + elements).
fn lmpop(call: &mut Call<'_>) -> CommandResult {
    mpop(call, parse_end, pop_counted)
}

/// Pops up to `count` elements, with a plain pop as the effect; `false`: no list.
fn pop_counted(
    call: &mut Call<'_>,
    key: &[u8],
    end: End,
    count: usize,
) -> Result<bool, CommandError> {
    let Some(popped) = pop_many(call, key, end, count, true)? else {
        return Ok(false);
    };
    let mut digits = itoa::Buffer::new();
    call.rewrite(&[name(end), key, digits.format(popped).as_bytes()]);
    Ok(true)
}

// --- blocking ---

pub(super) const BLPOP: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::WRITE.union(Flags::BLOCKING),
    keys: &[KeySpec::range(1, -2, 1, Access::TAKE)],
    categories: Category::LIST,
    ..Spec::new("blpop", blpop)
};

pub(super) const BRPOP: Spec = Spec {
    name: "brpop",
    handler: brpop,
    ..BLPOP
};

pub(super) const BLMPOP: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: Flags::WRITE.union(Flags::BLOCKING),
    keys: &[KeySpec::counted(2, Access::TAKE)],
    categories: Category::LIST,
    work: several_keys::POPPED,
    ..Spec::new("blmpop", blmpop)
};

/// `BLPOP key ... timeout`: pops an element from the head of the first list that exists, or waits
/// for an element.
///
/// Reply: array of key and element; a null array on timeout, or at once inside a transaction. The
/// effect is LPOP. O(keys), as the other two.
fn blpop(call: &mut Call<'_>) -> CommandResult {
    blocking_pop(call, End::Front)
}

/// `BRPOP key ... timeout`: like BLPOP, from the tail.
fn brpop(call: &mut Call<'_>) -> CommandResult {
    blocking_pop(call, End::Back)
}

fn blocking_pop(call: &mut Call<'_>, end: End) -> CommandResult {
    pop_or_wait(call, Type::List, |call, key| {
        let popped = pop_one(call, key, end, true)?;
        if popped {
            call.rewrite(&[name(end), key]);
        }
        Ok(popped)
    })
}

/// `BLMPOP timeout numkeys key ... LEFT|RIGHT [COUNT count]`: like LMPOP, but waits for a list.
fn blmpop(call: &mut Call<'_>) -> CommandResult {
    mpop_or_wait(call, Type::List, parse_end, pop_counted)
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn pops_take_from_their_end() {
        let mut t = Testbed::new();
        t.run("RPUSH l a 2 c d e");
        t.take_effects();
        assert_eq!(t.run("LPOP l"), "$1\r\na\r\n");
        assert_eq!(t.run("RPOP l 2"), "*2\r\n$1\r\ne\r\n$1\r\nd\r\n");
        assert_eq!(t.run("LPOP l 0"), "*0\r\n");
        assert_eq!(t.run("LPOP l 9"), "*2\r\n$1\r\n2\r\n$1\r\nc\r\n");
        assert_eq!(t.run("LPOP l 9"), "*-1\r\n");
        assert_eq!(t.run("LPOP l 0"), "*-1\r\n");
        assert_eq!(t.run("LPOP l"), "$-1\r\n");
        assert!(
            t.run("LPOP l -1")
                .starts_with("-ERR value is out of range, must be")
        );
        assert!(
            t.run("LPOP l x")
                .starts_with("-ERR value is out of range, must be")
        );
        assert!(
            t.run("LPOP l 1 2")
                .contains("wrong number of arguments for 'lpop'")
        );
        assert_eq!(t.take_effects(), ["LPOP l", "RPOP l 2", "LPOP l 9"]);
    }

    #[test]
    fn the_first_list_that_is_there_gives_and_its_effect_names_it() {
        let mut t = Testbed::new();
        t.run("RPUSH b 1 2 3");
        t.take_effects();
        assert_eq!(
            t.run("LMPOP 2 a b RIGHT COUNT 2"),
            "*2\r\n$1\r\nb\r\n*2\r\n$1\r\n3\r\n$1\r\n2\r\n"
        );
        assert_eq!(
            t.run("BLMPOP 0 2 a b LEFT COUNT 9"),
            "*2\r\n$1\r\nb\r\n*1\r\n$1\r\n1\r\n"
        );
        assert_eq!(t.take_effects(), ["RPOP b 2", "LPOP b 1"]);
        assert_eq!(t.run("LMPOP 2 a b LEFT"), "*-1\r\n");
        for (line, error) in [
            ("LMPOP 0 a LEFT", "ERR numkeys should be greater than 0"),
            ("LMPOP x a LEFT", "ERR numkeys should be greater than 0"),
            ("LMPOP 2 a LEFT", "ERR syntax error"),
            ("LMPOP 9223372036854775807 a LEFT", "ERR syntax error"),
            ("LMPOP 1 a UP", "ERR syntax error"),
            ("LMPOP 1 a LEFT COUNT", "ERR syntax error"),
            (
                "LMPOP 1 a LEFT COUNT 0",
                "ERR count should be greater than 0",
            ),
            ("LMPOP 1 a LEFT COUNT 1 COUNT 1", "ERR syntax error"),
            (
                "BLMPOP x 1 a LEFT",
                "ERR timeout is not a float or out of range",
            ),
            ("BLMPOP x 0 a LEFT", "ERR numkeys should be greater than 0"),
            ("BLPOP a -1", "ERR timeout is negative"),
        ] {
            assert_eq!(t.run(line), format!("-{error}\r\n"), "{line}");
        }
    }

    #[test]
    fn a_blocked_client_is_served_as_by_a_plain_pop() {
        let mut t = Testbed::new();
        let (first, second, pusher) = (t.connect(), t.connect(), t.connect());
        assert_eq!(t.run_as(first, "BLPOP a b 0"), "");
        assert_eq!(t.run_as(second, "BRPOP b 0"), "");
        t.run_as(pusher, "RPUSH b 1 2 3");
        assert_eq!(t.take_reply(first), b"*2\r\n$1\r\nb\r\n$1\r\n1\r\n");
        assert_eq!(t.take_reply(second), b"*2\r\n$1\r\nb\r\n$1\r\n3\r\n");
        assert_eq!(t.run_as(pusher, "LRANGE b 0 -1"), "*1\r\n$1\r\n2\r\n");
        assert_eq!(t.take_effects(), ["RPUSH b 1 2 3", "LPOP b", "RPOP b"]);
    }

    #[test]
    fn a_timeout_is_kept_to_the_millisecond() {
        let mut t = Testbed::new();
        let (client, other) = (t.connect(), t.connect());
        assert_eq!(t.run_as(client, "BLPOP l 0.25"), "");
        t.advance_ms(249);
        t.time_out_blocked();
        assert_eq!(t.take_reply(client), b"");
        t.advance_ms(1);
        t.time_out_blocked();
        assert_eq!(t.take_reply(client), b"*-1\r\n");
        t.run_as(other, "RPUSH l a");
        assert_eq!(t.take_reply(client), b"");
        assert_eq!(t.run_as(other, "LLEN l"), ":1\r\n");
    }

    #[test]
    fn a_transaction_never_waits_and_wakes_others_only_at_its_end() {
        let mut t = Testbed::new();
        let (client, other) = (t.connect(), t.connect());
        t.run_as(client, "BLPOP l 0");
        t.run_as(other, "MULTI");
        t.run_as(other, "RPUSH l a");
        t.run_as(other, "LTRIM l 1 0");
        t.run_as(other, "BLPOP l 0");
        t.run_as(other, "RPUSH l b");
        assert_eq!(t.run_as(other, "EXEC"), "*4\r\n:1\r\n+OK\r\n*-1\r\n:1\r\n");
        assert_eq!(t.take_reply(client), b"*2\r\n$1\r\nl\r\n$1\r\nb\r\n");
    }
}
