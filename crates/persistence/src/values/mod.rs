//! The forms of containers in files: in RDB files and payloads, and as commands that recreate them.
//!
//!     list, set, zset, hash, stream, array,
//!     bitmap, vector_set, path_hash, json      one impl of [`SavedContainer`] each
//!     time_series                                  as json, with the key's name
//!     suggestions                                  as json
//!     sketches                                     one impl for all of them
//!     json_tree                                    documents of RedisJSON 1, read only
//!     packed                                       listpacks and ziplists as they are read
//!
//! A new type has its file here and its name in the list of types (`types/kinds.rs`): saving,
//! loading, the names of `redis-check-rdb` and the base of commands find it by that list. Strings
//! have no impl, because the readers and writers themselves have the only form of a string.

mod array;
mod bitmap;
mod form;
mod hash;
pub(super) mod json;
mod json_tree;
mod list;
mod packed;
pub(super) mod path_hash;
mod set;
pub(super) mod sketches;
mod stream;
pub(super) mod suggestions;
pub(super) mod time_series;
pub(super) mod vector_set;
mod zset;

pub(super) use form::ValueForm;

use super::aof::CommandWriter;
use super::rdb::format::{kind, opcode};
use super::rdb::{Fault, Input, Layout, Part, RdbOrigin, RdbWriter, Rules, VERSION_USUAL};
use russet_keyspace::{AnyRef, Keyspace};
use russet_types::{AnyContainer, Container, MemoryUsage, Type, for_container, with_types};
use std::ops::Range;

/// RDB's number of a form, the name that `redis-check-rdb` uses, and the parts of its bytes.
type NamedForm = (u8, &'static str, Layout);

/// A container that files can hold.
pub(super) trait SavedContainer: Container + Into<AnyContainer> {
    /// The forms, old and new.
    const FORMS: &[NamedForm];

    /// Forms of Valkey's files alone, whose numbers may mean other forms elsewhere.
    const VALKEY_FORMS: &[NamedForm] = &[];

    /// Reads a value in a form of its type. Every length and packed form is checked: whatever is
    /// read, the value is sound.
    fn load(input: &mut Input<'_>, kind: u8, rules: &Rules) -> Result<Self, Fault>;

    /// The form for files of a version.
    fn form(&self, version: u32) -> ValueForm;

    /// The lowest version, from the usual version on, that can hold all values of the type.
    fn version_for(_keyspace: &Keyspace) -> u32 {
        VERSION_USUAL
    }

    /// Writes everything before the elements; the whole value if it is a block.
    fn save_head(&self, to: &mut RdbWriter, form: ValueForm);

    /// Writes elements from `at` on, about `limit` at most; returns where the next part begins.
    /// `None`: the value is complete.
    fn save_part(&self, to: &mut RdbWriter, form: ValueForm, at: u64, limit: usize) -> Option<u64>;

    /// The block of bytes that the part from a position on has a piece of, and its range. `None`:
    /// the type has no blocks, or these were all.
    fn block_piece(&self, _at: u64) -> Option<(&[u8], Range<usize>)> {
        None
    }

    /// Writes commands that add elements from `at` on, at most `most` for types with positions;
    /// returns where the next elements begin, `None` at the end.
    fn rewrite(&self, to: &mut CommandWriter, key: &[u8], at: u64, most: usize) -> Option<u64>;
}

/// Maps a scan's cursor to the next part's beginning.
#[inline]
fn continued(cursor: u64) -> Option<u64> {
    (cursor != 0).then_some(cursor)
}

/// A node is some kilobytes: a few make a part of `limit` elements.
#[inline]
fn part_of_nodes(limit: usize) -> usize {
    limit.div_ceil(16)
}

// --- the type that a form's number belongs to ---

macro_rules! forms_by_type {
    ([$($T:ident: $($E:ident $name:literal),*;)*] $FORMS:ident) => {
        &[$((Type::$T, <russet_types::$T as SavedContainer>::$FORMS)),*]
    };
}
const FORMS: &[(Type, &[NamedForm])] = with_types!([forms_by_type] FORMS);
const VALKEY_FORMS: &[(Type, &[NamedForm])] = with_types!([forms_by_type] VALKEY_FORMS);

/// The owner of each number, and of the numbers that only Valkey's files have.
static TYPES: [Option<Type>; 256] = types(FORMS);
static VALKEY_TYPES: [Option<Type>; 256] = types(VALKEY_FORMS);

const fn types(all: &[(Type, &[NamedForm])]) -> [Option<Type>; 256] {
    let mut types = [None; 256];
    let mut at = 0;
    while at < all.len() {
        let (of, forms) = all[at];
        let mut form = 0;
        while form < forms.len() {
            let number = forms[form].0;
            let is_free = types[number as usize].is_none();
            assert!(is_free, "each number belongs to one type");
            let is_other = matches!(number, kind::STRING | kind::MODULE_PRE_GA);
            assert!(!is_other && number < opcode::HASH_TEMPLATE);
            types[number as usize] = Some(of);
            form += 1;
        }
        at += 1;
    }
    types
}

/// The type that a form's number belongs to.
#[inline]
fn owner(number: u8, dialect: RdbOrigin) -> Option<Type> {
    let own = match dialect {
        RdbOrigin::Valkey => VALKEY_TYPES[usize::from(number)],
        RdbOrigin::Redis => None,
    };
    own.or(TYPES[usize::from(number)])
}

/// The form of this number. `None`: there is no such form of a container.
fn named(number: u8, dialect: RdbOrigin) -> Option<&'static NamedForm> {
    let of = owner(number, dialect)?;
    let (forms, valkey) = for_container!(
        of,
        T => (T::FORMS, T::VALKEY_FORMS),
        _ => return None,
    );
    let own = valkey.iter().find(|form| form.0 == number);
    let own = own.filter(|_| dialect == RdbOrigin::Valkey);
    own.or_else(|| forms.iter().find(|form| form.0 == number))
}

/// The parts of a value in the form of this number. `None`: there is no such form of a container or
/// string.
pub(super) fn layout(number: u8, dialect: RdbOrigin) -> Option<Layout> {
    match number {
        kind::STRING => Some(&[Part::Text]),
        _ => Some(named(number, dialect)?.2),
    }
}

/// The name that `redis-check-rdb` uses.
pub(super) fn form_name(number: u8, dialect: RdbOrigin) -> &'static str {
    named(number, dialect).map_or_else(|| kind::name(number), |form| form.1)
}

// --- values of any type ---

/// Reads a container in the form of this number.
#[inline]
pub(super) fn load(input: &mut Input<'_>, kind: u8, rules: &Rules) -> Result<AnyContainer, Fault> {
    let of = owner(kind, rules.dialect).ok_or(Fault::Unknown(kind))?;
    for_container!(
        of,
        T => {
            let value = T::load(input, kind, rules).map_err(|fault| fault.in_value(of))?;
            if value.is_empty() && !T::MAY_BE_EMPTY { Err(Fault::Empty) } else { Ok(value.into()) }
        },
        _ => Err(Fault::Unknown(kind)),
    )
}

/// See [`SavedContainer::form`].
#[inline]
pub(super) fn form(value: &AnyRef<'_>, version: u32) -> ValueForm {
    for_container!(
        value.kind(),
        T => value.read::<T>().form(version),
        _ => unreachable!("a container"),
    )
}

/// See [`SavedContainer::save_head`].
#[inline]
pub(super) fn save_head(value: &AnyRef<'_>, to: &mut RdbWriter, form: ValueForm) {
    for_container!(
        value.kind(),
        T => value.read::<T>().save_head(to, form),
        _ => unreachable!("a container"),
    )
}

/// See [`SavedContainer::save_part`].
#[inline]
pub(super) fn save_part(
    value: &AnyRef<'_>,
    to: &mut RdbWriter,
    form: ValueForm,
    at: u64,
    limit: usize,
) -> Option<u64> {
    for_container!(
        value.kind(),
        T => value.read::<T>().save_part(to, form, at, limit),
        _ => unreachable!("a container"),
    )
}

/// See [`SavedContainer::block_piece`]: what the piece has, and whether it is the last of its
/// block.
pub(super) fn with_block_piece<R>(
    value: &AnyRef<'_>,
    at: u64,
    read: impl FnOnce(&[u8], Range<usize>) -> R,
) -> Option<R> {
    for_container!(
        value.kind(),
        T => {
            let value = value.read::<T>();
            let (block, range) = value.block_piece(at)?;
            Some(read(block, range))
        },
        _ => None,
    )
}

/// The stamp of a value and its bytes. `None`: values of the type have no stamps.
pub(super) fn stamp(value: &AnyRef<'_>) -> Option<(u64, usize)> {
    for_container!(
        value.kind(),
        T => {
            let value = value.read::<T>();
            Some((Container::stamp(&*value)?, value.memory_bytes()))
        },
        _ => None,
    )
}

/// See [`SavedContainer::rewrite`].
pub(super) fn rewrite(
    value: &AnyRef<'_>,
    to: &mut CommandWriter,
    key: &[u8],
    at: u64,
    most: usize,
) -> Option<u64> {
    for_container!(
        value.kind(),
        T => value.read::<T>().rewrite(to, key, at, most),
        _ => unreachable!("a container"),
    )
}

/// The lowest version of a file, from the usual version on, that can hold all keys.
pub(super) fn version_for(keyspace: &Keyspace) -> u32 {
    let each = |kind| {
        for_container!(
            kind,
            T => T::version_for(keyspace),
            _ => VERSION_USUAL,
        )
    };
    Type::ALL
        .map(each)
        .into_iter()
        .fold(VERSION_USUAL, u32::max)
}
