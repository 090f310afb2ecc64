//! About how many documents a query looks at, for the budget `work=` of a user: the estimate of
//! [`Index::estimate`], of both sides for HYBRID.
//!
//! In a cluster the estimate covers the asked node's own documents. A READ of a cursor counts the
//! rows that it returns. The query counts the combinations of lists that GROUPBY makes of a
//! document as it runs, because they depend on the document's values. Cost: parsing the query, and
//! finding the places of ranges and circles.
//!
//! [`Index::estimate`]: russet_search::index::Index::estimate

use super::super::row::{catch_up, readable, refusal};
use super::super::settings::search_of;
use super::super::{aggregate, hybrid, query};
use crate::work::{Work, by};
use russet_base::numbers::number::parse_i64;
use russet_command::CommandError;
use russet_search::error::SearchError;
use russet_search::query::Node;
use russet_search::request::Options;
use russet_server::{Call, CommandResult};

const NARROWER: &str = "narrow the query by a part that few documents match";

pub(crate) const SEARCH: Work = by(search, NARROWER);
pub(crate) const AGGREGATE: Work = by(aggregate, NARROWER);
pub(crate) const HYBRID: Work = by(hybrid, NARROWER);
pub(crate) const PROFILE: Work = by(profile, NARROWER);
pub(crate) const EXPLAIN: Work = by(explain, NARROWER);

pub(crate) const TAGS: Work = by(tags, "FT.AGGREGATE with LIMIT and a cursor");
pub(crate) const SPELLING: Work = by(spelling, "check fewer words at a time");
pub(crate) const SYNONYMS: Work = by(synonyms, "read the definition of the index elsewhere");
pub(crate) const DICTIONARY: Work = by(dictionary, "keep terms in several dictionaries");
pub(crate) const CURSOR: Work = by(cursor, "use a smaller COUNT");

fn search(call: &mut Call<'_>) -> CommandResult {
    of_search(call, 2, 3)
}

/// The tags of the field.
fn tags(call: &mut Call<'_>) -> CommandResult {
    catch_up(call)?;
    let held = readable(call, call.args.at(1))?;
    let tags = held.index.tag_count(call.args.at(2));
    call.touches(tags as u64);
    Ok(())
}

/// The terms that have synonyms.
fn synonyms(call: &mut Call<'_>) -> CommandResult {
    catch_up(call)?;
    let held = readable(call, call.args.at(1))?;
    let terms = held.index.synonym_count();
    call.touches(terms as u64);
    Ok(())
}

/// The terms of the dictionary.
fn dictionary(call: &mut Call<'_>) -> CommandResult {
    catch_up(call)?;
    let dictionary = call.server.search.dictionaries.get(call.args.at(1));
    let terms = dictionary.map_or(0, |dictionary| dictionary.len());
    call.touches(terms as u64);
    Ok(())
}

/// Each term may be near to each word.
fn spelling(call: &mut Call<'_>) -> CommandResult {
    catch_up(call)?;
    let held = readable(call, call.args.at(1))?;
    let words = call.args.at(2).split(|byte| !byte.is_ascii_alphanumeric());
    let words = words.filter(|word| !word.is_empty()).count().max(1);
    let terms = held.index.term_count();
    call.touches((words as u64).saturating_mul(terms as u64));
    Ok(())
}

/// The rows that a READ asks for.
fn cursor(call: &mut Call<'_>) -> CommandResult {
    if !call.args.is(1, "READ") {
        return Ok(());
    }
    let given = call.args.get(5).filter(|_| call.args.is(4, "COUNT"));
    let given = given
        .and_then(parse_i64)
        .and_then(|n| u64::try_from(n).ok());
    let usual = call.server.config.search_cursor_read_size;
    call.touches(given.unwrap_or(usual));
    Ok(())
}

fn aggregate(call: &mut Call<'_>) -> CommandResult {
    of_aggregate(call, 2, 3)
}

fn hybrid(call: &mut Call<'_>) -> CommandResult {
    of_hybrid(call, 2)
}

fn profile(call: &mut Call<'_>) -> CommandResult {
    let at = 4 + usize::from(call.args.is(3, "LIMITED"));
    if call.args.is(2, "HYBRID") {
        of_hybrid(call, at)
    } else if call.args.is(2, "SEARCH") {
        of_search(call, at, at + 1)
    } else {
        of_aggregate(call, at, at + 1)
    }
}

/// Without ANALYZE the command looks at no document.
fn explain(call: &mut Call<'_>) -> CommandResult {
    if call.args.is(3, "ANALYZE") {
        of_search(call, 2, 4)
    } else {
        Ok(())
    }
}

fn of_search(call: &mut Call<'_>, text: usize, options: usize) -> CommandResult {
    catch_up(call)?;
    let request = query::parse(call, options)?;
    let schema = readable(call, call.args.at(1))?.index.schema();
    let root = request.query(text_of(call, text)?, schema);
    touches(call, &request.options, [root.map_err(wrong)?, None])
}

fn of_aggregate(call: &mut Call<'_>, text: usize, options: usize) -> CommandResult {
    catch_up(call)?;
    let request = aggregate::parse(call, options)?;
    let schema = readable(call, call.args.at(1))?.index.schema();
    let root = request.options.query(text_of(call, text)?, schema);
    touches(call, &request.options, [root.map_err(wrong)?, None])
}

fn of_hybrid(call: &mut Call<'_>, from: usize) -> CommandResult {
    catch_up(call)?;
    let request = hybrid::parse(call, from)?;
    let sides = hybrid::trees(call, &request)?;
    touches(call, &request.aggregate.options, sides)
}

fn wrong(error: SearchError) -> CommandError {
    refusal(&error)
}

fn text_of<'a>(call: &Call<'a>, at: usize) -> Result<&'a [u8], CommandError> {
    let text = call.args.get(at);
    text.ok_or_else(|| CommandError::WrongArity(call.name.to_owned()))
}

fn touches(call: &mut Call<'_>, options: &Options, roots: [Option<Node>; 2]) -> CommandResult {
    let index = &readable(call, call.args.at(1))?.index;
    let search = search_of(&call.server.config, index, options, false);
    let mut all = 0u64;
    for root in roots.into_iter().flatten() {
        let estimate = index
            .expand(&root, &search)
            .and_then(|root| index.estimate(&root, &search));
        all = all.saturating_add(estimate.map_err(|error| wrong(error.into()))?);
    }
    call.touches(all);
    Ok(())
}
