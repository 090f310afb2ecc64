//! LLEN, LRANGE, LINDEX, LPOS: reading lists.
//!
//! LRANGE parses the indexes before it looks up the key, LINDEX after; clients see the order of
//! errors. A range beyond the ends is cut. LPOS compares as text, an integer as a number.
//!
//! Cost: LLEN O(1); LINDEX O(nodes up to the index); LRANGE O(nodes before the range + elements);
//! LPOS O(elements compared), which MAXLEN bounds.

use crate::arguments::element;
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Container, Entry, List};

pub(super) const LLEN: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::RO)],
    categories: Category::LIST,
    ..Spec::new("llen", llen)
};

pub(super) const LRANGE: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::LIST,
    work: work::INDEXES,
    ..Spec::new("lrange", lrange)
};

pub(super) const LINDEX: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::LIST,
    ..Spec::new("lindex", lindex)
};

pub(super) const LPOS: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::LIST,
    work: work::by(count_compared, "MAXLEN bounds the search"),
    ..Spec::new("lpos", lpos)
};

/// `LLEN key`: the number of elements; 0 if the key is missing. O(1).
fn llen(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    let len = call.db.count::<List>(key)?;
    call.reply.int(len as i64);
    Ok(())
}

/// `LRANGE key start stop`: the elements between two inclusive indexes.
///
/// Reply: array, empty if the key is missing or the range is empty. Indexes are checked before the
/// key. O(nodes before the range + elements of the range).
fn lrange(call: &mut Call<'_>) -> CommandResult {
    let [_, key, start, stop] = call.args.exactly();
    let (start, stop) = (element::index(start)?, element::index(stop)?);
    let reply = &mut *call.reply;
    let Some(list) = call.db.read::<List>(key)? else {
        reply.array(0);
        return Ok(());
    };
    let Some((first, count)) = element::span(start, stop, list.len()) else {
        reply.array(0);
        return Ok(());
    };
    reply.array(count);
    list.visit(first, count, false, |entry| {
        element::write(reply, entry);
        true
    });
    Ok(())
}

/// `LINDEX key index`: the element at an index; null if there is none.
///
/// The handler looks up the key before it parses the index. O(nodes up to the element).
fn lindex(call: &mut Call<'_>) -> CommandResult {
    let [_, key, index] = call.args.exactly();
    let reply = &mut *call.reply;
    let Some(list) = call.db.read::<List>(key)? else {
        reply.null();
        return Ok(());
    };
    let at = absolute(element::index(index)?, list.len());
    if at
        .and_then(|at| list.get_with(at, |entry| element::write(reply, entry)))
        .is_none()
    {
        reply.null();
    }
    Ok(())
}

/// Converts an index from either end to an index from the head; `None`: before the head.
#[inline]
pub(super) fn absolute(index: i64, len: usize) -> Option<usize> {
    let index = if index < 0 {
        index.saturating_add(len as i64)
    } else {
        index
    };
    usize::try_from(index).ok()
}

/// The options of LPOS.
struct Search {
    /// The first match to report, from 1.
    rank: u64,
    backward: bool,
    /// Number of matches; 0: all. `None`: one match, not in an array.
    count: Option<usize>,
    /// Maximum number of elements to compare.
    compared_max: usize,
}

impl Search {
    fn parse(args: Args<'_>) -> Result<Search, CommandError> {
        const RANK_ZERO: &str = "ERR RANK can't be zero: use 1 to start from the first match, \
                                 2 from the second ... or use negative to start from the end \
                                 of the list";
        let mut search = Search {
            rank: 1,
            backward: false,
            count: None,
            compared_max: usize::MAX,
        };
        let mut at = 3;
        while at < args.len() {
            let Some(value) = args.get(at + 1) else {
                return Err(CommandError::Syntax);
            };
            if args.is(at, "RANK") {
                let rank = element::signed_count(value)?;
                if rank == 0 {
                    return Err(CommandError::Text(RANK_ZERO));
                }
                (search.rank, search.backward) = (rank.unsigned_abs(), rank < 0);
            } else if args.is(at, "COUNT") {
                let negative = CommandError::Text("ERR COUNT can't be negative");
                search.count = Some(element::at_least(value, 0, negative)?);
            } else if args.is(at, "MAXLEN") {
                let negative = CommandError::Text("ERR MAXLEN can't be negative");
                search.compared_max = match element::at_least(value, 0, negative)? {
                    0 => usize::MAX,
                    n => n,
                };
            } else {
                return Err(CommandError::Syntax);
            }
            at += 2;
        }
        Ok(search)
    }
}

/// The elements that LPOS compares.
fn count_compared(call: &mut Call<'_>) -> CommandResult {
    let search = Search::parse(call.args)?;
    let touched = work::length(call).min(search.compared_max as u64);
    call.touches(touched);
    Ok(())
}

/// `LPOS key element [RANK rank] [COUNT count] [MAXLEN len]`: the positions of an element.
///
/// Reply: an index or null; with COUNT an array of indexes. O(elements compared).
fn lpos(call: &mut Call<'_>) -> CommandResult {
    let (key, sought) = (call.args.at(1), call.args.at(2));
    let search = Search::parse(call.args)?;
    let reply = &mut *call.reply;
    let Some(list) = call.db.read::<List>(key)? else {
        match search.count {
            Some(_) => reply.array(0),
            None => reply.null(),
        }
        return Ok(());
    };
    let len = list.len();
    let start = if search.backward {
        len.saturating_sub(1)
    } else {
        0
    };
    let wanted = match search.count {
        None => 1,
        Some(0) => usize::MAX,
        Some(n) => n,
    };
    let place = search.count.map(|_| reply.defer());
    let number = Entry::parse(sought).as_int();
    let (mut seen, mut matches, mut reported) = (0, 0, 0);
    list.visit(start, search.compared_max, search.backward, |entry| {
        let same = match entry {
            Entry::Int(value) => number == Some(value),
            Entry::Str(text) => text == sought,
        };
        if same {
            matches += 1;
            if matches >= search.rank {
                let at = if search.backward {
                    len - 1 - seen
                } else {
                    seen
                };
                reply.int(at as i64);
                reported += 1;
            }
        }
        seen += 1;
        reported < wanted
    });
    match place {
        Some(place) => reply.finish_array(place, reported),
        None if reported == 0 => reply.null(),
        None => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn ranges_reach_across_nodes_and_past_the_ends() {
        let mut t = Testbed::new();
        for i in 0..2000 {
            t.run(&format!("RPUSH l element:{i}"));
        }
        assert_eq!(t.run("LLEN l"), ":2000\r\n");
        assert_eq!(
            t.run("LRANGE l 998 1000"),
            "*3\r\n$11\r\nelement:998\r\n$11\r\nelement:999\r\n$12\r\nelement:1000\r\n"
        );
        assert_eq!(t.run("LRANGE l -1 5000"), "*1\r\n$12\r\nelement:1999\r\n");
        assert_eq!(t.run("LRANGE l 5 4"), "*0\r\n");
        assert_eq!(t.run("LRANGE nokey 0 -1"), "*0\r\n");
        assert_eq!(t.run("LINDEX l -1"), "$12\r\nelement:1999\r\n");
        assert_eq!(t.run("LINDEX l 2000"), "$-1\r\n");
        assert_eq!(t.run("LINDEX l -2001"), "$-1\r\n");
        assert_eq!(t.run("LINDEX nokey x"), "$-1\r\n");
        assert!(
            t.run("LINDEX l x")
                .starts_with("-ERR value is not an integer")
        );
    }

    #[test]
    fn positions_count_from_either_end() {
        let mut t = Testbed::new();
        t.run("RPUSH l a b c 1 2 3 c c");
        assert_eq!(t.run("LPOS l c"), ":2\r\n");
        assert_eq!(t.run("LPOS l c RANK 2"), ":6\r\n");
        assert_eq!(t.run("LPOS l c RANK -1"), ":7\r\n");
        assert_eq!(t.run("LPOS l c COUNT 0"), "*3\r\n:2\r\n:6\r\n:7\r\n");
        assert_eq!(t.run("LPOS l c COUNT 2 RANK -2"), "*2\r\n:6\r\n:2\r\n");
        assert_eq!(t.run("LPOS l c COUNT 0 MAXLEN 7"), "*2\r\n:2\r\n:6\r\n");
        assert_eq!(t.run("LPOS l 3 MAXLEN 5"), "$-1\r\n");
        assert_eq!(t.run("LPOS l 3 COUNT 1 MAXLEN 5"), "*0\r\n");
        assert_eq!(t.run("LPOS nokey 3 COUNT 1"), "*0\r\n");
        assert_eq!(t.run("LPOS nokey 3"), "$-1\r\n");
        assert_eq!(t.run("LPOS l 3 RANK"), "-ERR syntax error\r\n");
        assert!(
            t.run("LPOS l 3 RANK 0")
                .starts_with("-ERR RANK can't be zero")
        );
        assert!(
            t.run("LPOS l 3 COUNT -1")
                .starts_with("-ERR COUNT can't be")
        );
        assert!(
            t.run("LPOS l 3 MAXLEN x")
                .starts_with("-ERR MAXLEN can't be")
        );
    }
}
