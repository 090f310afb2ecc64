//! Documents against a plain tree: texts, random edits with chunks of several sizes, files.
//!
//! All random choices follow from a seed, which a failure names.

mod edits;
mod files;
mod many;
mod model;
mod quick;
mod texts;
mod timing;
mod upkeep;

use super::store::CHUNK_BYTES;
use super::{Document, Format};
use crate::view::View;

/// Runs a test with chunks of a size.
fn with_chunks<R>(bytes: usize, run: impl FnOnce() -> R) -> R {
    let old = CHUNK_BYTES.replace(bytes);
    let result = run();
    CHUNK_BYTES.set(old);
    result
}

fn text(document: &Document) -> String {
    let mut out = Vec::new();
    document.root().print(&Format::default(), &mut out);
    String::from_utf8(out).unwrap()
}

fn parsed(text: &str) -> Document {
    let document = Document::parse(text.as_bytes());
    let document = document.unwrap_or_else(|error| panic!("{error}: {text}"));
    document.check_invariants();
    document
}

/// Numbers that look random.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Every way of reading a document gives the same values.
fn check_views(document: &Document) {
    fn check<'a, V: View<'a> + std::fmt::Debug>(value: V, at: &mut Vec<u32>, all: &Document) {
        let found = all.get(at).expect("a value at its location");
        assert_eq!(format!("{:?}", found.kind()), format!("{:?}", value.kind()));
        let mut count = 0;
        for (ordinal, (name, child)) in value.children().enumerate() {
            count += 1;
            at.push(ordinal as u32);
            let by_ordinal = value.child(ordinal).expect("a child by its ordinal");
            assert_eq!(
                format!("{:?}", by_ordinal.kind()),
                format!("{:?}", child.kind())
            );
            if let Some(name) = name {
                let (found, _) = value.member(name).expect("a member by its name");
                assert_eq!(found, ordinal);
            }
            check(child, at, all);
            at.pop();
        }
        assert_eq!(count, value.len());
        assert!(value.child(count).is_none() && value.member("no such name").is_none());
    }
    check(document.root(), &mut Vec::new(), document);
}
