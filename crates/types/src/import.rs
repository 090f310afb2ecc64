//! Values loaded from files: packed forms are taken unchanged, then converted to the encoding that
//! the limits require, as Redis does when it loads.
//!
//! Inputs are structurally sound (a `Listpack` always is), and the elements of a listpack are
//! distinct ([`distinct`]); checked here are complete records, numeric scores and ordered expiries.
//! `None`: a check failed. Loading sorts elements of a sorted set that are out of order.

use super::expiry_order::{expiries_in_order, insert_by_expiry, stored_expiry};
use super::zset::{are_in_order, element, next_pair};
use super::{Container, Entry, Expiry, Hash, Limits, List, Set, Zset};
use russet_encodings::intset::Intset;
use russet_encodings::listpack::Listpack;
use russet_encodings::quicklist::Quicklist;
use russet_encodings::scored::{ScoredBuilder, ScoredTable};

/// The latest expiry that a field can have, Unix milliseconds.
pub const FIELD_EXPIRY_MAX: u64 = (1 << 46) - 1;

/// A listpack whose records of `width` entries begin with different texts. If some repeat: `None`
/// if `strict`, else the first is kept, which a search would find.
///
/// All code that reads or combines these values relies on distinct elements.
pub fn distinct(pack: Listpack, width: usize, strict: bool) -> Option<Listpack> {
    if pack.all_differ(width) {
        Some(pack)
    } else {
        (!strict).then(|| pack.without_repeats(width))
    }
}

/// Builds a list node by node.
pub struct ListImport(Box<Quicklist>);

impl ListImport {
    /// An empty list with the configured size of nodes.
    pub fn new(limits: &Limits) -> ListImport {
        let list = Quicklist::new(limits.list_fill, limits.list_compress_depth);
        ListImport(Box::new(list))
    }

    /// Appends the elements of a listpack, as a node.
    pub fn pack(&mut self, pack: Listpack) {
        self.0.append_pack(pack);
    }

    /// Appends a single large element as a separate node.
    pub fn plain(&mut self, element: &[u8]) {
        self.0.append_plain(element);
    }

    /// The list, in the encoding that the limits require.
    pub fn finish(self, limits: &Limits) -> List {
        let mut list = List::Quicklist(self.0);
        list.built(limits);
        list
    }
}

impl Set {
    /// A set from a listpack.
    pub fn import_pack(pack: Listpack, limits: &Limits) -> Set {
        let mut set = Set::Listpack(pack);
        let len = set.len();
        set.prepare(len, limits);
        set
    }

    /// A set from an intset.
    pub fn import_intset(intset: Intset, limits: &Limits) -> Set {
        let mut set = Set::Intset(intset);
        let len = set.len();
        set.prepare(len, limits);
        set
    }

    /// A set from a listpack of members and expiries. `None`: the records are not whole, or their
    /// expiries are out of order or no times.
    pub fn import_extended(pack: Listpack, limits: &Limits) -> Option<Set> {
        if !pack.len().is_multiple_of(2) || !expiries_in_order(&pack, 2) {
            return None;
        }
        let mut set = Set::ListpackEx(pack);
        let len = set.len();
        set.prepare(len, limits);
        Some(set)
    }

    /// An empty set for `members` members that may expire.
    pub fn import_expiring(members: usize, limits: &Limits) -> Set {
        if members > limits.set_max_listpack_entries {
            Set::large()
        } else {
            Set::ListpackEx(Listpack::new())
        }
    }

    /// An empty set for `members` members of any kind.
    pub fn import_for(members: usize, limits: &Limits) -> Set {
        if members > limits.set_max_intset_entries {
            Set::large()
        } else {
            Set::of_integers()
        }
    }
}

impl Zset {
    /// A sorted set from a listpack of members and scores. As in Redis, it stays a listpack if it
    /// has few members, however long they are: the limit on length applies to added members only.
    pub fn import_pack(pack: Listpack, limits: &Limits) -> Option<Zset> {
        let whole = pack.len().is_multiple_of(2);
        let in_order = are_in_order(&pack).filter(|_| whole)?;
        if in_order && pack.len() / 2 <= limits.zset_max_listpack_entries {
            return Some(Zset::Listpack(pack));
        }
        let (mut table, mut digits) = (ScoredBuilder::default(), itoa::Buffer::new());
        let mut at = pack.first();
        while let Some(pos) = at {
            let (score, member) = element(&pack, pos);
            table.add(member.bytes(&mut digits), score);
            at = next_pair(&pack, pos);
        }
        Some(Zset::import_table(table.finish(), limits))
    }

    /// A sorted set of many members, converted to the small form if it fits.
    pub fn import_table(table: ScoredTable, limits: &Limits) -> Zset {
        let mut zset = Zset::Table(Box::new(table));
        zset.become_listpack_if_small(limits);
        zset
    }
}

impl Hash {
    /// A hash from a listpack of fields and values. As in Redis, it stays a listpack if it has few
    /// fields, however long they are.
    pub fn import_pack(pack: Listpack, limits: &Limits) -> Option<Hash> {
        if !pack.len().is_multiple_of(2) {
            return None;
        }
        let mut hash = Hash::Listpack(pack);
        hash.fit(limits);
        Some(hash)
    }

    /// A hash from a zipmap: long fields and values make it a table.
    pub fn import_zipmap(pack: Listpack, limits: &Limits) -> Option<Hash> {
        let longest = pack.iter().map(|e| e.text_len()).max().unwrap_or(0);
        let mut hash = Hash::import_pack(pack, limits)?;
        if longest > limits.hash_max_listpack_value && matches!(hash, Hash::Listpack(_)) {
            hash.become_table();
        }
        Some(hash)
    }

    /// A hash from a listpack of fields, values and expiries.
    pub fn import_extended(pack: Listpack, limits: &Limits) -> Option<Hash> {
        if !pack.len().is_multiple_of(3) || !expiries_in_order(&pack, 3) {
            return None;
        }
        let mut hash = Hash::ListpackEx(pack);
        hash.fit(limits);
        Some(hash)
    }

    fn fit(&mut self, limits: &Limits) {
        if self.len() > limits.hash_max_listpack_entries {
            self.become_table();
        }
    }
}

/// Builds a hash field by field.
pub struct HashImport<'a> {
    hash: Hash,
    limits: &'a Limits,
}

impl<'a> HashImport<'a> {
    /// `expirable`: fields may have expiries.
    pub fn new(fields: usize, expirable: bool, limits: &'a Limits) -> HashImport<'a> {
        let mut hash = Hash::new();
        if fields > limits.hash_max_listpack_entries {
            hash.become_table();
        } else if expirable {
            hash.make_expirable();
        }
        HashImport { hash, limits }
    }

    /// Adds a field; false if a table has it already. (Small forms are checked at the end.)
    pub fn add(&mut self, name: &[u8], value: &[u8], expire_ms: Option<u64>) -> bool {
        if let Hash::Listpack(pack) | Hash::ListpackEx(pack) = &self.hash {
            let longest = name.len().max(value.len());
            if longest > self.limits.hash_max_listpack_value || !pack.fits(name.len() + value.len())
            {
                self.hash.become_table();
            }
        }
        let (name_entry, value_entry) = (Entry::parse(name), Entry::parse(value));
        match &mut self.hash {
            Hash::Table(table) => {
                let expiry = expire_ms.map_or(Expiry::Clear, Expiry::Set);
                return table.set(name, value, expiry);
            }
            Hash::Record(_) => unreachable!("an import makes none"),
            Hash::Listpack(pack) => pack.append_all(&[name_entry, value_entry]),
            Hash::ListpackEx(pack) => {
                let expiry = Entry::Int(stored_expiry(expire_ms));
                insert_by_expiry(pack, &[name_entry, value_entry, expiry]);
            }
        }
        true
    }

    /// The hash; `None` if a field is repeated, which `strict` rejects ([`distinct`]).
    pub fn finish(self, strict: bool) -> Option<Hash> {
        Some(match self.hash {
            Hash::Listpack(pack) => Hash::Listpack(distinct(pack, 2, strict)?),
            Hash::ListpackEx(pack) => Hash::ListpackEx(distinct(pack, 3, strict)?),
            table => table,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Encoding, Expirable as _};

    fn pack(words: &[&str]) -> Listpack {
        Listpack::from_entries(words.iter().map(|word| Entry::parse(word.as_bytes())))
    }

    #[test]
    fn records_that_are_not_whole_or_in_order_are_refused() {
        let limits = Limits::default();
        assert!(Hash::import_pack(pack(&["a", "1", "b"]), &limits).is_none());
        assert!(Zset::import_pack(pack(&["a"]), &limits).is_none());
        assert!(Zset::import_pack(pack(&["a", "nan"]), &limits).is_none());
        assert!(Zset::import_pack(pack(&["a", "x"]), &limits).is_none());
        for bad in [
            &["a", "1", "x"][..],
            &["a", "1", "-5"],
            &["a", "1", "70368744177664"],
            &["a", "1", "7", "b", "2", "6"],
            &["a", "1", "0", "b", "2", "6"],
        ] {
            assert!(
                Hash::import_extended(pack(bad), &limits).is_none(),
                "{bad:?}"
            );
        }
        let good = ["a", "1", "6", "b", "2", "6", "c", "3", "0", "d", "4", "0"];
        let hash = Hash::import_extended(pack(&good), &limits).expect("in order");
        assert_eq!((hash.len(), hash.next_due()), (4, Some(6)));
    }

    #[test]
    fn what_exceeds_the_limits_gets_a_table() {
        let limits = Limits {
            hash_max_listpack_entries: 1,
            zset_max_listpack_entries: 1,
            zset_max_listpack_value: 3,
            set_max_listpack_entries: 1,
            ..Limits::default()
        };
        let hash = Hash::import_pack(pack(&["a", "1", "b", "2"]), &limits).expect("pairs");
        assert_eq!((hash.encoding(), hash.len()), (Encoding::Hashtable, 2));
        let zset = Zset::import_pack(pack(&["a", "1", "b", "2"]), &limits).expect("pairs");
        assert_eq!((zset.encoding(), zset.len()), (Encoding::Skiplist, 2));
        let zset = Zset::import_pack(pack(&["long", "1"]), &limits).expect("pairs");
        assert_eq!((zset.encoding(), zset.len()), (Encoding::Listpack, 1));
        let long = "x".repeat(limits.hash_max_listpack_value + 1);
        let hash = Hash::import_zipmap(pack(&["a", &long]), &limits).expect("pairs");
        assert_eq!(hash.encoding(), Encoding::Hashtable);
        let set = Set::import_pack(pack(&["a", "b"]), &limits);
        assert_eq!((set.encoding(), set.len()), (Encoding::Hashtable, 2));
    }

    #[test]
    fn an_element_that_comes_twice_is_refused_or_the_first_one_stays() {
        let twice = || pack(&["a", "1", "b", "2", "a", "3"]);
        assert!(distinct(twice(), 2, true).is_none());
        let rest = distinct(twice(), 2, false).expect("not strict");
        assert_eq!(rest.as_bytes(), pack(&["a", "1", "b", "2"]).as_bytes());
        for expirable in [false, true] {
            let limits = Limits::default();
            let import = || {
                let mut import = HashImport::new(2, expirable, &limits);
                assert!(import.add(b"f", b"1", None) && import.add(b"f", b"2", None));
                import
            };
            assert!(import().finish(true).is_none());
            let hash = import().finish(false).expect("not strict");
            hash.check_invariants();
            assert_eq!(hash.len(), 1);
            assert!(hash.get(b"f").expect("it is there").value.is(b"1"));
        }
    }

    #[test]
    fn a_sorted_set_out_of_order_is_sorted() {
        let limits = Limits::default();
        let mixed = ["c", "2", "b", "1.5", "10", "1.5", "a", "2", "d", "-inf"];
        let zset = Zset::import_pack(pack(&mixed), &limits).expect("pairs with scores");
        zset.check_invariants();
        let found: Vec<_> = zset.iter().map(|(score, e)| (score, e.to_vec())).collect();
        let expected = [
            (f64::NEG_INFINITY, "d"),
            (1.5, "10"),
            (1.5, "b"),
            (2.0, "a"),
            (2.0, "c"),
        ];
        assert_eq!(found, expected.map(|(score, name)| (score, name.into())));
        assert_eq!(zset.encoding(), Encoding::Listpack);
    }

    #[test]
    fn fields_that_come_one_by_one_stand_by_expiry() {
        let limits = Limits::default();
        let mut import = HashImport::new(3, true, &limits);
        for (name, expiry) in [("a", None), ("b", Some(9)), ("c", Some(4))] {
            assert!(import.add(name.as_bytes(), b"v", expiry));
        }
        let hash = import.finish(true).expect("all differ");
        hash.check_invariants();
        assert_eq!(
            (hash.encoding(), hash.next_due()),
            (Encoding::ListpackEx, Some(4))
        );
        let mut import = HashImport::new(600, false, &limits);
        assert!(import.add(b"a", b"1", None));
        assert!(!import.add(b"a", b"2", None));
    }
}
