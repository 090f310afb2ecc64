//! SORT, SORT_RO: the sorted elements of a list, set or sorted set, by their own values or by the
//! values of other keys.
//!
//! `options` reads the words, `pattern` looks up the keys that BY and GET name, `sorting` loads the
//! elements, weighs and orders them; this module replies or stores the result.

mod options;
mod pattern;
mod sorting;

use std::cell::Cell;

use crate::arguments::element;
use crate::stored::store;
use crate::work;
use options::SortOptions;
use pattern::Pattern;
use russet_command::keys::Keys;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::{Class, slot_of, slot_of_pattern};
use russet_server::{Call, CommandResult, Origin, Spec};
use russet_types::{Container, End, Entry, List, Type};
use sorting::{Item, SortElements};

pub(super) const SORT: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[
        KeySpec::one(1, Access::READ),
        KeySpec::unknown(Access::READ).noted(
            "Keys that BY and GET patterns name follow from the elements, so they are unknown",
        ),
        KeySpec::unknown(Access::OVERWRITE)
            .noted("The word STORE may stand anywhere, so its key is unknown"),
    ],
    categories: Category::SET
        .union(Category::SORTEDSET)
        .union(Category::LIST)
        .union(Category::DANGEROUS),
    find_keys: Some(options::keys),
    work: work::SORTED,
    ..Spec::new("sort", sort)
};

pub(super) const SORT_RO: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::READONLY,
    keys: &[
        KeySpec::one(1, Access::READ),
        KeySpec::unknown(Access::READ).noted(
            "Keys that BY and GET patterns name follow from the elements, so they are unknown",
        ),
    ],
    categories: Category::SET
        .union(Category::SORTEDSET)
        .union(Category::LIST)
        .union(Category::DANGEROUS),
    find_keys: Some(|_| Ok(Keys::source_and(None))),
    work: work::SORTED,
    ..Spec::new("sort_ro", sort_ro)
};

/// `SORT key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC|DESC] [ALPHA] [STORE
/// destination]`: the elements in numeric order of their own values, or of the values of keys named
/// by `pattern`; with ALPHA in byte order, or in the order of a language (`locale-collate`), which
/// STORE never uses.
///
/// Reply: array of elements, or of the values that GET patterns find (null for a missing value);
/// with STORE the length of the stored list. O(n log n), with a short LIMIT O(n).
fn sort(call: &mut Call<'_>) -> CommandResult {
    sort_generic(call, false)
}

/// `SORT_RO ...`: SORT without STORE.
fn sort_ro(call: &mut Call<'_>) -> CommandResult {
    sort_generic(call, true)
}

/// Both commands; only SORT accepts STORE.
fn sort_generic(call: &mut Call<'_>, readonly: bool) -> CommandResult {
    let key = call.args.at(1);
    let may_read_all = || call.may_read_all_keys();
    let leaving = Cell::new(0);
    let is_clustered = call.server.cluster.is_some();
    let is_watched = call.server.config.cluster_compatibility_sample_ratio > 0;
    let may_name = |pattern: &[u8]| {
        let stays = !(is_clustered || is_watched) || slot_of_pattern(pattern) == Some(slot_of(key));
        leaving.set(leaving.get() + u64::from(!stays));
        stays || !is_clustered
    };
    let o = SortOptions::parse(call.args, readonly, &may_read_all, &may_name);
    call.server.stats.cluster_incompatible_ops += leaving.get();
    let mut o = o?;
    let is_kept = o.store.is_some() || call.origin == Origin::Script;
    if o.unsorted && is_kept && call.db.info(key).is_some_and(|i| i.kind == Type::Set) {
        // A stored result, or a result that a script sees, must not depend on hash table order.
        (o.unsorted, o.alpha, o.by) = (false, true, None);
    }
    let mut sorting = SortElements::default();
    let cut = sorting.load(&mut call.db, key, &o)?;
    let (start, end) = if cut {
        (0, sorting.items.len() as i64 - 1)
    } else {
        o.range(sorting.items.len())
    };
    if !o.unsorted {
        let numbers = call.number_dialect();
        // A stored list must not depend on the server's locale.
        let collation = Some(&call.server.collation);
        let collation = collation.filter(|c| o.store.is_none() && !c.is_by_bytes());
        let is_weighed = if o.alpha {
            sorting.weigh_texts(&mut call.db, o.by.as_ref(), collation);
            true
        } else {
            sorting.weigh_numbers(&mut call.db, o.by.as_ref(), numbers)
        };
        if !is_weighed {
            const NO_NUMBER: &str = "ERR One or more scores can't be converted into double";
            return Err(CommandError::Text(NO_NUMBER));
        }
        sorting.sort(start, end, &o);
    }
    let picked = if end < start {
        &[][..]
    } else {
        &sorting.items[start as usize..=end as usize]
    };
    match o.store {
        None => reply(call, picked, &sorting.buffer, &o.get),
        Some(destination) => store_list(call, destination, picked, &sorting.buffer, &o.get),
    }
    Ok(())
}

/// Replies the elements, or the values that the GET patterns find for each.
fn reply(call: &mut Call<'_>, picked: &[Item], buffer: &[u8], get: &[Pattern<'_>]) {
    call.reply.array(picked.len() * get.len().max(1));
    let mut key = Vec::new();
    for item in picked {
        let text = item.text.of(buffer);
        if get.is_empty() {
            call.reply.bulk(text);
        }
        for pattern in get {
            let reply = &mut *call.reply;
            let found = pattern.look_up(&mut call.db, text, &mut key, |entry| {
                element::write(reply, entry);
            });
            if found.is_none() {
                call.reply.null();
            }
        }
    }
}

/// Stores the same values as a list.
fn store_list(
    call: &mut Call<'_>,
    destination: &[u8],
    picked: &[Item],
    buffer: &[u8],
    get: &[Pattern<'_>],
) {
    let limits = *call.db.limits();
    let mut list = List::long(&limits);
    let mut push = |entry: Entry<'_>| {
        let mut digits = itoa::Buffer::new();
        let text = entry.bytes(&mut digits);
        list.push(End::Back, text);
    };
    let mut key = Vec::new();
    for item in picked {
        let text = item.text.of(buffer);
        if get.is_empty() {
            push(Entry::Str(text));
        }
        for pattern in get {
            let found = pattern.look_up(&mut call.db, text, &mut key, &mut push);
            if found.is_none() {
                push(Entry::Str(b""));
            }
        }
    }
    list.built(&limits);
    let len = list.len();
    store(call, destination, list, len, Class::LIST, "sortstore");
    // Also in place of another value, which does not wake clients by itself (`Db::overwrite`).
    call.db.signal(destination);
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    /// The bulk strings of a reply, nulls as `-`.
    fn words(reply: &str) -> String {
        let mut lines = reply.split("\r\n").skip(1);
        let mut out = Vec::new();
        while let Some(head) = lines.next() {
            match head {
                "" => break,
                "$-1" => out.push("-"),
                _ => out.push(lines.next().expect("a text")),
            }
        }
        out.join(" ")
    }

    #[test]
    fn numbers_texts_and_ranges() {
        let mut t = Testbed::new();
        t.run("RPUSH l 10 9 -1 1.5 1e2");
        assert_eq!(words(&t.run("SORT l")), "-1 1.5 9 10 1e2");
        assert_eq!(words(&t.run("SORT l DESC")), "1e2 10 9 1.5 -1");
        assert_eq!(words(&t.run("SORT l ALPHA")), "-1 1.5 10 1e2 9");
        assert_eq!(words(&t.run("SORT_RO l LIMIT 1 2")), "1.5 9");
        assert_eq!(words(&t.run("SORT l LIMIT 1 2 DESC")), "10 9");
        assert_eq!(words(&t.run("SORT l LIMIT -5 -9")), "-1 1.5 9 10 1e2");
        assert_eq!(t.run("SORT l LIMIT 9 2"), "*0\r\n");
        assert_eq!(t.run("SORT l LIMIT 1 0"), "*0\r\n");
        assert_eq!(t.run("SORT none"), "*0\r\n");
        assert_eq!(words(&t.run("SORT l BY nosort DESC LIMIT 1 2")), "1.5 -1");
    }

    #[test]
    fn keys_and_fields_give_weights_and_results() {
        let mut t = Testbed::new();
        t.run("RPUSH l a b c d");
        t.run("MSET w_a 3 w_b 1 w_c 2 name_a A name_c C");
        t.run("HSET h_a w 1 x ax");
        t.run("HSET h_b w 3");
        assert_eq!(words(&t.run("SORT l BY w_*")), "d b c a");
        assert_eq!(words(&t.run("SORT l BY h_*->w DESC")), "b a d c");
        assert_eq!(
            words(&t.run("SORT l BY w_* GET # GET name_* GET h_*->x GET none")),
            "d - - - b - - - c C - - a A ax -"
        );
        assert_eq!(words(&t.run("SORT l ALPHA BY name_*")), "b d a c");
        assert!(
            t.run("SORT l")
                .starts_with("-ERR One or more scores can't be")
        );
        assert!(
            t.run("SORT l BY name_*")
                .starts_with("-ERR One or more scores")
        );
    }

    #[test]
    fn stored_results_replace_and_empty_ones_delete() {
        let mut t = Testbed::new();
        t.run("SADD s b c a");
        t.run("SET d x");
        t.take_effects();
        assert_eq!(t.run("SORT s BY nosort STORE d"), ":3\r\n");
        assert_eq!(words(&t.run("LRANGE d 0 -1")), "a b c");
        assert_eq!(t.run("SORT s BY nosort GET none STORE d"), ":3\r\n");
        assert_eq!(t.run("LRANGE d 0 0"), "*1\r\n$0\r\n\r\n");
        assert_eq!(t.run("SORT none STORE d"), ":0\r\n");
        assert_eq!(t.run("LLEN d"), ":0\r\n");
        assert_eq!(t.run("SORT none STORE d"), ":0\r\n");
        assert_eq!(t.take_effects().len(), 3);
        assert_eq!(t.run("SORT_RO s STORE d"), "-ERR syntax error\r\n");
    }

    /// Regression: the order of equal weights was that of the hash table, which differs on
    /// replicas.
    #[test]
    fn the_members_of_a_set_have_one_order() {
        let mut t = Testbed::new();
        for key in ["up", "down"] {
            for n in 0..300 {
                let n = if key == "up" { n } else { 299 - n };
                t.run(&format!("SADD {key} m{n}"));
            }
        }
        for by in ["none_*", "up"] {
            let line = |key| format!("SORT {key} BY {by}* ALPHA DESC");
            assert_eq!(t.run(&line("up")), t.run(&line("down")), "{by}");
        }
    }

    #[test]
    fn a_sorted_set_keeps_its_order_when_not_sorted() {
        let mut t = Testbed::new();
        t.run("ZADD z 3 c 1 a 2 b");
        assert_eq!(words(&t.run("SORT z BY nosort")), "a b c");
        assert_eq!(words(&t.run("SORT z BY nosort DESC LIMIT 0 2")), "c b");
        assert_eq!(words(&t.run("SORT z ALPHA DESC")), "c b a");
        assert_eq!(t.run("OBJECT ENCODING z"), "$8\r\nskiplist\r\n");
        t.run("SET string 1");
        assert!(t.run("SORT string").starts_with("-WRONGTYPE "));
        assert_eq!(t.run("SORT string NONSENSE"), "-ERR syntax error\r\n");
    }

    /// SORT skipped an expired field but left it there, where Redis's field readers delete it.
    #[test]
    fn an_expired_field_goes_when_sort_meets_it() {
        let mut t = Testbed::new();
        t.run("RPUSH l 1 2");
        t.run("HSET w1 n 5 keep 1");
        t.run("HSET w2 n 4");
        for key in ["w1", "w2"] {
            t.run(&format!("HPEXPIRE {key} 10 FIELDS 1 n"));
        }
        t.advance_ms(20);
        assert_eq!(words(&t.run("SORT l BY w*->n GET w*->n GET #")), "- 1 - 2");
        assert_eq!(t.run("HLEN w1"), ":1\r\n");
        assert_eq!(t.run("EXISTS w2"), ":0\r\n");
    }

    #[test]
    fn texts_that_are_no_strict_numbers_are_refused() {
        for text in ["++1", "", "1e999", "1e-999", "1 ", "nan", "1e", ".", "one"] {
            let mut t = Testbed::new();
            t.run_args(&[b"RPUSH", b"l", b"1", text.as_bytes()]);
            assert!(t.run("SORT l").starts_with("-ERR One or more"), "{text}");
        }
        let mut t = Testbed::new();
        t.run_args(&[b"RPUSH", b"l", b"inf", b"0x10", b"+1", b"-inf"]);
        assert_eq!(words(&t.run("SORT l")), "-inf +1 0x10 inf");
    }
}
