//! AGGREGATE; CURSOR, which continues an AGGREGATE.
//!
//! A cursor keeps the walk of its query, so each READ begins where the READ before ended.

use super::reply::{format_name, reply_row_fields, reply_warnings};
use super::row::{READS, SEARCHING, catch_up, readable, refusal, words};
use super::settings::defaults;
use super::shards::{self, statistics};
use super::walk::{self, QuerySource, Question, RowContext, SearchExecution, work};
use russet_base::clock;
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, CommandError, Facts};
use russet_resp::{Args, Reply};
use russet_search::error::SearchError;
use russet_search::pipeline::{OutputRow, Pipeline};
use russet_search::request::{AggregateRequest, CursorOptions, Format};
use russet_search::schema::Schema;
use russet_server::search::{Cursor, ReadTicket};
use russet_server::tasks::Task;
use russet_server::{Call, CommandResult, Spec};
use russet_types::vector_set::Progress;
use std::sync::Weak;

const NOT_FOUND: CommandError = CommandError::Text("SEARCH_CURSOR_NOT_FOUND Cursor not found");
const GONE: CommandError = CommandError::Text("SEARCH_CURSOR_NOT_FOUND Cursor does not exist");
const BAD_ID: CommandError = CommandError::Text("SEARCH_PARSE_ARGS Bad cursor ID");
const BAD_COUNT: CommandError = CommandError::Text("SEARCH_PARSE_ARGS Bad value for COUNT");
const BAD_ACTION: CommandError = CommandError::Text("SEARCH_PARSE_ARGS Unknown subcommand");

pub(super) const AGGREGATE: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: READS,
    categories: SEARCHING,
    work: work::AGGREGATE,
    facts: Facts::ASKS_NODES,
    ..Spec::new("FT.AGGREGATE", aggregate)
};

/// A walk whose rows FT.CURSOR READ replies in parts.
pub(super) struct CursorQuery {
    walk: SearchExecution,
    format: Format,
    /// Rows of a READ that names no number.
    count: usize,
    /// The ticket of the READ under way, because the client may leave before the rows are there.
    ticket: Option<ReadTicket>,
}

impl Task for CursorQuery {
    fn step(&mut self, nanos: usize) -> Progress {
        self.walk.step(nanos)
    }

    fn is_for_workers(&self) -> bool {
        self.walk.is_for_workers()
    }
}

impl AsMut<SearchExecution> for CursorQuery {
    fn as_mut(&mut self) -> &mut SearchExecution {
        &mut self.walk
    }
}

/// `FT.AGGREGATE index query [stage ...]`: rows of the documents that match a query, through LOAD,
/// APPLY, FILTER, GROUPBY, SORTBY and LIMIT in the order given. WITHCURSOR: some rows, and the
/// number of a cursor for the remaining rows.
///
/// Reply: RESP2: array of a number and rows; RESP3: map of totals and rows; with a cursor an array
/// of this reply and the cursor's number. O(documents that parts of the query match).
fn aggregate(call: &mut Call<'_>) -> CommandResult {
    let began = clock::cycles();
    if call.postpone_if_turn_is_full() {
        return Ok(());
    }
    catch_up(call)?;
    let rows_max = call.server.config.search_max_aggregate_results;
    let request = parse(call, 3)?;
    let options = &request.options;
    let text = call.args.at(2);
    let tree = |schema: &Schema| options.query(text, schema);
    if statistics::answer(call, options, false, tree)? {
        return Ok(());
    }
    let walk = match SearchExecution::take_resumed(call) {
        Some(walk) => walk,
        None if call.is_of_many_shards()? => {
            let walk = shards::aggregate(call, &request, call.args.at(2), false)?;
            let Some(walk) = walk else {
                return Ok(());
            };
            walk
        }
        None => begin(call, &request, call.args.at(2), false)?,
    };
    let is_answer = call.is_for_other_node();
    let config = &call.server.config;
    let count = match options.cursor.filter(|_| !is_answer) {
        Some(cursor) => cursor.count.unwrap_or(config.search_cursor_read_size),
        // The last stage ends the rows there, and counts those after it.
        None if request.counts_all() => u64::MAX,
        None => rows_max,
    };
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    let format = options.format;
    let Some(mut walk) = walk.run(call, most, began, &writer(format))? else {
        return Ok(());
    };
    if is_answer {
        shards::answer_rows(call, &mut walk, Default::default());
        return Ok(());
    }
    let Some(cursor) = options.cursor else {
        reply_rows(&mut walk, format, call.reply);
        return Ok(());
    };
    call.reply.array(2);
    reply_rows(&mut walk, format, call.reply);
    if walk.is_done() {
        call.reply.int(0);
        return Ok(());
    }
    let id = keep(call, walk, format, cursor, most);
    call.reply.int(id as i64);
    Ok(())
}

/// The stages from an argument on.
pub(super) fn parse(call: &Call<'_>, from: usize) -> Result<AggregateRequest, CommandError> {
    let rows_max = call.server.config.search_max_aggregate_results;
    let defaults = defaults(call.server, rows_max, call.reply.resp3());
    let request = AggregateRequest::parse(&words(call, from), &defaults);
    let mut request = request.map_err(|error| refusal(&error))?;
    request.options.is_strict = !call.server.debug.searches_as_2_10;
    Ok(request)
}

/// The walk of a query; `profiles`: whether reads and rows are counted.
pub(super) fn begin(
    call: &mut Call<'_>,
    request: &AggregateRequest,
    text: &[u8],
    profiles: bool,
) -> Result<SearchExecution, CommandError> {
    let name = call.args.at(1);
    let held = readable(call, name)?;
    let schema = held.index.schema();
    let root = request.options.query(text, schema);
    let root = root.map_err(|error| refusal(&error))?;
    let is_answer = call.is_for_other_node();
    if !is_answer {
        shards::check_cursors(call.server, name, &request.options)?;
    }
    let question = Question {
        index: name,
        asked: QuerySource::Query(root),
        options: &request.options,
        scores: request.adds_scores,
        profiles,
    };
    SearchExecution::begin(call, question, |schema, distances, root| {
        let pipeline = Pipeline::aggregate(request, schema, distances)?;
        Ok(if is_answer {
            pipeline.of_shard(shards::nearest_of(root).is_some())
        } else {
            pipeline
        })
    })
}

/// Keeps the walk for READs of `count` rows. The number of the cursor.
pub(super) fn keep(
    call: &mut Call<'_>,
    walk: SearchExecution,
    format: Format,
    options: CursorOptions,
    count: usize,
) -> u64 {
    let now_ms = call.server.now.mono_ms;
    // Cursors that have waited longer end for it.
    call.server.make_room_for_queries();
    let longest = call.server.config.search_cursor_max_idle;
    let cursor = Cursor {
        index: walk.index().into(),
        user: call.server.acl.users.name(call.client.user).into(),
        max_idle_ms: options.max_idle_ms.unwrap_or(longest).min(longest),
        used_ms: now_ms,
        walk: Some(Box::new(CursorQuery {
            walk,
            format,
            count,
            ticket: None,
        })),
        reader: Weak::new(),
    };
    call.server.search.cursors.keep(cursor)
}

/// Replies the rows of a walk that were written by [`writer`].
pub(super) fn reply_rows(walk: &mut SearchExecution, format: Format, reply: &mut Reply) {
    let body = walk.take_body(reply);
    let total = walk.pipeline().first_total() as i64;
    if !reply.resp3() {
        reply.array(1 + body.rows());
        reply.int(total);
        return body.reply(reply);
    }
    reply.map(5);
    reply.simple("attributes");
    reply.array(0);
    reply.simple("total_results");
    reply.int(total);
    reply.simple("format");
    reply.simple(format_name(format));
    reply.simple("results");
    reply.array(body.rows());
    body.reply(reply);
    reply.simple("warning");
    reply_warnings(walk.warnings(), reply);
}

/// Writes rows.
pub(super) fn writer(format: Format) -> impl Fn(&OutputRow, RowContext<'_>, &mut Reply) {
    move |row, of, reply| reply_row(row, of.pipeline, format, reply)
}

fn reply_row(row: &OutputRow, pipeline: &Pipeline, format: Format, reply: &mut Reply) {
    let fields = (row.fields.as_slice(), row.written.as_deref());
    let name = |place| pipeline.name(place);
    if !reply.resp3() {
        return reply_row_fields(fields, name, format, reply);
    }
    reply.map(2);
    reply.simple("extra_attributes");
    reply_row_fields(fields, name, format, reply);
    reply.simple("values");
    reply.array(0);
}

pub(super) const CURSOR: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: READS,
    categories: SEARCHING,
    work: work::CURSOR,
    ..Spec::new("FT.CURSOR", cursor)
};

/// `FT.CURSOR READ index id [COUNT n]`: the next rows of a cursor, and the cursor's number, or 0
/// after the last row; `FT.CURSOR DEL index id`: ends the cursor; `FT.CURSOR GC index 0`: ends the
/// cursors that idle too long.
///
/// Reply: as of AGGREGATE; of DEL OK; of GC integer, the cursors that ended. O(documents that the
/// walk goes through).
fn cursor(call: &mut Call<'_>) -> CommandResult {
    let began = clock::cycles();
    catch_up(call)?;
    let args = call.args;
    // No cursor has a number below 0.
    let id = parse_i64(args.at(3)).ok_or(BAD_ID)?;
    let id = u64::try_from(id).unwrap_or(0);
    let now_ms = call.server.now.mono_ms;
    let is_own = is_own_cursor(call, id)?;
    let cursors = &mut call.server.search.cursors;
    if args.is(1, "DEL") {
        let ended = if is_own { cursors.take(id) } else { None };
        ended.ok_or(GONE)?;
        call.reply.ok();
        return Ok(());
    }
    if args.is(1, "GC") {
        let (_, before) = cursors.count(args.at(2));
        cursors.expire(now_ms);
        let (_, after) = cursors.count(args.at(2));
        call.reply.int((before - after) as i64);
        return Ok(());
    }
    if !args.is(1, "READ") {
        return Err(BAD_ACTION);
    }
    let count = count_of(args)?;
    if !is_own {
        return Err(NOT_FOUND);
    }
    read(call, id, count, began)
}

/// Continues a cursor. While the client waits for rows the cursor keeps its place in the table, so
/// that limits still count it, but no other READ finds it.
fn read(call: &mut Call<'_>, id: u64, count: Option<usize>, began: u64) -> CommandResult {
    let now_ms = call.server.now.mono_ms;
    let reading = match call.server.tasks.take_task::<CursorQuery>() {
        Some(reading) => reading,
        None => {
            let taken = call.server.search.cursors.begin_read(id, now_ms);
            let (walk, ticket) = taken.ok_or(NOT_FOUND)?;
            let mut reading = walk.downcast::<CursorQuery>().map_err(|_| NOT_FOUND)?;
            reading.ticket = Some(ticket);
            reading.walk.renew(call.server);
            reading
        }
    };
    let most = count.unwrap_or(reading.count);
    let format = reading.format;
    let read = walk::run(reading, call, most, began, &writer(format));
    let Ok(Some(mut reading)) = read else {
        if read.is_err() {
            call.server.search.cursors.take(id);
        }
        return read.map(drop);
    };
    call.reply.array(2);
    reply_rows(&mut reading.walk, format, call.reply);
    let is_done = reading.walk.is_done();
    let cursors = &mut call.server.search.cursors;
    if is_done {
        cursors.take(id);
    }
    let stays = !is_done && cursors.end_read(id, reading, now_ms);
    call.reply.int(if stays { id as i64 } else { 0 });
    Ok(())
}

/// Whether a cursor is of the named index, and of the client's user. A user that may do everything
/// reads the cursors of any user.
///
/// # Errors
///
/// If the user may not read the index.
fn is_own_cursor(call: &Call<'_>, id: u64) -> Result<bool, CommandError> {
    let (indexes, acl) = (&call.server.search, &call.server.acl);
    let Some(name) = indexes.name_of(call.args.at(2)) else {
        return Ok(false);
    };
    readable(call, name)?;
    let user = call.client.user;
    Ok(indexes.cursors.get(id).is_some_and(|cursor| {
        let is_users = *cursor.user == *acl.users.name(user) || acl.users.get(user).allows_all();
        is_users && *cursor.index == *name
    }))
}

/// The rows that READ asks for.
fn count_of(args: Args<'_>) -> Result<Option<usize>, CommandError> {
    let Some(word) = args.get(4) else {
        return Ok(None);
    };
    if !args.is(4, "COUNT") {
        return Err(refusal(&SearchError::unknown_argument(word)));
    }
    let count = args.get(5).and_then(parse_i64);
    let count = count.and_then(|n| usize::try_from(n).ok());
    let count = count.filter(|n| *n > 0).ok_or(BAD_COUNT)?;
    match args.get(6) {
        Some(word) => Err(refusal(&SearchError::unknown_argument(word))),
        None => Ok(Some(count)),
    }
}
