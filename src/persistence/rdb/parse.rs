//! Reading values: every type, old and new, into the encoding that the limits select.
//!
//! Packed forms are checked completely before they are used, so that no loaded value causes faults
//! later. A listpack with a duplicate element is rejected if `deep` is set; else the first one
//! stays, and the others are dropped. The old forms reject duplicates in any case, as in Redis.

use super::fault::Fault;
use super::format::{Dialect, kind, node};
use super::input::{Input, Text};
use super::{module, stream};
use crate::base::float::parse_double;
use crate::encodings::intset::Intset;
use crate::encodings::listpack::Listpack;
use crate::encodings::scored::ScoredBuilder;
use crate::encodings::ziplist::Ziplist;
use crate::encodings::zipmap;
use crate::keyspace::OwnedValue;
use crate::types::import::{FIELD_EXPIRY_MAX, HashImport, ListImport, distinct};
use crate::types::{Container, End, Entry, Hash, Limits, List, Set, Type, Zset};

/// How values are read.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub limits: Limits,
    /// Whether a packed form with a duplicate element is rejected.
    pub deep: bool,
    pub dialect: Dialect,
}

/// Reads a value of type `kind`.
pub fn value<'i>(
    input: &'i mut Input<'_>,
    kind: u8,
    rules: &Rules,
) -> Result<OwnedValue<'i>, Fault> {
    match kind {
        kind::STRING => Ok(match input.string()? {
            Text::Int(n) => OwnedValue::Int(n),
            Text::Bytes(text) => OwnedValue::Bytes(text),
        }),
        kind::LIST | kind::LIST_ZIPLIST | kind::LIST_QUICKLIST | kind::LIST_QUICKLIST_2 => {
            let list = list(input, kind, rules).map_err(|fault| fault.in_value(Type::List))?;
            full(list, OwnedValue::List)
        }
        kind::SET | kind::SET_INTSET | kind::SET_LISTPACK => {
            let set = set(input, kind, rules).map_err(|fault| fault.in_value(Type::Set))?;
            full(set, OwnedValue::Set)
        }
        kind::ZSET | kind::ZSET_2 | kind::ZSET_ZIPLIST | kind::ZSET_LISTPACK => {
            let zset = zset(input, kind, rules).map_err(|fault| fault.in_value(Type::Zset))?;
            full(zset, OwnedValue::Zset)
        }
        kind::HASH | kind::HASH_ZIPMAP | kind::HASH_ZIPLIST | kind::HASH_LISTPACK => {
            let hash = hash(input, kind, rules).map_err(|fault| fault.in_value(Type::Hash))?;
            full(hash, OwnedValue::Hash)
        }
        kind::HASH_METADATA_PRE_GA..=kind::HASH_LISTPACK_EX => {
            let hash = match (rules.dialect, kind) {
                (Dialect::Valkey, kind::VALKEY_HASH_2) => valkey_hash(input, rules)?,
                (Dialect::Valkey, other) => return Err(Fault::Unknown(other)),
                (Dialect::Redis, kind) => {
                    expiring_hash(input, kind, rules).map_err(|fault| fault.in_value(Type::Hash))?
                }
            };
            full(hash, OwnedValue::Hash)
        }
        kind::STREAM_LISTPACKS | kind::STREAM_LISTPACKS_2 | kind::STREAM_LISTPACKS_3 => {
            let stream = stream::read(input, kind);
            let stream = stream.map_err(|fault| fault.in_value(Type::Stream))?;
            Ok(OwnedValue::Stream(stream))
        }
        kind::MODULE_PRE_GA | kind::MODULE_2 => Err(Fault::Module(module::name(input)?)),
        other => Err(Fault::Unknown(other)),
    }
}

fn full<'i, T: Container>(
    value: T,
    wrap: impl FnOnce(T) -> OwnedValue<'i>,
) -> Result<OwnedValue<'i>, Fault> {
    match value.is_empty() {
        true => Err(Fault::Empty),
        false => Ok(wrap(value)),
    }
}

/// A listpack whose elements are `width` entries each and distinct.
fn pack(input: &mut Input<'_>, rules: &Rules, width: usize) -> Result<Listpack, Fault> {
    let pack = Listpack::from_bytes(input.blob()?)?;
    distinct(pack, width, rules.deep).ok_or(Fault::PackedDuplicate("listpack"))
}

/// A ziplist of members and scores, or fields and values, as a listpack.
fn repacked_pairs(input: &mut Input<'_>) -> Result<Listpack, Fault> {
    distinct(repacked(input)?, 2, true).ok_or(Fault::PackedDuplicate("ziplist"))
}

/// A ziplist as a listpack.
fn repacked(input: &mut Input<'_>) -> Result<Listpack, Fault> {
    let list = Ziplist::parse(input.blob()?)?;
    let mut pack = Listpack::new();
    for entry in list.iter() {
        if !pack.fits(entry.text_len()) {
            return Err(Fault::Range);
        }
        // A number that a ziplist stores as text is stored as a number in a listpack.
        match entry {
            Entry::Str(text) => pack.append(Entry::parse(text)),
            number => pack.append(number),
        };
    }
    Ok(pack)
}

fn list(input: &mut Input<'_>, kind: u8, rules: &Rules) -> Result<List, Fault> {
    let limits = &rules.limits;
    if kind == kind::LIST {
        let mut list = List::long(limits);
        let mut digits = itoa::Buffer::new();
        for _ in 0..input.count(1)? {
            list.push(End::Back, input.string()?.bytes(&mut digits));
        }
        list.built(limits);
        return Ok(list);
    }
    let mut list = ListImport::new(limits);
    if kind == kind::LIST_ZIPLIST {
        list.pack(repacked(input)?);
        return Ok(list.finish(limits));
    }
    for _ in 0..input.count(1)? {
        if kind == kind::LIST_QUICKLIST {
            list.pack(repacked(input)?);
            continue;
        }
        match input.length()? {
            node::PACKED => list.pack(Listpack::from_bytes(input.blob()?)?),
            node::PLAIN => {
                let mut digits = itoa::Buffer::new();
                let element = input.string()?.bytes(&mut digits);
                if element.is_empty() {
                    return Err(Fault::EmptyNode);
                }
                list.plain(element);
            }
            other => return Err(Fault::Node(other)),
        }
    }
    Ok(list.finish(limits))
}

fn set(input: &mut Input<'_>, kind: u8, rules: &Rules) -> Result<Set, Fault> {
    let limits = &rules.limits;
    match kind {
        kind::SET_INTSET => Ok(Set::import_intset(
            Intset::from_bytes(input.blob()?)?,
            limits,
        )),
        kind::SET_LISTPACK => Ok(Set::import_pack(pack(input, rules, 1)?, limits)),
        _ => {
            let members = input.count(1)?;
            let mut set = Set::import_for(members, limits);
            for _ in 0..members {
                let entry = match input.string()? {
                    Text::Int(n) => Entry::Int(n),
                    Text::Bytes(text) => Entry::Str(text),
                };
                if !set.add_entry(entry, limits) {
                    return Err(Fault::Duplicate);
                }
            }
            Ok(set)
        }
    }
}

fn zset(input: &mut Input<'_>, kind: u8, rules: &Rules) -> Result<Zset, Fault> {
    let limits = &rules.limits;
    let pack = match kind {
        kind::ZSET_LISTPACK => pack(input, rules, 2)?,
        kind::ZSET_ZIPLIST => repacked_pairs(input)?,
        _ => return scored(input, kind, limits),
    };
    if !pack.len().is_multiple_of(2) {
        return Err(Fault::Records);
    }
    Zset::import_pack(pack, limits).ok_or(Fault::Score)
}

/// Members with scores, one by one.
fn scored(input: &mut Input<'_>, kind: u8, limits: &Limits) -> Result<Zset, Fault> {
    let mut table = ScoredBuilder::default();
    let mut member = Vec::new();
    for _ in 0..input.count(2)? {
        input.string_to(&mut member)?;
        let score = match kind {
            kind::ZSET => score_text(input)?,
            _ => input.double()?,
        };
        if score.is_nan() {
            return Err(Fault::Score);
        }
        if !table.add(&member, score) {
            return Err(Fault::Duplicate);
        }
    }
    Ok(Zset::import_table(table.finish(), limits))
}

/// A score in old files: its length in a byte, and its text.
fn score_text(input: &mut Input<'_>) -> Result<f64, Fault> {
    Ok(match input.byte()? {
        255 => f64::NEG_INFINITY,
        254 => f64::INFINITY,
        253 => f64::NAN,
        len => {
            let mut text = [0; 252];
            let text = &mut text[..usize::from(len)];
            for byte in text.iter_mut() {
                *byte = input.byte()?;
            }
            parse_double(text).ok_or(Fault::Score)?
        }
    })
}

fn hash(input: &mut Input<'_>, kind: u8, rules: &Rules) -> Result<Hash, Fault> {
    let limits = &rules.limits;
    match kind {
        kind::HASH_LISTPACK => {
            Hash::import_pack(pack(input, rules, 2)?, limits).ok_or(Fault::Records)
        }
        kind::HASH_ZIPLIST => {
            Hash::import_pack(repacked_pairs(input)?, limits).ok_or(Fault::Records)
        }
        kind::HASH_ZIPMAP => {
            let pairs = zipmap::parse(input.blob()?)?;
            if pairs.is_empty() {
                return Err(Fault::Zipmap(zipmap::ZipmapError(0)));
            }
            let mut pack = Listpack::new();
            for (name, value) in pairs {
                if !pack.fits(name.len() + value.len()) {
                    return Err(Fault::Range);
                }
                pack.append_all(&[Entry::parse(name), Entry::parse(value)]);
            }
            let pack = distinct(pack, 2, true).ok_or(Fault::PackedDuplicate("zipmap"))?;
            Hash::import_zipmap(pack, limits).ok_or(Fault::Records)
        }
        _ => {
            let fields = input.count(2)?;
            let mut hash = HashImport::new(fields, false, limits);
            let mut name = Vec::new();
            for _ in 0..fields {
                add_field(input, &mut hash, &mut name, None)?;
            }
            hash.finish(rules.deep).ok_or(Fault::Duplicate)
        }
    }
}

/// Reads a field and its value; `name` is scratch space.
fn add_field(
    input: &mut Input<'_>,
    hash: &mut HashImport<'_>,
    name: &mut Vec<u8>,
    expire_ms: Option<u64>,
) -> Result<(), Fault> {
    input.string_to(name)?;
    let mut digits = itoa::Buffer::new();
    let value = input.string()?.bytes(&mut digits);
    match hash.add(name, value, expire_ms) {
        true => Ok(()),
        false => Err(Fault::Duplicate),
    }
}

/// Redis's forms of hashes with expiring fields.
fn expiring_hash(input: &mut Input<'_>, kind: u8, rules: &Rules) -> Result<Hash, Fault> {
    let limits = &rules.limits;
    let soonest = match kind {
        kind::HASH_METADATA | kind::HASH_LISTPACK_EX => {
            u64::try_from(input.millis()?).map_err(|_| Fault::Range)?
        }
        _ => 0,
    };
    if soonest > FIELD_EXPIRY_MAX {
        return Err(Fault::Range);
    }
    if matches!(kind, kind::HASH_LISTPACK_EX | kind::HASH_LISTPACK_EX_PRE_GA) {
        let pack = pack(input, rules, 3)?;
        if !pack.len().is_multiple_of(3) {
            return Err(Fault::Records);
        }
        return Hash::import_extended(pack, limits).ok_or(Fault::FieldExpiry);
    }
    let fields = input.count(3)?;
    let mut hash = HashImport::new(fields, true, limits);
    let mut name = Vec::new();
    for _ in 0..fields {
        let expire_ms = match (input.length()?, kind) {
            (0, _) => None,
            (distance, kind::HASH_METADATA) => Some(soonest.saturating_add(distance - 1)),
            (ms, _) => Some(ms),
        };
        if expire_ms.is_some_and(|ms| ms > FIELD_EXPIRY_MAX) {
            return Err(Fault::Range);
        }
        add_field(input, &mut hash, &mut name, expire_ms)?;
    }
    hash.finish(rules.deep).ok_or(Fault::Duplicate)
}

/// Valkey's form of a hash with expiring fields: -1 is no expiry.
fn valkey_hash(input: &mut Input<'_>, rules: &Rules) -> Result<Hash, Fault> {
    let fields = input.count(10)?;
    let mut hash = HashImport::new(fields, true, &rules.limits);
    let (mut name, mut value) = (Vec::new(), Vec::new());
    for _ in 0..fields {
        input.string_to(&mut name)?;
        input.string_to(&mut value)?;
        let expire_ms = match input.millis()? {
            -1 => None,
            ms => Some(u64::try_from(ms).map_err(|_| Fault::Range)?),
        };
        if expire_ms.is_some_and(|ms| ms > FIELD_EXPIRY_MAX) {
            return Err(Fault::Range);
        }
        if !hash.add(&name, &value, expire_ms) {
            return Err(Fault::Duplicate);
        }
    }
    hash.finish(rules.deep).ok_or(Fault::Duplicate)
}
