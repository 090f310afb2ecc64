//! LMOVEM and BLMOVEM: move several elements between lists.
//!
//!     source   a b c d ..            LEFT: the block is a b c
//!     BULK     LEFT: a b c x y ..    RIGHT: .. x y a b c
//!     OBO      LEFT: c b a x y ..    RIGHT: .. x y a b c
//!
//! BULK keeps the block's order; OBO ("one by one") pops and pushes each element, so it reverses a
//! block that goes to the end from which it comes.

use super::pop::{parse_end, record_pops};
use super::push;
use crate::arguments::{element, timeout};
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::Class;
use russet_resp::{Args, OwnedArgs, Reply};
use russet_server::{Call, CommandResult, OnTimeout, Spec};
use russet_types::{Container, End, Limits, List, Type};

pub(super) const LMOVEM: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::one(1, Access::TAKE), KeySpec::one(2, Access::ADD)],
    categories: Category::LIST,
    work: work::by(count_moved, "move fewer at a time"),
    ..Spec::new("lmovem", lmovem)
};

pub(super) const BLMOVEM: Spec = Spec {
    name: "blmovem",
    work: work::by(count_moved, "move fewer at a time"),
    handler: blmovem,
    arity: Arity::AtLeast(6),
    flags: LMOVEM.flags.union(Flags::BLOCKING),
    ..LMOVEM
};

/// The block of elements to be moved.
struct Block {
    from: End,
    to: End,
    /// At most this many elements.
    count: usize,
    /// No fewer than `count`.
    exactly: bool,
    one_by_one: bool,
}

impl Block {
    /// Parses the ends at arguments 3 and 4; one element.
    fn parse(args: Args<'_>) -> Result<Block, CommandError> {
        Ok(Block {
            from: parse_end(args, 3)?,
            to: parse_end(args, 4)?,
            count: 1,
            exactly: false,
            one_by_one: false,
        })
    }

    /// Parses `COUNT|EXACTLY count OBO|BULK` at `at`, or nothing.
    fn parse_selector(&mut self, args: Args<'_>, at: usize) -> Result<(), CommandError> {
        const WRONG_COUNT: CommandError = CommandError::Text("ERR count should be greater than 0");
        if args.len() == at {
            return Ok(());
        }
        self.exactly = args.is(at, "EXACTLY");
        if args.len() != at + 3 || !self.exactly && !args.is(at, "COUNT") {
            return Err(CommandError::Syntax);
        }
        self.count = element::at_least(args.at(at + 1), 1, WRONG_COUNT)?;
        self.one_by_one = args.is(at + 2, "OBO");
        if !self.one_by_one && !args.is(at + 2, "BULK") {
            return Err(CommandError::Syntax);
        }
        Ok(())
    }

    /// Whether the block's order is reversed.
    fn turns(&self) -> bool {
        self.one_by_one && self.from == self.to
    }

    /// The word for the block's order.
    fn order(&self) -> &'static [u8] {
        if self.one_by_one { b"OBO" } else { b"BULK" }
    }

    /// Moves the block and replies it in the new order. Returns the number of elements; `None`:
    /// there is no source, or it is too short. Checks the destination's type only if there is
    /// something to move.
    fn transfer(&self, call: &mut Call<'_>) -> Result<Option<usize>, CommandError> {
        let (source, destination) = (call.args.at(1), call.args.at(2));
        let limits = *call.db.limits();
        let len = match call.db.write::<List>(source)? {
            Some(list) => list.len(),
            None => return Ok(None),
        };
        if self.exactly && len < self.count {
            return Ok(None);
        }
        let count = self.count.min(len);
        call.db.write::<List>(destination)?;
        let mut list = call.db.write::<List>(source)?.expect("seen above");
        if source == destination {
            self.turn(&mut list, count, call.reply, &limits);
            drop(list);
            record_pops(call, source, self.from, count, false);
        } else {
            let moved = self.take(&mut list, count, call.reply);
            list.shrunk(&limits);
            drop(list);
            let mut list = call.db.write_or(destination, List::new)?;
            self.put(&mut list, moved.args(), &limits);
            drop(list);
        }
        call.db.signal(destination);
        call.db
            .changed_by(destination, 0, Class::LIST, push::event(self.to));
        if source != destination {
            record_pops(call, source, self.from, count, count == len);
        }
        Ok(Some(count))
    }

    /// Moves a block within the list.
    fn turn(&self, list: &mut List, count: usize, reply: &mut Reply, limits: &Limits) {
        if self.from == self.to && !self.one_by_one {
            self.copy(list, count, reply);
        } else {
            let moved = self.take(list, count, reply);
            self.put(list, moved.args(), limits);
        }
    }

    /// Copies the block, in the new order, and replies it.
    fn copy(&self, list: &List, count: usize, reply: &mut Reply) -> OwnedArgs {
        let (first, last) = self.span(list, count);
        let start = if self.turns() { last } else { first };
        let mut block = OwnedArgs::new();
        let mut digits = itoa::Buffer::new();
        reply.array(count);
        list.visit(start, count, self.turns(), |entry| {
            element::write(reply, entry);
            block.push(entry.bytes(&mut digits));
            true
        });
        block
    }

    /// The positions of the block's first and last element.
    fn span(&self, list: &List, count: usize) -> (usize, usize) {
        let first = match self.from {
            End::Front => 0,
            End::Back => list.len() - count,
        };
        (first, first + count - 1)
    }

    /// Removes the block and replies it; see [`Block::copy`].
    fn take(&self, list: &mut List, count: usize, reply: &mut Reply) -> OwnedArgs {
        let block = self.copy(list, count, reply);
        let (first, _) = self.span(list, count);
        list.delete_range(first, count);
        block
    }

    /// Adds a block that is in the new order.
    fn put(&self, list: &mut List, block: Args<'_>, limits: &Limits) {
        list.prepare(block.bytes(), block.len(), limits);
        for at in 0..block.len() {
            let at = match self.to {
                End::Front => block.len() - 1 - at,
                End::Back => at,
            };
            list.push(self.to, block.at(at));
        }
    }
}

/// `LMOVEM source destination LEFT|RIGHT LEFT|RIGHT [COUNT count | EXACTLY count OBO|BULK]`: moves
/// elements from an end of a list to an end of another, or of the same list; one element by
/// default, with EXACTLY that many or none.
///
/// Reply: array of the elements in the order in which the destination has them; a null array if
/// there is no source, or with EXACTLY if the source is too short. O(elements), as BLMOVEM.
fn lmovem(call: &mut Call<'_>) -> CommandResult {
    let mut block = Block::parse(call.args)?;
    block.parse_selector(call.args, 5)?;
    if block.transfer(call)?.is_none() {
        call.reply.null_array();
    }
    Ok(())
}

/// The elements that LMOVEM and BLMOVEM move.
fn count_moved(call: &mut Call<'_>) -> CommandResult {
    let mut block = Block::parse(call.args)?;
    let waits = call.name == "blmovem";
    block.parse_selector(call.args, 5 + usize::from(waits))?;
    let touched = work::length(call).min(block.count as u64);
    call.touches(touched);
    Ok(())
}

/// `BLMOVEM source destination LEFT|RIGHT LEFT|RIGHT timeout [..]`: like LMOVEM, but waits for the
/// source, with EXACTLY until the source is long enough.
///
/// Reply: as LMOVEM's; a null array on timeout, or at once inside a transaction. The effect is
/// LMOVEM of exactly the elements moved.
fn blmovem(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let mut block = Block::parse(args)?;
    let timeout_ms = timeout::seconds(args.at(5), call.db.now_ms())?;
    block.parse_selector(args, 6)?;
    if let Some(count) = block.transfer(call)? {
        let mut digits = itoa::Buffer::new();
        let count = digits.format(count).as_bytes();
        let [source, destination, from, to] = [1, 2, 3, 4].map(|at| args.at(at));
        call.rewrite(&[
            b"LMOVEM",
            source,
            destination,
            from,
            to,
            b"EXACTLY",
            count,
            block.order(),
        ]);
    } else if call.may_block() {
        let on_timeout = OnTimeout::Reply(Reply::null_array);
        call.block_on_keys(&[args.at(1)], Type::List, timeout_ms, on_timeout);
    } else {
        call.reply.null_array();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    fn array(words: &str) -> String {
        let mut reply = format!("*{}\r\n", words.split_whitespace().count());
        for word in words.split_whitespace() {
            reply += &format!("${}\r\n{word}\r\n", word.len());
        }
        reply
    }

    /// Replies and lists as Redis 8.10.2 makes them.
    #[test]
    fn a_block_keeps_its_order_or_goes_one_by_one() {
        for (ends, moved, from, to) in [
            ("LEFT LEFT", "1", "2 3 4 5", "1 x y"),
            ("LEFT LEFT COUNT 2 OBO", "2 1", "3 4 5", "2 1 x y"),
            ("LEFT LEFT COUNT 2 BULK", "1 2", "3 4 5", "1 2 x y"),
            ("LEFT RIGHT COUNT 2 OBO", "1 2", "3 4 5", "x y 1 2"),
            ("LEFT RIGHT COUNT 2 BULK", "1 2", "3 4 5", "x y 1 2"),
            ("RIGHT LEFT COUNT 2 OBO", "4 5", "1 2 3", "4 5 x y"),
            ("RIGHT LEFT COUNT 2 BULK", "4 5", "1 2 3", "4 5 x y"),
            ("RIGHT RIGHT COUNT 2 OBO", "5 4", "1 2 3", "x y 5 4"),
            ("RIGHT RIGHT EXACTLY 2 BULK", "4 5", "1 2 3", "x y 4 5"),
            ("RIGHT RIGHT COUNT 9 OBO", "5 4 3 2 1", "", "x y 5 4 3 2 1"),
        ] {
            for fill in [-2, 2] {
                let mut t = Testbed::new();
                t.run(&format!("CONFIG SET list-max-listpack-size {fill}"));
                t.run("RPUSH a 1 2 3 4 5");
                t.run("RPUSH b x y");
                assert_eq!(t.run(&format!("LMOVEM a b {ends}")), array(moved), "{ends}");
                assert_eq!(t.run("LRANGE a 0 -1"), array(from), "{ends}");
                assert_eq!(t.run("LRANGE b 0 -1"), array(to), "{ends}");
                t.engine.keyspace.check_invariants();
            }
        }
    }

    #[test]
    fn a_block_moves_within_its_list() {
        let mut t = Testbed::new();
        t.run("RPUSH a 1 2 3 4 5");
        for (ends, moved, after) in [
            ("LEFT LEFT COUNT 3 OBO", "3 2 1", "3 2 1 4 5"),
            ("LEFT LEFT COUNT 9 BULK", "3 2 1 4 5", "3 2 1 4 5"),
            ("LEFT LEFT COUNT 9 OBO", "5 4 1 2 3", "5 4 1 2 3"),
            ("LEFT RIGHT COUNT 2 BULK", "5 4", "1 2 3 5 4"),
            ("RIGHT LEFT COUNT 2 OBO", "5 4", "5 4 1 2 3"),
            ("LEFT RIGHT", "5", "4 1 2 3 5"),
        ] {
            assert_eq!(t.run(&format!("LMOVEM a a {ends}")), array(moved), "{ends}");
            assert_eq!(t.run("LRANGE a 0 -1"), array(after), "{ends}");
        }
        t.engine.keyspace.check_invariants();
    }

    #[test]
    fn refusals_come_in_order_and_a_short_source_is_none() {
        let mut t = Testbed::new();
        t.run("RPUSH a 1 2 3");
        t.run("SET s x");
        let count = "count should be greater than 0";
        for (line, error) in [
            ("LMOVEM a b LEFT UP COUNT 0 OBO", "syntax error"),
            ("LMOVEM a b LEFT LEFT COUNT 0", "syntax error"),
            ("LMOVEM a b LEFT LEFT COUNT x FOO", count),
            ("LMOVEM a b LEFT LEFT COUNT 9223372036854775808 OBO", count),
            ("LMOVEM a b LEFT LEFT COUNT x OBO FOO", "syntax error"),
            ("LMOVEM a b LEFT LEFT FOO 1 OBO", "syntax error"),
            ("LMOVEM a b LEFT LEFT COUNT 1 FOO", "syntax error"),
            ("BLMOVEM a b LEFT UP x", "syntax error"),
            (
                "BLMOVEM a b LEFT LEFT x FOO 0 OBO",
                "timeout is not a float or out of range",
            ),
            ("BLMOVEM a b LEFT LEFT -1", "timeout is negative"),
        ] {
            assert_eq!(t.run(line), format!("-ERR {error}\r\n"), "{line}");
        }
        for line in ["none s LEFT LEFT", "a s LEFT LEFT EXACTLY 4 OBO"] {
            assert_eq!(t.run(&format!("LMOVEM {line}")), "*-1\r\n");
        }
        for line in ["a s LEFT LEFT", "s a LEFT LEFT EXACTLY 9 OBO"] {
            let reply = t.run(&format!("LMOVEM {line}"));
            assert!(reply.starts_with("-WRONGTYPE "), "{line}: {reply}");
        }
        assert_eq!(t.run("LLEN a"), ":3\r\n");
    }

    #[test]
    fn a_client_waits_until_the_source_is_long_enough() {
        let mut t = Testbed::new();
        let (exact, some, pusher) = (t.connect(), t.connect(), t.connect());
        t.run_as(exact, "BLMOVEM l to LEFT RIGHT 0 EXACTLY 3 BULK");
        t.run_as(pusher, "RPUSH l 1");
        t.run_as(pusher, "RPUSHX l 2");
        assert_eq!(t.take_reply(exact), b"");
        t.run_as(pusher, "LINSERT l BEFORE 2 x");
        assert_eq!(t.take_reply(exact), array("1 x 2").as_bytes());
        t.run_as(exact, "BLMOVEM l to LEFT LEFT 0 EXACTLY 3 OBO");
        t.run_as(some, "BLMOVEM l to LEFT LEFT 0 COUNT 9 OBO");
        t.run_as(pusher, "RPUSH l 1 2");
        assert_eq!(t.take_reply(exact), b"");
        assert_eq!(t.take_reply(some), array("2 1").as_bytes());
        // Elements that are moved to a list count as pushed.
        t.run_as(pusher, "LMOVEM to l RIGHT LEFT COUNT 2 OBO");
        t.run_as(pusher, "LMOVE to l RIGHT LEFT");
        assert_eq!(t.take_reply(exact), array("2 x 1").as_bytes());
        assert_eq!(
            t.take_effects(),
            [
                "RPUSH l 1",
                "RPUSHX l 2",
                "LINSERT l BEFORE 2 x",
                "LMOVEM l to LEFT RIGHT EXACTLY 3 BULK",
                "RPUSH l 1 2",
                "LMOVEM l to LEFT LEFT EXACTLY 2 OBO",
                "LMOVEM to l RIGHT LEFT COUNT 2 OBO",
                "LMOVE to l RIGHT LEFT",
                "LMOVEM l to LEFT LEFT EXACTLY 3 OBO",
            ]
        );
        t.run_as(pusher, "MULTI");
        t.run_as(pusher, "BLMOVEM none to LEFT LEFT 0");
        t.run_as(pusher, "BLMOVEM to l LEFT LEFT 0 EXACTLY 99 OBO");
        assert_eq!(t.run_as(pusher, "EXEC"), "*2\r\n*-1\r\n*-1\r\n");
    }
}
