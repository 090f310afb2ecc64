//! ADD, SAFEADD, GET, MGET, DEL, SYNADD: the commands of RediSearch 1, as 2.10 answers them.
//!
//! A document is a hash like any other: ADD writes it, whatever the prefixes of the index, and the
//! log and replicas receive HSET and DEL. The first ADD with a score, a language or a payload
//! records in the definition of the index which field of the document has it, as Redis does; the
//! log and replicas receive this ADD itself. In a cluster ADD names no field, because all nodes
//! share the definitions.

use super::row::{GROWS, READS, WRITES, catch_up, check_prefixes, refusal};
use super::shards;
use super::walk::loading::Reader;
use russet_base::numbers::float::parse_double;
use russet_command::{Access, Arity, Category, CommandError, Facts, KeySpec};
use russet_keyspace::{Cause, Class};
use russet_resp::Reply;
use russet_search::error::{ADD_ARGS, SearchError};
use russet_search::expression::{self, Row, Value};
use russet_search::index::Settings;
use russet_search::pipeline::Loader;
use russet_search::schema::KeyType;
use russet_search::text::Language;
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Expiry, Hash};

/// The fields in which ADD keeps the options, and which GET leaves out.
const SCORE: &[u8] = b"__score";
const LANGUAGE: &[u8] = b"__language";
const PAYLOAD: &[u8] = b"__payload";

const EXISTS: CommandError = CommandError::Text("Document already exists");
const MISSING: CommandError = CommandError::Text("Document does not exist");
const NO_HASH: CommandError = CommandError::Text("Invalid Redis key");
/// As Redis spells it.
const GONE: CommandError = CommandError::Text("No longer suppoted, use FT.SYNUPDATE");

/// The document's key.
const READ_KEY: &[KeySpec] = &[KeySpec::one(2, Access::READ)];
const WRITTEN_KEY: &[KeySpec] = &[KeySpec::one(2, Access::MODIFY)];

pub(super) const ADD: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: Category::SEARCH,
    ..Spec::new("FT.ADD", add)
};

pub(super) const SAFEADD: Spec = Spec {
    name: "FT.SAFEADD",
    ..ADD
};

/// The words of ADD after the score.
#[derive(Default)]
struct Addition<'a> {
    replaces: bool,
    /// Fields that the command does not name stay.
    is_partial: bool,
    must_exist: bool,
    condition: Option<&'a [u8]>,
    fields: Vec<(&'a [u8], &'a [u8])>,
    settings: Settings,
}

/// `FT.ADD index key score [REPLACE [PARTIAL] [NOCREATE]] [IF expression] [LANGUAGE language]
/// [PAYLOAD payload] FIELDS field value ...`: writes a document.
///
/// Reply: OK, or `NOADD` if the document that is there does not meet the condition. O(fields).
fn add(call: &mut Call<'_>) -> CommandResult {
    let (args, key) = (call.args, call.args.at(2));
    check_index(call, "Unknown index name")?;
    let addition = Addition::parse(call)?;
    let hash = call.db.write::<Hash>(key).map_err(|_| NO_HASH)?;
    let is_there = hash.is_some();
    drop(hash);
    if is_there && !addition.replaces {
        return Err(EXISTS);
    }
    if !is_there && addition.must_exist {
        return Err(MISSING);
    }
    if let Some(condition) = addition.condition.filter(|_| is_there)
        && !holds(call, key, condition)?
    {
        call.reply.simple("NOADD");
        return Ok(());
    }
    let names_fields = call.server.cluster.is_none() && {
        let held = call.server.search.get_mut(args.at(1));
        held.is_some_and(|held| held.index.name_settings(addition.settings))
    };
    if is_there && !addition.is_partial && call.db.delete(key, Cause::Server) && !names_fields {
        call.rewrite(&[b"DEL", key]);
    }
    let limits = *call.db.limits();
    let mut hash = call.db.write_or(key, Hash::new).map_err(|_| NO_HASH)?;
    let fields = addition.fields.iter();
    let lens: Vec<usize> = fields
        .clone()
        .flat_map(|(name, value)| [name.len(), value.len()])
        .collect();
    hash.prepare(lens.into_iter(), &limits);
    for (name, value) in &addition.fields {
        hash.set(name, value, Expiry::Clear, &limits);
    }
    drop(hash);
    let names = fields.map(|(name, _)| *name);
    call.db
        .changed_fields(key, addition.fields.len(), Class::HASH, "hset", names);
    if !names_fields {
        let mut effect: Vec<&[u8]> = vec![b"HSET", args.at(2)];
        effect.extend(
            addition
                .fields
                .iter()
                .flat_map(|(name, value)| [*name, *value]),
        );
        call.rewrite(&effect);
    }
    call.reply.ok();
    Ok(())
}

impl<'a> Addition<'a> {
    fn parse(call: &Call<'a>) -> Result<Addition<'a>, CommandError> {
        let args = call.args;
        let wrong = |text: &[u8]| refusal(&SearchError::new(ADD_ARGS, text));
        let score = args.at(3);
        let number = parse_double(score);
        let number = number.ok_or_else(|| wrong(b"Could not parse document score"))?;
        if !(0.0..=1.0).contains(&number) {
            return Err(wrong(b"Score must be between 0 and 1"));
        }
        let mut addition = Addition::default();
        let mut own: Vec<(&[u8], &[u8])> = Vec::new();
        let mut at = 4;
        loop {
            let Some(word) = args.get(at) else {
                return Err(wrong(b"No field list found"));
            };
            at += 1;
            let mut value = || {
                let value = args.get(at);
                at += 1;
                value.ok_or_else(|| wrong(b"No field list found"))
            };
            match word.to_ascii_uppercase().as_slice() {
                b"FIELDS" => break,
                b"REPLACE" => addition.replaces = true,
                b"PARTIAL" => addition.is_partial = true,
                b"NOCREATE" => addition.must_exist = true,
                b"IF" => addition.condition = Some(value()?),
                b"LANGUAGE" => {
                    let language = value()?;
                    if Language::named(language).is_none() {
                        return Err(wrong(b"Unsupported language"));
                    }
                    own.push((LANGUAGE, language));
                }
                b"PAYLOAD" => own.push((PAYLOAD, value()?)),
                _ => {
                    let text = [b"Unknown keyword `", word, b"` provided"].concat();
                    return Err(wrong(&text));
                }
            }
        }
        // A field of before stays in a part of a document.
        if number < 1.0 || addition.is_partial {
            own.insert(0, (SCORE, score));
        }
        let gives = |name: &[u8]| own.iter().any(|(its, _)| *its == name);
        addition.settings = Settings {
            score: gives(SCORE).then_some(SCORE),
            language: gives(LANGUAGE).then_some(LANGUAGE),
            payload: gives(PAYLOAD).then_some(PAYLOAD),
        };
        let fields = args.from(at);
        if fields.len() % 2 == 1 {
            return Err(wrong(b"Fields must be specified in FIELD VALUE pairs"));
        }
        let pairs = (0..fields.len()).step_by(2);
        addition.fields = pairs.map(|n| (fields.at(n), fields.at(n + 1))).collect();
        addition.fields.append(&mut own);
        Ok(addition)
    }
}

/// The fields of a document as properties.
struct Properties<'r, 'k> {
    reader: &'r Reader<'k>,
    key: &'r [u8],
}

impl Row for Properties<'_, '_> {
    fn property(&self, _: usize, name: &[u8]) -> Option<Value> {
        self.reader.load(self.key, name)
    }
}

/// Whether a document meets a condition.
fn holds(call: &mut Call<'_>, key: &[u8], condition: &[u8]) -> Result<bool, CommandError> {
    let wrong = |error| refusal(&SearchError::from(error));
    let condition = expression::parse(condition).map_err(wrong)?;
    let (db, paths) = (call.db.index(), &mut call.server.json_paths);
    let db = call.db.keyspace().db(db);
    let reader = Reader::new(&db, paths, KeyType::Hash, false);
    let row = Properties {
        reader: &reader,
        key,
    };
    Ok(condition.evaluate(&row).map_err(wrong)?.is_true())
}

pub(super) const GET: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: READS,
    keys: READ_KEY,
    categories: Category::SEARCH,
    ..Spec::new("FT.GET", get)
};

/// `FT.GET index key`: the fields of a document of an index.
///
/// Reply: array of names and values; null if the index does not have it. O(fields).
fn get(call: &mut Call<'_>) -> CommandResult {
    reply_documents(call, false)
}

pub(super) const MGET: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: READS,
    categories: Category::SEARCH,
    facts: Facts::ASKS_NODES,
    ..Spec::new("FT.MGET", get_many)
};

/// `FT.MGET index key ...`: the fields of documents of an index.
///
/// Reply: array with the reply of GET for each. O(fields of all).
fn get_many(call: &mut Call<'_>) -> CommandResult {
    reply_documents(call, true)
}

fn reply_documents(call: &mut Call<'_>, as_list: bool) -> CommandResult {
    check_index(call, "Unknown Index name")?;
    let (name, keys) = (call.args.at(1), call.args.from(2));
    let server = &mut *call.server;
    let Some(held) = server.search.get(name) else {
        return Ok(());
    };
    let (index, db) = (&held.index, held.database());
    let key_type = index.schema().key_type;
    let db = call.db.keyspace().db(db);
    let reader = Reader::new(&db, &mut server.json_paths, key_type, false);
    let load = |key| reader.load_all(key).filter(|_| index.has(key));
    let mut documents = keys.iter().map(load).collect();
    drop(reader);
    if as_list {
        match shards::documents(call, documents)? {
            Some(all) => documents = all,
            None => return Ok(()),
        }
        call.reply.array(documents.len());
    }
    for document in &documents {
        match document {
            Some(fields) => reply_document(fields, call.reply),
            None => call.reply.null(),
        }
    }
    Ok(())
}

fn reply_document(fields: &[(Vec<u8>, Value)], reply: &mut Reply) {
    let is_own = |name: &[u8]| [SCORE, LANGUAGE, PAYLOAD].contains(&name);
    let shown = fields.iter().filter(|(name, _)| !is_own(name));
    reply.array(shown.clone().count() * 2);
    for (name, value) in shown {
        reply.bulk(name);
        reply.bulk(&value.text().unwrap_or_default());
    }
}

pub(super) const DEL: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: WRITES,
    keys: WRITTEN_KEY,
    categories: Category::SEARCH,
    ..Spec::new("FT.DEL", remove)
};

/// `FT.DEL index key [DD]`: deletes a key, whether the index has it or not.
///
/// Reply: integer, 1 if it was there, else 0. O(1), and the freeing of the key.
fn remove(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(2);
    check_index(call, "Unknown Index name")?;
    let is_deleted = call.db.delete(key, Cause::Unlink);
    if is_deleted {
        call.db.changed(key, Class::GENERIC, "del");
        call.rewrite(&[b"DEL", key]);
    }
    call.reply.int(is_deleted.into());
    Ok(())
}

/// Refuses unless the index exists and the user may read its keys; `old`: the error text of 2.10
/// for an unknown index.
fn check_index(call: &mut Call<'_>, old: &str) -> CommandResult {
    catch_up(call)?;
    let name = call.args.at(1);
    let unknown = || refusal(&SearchError::unknown_index(name, old));
    let held = call.server.search.get(name).ok_or_else(unknown)?;
    check_prefixes(call, held.index.schema())
}

pub(super) const SYNADD: Spec = Spec {
    arity: Arity::AtLeast(1),
    flags: READS,
    categories: Category::SEARCH,
    ..Spec::new("FT.SYNADD", refuse)
};

/// `FT.SYNADD ...`: an error that names FT.SYNUPDATE.
fn refuse(_: &mut Call<'_>) -> CommandResult {
    Err(GONE)
}
