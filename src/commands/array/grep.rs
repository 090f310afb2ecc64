//! ARGREP: the values of a range that predicates select.

use memchr::memmem::Finder;

use super::args::{Range, index, limit, write_index};
use super::pattern::Regex;
use crate::base::glob::Glob;
use crate::command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use crate::commands::element;
use crate::commands::work;
use crate::server::{Call, CommandResult, Spec};
use crate::types::{Array, Entry};

const PREDICATES_MAX: usize = 250;
const TOO_MANY: CommandError = CommandError::Text("ERR too many predicates, maximum is 250");

pub(super) const ARGREP: Spec = Spec {
    arity: Arity::AtLeast(6),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::ARRAY,
    work: work::by(count_searched, work::SHORTER),
    ..Spec::new("argrep", argrep)
};

/// `ARGREP key start end (EXACT text | MATCH text | GLOB pattern | RE pattern)... [AND | OR]
/// [LIMIT count] [WITHVALUES] [NOCASE]`: the indexes whose values fit any predicate, with AND all of
/// them. `-` is 0, `+` the highest index with a value; backwards if the start is the higher one.
///
/// Reply: array of indexes, with WITHVALUES of pairs. O(slots of the slices in the range, and the
/// predicates for each value), until the limit is reached.
fn argrep(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let (start, end) = (bound(args.at(2))?, bound(args.at(3))?);
    let mut words = Words::default();
    let mut at = 4;
    while at < args.len() {
        at += words.take(args.at(at), args.get(at + 1))?;
    }
    if words.given.is_empty() {
        return Err(CommandError::Syntax);
    }
    let nocase = words.nocase;
    let is_regex = |given: &&Given<'_>| matches!(given, Given::Regex(_));
    let regexes = words.given.iter().filter(is_regex).count();
    let predicates = words
        .given
        .iter()
        .map(|given| given.compile(nocase, regexes));
    let predicates = predicates.collect::<Result<Vec<_>, _>>()?;
    let array = call.db.read::<Array>(args.at(1))?;
    let reply = &mut *call.reply;
    let place = reply.defer();
    let mut written = 0;
    if let Some(array) = array {
        let of = |bound: Option<u64>| bound.unwrap_or(array.end() - 1);
        let range = Range::new(of(start), of(end));
        let mut write = |at, value| {
            if words.with_values {
                reply.array(2);
            }
            write_index(reply, at);
            if words.with_values {
                element::write(reply, value);
            }
            written += 1;
            written < words.limit
        };
        let Range {
            first,
            last,
            backward,
        } = range;
        match predicates[..] {
            [Predicate::Exact(wanted, false)] => {
                array.visit_equal(first, last, backward, Entry::parse(wanted), write);
            }
            _ => {
                let mut digits = itoa::Buffer::new();
                array.visit(first, last, backward, |at, value| {
                    let text = value.bytes(&mut digits);
                    let fits = match words.all {
                        true => predicates.iter().all(|each| each.fits(text)),
                        false => predicates.iter().any(|each| each.fits(text)),
                    };
                    !fits || write(at, value)
                });
            }
        }
    }
    reply.finish_array(place, written);
    Ok(())
}

/// The values that ARGREP looks at, if none of them ends it.
fn count_searched(call: &mut Call<'_>) -> CommandResult {
    let ends = (bound(call.args.at(2))?, bound(call.args.at(3))?);
    let span = match ends {
        (Some(start), Some(end)) => Range::new(start, end).span(),
        _ => u64::MAX,
    };
    let touched = work::length(call).min(span);
    call.touches(touched);
    Ok(())
}

/// One end of the range; `None`: the highest index with a value.
fn bound(arg: &[u8]) -> Result<Option<u64>, CommandError> {
    match arg {
        b"-" => Ok(Some(0)),
        b"+" => Ok(None),
        _ => index(arg).map(Some),
    }
}

/// A predicate as given.
#[derive(Clone, Copy)]
enum Given<'a> {
    Exact(&'a [u8]),
    Contains(&'a [u8]),
    Glob(&'a [u8]),
    Regex(&'a [u8]),
}

/// The words after the range.
struct Words<'a> {
    given: Vec<Given<'a>>,
    all: bool,
    limit: usize,
    with_values: bool,
    nocase: bool,
}

impl Default for Words<'_> {
    fn default() -> Self {
        Words {
            given: Vec::new(),
            all: false,
            limit: usize::MAX,
            with_values: false,
            nocase: false,
        }
    }
}

impl<'a> Words<'a> {
    /// Takes a word, and its operand if it has one; returns how many arguments it took.
    fn take(&mut self, word: &[u8], operand: Option<&'a [u8]>) -> Result<usize, CommandError> {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is("AND") || is("OR") {
            self.all = is("AND");
        } else if is("WITHVALUES") {
            self.with_values = true;
        } else if is("NOCASE") {
            self.nocase = true;
        } else {
            let operand = operand.ok_or(CommandError::Syntax)?;
            if is("LIMIT") {
                self.limit = limit(operand)?;
                return Ok(2);
            }
            let given = match () {
                () if is("EXACT") => Given::Exact(operand),
                () if is("MATCH") => Given::Contains(operand),
                () if is("GLOB") => Given::Glob(operand),
                () if is("RE") => Given::Regex(operand),
                () => return Err(CommandError::Syntax),
            };
            if self.given.len() == PREDICATES_MAX {
                return Err(TOO_MANY);
            }
            self.given.push(given);
            return Ok(2);
        }
        Ok(1)
    }
}

/// A predicate, ready to be tested.
enum Predicate<'a> {
    Exact(&'a [u8], bool),
    Contains(Box<Finder<'a>>),
    /// ASCII letters of either case.
    ContainsNocase(&'a [u8]),
    Glob(Glob<'a>),
    Regex(Regex),
}

impl<'a> Given<'a> {
    /// `regexes`: how many of the command's predicates are expressions.
    fn compile(&self, nocase: bool, regexes: usize) -> Result<Predicate<'a>, CommandError> {
        Ok(match *self {
            Given::Exact(text) => Predicate::Exact(text, nocase),
            Given::Contains(text) if nocase => Predicate::ContainsNocase(text),
            Given::Contains(text) => Predicate::Contains(Box::new(Finder::new(text))),
            Given::Glob(pattern) => Predicate::Glob(Glob::new(pattern, nocase)?),
            Given::Regex(pattern) => Predicate::Regex(Regex::new(pattern, nocase, regexes)?),
        })
    }
}

impl Predicate<'_> {
    fn fits(&self, text: &[u8]) -> bool {
        match self {
            Predicate::Exact(wanted, false) => text == *wanted,
            Predicate::Exact(wanted, true) => text.eq_ignore_ascii_case(wanted),
            Predicate::Contains(finder) => finder.find(text).is_some(),
            Predicate::ContainsNocase(wanted) => contains_nocase(text, wanted),
            Predicate::Glob(glob) => glob.matches(text),
            Predicate::Regex(regex) => regex.is_match(text),
        }
    }
}

fn contains_nocase(text: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty()
        || text
            .windows(wanted.len())
            .any(|part| part.eq_ignore_ascii_case(wanted))
}
