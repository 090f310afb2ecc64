//! Path hashes.
//!
//!     n (path, n (field, value))              PATH_HASH of Valkey
//!     id, n (path, n (field, value)) 0        MODULE_2 of a module "path-hash"
//!
//! Numbers and strings after the id are fields of module data, each with its kind before it. Redis
//! has no such type: a number of its own might be that of another type in a later release, while
//! the data of a module that is not there is refused by the module's name.
//!
//!     PHMSET p path FIELDS n field value ... path FIELDS n ... | PHMSET p ...

use super::hash::distinct_fields;
use super::{NamedForm, SavedContainer, ValueForm};
use crate::aof::CommandWriter;
use crate::rdb::Part::{Text, Times};
use crate::rdb::format::kind;
use crate::rdb::module::{
    self, PATH_HASH, field, read_count, read_end, read_string, write_number, write_string,
};
use crate::rdb::{
    Fault, Input, RdbWriter, Rules, VERSION_FIELD_TTLS, VERSION_USUAL, VERSION_VALKEY_PATHS,
    is_valkey,
};
use russet_keyspace::Keyspace;
use russet_types::{Container, Entry, Expiry, Hash, PathHash, Type};

/// Valkey's number, which is another form's in Redis's files.
const VALKEY_PATH_HASH: u8 = 23;
/// Redis's versions with path hashes: no server of that age takes the module for its own.
const VERSION_MIN: u32 = VERSION_FIELD_TTLS;

/// Bytes of a path, and of a field, with the kinds of fields in module data.
const PATH_MIN: u64 = 4;
const FIELD_MIN: u64 = 4;
/// Words of a command.
const WORDS_MAX: usize = 128;
/// Fields that are written together in a command.
const FIELDS_MAX: usize = 32;

impl SavedContainer for PathHash {
    const FORMS: &[NamedForm] = &[];

    const VALKEY_FORMS: &[NamedForm] = &[(
        VALKEY_PATH_HASH,
        "pathhash",
        &[Times(&[Text, Times(&[Text, Text])])],
    )];

    fn load(input: &mut Input<'_>, _kind: u8, rules: &Rules) -> Result<PathHash, Fault> {
        let count = input.count(2)?;
        let (mut paths, mut path) = (PathHash::new(), Vec::new());
        for _ in 0..count {
            input.string_to(&mut path)?;
            let fields = distinct_fields(input, rules)?;
            add(&mut paths, &path, fields)?;
        }
        Ok(paths)
    }

    fn form(&self, version: u32) -> ValueForm {
        let (kind, holds) = if is_valkey(version) {
            (VALKEY_PATH_HASH, version >= VERSION_VALKEY_PATHS)
        } else {
            (kind::MODULE_2, version >= VERSION_MIN)
        };
        ValueForm {
            lost: (!holds).then_some("a path hash"),
            may_lose: false,
            ..ValueForm::of(kind)
        }
    }

    fn version_for(keyspace: &Keyspace) -> u32 {
        if keyspace.any_of(Type::PathHash) {
            VERSION_MIN
        } else {
            VERSION_USUAL
        }
    }

    fn save_head(&self, to: &mut RdbWriter, form: ValueForm) {
        if form.kind == kind::MODULE_2 {
            to.length(module::id(PATH_HASH, 0));
        }
        write(to, form).number(self.len() as u64);
    }

    fn save_part(&self, to: &mut RdbWriter, form: ValueForm, at: u64, limit: usize) -> Option<u64> {
        let next = part(self, at, limit, |path, fields| {
            write(to, form).string(path);
            write(to, form).number(fields.len() as u64);
            fields.visit(|field| {
                write(to, form).entry(field.name);
                write(to, form).entry(field.value);
                true
            });
        });
        if next.is_none() && form.kind == kind::MODULE_2 {
            to.length(field::END);
        }
        next
    }

    fn rewrite(&self, to: &mut CommandWriter, key: &[u8], at: u64, most: usize) -> Option<u64> {
        const NAME: &[u8] = b"PHMSET";
        let next = part(self, at, most, |path, fields| {
            let mut written = 0;
            fields.visit(|field| {
                if written % FIELDS_MAX == 0 {
                    let count = FIELDS_MAX.min(fields.len() - written);
                    to.end_command(NAME, key, WORDS_MAX);
                    to.word(path);
                    to.word(b"FIELDS");
                    to.word(itoa::Buffer::new().format(count).as_bytes());
                }
                to.entry(field.name);
                to.entry(field.value);
                written += 1;
                true
            });
        });
        to.end_command(NAME, key, 0);
        next
    }
}

/// Passes paths from rank `at` on to `see`, until they have about `limit` fields; returns the rank
/// after them, `None` at the end.
fn part(paths: &PathHash, at: u64, limit: usize, mut see: impl FnMut(&[u8], &Hash)) -> Option<u64> {
    let mut walk = paths.iter_from_rank(at as usize);
    let (mut reached, mut fields) = (at, 0);
    while let Some((path, hash)) = walk.next() {
        see(path, hash);
        fields += hash.len();
        reached += 1;
        if fields >= limit {
            break;
        }
    }
    (reached < paths.len() as u64).then_some(reached)
}

/// Adds a path that was read.
fn add(paths: &mut PathHash, path: &[u8], fields: Hash) -> Result<(), Fault> {
    if fields.is_empty() {
        return Err(Fault::damaged("a path has no fields"));
    }
    if paths.get(path).is_some() {
        return Err(Fault::Duplicate);
    }
    paths.insert(path, fields);
    Ok(())
}

/// Numbers and strings in a form of path hashes.
struct FormWriter<'a> {
    to: &'a mut RdbWriter,
    of_module: bool,
}

fn write(to: &mut RdbWriter, form: ValueForm) -> FormWriter<'_> {
    let of_module = form.kind == kind::MODULE_2;
    FormWriter { to, of_module }
}

impl FormWriter<'_> {
    fn number(self, n: u64) {
        if self.of_module {
            write_number(self.to, n)
        } else {
            self.to.length(n)
        }
    }

    fn string(self, text: &[u8]) {
        if self.of_module {
            write_string(self.to, text)
        } else {
            self.to.string(text)
        }
    }

    fn entry(self, entry: Entry<'_>) {
        self.string(entry.bytes(&mut itoa::Buffer::new()));
    }
}

/// Reads a path hash after the id of the module.
pub(crate) fn load_fields(input: &mut Input<'_>, rules: &Rules) -> Result<PathHash, Fault> {
    let limits = &rules.limits;
    let count = read_count(input, PATH_MIN)?;
    let mut paths = PathHash::new();
    let (mut path, mut name, mut value) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..count {
        read_string(input, &mut path)?;
        let mut fields = Hash::new();
        for _ in 0..read_count(input, FIELD_MIN)? {
            read_string(input, &mut name)?;
            read_string(input, &mut value)?;
            fields.prepare([name.len(), value.len()].into_iter(), limits);
            if !fields.set(&name, &value, Expiry::Clear, limits) {
                return Err(Fault::Duplicate);
            }
        }
        fields.share_names(limits);
        add(&mut paths, &path, fields)?;
    }
    read_end(input)?;
    Ok(paths)
}
