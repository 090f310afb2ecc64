//! Queries over all shards of a cluster: the node that a client asks sends the question to every
//! shard, also to itself, and merges the answers into one reply.
//!
//!     asked node: words of the client -> question -> every shard: the command, `of_shard`
//!     shard:      "=" and the bytes of an [`Answer`], "-" and an error
//!
//! The asked node parses the words and checks the rights first, so it reports errors itself. It
//! adds the defaults that directives give to the words, so that all shards use the same defaults.
//!
//! **Which documents count.** Each shard counts the documents of the slots that the question names,
//! which must be all slots of the shard (`server::cluster::surveys`): a slot is counted once, by
//! the node that owns the slot when it answers. Documents in slots that a node is receiving, or
//! that another node has claimed, do not count ([`SearchExecution`]). While SETSLOT moves keys
//! singly, a key counts at the new node after it has arrived. A key that moves during the count may
//! be left out or be counted twice; the merger makes one row of rows with equal keys.
//!
//! Cost: the query's cost at each shard, and O(rows of all shards) here: a worker reads, merges and
//! writes the rows if they are many ([`merging`]).

mod merging;
mod reducible;
pub(super) mod statistics;

use super::row::{readable, refusal};
use super::settings::{default_scorer, scorer_of};
use super::walk::{Body, SearchExecution};
use russet_command::CommandError;
use russet_resp::OwnedArgs;
use russet_resp::Reply;
use russet_search::error::{NO_CURSOR, SearchError};
use russet_search::pipeline::shards::{Answer, Order, ShardRow, keep_nearest, merge};
use russet_search::pipeline::{Pipeline, distance_names, metric_of};
use russet_search::query::{Kind, Node, Reach};
use russet_search::request::{AggregateRequest, HybridRequest, Limit, Options, SearchRequest};
use russet_search::schema::Metric;
use russet_server::{Call, Server, ShardAnswers};
use statistics::Next;

pub(super) use merging::DAMAGED;
pub(super) use reducible::{answer_tag_values, documents, figures, spelling, tag_values};

/// Milliseconds that shards may take longer than the query's own time.
const GRACE_MS: u64 = 2000;
/// Milliseconds for a query without a TIMEOUT.
const WAIT_MS: u64 = 60_000;

/// Rows of all shards, in order, as they were written.
pub(super) struct MergedRows {
    /// Documents that match.
    pub total: u64,
    pub body: Body,
    pub warnings: Vec<String>,
    pub profiles: Profiles,
}

/// Writes a row; the shard of the row gives the names of its columns.
pub(super) type WriteRow = fn(&SearchRequest, &[Vec<u8>], &ShardRow, &mut Reply);

/// The parts of the shards in the reply of FT.PROFILE, in RESP2 and in RESP3.
pub(super) type Profiles = Vec<[Vec<u8>; 2]>;

/// The number of nearest vectors that a query asks for.
pub(super) fn nearest_of(root: Option<&Node>) -> Option<usize> {
    match &root?.kind {
        Kind::Vector(vector) => match vector.reach {
            Reach::Nearest(k) => Some(usize::try_from(k).unwrap_or(usize::MAX)),
            Reach::Within(_) => None,
        },
        _ => None,
    }
}

/// The rows of FT.SEARCH for a query's text. `None`: the client waits, and the command runs again.
pub(super) fn search(
    call: &mut Call<'_>,
    request: &SearchRequest,
    text: &[u8],
    write: WriteRow,
) -> Result<Option<MergedRows>, CommandError> {
    if let Some(merged) = merging::take_result(call) {
        return merged.map(Some);
    }
    let held = readable(call, call.args.at(1))?;
    let root = request.query(text, held.index.schema());
    let root = root.map_err(|error| refusal(&error))?;
    let k = nearest_of(root.as_ref());
    let limit = request.limit();
    let most = match (k, limit.count) {
        (_, 0) => 0,
        (Some(k), _) => k as u64,
        (None, count) => limit.offset.saturating_add(count),
    };
    let most = most.min(i64::MAX as u64).to_string();
    let words = [&b"LIMIT"[..], b"0", most.as_bytes()];
    let question = question(call, &request.options, &words, true);
    let scores = request.needs_scores();
    let first = statistics::are_needed(call, &request.options, scores, root.as_ref());
    let Some(answers) = ask(call, &question, &request.options, first)? else {
        return Ok(None);
    };
    let (request, body) = (request.clone(), Body::new(call.reply.resp3()));
    let merged = merging::off_loop(call, answers, move |answers| {
        merged(answers, k, &request, body, write)
    });
    merged.transpose()
}

/// The rows of all shards as one list, from which LIMIT takes.
fn merged(
    mut answers: Vec<Answer>,
    k: Option<usize>,
    request: &SearchRequest,
    mut body: Body,
    write: WriteRow,
) -> MergedRows {
    let mut total: u64 = answers.iter().map(|answer| answer.total).sum();
    if let Some(k) = k {
        total = total.min(k as u64);
        keep_nearest(&mut answers, k);
    }
    let order = match &request.sort {
        None => Order::Score,
        Some(key) => Order::Key {
            is_descending: key.is_descending,
        },
    };
    let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let Limit { offset, count } = request.limit();
    let rows = merge(&mut answers, order, size(offset), size(count));
    let warnings = warnings_of(&answers);
    let profiles = take_profiles(&mut answers);
    for (shard, row) in &rows {
        let names = &answers[*shard].names;
        body.add(|reply| write(request, names, row, reply));
    }
    MergedRows {
        total,
        body,
        warnings,
        profiles,
    }
}

/// A walk over the rows of all shards for FT.AGGREGATE of a query's text; `counts`: the walk counts
/// the rows of the stages. `None`: the client waits, and the command runs again.
pub(super) fn aggregate(
    call: &mut Call<'_>,
    request: &AggregateRequest,
    text: &[u8],
    counts: bool,
) -> Result<Option<SearchExecution>, CommandError> {
    let name = call.args.at(1);
    if let Some(taken) = merging::take_result(call) {
        return walk_over(call, &request.options, taken?).map(Some);
    }
    let held = readable(call, name)?;
    let schema = held.index.schema();
    let root = request.options.query(text, schema);
    let root = root.map_err(|error| refusal(&error))?;
    let distances = root.as_ref().map_or(Vec::new(), distance_names);
    let k = nearest_of(root.as_ref());
    let pipeline = Pipeline::aggregate(request, schema, &distances);
    let pipeline = pipeline.map_err(|error| refusal(&error))?;
    check_cursors(call.server, name, &request.options)?;
    let question = question(call, &request.options, &[], true);
    let scores = request.adds_scores;
    let first = statistics::are_needed(call, &request.options, scores, root.as_ref());
    let Some(answers) = ask(call, &question, &request.options, first)? else {
        return Ok(None);
    };
    let mut pipeline = pipeline.of_shards(k.is_some());
    if counts {
        pipeline.count_steps();
    }
    let taken = merging::off_loop(call, answers, move |mut answers| {
        if let Some(k) = k {
            keep_nearest(&mut answers, k);
        }
        let warnings = warnings_of(&answers);
        let profiles = take_profiles(&mut answers);
        answers
            .into_iter()
            .for_each(|answer| pipeline.take_shard(answer));
        MergedPipeline {
            pipeline,
            warnings,
            profiles,
        }
    });
    let taken = taken.transpose()?;
    taken
        .map(|taken| walk_over(call, &request.options, taken))
        .transpose()
}

/// A pipeline that has the rows of all shards.
pub(super) struct MergedPipeline {
    pub pipeline: Pipeline,
    pub warnings: Vec<String>,
    pub profiles: Profiles,
}

fn walk_over(
    call: &mut Call<'_>,
    options: &Options,
    taken: MergedPipeline,
) -> Result<SearchExecution, CommandError> {
    SearchExecution::of_shards(call, call.args.at(1), options, taken)
}

/// A walk over the documents of all shards for FT.HYBRID; `counts`: the walk counts the rows of the
/// stages. `None`: the client waits, and the command runs again.
pub(super) fn hybrid(
    call: &mut Call<'_>,
    request: &HybridRequest,
    counts: bool,
) -> Result<Option<SearchExecution>, CommandError> {
    let options = &request.aggregate.options;
    if let Some(taken) = merging::take_result(call) {
        return walk_over(call, options, taken?).map(Some);
    }
    let pipeline = of_both(call, request)?;
    let question = question(call, options, &[], false);
    let first = of_text_needed(call, request)?;
    let Some(answers) = ask(call, &question, options, first)? else {
        return Ok(None);
    };
    let mut pipeline = pipeline.of_shards(true);
    if counts {
        pipeline.count_steps();
    }
    let (metric, of) = (metric(call, request)?, request.clone());
    let taken = merging::off_loop(call, answers, move |mut answers| {
        let warnings = warnings_of(&answers);
        let profiles = take_profiles(&mut answers);
        pipeline.take_hybrid(&of, metric, answers);
        MergedPipeline {
            pipeline,
            warnings,
            profiles,
        }
    });
    let taken = taken.transpose()?;
    taken
        .map(|taken| walk_over(call, options, taken))
        .transpose()
}

/// The metric of the vectors of FT.HYBRID.
fn metric(call: &Call<'_>, request: &HybridRequest) -> Result<Metric, CommandError> {
    let held = readable(call, call.args.at(1))?;
    Ok(metric_of(request, held.index.schema()))
}

/// The walks of FT.HYBRID's two cursors; `request` has the stages of both. `None`: the client
/// waits, and the command runs again.
pub(super) fn both_sides(
    call: &mut Call<'_>,
    request: &HybridRequest,
) -> Result<Option<[SearchExecution; 2]>, CommandError> {
    let name = call.args.at(1);
    let options = &request.aggregate.options;
    if let Some(taken) = merging::take_result::<[MergedPipeline; 2]>(call) {
        return walks_over(call, options, taken?).map(Some);
    }
    check_cursors(call.server, name, options)?;
    let pipelines = [of_both(call, request)?, of_both(call, request)?];
    let question = question(call, options, &[], false);
    let first = of_text_needed(call, request)?;
    let Some(answers) = ask(call, &question, options, first)? else {
        return Ok(None);
    };
    let [text, vector] = pipelines.map(|pipeline| pipeline.of_shards(true));
    let (metric, of) = (metric(call, request)?, request.clone());
    let taken = merging::off_loop(call, answers, move |answers| {
        let warnings = warnings_of(&answers);
        [(text, 0), (vector, 1)].map(|(mut pipeline, side)| {
            pipeline.take_side(&of, metric, answers.clone(), side);
            MergedPipeline {
                pipeline,
                warnings: warnings.clone(),
                profiles: Profiles::new(),
            }
        })
    });
    let taken = taken.transpose()?;
    taken
        .map(|taken| walks_over(call, options, taken))
        .transpose()
}

fn walks_over(
    call: &mut Call<'_>,
    options: &Options,
    taken: [MergedPipeline; 2],
) -> Result<[SearchExecution; 2], CommandError> {
    let [text, vector] = taken;
    Ok([
        walk_over(call, options, text)?,
        walk_over(call, options, vector)?,
    ])
}

/// Whether the shards are asked for the statistics of the query's side first.
fn of_text_needed(call: &Call<'_>, request: &HybridRequest) -> Result<bool, CommandError> {
    let held = readable(call, call.args.at(1))?;
    let root = request.text_query(held.index.schema());
    let root = root.map_err(|error| refusal(&error))?;
    let options = &request.aggregate.options;
    Ok(statistics::are_needed(call, options, true, root.as_ref()))
}

/// The stages of FT.HYBRID.
fn of_both(call: &Call<'_>, request: &HybridRequest) -> Result<Pipeline, CommandError> {
    let held = readable(call, call.args.at(1))?;
    let pipeline = Pipeline::hybrid(request, held.index.schema());
    pipeline.map_err(|error| refusal(&error))
}

/// Refuses a request for a cursor if the index has the most cursors that it may have.
pub(super) fn check_cursors(
    server: &Server,
    name: &[u8],
    options: &Options,
) -> Result<(), CommandError> {
    // A cursor by an alias counts for the index of the alias.
    let name = server.search.name_of(name).unwrap_or(name);
    let (of_index, _) = server.search.cursors.count(name);
    if options.cursor.is_some() && of_index as u64 >= server.config.search_index_cursor_limit {
        let error = SearchError::new(NO_CURSOR, "Too many cursors allocated for index");
        return Err(refusal(&error));
    }
    Ok(())
}

/// The words of the client, then `more`, then the words for the defaults of directives. `scores`:
/// whether a scorer and a dialect are among these.
fn question(call: &Call<'_>, options: &Options, more: &[&[u8]], scores: bool) -> OwnedArgs {
    let config = &call.server.config;
    let dialect = options.dialect.number().to_string();
    let timeout = timeout_ms(call.server, options).to_string();
    let mut words = OwnedArgs::new();
    words.push(call.name.as_bytes());
    call.args.from(1).iter().for_each(|word| words.push(word));
    more.iter().for_each(|word| words.push(word));
    if scores {
        words.push(b"DIALECT");
        words.push(dialect.as_bytes());
        if options.scorer.is_none() {
            words.push(b"SCORER");
            let scorer = default_scorer(config.search_default_scorer);
            words.push(scorer.name().as_bytes());
        }
    }
    words.push(b"TIMEOUT");
    words.push(timeout.as_bytes());
    words
}

fn timeout_ms(server: &Server, options: &Options) -> u64 {
    options.timeout_ms.unwrap_or(server.config.search_timeout)
}

/// The answers of all shards, not yet read, in the order of their nodes' ids; `first`: they are
/// asked for their statistics first. `None`: the client waits, and the command runs again.
fn ask(
    call: &mut Call<'_>,
    question: &OwnedArgs,
    options: &Options,
    first: bool,
) -> Result<Option<Vec<Vec<u8>>>, CommandError> {
    let wait_ms = match timeout_ms(call.server, options) {
        0 => WAIT_MS,
        timeout_ms => timeout_ms.saturating_add(GRACE_MS),
    };
    let (answers, until_ms, kept) = match call.answers_of_all(wait_ms)? {
        ShardAnswers::Complete {
            answers,
            until_ms,
            kept,
        } => (answers, until_ms, kept),
        ShardAnswers::NotYet { until_ms } if first => {
            let gather = statistics::marked(question, statistics::GATHER);
            call.ask_all(gather.args(), until_ms, Vec::new())?;
            return Ok(None);
        }
        ShardAnswers::NotYet { until_ms } => {
            call.ask_all(question.args(), until_ms, Vec::new())?;
            return Ok(None);
        }
    };
    let scorer = scorer_of(&call.server.config, options);
    if let Next::Question { word, kept } = statistics::next(&answers, &kept, scorer)? {
        let question = statistics::marked(question, &word);
        call.ask_all(question.args(), until_ms, kept)?;
        return Ok(None);
    }
    Ok(Some(answers))
}

fn warnings_of(answers: &[Answer]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for warning in answers.iter().flat_map(|answer| &answer.warnings) {
        if !all.contains(warning) {
            all.push(warning.clone());
        }
    }
    all
}

fn take_profiles(answers: &mut [Answer]) -> Profiles {
    let answers = answers.iter_mut();
    answers
        .map(|answer| std::mem::take(&mut answer.profile))
        .collect()
}

/// Answers another node.
pub(super) fn answer(call: &mut Call<'_>, answer: &Answer) {
    call.reply.raw(&[b"=", &*answer.bytes()].concat());
}

/// Answers another node with the rows of a finished walk, and with the profile if the question
/// asked for it.
pub(super) fn answer_rows(call: &mut Call<'_>, walk: &mut SearchExecution, profile: [Vec<u8>; 2]) {
    let rows = walk.take_rows();
    let held = call.server.search.get(walk.index());
    let its = Answer::of(rows, walk.pipeline(), |row| {
        let Some((document, held)) = row.document.zip(held) else {
            return (None, None);
        };
        let index = &held.index;
        (index.living_key(document), index.payload(document))
    });
    let warnings = walk.warnings().map(str::to_owned).collect();
    let whole = Answer {
        warnings,
        profile,
        ..its
    };
    answer(call, &whole);
}
