//! EXPLAIN, EXPLAINCLI: a query as it is read, and with ANALYZE, which is russet's own, what each
//! part of it costs.
//!
//! ANALYZE finds all documents of the query at once, as slices would be counted, too, and neither
//! scores nor loads them: PROFILE shows these. It ends with the query's time, and shows what it has
//! then.

use super::super::query::parse;
use super::super::row::{READS, catch_up, readable, refusal};
use super::super::settings::search_of;
use super::super::walk::work;
use crate::server::{Call, CommandResult, Spec};
use russet_base::clock;
use russet_command::{Arity, Category, CommandError, Facts};
use russet_config::SearchOnTimeout;
use russet_search::error::{SearchError, TIMEOUT};
use russet_search::iterate::Figures;
use russet_search::query::{self, Node};
use russet_search::request::SearchRequest;
use russet_search::search::Search;

const NO_QUERY: CommandError = CommandError::Text("SEARCH_PARSE_ARGS No query string provided");

const NOT_HERE: CommandError =
    CommandError::Text("ERR ANALYZE is not available in a cluster of several shards");

/// ANALYZE, or the words of options, begin here.
const OPTIONS_AT: usize = 3;

pub(in super::super) const EXPLAIN: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: READS,
    categories: Category::SEARCH,
    facts: Facts::SHOWS,
    work: work::EXPLAIN,
    ..Spec::new("FT.EXPLAIN", explain)
};

/// `FT.EXPLAIN index query [ANALYZE] [option ...]`: the query as it is read; ANALYZE: with what
/// each part of it found, and what that took.
///
/// Reply: bulk string of lines. O(parts of the query); ANALYZE: O(documents that parts match).
fn explain(call: &mut Call<'_>) -> CommandResult {
    let text = explained(call)?;
    call.reply.bulk(&text);
    Ok(())
}

pub(in super::super) const EXPLAINCLI: Spec = Spec {
    handler: explain_lines,
    name: "FT.EXPLAINCLI",
    ..EXPLAIN
};

/// `FT.EXPLAINCLI index query [ANALYZE] [option ...]`: the same by lines.
///
/// Reply: array of simple strings. O(parts of the query); ANALYZE: O(documents that parts match).
fn explain_lines(call: &mut Call<'_>) -> CommandResult {
    let text = explained(call)?;
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    call.reply.array(lines.len());
    lines.iter().for_each(|line| call.reply.simple_bytes(line));
    Ok(())
}

fn explained(call: &mut Call<'_>) -> Result<Vec<u8>, CommandError> {
    let began = clock::cycles();
    let analyzes = call.args.is(OPTIONS_AT, "ANALYZE");
    catch_up(call)?;
    if analyzes && call.is_of_many_shards()? {
        return Err(NOT_HERE);
    }
    let name = call.args.at(1);
    let Some(text) = call.args.get(2) else {
        return Err(NO_QUERY);
    };
    let request = parse(call, OPTIONS_AT + usize::from(analyzes))?;
    let held = readable(call, name)?;
    let schema = held.index.schema();
    let root = request
        .query(text, schema)
        .map_err(|error| refusal(&error))?;
    let search = Search {
        language: request.options.language,
        expander: request.options.expander,
        is_2_10: call.server.debug.searches_as_2_10,
        ..Search::default()
    };
    let root = root.map(|root| held.index.expand(&root, &search));
    let root = root.transpose();
    let root = root.map_err(|error| refusal(&SearchError::from(error)))?;
    match root {
        Some(root) if analyzes => analyzed(call, &request, &root, began),
        root => Ok(query::explain(root.as_ref(), schema)),
    }
}

/// The query with the figures of its parts.
fn analyzed(
    call: &mut Call<'_>,
    request: &SearchRequest,
    root: &Node,
    began: u64,
) -> Result<Vec<u8>, CommandError> {
    let name = call.args.at(1);
    let held = call.server.search.get(name);
    let held = held.ok_or_else(|| refusal(&SearchError::no_such_index(name)))?;
    let config = &call.server.config;
    let mut search = search_of(config, &held.index, &request.options, false);
    search.is_2_10 = call.server.debug.searches_as_2_10;
    search.among = call.server.documents_that_count(call.db.keyspace(), held);
    let cycles = call.server.cycles.clone();
    let micros = |ticks: u64| cycles.micros(ticks);
    let timeout_ms = request.options.timeout_ms.unwrap_or(config.search_timeout);
    let may_go_on =
        || timeout_ms == 0 || micros(clock::cycles().wrapping_sub(began)) < timeout_ms * 1000;
    let analysis = held.index.analyze(root, &search, &may_go_on);
    let analysis = analysis.map_err(|error| refusal(&SearchError::from(error)))?;
    if !analysis.is_whole && config.search_on_timeout == SearchOnTimeout::Fail {
        let error = SearchError::new(TIMEOUT, "Timeout limit was reached");
        return Err(refusal(&error));
    }
    let note = |node: &Node| {
        let Figures {
            documents,
            steps,
            cycles,
        } = analysis.figures(node);
        let time = micros(cycles);
        Some(format!("[documents {documents}, steps {steps}, us {time}]"))
    };
    let mut text = query::explain_with(Some(root), held.index.schema(), &note);
    if !analysis.is_whole {
        text.extend_from_slice(b"[time is up: not all documents were found]\n");
    }
    Ok(text)
}
