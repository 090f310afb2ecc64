//! A running query: it pulls documents through the stages, in slices of the loop.
//!
//! After a slice the loop serves other clients, and the command runs again and continues where it
//! stopped. The walk first finds the terms and documents that parts of the query stand for, once
//! ([`Preparation`]); then it takes the matching documents window by window ([`Windows`]). A
//! document that changes meanwhile keeps its number, so that no document comes twice; the walk
//! leaves out a document that is removed. In a script and in EXEC a query runs to its end at once.
//! A query whose time is up (TIMEOUT, `search-timeout`) replies with the rows that it has, or with
//! an error (`search-on-timeout`), in whichever step it is.
//!
//! Rows and groups that the walk keeps between slices are clients' memory ([`kept`]), and have a
//! bound: the server first ends idle cursors to make room, then refuses a query beyond the bound.
//! The walk writes rows as they come ([`body`]).
//!
//!     documents the documents of a query, prefetched; which of them have expired
//!     pull      the loop of a slice: rows, until there are enough or the time is up
//!     body      the rows of a reply, written as they come
//!     kept      the memory of a query between its slices
//!     rows      rows that have come out of the stages
//!     listing   long lists of texts, in slices as well
//!     loading   fields of documents that replies and stages ask for
//!     work      an estimate of the documents that a query will look at

mod body;
mod documents;
mod kept;
pub(super) mod listing;
pub(super) mod loading;
mod pull;
mod rows;
pub(super) mod work;

#[cfg(test)]
mod tests;

pub(super) use body::Body;
pub(super) use documents::ExpiryCheck;
pub(super) use pull::BUDGET;
pub(super) use rows::{RowContext, Writer};

use super::hybrid::sides::{Clock, Merger, SideProfile, Sides};
use super::row::{READS_STILL, refusal};
use super::settings::search_of;
use super::shards::{MergedPipeline, Profiles, statistics};
use documents::Prefetcher;
use kept::ReplyMemory;
use loading::Reader;
use pull::{RowPull, SliceClock};
use rows::Rows;
use russet_base::clock;
use russet_base::memory::alloc::{self, OwnedBytes};
use russet_command::CommandError;
use russet_config::{SearchOnOom, SearchOnTimeout};
use russet_resp::Reply;
use russet_search::error::{INDEX_DROPPED, OUT_OF_MEMORY, SearchError, TIMEOUT};
use russet_search::hit::{DocumentId, Hit};
use russet_search::index::Index;
use russet_search::iterate::{self, Course, PartProfile, Preparation, Windows};
use russet_search::pipeline::{Hits, OutputRow, Pipeline};
use russet_search::query::Node;
use russet_search::request::Options;
use russet_search::schema::Schema;
use russet_search::search::Search;
use russet_server::tasks::Task;
use russet_server::{Call, Server, Slice};
use russet_types::vector_set::Progress;

/// Milliseconds for rows that there are when the time is up.
const GRACE_MS: u64 = 25;
/// A query that keeps fewer bytes continues, however much other queries keep.
const ALWAYS_KEPT: usize = 1 << 20;

fn out_of_memory() -> SearchError {
    let text = "Not enough memory available to execute the query";
    SearchError::new(OUT_OF_MEMORY, text)
}

/// See the module.
pub(super) struct SearchExecution {
    index: Box<[u8]>,
    birth: u64,
    source: Source,
    search: Search,
    pipeline: ReplyMemory<Pipeline>,
    /// Bytes of the pipeline, of rows and of their text.
    bytes: OwnedBytes,
    preparation: Preparation,
    /// Where the walk over the documents is.
    course: Course,
    rows: Rows,
    /// Values of JSON are arrays of all that a path finds.
    has_all: bool,
    /// Monotonic milliseconds at which the query's time is up.
    until_ms: Option<u64>,
    is_over: bool,
    is_done: bool,
    is_cut: bool,
    /// Memory is short: it has no rows.
    is_starved: bool,
    /// The sides of FT.HYBRID whose time was up.
    late: Vec<&'static str>,
    /// The warnings of shards.
    of_shards: Vec<String>,
    /// Why no row follows the rows so far.
    failure: Option<String>,
    /// The reading of the clock's cycles.
    began: u64,
    /// The figures of both sides of FT.HYBRID, and the ticks that the merger took.
    sides: Option<([SideProfile; 2], u64)>,
    /// The parts of shards for FT.PROFILE; `None`: the documents are this server's.
    shard_profiles: Option<Profiles>,
}

/// Where the documents of a walk come from.
enum Source {
    /// `None`: nothing matches.
    Query(Option<Node>),
    /// FT.HYBRID, until all documents are gathered.
    Sides(Box<Sides>),
    /// FT.HYBRID, once all documents are gathered: a worker merges many of them.
    Merging(Box<Merger>),
    /// Documents that were gathered.
    List(std::vec::IntoIter<Hit>),
}

/// Runs a walk, or a task that has a walk, until it has `most` rows, or all. `None`: the client
/// waits, and the command runs again and takes the same back.
pub(super) fn run<T: Task + AsMut<SearchExecution>>(
    mut task: Box<T>,
    call: &mut Call<'_>,
    most: usize,
    began: u64,
    write: Writer<'_>,
) -> Result<Option<Box<T>>, CommandError> {
    let walk = (*task).as_mut();
    walk.begin_rows(call);
    let mut uncounted = began;
    loop {
        let waits = call.may_leave_loop();
        let slice = if waits {
            call.slice()
        } else {
            Some(call.whole_slice())
        };
        let progress = match slice {
            Some(slice) => walk.continue_until(call, most, slice, write)?,
            None => Progress::More,
        };
        call.end_slice(uncounted);
        call.may_touch(walk.pipeline.combinations())?;
        if progress == Progress::Done {
            return Ok(Some(task));
        }
        if walk.check_time(call.server, began)? {
            return Ok(Some(task));
        }
        walk.check_memory(call.server)?;
        if waits {
            if walk.needs_worker() {
                call.block_on_task(task);
            } else {
                let until_ms = walk.until_ms;
                call.wait_for_turn(task, until_ms);
            }
            return Ok(None);
        }
        call.may_continue(began)?;
        uncounted = clock::cycles();
    }
}

impl AsMut<SearchExecution> for SearchExecution {
    fn as_mut(&mut self) -> &mut SearchExecution {
        self
    }
}

impl Task for SearchExecution {
    /// Documents are merged and texts marked: the keyspace is not needed.
    fn step(&mut self, _nanos: usize) -> Progress {
        self.merge();
        self.rows.mark(&self.pipeline);
        Progress::Done
    }

    fn is_for_workers(&self) -> bool {
        self.needs_worker()
    }
}

/// The documents that a walk asks for, without the stages.
pub(super) struct Question<'a> {
    pub index: &'a [u8],
    pub asked: QuerySource,
    pub options: &'a Options,
    /// Whether rows need scores.
    pub scores: bool,
    /// Whether reads and rows are counted.
    pub profiles: bool,
}

/// The documents that the query asks for.
pub(super) enum QuerySource {
    /// `None`: nothing matches.
    Query(Option<Node>),
    Sides(Box<Sides>),
}

impl SearchExecution {
    /// A walk from the first document on; `stages` makes the pipeline from the names of distances
    /// and the query with the stems of the words.
    pub(super) fn begin(
        call: &mut Call<'_>,
        question: Question<'_>,
        stages: impl FnOnce(&Schema, &[Vec<u8>], Option<&Node>) -> Result<Pipeline, SearchError>,
    ) -> Result<SearchExecution, CommandError> {
        let now_ms = call.server.now.mono_ms;
        let config = &call.server.config;
        let Question {
            index,
            asked,
            options,
            scores,
            profiles,
        } = question;
        let held = call.server.search.get(index);
        let held = held.ok_or_else(|| refusal(&SearchError::no_such_index(index)))?;
        let mut search = search_of(config, &held.index, options, scores);
        search.is_2_10 = call.server.debug.searches_as_2_10;
        search.profiles = profiles;
        let (statistics, warning) = statistics::question_statistics(call)?;
        let short = held.is_short().then(|| READS_STILL.to_owned());
        search.statistics = statistics;
        search.among = call.server.documents_that_count(call.db.keyspace(), held);
        let wrong = |error| refusal(&SearchError::from(error));
        let policy = config.search_on_oom;
        let is_starved = policy != SearchOnOom::Ignore && call.server.is_out_of_memory();
        if is_starved && policy == SearchOnOom::Fail {
            return Err(refusal(&out_of_memory()));
        }
        let mut names = Vec::new();
        let mut source = match asked {
            QuerySource::Query(None) => Source::Query(None),
            QuerySource::Query(Some(root)) => {
                let root = held.index.expand(&root, &search).map_err(wrong)?;
                names = held.index.check(&root, &search).map_err(wrong)?;
                Source::Query(Some(root))
            }
            QuerySource::Sides(mut sides) => {
                search.is_hybrid = true;
                sides.expand(&held.index, &search).map_err(wrong)?;
                Source::Sides(sides)
            }
        };
        let root = match &source {
            Source::Query(root) => root.as_ref(),
            _ => None,
        };
        let pipeline = stages(held.index.schema(), &names, root);
        let mut pipeline = pipeline.map_err(|error| refusal(&error))?;
        search.terms = pipeline.asks_terms();
        if profiles {
            pipeline.count_steps();
        }
        if is_starved {
            source = Source::Query(None);
        }
        let timeout_ms = options.timeout_ms.unwrap_or(config.search_timeout);
        let (name, birth) = (call.server.search.name_of(index), held.birth);
        let warnings = warning.into_iter().chain(held.shortfall()).chain(short);
        let walk = SearchExecution {
            source,
            search,
            until_ms: (timeout_ms > 0).then(|| now_ms + timeout_ms),
            is_starved,
            of_shards: warnings.collect(),
            ..SearchExecution::new(name.unwrap_or(index).into(), birth, pipeline, options)
        };
        if let Some(held) = call.server.search.get_mut(&walk.index) {
            held.record_use(now_ms, options.dialect);
        }
        Ok(walk)
    }

    /// A walk over the rows of a cluster's shards, which the pipeline has.
    pub(super) fn of_shards(
        call: &mut Call<'_>,
        index: &[u8],
        options: &Options,
        MergedPipeline {
            pipeline,
            warnings,
            profiles,
        }: MergedPipeline,
    ) -> Result<SearchExecution, CommandError> {
        let now_ms = call.server.now.mono_ms;
        let timeout_ms = options
            .timeout_ms
            .unwrap_or(call.server.config.search_timeout);
        let name = call.server.search.name_of(index).unwrap_or(index);
        let name: Box<[u8]> = name.into();
        let held = call.server.search.get_mut(&name);
        let held = held.ok_or_else(|| refusal(&SearchError::no_such_index(index)))?;
        held.record_use(now_ms, options.dialect);
        let birth = held.birth;
        Ok(SearchExecution {
            until_ms: (timeout_ms > 0).then(|| now_ms + timeout_ms),
            of_shards: warnings,
            shard_profiles: Some(profiles),
            ..SearchExecution::new(name, birth, pipeline, options)
        })
    }

    /// A walk over no documents.
    fn new(index: Box<[u8]>, birth: u64, pipeline: Pipeline, options: &Options) -> SearchExecution {
        SearchExecution {
            index,
            birth,
            source: Source::List(Vec::new().into_iter()),
            search: Search::default(),
            pipeline: ReplyMemory::new(pipeline),
            bytes: OwnedBytes::default(),
            preparation: Preparation::default(),
            course: Course::default(),
            rows: Rows::of(options.format),
            has_all: options.dialect.returns_all(),
            until_ms: None,
            is_over: false,
            is_done: false,
            is_cut: false,
            is_starved: false,
            late: Vec::new(),
            of_shards: Vec::new(),
            failure: None,
            began: clock::cycles(),
            sides: None,
            shard_profiles: None,
        }
    }

    /// Goes on until it has `most` rows, or all; `Progress::More`: the slice is over.
    pub(super) fn continue_until(
        &mut self,
        call: &mut Call<'_>,
        most: usize,
        slice: Slice,
        write: Writer<'_>,
    ) -> Result<Progress, CommandError> {
        let balance = alloc::thread_balance();
        let progress = self.slice(call, most, slice, write);
        self.bytes.add_since(balance);
        self.pipeline.set_bytes(self.bytes.bytes());
        progress
    }

    /// Merges both sides of FT.HYBRID, if they are there and are not merged yet.
    fn merge(&mut self) {
        if let Source::Merging(merger) = &mut self.source {
            let began = clock::cycles();
            let hits = merger.merge();
            if let Some((_, cycles)) = &mut self.sides {
                *cycles = clock::cycles().wrapping_sub(began);
            }
            self.source = Source::List(hits.into_iter());
        }
    }

    /// A slice: see [`SearchExecution::continue_until`].
    fn slice(
        &mut self,
        call: &mut Call<'_>,
        most: usize,
        slice: Slice,
        write: Writer<'_>,
    ) -> Result<Progress, CommandError> {
        let clock = SliceClock {
            cycles: call.server.cycles.clone(),
            slice,
            now_ms: call.server.now.mono_ms,
            until_ms: self.until_ms,
            may_leave_loop: call.may_leave_loop(),
        };
        let wrong = |error| refusal(&SearchError::from(error));
        let server = &mut *call.server;
        let held = server.search.get(&self.index);
        let held = held.filter(|held| held.birth == self.birth);
        let Some(held) = held else {
            let text = "The index was dropped before the query could be executed";
            return Err(refusal(&SearchError::new(INDEX_DROPPED, text)));
        };
        let may_hold_expired = call.db.keyspace().may_hold_expired();
        let db = call.db.keyspace().db(held.database());
        let expiring = ExpiryCheck {
            db: &db,
            index: &held.index,
        };
        let expiring = may_hold_expired.then_some(expiring);
        if self.gather_sides(&held.index, &clock, expiring)? == Progress::More {
            return Ok(Progress::More);
        }
        self.merge();
        let walks = self.pipeline.pulls_documents() && !self.is_over;
        if walks && self.prepare(&held.index, &clock, expiring)? == Progress::More {
            return Ok(Progress::More);
        }
        let key_type = held.index.schema().key_type;
        let reader = Reader::new(&db, &mut server.json_paths, key_type, self.has_all);
        let mut none = Vec::new().into_iter();
        let mut ahead = None;
        let hits: &mut dyn Hits = match &mut self.source {
            Source::Query(Some(root)) if walks => {
                let fields = self.pipeline.fields_read();
                ahead.insert(Prefetcher {
                    windows: Windows::new(&held.index, root, &self.search, &mut self.course),
                    reader: fields.map(|fields| (&reader, &held.index, fields)),
                    ahead: Vec::new(),
                    expiring,
                })
            }
            Source::List(hits) => hits,
            _ => &mut none,
        };
        let mut pull = RowPull {
            pipeline: &mut self.pipeline,
            rows: &mut self.rows,
            failure: &mut self.failure,
            is_done: &mut self.is_done,
            is_over: self.is_over,
            is_hybrid: self.search.is_hybrid,
            clock: &clock,
            write,
        };
        let progress = pull.run(most, hits, (&held.index, &reader))?;
        if let Some(ahead) = ahead {
            ahead.finish().map_err(wrong)?;
        }
        Ok(progress)
    }

    /// Gathers both sides of FT.HYBRID, unless that is done.
    fn gather_sides(
        &mut self,
        index: &Index,
        clock: &SliceClock,
        expiring: Option<ExpiryCheck<'_>>,
    ) -> Result<Progress, CommandError> {
        let Source::Sides(sides) = &mut self.source else {
            return Ok(Progress::Done);
        };
        let is_late = self.is_over;
        let time = Clock {
            is_slice_over: &|| clock.slice.is_over(),
            is_late: &|| is_late || clock.is_late(),
        };
        let Some(hits) = sides.gather(index, &mut self.search, &time, expiring)? else {
            return Ok(Progress::More);
        };
        self.late = std::mem::take(&mut sides.late);
        self.sides = sides.profiles.take();
        let waits = hits.takes_long() && clock.may_leave_loop && !self.search.profiles;
        self.source = Source::Merging(Box::new(hits));
        Ok(if waits {
            Progress::More
        } else {
            Progress::Done
        })
    }

    /// Finds the terms and documents that parts of the query stand for, unless that is done.
    #[inline]
    fn prepare(
        &mut self,
        index: &Index,
        clock: &SliceClock,
        expiring: Option<ExpiryCheck<'_>>,
    ) -> Result<Progress, CommandError> {
        let Source::Query(Some(root)) = &mut self.source else {
            return Ok(Progress::Done);
        };
        let is_over = || clock.slice.is_over() || clock.is_late();
        let living = expiring.map(|its| move |id: u32| its.lives(DocumentId(id)));
        let living = living.as_ref().map(|lives| lives as &dyn Fn(u32) -> bool);
        let time = &mut iterate::Clock::new(&is_over).among_living(living);
        let preparation = &mut self.preparation;
        let is_done = preparation.advance(index, root, &mut self.search, time);
        if !is_done.map_err(|error| refusal(&SearchError::from(error)))? {
            return Ok(Progress::More);
        }
        self.is_cut = preparation.hit_limit_of_expansions(root);
        Ok(Progress::Done)
    }

    /// Whether documents are to be merged, or texts marked, which a worker does.
    fn needs_worker(&self) -> bool {
        matches!(self.source, Source::Merging(_)) || self.rows.wait_for_worker()
    }

    /// If the query's time is up the walk takes no more documents; some time later the walk ends
    /// where it is (`true`), with the rows that are written. `began`: when the command began, in
    /// this turn.
    fn check_time(&mut self, server: &Server, began: u64) -> Result<bool, CommandError> {
        let passed_us = server.cycles.micros(clock::cycles().wrapping_sub(began));
        let now_ms = server.now.mono_ms + passed_us / 1000;
        let Some(until_ms) = self.until_ms.filter(|until_ms| now_ms >= *until_ms) else {
            return Ok(false);
        };
        if self.is_over {
            return Ok(now_ms >= until_ms.saturating_add(GRACE_MS));
        }
        if server.config.search_on_timeout == SearchOnTimeout::Fail {
            let error = SearchError::new(TIMEOUT, "Timeout limit was reached");
            return Err(refusal(&error));
        }
        self.is_over = true;
        Ok(false)
    }

    /// Refuses to continue if the query keeps much, and all queries together keep more than they
    /// may.
    fn check_memory(&self, server: &mut Server) -> Result<(), CommandError> {
        if self.bytes.bytes() < ALWAYS_KEPT || server.make_room_for_queries() {
            return Ok(());
        }
        Err(refusal(&out_of_memory()))
    }

    /// See [`run`].
    pub(super) fn run(
        self,
        call: &mut Call<'_>,
        most: usize,
        began: u64,
        write: Writer<'_>,
    ) -> Result<Option<SearchExecution>, CommandError> {
        let walk = run(Box::new(self), call, most, began, write)?;
        Ok(walk.map(|walk| *walk))
    }

    /// The walk that a command blocked on, if it runs again.
    pub(super) fn take_resumed(call: &mut Call<'_>) -> Option<SearchExecution> {
        call.server
            .tasks
            .take_task::<SearchExecution>()
            .map(|walk| *walk)
    }

    /// This walk, with counted reads and rows.
    #[must_use]
    pub(super) fn counted(mut self) -> SearchExecution {
        self.search.profiles = true;
        self
    }

    /// The rows of an answer to another node.
    pub(super) fn take_rows(&mut self) -> Vec<OutputRow> {
        std::mem::take(&mut self.rows.kept)
    }

    /// The rows for a reply, as they were written.
    pub(super) fn take_body(&mut self, reply: &Reply) -> Body {
        let body = self.rows.body.take();
        body.unwrap_or_else(|| Body::new(reply.resp3()))
    }

    /// From now on writes rows, except in an answer to another node.
    fn begin_rows(&mut self, call: &Call<'_>) {
        if !call.is_for_other_node() {
            let resp3 = call.reply.resp3();
            self.rows.resp3 = resp3;
            self.rows.body.get_or_insert_with(|| Body::new(resp3));
        }
    }

    /// The parts of shards for FT.PROFILE; `None`: the documents are this server's.
    pub(super) fn take_shard_profiles(&mut self) -> Option<Profiles> {
        self.shard_profiles.take()
    }

    /// The reads of each part of the query; `None`: nothing was counted, or it matches
    /// nothing.
    pub(super) fn parts(&self) -> Option<&PartProfile> {
        self.course.profile()
    }

    /// The reads of both sides of FT.HYBRID, and the ticks that their merging took.
    pub(super) fn sides(&self) -> Option<&([SideProfile; 2], u64)> {
        self.sides.as_ref()
    }

    pub(super) fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Whether there are no more rows.
    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// The time of the next rows of a cursor begins now.
    pub(super) fn renew(&mut self, server: &Server) {
        let timeout_ms = server.config.search_timeout;
        self.until_ms = (timeout_ms > 0).then(|| server.now.mono_ms + timeout_ms);
        self.is_over = false;
    }

    /// The reading of the clock's cycles when it began.
    pub(super) fn began(&self) -> u64 {
        self.began
    }

    /// Milliseconds since the query began, including the time of other clients.
    pub(super) fn milliseconds(&self, server: &Server) -> f64 {
        let passed = clock::cycles().wrapping_sub(self.began);
        server.cycles.micros(passed) as f64 / 1000.0
    }

    pub(super) fn index(&self) -> &[u8] {
        &self.index
    }

    /// Warnings about missing rows.
    pub(super) fn warnings(&self) -> impl Iterator<Item = &str> {
        let is_late = self.is_over && self.late.is_empty();
        let time = is_late.then_some("Timeout limit was reached");
        let memory = "Shard failed to execute the query due to insufficient memory";
        let memory = self.is_starved.then_some(memory);
        let prefixes = self
            .is_cut
            .then_some("Max prefix expansions limit was reached");
        memory
            .into_iter()
            .chain(time)
            .chain(self.late.iter().copied())
            .chain(prefixes)
            .chain(self.of_shards.iter().map(String::as_str))
            .chain(self.failure.as_deref())
    }
}
