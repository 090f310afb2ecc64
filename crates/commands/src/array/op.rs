//! AROP: a number computed of the values of a range.
//!
//! SUM, MIN and MAX take values that are numbers and ignore the others. Integers are exact as long
//! as the result fits 64 bits; from there on, and with decimals, the result is a long double,
//! printed with 17 digits. AND, OR and XOR drop decimals and ignore numbers beyond 64 bits. USED
//! and MATCH count values of any kind.
//!
//! Cost: one walk over the slices of the range, nothing kept.

use super::args::Range;
use crate::work;
use russet_base::numbers::long_double::LongDouble;
use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_resp::Reply;
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Array, Entry};

pub(super) const AROP: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::ARRAY,
    work: work::by(count_folded, work::SHORTER),
    ..Spec::new("arop", arop)
};

/// The values that AROP visits.
fn count_folded(call: &mut Call<'_>) -> CommandResult {
    let range = Range::parse(call.args.at(2), call.args.at(3))?;
    let touched = work::length(call).min(range.span());
    call.touches(touched);
    Ok(())
}

#[derive(Clone, Copy)]
enum Op<'a> {
    Sum,
    Min,
    Max,
    And,
    Or,
    Xor,
    Used,
    Match(Entry<'a>),
}

/// `AROP key start end (SUM | MIN | MAX | AND | OR | XOR | USED | MATCH value)`: SUM to XOR take
/// the values that are numbers; USED and MATCH count.
///
/// Reply: SUM, MIN, MAX: bulk string; AND, OR, XOR: integer; null if there are no numbers. USED,
/// MATCH: integer. O(slots of the slices in the range).
fn arop(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let range = Range::parse(args.at(2), args.at(3))?;
    let ops: [(&str, Op<'_>); 7] = [
        ("SUM", Op::Sum),
        ("MIN", Op::Min),
        ("MAX", Op::Max),
        ("AND", Op::And),
        ("OR", Op::Or),
        ("XOR", Op::Xor),
        ("USED", Op::Used),
    ];
    let op = if args.is(4, "MATCH") {
        if args.len() != 6 {
            return Err(CommandError::Text("ERR MATCH requires a value argument"));
        }
        Op::Match(Entry::parse(args.at(5)))
    } else {
        let found = ops.iter().find(|(word, _)| args.is(4, word));
        let op = found.ok_or(CommandError::Text("ERR unknown operation"))?.1;
        if args.len() != 5 {
            return Err(CommandError::WrongArity(call.name.to_owned()));
        }
        op
    };
    let array = call.db.read::<Array>(args.at(1))?;
    let array = array.as_deref();
    let reply = &mut *call.reply;
    match op {
        Op::Used => {
            let mut n = 0;
            visit(array, range, |_| n += 1);
            reply.int(n);
        }
        Op::Match(wanted) => {
            let mut n = 0;
            if let Some(array) = array {
                array.visit_equal(range.first, range.last, false, wanted, |_, _| {
                    n += 1;
                    true
                });
            }
            reply.int(n);
        }
        Op::And => reply_bits(reply, combined(array, range, -1, |a, b| a & b)),
        Op::Or => reply_bits(reply, combined(array, range, 0, |a, b| a | b)),
        Op::Xor => reply_bits(reply, combined(array, range, 0, |a, b| a ^ b)),
        Op::Sum => reply_number(reply, folded(array, range, i64::checked_add, Number::plus)),
        Op::Min => {
            let least = |a: i64, b| Some(a.min(b));
            let less = |all: Number, n: Number| if n.is_less(all) { n } else { all };
            reply_number(reply, folded(array, range, least, less));
        }
        Op::Max => {
            let most = |a: i64, b| Some(a.max(b));
            let more = |all: Number, n: Number| if all.is_less(n) { n } else { all };
            reply_number(reply, folded(array, range, most, more));
        }
    }
    Ok(())
}

/// The integers of the values combined, from `neutral` on; `None`: there are none.
fn combined(
    array: Option<&Array>,
    range: Range,
    neutral: i64,
    combine: impl Fn(i64, i64) -> i64,
) -> Option<i64> {
    let (mut all, mut any) = (neutral, false);
    visit(array, range, |value| {
        if let Some(n) = integer(value) {
            (all, any) = (combine(all, n), true);
        }
    });
    any.then_some(all)
}

fn reply_bits(reply: &mut Reply, result: Option<i64>) {
    match result {
        Some(n) => reply.int(n),
        None => reply.null(),
    }
}

/// The numbers among the values combined in order; `None`: there are no numbers. `integers`
/// combines two integers if it has a result.
fn folded(
    array: Option<&Array>,
    range: Range,
    integers: impl Fn(i64, i64) -> Option<i64>,
    combine: impl Fn(Number, Number) -> Number,
) -> Option<Number> {
    let mut result = None;
    visit(array, range, |value| {
        if let (Some(Number::Int(all)), Entry::Int(n)) = (&mut result, value)
            && let Some(both) = integers(*all, n)
        {
            *all = both;
        } else if let Some(n) = Number::of(value) {
            result = Some(result.map_or(n, |all| combine(all, n)));
        }
    });
    result
}

fn reply_number(reply: &mut Reply, result: Option<Number>) {
    match result {
        Some(n) => reply.bulk(&n.text()),
        None => reply.null(),
    }
}

fn visit<'a>(array: Option<&'a Array>, range: Range, mut see: impl FnMut(Entry<'a>)) {
    if let Some(array) = array {
        array.visit(range.first, range.last, false, |_, value| {
            see(value);
            true
        });
    }
}

/// A value without decimals; `None` if the value is no number, or not in the range.
#[inline]
fn integer(value: Entry<'_>) -> Option<i64> {
    if let Entry::Int(n) = value {
        return Some(n);
    }
    match Number::of(value)? {
        Number::Int(n) => Some(n),
        Number::Long(n) => n.truncated(),
        Number::Nan => None,
    }
}

/// A number as a long double; integers are exact as long as they fit.
#[derive(Clone, Copy)]
enum Number {
    Int(i64),
    Long(LongDouble),
    Nan,
}

impl Number {
    #[inline]
    fn of(value: Entry<'_>) -> Option<Number> {
        match value {
            Entry::Int(n) => Some(Number::Int(n)),
            // Infinity is the only number that begins with a letter.
            Entry::Str([b'A'..=b'H' | b'J'..=b'Z' | b'a'..=b'h' | b'j'..=b'z', ..]) => None,
            Entry::Str(text) => match parse_i64(text) {
                Some(n) => Some(Number::Int(n)),
                None => LongDouble::parse(text).map(Number::Long),
            },
        }
    }

    /// `None`: it is not a number.
    fn long(self) -> Option<LongDouble> {
        match self {
            Number::Int(n) => Some(LongDouble::from(n)),
            Number::Long(n) => Some(n),
            Number::Nan => None,
        }
    }

    fn plus(self, other: Number) -> Number {
        if let (Number::Int(a), Number::Int(b)) = (self, other)
            && let Some(sum) = a.checked_add(b)
        {
            return Number::Int(sum);
        }
        let (Some(a), Some(b)) = (self.long(), other.long()) else {
            return Number::Nan;
        };
        a.saturating_add(b).map_or(Number::Nan, Number::Long)
    }

    fn is_less(self, other: Number) -> bool {
        match (self, other) {
            (Number::Int(a), Number::Int(b)) => a < b,
            _ => match (self.long(), other.long()) {
                (Some(a), Some(b)) => a.compare(b).is_lt(),
                _ => false,
            },
        }
    }

    fn text(self) -> Vec<u8> {
        let mut out = Vec::new();
        match self.long() {
            Some(n) => n.write_g17(&mut out),
            None => out.extend_from_slice(b"nan"),
        }
        out
    }
}
