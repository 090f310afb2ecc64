//! HYBRID: the best documents of a query and the nearest documents of a vector, as one list.
//!
//!     sides    both sides' documents, gathered in slices
//!
//! Decided elsewhere: how both sides are merged, and the stages after that:
//! `russet_search::pipeline`; the profile of all of it: `profile::hybrid`.
//!
//! Cost: the cost of both queries.

pub(super) mod sides;

use super::aggregate::keep;
use super::reply::{reply_row_fields, reply_warnings};
use super::row::{READS, SEARCHING, catch_up, readable, refusal, words};
use super::settings::defaults;
use super::shards::{self, statistics};
use super::walk::{QuerySource, Question, RowContext, SearchExecution, work};
use russet_base::clock;
use russet_command::{Arity, CommandError, Facts};
use russet_resp::Reply;
use russet_search::error::SearchError;
use russet_search::pipeline::{OutputRow, Pipeline};
use russet_search::query::Node;
use russet_search::request::{
    Arrange, Combine, CursorOptions, Format, HybridRequest, Limit, Stage,
};
use russet_search::schema::Schema;
use russet_server::{Call, CommandResult, Spec};
use sides::Sides;

pub(super) const HYBRID: Spec = Spec {
    arity: Arity::AtLeast(8),
    flags: READS,
    categories: SEARCHING,
    work: work::HYBRID,
    facts: Facts::ASKS_NODES,
    ..Spec::new("FT.HYBRID", hybrid)
};

/// `FT.HYBRID index SEARCH query VSIM @field $vector [option ...]`: documents by a score that
/// combines both sides' scores, through the stages of AGGREGATE. WITHCURSOR: a cursor for each side
/// instead.
///
/// Reply: map (RESP2: array) of the total, rows, warnings and milliseconds; with WITHCURSOR a map
/// of the numbers of both cursors, and warnings. O(documents that parts of the query match, and
/// those around the vector).
fn hybrid(call: &mut Call<'_>) -> CommandResult {
    let began = clock::cycles();
    if call.postpone_if_turn_is_full() {
        return Ok(());
    }
    catch_up(call)?;
    let request = parse(call, 2)?;
    if answer_statistics(call, &request)? {
        return Ok(());
    }
    let walk = match SearchExecution::take_resumed(call) {
        Some(walk) => walk,
        None if call.is_of_many_shards()? => {
            trees(call, &request)?;
            if let Some(cursor) = request.aggregate.options.cursor {
                return match shards::both_sides(call, &request_of_cursors(&request))? {
                    Some(walks) => keep_both(call, &request, walks, cursor),
                    None => Ok(()),
                };
            }
            let Some(walk) = shards::hybrid(call, &request, false)? else {
                return Ok(());
            };
            walk
        }
        None => {
            let sides = trees(call, &request)?;
            let cursor = request.aggregate.options.cursor;
            if let Some(cursor) = cursor.filter(|_| !call.is_for_other_node()) {
                let [text, vector] = sides;
                let of_cursors = request_of_cursors(&request);
                let walks = [
                    begin(call, &of_cursors, [text, None], false)?,
                    begin(call, &of_cursors, [None, vector], false)?,
                ];
                return keep_both(call, &request, walks, cursor);
            }
            begin(call, &request, sides, false)?
        }
    };
    let format = request.aggregate.options.format;
    let Some(mut walk) = walk.run(call, usize::MAX, began, &writer(format))? else {
        return Ok(());
    };
    if call.is_for_other_node() {
        shards::answer_rows(call, &mut walk, Default::default());
        return Ok(());
    }
    let milliseconds = walk.milliseconds(call.server);
    call.reply.map(ENTRIES);
    reply_entries(&mut walk, milliseconds, call.reply);
    Ok(())
}

/// The words from an argument on.
pub(super) fn parse(call: &Call<'_>, from: usize) -> Result<HybridRequest, CommandError> {
    let rows_max = call.server.config.search_max_aggregate_results;
    let defaults = defaults(call.server, rows_max, call.reply.resp3());
    let request = HybridRequest::parse(&words(call, from), &defaults);
    let mut request = request.map_err(|error| refusal(&error))?;
    request.aggregate.options.is_strict = true;
    Ok(request)
}

/// Answers another node's question about the statistics of the query; `false`: it is none.
pub(super) fn answer_statistics(
    call: &mut Call<'_>,
    request: &HybridRequest,
) -> Result<bool, CommandError> {
    let tree = |schema: &Schema| request.text_query(schema);
    statistics::answer(call, &request.aggregate.options, true, tree)
}

/// The trees of the query and of the vector.
pub(super) fn trees(
    call: &mut Call<'_>,
    request: &HybridRequest,
) -> Result<[Option<Node>; 2], CommandError> {
    let name = call.args.at(1);
    let held = readable(call, name)?;
    let schema = held.index.schema();
    let text = request.text_query(schema);
    let vector = request.vector_query(schema);
    let wrong = |error: SearchError| refusal(&error);
    Ok([text.map_err(wrong)?, vector.map_err(wrong)?])
}

/// The walk of both trees; `profiles`: whether reads and rows are counted.
pub(super) fn begin(
    call: &mut Call<'_>,
    request: &HybridRequest,
    [text, vector]: [Option<Node>; 2],
    profiles: bool,
) -> Result<SearchExecution, CommandError> {
    let is_answer = call.is_for_other_node();
    let mut sides = Sides::new(request.clone(), text, vector);
    sides.ships = is_answer;
    let question = Question {
        index: call.args.at(1),
        asked: QuerySource::Sides(Box::new(sides)),
        options: &request.aggregate.options,
        scores: true,
        profiles,
    };
    SearchExecution::begin(call, question, |schema, _, _| {
        let pipeline = Pipeline::hybrid(request, schema)?;
        Ok(if is_answer {
            pipeline.hybrid_of_shard()
        } else {
            pipeline
        })
    })
}

/// The request of cursors over the documents of each side: with the scores of that side and without
/// the stages.
fn request_of_cursors(request: &HybridRequest) -> HybridRequest {
    let mut request = request.clone();
    request.combine = Combine::Linear {
        alpha: 1.0,
        beta: 1.0,
    };
    request.aggregate.stages = vec![Stage::Arrange(Arrange {
        limit: Some(Limit {
            offset: 0,
            count: u64::MAX,
        }),
        ..Arrange::default()
    })];
    request
}

/// Keeps a cursor for each side.
fn keep_both(
    call: &mut Call<'_>,
    request: &HybridRequest,
    walks: [SearchExecution; 2],
    cursor: CursorOptions,
) -> CommandResult {
    let usual = call.server.config.search_cursor_read_size;
    let count = usize::try_from(cursor.count.unwrap_or(usual)).unwrap_or(usize::MAX);
    let format = request.aggregate.options.format;
    call.reply.map(3);
    for (name, walk) in ["SEARCH", "VSIM"].into_iter().zip(walks) {
        let id = keep(call, walk, format, cursor, count);
        call.reply.simple(name);
        call.reply.int(id as i64);
    }
    call.reply.simple("warnings");
    call.reply.array(0);
    Ok(())
}

/// The entries of a reply's map.
pub(super) const ENTRIES: usize = 4;

/// Writes rows.
pub(super) fn writer(format: Format) -> impl Fn(&OutputRow, RowContext<'_>, &mut Reply) {
    move |row, of, reply| {
        let name = |place| of.pipeline.name(place);
        let fields = (row.fields.as_slice(), row.written.as_deref());
        reply_row_fields(fields, name, format, reply);
    }
}

/// Replies the entries of the map, as many as [`ENTRIES`], of a walk that is over.
pub(super) fn reply_entries(walk: &mut SearchExecution, milliseconds: f64, reply: &mut Reply) {
    let body = walk.take_body(reply);
    reply.simple("total_results");
    reply.int(walk.pipeline().total() as i64);
    reply.simple("results");
    reply.array(body.rows());
    body.reply(reply);
    reply.simple("warnings");
    reply_warnings(walk.warnings(), reply);
    reply.simple("execution_time");
    reply.double(milliseconds);
}
