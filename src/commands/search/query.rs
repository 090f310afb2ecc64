//! SEARCH, EXPLAIN, EXPLAINCLI.
//!
//! Cost: documents that parts of the query match; only those that are shown are loaded.

use super::reply::{format_name, reply_explanation, reply_fields, reply_warnings};
use super::row::{READS, SEARCHING, catch_up, readable, refusal, words};
use super::settings::defaults;
use super::walk::{Asked, Question, Walk};
use crate::server::{Call, CommandResult, Spec};
use russet_base::clock;
use russet_base::numbers::general;
use russet_command::{Arity, Category, CommandError, Facts};
use russet_resp::Reply;
use russet_search::error::SearchError;
use russet_search::expression::Value;
use russet_search::highlight::Marker;
use russet_search::index::Index;
use russet_search::pipeline::{OutputRow, Pipeline};
use russet_search::query;
use russet_search::request::{Format, SearchRequest};
use russet_search::search::Search;

const NO_QUERY: CommandError = CommandError::Text("SEARCH_PARSE_ARGS No query string provided");

/// The words of options begin here.
const OPTIONS_AT: usize = 3;

pub(super) const SEARCH: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: READS,
    categories: SEARCHING,
    ..Spec::new("FT.SEARCH", search)
};

/// `FT.SEARCH index query [option ...]`: the documents that match a query, by score or by SORTBY,
/// ten if no LIMIT is given.
///
/// Reply: RESP2: array of the number of matches, and of keys with what was asked of each; RESP3:
/// map of totals and results. O(documents that parts of the query match).
fn search(call: &mut Call<'_>) -> CommandResult {
    let began = clock::cycles();
    catch_up(call)?;
    let request = parse(call, OPTIONS_AT)?;
    let walk = match Walk::taken(call) {
        Some(walk) => walk,
        None => begin(call, &request, call.args.at(2), false)?,
    };
    let Some(mut walk) = walk.run(call, usize::MAX, began)? else {
        return Ok(());
    };
    reply_rows(call, &request, &mut walk);
    Ok(())
}

/// Replies the rows of a walk that is over.
pub(super) fn reply_rows(call: &mut Call<'_>, request: &SearchRequest, walk: &mut Walk) {
    let rows = walk.take_rows();
    let Some(held) = call.server.search.get(walk.index()) else {
        return;
    };
    let shown = Shown {
        request,
        index: &held.index,
        walk,
    };
    if call.reply.resp3() {
        shown.reply_map(&rows, call.reply);
    } else {
        shown.reply_array(&rows, call.reply);
    }
}

/// The options from an argument on.
pub(super) fn parse(call: &Call<'_>, from: usize) -> Result<SearchRequest, CommandError> {
    let rows_max = call.server.config.search_max_search_results;
    let defaults = defaults(call.server, rows_max, call.reply.resp3());
    let request = SearchRequest::parse(&words(call, from), &defaults);
    let mut request = request.map_err(|error| refusal(&error))?;
    request.options.is_strict = !call.server.debug.searches_as_2_10;
    Ok(request)
}

/// The walk of a query; `profiles`: whether reads and rows are counted.
pub(super) fn begin(
    call: &mut Call<'_>,
    request: &SearchRequest,
    text: &[u8],
    profiles: bool,
) -> Result<Walk, CommandError> {
    let name = call.args.at(1);
    let held = readable(call, name)?;
    let schema = held.index.schema();
    let root = request
        .query(text, schema)
        .map_err(|error| refusal(&error))?;
    let question = Question {
        index: name,
        asked: Asked::Query(root),
        options: &request.options,
        // A count alone needs no order.
        scores: request.limit().count > 0
            && (request.sort.is_none() || request.options.with_scores),
        profiles,
    };
    let config = &call.server.config;
    let least = [config.search_min_stem_len, config.search_min_prefix].map(|n| n as usize);
    Walk::begin(call, question, |schema, distances, root| {
        let mut pipeline = Pipeline::search(request, schema, distances)?;
        let marks = request.highlight.is_some() || request.summary.is_some();
        if let Some(root) = root.filter(|_| marks) {
            let language = request.options.language.unwrap_or(schema.language);
            let [stem_min, prefix_min] = least;
            let marker = Marker::new(root, language, stem_min, prefix_min, &schema.stop_words);
            pipeline.mark(request, schema, marker);
        }
        Ok(pipeline)
    })
}

/// Rows with what the request says of them.
struct Shown<'s> {
    request: &'s SearchRequest,
    index: &'s Index,
    walk: &'s Walk,
}

impl Shown<'_> {
    /// Number of parts of a row besides its key.
    fn parts(&self) -> usize {
        let options = &self.request.options;
        let parts = [
            options.with_scores,
            options.with_payloads,
            options.with_sort_keys,
            options.has_content,
        ];
        parts.iter().filter(|is_set| **is_set).count()
    }

    fn reply_array(&self, rows: &[OutputRow], reply: &mut Reply) {
        let options = &self.request.options;
        reply.array(1 + rows.len() * (1 + self.parts()));
        reply.int(self.total(rows));
        for row in rows {
            reply.bulk(self.key(row));
            if options.with_scores {
                self.reply_score(row, reply);
            }
            if options.with_payloads {
                self.reply_payload(row, reply);
            }
            if options.with_sort_keys {
                reply_sort_key(row, reply);
            }
            if options.has_content {
                if row.is_gone {
                    reply.null_array();
                } else {
                    reply.array(row.fields.len() * 2);
                    reply_fields(row, self.walk.pipeline(), Format::String, reply);
                }
            }
        }
    }

    fn reply_map(&self, rows: &[OutputRow], reply: &mut Reply) {
        let options = &self.request.options;
        reply.map(5);
        reply.simple("attributes");
        reply.array(0);
        reply.simple("total_results");
        reply.int(self.total(rows));
        reply.simple("format");
        reply.simple(format_name(options.format));
        reply.simple("results");
        reply.array(rows.len());
        for row in rows {
            reply.map(2 + self.parts());
            reply.simple("id");
            reply.bulk(self.key(row));
            if options.with_scores {
                reply.simple("score");
                self.reply_score(row, reply);
            }
            if options.with_payloads {
                reply.simple("payload");
                self.reply_payload(row, reply);
            }
            if options.with_sort_keys {
                reply.simple("sortkey");
                reply_sort_key(row, reply);
            }
            if options.has_content {
                reply.simple("extra_attributes");
                if row.is_gone {
                    reply.null();
                } else {
                    reply.map(row.fields.len());
                    reply_fields(row, self.walk.pipeline(), options.format, reply);
                }
            }
            reply.simple("values");
            reply.array(0);
        }
        reply.simple("warning");
        reply_warnings(self.walk, reply);
    }

    /// The documents that match; in dialect 4 no more than are shown are counted.
    fn total(&self, rows: &[OutputRow]) -> i64 {
        let options = &self.request.options;
        let counts_all = options
            .counts_all
            .unwrap_or(!options.dialect.counts_shown());
        let total = self.walk.pipeline().total();
        let limit = self.request.limit();
        if counts_all || limit.count == 0 {
            return total as i64;
        }
        (rows.len() as u64 + limit.offset).min(total) as i64
    }

    fn key(&self, row: &OutputRow) -> &[u8] {
        let key = row
            .document
            .and_then(|document| self.index.living_key(document));
        key.unwrap_or_default()
    }

    fn reply_score(&self, row: &OutputRow, reply: &mut Reply) {
        if let Some(explanation) = &row.explanation {
            reply.array(2);
            reply.double(row.score);
            reply_explanation(explanation, reply);
        } else {
            reply.double(row.score);
        }
    }

    fn reply_payload(&self, row: &OutputRow, reply: &mut Reply) {
        match row
            .document
            .and_then(|document| self.index.payload(document))
        {
            Some(payload) => reply.bulk(payload),
            None => reply.null(),
        }
    }
}

/// `#` before a number, `$` before a text.
fn reply_sort_key(row: &OutputRow, reply: &mut Reply) {
    let sort_key = match &row.sort_key {
        Some(Value::Several(of)) => Some(&of.first),
        other => other.as_ref(),
    };
    let (mark, text) = match sort_key {
        Some(Value::Number(n)) => (b"#", Some(general(*n, 17).into_bytes())),
        Some(value) => (b"$", value.text()),
        None => (b"$", None),
    };
    match text {
        Some(text) => reply.bulk(&[mark, text.as_slice()].concat()),
        None => reply.null(),
    }
}

pub(super) const EXPLAIN: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: READS,
    categories: Category::SEARCH,
    facts: Facts::SHOWS,
    ..Spec::new("FT.EXPLAIN", explain)
};

/// `FT.EXPLAIN index query [option ...]`: the query as it is read.
///
/// Reply: bulk string of lines. O(parts of the query).
fn explain(call: &mut Call<'_>) -> CommandResult {
    let text = explained(call)?;
    call.reply.bulk(&text);
    Ok(())
}

pub(super) const EXPLAINCLI: Spec = Spec {
    handler: explain_lines,
    name: "FT.EXPLAINCLI",
    ..EXPLAIN
};

/// `FT.EXPLAINCLI index query [option ...]`: the same by lines.
///
/// Reply: array of simple strings. O(parts of the query).
fn explain_lines(call: &mut Call<'_>) -> CommandResult {
    let text = explained(call)?;
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    call.reply.array(lines.len());
    lines.iter().for_each(|line| call.reply.simple_bytes(line));
    Ok(())
}

fn explained(call: &mut Call<'_>) -> Result<Vec<u8>, CommandError> {
    catch_up(call)?;
    let name = call.args.at(1);
    let Some(text) = call.args.get(2) else {
        return Err(NO_QUERY);
    };
    let request = parse(call, OPTIONS_AT)?;
    let held = readable(call, name)?;
    let schema = held.index.schema();
    let root = request
        .query(text, schema)
        .map_err(|error| refusal(&error))?;
    let search = Search {
        language: request.options.language,
        is_2_10: call.server.debug.searches_as_2_10,
        ..Search::default()
    };
    let root = root.map(|root| held.index.expand(&root, &search));
    let root = root.transpose();
    let root = root.map_err(|error| refusal(&SearchError::from(error)))?;
    Ok(query::explain(root.as_ref(), schema))
}
