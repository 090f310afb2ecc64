//! How many bytes containers take: MEMORY USAGE.
//!
//! Packed forms and tables know their sizes; of the elements of a table up to `samples` are
//! looked at and the rest is taken to be like them. Table order is hash order, so that the
//! first ones are a fair sample. Sizes are those of the allocator's classes.

use super::{Entry, Hash, List, Set, Zset};
use crate::base::alloc::good_size;
use crate::encodings::elements::Elements;
use crate::encodings::listpack::Listpack;
use crate::encodings::quicklist::{NodeRef, Quicklist};

/// A container that knows how much memory it takes.
pub trait Measured {
    /// Bytes of the value; `samples` elements of a table, or nodes of a long list, are looked
    /// at. Exact for packed forms.
    fn memory_bytes(&self, samples: usize) -> usize;
}

/// A text behind its length.
fn text_bytes(text: &Entry<'_>) -> usize {
    let len = text.text_len();
    len + if len < 128 {
        1
    } else {
        2 + (len >= 1 << 14) as usize * 2
    }
}

fn pack_bytes(pack: &Listpack) -> usize {
    good_size(pack.as_bytes().len())
}

/// What `count` elements take when `seen` of them take `bytes`.
fn scaled(bytes: usize, seen: usize, count: usize) -> usize {
    (bytes as u128 * count as u128 / seen.max(1) as u128) as usize
}

impl Measured for List {
    fn memory_bytes(&self, samples: usize) -> usize {
        match self {
            List::Listpack(pack) => pack_bytes(pack),
            List::Quicklist(list) => {
                let (mut bytes, mut seen) = (0, 0);
                for node in list.nodes().take(samples) {
                    seen += 1;
                    bytes += match node {
                        NodeRef::Pack(pack) => pack_bytes(pack),
                        NodeRef::Plain(text) => good_size(text.len()),
                        NodeRef::Lzf { data, .. } => good_size(data.len()),
                    };
                }
                size_of::<Quicklist>()
                    + list.directory_bytes()
                    + scaled(bytes, seen, list.node_count())
            }
        }
    }
}

impl Measured for Set {
    fn memory_bytes(&self, samples: usize) -> usize {
        match self {
            Set::Intset(set) => good_size(set.as_bytes().len()),
            Set::Listpack(pack) => pack_bytes(pack),
            Set::Table(table) => {
                let (mut bytes, mut seen) = (0, 0);
                for member in table.iter().take(samples) {
                    seen += 1;
                    // An integer stands in the table itself.
                    if let Entry::Str(_) = member {
                        bytes += good_size(text_bytes(&member));
                    }
                }
                table.table_bytes() + scaled(bytes, seen, table.len())
            }
        }
    }
}

impl Measured for Hash {
    fn memory_bytes(&self, samples: usize) -> usize {
        match self {
            Hash::Listpack(pack) | Hash::ListpackEx(pack) => pack_bytes(pack),
            Hash::Table(table) => {
                let (mut bytes, mut seen) = (0, 0);
                for field in table.iter().take(samples) {
                    let (name, value) = (Entry::Str(field.name), Entry::Str(field.value));
                    let expiry = if field.expire_ms.is_some() { 8 } else { 0 };
                    seen += 1;
                    bytes += good_size(expiry + text_bytes(&name) + text_bytes(&value));
                }
                table.table_bytes() + scaled(bytes, seen, table.len())
            }
        }
    }
}

impl Measured for Zset {
    fn memory_bytes(&self, samples: usize) -> usize {
        match self {
            Zset::Listpack(pack) => pack_bytes(pack),
            Zset::Table(table) => {
                let (mut bytes, mut seen) = (0, 0);
                let members = table.index().range(0, samples, false);
                for (_, member) in members {
                    seen += 1;
                    bytes += good_size(8 + text_bytes(&Entry::Str(member)));
                }
                table.table_bytes() + scaled(bytes, seen, table.len())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Limits;

    #[test]
    fn a_sample_stands_for_equal_members() {
        let limits = Limits::default();
        let mut set = Set::new_for(b"x", 10_000, &limits);
        for i in 0..10_000 {
            set.add(format!("member:{i:05}").as_bytes(), &limits);
        }
        let all = set.memory_bytes(usize::MAX);
        assert_eq!(set.memory_bytes(5), all);
        // 13 bytes and their entry's head are a class of 16 bytes, and 8 in the table.
        assert!((24 * 10_000..32 * 10_000).contains(&all), "{all}");
    }

    #[test]
    fn packed_values_are_their_bytes() {
        let limits = Limits::default();
        let mut set = Set::new_for(b"1", 1, &limits);
        set.add(b"1", &limits);
        assert_eq!(set.memory_bytes(0), 16);
    }
}
