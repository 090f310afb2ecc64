//! COMMAND INFO: a row as the protocol shows it.
//!
//! COMMAND computes all ten fields from the row; first key, last key, step and `movablekeys` come
//! from the row's key plan, so no row repeats them. Names come in Redis's order. A flag that is in
//! none of the lists below is internal and stays hidden.
//!
//! Cost: O(flags + key specs), and as much for each subcommand.
//!
//! Decided elsewhere: the plan: `command::plan`; ACL categories that follow from flags:
//! `Spec::all_categories`.

use russet_command::{Access, BeginSearch, Category, Flags, KeyExtent, KeySpec};
use russet_config::Dialect;
use russet_resp::Reply;
use russet_server::{CommandTable, Row};

/// Writes the ten fields of a command: name, arity, flags, first key, last key, step,
/// categories, tips, key specs, subcommands. Flags, categories, tips and specs are sets.
pub(super) fn write_info(reply: &mut Reply, table: &CommandTable, row: &Row, dialect: Dialect) {
    let Row { spec, plan, .. } = row;
    reply.array(10);
    reply.bulk(row.full_name.as_bytes());
    reply.int(spec.arity.wire());
    let mut flags = spec.flags;
    flags.set(Flags::MOVABLEKEYS, plan.is_movable());
    write_names(
        reply,
        FLAGS.iter().filter(|(flag, _)| flags.contains(*flag)),
    );
    let (first, last, step) = plan.old_range();
    reply.int(first);
    reply.int(last);
    reply.int(step);
    let categories = spec.all_categories();
    write_names(
        reply,
        CATEGORIES
            .iter()
            .filter(|(category, _)| categories.contains(*category)),
    );
    reply.set(spec.tips.len());
    for tip in spec.tips {
        reply.bulk(tip.as_bytes());
    }
    reply.set(spec.keys.len());
    for key in spec.keys {
        write_key_spec(reply, key);
    }
    if row.subcommands.is_empty() {
        return if dialect.no_subcommands_is_set() {
            reply.set(0)
        } else {
            reply.array(0)
        };
    }
    reply.array(row.subcommands.len());
    for &sub in &row.subcommands {
        write_info(reply, table, table.row(sub), dialect);
    }
}

/// Writes a key's access as a set of words.
pub(super) fn write_access(reply: &mut Reply, access: Access) {
    write_names(
        reply,
        ACCESS.iter().filter(|(flag, _)| access.contains(*flag)),
    );
}

/// The category of this name, without the `@`, in any case.
pub(super) fn category_named(name: &[u8]) -> Option<Category> {
    let known = |(_, text): &&(Category, &str)| name.eq_ignore_ascii_case(&text.as_bytes()[1..]);
    CATEGORIES.iter().find(known).map(|(category, _)| *category)
}

fn write_key_spec(reply: &mut Reply, spec: &KeySpec) {
    reply.map(if spec.notes.is_empty() { 3 } else { 4 });
    if !spec.notes.is_empty() {
        reply.bulk(b"notes");
        reply.bulk(spec.notes.as_bytes());
    }
    reply.bulk(b"flags");
    write_access(reply, spec.access);
    reply.bulk(b"begin_search");
    match spec.begin {
        BeginSearch::Index(at) => write_search(reply, "index", &[("index", at.into())]),
        BeginSearch::Keyword { word, from } => {
            write_type(reply, "keyword");
            reply.map(2);
            reply.bulk(b"keyword");
            reply.bulk(word.as_bytes());
            reply.bulk(b"startfrom");
            reply.int(from.into());
        }
        BeginSearch::Unknown => write_search(reply, "unknown", &[]),
    }
    reply.bulk(b"find_keys");
    match spec.find {
        KeyExtent::Range { last, step, limit } => {
            let fields = [
                ("lastkey", last.into()),
                ("keystep", step.into()),
                ("limit", limit.into()),
            ];
            write_search(reply, "range", &fields);
        }
        KeyExtent::KeyNum {
            count_at,
            first,
            step,
        } => {
            let fields = [
                ("keynumidx", count_at.into()),
                ("firstkey", first.into()),
                ("keystep", step.into()),
            ];
            write_search(reply, "keynum", &fields);
        }
        KeyExtent::Unknown => write_search(reply, "unknown", &[]),
    }
}

fn write_search(reply: &mut Reply, kind: &str, fields: &[(&str, i64)]) {
    write_type(reply, kind);
    reply.map(fields.len());
    for (name, value) in fields {
        reply.bulk(name.as_bytes());
        reply.int(*value);
    }
}

fn write_type(reply: &mut Reply, kind: &str) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
}

fn write_names<'a, T: 'a>(
    reply: &mut Reply,
    names: impl Iterator<Item = &'a (T, &'static str)> + Clone,
) {
    reply.set(names.clone().count());
    for (_, name) in names {
        reply.simple(name);
    }
}

/// In Redis's order. Flags for internal use only are not shown.
const FLAGS: [(Flags, &str); 21] = [
    (Flags::WRITE, "write"),
    (Flags::READONLY, "readonly"),
    (Flags::DENYOOM, "denyoom"),
    (Flags::MODULE, "module"),
    (Flags::ADMIN, "admin"),
    (Flags::PUBSUB, "pubsub"),
    (Flags::NOSCRIPT, "noscript"),
    (Flags::BLOCKING, "blocking"),
    (Flags::LOADING, "loading"),
    (Flags::STALE, "stale"),
    (Flags::SKIP_MONITOR, "skip_monitor"),
    (Flags::SKIP_SLOWLOG, "skip_slowlog"),
    (Flags::ASKING, "asking"),
    (Flags::FAST, "fast"),
    (Flags::NO_AUTH, "no_auth"),
    (Flags::NO_MANDATORY_KEYS, "no_mandatory_keys"),
    (Flags::NO_ASYNC_LOADING, "no_async_loading"),
    (Flags::NO_MULTI, "no_multi"),
    (Flags::MOVABLEKEYS, "movablekeys"),
    (Flags::ALLOW_BUSY, "allow_busy"),
    (Flags::SCRIPT_RUNNER, "script_runner"),
];

const ACCESS: [(Access, &str); 11] = [
    (Access::RO, "RO"),
    (Access::RW, "RW"),
    (Access::OW, "OW"),
    (Access::RM, "RM"),
    (Access::ACCESS, "access"),
    (Access::UPDATE, "update"),
    (Access::INSERT, "insert"),
    (Access::DELETE, "delete"),
    (Access::NOT_KEY, "not_key"),
    (Access::INCOMPLETE, "incomplete"),
    (Access::VARIABLE_FLAGS, "variable_flags"),
];

const CATEGORIES: [(Category, &str); 30] = [
    (Category::KEYSPACE, "@keyspace"),
    (Category::READ, "@read"),
    (Category::WRITE, "@write"),
    (Category::SET, "@set"),
    (Category::SORTEDSET, "@sortedset"),
    (Category::LIST, "@list"),
    (Category::HASH, "@hash"),
    (Category::STRING, "@string"),
    (Category::ARRAY, "@array"),
    (Category::BITMAP, "@bitmap"),
    (Category::HYPERLOGLOG, "@hyperloglog"),
    (Category::GEO, "@geo"),
    (Category::STREAM, "@stream"),
    (Category::PUBSUB, "@pubsub"),
    (Category::ADMIN, "@admin"),
    (Category::FAST, "@fast"),
    (Category::SLOW, "@slow"),
    (Category::BLOCKING, "@blocking"),
    (Category::DANGEROUS, "@dangerous"),
    (Category::CONNECTION, "@connection"),
    (Category::TRANSACTION, "@transaction"),
    (Category::SCRIPTING, "@scripting"),
    (Category::PATHHASH, "@pathhash"),
    (Category::JSON, "@json"),
    (Category::BLOOM, "@bloom"),
    (Category::CUCKOO, "@cuckoo"),
    (Category::CMS, "@cms"),
    (Category::TOPK, "@topk"),
    (Category::TDIGEST, "@tdigest"),
    (Category::TIMESERIES, "@timeseries"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use russet_command::Arity;
    use russet_server::Spec;

    #[test]
    fn a_row_is_shown_as_redis_shows_it() {
        const PEEK: Spec = Spec {
            arity: Arity::AtLeast(2),
            flags: Flags::READONLY.union(Flags::FAST),
            keys: &[KeySpec::one(1, Access::READ).noted("n")],
            categories: Category::STRING,
            tips: &["nondeterministic_output"],
            ..Spec::new("peek", |_| Ok(()))
        };
        static SPECS: [Spec; 1] = [PEEK];
        let table = CommandTable::new(&[&SPECS]);
        let mut reply = Reply::new();
        reply.set_resp3(true);
        write_info(&mut reply, &table, &table.rows()[0], Dialect::Redis);
        let expected = "*10\r\n$4\r\npeek\r\n:-2\r\n~2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n\
            ~3\r\n+@read\r\n+@string\r\n+@fast\r\n~1\r\n$23\r\nnondeterministic_output\r\n\
            ~1\r\n%4\r\n$5\r\nnotes\r\n$1\r\nn\r\n$5\r\nflags\r\n~2\r\n+RO\r\n+access\r\n\
            $12\r\nbegin_search\r\n%2\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n\
            %1\r\n$5\r\nindex\r\n:1\r\n$9\r\nfind_keys\r\n%2\r\n$4\r\ntype\r\n$5\r\nrange\r\n\
            $4\r\nspec\r\n%3\r\n$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n\
            ~0\r\n";
        assert_eq!(String::from_utf8_lossy(&reply.pending()), expected);
    }

    #[test]
    fn categories_are_found_by_name() {
        assert_eq!(category_named(b"SortedSet"), Some(Category::SORTEDSET));
        assert_eq!(category_named(b"@set"), None);
        assert_eq!(category_named(b"nosuch"), None);
    }
}
