//! PROFILE: a query with the reads of its parts, the rows of its stages, and the time that both
//! took.
//!
//! The query runs in slices, as any other: reads that the next slice makes again do not count.
//! Times are wall-clock milliseconds. The time of a part includes the parts in it; the time of a
//! stage does not include the stages before. Without `search-_print-profile-clock` the reply has no
//! times.
//!
//!     hybrid    HYBRID: both sides, and the stages after them
//!     explain   EXPLAIN, EXPLAINCLI: a query as the parser reads it, with ANALYZE the costs

mod explain;
mod hybrid;

pub(super) use explain::{EXPLAIN, EXPLAINCLI};

use super::row::{READS, SEARCHING, catch_up};
use super::shards::{self, Profiles, statistics};
use super::walk::{SearchExecution, work};
use super::{aggregate, query};
use russet_base::clock::{self, Cycles};
use russet_command::{Arity, CommandError, Facts};
use russet_resp::Reply;
use russet_search::iterate::PartProfile;
use russet_search::pipeline::StepProfile;
use russet_search::schema::Schema;
use russet_server::{Call, CommandResult, Spec};

const NO_KIND: CommandError = CommandError::Text("No `SEARCH`, `AGGREGATE`, or `HYBRID` provided");
const NO_QUERY: CommandError = CommandError::Text("The QUERY keyword is expected");

pub(super) const PROFILE: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: READS,
    categories: SEARCHING,
    work: work::PROFILE,
    facts: Facts::ASKS_NODES,
    ..Spec::new("FT.PROFILE", profile)
};

/// The clock as a query went on.
struct Times {
    began: u64,
    parsed: u64,
    created: u64,
}

impl Times {
    /// The walk that was begun before.
    fn resume(&mut self, walk: SearchExecution) -> SearchExecution {
        (self.began, self.parsed) = (walk.began(), walk.began());
        walk
    }
}

/// `FT.PROFILE index SEARCH | AGGREGATE | HYBRID [LIMITED] QUERY query [option ...]`: the reply of
/// the command, and the reads of the query's parts; LIMITED: only the number of the terms that a
/// prefix or the like stands for.
///
/// Reply: RESP2: array of the command's reply and an array; RESP3: map of `Results` and `Profile`;
/// of HYBRID the usual reply with the profile as an additional entry. O(documents that parts of the
/// query match).
fn profile(call: &mut Call<'_>) -> CommandResult {
    let began = clock::cycles();
    if call.postpone_if_turn_is_full() {
        return Ok(());
    }
    catch_up(call)?;
    let args = call.args;
    let searches = args.is(2, "SEARCH");
    let is_hybrid = args.is(2, "HYBRID");
    if !searches && !is_hybrid && !args.is(2, "AGGREGATE") {
        return Err(NO_KIND);
    }
    let is_limited = args.is(3, "LIMITED");
    let at = 3 + usize::from(is_limited);
    if !args.is(at, "QUERY") {
        return Err(NO_QUERY);
    }
    if is_hybrid {
        return hybrid::profile(call, at + 1, is_limited, began);
    }
    let text = args.get(at + 1);
    let text = text.ok_or_else(|| CommandError::WrongArity(call.name.to_owned()))?;
    let question = Question {
        text,
        options_at: at + 2,
        is_limited,
        began,
    };
    let mut times = Times {
        began,
        parsed: 0,
        created: 0,
    };
    let replied = if searches {
        search(call, &question, &mut times)?
    } else {
        aggregation(call, &question, &mut times)?
    };
    let Some((walk, scores)) = replied else {
        return Ok(());
    };
    let shown = ProfileFormat::new(call, is_limited);
    shown.begin(1, call.reply);
    shown.reply_shard(&walk, scores, &times, call.reply);
    call.reply.simple("Coordinator");
    call.reply.map(0);
    Ok(())
}

/// A query, and how its profile is shown.
struct Question<'a> {
    text: &'a [u8],
    /// The index of the first argument after the query.
    options_at: usize,
    is_limited: bool,
    /// When the command began, in this turn.
    began: u64,
}

/// Begins the reply with the command's own.
fn begin_results(reply: &mut Reply) {
    if reply.resp3() {
        reply.map(2);
        reply.simple("Results");
    } else {
        reply.array(2);
    }
}

/// Whether the shards of a cluster are asked.
fn asks_shards(call: &Call<'_>) -> Result<bool, CommandError> {
    Ok(!call.is_for_other_node() && call.is_of_many_shards()?)
}

/// Runs FT.SEARCH and replies with its rows; the walk, and whether it scores documents. `None`: the
/// command has replied or waits.
fn search(
    call: &mut Call<'_>,
    question: &Question<'_>,
    times: &mut Times,
) -> Result<Option<(SearchExecution, bool)>, CommandError> {
    let text = question.text;
    let asks = asks_shards(call)?;
    let request = query::parse(call, question.options_at)?;
    times.parsed = clock::cycles();
    let tree = |schema: &Schema| request.query(text, schema);
    if statistics::answer(call, &request.options, false, tree)? {
        return Ok(None);
    }
    if asks {
        let write = query::write_merged;
        let Some(mut merged) = shards::search(call, &request, text, write)? else {
            return Ok(None);
        };
        times.created = clock::cycles();
        begin_results(call.reply);
        let profiles = std::mem::take(&mut merged.profiles);
        let warnings = merged.warnings.clone();
        query::reply_merged(call, &request, merged);
        let shown = ProfileFormat::new(call, question.is_limited);
        shown.reply_shards(&profiles, call.reply);
        let warnings: Vec<&str> = warnings.iter().map(String::as_str).collect();
        call.reply.map(1 + shown.clocks());
        shown.reply_head(times, &warnings, call.reply);
        return Ok(None);
    }
    let walk = match SearchExecution::take_resumed(call) {
        Some(walk) => times.resume(walk),
        None => query::begin(call, &request, text, true)?,
    };
    times.created = clock::cycles();
    let write = query::writer(&request);
    let Some(mut walk) = walk.run(call, usize::MAX, question.began, &write)? else {
        return Ok(None);
    };
    let scores = request.sort.is_none() || request.options.with_scores;
    if call.is_for_other_node() {
        answer(call, walk, scores, (times, question.is_limited))?;
        return Ok(None);
    }
    begin_results(call.reply);
    query::reply_rows(call, &request, &mut walk);
    Ok(Some((walk, scores)))
}

/// Runs FT.AGGREGATE and replies with its rows; the walk, and whether it scores documents. `None`:
/// the command has replied or waits.
fn aggregation(
    call: &mut Call<'_>,
    question: &Question<'_>,
    times: &mut Times,
) -> Result<Option<(SearchExecution, bool)>, CommandError> {
    let text = question.text;
    let asks = asks_shards(call)?;
    let request = aggregate::parse(call, question.options_at)?;
    times.parsed = clock::cycles();
    let tree = |schema: &Schema| request.options.query(text, schema);
    if statistics::answer(call, &request.options, false, tree)? {
        return Ok(None);
    }
    let walk = if let Some(walk) = SearchExecution::take_resumed(call) {
        times.resume(walk)
    } else if asks {
        let Some(walk) = shards::aggregate(call, &request, text, true)? else {
            return Ok(None);
        };
        walk.counted()
    } else {
        aggregate::begin(call, &request, text, true)?
    };
    times.created = clock::cycles();
    let most = match call.server.config.search_max_aggregate_results {
        _ if request.counts_all() => usize::MAX,
        rows_max => usize::try_from(rows_max).unwrap_or(usize::MAX),
    };
    let write = aggregate::writer(request.options.format);
    let Some(mut walk) = walk.run(call, most, question.began, &write)? else {
        return Ok(None);
    };
    if call.is_for_other_node() {
        answer(
            call,
            walk,
            request.adds_scores,
            (times, question.is_limited),
        )?;
        return Ok(None);
    }
    begin_results(call.reply);
    aggregate::reply_rows(&mut walk, request.options.format, call.reply);
    if let Some(profiles) = walk.take_shard_profiles() {
        let shown = ProfileFormat::new(call, question.is_limited);
        shown.reply_shards(&profiles, call.reply);
        let warnings: Vec<&str> = walk.warnings().collect();
        call.reply.map(2 + shown.clocks());
        shown.reply_head(times, &warnings, call.reply);
        shown.reply_steps(&of_network(walk.pipeline().step_profiles()), call.reply);
        return Ok(None);
    }
    Ok(Some((walk, request.adds_scores)))
}

/// Answers another node with the rows of a walk, and the profile in both protocols.
fn answer(
    call: &mut Call<'_>,
    mut walk: SearchExecution,
    scores: bool,
    (times, is_limited): (&Times, bool),
) -> CommandResult {
    let shown = ProfileFormat::new(call, is_limited);
    let profile = in_both(|reply| shown.reply_shard(&walk, scores, times, reply));
    shards::answer_rows(call, &mut walk, profile);
    Ok(())
}

/// A part of a reply in RESP2 and in RESP3.
fn in_both(write: impl Fn(&mut Reply)) -> [Vec<u8>; 2] {
    [false, true].map(|is_resp3| {
        let mut reply = Reply::new();
        reply.set_resp3(is_resp3);
        write(&mut reply);
        reply.pending().to_vec()
    })
}

/// The first stage of the node that was asked takes rows of shards.
fn of_network(mut steps: Vec<StepProfile>) -> Vec<StepProfile> {
    if let Some(first) = steps.first_mut() {
        first.name = "Network".to_owned();
    }
    steps
}

/// How a profile is shown.
struct ProfileFormat {
    is_limited: bool,
    has_clock: bool,
    cycles: Cycles,
    /// The id of this node of a cluster.
    shard: Option<String>,
}

impl ProfileFormat {
    fn new(call: &Call<'_>, is_limited: bool) -> ProfileFormat {
        let cluster = call.server.cluster.as_ref();
        ProfileFormat {
            is_limited,
            has_clock: call.server.config.search__print_profile_clock,
            cycles: call.server.cycles.clone(),
            shard: cluster.map(|driver| driver.core.my_id().to_string()),
        }
    }

    fn milliseconds(&self, ticks: u64) -> f64 {
        self.cycles.nanos(ticks) as f64 / 1e6
    }

    /// Begins the profile, with the parts of some shards.
    fn begin(&self, shards: usize, reply: &mut Reply) {
        if reply.resp3() {
            reply.simple("Profile");
        }
        reply.map(2);
        reply.simple("Shards");
        reply.array(shards);
    }

    /// The parts that shards have sent; the coordinator's map comes next.
    fn reply_shards(&self, profiles: &Profiles, reply: &mut Reply) {
        self.begin(profiles.len(), reply);
        let at = usize::from(reply.resp3());
        profiles.iter().for_each(|both| reply.raw(&both[at]));
        reply.simple("Coordinator");
    }

    /// The name of this server's shard, if this server is a node of a cluster.
    fn reply_name(&self, reply: &mut Reply) {
        if let Some(shard) = &self.shard {
            reply.simple("Shard ID");
            reply.simple(shard);
        }
    }

    /// The part of a shard, this server.
    fn reply_shard(&self, walk: &SearchExecution, scores: bool, times: &Times, reply: &mut Reply) {
        reply.map(3 + usize::from(self.shard.is_some()) + self.clocks());
        self.reply_name(reply);
        let warnings: Vec<&str> = walk.warnings().collect();
        self.reply_head(times, &warnings, reply);
        let empty = PartProfile::empty();
        let root = walk.parts().unwrap_or(&empty);
        reply.simple("Iterators profile");
        self.reply_part(root, reply);
        self.reply_steps(&steps(walk, root, scores), reply);
    }

    /// Entries of [`ProfileFormat::reply_head`] besides the warnings.
    fn clocks(&self) -> usize {
        if self.has_clock { 4 } else { 0 }
    }

    /// The times and the warnings of a command.
    fn reply_head(&self, times: &Times, warnings: &[&str], reply: &mut Reply) {
        if self.has_clock {
            let total = clock::cycles().wrapping_sub(times.began);
            for (name, ticks) in [
                ("Total profile time", total),
                ("Parsing time", times.parsed.wrapping_sub(times.began)),
                // No other thread takes queries.
                ("Workers queue time", 0),
                (
                    "Pipeline creation time",
                    times.created.wrapping_sub(times.parsed),
                ),
            ] {
                reply.simple(name);
                reply.double(self.milliseconds(ticks));
            }
        }
        reply.simple("Warning");
        let warnings = if warnings.is_empty() {
            &["None"]
        } else {
            warnings
        };
        reply.array(warnings.len());
        warnings.iter().for_each(|warning| reply.simple(warning));
    }

    fn reply_steps(&self, steps: &[StepProfile], reply: &mut Reply) {
        reply.simple("Result processors profile");
        reply.array(steps.len());
        for step in steps {
            reply.map(2 + usize::from(self.has_clock));
            reply.simple("Type");
            reply.simple_bytes(step.name.as_bytes());
            if self.has_clock {
                reply.simple("Time");
                reply.double(self.milliseconds(step.cycles));
            }
            reply.simple("Results processed");
            reply.int(step.rows as i64);
        }
    }

    fn reply_part(&self, part: &PartProfile, reply: &mut Reply) {
        let is_list = ["UNION", "INTERSECT"].contains(&part.kind);
        let optional = [
            part.query.is_some(),
            part.term.is_some(),
            part.mode.is_some(),
            part.estimate.is_some(),
            is_list || !part.parts.is_empty(),
        ];
        reply.map(
            2 + usize::from(self.has_clock) + optional.iter().filter(|is_there| **is_there).count(),
        );
        reply.simple("Type");
        reply.simple(part.kind);
        for (name, text) in [("Query type", &part.query), ("Term", &part.term)] {
            if let Some(text) = text {
                reply.simple(name);
                reply.simple_bytes(text);
            }
        }
        if self.has_clock {
            reply.simple("Time");
            reply.double(self.milliseconds(part.cycles));
        }
        reply.simple("Number of reading operations");
        reply.int(part.reads as i64);
        if let Some(mode) = part.mode {
            reply.simple("Vector search mode");
            reply.simple(mode);
        }
        if let Some(estimate) = part.estimate {
            reply.simple("Estimated number of matches");
            reply.int(estimate as i64);
        }
        let stands_for_terms = part.query.as_deref().is_some_and(|query| query != b"UNION");
        if is_list && self.is_limited && stands_for_terms {
            reply.simple("Child iterators");
            let count = part.parts.len();
            reply.simple(&format!("The number of iterators in the union is {count}"));
        } else if is_list {
            reply.simple("Child iterators");
            reply.array(part.parts.len());
            part.parts
                .iter()
                .for_each(|part| self.reply_part(part, reply));
        } else if let Some(only) = part.parts.first() {
            reply.simple("Child iterator");
            self.reply_part(only, reply);
        }
    }
}

/// The stages of a query. The first stage's time less the time of the reads is the time of the
/// scores.
fn steps(walk: &SearchExecution, root: &PartProfile, scores: bool) -> Vec<StepProfile> {
    let mut steps = walk.pipeline().step_profiles();
    if let Some(first) = steps.first_mut().filter(|_| scores) {
        let scorer = StepProfile {
            name: "Scorer".to_owned(),
            rows: first.rows,
            cycles: first.cycles.saturating_sub(root.cycles),
        };
        first.cycles = root.cycles.min(first.cycles);
        steps.insert(1, scorer);
    }
    steps
}
