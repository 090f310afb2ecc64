//! LSET, LINSERT, LREM, LTRIM: changes inside lists.
//!
//! A missing key is an error for LSET alone. LINSERT wakes clients that wait for the list. LTRIM
//! sends the event even if it removed nothing, but does not propagate itself then. A shortened list
//! may return to the smaller encoding (`shrunk`).
//!
//! Cost: LSET O(nodes up to the index), LINSERT and LREM O(length), LTRIM O(elements removed).
//!
//! Decided elsewhere: encodings and nodes: `types::list`.

use super::read::absolute;
use crate::arguments::element;
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Container, End, List};

pub(super) const LSET: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::LIST,
    ..Spec::new("lset", lset)
};

pub(super) const LINSERT: Spec = Spec {
    arity: Arity::Exactly(5),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::one(1, Access::ADD)],
    categories: Category::LIST,
    work: work::LIST,
    ..Spec::new("linsert", linsert)
};

pub(super) const LREM: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: Flags::WRITE,
    keys: &[KeySpec::one(1, Access::REMOVE)],
    categories: Category::LIST,
    work: work::LIST,
    ..Spec::new("lrem", lrem)
};

pub(super) const LTRIM: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: Flags::WRITE,
    keys: &[KeySpec::one(1, Access::REMOVE)],
    categories: Category::LIST,
    work: work::TRIMMED,
    ..Spec::new("ltrim", ltrim)
};

/// `LSET key index element`: replaces an element.
///
/// Reply: OK. Errors: no such key, index out of range. O(nodes up to it).
fn lset(call: &mut Call<'_>) -> CommandResult {
    let [_, key, index, text] = call.args.exactly();
    let limits = *call.db.limits();
    let Some(mut list) = call.db.write::<List>(key)? else {
        return Err(CommandError::NoSuchKey);
    };
    let index = element::index(index)?;
    list.prepare(text.len(), 1, &limits);
    let at = absolute(index, list.len());
    if !at.is_some_and(|at| list.replace(at, text)) {
        return Err(CommandError::IndexOutOfRange);
    }
    list.shrunk(&limits);
    drop(list);
    call.db.changed(key, Class::LIST, "lset");
    call.reply.ok();
    Ok(())
}

/// `LINSERT key BEFORE|AFTER pivot element`: inserts an element next to the first `pivot`.
///
/// Reply: the length; -1 without the pivot; 0 without the key. O(elements before it).
fn linsert(call: &mut Call<'_>) -> CommandResult {
    let [_, key, _, pivot, text] = call.args.exactly();
    let after = call.args.is(2, "AFTER");
    if !after && !call.args.is(2, "BEFORE") {
        return Err(CommandError::Syntax);
    }
    let limits = *call.db.limits();
    let Some(mut list) = call.db.write::<List>(key)? else {
        call.reply.int(0);
        return Ok(());
    };
    list.prepare(text.len(), 1, &limits);
    let Some(at) = list.position(pivot) else {
        call.reply.int(-1);
        return Ok(());
    };
    list.insert_beside(at, after, text);
    let len = list.len();
    drop(list);
    call.db.signal(key);
    call.db.changed(key, Class::LIST, "linsert");
    call.reply.int(len as i64);
    Ok(())
}

/// `LREM key count element`: removes equal elements; from the tail if `count` is negative, all if
/// `count` is 0.
///
/// Reply: the number removed. O(length).
fn lrem(call: &mut Call<'_>) -> CommandResult {
    let [_, key, count, text] = call.args.exactly();
    let count = element::signed_count(count)?;
    let limits = *call.db.limits();
    let Some(mut list) = call.db.write::<List>(key)? else {
        call.reply.int(0);
        return Ok(());
    };
    let limit = match count.unsigned_abs() as usize {
        0 => usize::MAX,
        n => n,
    };
    let from = if count < 0 { End::Back } else { End::Front };
    let removed = list.remove_equal(text, limit, from);
    if removed > 0 {
        list.shrunk(&limits);
        let empty = list.is_empty();
        drop(list);
        call.db.changed_by(key, removed, Class::LIST, "lrem");
        if empty {
            call.db.delete_emptied(key);
        }
    }
    call.reply.int(removed as i64);
    Ok(())
}

/// `LTRIM key start stop`: keeps the elements between two inclusive indexes.
///
/// Reply: OK, also without the key. O(elements removed).
fn ltrim(call: &mut Call<'_>) -> CommandResult {
    let [_, key, start, stop] = call.args.exactly();
    let (start, stop) = (element::index(start)?, element::index(stop)?);
    let limits = *call.db.limits();
    let Some(mut list) = call.db.write::<List>(key)? else {
        call.reply.ok();
        return Ok(());
    };
    let len = list.len();
    let kept = match element::span(start, stop, len) {
        Some((first, count)) => {
            list.delete_range(first + count, len - first - count);
            list.delete_range(0, first);
            list.shrunk(&limits);
            count
        }
        None => 0,
    };
    drop(list);
    // Trimming nothing sends an event, too, but is not propagated.
    call.db.changed_by(key, len - kept, Class::LIST, "ltrim");
    if kept == 0 {
        call.db.delete_emptied(key);
    }
    call.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn an_index_is_read_only_when_there_is_a_list() {
        let mut t = Testbed::new();
        assert_eq!(t.run("LSET l x a"), "-ERR no such key\r\n");
        t.run("RPUSH l a b c");
        assert!(
            t.run("LSET l x a")
                .starts_with("-ERR value is not an integer")
        );
        assert_eq!(t.run("LSET l 3 a"), "-ERR index out of range\r\n");
        assert_eq!(t.run("LSET l -4 a"), "-ERR index out of range\r\n");
        assert_eq!(t.run("LSET l -1 z"), "+OK\r\n");
        assert_eq!(t.run("LRANGE l 1 -1"), "*2\r\n$1\r\nb\r\n$1\r\nz\r\n");
        assert_eq!(t.take_effects(), ["RPUSH l a b c", "LSET l -1 z"]);
    }

    #[test]
    fn an_element_is_inserted_beside_the_first_pivot() {
        let mut t = Testbed::new();
        assert_eq!(t.run("LINSERT l BEFORE a b"), ":0\r\n");
        t.run("RPUSH l a 5 a");
        t.take_effects();
        assert_eq!(t.run("LINSERT l before 5 x"), ":4\r\n");
        assert_eq!(t.run("LINSERT l AFTER a y"), ":5\r\n");
        assert_eq!(t.run("LINSERT l AFTER nothing y"), ":-1\r\n");
        assert_eq!(t.run("LINSERT l BESIDE a y"), "-ERR syntax error\r\n");
        assert_eq!(
            t.run("LRANGE l 0 -1"),
            "*5\r\n$1\r\na\r\n$1\r\ny\r\n$1\r\nx\r\n$1\r\n5\r\n$1\r\na\r\n"
        );
        assert_eq!(t.take_effects().len(), 2);
    }

    #[test]
    fn equal_elements_go_from_the_end_that_the_sign_names() {
        let mut t = Testbed::new();
        t.run("RPUSH l 7 a 7 b 7");
        assert_eq!(t.run("LREM l -1 7"), ":1\r\n");
        assert_eq!(t.run("LREM l 1 7"), ":1\r\n");
        assert_eq!(
            t.run("LRANGE l 0 -1"),
            "*3\r\n$1\r\na\r\n$1\r\n7\r\n$1\r\nb\r\n"
        );
        assert_eq!(t.run("LREM l 0 none"), ":0\r\n");
        assert_eq!(t.run("LREM nokey 0 none"), ":0\r\n");
        for element in ["7", "a", "b"] {
            assert_eq!(t.run(&format!("LREM l 0 {element}")), ":1\r\n");
        }
        assert_eq!(t.run("LLEN l"), ":0\r\n");
        assert_eq!(t.engine.keyspace.db(russet_keyspace::DbIndex(0)).len(), 0);
    }

    #[test]
    fn a_trim_of_nothing_has_no_effect() {
        let mut t = Testbed::new();
        t.run("RPUSH l a b c d");
        t.take_effects();
        assert_eq!(t.run("LTRIM l 0 -1"), "+OK\r\n");
        assert_eq!(t.take_effects(), Vec::<String>::new());
        assert_eq!(t.run("LTRIM l 1 2"), "+OK\r\n");
        assert_eq!(t.run("LRANGE l 0 -1"), "*2\r\n$1\r\nb\r\n$1\r\nc\r\n");
        assert_eq!(t.run("LTRIM l 5 9"), "+OK\r\n");
        assert_eq!(t.run("LLEN l"), ":0\r\n");
        assert_eq!(t.take_effects(), ["LTRIM l 1 2", "LTRIM l 5 9"]);
        assert_eq!(t.run("LTRIM nokey 5 9"), "+OK\r\n");
    }
}
