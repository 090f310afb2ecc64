//! ARGREP: the values of a range that predicates select.
//!
//! A long search runs in parts. A client's search leaves the loop after [`AT_ONCE_NANOS`], or
//! sooner if other slices have taken the turn: the command copies the values that remain, batch by
//! batch, and a task tests them. Between two batches the array may change, so the search sees each
//! value as it was at some time between the command's beginning and end. In a script and in EXEC
//! nothing changes meanwhile: a script serves other clients between two slices and checks whether
//! it must end; in EXEC the command ends with an error after `busy-reply-threshold`.

use super::args::{Range, index, limit, write_index};
use super::deadline::Deadline;
use super::predicate::{PredicateArg, Predicates};
use crate::arguments::element;
use crate::work;
use russet_base::clock;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_server::tasks::Task;
use russet_server::{Call, CommandResult, Spec};
use russet_types::vector_set::Progress;
use russet_types::{Array, Entry};

const PREDICATES_MAX: usize = 250;
const TOO_MANY: CommandError = CommandError::Text("ERR too many predicates, maximum is 250");
/// Maximum time of a client's command on the loop.
const AT_ONCE_NANOS: usize = 2_000_000;
/// Time between two checks whether a script must end.
const SLICE_NANOS: usize = 1_000_000;
/// Maximum size of a batch that the command copies for a task; a longer value is a separate batch.
const BATCH_BYTES: usize = 64 << 10;
const BATCH_VALUES: usize = 4096;

pub(super) const ARGREP: Spec = Spec {
    arity: Arity::AtLeast(6),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::ARRAY,
    work: work::by(count_searched, work::SHORTER),
    ..Spec::new("argrep", argrep)
};

/// `ARGREP key start end (EXACT text | MATCH text | GLOB pattern | RE pattern)... [AND | OR] [LIMIT
/// count] [WITHVALUES] [NOCASE]`: the indexes whose values fit any predicate, with AND all of them.
/// `-` is 0, `+` the highest index with a value; backwards if the start is the higher index.
///
/// Reply: array of indexes, with WITHVALUES array of pairs. O(slots of the slices in the range, and
/// the predicates for each value), until the limit is reached.
fn argrep(call: &mut Call<'_>) -> CommandResult {
    match call.server.tasks.take_task::<Grep>() {
        Some(grep) => advance(call, grep),
        None => begin(call),
    }
}

fn begin(call: &mut Call<'_>) -> CommandResult {
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
    let mut predicates = Predicates::compile(&words.given, words.nocase, words.all)?;
    let began = clock::cycles();
    let leaves = call.may_leave_loop();
    let at_once = call.time_left(AT_ONCE_NANOS as u64) as usize;
    let slice_nanos = if leaves { at_once } else { SLICE_NANOS };
    let mark = call.reply.mark();
    let place = call.reply.defer();
    let mut written = 0;
    let mut found = Vec::new();
    let mut rest = None;
    while let Some(array) = call.db.read::<Array>(args.at(1))? {
        let of = |bound: Option<u64>| bound.unwrap_or(array.end() - 1);
        let range = rest.unwrap_or_else(|| Range::new(of(start), of(end)));
        let reply = &mut *call.reply;
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
        rest = match predicates.exact() {
            Some(wanted) => {
                let Range {
                    first,
                    last,
                    backward,
                } = range;
                array.visit_equal(first, last, backward, Entry::parse(wanted), write);
                None
            }
            None => {
                let deadline = Deadline::after(slice_nanos);
                visit(&array, range, &mut predicates, deadline, |at, value| {
                    if leaves {
                        found.push(at);
                    }
                    write(at, value)
                })
            }
        };
        let Some(left) = rest else {
            break;
        };
        if leaves {
            call.reply.truncate(mark);
            let text = |at| array.get(at).map(|value| text(value).into());
            let hits = found.iter().map(|&at| Hit {
                at,
                value: if words.with_values { text(at) } else { None },
            });
            let mut grep = Box::new(Grep {
                predicates,
                limit: words.limit,
                with_values: words.with_values,
                hits: hits.collect(),
                batch: Batch::default(),
                rest: Some(left),
            });
            grep.take_batch(&array);
            call.end_slice(began);
            call.block_on_task(grep);
            return Ok(());
        }
        if let Err(error) = call.may_continue(began) {
            call.reply.truncate(mark);
            return Err(error);
        }
    }
    call.reply.finish_array(place, written);
    call.end_slice(began);
    Ok(())
}

/// Calls `hit` with the values that fit, until it returns false. Returns the rest of the range when
/// the time is over.
fn visit<'a>(
    array: &'a Array,
    range: Range,
    predicates: &mut Predicates,
    mut deadline: Deadline,
    mut hit: impl FnMut(u64, Entry<'a>) -> bool,
) -> Option<Range> {
    let mut digits = itoa::Buffer::new();
    let mut left = None;
    array.visit(range.first, range.last, range.backward, |at, value| {
        let fits = if deadline.is_over() {
            None
        } else {
            predicates.fits(value.bytes(&mut digits), &mut deadline)
        };
        match fits {
            None => {
                left = Some(range.from(at));
                false
            }
            Some(true) => hit(at, value),
            Some(false) => true,
        }
    });
    left
}

fn text(value: Entry<'_>) -> Vec<u8> {
    value.bytes(&mut itoa::Buffer::new()).to_vec()
}

/// Continues after a batch.
fn advance(call: &mut Call<'_>, mut grep: Box<Grep>) -> CommandResult {
    if grep.rest.is_some()
        && let Some(array) = call.db.read::<Array>(call.args.at(1))?
        && grep.take_batch(&array)
    {
        call.block_on_task(grep);
        return Ok(());
    }
    let reply = &mut *call.reply;
    reply.deferred_array(grep.hits.len());
    for hit in &grep.hits {
        if grep.with_values {
            reply.array(2);
        }
        write_index(reply, hit.at);
        if grep.with_values {
            reply.bulk(hit.value.as_deref().unwrap_or_default());
        }
    }
    Ok(())
}

/// A command that has left the loop.
struct Grep {
    predicates: Predicates,
    limit: usize,
    with_values: bool,
    hits: Vec<Hit>,
    batch: Batch,
    /// The part of the range after the batch.
    rest: Option<Range>,
}

struct Hit {
    at: u64,
    value: Option<Box<[u8]>>,
}

/// Values to be tested, with all texts in one buffer.
#[derive(Default)]
struct Batch {
    texts: Vec<u8>,
    /// The index of each value, and the end of the value's text.
    values: Vec<(u64, usize)>,
    /// The value to test next.
    next: usize,
}

impl Grep {
    /// Copies the next values of the range; returns whether there is a value.
    fn take_batch(&mut self, array: &Array) -> bool {
        let Batch {
            texts,
            values,
            next,
        } = &mut self.batch;
        texts.clear();
        values.clear();
        *next = 0;
        let Some(range) = self.rest.take() else {
            return false;
        };
        let mut digits = itoa::Buffer::new();
        array.visit(range.first, range.last, range.backward, |at, value| {
            if texts.len() >= BATCH_BYTES || values.len() >= BATCH_VALUES {
                self.rest = Some(range.from(at));
                return false;
            }
            texts.extend_from_slice(value.bytes(&mut digits));
            values.push((at, texts.len()));
            true
        });
        !values.is_empty()
    }
}

impl Task for Grep {
    fn step(&mut self, nanos: usize) -> Progress {
        let mut deadline = Deadline::after(nanos);
        let batch = &mut self.batch;
        while let Some(&(at, end)) = batch.values.get(batch.next) {
            if deadline.is_over() {
                return Progress::More;
            }
            let start = match batch.next.checked_sub(1) {
                Some(before) => batch.values[before].1,
                None => 0,
            };
            let text = &batch.texts[start..end];
            let Some(fits) = self.predicates.fits(text, &mut deadline) else {
                return Progress::More;
            };
            batch.next += 1;
            if fits {
                let value = self.with_values.then(|| text.into());
                self.hits.push(Hit { at, value });
                if self.hits.len() == self.limit {
                    self.rest = None;
                    break;
                }
            }
        }
        Progress::Done
    }
}

/// The values that ARGREP tests, if it does not reach the limit.
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

/// An end of the range; `None`: the highest index with a value.
fn bound(arg: &[u8]) -> Result<Option<u64>, CommandError> {
    match arg {
        b"-" => Ok(Some(0)),
        b"+" => Ok(None),
        _ => index(arg).map(Some),
    }
}

/// The words after the range.
struct Words<'a> {
    given: Vec<PredicateArg<'a>>,
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
    /// Takes a word, and the operand if the word has an operand; returns how many arguments it
    /// took.
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
                () if is("EXACT") => PredicateArg::Exact(operand),
                () if is("MATCH") => PredicateArg::Contains(operand),
                () if is("GLOB") => PredicateArg::Glob(operand),
                () if is("RE") => PredicateArg::Regex(operand),
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
