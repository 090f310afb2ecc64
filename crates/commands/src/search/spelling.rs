//! SPELLCHECK.
//!
//! Words of the query, and terms near to them: `russet_search::spelling`. Dictionaries are those of
//! DICTADD.

use super::row::{READS, catch_up, readable_or, refusal, words};
use super::settings::defaults;
use super::shards;
use super::walk::work;
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, Category, CommandError, Facts};
use russet_search::error::SearchError;
use russet_search::iterate::Clock;
use russet_search::request::SearchRequest;
use russet_search::spelling::{MisspelledTerm, SpellCheck, Speller};
use russet_server::search::IndexEntry;
use russet_server::{Call, CommandResult, Pieces, Slice, Spec};
use russet_types::vector_set::Progress;

const BAD_DISTANCE: CommandError =
    CommandError::Text("bad distance given, distance must be a natural number between 1 to 4");
const NO_DISTANCE: CommandError =
    CommandError::Text("DISTANCE arg is given but no DISTANCE comes after");
const NO_TERMS: CommandError =
    CommandError::Text("TERM arg is given but no TERM params comes after");
/// As Redis spells it.
const NO_OPERATION: CommandError =
    CommandError::Text("bad format, exlude/include operation was not given");

/// The words of options begin here.
const OPTIONS_AT: usize = 3;

pub(super) const SPELLCHECK: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: READS,
    categories: Category::SEARCH,
    facts: Facts::SHOWS.union(Facts::ASKS_NODES),
    work: work::SPELLING,
    ..Spec::new("FT.SPELLCHECK", check)
};

/// `FT.SPELLCHECK index query [DISTANCE n] [TERMS INCLUDE | EXCLUDE dictionary] ... [DIALECT n]
/// [FULLSCOREINFO]`: the words of a query that no document has, and terms near to them, each with
/// the share of the documents that have it. FULLSCOREINFO: with their number instead, and that of
/// all documents first. Other words are ignored, as in Redis.
///
/// Reply: RESP2: array of arrays `TERM`, word, array of pairs of score and term; RESP3: map with
/// `results`, a map of words to arrays of maps. O(terms whose beginnings are near) for each word.
fn check(call: &mut Call<'_>) -> CommandResult {
    if call.postpone_if_turn_is_full() {
        return Ok(());
    }
    catch_up(call)?;
    if let Some(answer) = call.take_work::<Answer>() {
        return reply(call, answer);
    }
    let (name, text) = (call.args.at(1), call.args.at(2));
    let request = request(call)?;
    let held = index_of(call, name)?;
    let schema = held.index.schema();
    let root = request
        .query(text, schema)
        .map_err(|error| refusal(&error))?;
    speller(call)?;
    // All shards are asked, this one among them.
    let asks = !call.is_for_other_node() && call.is_of_many_shards()?;
    let checking = match call.take_work::<SpellCheck>() {
        Some(checking) => Some(checking),
        None => root.as_ref().filter(|_| !asks).map(SpellCheck::new),
    };
    let found = match checking {
        None => Vec::new(),
        Some(checking) => match call.in_slices(checking, advance)? {
            Some(checking) => checking.into_found(),
            None => return Ok(()),
        },
    };
    let held = index_of(call, name)?;
    let documents = held.index.len();
    let Some((found, documents)) = shards::spelling(call, found, documents)? else {
        return Ok(());
    };
    let pieces = Pieces::new(call.reply);
    reply(
        call,
        Answer {
            found: found.into_iter(),
            word: None,
            documents,
            pieces,
        },
    )
}

/// An answer that is written in slices: a word may have thousands of terms near to it.
struct Answer {
    found: std::vec::IntoIter<MisspelledTerm>,
    /// The terms of the word under way.
    word: Option<std::vec::IntoIter<(usize, Vec<u8>)>>,
    /// All documents of the index.
    documents: usize,
    pieces: Pieces,
}

fn reply(call: &mut Call<'_>, answer: Answer) -> CommandResult {
    let full = option(call, OPTIONS_AT, "FULLSCOREINFO").is_some();
    let (words, documents) = (answer.found.len(), answer.documents);
    let done = call.in_slices(answer, |answer, _, slice| Ok(answer.write(full, slice)))?;
    let Some(answer) = done else {
        return Ok(());
    };
    let total = full.then_some(documents);
    let reply = &mut *call.reply;
    if reply.resp3() {
        reply.map(1 + usize::from(full));
        if let Some(total) = total {
            reply.simple("total_docs");
            reply.int(total as i64);
        }
        reply.simple("results");
        reply.map(words);
    } else {
        reply.array(words + usize::from(full));
        if let Some(total) = total {
            reply.int(total as i64);
        }
    }
    answer.pieces.reply(reply);
    Ok(())
}

/// The index of a name, whose keys the user may read.
fn index_of<'c>(call: &'c Call<'_>, name: &[u8]) -> Result<&'c IndexEntry, CommandError> {
    let unknown = || SearchError::unknown_index(name, "Unknown Index name");
    readable_or(call, name, unknown)
}

/// Continues with the words until the slice is over.
fn advance(
    checking: &mut SpellCheck,
    call: &mut Call<'_>,
    slice: Slice,
) -> Result<Progress, CommandError> {
    let held = index_of(call, call.args.at(1))?;
    let is_over = || slice.is_over();
    let clock = &mut Clock::new(&is_over);
    let is_done = checking.advance(&speller(call)?, &held.index, clock);
    Ok(if is_done {
        Progress::Done
    } else {
        Progress::More
    })
}

/// Where an option stands, from an argument on.
fn option(call: &Call<'_>, from: usize, name: &str) -> Option<usize> {
    (from..call.args.len()).find(|at| call.args.is(*at, name))
}

/// Every word of the query counts, in the dialect that is named.
fn request(call: &Call<'_>) -> Result<SearchRequest, CommandError> {
    let at = option(call, OPTIONS_AT, "DIALECT").unwrap_or(call.args.len());
    let mut dialect = words(call, at);
    dialect.truncate(2);
    let defaults = defaults(call.server, u64::MAX, call.reply.resp3());
    let request = SearchRequest::parse(&dialect, &defaults);
    let mut request = request.map_err(|error| refusal(&error))?;
    request.options.is_strict = true;
    request.options.keeps_stop_words = true;
    Ok(request)
}

fn speller<'c>(call: &'c Call<'_>) -> Result<Speller<'c>, CommandError> {
    let args = call.args;
    let mut speller = Speller {
        distance: 1,
        ..Speller::default()
    };
    if let Some(at) = option(call, OPTIONS_AT, "DISTANCE") {
        let given = args.get(at + 1).ok_or(NO_DISTANCE)?;
        let distance = parse_i64(given).filter(|n| (1..=4).contains(n));
        speller.distance = distance.ok_or(BAD_DISTANCE)? as u8;
    }
    let mut from = OPTIONS_AT;
    while let Some(at) = option(call, from, "TERMS") {
        let name = args.get(at + 2).ok_or(NO_TERMS)?;
        let dictionary = || {
            let dictionary = call.server.search.dictionaries.get(name);
            let missing = || [b"Dict does not exist: ", name].concat();
            dictionary.ok_or_else(|| CommandError::Bytes(missing()))
        };
        if args.is(at + 1, "INCLUDE") {
            speller.included.push(dictionary()?);
        } else if args.is(at + 1, "EXCLUDE") {
            speller.excluded.push(dictionary()?);
        } else {
            return Err(NO_OPERATION);
        }
        from = at + 3;
    }
    Ok(speller)
}

impl Answer {
    /// Writes words and their terms until the slice is over.
    fn write(&mut self, full: bool, slice: Slice) -> Progress {
        /// Terms between two looks at the clock.
        const TERMS: usize = 64;
        let documents = self.documents as f64;
        let score = |n: usize| match n {
            0 => 0.0,
            n if full => n as f64,
            n => n as f64 / documents,
        };
        loop {
            let reply = &mut self.pieces.reply;
            let Some(terms) = &mut self.word else {
                let Some(MisspelledTerm { word, suggestions }) = self.found.next() else {
                    return Progress::Done;
                };
                if !reply.resp3() {
                    reply.array(3);
                    reply.simple("TERM");
                }
                reply.bulk(&word);
                reply.array(suggestions.len());
                self.word = Some(suggestions.into_iter());
                continue;
            };
            for (documents, term) in terms.by_ref().take(TERMS) {
                if reply.resp3() {
                    reply.map(1);
                    reply.bulk(&term);
                    reply.double(score(documents));
                } else {
                    reply.array(2);
                    reply.double(score(documents));
                    reply.bulk(&term);
                }
            }
            if terms.len() == 0 {
                self.word = None;
            }
            if slice.is_over() {
                self.pieces.end_slice();
                return Progress::More;
            }
        }
    }
}
