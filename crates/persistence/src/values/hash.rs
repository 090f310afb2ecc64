//! Hashes.
//!
//!     n (field, value)                            HASH
//!     a zipmap, ziplist or listpack: field, value, ...
//!     [first expiry: ms] n (expiry, field, value)                     METADATA
//!     [first expiry: ms] a listpack: field, value, expiry, ...        LISTPACK_EX
//!     n (field, value, expiry: ms)                                    VALKEY_HASH_2
//!
//! With the field names of a template (Redis 8.10), read as a plain hash:
//!
//!     a listpack: template's ID, value, ...                           TEMPLATE_LISTPACK_REF
//!     template's ID, value, ...                                       TEMPLATE_ARRAY_REF
//!     names, a listpack: any number, value, ...                       TEMPLATE_LISTPACK
//!     names, value, ...                                               TEMPLATE_ARRAY
//!     names = 0 a listpack | 1 n name
//!
//!     HMSET h ... HPEXPIREAT h ms FIELDS 1 f ... | HMSET h ...

use super::packed::{pack, repacked_pairs};
use super::{NamedForm, SavedContainer, ValueForm, continued};
use crate::aof::{CommandWriter, ELEMENTS_MAX};
use crate::rdb::Part::{Length, Opaque, Raw, Template, Text, Times};
use crate::rdb::{
    Fault, Input, Names, RdbOrigin, RdbWriter, Rules, VERSION_FIELD_TTLS, VERSION_LISTPACKS,
    VERSION_USUAL, in_order, is_valkey, names,
};
use russet_encodings::listpack::Listpack;
use russet_encodings::zipmap;
use russet_keyspace::Keyspace;
use russet_resp::write_request;
use russet_types::import::{FIELD_EXPIRY_MAX, HashImport, distinct};
use russet_types::{Container, Entry, Hash, HashField};

const HASH: u8 = 4;
const ZIPMAP: u8 = 9;
const ZIPLIST: u8 = 13;
const LISTPACK: u8 = 16;
/// From a release candidate of Redis 7.4; in Valkey's files another form of a hash with expiring
/// fields.
const METADATA_PRE_GA: u8 = 22;
const LISTPACK_EX_PRE_GA: u8 = 23;
/// A table whose fields may expire.
const METADATA: u8 = 24;
const LISTPACK_EX: u8 = 25;
/// Field names and values apart, in payloads.
const TEMPLATE_LISTPACK: u8 = 29;
const TEMPLATE_ARRAY: u8 = 31;
/// The field names are in a template of the file.
const TEMPLATE_LISTPACK_REF: u8 = 30;
const TEMPLATE_ARRAY_REF: u8 = 32;
/// Valkey's number 22: fields that may expire.
const VALKEY_HASH_2: u8 = 22;
/// The expiry there of a field that does not expire: -1.
const VALKEY_NO_EXPIRY: u64 = u64::MAX;

impl SavedContainer for Hash {
    const FORMS: &[NamedForm] = &[
        (HASH, "hash-hashtable", &[Times(&[Text, Text])]),
        (ZIPMAP, "hash-zipmap", &[Text]),
        (ZIPLIST, "hash-ziplist", &[Text]),
        (LISTPACK, "hash-listpack", &[Text]),
        (
            METADATA_PRE_GA,
            "hash-hashtable-md-pre-release",
            &[Times(&[Length, Text, Text])],
        ),
        (LISTPACK_EX_PRE_GA, "hash-listpack-md-pre-release", &[Text]),
        (
            METADATA,
            "hash-hashtable-md",
            &[Raw(8), Times(&[Length, Text, Text])],
        ),
        (LISTPACK_EX, "hash-listpack-md", &[Raw(8), Text]),
        (TEMPLATE_LISTPACK, "hash-tmpl-lp", &[Opaque]),
        (TEMPLATE_LISTPACK_REF, "hash-tmpl-lp-ref", &[Text]),
        (TEMPLATE_ARRAY, "hash-tmpl-array", &[Opaque]),
        (TEMPLATE_ARRAY_REF, "hash-tmpl-array-ref", &[Template]),
    ];

    const VALKEY_FORMS: &[NamedForm] = &[(
        VALKEY_HASH_2,
        "hash-hashtable-md-valkey",
        &[Times(&[Text, Text, Raw(8)])],
    )];

    fn load(input: &mut Input<'_>, kind: u8, rules: &Rules) -> Result<Hash, Fault> {
        match (rules.dialect, kind) {
            (_, HASH | ZIPMAP | ZIPLIST | LISTPACK) => plain(input, kind, rules),
            (RdbOrigin::Valkey, VALKEY_HASH_2) => valkey_hash(input, rules),
            (RdbOrigin::Valkey, other) => Err(Fault::Unknown(other)),
            (RdbOrigin::Redis, TEMPLATE_LISTPACK..=TEMPLATE_ARRAY_REF) => {
                templated(input, kind, rules)
            }
            (RdbOrigin::Redis, kind) => expiring(input, kind, rules),
        }
    }

    /// O(fields) if some expire.
    fn form(&self, version: u32) -> ValueForm {
        let first_expiry = self.expire_min();
        let expirable = version >= VERSION_FIELD_TTLS;
        let kind = match self {
            Hash::Listpack(_) | Hash::Record(_) if version >= VERSION_LISTPACKS => LISTPACK,
            _ if is_valkey(version) && first_expiry.is_some() => VALKEY_HASH_2,
            _ if is_valkey(version) => HASH,
            Hash::ListpackEx(_) if expirable => LISTPACK_EX,
            Hash::Table(_) if expirable && first_expiry.is_some() => METADATA,
            _ => HASH,
        };
        ValueForm {
            kind,
            first_expiry,
            lost: (first_expiry.is_some() && !expirable).then_some("fields that expire"),
            may_lose: false,
            is_plain: false,
        }
    }

    fn version_for(keyspace: &Keyspace) -> u32 {
        if keyspace.any_field_expires() {
            VERSION_FIELD_TTLS
        } else {
            VERSION_USUAL
        }
    }

    fn save_head(&self, to: &mut RdbWriter, form: ValueForm) {
        match self {
            Hash::Listpack(pack) if form.kind == LISTPACK => to.pack(pack),
            Hash::Record(record) if form.kind == LISTPACK => to.pack(&record.to_listpack()),
            Hash::ListpackEx(pack) if form.kind == LISTPACK_EX => {
                to.time(form.first_expiry.unwrap_or(0));
                to.pack(pack);
            }
            _ => {
                if form.kind == METADATA {
                    to.time(form.first_expiry.unwrap_or(0));
                }
                to.length(self.len() as u64);
            }
        }
    }

    fn save_part(
        &self,
        to: &mut RdbWriter,
        form: ValueForm,
        at: u64,
        _limit: usize,
    ) -> Option<u64> {
        if form.kind == VALKEY_HASH_2 {
            return continued(self.scan(at, |field| {
                to.element(field.name);
                to.element(field.value);
                to.time(field.expire_ms.unwrap_or(VALKEY_NO_EXPIRY));
            }));
        }
        if !matches!(form.kind, HASH | METADATA) {
            return None;
        }
        let first_expiry = form.first_expiry.filter(|_| form.kind == METADATA);
        continued(self.scan(at, |field| {
            if let Some(first) = first_expiry {
                // 0 means none; the others count from the first.
                to.length(field.expire_ms.map_or(0, |when| when - first + 1));
            }
            to.element(field.name);
            to.element(field.value);
        }))
    }

    fn rewrite(&self, to: &mut CommandWriter, key: &[u8], at: u64, most: usize) -> Option<u64> {
        let mut expiries = Vec::new();
        let next = if most == usize::MAX {
            self.visit(|field| {
                add(to, key, &field, &mut expiries);
                true
            });
            0
        } else {
            self.scan(at, |field| add(to, key, &field, &mut expiries))
        };
        to.end_command(ADDER, key, 0);
        to.out.extend_from_slice(&expiries);
        continued(next)
    }
}

/// The command that adds fields.
const ADDER: &[u8] = b"HMSET";

/// Adds a field to the command under way, and its expiry's command to the commands that follow.
fn add(to: &mut CommandWriter, key: &[u8], field: &HashField<'_>, expiries: &mut Vec<u8>) {
    to.entry(field.name);
    to.entry(field.value);
    if let Some(ms) = field.expire_ms {
        let (mut ms_text, mut name) = (itoa::Buffer::new(), itoa::Buffer::new());
        let args: [&[u8]; 6] = [
            b"HPEXPIREAT",
            key,
            ms_text.format(ms).as_bytes(),
            b"FIELDS",
            b"1",
            field.name.bytes(&mut name),
        ];
        write_request(expiries, args.into_iter());
    }
    to.end_command(ADDER, key, 2 * ELEMENTS_MAX);
}

/// A hash whose fields do not expire.
fn plain(input: &mut Input<'_>, kind: u8, rules: &Rules) -> Result<Hash, Fault> {
    let limits = &rules.limits;
    match kind {
        LISTPACK => Hash::import_pack(pack(input, rules, 2)?, limits).ok_or(Fault::Records),
        ZIPLIST => Hash::import_pack(repacked_pairs(input)?, limits).ok_or(Fault::Records),
        ZIPMAP => {
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
        _ => table(input, rules, rules.deep),
    }
}

/// Reads the fields of a path of a path hash, in the plain form; a field that comes twice is a
/// fault.
pub(super) fn distinct_fields(input: &mut Input<'_>, rules: &Rules) -> Result<Hash, Fault> {
    table(input, rules, true)
}

/// Reads the plain form. `deep`: a field that comes twice is a fault.
fn table(input: &mut Input<'_>, rules: &Rules, deep: bool) -> Result<Hash, Fault> {
    let fields = input.count(2)?;
    let mut hash = HashImport::new(fields, false, &rules.limits);
    let mut name = Vec::new();
    for _ in 0..fields {
        add_field(input, &mut hash, &mut name, None)?;
    }
    hash.finish(deep).ok_or(Fault::Duplicate)
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
    if hash.add(name, value, expire_ms) {
        Ok(())
    } else {
        Err(Fault::Duplicate)
    }
}

/// Redis's forms of hashes with expiring fields.
fn expiring(input: &mut Input<'_>, kind: u8, rules: &Rules) -> Result<Hash, Fault> {
    let limits = &rules.limits;
    let soonest = match kind {
        METADATA | LISTPACK_EX => u64::try_from(input.millis()?).map_err(|_| Fault::Range)?,
        _ => 0,
    };
    if soonest > FIELD_EXPIRY_MAX {
        return Err(Fault::Range);
    }
    if matches!(kind, LISTPACK_EX | LISTPACK_EX_PRE_GA) {
        let pack = pack(input, rules, 3)?;
        if !pack.len().is_multiple_of(3) {
            return Err(Fault::Records);
        }
        return Hash::import_extended(pack, limits)
            .ok_or_else(|| Fault::damaged("field expiries are out of order or no numbers"));
    }
    let fields = input.count(3)?;
    let mut hash = HashImport::new(fields, true, limits);
    let mut name = Vec::new();
    for _ in 0..fields {
        let expire_ms = match (input.length()?, kind) {
            (0, _) => None,
            (distance, METADATA) => Some(soonest.saturating_add(distance - 1)),
            (ms, _) => Some(ms),
        };
        if expire_ms.is_some_and(|ms| ms > FIELD_EXPIRY_MAX) {
            return Err(Fault::Range);
        }
        add_field(input, &mut hash, &mut name, expire_ms)?;
    }
    hash.finish(rules.deep).ok_or(Fault::Duplicate)
}

/// A hash with the field names of a template.
fn templated(input: &mut Input<'_>, kind: u8, rules: &Rules) -> Result<Hash, Fault> {
    let own_names;
    let names = match kind {
        TEMPLATE_LISTPACK_REF => {
            let pack = Listpack::from_bytes(input.blob()?)?;
            let id = template_id(&pack)?;
            let id = u64::try_from(id).map_err(|_| Fault::Range)?;
            return with_packed_values(rules.templates.get(id)?, &pack, rules);
        }
        TEMPLATE_ARRAY_REF => rules.templates.get(input.length()?)?,
        _ => {
            own_names = template_names(input)?;
            &own_names
        }
    };
    if kind == TEMPLATE_LISTPACK {
        let pack = Listpack::from_bytes(input.blob()?)?;
        template_id(&pack)?;
        return with_packed_values(names, &pack, rules);
    }
    let mut hash = HashImport::new(names.len(), false, &rules.limits);
    for name in names {
        let mut digits = itoa::Buffer::new();
        let value = input.string()?.bytes(&mut digits);
        if !hash.add(name, value, None) {
            return Err(Fault::Duplicate);
        }
    }
    hash.finish(rules.deep).ok_or(Fault::Duplicate)
}

/// The first entry of a listpack of values.
fn template_id(pack: &Listpack) -> Result<i64, Fault> {
    let id = pack.iter().next().and_then(|entry| entry.as_int());
    id.ok_or(Fault::damaged("a hash has no number for its template"))
}

/// The field names that a hash has with it.
fn template_names(input: &mut Input<'_>) -> Result<Names, Fault> {
    match input.byte()? {
        0 => {
            let pack = Listpack::from_bytes(input.blob()?)?;
            in_order(pack.iter().map(|name| name.to_vec().into()).collect())
        }
        1 => names(input),
        _ => Err(Fault::damaged(
            "the names of a hash's fields have an unknown form",
        )),
    }
}

/// A hash of these names, and the values in a listpack after its first entry.
fn with_packed_values(names: &[Box<[u8]>], pack: &Listpack, rules: &Rules) -> Result<Hash, Fault> {
    if pack.len() != names.len() + 1 {
        return Err(Fault::Records);
    }
    let mut hash = HashImport::new(names.len(), false, &rules.limits);
    for (name, value) in names.iter().zip(pack.iter().skip(1)) {
        if !hash.add(name, value.bytes(&mut itoa::Buffer::new()), None) {
            return Err(Fault::Duplicate);
        }
    }
    hash.finish(rules.deep).ok_or(Fault::Duplicate)
}

/// Valkey's form of a hash with expiring fields: -1 is no expiry. Valkey knows later times than are
/// stored here: the latest counts.
fn valkey_hash(input: &mut Input<'_>, rules: &Rules) -> Result<Hash, Fault> {
    let fields = input.count(10)?;
    let mut hash = HashImport::new(fields, true, &rules.limits);
    let (mut name, mut value) = (Vec::new(), Vec::new());
    for _ in 0..fields {
        input.string_to(&mut name)?;
        input.string_to(&mut value)?;
        let expire_ms = match input.millis()? {
            -1 => None,
            ms => Some(
                u64::try_from(ms)
                    .map_err(|_| Fault::Range)?
                    .min(FIELD_EXPIRY_MAX),
            ),
        };
        if !hash.add(&name, &value, expire_ms) {
            return Err(Fault::Duplicate);
        }
    }
    hash.finish(rules.deep).ok_or(Fault::Duplicate)
}
