//! Values of a single block as that block's bytes, and back: what a keyspace compresses whole.
//!
//! A small listpack of a list, set, sorted set or hash, a record, and a small JSON document are
//! such values. Intsets are not, because integers in order hardly shrink, nor are listpacks with
//! expiries.
#![allow(unsafe_code)]

use std::mem::ManuallyDrop;

use super::container::Container;
use super::kinds::{Encoding, Type};
use russet_encodings::listpack::Listpack;
use russet_encodings::record::SchemaRef;

/// The facts of a value besides the bytes of its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockForm {
    /// Its encoding.
    pub encoding: Encoding,
    /// Its elements, as [`Container::len`] counts them.
    pub len: usize,
    /// Of a record the number of its schema.
    pub schema: Option<u16>,
}

impl BlockForm {
    /// The form of a value other than a record.
    pub(crate) fn of<T: Container>(value: &T) -> BlockForm {
        BlockForm {
            encoding: value.encoding(),
            len: value.len(),
            schema: None,
        }
    }
}

/// A listpack of items of `width` entries each, whose bytes are checked.
pub(crate) fn listpack_of(bytes: &[u8], width: usize) -> Option<Listpack> {
    let pack = Listpack::from_bytes(bytes).ok()?;
    (!pack.is_empty() && pack.len().is_multiple_of(width)).then_some(pack)
}

/// The form and the bytes of a container of a single block, from its entry's pair. `None`: the
/// value is no such container.
///
/// # Safety
/// The pair is in an entry that holds a container of this type, which does not change for `'a`.
#[inline]
pub unsafe fn block<'a>(
    kind: Type,
    encoding: Encoding,
    word: u64,
) -> Option<(BlockForm, &'a [u8])> {
    if !matches!(
        encoding,
        Encoding::Listpack | Encoding::Record | Encoding::OfModule
    ) {
        return None;
    }
    crate::for_container!(
        kind,
        T => {
            // SAFETY: the caller's promise; the value made from the pair is not dropped.
            let value = ManuallyDrop::new(unsafe { T::from_word(encoding, word) });
            let (form, bytes) = value.block()?;
            // SAFETY: the bytes are those of the value's block, not of the handle here.
            Some((form, unsafe { std::slice::from_raw_parts(bytes.as_ptr(), bytes.len()) }))
        },
        _ => None,
    )
}

/// The schema of a number, for another record.
///
/// # Safety
/// A reference to the schema exists that was given up for this number, and lasts through the call.
pub unsafe fn schema(number: u16) -> SchemaRef {
    // SAFETY: the caller's promise; the reference of the number is not dropped.
    let held = ManuallyDrop::new(unsafe { SchemaRef::from_number(number) });
    SchemaRef::clone(&held)
}

/// Gives up a reference for its number; [`release_schema`] is the counterpart.
pub fn hold_schema(schema: SchemaRef) -> u16 {
    schema.into_number()
}

/// Drops a reference that was given up for its number.
///
/// # Safety
/// The number came from [`hold_schema`], and each is released once.
pub unsafe fn release_schema(number: u16) {
    // SAFETY: the caller's promise.
    drop(unsafe { SchemaRef::from_number(number) });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Expiry, Hash, Json, Limits, List};
    use russet_json::Document;

    fn hash(n: usize) -> Hash {
        let mut hash = Hash::new();
        for (name, value) in [("name", format!("user {n}")), ("plan", "basic".into())] {
            hash.set(
                name.as_bytes(),
                value.as_bytes(),
                Expiry::Clear,
                &Limits::default(),
            );
        }
        hash
    }

    fn again<T: Container>(value: &T) -> Option<T> {
        let (form, bytes) = value.block()?;
        assert_eq!((form.encoding, form.len), (value.encoding(), value.len()));
        // SAFETY: `value` has the reference.
        let schema = form.schema.map(|number| unsafe { schema(number) });
        let again = T::from_block(&form, bytes, schema).expect("its own bytes");
        again.check_invariants();
        assert_eq!(again.block().map(|(_, bytes)| bytes), Some(bytes));
        // Each byte that is missing is noticed, of formats that say where they end.
        if form.encoding != Encoding::OfModule {
            // SAFETY: as above.
            let schema = form.schema.map(|number| unsafe { self::schema(number) });
            assert!(T::from_block(&form, &bytes[..bytes.len() - 1], schema).is_none());
        }
        Some(again)
    }

    #[test]
    fn a_value_of_one_block_is_made_again_from_its_bytes() {
        let limits = Limits::default();
        let mut one = hash(1);
        assert!(matches!(again(&one), Some(Hash::Listpack(_))));
        let mut all = Vec::new();
        while !matches!(one, Hash::Record(_)) {
            one = hash(all.len());
            one.share_names(&limits);
            all.push(one.clone());
            assert!(all.len() < 100, "names repeat");
        }
        let Some(Hash::Record(record)) = again(&one) else {
            panic!("a record");
        };
        assert_eq!(record.get(1).to_vec(), b"basic");
        let mut list = List::new();
        list.push(crate::End::Back, b"an element");
        assert_eq!(again(&list).map(|list| list.len()), Some(1));
        let json = Json::from(Document::parse(b"{\"a\":[1,2,\"three\"]}").expect("a document"));
        assert!(again(&json).is_some_and(|again| again.is_unchanged_since(&json)));
    }

    #[test]
    fn other_bytes_are_no_record() {
        let limits = Limits::default();
        let mut one = hash(0);
        for n in 0..100 {
            one = hash(n);
            one.share_names(&limits);
        }
        let Hash::Record(record) = &one else {
            panic!("a record");
        };
        let bytes = record.as_bytes();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut other = bytes.to_vec();
                other[at] ^= 1 << bit;
                let form = one.block().expect("one block").0;
                if let Some(again) = Hash::from_block(&form, &other, Some(record.schema())) {
                    again.check_invariants();
                }
            }
        }
    }
}
