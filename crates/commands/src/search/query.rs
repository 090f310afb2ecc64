//! SEARCH.
//!
//! Cost: documents that parts of the query match; the query loads only the documents of the reply.

use super::reply::{format_name, reply_explanation, reply_row_fields};
use super::row::{READS, SEARCHING, catch_up, readable, refusal, words};
use super::settings::defaults;
use super::shards::{self, MergedRows, statistics};
use super::walk::{Body, QuerySource, Question, RowContext, SearchExecution, work};
use russet_base::clock;
use russet_base::numbers::general;
use russet_command::{Arity, CommandError, Facts};
use russet_resp::Reply;
use russet_search::expression::Value;
use russet_search::highlight::Marker;
use russet_search::hit::Explanation;
use russet_search::index::Index;
use russet_search::pipeline::shards::ShardRow;
use russet_search::pipeline::{FieldName, OutputRow, Pipeline};
use russet_search::request::{Format, Options, SearchRequest};
use russet_search::schema::Schema;
use russet_server::{Call, CommandResult, Spec};

/// The words of options begin here.
const OPTIONS_AT: usize = 3;

pub(super) const SEARCH: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: READS,
    categories: SEARCHING,
    work: work::SEARCH,
    facts: Facts::ASKS_NODES,
    ..Spec::new("FT.SEARCH", search)
};

/// `FT.SEARCH index query [option ...]`: the documents that match a query, by score or by SORTBY,
/// ten if no LIMIT is given.
///
/// Reply: RESP2: array of the number of matches, and of keys with the fields that the request asks
/// for; RESP3: map of totals and results. O(documents that parts of the query match).
fn search(call: &mut Call<'_>) -> CommandResult {
    let began = clock::cycles();
    if call.postpone_if_turn_is_full() {
        return Ok(());
    }
    catch_up(call)?;
    let request = parse(call, OPTIONS_AT)?;
    let text = call.args.at(2);
    let tree = |schema: &Schema| request.query(text, schema);
    if statistics::answer(call, &request.options, false, tree)? {
        return Ok(());
    }
    let walk = match SearchExecution::take_resumed(call) {
        Some(walk) => walk,
        None if call.is_of_many_shards()? => {
            let merged = shards::search(call, &request, call.args.at(2), write_merged)?;
            if let Some(merged) = merged {
                reply_merged(call, &request, merged);
            }
            return Ok(());
        }
        None => begin(call, &request, call.args.at(2), false)?,
    };
    let write = writer(&request);
    let Some(mut walk) = walk.run(call, usize::MAX, began, &write)? else {
        return Ok(());
    };
    if call.is_for_other_node() {
        shards::answer_rows(call, &mut walk, Default::default());
    } else {
        reply_rows(call, &request, &mut walk);
    }
    Ok(())
}

/// Writes rows.
pub(super) fn writer(request: &SearchRequest) -> impl Fn(&OutputRow, RowContext<'_>, &mut Reply) {
    move |row, of, reply| {
        let name = |place| of.pipeline.name(place);
        Row::of(row, of.index).reply(request, name, reply);
    }
}

/// Replies the rows of a walk that is over, which were written by [`writer`].
pub(super) fn reply_rows(call: &mut Call<'_>, request: &SearchRequest, walk: &mut SearchExecution) {
    let shown = RowsReply {
        request,
        total: walk.pipeline().total(),
        body: walk.take_body(call.reply),
        warnings: walk.warnings().collect(),
    };
    shown.reply(call.reply);
}

/// Writes a row of a shard, whose places have these names.
pub(super) fn write_merged(
    request: &SearchRequest,
    names: &[Vec<u8>],
    row: &ShardRow,
    reply: &mut Reply,
) {
    let name = |place: usize| &*names[place];
    Row::of_shard(row).reply(request, name, reply);
}

/// Replies the rows of all shards, which were written by [`write_merged`].
pub(super) fn reply_merged(call: &mut Call<'_>, request: &SearchRequest, merged: MergedRows) {
    let shown = RowsReply {
        request,
        total: merged.total,
        body: merged.body,
        warnings: merged.warnings.iter().map(String::as_str).collect(),
    };
    shown.reply(call.reply);
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
) -> Result<SearchExecution, CommandError> {
    let name = call.args.at(1);
    let held = readable(call, name)?;
    let schema = held.index.schema();
    let root = request
        .query(text, schema)
        .map_err(|error| refusal(&error))?;
    let question = Question {
        index: name,
        asked: QuerySource::Query(root),
        options: &request.options,
        scores: request.needs_scores(),
        profiles,
    };
    let config = &call.server.config;
    let least = [config.search_min_stem_len, config.search_min_prefix].map(|n| n as usize);
    SearchExecution::begin(call, question, |schema, distances, root| {
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

/// A row of the reply.
struct Row<'r> {
    key: &'r [u8],
    score: f64,
    explanation: Option<&'r Explanation>,
    payload: Option<&'r [u8]>,
    sort_key: Option<&'r Value>,
    is_gone: bool,
    fields: &'r [(FieldName, Value)],
    written: Option<&'r [u8]>,
}

impl<'r> Row<'r> {
    fn of(row: &'r OutputRow, index: &'r Index) -> Row<'r> {
        let key = row.document.and_then(|document| index.living_key(document));
        let payload = row.document.and_then(|document| index.payload(document));
        Row {
            key: key.unwrap_or_default(),
            score: row.score,
            explanation: row.explanation.as_ref(),
            payload,
            sort_key: row.sort_key.as_ref(),
            is_gone: row.is_gone,
            fields: &row.fields,
            written: row.written.as_deref(),
        }
    }

    fn of_shard(row: &'r ShardRow) -> Row<'r> {
        Row {
            key: &row.key,
            score: row.score,
            explanation: row.explanation.as_ref(),
            payload: row.payload.as_deref(),
            sort_key: row.sort_key.as_ref(),
            is_gone: row.is_gone,
            fields: &row.values,
            written: None,
        }
    }

    /// Writes the row as an element of the reply's array, or of the map of RESP3.
    fn reply(&self, request: &SearchRequest, name: impl Fn(usize) -> &'r [u8], reply: &mut Reply) {
        if reply.resp3() {
            self.reply_map(request, name, reply);
        } else {
            self.reply_array(request, name, reply);
        }
    }

    fn reply_array(
        &self,
        request: &SearchRequest,
        name: impl Fn(usize) -> &'r [u8],
        reply: &mut Reply,
    ) {
        let options = &request.options;
        reply.bulk(self.key);
        if options.with_scores {
            reply_score(self, reply);
        }
        if options.with_payloads {
            reply_payload(self, reply);
        }
        if options.with_sort_keys {
            reply_sort_key(self, reply);
        }
        if options.has_content {
            if self.is_gone {
                reply.null_array();
            } else {
                reply_row_fields((self.fields, self.written), name, Format::String, reply);
            }
        }
    }

    fn reply_map(
        &self,
        request: &SearchRequest,
        name: impl Fn(usize) -> &'r [u8],
        reply: &mut Reply,
    ) {
        let options = &request.options;
        reply.map(2 + parts(options));
        reply.simple("id");
        reply.bulk(self.key);
        if options.with_scores {
            reply.simple("score");
            reply_score(self, reply);
        }
        if options.with_payloads {
            reply.simple("payload");
            reply_payload(self, reply);
        }
        if options.with_sort_keys {
            reply.simple("sortkey");
            reply_sort_key(self, reply);
        }
        if options.has_content {
            reply.simple("extra_attributes");
            if self.is_gone {
                reply.null();
            } else {
                reply_row_fields((self.fields, self.written), name, options.format, reply);
            }
        }
        reply.simple("values");
        reply.array(0);
    }
}

/// Number of parts of a row besides the key.
fn parts(options: &Options) -> usize {
    let parts = [
        options.with_scores,
        options.with_payloads,
        options.with_sort_keys,
        options.has_content,
    ];
    parts.iter().filter(|is_set| **is_set).count()
}

/// The rows to write, and the request that says how.
struct RowsReply<'s> {
    request: &'s SearchRequest,
    /// Documents that match.
    total: u64,
    body: Body,
    warnings: Vec<&'s str>,
}

impl RowsReply<'_> {
    fn reply(self, reply: &mut Reply) {
        let (total, rows) = (self.total(), self.body.rows());
        let options = &self.request.options;
        if !reply.resp3() {
            reply.array(1 + rows * (1 + parts(options)));
            reply.int(total);
            return self.body.reply(reply);
        }
        reply.map(5);
        reply.simple("attributes");
        reply.array(0);
        reply.simple("total_results");
        reply.int(total);
        reply.simple("format");
        reply.simple(format_name(options.format));
        reply.simple("results");
        reply.array(rows);
        self.body.reply(reply);
        reply.simple("warning");
        reply.array(self.warnings.len());
        let warnings = self.warnings.iter();
        warnings.for_each(|warning| reply.simple(warning));
    }

    /// The documents that match; in dialect 4 no more than are shown are counted.
    fn total(&self) -> i64 {
        let options = &self.request.options;
        let counts_all = options
            .counts_all
            .unwrap_or(!options.dialect.counts_shown());
        let total = self.total;
        let limit = self.request.limit();
        if counts_all || limit.count == 0 {
            return total as i64;
        }
        (self.body.rows() as u64 + limit.offset).min(total) as i64
    }
}

fn reply_score(row: &Row<'_>, reply: &mut Reply) {
    if let Some(explanation) = row.explanation {
        reply.array(2);
        reply.double(row.score);
        reply_explanation(explanation, reply);
    } else {
        reply.double(row.score);
    }
}

fn reply_payload(row: &Row<'_>, reply: &mut Reply) {
    match row.payload {
        Some(payload) => reply.bulk(payload),
        None => reply.null(),
    }
}

/// `#` before a number, `$` before a text.
fn reply_sort_key(row: &Row<'_>, reply: &mut Reply) {
    let sort_key = match row.sort_key {
        Some(Value::Several(of)) => Some(&of.first),
        other => other,
    };
    let (mark, text) = match sort_key {
        Some(Value::Number(n)) => (b"#", Some(general(*n, 17).into_bytes().into())),
        Some(value) => (b"$", value.text()),
        None => (b"$", None),
    };
    match text {
        Some(text) => reply.bulk(&[mark, &*text].concat()),
        None => reply.null(),
    }
}
