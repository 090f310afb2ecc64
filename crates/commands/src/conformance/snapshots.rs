//! A snapshot taken between ticks equals the databases at the start of the snapshot, whatever
//! commands run meanwhile on values of any type.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::testbed::{AllCommands as _, Testbed};
use russet_base::memory::mover::Mover;
use russet_keyspace::{DbIndex, KeyView, Saver, Slice, ValueView, Walk};
use russet_types::stream::StreamId;
use russet_types::{Container, Hash, List, Set, Signature, Stream, Type, Zset, for_container};

/// Keys with their expiry and their value as text.
type Model = BTreeMap<(u32, Vec<u8>), (Option<i64>, String)>;

/// The key whose parts are being saved: database and name, expiry, elements so far.
type Open = ((u32, Vec<u8>), Option<i64>, Vec<String>);

/// Collects the saved keys; large values in parts of a few elements.
#[derive(Default)]
struct Collector {
    saved: Model,
    open: Option<Open>,
    announced: Vec<DbIndex>,
}

/// Elements of a value; unordered types give them in any order.
fn elements(value: &ValueView<'_>) -> Vec<String> {
    let mut out = Vec::new();
    let container = match value {
        ValueView::Int(n) => return vec![n.to_string()],
        ValueView::Bytes(text) => return vec![format!("{text:?}")],
        ValueView::Packed(packed) => {
            let text = packed.with_text(|text| format!("{text:?}"));
            return vec![text.expect("no frame is damaged")];
        }
        ValueView::Container(container) => container,
    };
    match container.kind() {
        Type::List => container.read::<List>().visit(0, usize::MAX, false, |e| {
            out.push(format!("{e:?}"));
            true
        }),
        Type::Set => container.read::<Set>().visit_expiries(|e, expiry| {
            out.push(format!("{e:?} {expiry:?}"));
            true
        }),
        Type::Zset => {
            let zset = container.read::<Zset>();
            out.extend(zset.iter().map(|(s, m)| format!("{s} {m:?}")));
        }
        Type::Hash => container.read::<Hash>().visit(|f| {
            out.push(format!("{f:?}"));
            true
        }),
        Type::Stream => {
            let stream = container.read::<Stream>();
            let mut entries = stream.range(StreamId::MIN, StreamId::MAX);
            while let Some(id) = entries.next() {
                out.push(format!("{id:?} {:?}", entries.pair()));
            }
        }
        other => for_container!(
            other,
            T => {
                let mut signature = Signature::default();
                container.read::<T>().sign(&mut signature);
                out.push(signature.hex());
            },
            _ => unreachable!("a container"),
        ),
    }
    out
}

fn text(value: &ValueView<'_>, mut elements: Vec<String>) -> String {
    let kind = match value {
        ValueView::Int(_) | ValueView::Bytes(_) | ValueView::Packed(_) => Type::String,
        ValueView::Container(container) => container.kind(),
    };
    if matches!(kind, Type::Set | Type::Hash) {
        elements.sort();
    }
    format!("{} {elements:?}", kind.name())
}

impl Collector {
    fn keep(&mut self, at: (u32, Vec<u8>), expiry: Option<i64>, text: String) {
        let old = self.saved.insert(at.clone(), (expiry, text));
        assert!(old.is_none(), "{at:?} is saved once");
    }
}

impl Saver for Collector {
    fn database(&mut self, db: DbIndex, _keys: usize, _volatile: usize) {
        assert_ne!(self.announced.last(), Some(&db));
        self.announced.push(db);
    }

    fn key(&mut self, db: DbIndex, view: &KeyView<'_>) {
        assert!(self.open.is_none() && self.announced.last() == Some(&db));
        let text = text(&view.value, elements(&view.value));
        self.keep((db.0, view.key.to_vec()), view.expiry, text);
    }

    fn begin_large(&mut self, db: DbIndex, view: &KeyView<'_>) -> u64 {
        assert!(self.announced.last() == Some(&db));
        self.open = Some(((db.0, view.key.to_vec()), view.expiry, Vec::new()));
        0
    }

    fn part(&mut self, view: &KeyView<'_>, at: u64) -> Option<u64> {
        let (_, _, so_far) = self.open.as_mut().expect("begun");
        // At the cursor must be the elements from before the key was changed.
        let next = if let Some(set) = view.value.get::<Set>() {
            set.scan_expiries(at, |e, expiry| so_far.push(format!("{e:?} {expiry:?}")))
        } else if let Some(hash) = view.value.get::<Hash>() {
            hash.scan(at, |f| so_far.push(format!("{f:?}")))
        } else {
            let all = elements(&view.value);
            let end = (at as usize + 3).min(all.len());
            so_far.extend_from_slice(&all[at as usize..end]);
            if end == all.len() { 0 } else { end as u64 }
        };
        if next > 0 {
            return Some(next);
        }
        let (at, expiry, all) = self.open.take().expect("begun");
        let text = text(&view.value, all);
        self.keep(at, expiry, text);
        None
    }

    fn has_room(&self) -> bool {
        true
    }
}

/// The contents of all databases, by a separate, undisturbed pass.
fn model(t: &mut Testbed) -> Model {
    let mut collector = Collector::default();
    t.engine.keyspace.begin_pass();
    while t.engine.keyspace.pass_slice(&mut collector, u64::MAX) != Slice::Done {}
    collector.saved
}

/// Any of a few keys, some with small values and some with large values.
fn key() -> impl Strategy<Value = String> {
    (0..12u32).prop_map(|n| format!("k{n}"))
}

fn command() -> impl Strategy<Value = String> {
    let n = || 0..40u32;
    prop_oneof![
        4 => (key(), n()).prop_map(|(k, n)| format!("SET {k} {n}")),
        2 => (key(), n()).prop_map(|(k, n)| format!("SET {k} {}", "x".repeat(n as usize * 900))),
        2 => (key(), n()).prop_map(|(k, n)| format!("APPEND {k} y{n}")),
        1 => (key(), n()).prop_map(|(k, n)| format!("SETRANGE {k} {n} zz")),
        2 => key().prop_map(|k| format!("INCR {k}")),
        3 => (key(), n()).prop_map(|(k, n)| format!("RPUSH {k} e{n} e{n} f")),
        2 => key().prop_map(|k| format!("LPOP {k} 2")),
        4 => (key(), n()).prop_map(|(k, n)| format!("SADD {k} m{n} {n} o{n}")),
        2 => (key(), n()).prop_map(|(k, n)| format!("SREM {k} m{n}")),
        1 => key().prop_map(|k| format!("SPOP {k} 3")),
        2 => (key(), n()).prop_map(|(k, n)| format!("SPEXPIRE {k} {} MEMBERS 2 m{n} {n}", 1 + n * 20)),
        1 => (key(), n()).prop_map(|(k, n)| format!("SPERSIST {k} MEMBERS 1 m{n}")),
        4 => (key(), n()).prop_map(|(k, n)| format!("HSET {k} f{n} v{n} g{n} w")),
        2 => (key(), n()).prop_map(|(k, n)| format!("HDEL {k} f{n}")),
        1 => (key(), n()).prop_map(|(k, n)| format!("HPEXPIRE {k} {} FIELDS 1 f{n}", 1 + n * 20)),
        4 => (key(), n()).prop_map(|(k, n)| format!("ZADD {k} {n} z{n} 3 y{n}")),
        2 => (key(), n()).prop_map(|(k, n)| format!("ZREM {k} z{n}")),
        4 => (key(), n()).prop_map(|(k, n)| format!("XADD {k} * f {n}")),
        2 => (key(), n()).prop_map(|(k, n)| format!("XTRIM {k} MAXLEN {n}")),
        1 => key().prop_map(|k| format!("XGROUP CREATE {k} g 0")),
        4 => (key(), n()).prop_map(|(k, n)| format!("ARSET {k} {} a{n} {n}", n * n * n)),
        2 => (key(), n()).prop_map(|(k, n)| format!("ARDEL {k} {}", n * n * n)),
        1 => (key(), n()).prop_map(|(k, n)| format!("ARRING {k} {} r{n}", n / 4 + 1)),
        4 => (key(), n()).prop_map(|(k, n)| format!("PHSET {k} p/{}/{n} FIELDS 2 f{n} v g w", n % 5)),
        2 => (key(), n()).prop_map(|(k, n)| format!("PHDEL {k} p/{}/{n}", n % 5)),
        1 => (key(), n()).prop_map(|(k, n)| format!("PHDELPREFIX {k} p/{}/", n % 5)),
        4 => (key(), n()).prop_map(|(k, n)| format!("VADD {k} VALUES 2 {n} 7 v{n}")),
        2 => (key(), n()).prop_map(|(k, n)| format!("VREM {k} v{n}")),
        1 => (key(), n()).prop_map(|(k, n)| format!("VSETATTR {k} v{n} {{\"n\":{n}}}")),
        1 => key().prop_map(|k| format!("XREADGROUP GROUP g c COUNT 2 STREAMS {k} >")),
        2 => (key(), n()).prop_map(|(k, n)| format!("PEXPIRE {k} {}", n * 10)),
        1 => key().prop_map(|k| format!("PERSIST {k}")),
        2 => key().prop_map(|k| format!("DEL {k}")),
        1 => key().prop_map(|k| format!("UNLINK {k}")),
        2 => (key(), key()).prop_map(|(a, b)| format!("RENAME {a} {b}")),
        2 => (key(), key()).prop_map(|(a, b)| format!("COPY {a} {b} REPLACE")),
        1 => (key(), 0..3u32).prop_map(|(k, db)| format!("MOVE {k} {db}")),
        1 => (key(), key(), key()).prop_map(|(a, b, c)| format!("SUNIONSTORE {a} {b} {c}")),
        1 => (key(), key()).prop_map(|(a, b)| format!("SORT {a} BY nosort STORE {b}")),
        2 => (0..3u32).prop_map(|db| format!("SELECT {db}")),
        1 => (0..3u32, 0..3u32).prop_map(|(a, b)| format!("SWAPDB {a} {b}")),
        1 => Just("FLUSHDB".to_owned()),
        1 => Just("FLUSHDB ASYNC".to_owned()),
        1 => Just("GET k1".to_owned()),
    ]
}

fn run(t: &mut Testbed, line: &str) {
    t.run(line);
    t.advance_ms(7);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_pass_saves_what_was_there_when_it_began(
        before in prop::collection::vec(command(), 0..120),
        during in prop::collection::vec((command(), 0..4u32), 0..120),
        large_min in prop_oneof![Just(0usize), Just(500), Just(1 << 20)],
        thresholds in any::<bool>(),
        aborted in any::<bool>(),
        // Steps of the most eager defragmentation after each command; 0: none.
        moves in prop_oneof![Just(0usize), 1..40usize, Just(usize::MAX)],
    ) {
        let mut t = Testbed::unheard();
        if thresholds {
            for name in ["hash-max-listpack-entries", "set-max-listpack-entries", "zset-max-listpack-entries"] {
                t.run(&format!("CONFIG SET {name} 4"));
            }
            t.run("CONFIG SET list-max-listpack-size 3");
            t.run("CONFIG SET stream-node-max-entries 2");
        }
        t.engine.keyspace.large_min = large_min;
        before.iter().for_each(|line| run(&mut t, line));
        if aborted {
            // A pass that was aborted must not disturb the next pass.
            let mut nobody = Collector::default();
            t.engine.keyspace.begin_pass();
            t.engine.keyspace.pass_slice(&mut nobody, 0);
            before.iter().rev().take(9).for_each(|line| run(&mut t, line));
            t.engine.keyspace.abort_pass();
            before.iter().take(9).for_each(|line| run(&mut t, line));
            while t.engine.keyspace.pass_slice(&mut nobody, 0) != Slice::Done {}
        }
        let wanted = model(&mut t);
        let mut collector = Collector::default();
        t.engine.keyspace.begin_pass();
        let mut done = false;
        let mut walk = Walk::new(Mover::eager());
        walk.elements_max = 3;
        for (line, slices) in &during {
            for _ in 0..*slices {
                done = done || t.engine.keyspace.pass_slice(&mut collector, 0) == Slice::Done;
            }
            run(&mut t, line);
            for _ in 0..moves {
                if !t.engine.keyspace.relocate_step(&mut walk) {
                    walk = Walk::new(Mover::eager());
                    walk.elements_max = 3;
                    break;
                }
            }
        }
        while !done {
            done = t.engine.keyspace.pass_slice(&mut collector, 0) == Slice::Done;
        }
        prop_assert_eq!(&collector.saved, &wanted);
        t.engine.keyspace.check_invariants();
        // The next pass finds every entry unsaved again.
        let after = model(&mut t);
        prop_assert_eq!(model(&mut t), after);
    }
}
