//! REDUCE's words as a reducer: functions, the number of their arguments, and the places of the
//! arguments.
//!
//! Properties may lack their mark. Some functions refuse words after their arguments, the others
//! leave such words unread, as Redis does.

use super::collect;
use super::{Names, Reducer};
use crate::arguments::{Arguments, NONE_PROVIDED, NOT_CONVERTED, OUT_OF_BOUNDS, is, number};
use crate::error::{self, SearchError};
use crate::pipeline::names::Load;
use crate::request::ReducerCall;
use crate::schema::Schema;
use russet_base::numbers::number::parse_i64;

const SAMPLE_MAX: i64 = 1000;

fn wrong(text: impl Into<Vec<u8>>) -> SearchError {
    SearchError::new(error::PARSE_ARGS, text)
}

/// A call while it is read.
pub(super) struct Call<'c, 'n> {
    name: &'c [u8],
    pub(super) words: Arguments<'c>,
    pub(super) names: &'n mut Names,
    schema: Option<&'n Schema>,
    loads: &'n mut Vec<Load>,
}

impl Call<'_, '_> {
    /// The place of the next word's property.
    pub(super) fn property(&mut self) -> Result<usize, SearchError> {
        let Some(word) = self.words.next() else {
            return Err(wrong([b"Missing arguments for ", self.name].concat()));
        };
        let name = word.strip_prefix(b"@").unwrap_or(word);
        let place = self.names.field(name, self.schema, self.loads);
        place.ok_or_else(|| {
            let after = b"` not present in document or pipeline";
            SearchError::of(error::NO_PROPERTY, &[b"Property `", name, after])
        })
    }

    /// Refuses a word, or any word that is left.
    pub(super) fn unknown(&self, word: &[u8]) -> SearchError {
        let after = format!("` at position {} for ", self.words.read() - 1);
        let pieces: [&[u8]; 4] = [b"Unknown argument `", word, after.as_bytes(), self.name];
        SearchError::of(error::UNRECOGNIZED, &pieces)
    }

    fn end(&mut self) -> Result<(), SearchError> {
        match self.words.next() {
            Some(word) => Err(self.unknown(word)),
            None => Ok(()),
        }
    }

    fn bad(&self, why: &str) -> SearchError {
        SearchError::bad_arguments(&String::from_utf8_lossy(self.name), why)
    }
}

/// The reducer of a call; fields that have to be loaded are added to `loads`.
///
/// # Errors
///
/// If there is no such function or property, or an argument is missing or wrong, or there are too
/// many.
pub(crate) fn parse(
    call: &ReducerCall,
    names: &mut Names,
    schema: Option<&Schema>,
    loads: &mut Vec<Load>,
) -> Result<Reducer, SearchError> {
    let words: Vec<&[u8]> = call.arguments.iter().map(Vec::as_slice).collect();
    let mut of = Call {
        name: &call.function,
        words: Arguments::new(&words),
        names,
        schema,
        loads,
    };
    Ok(match call.function.to_ascii_uppercase().as_slice() {
        b"COUNT" if words.is_empty() => Reducer::Count,
        b"COUNT" => return Err(wrong("Count accepts 0 values only")),
        b"COUNT_DISTINCT" => Reducer::CountDistinct(of.property()?),
        b"COUNT_DISTINCTISH" => Reducer::CountDistinctish(of.property()?),
        b"SUM" => Reducer::Sum(of.property()?),
        b"MIN" => Reducer::Min(of.property()?),
        b"MAX" => Reducer::Max(of.property()?),
        b"AVG" => Reducer::Average(of.property()?),
        b"STDDEV" => Reducer::Deviation(of.property()?),
        b"QUANTILE" => quantile(&mut of)?,
        b"TOLIST" => Reducer::ToList(of.property()?),
        b"FIRST_VALUE" => first_value(&mut of)?,
        b"RANDOM_SAMPLE" => sample(&mut of)?,
        b"HLL" => Reducer::Hll(of.property()?),
        b"HLL_SUM" => Reducer::HllSum(of.property()?),
        b"COLLECT" => Reducer::Collect(Box::new(collect::parse(&mut of)?)),
        _ => {
            let pieces: [&[u8]; 2] = [b"No such reducer: ", &call.function];
            return Err(SearchError::of(error::NO_REDUCER, &pieces));
        }
    })
}

/// `@f q [resolution]`
fn quantile(call: &mut Call<'_, '_>) -> Result<Reducer, SearchError> {
    let place = call.property()?;
    let at = call.words.next().and_then(number);
    let at = at.ok_or_else(|| call.bad(NOT_CONVERTED))?;
    if !(0.0..=1.0).contains(&at) {
        return Err(wrong("Percentage must be between 0.0 and 1.0"));
    }
    if let Some(word) = call.words.next() {
        // Redis keeps about so many values; here all are kept.
        let resolution = parse_i64(word);
        let resolution =
            resolution.ok_or_else(|| SearchError::bad_arguments("<resolution>", NOT_CONVERTED))?;
        if resolution < 1 {
            return Err(wrong("Invalid resolution"));
        }
    }
    call.end()?;
    Ok(Reducer::Quantile(place, at))
}

/// `@f [BY @g [ASC|DESC]]`
fn first_value(call: &mut Call<'_, '_>) -> Result<Reducer, SearchError> {
    let place = call.property()?;
    let Some(word) = call.words.next() else {
        return Ok(Reducer::First(place));
    };
    if !is(word, "BY") {
        return Err(call.unknown(word));
    }
    let by = call.property()?;
    let is_descending = !call.words.take("ASC") && call.words.take("DESC");
    call.end()?;
    Ok(Reducer::FirstBy {
        place,
        by,
        is_descending,
    })
}

/// `@f n`
fn sample(call: &mut Call<'_, '_>) -> Result<Reducer, SearchError> {
    let place = call.property()?;
    let bad = |why| SearchError::bad_arguments("<sample size>", why);
    let word = call.words.next().ok_or_else(|| bad(NONE_PROVIDED))?;
    let size = parse_i64(word).ok_or_else(|| bad(NOT_CONVERTED))?;
    if size > SAMPLE_MAX {
        return Err(wrong("Sample size too large"));
    }
    let size = usize::try_from(size).map_err(|_| bad(OUT_OF_BOUNDS))?;
    Ok(Reducer::Sample(place, size))
}
