//! INFO: the definition and figures of an index.
//!
//! The order is Redis's: clients of RESP2 find fields by their positions. In RESP3 lists of pairs
//! are maps, numbers with a point doubles, and the flags of a field a separate list.

use super::row::{READS, catch_up, check_prefixes, refusal};
use super::shards;
use russet_command::{Arity, Category};
use russet_resp::{DeferredHeader, Reply};
use russet_search::error::SearchError;
use russet_search::expression::Value;
use russet_search::index::{Faults, Figures};
use russet_search::schema::{Algorithm, Field, FieldKind, KeyType, Schema, ShapeSpace, Vector};
use russet_server::search::IndexEntry;
use russet_server::{Call, CommandResult, Spec};

const MIB: f64 = 1024.0 * 1024.0;
/// Of SVS-VAMANA with a compression, unless a definition says another.
const TRAINING_THRESHOLD: usize = 10 * 1024;

pub(super) const INFO: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: READS,
    categories: Category::SEARCH,
    facts: russet_command::Facts::SHOWS.union(russet_command::Facts::ASKS_NODES),
    ..Spec::new("FT.INFO", info)
};

/// `FT.INFO index`: the index's definition and figures.
///
/// Reply: map (RESP2: array) of names and facts. O(fields).
fn info(call: &mut Call<'_>) -> CommandResult {
    let name = call.args.at(1);
    catch_up(call)?;
    let search = &call.server.search;
    let Some(held) = search.get(name) else {
        let error = SearchError::unknown_index(name, "Unknown index name");
        return Err(refusal(&error));
    };
    check_prefixes(call, held.index.schema())?;
    let keys = call.db.whole().database(held.database()).len();
    let sums = Sums::of(held, keys);
    let Some(all) = shards::figures(call, sums.values())? else {
        return Ok(());
    };
    let sums = Sums::of_all(&all, held_fields(call, name)).ok_or(shards::DAMAGED)?;
    let search = &call.server.search;
    let (Some(own), Some(held)) = (search.name_of(name), search.get(name)) else {
        return Ok(());
    };
    let (of_index, total) = search.cursors.count(own);
    let capacity = call.server.config.search_index_cursor_limit;
    let mut facts = Facts::begin(call.reply);
    reply_definition(&mut facts, own, held);
    reply_figures(&mut facts, held, &sums);
    facts.name("cursor_stats");
    let mut inner = Facts::begin(facts.reply);
    inner.int("global_idle", total as i64);
    inner.int("global_total", total as i64);
    inner.int("index_capacity", capacity as i64);
    inner.int("index_total", of_index as i64);
    inner.end();
    if let Some(words) = held.index.schema().stop_words.named() {
        let words: Vec<&[u8]> = words.collect();
        facts.name("stopwords_list");
        facts.reply.array(words.len());
        words.iter().for_each(|word| facts.reply.bulk(word));
    }
    facts.name("dialect_stats");
    let mut inner = Facts::begin(facts.reply);
    for (at, name) in ["dialect_1", "dialect_2", "dialect_3", "dialect_4"]
        .into_iter()
        .enumerate()
    {
        inner.int(name, (held.dialects >> at & 1).into());
    }
    inner.end();
    reply_faults(&mut facts, held, &sums.figures);
    facts.end();
    Ok(())
}

pub(super) const ERRORS: Spec = Spec {
    name: "FT.ERRORS",
    handler: errors,
    ..INFO
};

/// `FT.ERRORS index`: the documents that an index lacks because it refused them, the latest last:
/// 128 at most, of keys of at most 1,024 bytes. russet's own.
///
/// Reply: map of the number of failures so far, and of an array of maps: `key`, `attribute`,
/// `error`. O(documents in the reply).
fn errors(call: &mut Call<'_>) -> CommandResult {
    catch_up(call)?;
    let name = call.args.at(1);
    let search = &call.server.search;
    let Some(held) = search.get(name) else {
        let error = SearchError::unknown_index(name, "Unknown index name");
        return Err(refusal(&error));
    };
    let schema = held.index.schema();
    check_prefixes(call, schema)?;
    let reply = &mut *call.reply;
    reply.map(2);
    reply.simple("indexing failures");
    reply.int(held.index.figures().faults.count as i64);
    reply.simple("documents");
    let refused = held.index.refused();
    reply.array(refused.len());
    for document in refused {
        reply.map(3);
        reply.simple("key");
        reply.bulk(&document.key);
        reply.simple("attribute");
        let field = schema.fields.get(document.field);
        reply.bulk(field.map_or(b"", |field| &field.name));
        reply.simple("error");
        reply.bulk(&document.reason);
    }
    Ok(())
}

fn held_fields(call: &Call<'_>, name: &[u8]) -> usize {
    let held = call.server.search.get(name);
    held.map_or(0, |held| held.index.schema().fields.len())
}

/// The figures of an index; in a cluster the sums over all shards.
#[derive(Default)]
struct Sums {
    figures: Figures,
    indexing_us: u64,
    uses: u64,
    is_indexing: bool,
    /// The share of the keys that have been read, 0 to 1.
    share: f64,
}

impl Sums {
    fn of(held: &IndexEntry, keys: usize) -> Sums {
        let share = |seen: u64| (seen as f64 / keys.max(1) as f64).min(1.0);
        Sums {
            figures: held.index.figures(),
            indexing_us: held.indexing_us,
            uses: held.uses,
            is_indexing: held.scan.is_some(),
            share: held.scan.map_or(1.0, |scan| share(scan.seen)),
        }
    }

    /// The figures that add up.
    fn sizes(of: &mut Figures) -> [&mut usize; 14] {
        [
            &mut of.documents,
            &mut of.terms,
            &mut of.records,
            &mut of.inverted_bytes,
            &mut of.inverted_blocks,
            &mut of.vector_bytes,
            &mut of.document_table_bytes,
            &mut of.key_table_bytes,
            &mut of.sortable_bytes,
            &mut of.shape_bytes,
            &mut of.tag_bytes,
            &mut of.number_bytes,
            &mut of.text_bytes,
            &mut of.document_id_max,
        ]
    }

    /// As the nodes of a cluster send them.
    fn values(&self) -> Vec<Value> {
        let mut figures = self.figures.clone();
        let sizes = Sums::sizes(&mut figures).map(|size| Value::Number(*size as f64));
        let others = [self.indexing_us as f64, self.uses as f64, self.share];
        let is_indexing = f64::from(u8::from(self.is_indexing));
        let faults = |of: &Faults| {
            Value::List(vec![
                Value::Number(of.count as f64),
                Value::Text(of.last_message.clone()),
                Value::Text(of.last_key.clone()),
            ])
        };
        let all = std::iter::once(&self.figures.faults).chain(&self.figures.field_faults);
        let mut values = sizes.to_vec();
        values.extend(others.map(Value::Number));
        values.push(Value::Number(is_indexing));
        values.extend(all.map(faults));
        values
    }

    /// The sum of all shards, of an index with so many fields. `None`: they are damaged.
    fn of_all(all: &[Vec<Value>], fields: usize) -> Option<Sums> {
        let mut sums = Sums::default();
        sums.figures.field_faults = vec![Faults::default(); fields];
        for values in all {
            let mut values = values.iter();
            let mut number = || match values.next() {
                Some(Value::Number(n)) => Some(*n),
                _ => None,
            };
            for size in Sums::sizes(&mut sums.figures) {
                *size += number()? as usize;
            }
            sums.indexing_us += number()? as u64;
            sums.uses = sums.uses.max(number()? as u64);
            sums.share += number()?;
            sums.is_indexing |= number()? != 0.0;
            // The schema may have got fields meanwhile.
            let figures = &mut sums.figures;
            let places = std::iter::once(&mut figures.faults).chain(&mut figures.field_faults);
            for (faults, its) in places.zip(values) {
                let Value::List(its) = its else {
                    return None;
                };
                let [Value::Number(count), Value::Text(message), Value::Text(key)] = &its[..]
                else {
                    return None;
                };
                faults.count += *count as u64;
                if *count > 0.0 {
                    faults.last_message.clone_from(message);
                    faults.last_key.clone_from(key);
                }
            }
        }
        sums.share /= all.len().max(1) as f64;
        Some(sums)
    }
}

/// A map that is written fact by fact.
struct Facts<'r> {
    reply: &'r mut Reply,
    place: DeferredHeader,
    count: usize,
}

impl<'r> Facts<'r> {
    fn begin(reply: &'r mut Reply) -> Facts<'r> {
        let place = reply.defer();
        Facts {
            reply,
            place,
            count: 0,
        }
    }

    fn end(self) {
        self.reply.finish_map(self.place, self.count);
    }

    fn name(&mut self, name: &str) {
        self.reply.simple(name);
        self.count += 1;
    }

    fn int(&mut self, name: &str, n: i64) {
        self.name(name);
        self.reply.int(n);
    }

    fn double(&mut self, name: &str, n: f64) {
        self.name(name);
        self.reply.double(n);
    }

    fn simple(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        self.reply.name_bytes(value);
    }
}

fn reply_definition(facts: &mut Facts<'_>, name: &[u8], held: &IndexEntry) {
    let schema = held.index.schema();
    facts.simple("index_name", name);
    facts.name("index_options");
    let options = [
        (!schema.has_frequencies, "NOFREQS"),
        (!schema.has_fields, "NOFIELDS"),
        (!schema.has_offsets, "NOOFFSETS"),
        (!schema.has_highlights, "NOHL"),
        (schema.is_wide, "MAXTEXTFIELDS"),
    ];
    let set: Vec<&str> = options
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, name)| *name)
        .collect();
    facts.reply.array(set.len());
    set.iter().for_each(|name| facts.reply.simple(name));
    facts.name("index_definition");
    let mut inner = Facts::begin(facts.reply);
    let key_type: &[u8] = match schema.key_type {
        KeyType::Hash => b"HASH",
        KeyType::Json => b"JSON",
    };
    inner.simple("key_type", key_type);
    inner.name("prefixes");
    inner.reply.array(schema.prefixes.len());
    for prefix in &schema.prefixes {
        inner.reply.name_bytes(prefix);
    }
    if let Some(filter) = &schema.filter {
        inner.simple("filter", &filter.text);
    }
    if schema.names_language {
        inner.simple("default_language", schema.language.name().as_bytes());
    }
    if let Some(field) = &schema.language_field {
        inner.simple("language_field", field);
    }
    inner.double("default_score", schema.score);
    if let Some(field) = &schema.score_field {
        inner.simple("score_field", field);
    }
    if let Some(field) = &schema.payload_field {
        inner.simple("payload_field", field);
    }
    let indexes_all: &[u8] = if schema.indexes_all {
        b"true"
    } else {
        b"false"
    };
    inner.simple("indexes_all", indexes_all);
    // russet's own, which Redis's indexes do not have.
    if schema.database() != 0 {
        inner.int("database", schema.database().into());
    }
    inner.end();
    facts.name("attributes");
    facts.reply.array(schema.fields.len());
    for field in &schema.fields {
        reply_field(facts.reply, field, schema);
    }
}

fn reply_field(reply: &mut Reply, field: &Field, schema: &Schema) {
    let is_map = reply.resp3();
    let place = reply.defer();
    let mut facts = Facts {
        reply,
        place,
        count: 0,
    };
    facts.simple("identifier", &field.path);
    facts.simple("attribute", &field.name);
    facts.simple("type", field.kind.name().as_bytes());
    let mut all = Vec::new();
    let mut flags = Vec::new();
    let mut has_suffixes = false;
    match &field.kind {
        FieldKind::Text(text) => {
            facts.double("WEIGHT", text.weight);
            if text.no_stem {
                flags.push("NOSTEM");
            }
            has_suffixes = text.has_suffixes;
        }
        FieldKind::Tag(tag) => {
            let separator = tag.separator.map_or(Vec::new(), |byte| vec![byte]);
            facts.simple("SEPARATOR", &separator);
            if tag.is_case_sensitive {
                all.push("CASESENSITIVE");
            }
            has_suffixes = tag.has_suffixes;
        }
        FieldKind::Shape(ShapeSpace::Flat) => facts.simple("coord_system", b"FLAT"),
        FieldKind::Shape(ShapeSpace::Spherical) => facts.simple("coord_system", b"SPHERICAL"),
        FieldKind::Vector(vector) => reply_vector(&mut facts, vector),
        FieldKind::Number | FieldKind::Geo => {}
    }
    // On JSON values are sorted as they are.
    let is_raw = field.is_unnormalised
        || schema.key_type == KeyType::Json
        || matches!(field.kind, FieldKind::Number);
    if field.is_sortable {
        all.push("SORTABLE");
        if is_raw {
            all.push("UNF");
        }
    }
    all.append(&mut flags);
    for (is_set, name) in [
        (field.no_index, "NOINDEX"),
        (has_suffixes, "WITHSUFFIXTRIE"),
        (field.indexes_empty, "INDEXEMPTY"),
        (field.indexes_missing, "INDEXMISSING"),
    ] {
        if is_set {
            all.push(name);
        }
    }
    if is_map {
        facts.name("flags");
        facts.reply.array(all.len());
        all.iter().for_each(|name| facts.reply.simple(name));
        facts.end();
    } else {
        all.iter().for_each(|name| facts.reply.simple(name));
        let words = facts.count * 2 + all.len();
        facts.reply.finish_array(facts.place, words);
    }
}

fn reply_vector(facts: &mut Facts<'_>, vector: &Vector) {
    facts.simple("algorithm", vector.algorithm.name().as_bytes());
    facts.simple("data_type", vector.element.name().as_bytes());
    facts.int("dim", vector.dimensions as i64);
    facts.simple("distance_metric", vector.metric.name().as_bytes());
    match vector.algorithm {
        Algorithm::Flat { .. } => {}
        Algorithm::Hnsw(its) => {
            facts.int("M", its.m as i64);
            facts.int("ef_construction", its.ef_construction as i64);
            facts.int("ef_runtime", its.ef_runtime as i64);
            if let Some(threshold) = its.sq8 {
                facts.simple("compression", b"SQ8");
                facts.int("training_threshold", threshold as i64);
            }
        }
        Algorithm::Svs(its) => {
            facts.int("graph_max_degree", its.graph_max_degree as i64);
            facts.int("construction_window_size", its.construction_window as i64);
            // The names of a Redis without Intel's kernels, which clients know. Vectors are kept
            // whole, whatever was asked for, and searched by HNSW.
            let compression = its.compression.map_or("NO_COMPRESSION", |_| "GlobalSQ8");
            facts.simple("compression", compression.as_bytes());
            if its.compression.is_some() {
                let threshold = its.training_threshold.unwrap_or(TRAINING_THRESHOLD);
                facts.int("training_threshold", threshold as i64);
            }
            facts.int("search_window_size", its.search_window as i64);
            facts.simple("searched_by", b"HNSW");
        }
    }
}

fn reply_figures(facts: &mut Facts<'_>, held: &IndexEntry, sums: &Sums) {
    let of = &sums.figures;
    let mb = |bytes: usize| bytes as f64 / MIB;
    let per = |a: usize, b: usize| a as f64 / b as f64;
    facts.int("num_docs", of.documents as i64);
    facts.int("max_doc_id", of.document_id_max as i64);
    facts.int("num_terms", of.terms as i64);
    facts.int("num_records", of.records as i64);
    facts.double("inverted_sz_mb", mb(of.inverted_bytes));
    facts.double("vector_index_sz_mb", mb(of.vector_bytes));
    facts.int("total_inverted_index_blocks", of.inverted_blocks as i64);
    // Positions are a part of the entries.
    facts.double("offset_vectors_sz_mb", 0.0);
    facts.double("doc_table_size_mb", mb(of.document_table_bytes));
    facts.double("sortable_values_size_mb", mb(of.sortable_bytes));
    facts.double("key_table_size_mb", mb(of.key_table_bytes));
    facts.double("tag_overhead_sz_mb", mb(of.tag_bytes));
    facts.double("text_overhead_sz_mb", mb(of.text_bytes));
    facts.double("total_index_memory_sz_mb", mb(of.bytes()));
    facts.double("geoshapes_sz_mb", mb(of.shape_bytes));
    facts.double("records_per_doc_avg", per(of.records, of.documents));
    facts.double("bytes_per_record_avg", per(of.inverted_bytes, of.records));
    facts.double("offsets_per_term_avg", f64::NAN);
    facts.double("offset_bits_per_record_avg", f64::NAN);
    facts.int("hash_indexing_failures", of.faults.count as i64);
    facts.double("total_indexing_time", sums.indexing_us as f64 / 1000.0);
    facts.int("indexing", sums.is_indexing.into());
    facts.double("percent_indexed", sums.share);
    facts.int("number_of_uses", sums.uses as i64);
    facts.int("cleaning", 0);
    if held.index.schema().temporary_s.is_none() {
        reply_garbage(facts);
    }
}

/// Nothing is collected later: entries go with their documents.
fn reply_garbage(facts: &mut Facts<'_>) {
    facts.name("gc_stats");
    let mut inner = Facts::begin(facts.reply);
    for name in ["bytes_collected", "total_ms_run", "total_cycles"] {
        inner.double(name, 0.0);
    }
    inner.double("average_cycle_time_ms", f64::NAN);
    for name in [
        "last_run_time_ms",
        "gc_numeric_trees_missed",
        "gc_blocks_denied",
    ] {
        inner.double(name, 0.0);
    }
    inner.end();
}

fn reply_faults(facts: &mut Facts<'_>, held: &IndexEntry, of: &Figures) {
    let Figures {
        faults,
        field_faults,
        ..
    } = of;
    facts.name("Index Errors");
    let status: &[u8] = if held.is_partial {
        b"OOM failure"
    } else {
        b"OK"
    };
    reply_errors(facts.reply, faults, Some(status));
    facts.name("field statistics");
    let fields = &held.index.schema().fields;
    facts.reply.array(fields.len());
    for (field, faults) in fields.iter().zip(field_faults) {
        let mut inner = Facts::begin(facts.reply);
        inner.simple("identifier", &field.path);
        inner.simple("attribute", &field.name);
        inner.name("Index Errors");
        reply_errors(inner.reply, faults, None);
        inner.end();
    }
}

/// `background`: how reading in the background fares, which only the whole index has.
fn reply_errors(reply: &mut Reply, of: &Faults, background: Option<&[u8]>) {
    let mut facts = Facts::begin(reply);
    facts.int("indexing failures", of.count as i64);
    let is_none = of.count == 0;
    let message: &[u8] = if is_none { b"N/A" } else { &of.last_message };
    facts.simple("last indexing error", message);
    facts.name("last indexing error key");
    facts
        .reply
        .bulk(if is_none { b"N/A" } else { &of.last_key });
    if let Some(status) = background {
        facts.simple("background indexing status", status);
    }
    facts.end();
}
