//! Field names that hashes share: which lists of names have a schema.
//!
//! A list of names gets a schema when it has been seen several times, so that hashes with names of
//! their own cost nothing more: a small table remembers the hashes of lists, and a later list may
//! replace an earlier list. The hash of a list is that of its beginning and the last name, so that
//! the schema of a hash with a further field is found by a single step.
//!
//! Each thread that changes hashes has its own list of schemas; any thread may drop a schema. When
//! the list has doubled, the thread frees schemas that no hash uses.
//!
//! Cost: O(names) for a whole list, O(1) for a further name and O(bytes of the names) to compare.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::Limits;
use russet_encodings::record::{Schema, SchemaRef};

/// A hash with more fields stores its own names.
pub(super) const FIELDS_MAX: usize = 64;
/// Occurrences of a list of names before it gets a schema.
const REPEATS_MIN: u64 = 8;
/// Lists that are remembered.
const SEEN: usize = 1024;
/// The bits of a remembered list's count, below the bits of the list's hash.
const COUNT_BITS: u32 = 8;
const COUNT: u64 = (1 << COUNT_BITS) - 1;
/// Schemas that are kept before unused ones are freed for the first time.
const KEPT_MIN: usize = 64;

/// Refused attempts to make a schema between two searches for unused ones.
const REFUSALS: u64 = 4096;

/// The key is a hash already.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are numbers")
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

struct SharedSchemas {
    /// By the hashes of their names.
    schemas: HashMap<u64, SchemaRef, BuildHasherDefault<AsIs>>,
    /// Hashes of lists without a schema, with their counts: [`SEEN`] of them from the first list
    /// on.
    seen: Box<[u64]>,
    /// The number of schemas at which unused ones are freed.
    sweep_at: usize,
    /// Schemas that could not be made because there are too many.
    refused: u64,
}

thread_local! {
    static SHARED: RefCell<SharedSchemas> = RefCell::new(SharedSchemas::new());
}

impl SharedSchemas {
    fn new() -> SharedSchemas {
        SharedSchemas {
            schemas: HashMap::default(),
            seen: Box::default(),
            sweep_at: KEPT_MIN,
            refused: 0,
        }
    }

    /// Counts a list; whether it is to have a schema.
    fn note(&mut self, hash: u64, repeats_min: u64) -> bool {
        if self.seen.is_empty() {
            self.seen = vec![0; SEEN].into();
        }
        let word = &mut self.seen[hash as usize >> COUNT_BITS & (SEEN - 1)];
        let before = match (*word ^ hash) & !COUNT {
            0 => *word & COUNT,
            _ => 0,
        };
        let now = (before + 1).min(COUNT);
        *word = hash & !COUNT | now;
        now >= repeats_min
    }

    /// Frees the schemas that no hash uses.
    fn sweep(&mut self) {
        self.schemas.retain(|_, schema| schema.references() > 1);
        self.sweep_at = (2 * self.schemas.len()).max(KEPT_MIN);
    }

    /// Makes the schema of a list of names, which differ. `None`: there are too many.
    fn make<'n>(&mut self, names: impl Iterator<Item = &'n [u8]>) -> Option<SchemaRef> {
        if self.schemas.len() >= self.sweep_at {
            self.sweep();
        }
        let Some(schema) = SchemaRef::new(names) else {
            self.refused += 1;
            if self.refused.is_multiple_of(REFUSALS) {
                self.sweep();
            }
            return None;
        };
        self.schemas.insert(schema.hash(), schema.clone());
        Some(schema)
    }
}

/// Occurrences of a list of `names` names before it gets a schema. `None`: it gets none.
#[inline]
fn repeats_min(names: usize, limits: &Limits) -> Option<u64> {
    if names == 0 || names > FIELDS_MAX.min(limits.hash_max_listpack_entries) {
        return None;
    }
    let max = match limits.hash_max_template_entries {
        0 => usize::MAX,
        max => max,
    };
    match limits.hash_min_template_entries {
        1.. if (limits.hash_min_template_entries..=max).contains(&names) => Some(1),
        _ => limits.hash_share_names.then_some(REPEATS_MIN),
    }
}

/// The result of looking up a list of names.
pub(super) enum SchemaLookup {
    Schema(SchemaRef),
    /// The list has no schema and is to get one ([`make`]).
    Wanted,
    Nothing,
}

/// Looks a whole list up, and counts the list if it has no schema. Names may repeat: such a list is
/// never found.
pub(super) fn find<'n>(
    names: impl ExactSizeIterator<Item = &'n [u8]> + Clone,
    limits: &Limits,
) -> SchemaLookup {
    let Some(repeats_min) = repeats_min(names.len(), limits) else {
        return SchemaLookup::Nothing;
    };
    let hash = names.clone().fold(0, Schema::hash_with);
    SHARED.with_borrow_mut(|shared| {
        if let Some(schema) = shared.schemas.get(&hash) {
            return if schema.names().eq(names) {
                SchemaLookup::Schema(schema.clone())
            } else {
                SchemaLookup::Nothing
            };
        }
        if shared.note(hash, repeats_min) {
            SchemaLookup::Wanted
        } else {
            SchemaLookup::Nothing
        }
    })
}

/// Makes the schema of a list of names, which differ. `None`: there are too many.
pub(super) fn make<'n>(names: impl Iterator<Item = &'n [u8]>) -> Option<SchemaRef> {
    SHARED.with_borrow_mut(|shared| shared.make(names))
}

/// The schema of the same names and a further, different name; made if the list repeats.
pub(super) fn extended(schema: &Schema, name: &[u8], limits: &Limits) -> Option<SchemaRef> {
    let repeats_min = repeats_min(schema.len() + 1, limits)?;
    let hash = Schema::hash_with(schema.hash(), name);
    let names = || schema.names().chain([name]);
    SHARED.with_borrow_mut(|shared| {
        if let Some(found) = shared.schemas.get(&hash) {
            return found.names().eq(names()).then(|| found.clone());
        }
        if shared.note(hash, repeats_min) {
            shared.make(names())
        } else {
            None
        }
    })
}

/// The schema of the same names without that of an index, if there is such a schema.
pub(super) fn reduced(schema: &Schema, index: usize) -> Option<SchemaRef> {
    let kept = || schema.names().enumerate().filter(|(at, _)| *at != index);
    let names = || kept().map(|(_, name)| name);
    let hash = names().fold(0, Schema::hash_with);
    SHARED.with_borrow(|shared| {
        let found = shared.schemas.get(&hash)?;
        found.names().eq(names()).then(|| found.clone())
    })
}

/// The schemas of this thread's hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SharedFigures {
    /// Schemas that a hash has.
    pub schemas: usize,
    /// Hashes with a schema.
    pub hashes: u64,
    /// Bytes of all schemas.
    pub bytes: usize,
}

/// Figures of the schemas in use. O(schemas), of which there are a few thousand at most.
pub fn shared_figures() -> SharedFigures {
    SHARED.with_borrow(|shared| {
        let mut all = SharedFigures::default();
        for schema in shared.schemas.values() {
            // A reference is this list's own.
            let hashes = schema.references() - 1;
            all.schemas += usize::from(hashes > 0);
            all.hashes += hashes;
            all.bytes += schema.memory_bytes();
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&'static str]) -> impl ExactSizeIterator<Item = &'static [u8]> + Clone {
        let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
        names.into_iter()
    }

    fn lookup(names: &[&'static str]) -> Option<SchemaRef> {
        match find(list(names), &Limits::default()) {
            SchemaLookup::Schema(schema) => Some(schema),
            SchemaLookup::Wanted => make(list(names)),
            SchemaLookup::Nothing => None,
        }
    }

    #[test]
    fn a_list_gets_a_schema_when_it_repeats() {
        for _ in 1..REPEATS_MIN {
            assert!(lookup(&["x1", "x2"]).is_none());
        }
        let made = lookup(&["x1", "x2"]).expect("it has repeated");
        assert_eq!(lookup(&["x1", "x2"]), Some(made.clone()));
        assert!(lookup(&["x2", "x1"]).is_none(), "the order counts");
        let limits = Limits::default();
        for _ in 1..REPEATS_MIN {
            assert!(extended(&made, b"x3", &limits).is_none());
        }
        let longer = extended(&made, b"x3", &limits).expect("it has repeated");
        assert_eq!(lookup(&["x1", "x2", "x3"]), Some(longer.clone()));
        assert_eq!(reduced(&longer, 2), Some(made));
        assert!(reduced(&longer, 1).is_none());
    }

    #[test]
    fn unused_schemas_are_freed() {
        let kept = SHARED.with_borrow_mut(|shared| {
            *shared = SharedSchemas::new();
            shared.schemas.len()
        });
        assert_eq!(kept, 0);
        let used = make(list(&["used"])).expect("a free number");
        for at in 0..1000 {
            let name = format!("unused:{at}");
            make([name.as_bytes()].into_iter()).expect("a free number");
        }
        let kept = SHARED.with_borrow(|shared| shared.schemas.len());
        assert!((1..=KEPT_MIN).contains(&kept), "{kept}");
        assert_eq!(lookup(&["used"]), Some(used));
    }

    #[test]
    fn the_directives_decide() {
        let with = |share, min, max| Limits {
            hash_share_names: share,
            hash_min_template_entries: min,
            hash_max_template_entries: max,
            ..Limits::default()
        };
        for (names, limits, expected) in [
            (0, with(true, 1, 0), None),
            (5, with(true, 0, 0), Some(REPEATS_MIN)),
            (5, with(false, 0, 0), None),
            (5, with(false, 0, 9), None),
            (5, with(false, 1, 0), Some(1)),
            (5, with(true, 6, 0), Some(REPEATS_MIN)),
            (5, with(false, 1, 4), None),
            (5, with(false, 5, 5), Some(1)),
            (65, with(true, 1, 0), None),
        ] {
            assert_eq!(repeats_min(names, &limits), expected, "{names} {limits:?}");
        }
    }
}
