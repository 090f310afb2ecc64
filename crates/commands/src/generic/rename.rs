//! Renaming, moving and copying keys: RENAME, RENAMENX, COPY, MOVE.
//!
//! A value moves with its expiry; its uses are counted anew. Watchers of both names learn of it.
//! RENAME replaces, MOVE and RENAMENX never do, COPY only with REPLACE.
//!
//! A copied vector set, filter, sketch or dictionary of suggestions is propagated as RESTORE, since
//! Redis refuses to copy it.
//!
//! Cost: O(1), COPY O(size of the value), of large sketches in slices.
//!
//! Decided elsewhere: databases that a cluster allows: `arguments::db_index`.

use super::dump::{BEGINNINGS_MAX, payload_of};
use crate::arguments::db_index;
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, DatabaseUse, Flags, KeySpec};
use russet_keyspace::{Class, DbIndex, ValueView};
use russet_persistence::rdb::{RdbWriter, SlicedPayload, VERSION_FIELD_TTLS, stamp_of_large};
use russet_server::{Call, CommandResult, Slice, Spec};
use russet_types::vector_set::Progress;
use russet_types::{AnyContainer, Type};

pub(super) const RENAME: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::WRITE,
    keys: &[
        KeySpec::one(1, Access::TAKE),
        KeySpec::one(2, Access::OVERWRITE),
    ],
    categories: Category::KEYSPACE,
    ..Spec::new("rename", rename)
};

/// `RENAME key newkey`: renames the key and keeps its expiry; replaces any old `newkey`.
///
/// Reply: OK; an error for a missing key. O(1).
fn rename(call: &mut Call<'_>) -> CommandResult {
    rename_to(call, true)?;
    call.reply.ok();
    Ok(())
}

pub(super) const RENAMENX: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[
        KeySpec::one(1, Access::TAKE),
        KeySpec::one(2, Access::OW.union(Access::INSERT)),
    ],
    categories: Category::KEYSPACE,
    ..Spec::new("renamenx", renamenx)
};

/// `RENAMENX key newkey`: RENAME if the new name is free.
///
/// Reply: 1 or 0; an error for a missing key. O(1).
fn renamenx(call: &mut Call<'_>) -> CommandResult {
    let done = rename_to(call, false)?;
    call.reply.int(done as i64);
    Ok(())
}

fn rename_to(call: &mut Call<'_>, replace: bool) -> Result<bool, CommandError> {
    let [_, from, to] = call.args.exactly();
    let kind = call.db.kind_to_write(from);
    let kind = kind.ok_or(CommandError::NoSuchKey)?;
    if from == to {
        return Ok(false);
    }
    let replaced = call.db.kind_to_write(to);
    if replaced.is_some() && !replace {
        return Ok(false);
    }
    let db = call.db.index();
    call.db.rename(from, db, to);
    call.db.changed(from, Class::GENERIC, "rename_from");
    call.db.also_changed(to, Class::GENERIC, "rename_to");
    if let Some(old) = replaced {
        call.db.overwritten(to, old, kind);
    }
    Ok(true)
}

pub(super) const COPY: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::CROSS_DB),
    keys: &[
        KeySpec::one(1, Access::READ),
        KeySpec::one(2, Access::OVERWRITE),
    ],
    categories: Category::KEYSPACE,
    databases: DatabaseUse::OwnAndBehind("db", "replace"),
    work: work::WHOLE,
    ..Spec::new("copy", copy)
};

/// `COPY source destination [DB index] [REPLACE]`: a copy with the source's expiry.
///
/// Reply: 1, or 0 when the source is missing or the destination taken. O(size of the value).
fn copy(call: &mut Call<'_>) -> CommandResult {
    let (from, to) = (call.args.at(1), call.args.at(2));
    let (mut db, mut replace) = (call.db.index(), false);
    let mut at = 3;
    while at < call.args.len() {
        if call.args.is(at, "REPLACE") {
            replace = true;
        } else if call.args.is(at, "DB") && at + 1 < call.args.len() {
            at += 1;
            db = db_index::parse(call, call.args.at(at))?;
        } else {
            return Err(CommandError::Syntax);
        }
        at += 1;
    }
    if db == call.db.index() && from == to {
        return Err(CommandError::SameObject);
    }
    if (db, call.db.index()) != (DbIndex(0), DbIndex(0)) && !call.is_retry() {
        call.server.stats.cluster_incompatible_ops += 1;
    }
    // A command that runs again has counted its lookup.
    let kind = if call.is_retry() {
        call.db.kind_to_write(from)
    } else {
        call.db.kind(from)
    };
    let Some(kind) = kind else {
        call.reply.int(0);
        return Ok(());
    };
    let replaced = call.db.other(db).kind_to_write(to);
    let may_be = replaced.is_none() || replace;
    let large = match may_be.then(|| LargeCopy::of(call, from)).flatten() {
        None => None,
        Some(copy) => {
            match call.in_slices(copy, |copy, call, slice| Ok(copy.advance(call, slice)))? {
                None => return Ok(()),
                made => made,
            }
        }
    };
    let (copy, payload) = large.map_or((None, None), LargeCopy::finish);
    let done = may_be && call.db.copy_as(from, db, to, copy);
    if done {
        let mut target = call.db.other(db);
        target.changed(to, Class::GENERIC, "copy_to");
        if let Some(old) = replaced {
            target.overwritten(to, old, kind);
        }
        if !is_copied_by_redis(kind) && call.effects_wanted() {
            restore_instead(call, to, db, payload);
        }
    }
    call.reply.int(done as i64);
    Ok(())
}

/// Whether Redis copies values of a type: Redis's own types, and types of modules that define a
/// copy.
fn is_copied_by_redis(kind: Type) -> bool {
    !matches!(
        kind,
        Type::VectorSet
            | Type::Bloom
            | Type::Cuckoo
            | Type::CountMin
            | Type::TopK
            | Type::TDigest
            | Type::Suggestions
    )
}

/// Records a copied value as RESTORE, where Redis refuses to copy it.
fn restore_instead(call: &mut Call<'_>, key: &[u8], db: DbIndex, payload: Option<Vec<u8>>) {
    let mut target = call.db.other(db);
    let expiry = target.expiry(key).flatten();
    let Some(view) = target.peek_view(key) else {
        return;
    };
    let payload = payload.unwrap_or_else(|| {
        let mut writer = writer_of_effects(&view.value);
        payload_of(&mut writer, &view.value)
    });
    drop(view);
    let at = expiry.unwrap_or(0).to_string();
    let words: [&[u8]; 6] = [
        b"RESTORE",
        key,
        at.as_bytes(),
        &payload,
        b"REPLACE",
        b"ABSTTL",
    ];
    call.rewrite_in(db, &words);
}

fn writer_of_effects(value: &ValueView<'_>) -> RdbWriter {
    let mut writer = RdbWriter::new(0, true);
    writer.fit(VERSION_FIELD_TTLS, false, value);
    writer
}

/// The copy of a large value, made in slices: first the blocks, then the payload for the log and
/// replicas. If a command changes the value between two slices, the copy begins again.
struct LargeCopy {
    copy: AnyContainer,
    /// Where the next piece of blocks is; `None`: all are copied.
    at: Option<u64>,
    payload: Option<SlicedPayload>,
    stamp: u64,
    beginnings: u32,
    /// The key holds no large value any longer: its value is copied at once.
    is_gone: bool,
}

impl LargeCopy {
    /// The copy under way, or a new one, of the value at a key. `None`: the value is small, or
    /// values of its type are copied at once.
    fn of(call: &mut Call<'_>, key: &[u8]) -> Option<LargeCopy> {
        if let Some(copy) = call.take_work::<LargeCopy>() {
            return Some(copy);
        }
        let wants_payload = call.effects_wanted();
        let view = call.db.peek_view(key)?;
        LargeCopy::begin(&view.value, wants_payload)
    }

    fn begin(value: &ValueView<'_>, wants_payload: bool) -> Option<LargeCopy> {
        let ValueView::Container(container) = value else {
            return None;
        };
        let wants_payload = wants_payload && !is_copied_by_redis(container.kind());
        Some(LargeCopy {
            stamp: stamp_of_large(value)?,
            copy: container.begin_copy(),
            at: Some(0),
            payload: wants_payload.then(|| SlicedPayload::new(writer_of_effects(value))),
            beginnings: 1,
            is_gone: false,
        })
    }

    fn advance(&mut self, call: &mut Call<'_>, slice: Slice) -> Progress {
        let (key, wants_payload) = (call.args.at(1), self.payload.is_some());
        let view = call.db.peek_view(key);
        let stamp = view.as_ref().and_then(|view| stamp_of_large(&view.value));
        let (Some(view), Some(stamp)) = (view, stamp) else {
            self.is_gone = true;
            return Progress::Done;
        };
        if stamp != self.stamp
            && let Some(anew) = LargeCopy::begin(&view.value, wants_payload)
        {
            let beginnings = self.beginnings + 1;
            *self = LargeCopy { beginnings, ..anew };
        }
        loop {
            if !self.step(&view.value) {
                return Progress::Done;
            }
            if slice.is_over() && self.beginnings <= BEGINNINGS_MAX {
                return Progress::More;
            }
        }
    }

    /// `false`: there is nothing left to do.
    fn step(&mut self, value: &ValueView<'_>) -> bool {
        match (self.at, value, &mut self.payload) {
            (Some(at), ValueView::Container(from), _) => {
                self.at = from.copy_piece(&mut self.copy, at);
                self.at.is_some() || self.payload.is_some()
            }
            (_, _, Some(payload)) => !payload.step(value),
            _ => false,
        }
    }

    fn finish(self) -> (Option<AnyContainer>, Option<Vec<u8>>) {
        if self.is_gone {
            return (None, None);
        }
        (Some(self.copy), self.payload.map(SlicedPayload::finish))
    }
}

pub(super) const MOVE: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::WRITE.union(Flags::FAST).union(Flags::CROSS_DB),
    keys: &[KeySpec::one(1, Access::MODIFY)],
    categories: Category::KEYSPACE,
    databases: DatabaseUse::OwnAndNamed(2),
    ..Spec::new("move", move_key)
};

/// `MOVE key db`: moves the key with its expiry to another database.
///
/// Reply: 1, or 0 if it is missing here or exists there. O(1).
fn move_key(call: &mut Call<'_>) -> CommandResult {
    let [_, key, db] = call.args.exactly();
    db_index::refuse_others(call, "MOVE")?;
    let db = db_index::parse(call, db)?;
    if db == call.db.index() {
        return Err(CommandError::SameObject);
    }
    call.server.stats.cluster_incompatible_ops += 1;
    let done =
        call.db.contains(key) && !call.db.other(db).contains(key) && call.db.rename(key, db, key);
    if done {
        call.db.changed(key, Class::GENERIC, "move_from");
        let mut target = call.db.other(db);
        target.also_changed(key, Class::GENERIC, "move_to");
    }
    call.reply.int(done as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};
    use russet_keyspace::DbIndex;

    #[test]
    fn a_renamed_key_keeps_its_expiry_and_replaces_what_was_there() {
        let mut t = Testbed::new();
        t.run("SET a 1 PX 500");
        t.run("SET b 2");
        assert_eq!(t.run("RENAMENX a b"), ":0\r\n");
        assert_eq!(t.run("RENAME a b"), "+OK\r\n");
        assert_eq!(t.run("PTTL b"), ":500\r\n");
        assert_eq!(t.run("RENAME a b"), "-ERR no such key\r\n");
        assert_eq!(t.run("RENAME b b"), "+OK\r\n");
        assert_eq!(t.run("RENAMENX b b"), ":0\r\n");
        assert_eq!(t.run("RENAMENX b a"), ":1\r\n");
        let effects = t.take_effects();
        assert_eq!(effects[2..], ["RENAME a b", "RENAMENX b a"]);
        t.advance_ms(501);
        assert_eq!(t.run("RENAME a b"), "-ERR no such key\r\n");
        assert_eq!(t.take_effects(), ["DEL a"]);
    }

    #[test]
    fn an_expired_name_is_free() {
        let mut t = Testbed::new();
        t.run("SET a 1");
        t.run("SET b 2 PX 10");
        t.advance_ms(11);
        t.take_effects();
        assert_eq!(t.run("RENAMENX a b"), ":1\r\n");
        assert_eq!(t.take_effects(), ["DEL b", "RENAMENX a b"]);
        assert_eq!(t.run("TTL b"), ":-1\r\n");
    }

    #[test]
    fn a_copied_vector_set_is_restored_by_others() {
        let mut t = Testbed::new();
        t.run("VADD v VALUES 2 1 2 e");
        t.run("PEXPIREAT v 99999999999999");
        t.take_effects();
        assert_eq!(t.run("COPY v w DB 3"), ":1\r\n");
        let effects = t.take_effects();
        let wanted = "RESTORE w 99999999999999 ";
        assert!(
            effects[0].starts_with(wanted) && effects[0].ends_with(" REPLACE ABSTTL"),
            "{effects:?}"
        );
        t.run("SET s x");
        t.run("COPY s u");
        assert_eq!(t.take_effects()[1..], ["COPY s u"]);
    }

    /// A value of each type: what others get of its copy makes it there.
    #[test]
    fn a_copy_of_any_type_arrives_at_others() {
        let makes = [
            ("SET k v", true),
            ("RPUSH k a", true),
            ("SADD k a", true),
            ("HSET k f v", true),
            ("ZADD k 1 a", true),
            ("XADD k 1-1 f v", true),
            ("ARSET k 0 a", true),
            ("JSON.SET k $ [1]", true),
            ("TS.ADD k 1 2", true),
            ("SETBIT k 5 1", true),
            ("VADD k VALUES 2 1 2 e", false),
            ("BF.ADD k a", false),
            ("CF.ADD k a", false),
            ("CMS.INITBYDIM k 10 2", false),
            ("TOPK.RESERVE k 3", false),
            ("TDIGEST.CREATE k", false),
            ("FT.SUGADD k a 1", false),
        ];
        let mut kinds = std::collections::HashSet::new();
        for (line, is_copied) in makes {
            let mut t = Testbed::new();
            t.engine.server.config.bitmap_default_roaring = true;
            let reply = t.run(line);
            assert!(!reply.starts_with('-'), "{line}: {reply}");
            kinds.insert(t.run("TYPE k"));
            t.take_effects();
            assert_eq!(t.run("COPY k l"), ":1\r\n", "{line}");
            let effects = t.take_effects();
            let effect = &effects[effects.len() - 1];
            let expected = if is_copied {
                "COPY k l"
            } else {
                "RESTORE l 0 "
            };
            assert!(effect.starts_with(expected), "{line}: {effect}");
        }
        // The path hash is Redis's hash to others.
        let all = russet_types::Type::ALL.len();
        assert!(
            kinds.len() + 1 >= all,
            "{} of {all} types are copied here",
            kinds.len()
        );
    }

    #[test]
    fn copies_are_independent_of_their_source() {
        let mut t = Testbed::new();
        t.run("SET s text PX 100");
        t.run("HSET h f 1");
        for (from, to) in [("s", "s2"), ("h", "h2")] {
            assert_eq!(t.run(&format!("COPY {from} {to}")), ":1\r\n");
            assert_eq!(t.run(&format!("COPY {from} {to}")), ":0\r\n");
            assert_eq!(t.run(&format!("COPY {from} {to} REPLACE")), ":1\r\n");
        }
        t.run("APPEND s2 more");
        t.run("HSET h2 f 2");
        assert_eq!(t.run("GET s"), "$4\r\ntext\r\n");
        assert_eq!(t.run("HGET h f"), "$1\r\n1\r\n");
        assert_eq!(t.run("PTTL s2"), ":100\r\n");
        assert_eq!(t.run("COPY none x"), ":0\r\n");
        assert_eq!(t.run("COPY s s DB 1"), ":1\r\n");
        assert_eq!(t.engine.keyspace.db(DbIndex(1)).len(), 1);
        for (line, reply) in [
            (
                "COPY s s",
                "-ERR source and destination objects are the same\r\n",
            ),
            ("COPY s t DB 16", "-ERR DB index is out of range\r\n"),
            ("COPY s t DB", "-ERR syntax error\r\n"),
            (
                "MOVE s 99999999999",
                "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n",
            ),
        ] {
            assert_eq!(t.run(line), reply);
        }
    }

    #[test]
    fn moved_keys_leave_and_watchers_on_both_sides_learn_of_it() {
        let mut t = Testbed::new();
        let (here, there) = (t.connect(), t.connect());
        t.run("SET a 1");
        t.run_as(here, "WATCH a");
        t.run_as(there, "SELECT 1");
        t.run_as(there, "WATCH a");
        assert_eq!(t.run("MOVE a 1"), ":1\r\n");
        assert_eq!(t.run("MOVE a 1"), ":0\r\n");
        for client in [here, there] {
            t.run_as(client, "MULTI");
            assert_eq!(t.run_as(client, "EXEC"), "*-1\r\n");
        }
        assert_eq!(t.run_as(there, "GET a"), "$1\r\n1\r\n");
        assert_eq!(
            t.run("MOVE a 0"),
            "-ERR source and destination objects are the same\r\n"
        );
    }
}
