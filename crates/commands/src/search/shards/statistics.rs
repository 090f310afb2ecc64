//! Scores by the figures of all shards: `search-global-idf`.
//!
//!     asked node: question "?" -> every shard: "#" and its own statistics of the query
//!                 their sum
//!                 question "+" sum -> every shard: its rows, scored by the sum
//!
//! The words of a question are the words of the query, and two more: [`MARK`] and the sign with its
//! bytes. BM25STD.NORM, whose scores are shares of the best score, has a survey in between: "^"
//! sum, answered with "^" and the best score of the shard. If the statistics are too many for a
//! message (`Statistics::is_bounded`) the asked node sends "-": then each shard scores by its own
//! statistics, and warns.
//!
//! Between the surveys the asked node keeps only the sum, in the survey: if slots have moved
//! meanwhile the query begins anew, within its time.
//!
//! Cost: an additional survey, whose message has the terms; at a shard the cost of finding the
//! terms.

use super::super::row::refusal;
use super::super::settings::{scorer_of, search_of};
use super::DAMAGED;
use russet_command::CommandError;
use russet_resp::OwnedArgs;
use russet_search::error::SearchError;
use russet_search::query::{Kind, Node};
use russet_search::request::Options;
use russet_search::schema::Schema;
use russet_search::score::{Scorer, Statistics};
#[cfg(feature = "testing")]
use russet_server::BrokenRule;
use russet_server::Call;
use std::sync::Arc;

/// The last word but one of a question that asks for statistics or carries them. No client sends
/// it, because only nodes know it.
const MARK: &[u8] = b"\0statistics";

const TOO_MANY: &str =
    "The query stands for too many terms: scores are by the documents of each shard";

/// The next question to the shards.
pub(super) enum Next {
    /// Their rows are there.
    Nothing,
    /// The sign with its bytes; the bytes that the survey keeps until the answers come.
    Question { word: Vec<u8>, kept: Vec<u8> },
}

/// Whether the node asks the shards for statistics first; `scores`: whether rows have scores.
pub(super) fn are_needed(
    call: &Call<'_>,
    options: &Options,
    scores: bool,
    root: Option<&Node>,
) -> bool {
    let has_terms = root.is_some_and(|root| match &root.kind {
        Kind::Vector(vector) => vector.filter.is_some(),
        _ => true,
    });
    let is_on = call.server.config.search_global_idf;
    is_on && scores && has_terms && scorer_of(&call.server.config, options).uses_statistics()
}

/// The question with a sign and the sign's bytes.
pub(super) fn marked(question: &OwnedArgs, word: &[u8]) -> OwnedArgs {
    let mut words = OwnedArgs::new();
    question.args().iter().for_each(|word| words.push(word));
    words.push(MARK);
    words.push(word);
    words
}

/// The first question.
pub(super) const GATHER: &[u8] = b"?";

/// The question after these answers; `kept` came with them.
pub(super) fn next(answers: &[Vec<u8>], kept: &[u8], scorer: Scorer) -> Result<Next, CommandError> {
    let signs = answers.iter().map(|answer| answer.first());
    if signs.clone().any(|sign| sign != Some(&b'#')) {
        if signs.clone().all(|sign| sign == Some(&b'^')) {
            return with_best(answers, kept);
        }
        return Ok(Next::Nothing);
    }
    let mut sum: Option<Statistics> = None;
    for answer in answers {
        let is_added = match &answer[1..] {
            [] => false,
            bytes => {
                let its = Statistics::read(bytes).ok_or(DAMAGED)?;
                match &mut sum {
                    Some(sum) => sum.add(&its),
                    None => {
                        sum = Some(its);
                        true
                    }
                }
            }
        };
        if !is_added {
            return Ok(Next::Question {
                word: b"-".to_vec(),
                kept: Vec::new(),
            });
        }
    }
    let bytes = sum.unwrap_or_default().bytes();
    Ok(match scorer {
        Scorer::Bm25StdNorm => Next::Question {
            word: [b"^", &*bytes].concat(),
            kept: bytes,
        },
        _ => Next::Question {
            word: [b"+", &*bytes].concat(),
            kept: Vec::new(),
        },
    })
}

/// The last question of BM25STD.NORM.
fn with_best(answers: &[Vec<u8>], kept: &[u8]) -> Result<Next, CommandError> {
    let mut sum = Statistics::read(kept).ok_or(DAMAGED)?;
    let mut best = 0.0f64;
    for answer in answers {
        let bytes = answer.get(1..).and_then(|bytes| bytes.try_into().ok());
        let bytes: [u8; 8] = bytes.ok_or(DAMAGED)?;
        let its = f64::from_be_bytes(bytes);
        if !its.is_finite() {
            return Err(DAMAGED);
        }
        best = best.max(its);
    }
    sum.best = Some(best);
    Ok(Next::Question {
        word: [b"+", &*sum.bytes()].concat(),
        kept: Vec::new(),
    })
}

/// The sign of another node's question, with the sign's bytes.
fn node_question<'a>(call: &Call<'a>) -> Option<(u8, &'a [u8])> {
    if !call.is_for_other_node() {
        return None;
    }
    let at = call.args.len().checked_sub(2)?;
    if call.args.at(at) != MARK {
        return None;
    }
    let (sign, bytes) = call.args.at(at + 1).split_first()?;
    Some((*sign, bytes))
}

/// How many words at the end of a command are none of the client's.
pub(crate) fn extra_words(call: &Call<'_>) -> usize {
    if node_question(call).is_some() { 2 } else { 0 }
}

/// The statistics that a question gives, and a warning.
pub(crate) fn question_statistics(
    call: &Call<'_>,
) -> Result<(Option<Arc<Statistics>>, Option<String>), CommandError> {
    #[cfg(feature = "testing")]
    if call.server.debug.broken_rule == Some(BrokenRule::ScoresByItsOwn) {
        return Ok((None, None));
    }
    match node_question(call) {
        Some((b'+', bytes)) => {
            let its = Statistics::read(bytes).ok_or(DAMAGED)?;
            Ok((Some(Arc::new(its)), None))
        }
        Some((b'-', _)) => Ok((None, Some(TOO_MANY.to_owned()))),
        _ => Ok((None, None)),
    }
}

/// Answers another node's question about statistics; `false`: the question is not about statistics.
/// `tree` parses the text of the query.
pub(crate) fn answer(
    call: &mut Call<'_>,
    options: &Options,
    is_hybrid: bool,
    tree: impl FnOnce(&Schema) -> Result<Option<Node>, SearchError>,
) -> Result<bool, CommandError> {
    let given = match node_question(call) {
        None | Some((b'+' | b'-', _)) => return Ok(false),
        Some((b'?', _)) => None,
        Some((b'^', bytes)) => Some(Statistics::read(bytes).ok_or(DAMAGED)?),
        Some(_) => return Err(DAMAGED),
    };
    let name = call.args.at(1);
    let held = call.server.search.get(name);
    let held = held.ok_or_else(|| refusal(&SearchError::no_such_index(name)))?;
    let index = &held.index;
    let mut search = search_of(&call.server.config, index, options, true);
    search.is_2_10 = call.server.debug.searches_as_2_10;
    search.is_hybrid = is_hybrid;
    search.among = call.server.documents_that_count(call.db.keyspace(), held);
    let wrong = |error| refusal(&SearchError::from(error));
    let root = tree(index.schema()).map_err(|error| refusal(&error))?;
    let root = root.map(|root| index.expand(&root, &search)).transpose();
    let Some(root) = root.map_err(wrong)? else {
        return Err(DAMAGED);
    };
    let bytes = match given {
        None => {
            let found = index.statistics(&root, &search).map_err(wrong)?;
            let bytes = found.map_or(Vec::new(), |found| found.bytes());
            [b"#", &*bytes].concat()
        }
        Some(given) => {
            search.statistics = Some(Arc::new(given));
            let best = index.best_score(&root, &search).map_err(wrong)?;
            [&b"^"[..], &best.to_be_bytes()].concat()
        }
    };
    call.reply.raw(&bytes);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(sign: &[u8], bytes: &[u8]) -> Vec<u8> {
        [sign, bytes].concat()
    }

    fn word(next: Result<Next, CommandError>) -> Vec<u8> {
        match next {
            Ok(Next::Question { word, .. }) => word,
            Ok(Next::Nothing) => b"nothing".to_vec(),
            Err(error) => error.line().to_vec(),
        }
    }

    #[test]
    fn answers_of_all_shards_make_the_next_question() {
        let bytes = Statistics::default().bytes();
        let own = answer(b"#", &bytes);
        let all = [own.clone(), own.clone()];
        assert_eq!(word(next(&all, b"", Scorer::Bm25Std)), answer(b"+", &bytes));
        assert_eq!(
            word(next(&all, b"", Scorer::Bm25StdNorm)),
            answer(b"^", &bytes)
        );
        let best = [1.5f64, 0.5].map(|best| answer(b"^", &best.to_be_bytes()));
        let given = word(next(&best, &bytes, Scorer::Bm25StdNorm));
        let given = Statistics::read(&given[1..]).expect("whole");
        assert_eq!(given.best, Some(1.5));
        // A shard has too many terms.
        let all = [own.clone(), answer(b"#", b"")];
        assert_eq!(word(next(&all, b"", Scorer::Bm25Std)), b"-");
        assert_eq!(
            word(next(&[b"=".to_vec()], b"", Scorer::Bm25Std)),
            b"nothing"
        );
    }

    #[test]
    fn damaged_answers_are_errors() {
        let own = answer(b"#", &Statistics::default().bytes());
        let nan = answer(b"^", &f64::NAN.to_be_bytes());
        let bytes = Statistics::default().bytes();
        for (answers, kept) in [
            (vec![own.clone(), b"#x".to_vec()], &b""[..]),
            (vec![own.clone(), answer(b"#", &[255; 100])], b""),
            (vec![nan.clone()], &*bytes),
            (vec![b"^short".to_vec()], &*bytes),
            (vec![answer(b"^", &1f64.to_be_bytes())], b"none"),
        ] {
            let error = next(&answers, kept, Scorer::Bm25StdNorm).err();
            assert_eq!(error, Some(DAMAGED));
        }
    }
}
