//! LMOVE, RPOPLPUSH and their blocking forms: move an element between lists.
//!
//! The handlers pop the element only after they have checked both keys' types, so an error loses
//! nothing. Source and destination may be the same list, which then rotates. The push is recorded
//! before the pop, as in Redis.
//!
//! The blocking forms wait for the source alone; their effect is LMOVE or RPOPLPUSH. In a
//! transaction they reply null instead.
//!
//! Cost: O(1).

use super::pop::{parse_end, record_pops};
use super::push::{self, push_one};
use crate::arguments::{element, timeout};
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::Class;
use russet_resp::Reply;
use russet_server::{Call, CommandResult, OnTimeout, Spec};
use russet_types::{Container, End, List, Type};

pub(super) const LMOVE: Spec = Spec {
    arity: Arity::Exactly(5),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::one(1, Access::TAKE), KeySpec::one(2, Access::ADD)],
    categories: Category::LIST,
    ..Spec::new("lmove", lmove)
};

pub(super) const RPOPLPUSH: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::one(1, Access::TAKE), KeySpec::one(2, Access::ADD)],
    categories: Category::LIST,
    ..Spec::new("rpoplpush", rpoplpush)
};

/// `LMOVE source destination LEFT|RIGHT LEFT|RIGHT`: moves an element from an end of a list to an
/// end of another, or of the same list.
///
/// Reply: the element; null when there is no source. O(1), as the other three.
fn lmove(call: &mut Call<'_>) -> CommandResult {
    let (from, to) = (parse_end(call.args, 3)?, parse_end(call.args, 4)?);
    if !transfer(call, from, to)? {
        call.reply.null();
    }
    Ok(())
}

/// `RPOPLPUSH source destination`: LMOVE from the tail to the head.
fn rpoplpush(call: &mut Call<'_>) -> CommandResult {
    if !transfer(call, End::Back, End::Front)? {
        call.reply.null();
    }
    Ok(())
}

/// Moves an element and replies it; `false`: no source. Checks the destination's type only if there
/// is an element to move.
fn transfer(call: &mut Call<'_>, from: End, to: End) -> Result<bool, CommandError> {
    let (source, destination) = (call.args.at(1), call.args.at(2));
    let limits = *call.db.limits();
    if call.db.write::<List>(source)?.is_none() {
        return Ok(false);
    }
    call.db.write::<List>(destination)?;
    let mut list = call.db.write::<List>(source)?.expect("seen above");
    let moved = list.pop_with(from, |entry| entry.to_vec());
    let moved = moved.expect("no list is empty");
    // A rotated list has lost nothing, so it does not shrink.
    let turned = source == destination;
    if turned {
        push_one(&mut list, to, &moved, &limits);
    }
    list.shrunk(&limits);
    let empty = list.is_empty();
    drop(list);
    if !turned {
        let mut list = call.db.write_or(destination, List::new)?;
        push_one(&mut list, to, &moved, &limits);
    }
    call.db.signal(destination);
    call.db
        .changed_by(destination, 0, Class::LIST, push::event(to));
    record_pops(call, source, from, 1, empty);
    element::write(call.reply, russet_types::Entry::Str(&moved));
    Ok(true)
}

pub(super) const BLMOVE: Spec = Spec {
    arity: Arity::Exactly(6),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::BLOCKING),
    keys: &[KeySpec::one(1, Access::TAKE), KeySpec::one(2, Access::ADD)],
    categories: Category::LIST,
    ..Spec::new("blmove", blmove)
};

pub(super) const BRPOPLPUSH: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::BLOCKING),
    keys: &[KeySpec::one(1, Access::TAKE), KeySpec::one(2, Access::ADD)],
    categories: Category::LIST,
    ..Spec::new("brpoplpush", brpoplpush)
};

/// `BLMOVE source destination LEFT|RIGHT LEFT|RIGHT timeout`: like LMOVE, but waits for the source.
///
/// Reply: the element; a null array on timeout; null at once inside a transaction. The effect is
/// that of LMOVE.
fn blmove(call: &mut Call<'_>) -> CommandResult {
    let (from, to) = (parse_end(call.args, 3)?, parse_end(call.args, 4)?);
    let timeout_ms = timeout::seconds(call.args.at(5), call.db.now_ms())?;
    if transfer(call, from, to)? {
        let args = call.args;
        call.rewrite(&[b"LMOVE", args.at(1), args.at(2), args.at(3), args.at(4)]);
    } else {
        wait(call, timeout_ms);
    }
    Ok(())
}

/// `BRPOPLPUSH source destination timeout`: like RPOPLPUSH, but waits for the source.
fn brpoplpush(call: &mut Call<'_>) -> CommandResult {
    let timeout_ms = timeout::seconds(call.args.at(3), call.db.now_ms())?;
    if transfer(call, End::Back, End::Front)? {
        let args = call.args;
        call.rewrite(&[b"RPOPLPUSH", args.at(1), args.at(2)]);
    } else {
        wait(call, timeout_ms);
    }
    Ok(())
}

fn wait(call: &mut Call<'_>, timeout_ms: u64) {
    if call.may_block() {
        let source = call.args.at(1);
        call.block_on_keys(
            &[source],
            Type::List,
            timeout_ms,
            OnTimeout::Reply(Reply::null_array),
        );
    } else {
        call.reply.null();
    }
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn an_element_goes_from_end_to_end() {
        let mut t = Testbed::new();
        t.run("RPUSH a 1 2 3");
        t.take_effects();
        assert_eq!(t.run("LMOVE a b LEFT RIGHT"), "$1\r\n1\r\n");
        assert_eq!(t.run("RPOPLPUSH a b"), "$1\r\n3\r\n");
        assert_eq!(t.run("LRANGE b 0 -1"), "*2\r\n$1\r\n3\r\n$1\r\n1\r\n");
        assert_eq!(t.run("LMOVE b b LEFT RIGHT"), "$1\r\n3\r\n");
        assert_eq!(t.run("LRANGE b 0 -1"), "*2\r\n$1\r\n1\r\n$1\r\n3\r\n");
        assert_eq!(t.run("LMOVE a a RIGHT LEFT"), "$1\r\n2\r\n");
        assert_eq!(t.run("LLEN a"), ":1\r\n");
        assert_eq!(t.run("LMOVE nokey b RIGHT LEFT"), "$-1\r\n");
        assert_eq!(t.run("LMOVE a b RIGHT UP"), "-ERR syntax error\r\n");
        assert_eq!(t.take_effects().len(), 4);
    }

    #[test]
    fn a_destination_of_another_type_loses_no_element() {
        let mut t = Testbed::new();
        t.run("SET s x");
        assert_eq!(t.run("LMOVE nokey s LEFT LEFT"), "$-1\r\n");
        t.run("RPUSH a 1");
        assert!(t.run("LMOVE a s LEFT LEFT").starts_with("-WRONGTYPE "));
        assert_eq!(t.run("LLEN a"), ":1\r\n");
    }

    #[test]
    fn chains_of_moves_run_to_their_end() {
        let mut t = Testbed::new();
        let clients: Vec<_> = (0..4).map(|_| t.connect()).collect();
        let pusher = t.connect();
        t.run_as(clients[3], "BLPOP d 0");
        t.run_as(clients[2], "BLMOVE c d LEFT LEFT 0");
        t.run_as(clients[1], "BRPOPLPUSH b c 0");
        t.run_as(clients[0], "BLMOVE a b LEFT LEFT 0");
        t.run_as(pusher, "RPUSH a x");
        for client in &clients[..3] {
            assert_eq!(t.take_reply(*client), b"$1\r\nx\r\n");
        }
        assert_eq!(t.take_reply(clients[3]), b"*2\r\n$1\r\nd\r\n$1\r\nx\r\n");
        let effects = [
            "RPUSH a x",
            "LMOVE a b LEFT LEFT",
            "RPOPLPUSH b c",
            "LMOVE c d LEFT LEFT",
            "LPOP d",
        ];
        assert_eq!(t.take_effects(), effects);
    }

    #[test]
    fn time_up_and_a_transaction_are_distinguished() {
        let mut t = Testbed::new();
        assert_eq!(t.run("BLMOVE a b LEFT LEFT 0.1"), "");
        t.advance_ms(100);
        t.time_out_blocked();
        assert_eq!(t.run("MULTI"), "*-1\r\n+OK\r\n");
        t.run("BLMOVE a b LEFT LEFT 0");
        t.run("BRPOPLPUSH a b 0");
        assert_eq!(t.run("EXEC"), "*2\r\n$-1\r\n$-1\r\n");
    }
}
