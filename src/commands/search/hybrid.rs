//! HYBRID: a query's best documents and a vector's nearest ones as one list.

use super::loading::Reader;
use super::reply::reply_fields;
use super::row::{READS, SEARCHING, catch_up, check_prefixes, refusal, words};
use super::walk::{defaults, search_of};
use crate::server::{Call, CommandResult, Server, Spec};
use russet_base::clock;
use russet_command::{Arity, CommandError};
use russet_resp::Reply;
use russet_search::error::SearchError;
use russet_search::hit::Hit;
use russet_search::index::Index;
use russet_search::pipeline::{Batch, Context, Pipeline, combine};
use russet_search::query::Node;
use russet_search::request::HybridRequest;
use russet_search::search::Search;

pub(super) const HYBRID: Spec = Spec {
    arity: Arity::AtLeast(8),
    flags: READS,
    categories: SEARCHING,
    ..Spec::new("FT.HYBRID", hybrid)
};

/// `FT.HYBRID index SEARCH query VSIM @field $vector [option ...]`: documents by a score that is
/// combined of both, through the stages of AGGREGATE. Both sides run to their ends at once.
///
/// Reply: map (RESP2: array) of the total, rows, warnings and milliseconds. O(documents that parts
/// of the query match, and those around the vector).
fn hybrid(call: &mut Call<'_>) -> CommandResult {
    let began = clock::cycles();
    catch_up(call)?;
    let rows_max = call.server.config.search_max_aggregate_results;
    let defaults = defaults(call.server, rows_max, call.reply.resp3());
    let request = HybridRequest::parse(&words(call, 2), &defaults);
    let mut request = request.map_err(|error| refusal(&error))?;
    request.aggregate.options.is_strict = true;
    let name = call.args.at(1);
    let now_ms = call.server.now.mono_ms;
    if let Some(held) = call.server.search.get(name) {
        check_prefixes(call, held.index.schema())?;
    }
    let Server {
        search,
        json_paths,
        config,
        ..
    } = &mut *call.server;
    let held = search.get_mut(name);
    let held = held.ok_or_else(|| refusal(&SearchError::no_such_index(name)))?;
    held.uses += 1;
    held.used_ms = now_ms;
    let index = &held.index;
    let schema = index.schema();
    let how = search_of(config, index, &request.aggregate.options, true);
    let wrong = |error: SearchError| refusal(&error);
    let text = request.text_query(schema).map_err(wrong)?;
    let vector = request.vector_query(schema).map_err(wrong)?;
    let texts = hits_of(index, text, &how)?;
    let vectors = hits_of(index, vector, &how)?;
    let hits = combine(&request, index, texts.into_iter(), vectors.into_iter());
    let mut pipeline = Pipeline::hybrid(&request, schema).map_err(wrong)?;
    let options = &request.aggregate.options;
    let has_all = options.dialect.returns_all();
    let reader = Reader::new(call.db.keyspace(), json_paths, schema.key_type, has_all);
    let mut context = Context {
        hits: &mut hits.into_iter(),
        index,
        loader: &reader,
        budget: u64::MAX,
    };
    let batch = pipeline.next_rows(usize::MAX, &mut context);
    let batch = batch.map_err(wrong)?;
    let micros = call
        .server
        .cycles
        .micros(clock::cycles().wrapping_sub(began));
    let milliseconds = micros as f64 / 1000.0;
    reply_rows(&pipeline, &batch, (&request, milliseconds), call.reply);
    Ok(())
}

/// All documents of one side.
fn hits_of(index: &Index, root: Option<Node>, how: &Search) -> Result<Vec<Hit>, CommandError> {
    let Some(root) = root else {
        return Ok(Vec::new());
    };
    let root = index.expand(&root, how);
    let matches = index.matches(&root, how);
    let matches = matches.map_err(|error| refusal(&SearchError::from(error)))?;
    Ok(matches.collect())
}

fn reply_rows(
    pipeline: &Pipeline,
    batch: &Batch,
    (request, milliseconds): (&HybridRequest, f64),
    reply: &mut Reply,
) {
    let format = request.aggregate.options.format;
    reply.map(4);
    reply.simple("total_results");
    reply.int(pipeline.total() as i64);
    reply.simple("results");
    reply.array(batch.rows.len());
    for row in &batch.rows {
        reply.map(row.fields.len());
        reply_fields(row, pipeline, format, reply);
    }
    reply.simple("warnings");
    reply.array(0);
    reply.simple("execution_time");
    reply.double(milliseconds);
}
