//! Answers of shards that are lists of names or numbers: TAGVALS, SPELLCHECK, INFO, MGET.
//!
//! Each function takes the values of this node, and returns the values of all shards; at a node
//! that answers another node the function writes the answer. Cost: the values of each shard, once.

use super::{Answer, DAMAGED};
use russet_command::CommandError;
use russet_resp::OwnedArgs;
use russet_search::expression::Value;
use russet_search::pipeline::FieldName;
use russet_search::pipeline::shards::ShardRow;
use russet_search::spelling::MisspelledTerm;
use russet_server::Call;
use std::collections::{BTreeMap, BTreeSet};

/// Milliseconds until all shards must have answered.
const WAIT_MS: u64 = 5000;

/// The answers of all shards to the client's own words. `None`: the client waits, and the command
/// runs again.
fn ask_same(call: &mut Call<'_>) -> Result<Option<Vec<Answer>>, CommandError> {
    let mut words = OwnedArgs::new();
    words.push(call.name.as_bytes());
    call.args.from(1).iter().for_each(|word| words.push(word));
    let Some(answers) = call.ask_all_shards(words.args(), WAIT_MS)? else {
        return Ok(None);
    };
    let answers = answers.iter().map(|bytes| {
        let bytes = bytes.strip_prefix(b"=");
        bytes.and_then(Answer::read).ok_or(DAMAGED)
    });
    answers.collect::<Result<_, _>>().map(Some)
}

/// Answers another node with the tags that documents have.
pub(crate) fn answer_tag_values(call: &mut Call<'_>, own: impl Iterator<Item = Box<[u8]>>) {
    let answer = Answer {
        names: own.map(<[u8]>::into_vec).collect(),
        ..Answer::default()
    };
    super::answer(call, &answer);
}

/// The tags that documents of any shard have. `None`: the client waits, and the command runs again.
pub(crate) fn tag_values(call: &mut Call<'_>) -> Result<Option<Vec<Vec<u8>>>, CommandError> {
    let Some(answers) = ask_same(call)? else {
        return Ok(None);
    };
    let all = answers.into_iter().flat_map(|answer| answer.names);
    let all: BTreeSet<Vec<u8>> = all.collect();
    Ok(Some(all.into_iter().collect()))
}

/// The words that no document of any shard has, with the number of all documents.
pub(crate) fn spelling(
    call: &mut Call<'_>,
    own: Vec<MisspelledTerm>,
    documents: usize,
) -> Result<Option<(Vec<MisspelledTerm>, usize)>, CommandError> {
    if call.is_for_other_node() {
        let answer = Answer {
            total: documents as u64,
            names: vec![Vec::new()],
            rows: own.iter().map(row_of).collect(),
            ..Answer::default()
        };
        super::answer(call, &answer);
        return Ok(None);
    }
    if !call.is_of_many_shards()? {
        return Ok(Some((own, documents)));
    }
    let Some(answers) = ask_same(call)? else {
        return Ok(None);
    };
    Ok(Some(merged(&answers)))
}

/// Fields of a document with their values.
pub(crate) type Fields = Vec<(Vec<u8>, Value)>;

/// The documents of some keys at any shard; `None` for a key that no shard has.
pub(crate) fn documents(
    call: &mut Call<'_>,
    own: Vec<Option<Fields>>,
) -> Result<Option<Vec<Option<Fields>>>, CommandError> {
    if call.is_for_other_node() {
        let rows = own.into_iter().enumerate();
        let rows = rows.filter_map(|(at, fields)| {
            let key = at.to_string().into_bytes();
            Some(plain(key, vec![Value::Map(fields?)]))
        });
        let answer = Answer {
            names: vec![Vec::new()],
            rows: rows.collect(),
            ..Answer::default()
        };
        super::answer(call, &answer);
        return Ok(None);
    }
    if !call.is_of_many_shards()? {
        return Ok(Some(own));
    }
    let Some(answers) = ask_same(call)? else {
        return Ok(None);
    };
    let mut all = vec![None; own.len()];
    for row in answers.into_iter().flat_map(|answer| answer.rows) {
        let at = std::str::from_utf8(&row.key).ok();
        let at = at.and_then(|at| at.parse::<usize>().ok());
        let place = at.and_then(|at| all.get_mut(at)).ok_or(DAMAGED)?;
        if let Some((_, Value::Map(fields))) = row.values.into_iter().next() {
            *place = Some(fields);
        }
    }
    Ok(Some(all))
}

/// The figures of an index at all shards, as the values that `FT.INFO` makes of this node's
/// figures. `None`: the client waits, or the answer to another node is written.
pub(crate) fn figures(
    call: &mut Call<'_>,
    own: Vec<Value>,
) -> Result<Option<Vec<Vec<Value>>>, CommandError> {
    if call.is_for_other_node() {
        let answer = Answer {
            names: vec![Vec::new(); own.len()],
            rows: vec![plain(Vec::new(), own)],
            ..Answer::default()
        };
        super::answer(call, &answer);
        return Ok(None);
    }
    if !call.is_of_many_shards()? {
        return Ok(Some(vec![own]));
    }
    let Some(answers) = ask_same(call)? else {
        return Ok(None);
    };
    let rows = answers.into_iter().flat_map(|answer| answer.rows);
    let values = rows.map(|row| row.values.into_iter().map(|(_, value)| value).collect());
    Ok(Some(values.collect()))
}

/// A row of values alone.
fn plain(key: Vec<u8>, values: Vec<Value>) -> ShardRow {
    ShardRow {
        key,
        score: 0.0,
        distance: f64::NAN,
        explanation: None,
        sort_key: None,
        payload: None,
        is_gone: false,
        values: values
            .into_iter()
            .enumerate()
            .map(|(place, value)| (FieldName::Place(place), value))
            .collect(),
    }
}

fn row_of(of: &MisspelledTerm) -> ShardRow {
    let pair = |(documents, term): &(usize, Vec<u8>)| {
        let documents = Value::Number(*documents as f64);
        Value::List(vec![documents, Value::Text(term.clone())])
    };
    let suggestions = of.suggestions.iter().map(pair).collect();
    plain(of.word.clone(), vec![Value::List(suggestions)])
}

/// The words that all shards miss, with the documents of all for each suggestion.
fn merged(answers: &[Answer]) -> (Vec<MisspelledTerm>, usize) {
    let documents = answers.iter().map(|answer| answer.total as usize).sum();
    let Some((first, others)) = answers.split_first() else {
        return (Vec::new(), documents);
    };
    let mut found: Vec<MisspelledTerm> = Vec::new();
    // A word that stands twice in the query is there twice, in the same places.
    for row in &first.rows {
        let mut all = BTreeMap::new();
        add(row, &mut all);
        let is_missed = others.iter().all(|answer| {
            let its = answer.rows.iter().find(|its| its.key == row.key);
            its.is_some_and(|its| {
                add(its, &mut all);
                true
            })
        });
        if is_missed {
            let suggestions = all.into_iter().map(|(term, count)| (count, term));
            let mut suggestions: Vec<_> = suggestions.collect();
            suggestions.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
            found.push(MisspelledTerm {
                word: row.key.clone(),
                suggestions,
            });
        }
    }
    (found, documents)
}

fn add(row: &ShardRow, all: &mut BTreeMap<Vec<u8>, usize>) {
    let Some((_, Value::List(pairs))) = row.values.first() else {
        return;
    };
    for pair in pairs {
        if let Value::List(pair) = pair
            && let [Value::Number(documents), Value::Text(term)] = &pair[..]
        {
            *all.entry(term.clone()).or_default() += *documents as usize;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missed(word: &str, suggestions: &[(usize, &str)]) -> MisspelledTerm {
        let suggestions = suggestions.iter();
        MisspelledTerm {
            word: word.as_bytes().to_vec(),
            suggestions: suggestions
                .map(|(n, term)| (*n, term.as_bytes().to_vec()))
                .collect(),
        }
    }

    fn answer(total: u64, words: &[MisspelledTerm]) -> Answer {
        Answer {
            total,
            rows: words.iter().map(row_of).collect(),
            ..Answer::default()
        }
    }

    #[test]
    fn words_that_a_shard_has_are_right() {
        let one = answer(3, &[missed("helo", &[(1, "help")]), missed("wrld", &[])]);
        let two = answer(4, &[missed("helo", &[(1, "hello"), (1, "help")])]);
        let (found, documents) = merged(&[one, two]);
        assert_eq!(documents, 7);
        assert_eq!(found, [missed("helo", &[(2, "help"), (1, "hello")])]);
    }
}
