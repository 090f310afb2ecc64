//! EXPLAIN, EXPLAINCLI: a query as the parser reads it, and with ANALYZE, which is russet's own,
//! the cost of each part.
//!
//! ANALYZE finds all documents of the query, in slices, and neither scores nor loads them: PROFILE
//! shows these. ANALYZE ends when the query's time is up, and shows the figures so far.

use super::super::query::parse;
use super::super::row::{READS, catch_up, readable, refusal};
use super::super::settings::search_of;
use super::super::walk::work;
use russet_base::clock;
use russet_command::{Arity, Category, CommandError, Facts};
use russet_config::SearchOnTimeout;
use russet_search::error::{SearchError, TIMEOUT};
use russet_search::iterate::{self, Analysis, Figures};
use russet_search::query::{self, Node};
use russet_search::request::SearchRequest;
use russet_search::search::Search;
use russet_server::{Call, CommandResult, Server, Spec};

const NO_QUERY: CommandError = CommandError::Text("SEARCH_PARSE_ARGS No query string provided");

const NOT_HERE: CommandError =
    CommandError::Text("ERR ANALYZE is not available in a cluster of several shards");

/// ANALYZE, or the words of options, begin here.
const OPTIONS_AT: usize = 3;

pub(crate) const EXPLAIN: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: READS,
    categories: Category::SEARCH,
    facts: Facts::SHOWS,
    work: work::EXPLAIN,
    ..Spec::new("FT.EXPLAIN", explain)
};

/// `FT.EXPLAIN index query [ANALYZE] [option ...]`: the query as the parser reads it; ANALYZE: with
/// the documents that each part found, and the time that this took.
///
/// Reply: bulk string of lines. O(parts of the query); ANALYZE: O(documents that parts match).
fn explain(call: &mut Call<'_>) -> CommandResult {
    if let Some(text) = explained(call)? {
        call.reply.bulk(&text);
    }
    Ok(())
}

pub(crate) const EXPLAINCLI: Spec = Spec {
    handler: explain_lines,
    name: "FT.EXPLAINCLI",
    ..EXPLAIN
};

/// `FT.EXPLAINCLI index query [ANALYZE] [option ...]`: as EXPLAIN, by lines.
///
/// Reply: array of simple strings. O(parts of the query); ANALYZE: O(documents that parts match).
fn explain_lines(call: &mut Call<'_>) -> CommandResult {
    let Some(text) = explained(call)? else {
        return Ok(());
    };
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    call.reply.array(lines.len());
    lines.iter().for_each(|line| call.reply.simple_bytes(line));
    Ok(())
}

/// `None`: the client waits, and the command runs again.
fn explained(call: &mut Call<'_>) -> Result<Option<Vec<u8>>, CommandError> {
    if call.postpone_if_turn_is_full() {
        return Ok(None);
    }
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
        Some(root) if analyzes => analyzed(call, &request, root),
        root => Ok(Some(query::explain(root.as_ref(), schema))),
    }
}

/// When the time of a query is up.
#[derive(Clone, Copy)]
struct Until {
    /// Monotonic milliseconds.
    ms: u64,
    /// The reading of the clock's cycles, which goes on within a turn of the loop.
    cycles: u64,
}

impl Until {
    /// The time from now on; 0: without end.
    fn after(server: &Server, timeout_ms: u64) -> Option<Until> {
        let ticks = server.cycles.ticks(timeout_ms.saturating_mul(1_000_000));
        (timeout_ms > 0).then(|| Until {
            ms: server.now.mono_ms.saturating_add(timeout_ms),
            cycles: clock::cycles().saturating_add(ticks),
        })
    }

    fn is_past(self) -> bool {
        clock::cycles() >= self.cycles
    }
}

/// A query that is analysed.
struct AnalyzedQuery {
    analysis: Analysis,
    /// The birth of the query's index.
    birth: u64,
    until: Option<Until>,
}

impl AnalyzedQuery {
    fn begin(
        call: &mut Call<'_>,
        request: &SearchRequest,
        root: Node,
    ) -> Result<AnalyzedQuery, CommandError> {
        let name = call.args.at(1);
        let held = call.server.search.get(name);
        let held = held.ok_or_else(|| refusal(&SearchError::no_such_index(name)))?;
        let (config, birth) = (&call.server.config, held.birth);
        let mut search = search_of(config, &held.index, &request.options, false);
        search.is_2_10 = call.server.debug.searches_as_2_10;
        search.among = call.server.documents_that_count(call.db.keyspace(), held);
        let timeout_ms = request.options.timeout_ms.unwrap_or(config.search_timeout);
        Ok(AnalyzedQuery {
            analysis: Analysis::new(root, &search),
            birth,
            until: Until::after(call.server, timeout_ms),
        })
    }
}

/// The query with the figures of its parts. `None`: the client waits, and the command runs again.
fn analyzed(
    call: &mut Call<'_>,
    request: &SearchRequest,
    root: Node,
) -> Result<Option<Vec<u8>>, CommandError> {
    let mut its = match call.server.tasks.take_task::<AnalyzedQuery>() {
        Some(its) => *its,
        None => AnalyzedQuery::begin(call, request, root)?,
    };
    let began = clock::cycles();
    let is_whole = loop {
        let waits = call.may_leave_loop();
        let (slice_began, slice) = (clock::cycles(), call.slice());
        let name = call.args.at(1);
        let held = call.server.search.get(name);
        let held = held.filter(|held| held.birth == its.birth);
        let held = held.ok_or_else(|| refusal(&SearchError::no_such_index(name)))?;
        let until = its.until;
        let is_late = || until.is_some_and(Until::is_past);
        let is_over = || slice.is_none_or(|slice| slice.is_over()) || is_late();
        let is_done = slice.is_some() && {
            let clock = &mut iterate::Clock::new(&is_over);
            let is_done = its.analysis.advance(&held.index, clock);
            is_done.map_err(|error| refusal(&SearchError::from(error)))?
        };
        call.end_slice(slice_began);
        if is_done || is_late() {
            break is_done;
        }
        if waits {
            let until_ms = until.map(|until| until.ms);
            call.wait_for_turn(Box::new(its), until_ms);
            return Ok(None);
        }
        call.may_continue(began)?;
    };
    if !is_whole && call.server.config.search_on_timeout == SearchOnTimeout::Fail {
        let error = SearchError::new(TIMEOUT, "Timeout limit was reached");
        return Err(refusal(&error));
    }
    shown(call, &its.analysis, is_whole).map(Some)
}

fn shown(call: &Call<'_>, analysis: &Analysis, is_whole: bool) -> Result<Vec<u8>, CommandError> {
    let held = readable(call, call.args.at(1))?;
    let all = analysis.figures();
    let note = |node: &Node| {
        let figures = all.get(&std::ptr::from_ref(node)).copied();
        let Figures {
            documents,
            steps,
            cycles,
        } = figures.unwrap_or_default();
        let time = call.server.cycles.micros(cycles);
        Some(format!("[documents {documents}, steps {steps}, us {time}]"))
    };
    let root = Some(analysis.root());
    let mut text = query::explain_with(root, held.index.schema(), &note);
    if !is_whole {
        text.extend_from_slice(b"[time is up: not all documents were found]\n");
    }
    Ok(text)
}
