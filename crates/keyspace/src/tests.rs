//! Expiry of keys and of fields, and the notifications of it; copies, and blocks that stay in
//! place.
//!
//! Each test runs without slots and with them (`worlds::both`), with a time set by hand.

use std::time::Duration;

use super::{Cause, Class, ClientId, DbIndex, Keyspace, NewValue};
use crate::worlds::both;
use crate::{Audience, Expiry, ExpiryMode};
use russet_types::{Container, Hash, Limits};

const DB: DbIndex = DbIndex(0);
const OTHER: DbIndex = DbIndex(1);
const BUDGET: Duration = Duration::from_secs(10);

fn keyspace() -> Keyspace {
    let mut k = Keyspace::new(2);
    k.set_now_ms(1000);
    k.effects.set_wanted(Audience::LOG);
    k.journal.listen(Class::all(), false);
    k
}

fn set(k: &mut Keyspace, key: &[u8], expiry: Expiry) {
    k.db(DB).set_string(key, NewValue::Int(1), expiry);
}

/// A hash with fields `0..fields`, each of which expires at `when` plus its number.
fn put_hash(k: &mut Keyspace, key: &[u8], fields: u64, when: u64, limits: &Limits) {
    let mut hash = Hash::new();
    for i in 0..fields {
        let expiry = russet_types::Expiry::Set(when + i);
        hash.set(i.to_string().as_bytes(), b"v", expiry, limits);
    }
    k.db(DB).put(key, hash);
}

fn events(k: &mut Keyspace) -> Vec<String> {
    let named = k.journal.changes().filter(|c| !c.event.is_empty());
    let events = named
        .map(|c| format!("{} {}", c.event, String::from_utf8_lossy(c.key)))
        .collect();
    k.journal.clear();
    events
}

/// The recorded requests, each as its words.
fn recorded_units(k: &mut Keyspace) -> Vec<String> {
    let words = |request: &[u8]| {
        let text = String::from_utf8(request.to_vec()).expect("text");
        let lines = text.split("\r\n");
        let words: Vec<&str> = lines.filter(|l| !l.starts_with(['*', '$'])).collect();
        words.join(" ").trim_end().to_owned()
    };
    let mut requests = Vec::new();
    for unit in k.effects.units() {
        let one = unit.requests().map(|request| words(request.bytes));
        let (begin, end) = if unit.is_several() {
            (Some("MULTI".to_owned()), Some("EXEC".to_owned()))
        } else {
            (None, None)
        };
        requests.extend(begin.into_iter().chain(one).chain(end));
    }
    k.effects.clear_complete();
    requests
}

#[test]
fn a_key_goes_in_the_millisecond_behind_its_expiry() {
    both(|| {
        let mut k = keyspace();
        set(&mut k, b"a", Expiry::At(1500));
        assert_eq!(k.next_expiry(), Some(1501));
        k.set_now_ms(1500);
        assert_eq!(k.expire_cycle(BUDGET).deleted, 0);
        assert!(k.db(DB).contains(b"a"));
        k.set_now_ms(1501);
        assert!(k.db(DB).is_expired(b"a"));
        assert_eq!(k.expire_cycle(BUDGET).deleted, 1);
        assert_eq!(k.next_expiry(), None);
        assert_eq!(recorded_units(&mut k), ["DEL a"]);
        assert_eq!((k.dirty, k.stats.expired), (0, 1));
        assert_eq!(events(&mut k), ["new a", "expired a"]);
    });
}

#[test]
fn a_thousand_keys_go_each_at_its_time() {
    both(|| {
        let mut k = keyspace();
        for i in 0..1000 {
            set(
                &mut k,
                format!("key:{i}").as_bytes(),
                Expiry::At(2000 + i * 7 % 1000),
            );
        }
        for now in 2000..3001 {
            k.set_now_ms(now);
            k.expire_cycle(BUDGET);
            assert_eq!(k.database(DB).len() as i64, 3000 - now, "at {now}");
        }
        k.check_invariants();
    });
}

#[test]
fn kept_expired_keys_are_hidden_and_make_room() {
    both(|| {
        let mut k = keyspace();
        set(&mut k, b"a", Expiry::At(1500));
        set(&mut k, b"b", Expiry::At(1500));
        k.set_now_ms(2000);
        k.set_expiring(ExpiryMode::Hide);
        assert_eq!(k.next_expiry(), None);
        assert!(!k.db(DB).contains(b"a"));
        assert!(k.db(DB).random_key().is_some());
        assert_eq!(k.database(DB).len(), 2);
        set(&mut k, b"a", Expiry::Clear);
        assert_eq!(k.database(DB).len(), 2);
        k.check_invariants();
        k.set_expiring(ExpiryMode::Delete);
        assert_eq!(k.expire_cycle(BUDGET).deleted, 1);
    });
}

#[test]
fn due_fields_go_and_the_hash_with_the_last_one() {
    both(|| {
        let packed = Limits::default();
        let table = Limits {
            hash_max_listpack_entries: 0,
            ..packed
        };
        for limits in [packed, table] {
            let mut k = keyspace();
            put_hash(&mut k, b"h", 2, 1500, &limits);
            k.watchers.watch(DB, b"h", ClientId(7), false);
            assert_eq!(k.next_expiry(), Some(1501));
            k.set_now_ms(1501);
            k.expire_cycle(BUDGET);
            assert_eq!(events(&mut k), ["new h", "hexpired h"]);
            assert_eq!(recorded_units(&mut k), ["HDEL h 0"]);
            assert_eq!(k.next_expiry(), Some(1502));
            assert_eq!(k.watchers.take_touched(), [ClientId(7)]);
            k.check_invariants();
            k.set_now_ms(1502);
            k.expire_cycle(BUDGET);
            assert_eq!(events(&mut k), ["hexpired h", "del h"]);
            assert!(!k.db(DB).contains(b"h"));
            assert_eq!((k.next_expiry(), k.stats.expired_fields), (None, 2));
        }
    });
}

#[test]
fn many_due_fields_go_in_steps() {
    both(|| {
        let mut k = keyspace();
        put_hash(&mut k, b"h", 2000, 1500, &Limits::default());
        k.set_now_ms(5000);
        let mut visits = 0;
        while k.expire_cycle(Duration::ZERO).more {
            visits += 1;
            k.check_invariants();
        }
        assert_eq!((visits, k.stats.expired_fields), (8, 2000));
        assert!(!k.db(DB).contains(b"h"));
    });
}

#[test]
fn expiring_fields_are_known_wherever_their_hash_goes() {
    both(|| {
        let mut k = keyspace();
        put_hash(&mut k, b"h", 1, 1500, &Limits::default());
        let lines = |k: &Keyspace| {
            k.check_invariants();
            [DB, OTHER].map(|db| k.database(db).fields().len())
        };
        k.db(DB).rename(b"h", DB, b"i");
        assert_eq!(lines(&k), [1, 0]);
        k.db(DB).copy(b"i", OTHER, b"j");
        assert_eq!(lines(&k), [1, 1]);
        k.db(DB).rename(b"i", OTHER, b"i");
        assert_eq!(lines(&k), [0, 2]);
        k.swap(DB, OTHER);
        assert_eq!(lines(&k), [2, 0]);
        set(&mut k, b"i", Expiry::Clear);
        assert_eq!(lines(&k), [1, 0]);
        k.db(DB).delete(b"j", Cause::User);
        assert_eq!(lines(&k), [0, 0]);
        put_hash(&mut k, b"h", 1, 1500, &Limits::default());
        k.flush(DB, false);
        assert_eq!((lines(&k), k.next_expiry()), ([0, 0], None));
    });
}

#[test]
fn copies_share_nothing_with_their_source() {
    both(|| {
        let mut k = keyspace();
        let limits = Limits {
            hash_max_listpack_entries: 0,
            ..Limits::default()
        };
        put_hash(&mut k, b"h", 100, 5000, &limits);
        k.db(DB).place(b"h").set_expiry(Some(9000));
        assert!(k.db(DB).copy(b"h", DB, b"c"));
        assert!(k.db(DB).delete(b"h", Cause::User));
        let mut db = k.db(DB);
        let copy = db.read::<Hash>(b"c").expect("a hash").expect("there");
        assert_eq!(copy.len(), 100);
        assert_eq!(copy.get(b"7").and_then(|f| f.expire_ms), Some(5007));
        assert_eq!(db.expiry(b"c"), Some(Some(9000)));
        assert!(!db.copy(b"none", DB, b"d"));
    });
}

#[test]
fn a_long_string_stays_where_it_is_when_its_key_changes() {
    both(|| {
        let mut k = keyspace();
        let text = vec![b'x'; 1 << 20];
        let value = NewValue::text(&text);
        k.db(DB).set_string(b"a", value, Expiry::At(9000));
        set(&mut k, b"b", Expiry::Clear);
        let at = |k: &Keyspace, key: &[u8]| {
            let found = k.database(DB).find_key(key);
            match found.and_then(|found| found.entry.string()) {
                Some(super::Str::Bytes(text)) => Some((text.as_ptr(), text.len())),
                _ => None,
            }
        };
        let before = at(&k, b"a");
        assert!(before.is_some());
        assert!(k.db(DB).rename(b"a", DB, b"b"));
        assert_eq!((at(&k, b"a"), at(&k, b"b")), (None, before));
        assert_eq!(k.db(DB).expiry(b"b"), Some(Some(9000)));
        assert!(k.db(DB).copy(b"b", DB, b"c"));
        let copy = at(&k, b"c").expect("there");
        assert_ne!(copy.0, before.expect("there").0);
        assert_eq!(copy.1, text.len());
        k.check_invariants();
    });
}
