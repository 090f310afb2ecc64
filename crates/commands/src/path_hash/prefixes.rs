//! Paths that are prefixes of a query: PHLONGEST and PHPREFIXES.
//!
//! All prefixes of a query are on the same way down the tree, so one walk of O(length of the query)
//! finds them, shortest first. COUNT keeps the longest of the paths that MAXPATHLEN admits.
//!
//! One parser for both: LENGTH of PHLONGEST is LENGTHS for PHPREFIXES, which alone takes COUNT and
//! MAXPATHLEN.

use std::collections::VecDeque;

use super::args::{Fields, count, length, write_all, write_named};
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_resp::{Args, Reply};
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Hash, PathHash};

pub(super) const PHLONGEST: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::PATHHASH,
    tips: &["nondeterministic_output_order"],
    work: work::by(count_longest, "FIELDS reads single fields"),
    ..Spec::new("phlongest", phlongest)
};

/// The values of each path in the reply.
enum Values<'a> {
    Nothing,
    All,
    Of(Fields<'a>),
}

struct Options<'a> {
    /// Lengths of paths instead of the paths.
    lengths: bool,
    values: Values<'a>,
    /// At most so many paths, the longest.
    count: Option<usize>,
    max_len: Option<usize>,
}

impl<'a> Options<'a> {
    /// `of_many`: the options of PHPREFIXES.
    fn parse(args: Args<'a>, of_many: bool) -> Result<Options<'a>, CommandError> {
        let mut options = Options {
            lengths: false,
            values: Values::Nothing,
            count: None,
            max_len: None,
        };
        let lengths = if of_many { "LENGTHS" } else { "LENGTH" };
        let mut at = 3;
        while at < args.len() {
            let operand = args.get(at + 1).ok_or(CommandError::Syntax);
            if args.is(at, lengths) && !options.lengths {
                options.lengths = true;
                at += 1;
            } else if args.is(at, "WITHVALUES") && matches!(options.values, Values::Nothing) {
                options.values = Values::All;
                at += 1;
            } else if args.is(at, "FIELDS") && matches!(options.values, Values::Nothing) {
                let fields = count(operand?)?;
                if fields > args.len() - at - 2 {
                    return Err(CommandError::Syntax);
                }
                options.values = Values::Of(Fields::new(args, at + 2, fields, 1));
                at += 2 + fields;
            } else if of_many && args.is(at, "COUNT") && options.count.is_none() {
                options.count = Some(count(operand?)?);
                at += 2;
            } else if of_many && args.is(at, "MAXPATHLEN") && options.max_len.is_none() {
                options.max_len = Some(length(operand?)?);
                at += 2;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }

    /// The number of elements in the reply for a path with these fields.
    fn elements(&self, fields: &Hash) -> u64 {
        use russet_types::Container;
        match &self.values {
            Values::Nothing => 1,
            Values::All => fields.len() as u64,
            Values::Of(fields) => fields.count as u64,
        }
    }

    fn write(&self, reply: &mut Reply, path: &[u8], fields: &Hash) {
        if !matches!(self.values, Values::Nothing) {
            reply.array(2);
        }
        if self.lengths {
            reply.int(path.len() as i64)
        } else {
            reply.bulk(path)
        }
        match &self.values {
            Values::Nothing => {}
            Values::All => write_all(reply, fields),
            Values::Of(names) => {
                reply.array(names.count);
                write_named(reply, Some(fields), names.names());
            }
        }
    }

    /// The paths that are prefixes of the query, as their lengths and fields, shortest first.
    fn find<'p>(&self, paths: &'p PathHash, query: &[u8]) -> VecDeque<(usize, &'p Hash)> {
        let (most, max_len) = (
            self.count.unwrap_or(usize::MAX),
            self.max_len.unwrap_or(usize::MAX),
        );
        let mut found = VecDeque::new();
        paths.prefixes(query, |len, fields| {
            if len > max_len {
                return false;
            }
            if found.len() == most {
                found.pop_front();
            }
            found.push_back((len, fields));
            true
        });
        found
    }
}

/// Counts the elements in the reply: the paths found, with their fields.
fn count_found(call: &mut Call<'_>, of_many: bool) -> CommandResult {
    let args = call.args;
    let mut options = Options::parse(args, of_many)?;
    if !of_many {
        options.count = Some(1);
    }
    let touched = work::look(call, args.at(1), |paths: &PathHash| {
        let found = options.find(paths, args.at(2));
        found
            .iter()
            .map(|(_, fields)| options.elements(fields))
            .sum::<u64>()
    });
    call.touches(touched.unwrap_or(0));
    Ok(())
}

fn count_longest(call: &mut Call<'_>) -> CommandResult {
    count_found(call, false)
}

/// `PHLONGEST key query [LENGTH] [WITHVALUES | FIELDS n field ...]`: the longest path that is a
/// prefix of a query.
///
/// Reply: the path, or the path's length; with values an array of the path and a map of all fields,
/// or an array of values and nulls. Null if no path is a prefix. O(length of the query + fields).
fn phlongest(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let options = Options::parse(args, false)?;
    let query = args.at(2);
    let paths = call.db.read::<PathHash>(args.at(1))?;
    let mut longest = None;
    if let Some(paths) = &paths {
        paths.prefixes(query, |len, fields| {
            longest = Some((len, fields));
            true
        });
    }
    match longest {
        Some((len, fields)) => options.write(call.reply, &query[..len], fields),
        None => call.reply.null(),
    }
    Ok(())
}

pub(super) const PHPREFIXES: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::PATHHASH,
    tips: &["nondeterministic_output_order"],
    work: work::by(count_prefixes, work::SMALLER_COUNT),
    ..Spec::new("phprefixes", phprefixes)
};

fn count_prefixes(call: &mut Call<'_>) -> CommandResult {
    count_found(call, true)
}

/// `PHPREFIXES key query [LENGTHS] [WITHVALUES | FIELDS n field ...] [COUNT n] [MAXPATHLEN n]`: all
/// paths that are prefixes of a query, shortest first. Of the paths of at most MAXPATHLEN bytes,
/// the COUNT longest.
///
/// Reply: array, each element as of PHLONGEST. O(length of the query + fields).
fn phprefixes(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let options = Options::parse(args, true)?;
    let query = args.at(2);
    let Some(paths) = call.db.read::<PathHash>(args.at(1))? else {
        call.reply.array(0);
        return Ok(());
    };
    let found = options.find(&paths, query);
    call.reply.array(found.len());
    for (len, fields) in found {
        options.write(call.reply, &query[..len], fields);
    }
    Ok(())
}
