//! The functions of expressions: of numbers, texts, places and rows.
//!
//! A function is given the values of its arguments. `case` is made of steps of its own, because it
//! evaluates only one of two arguments; so is `exists` of a property, because a missing property
//! has no value.

use russet_encodings::geohash::Position;
use russet_encodings::geohash::earth::Origin;
use std::borrow::Cow;
use std::ops::RangeInclusive;

use super::value::Value;
use super::{ExpressionError, Row, ValueResult, time};

/// A function that pipelines have to know: documents then keep the words that they matched.
pub(super) const MATCHED_TERMS: &str = "matched_terms";

/// Bytes of a text that `format` makes.
const FORMATTED_MAX: usize = 16 << 20;

/// A function: the name, the name in errors, how many arguments it takes, the code.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) own_name: &'static str,
    pub(super) takes: RangeInclusive<usize>,
    pub(super) run: fn(&[Value], &dyn Row) -> ValueResult,
}

impl Function {
    pub(super) fn is_case(&self) -> bool {
        self.name == "case"
    }

    pub(super) fn is_exists(&self) -> bool {
        self.name == "exists"
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Function) -> bool {
        self.name == other.name
    }
}

const fn function(
    name: &'static str,
    takes: RangeInclusive<usize>,
    run: fn(&[Value], &dyn Row) -> ValueResult,
) -> Function {
    Function {
        name,
        own_name: name,
        takes,
        run,
    }
}

/// A function of a number; errors have the function's name in C.
const fn of_number(
    name: &'static str,
    own_name: &'static str,
    run: fn(&[Value], &dyn Row) -> ValueResult,
) -> Function {
    Function {
        name,
        own_name,
        takes: 1..=1,
        run,
    }
}

static FUNCTIONS: [Function; 33] = [
    of_number("abs", "fabs", |args, _| numeric(args, f64::abs)),
    of_number("ceil", "ceil", |args, _| numeric(args, f64::ceil)),
    of_number("floor", "floor", |args, _| numeric(args, f64::floor)),
    of_number("log", "log", |args, _| numeric(args, f64::ln)),
    of_number("log2", "log2", |args, _| numeric(args, f64::log2)),
    of_number("exp", "exp", |args, _| numeric(args, f64::exp)),
    of_number("sqrt", "sqrt", |args, _| numeric(args, root)),
    function("upper", 1..=1, |args, _| {
        cased(args, |text| text.to_ascii_uppercase())
    }),
    function("lower", 1..=1, |args, _| {
        cased(args, |text| text.to_ascii_lowercase())
    }),
    function("substr", 3..=3, |args, _| substr(args)),
    function("startswith", 2..=2, |args, _| {
        let (text, start) = (text(args, "startswith", 0)?, text(args, "startswith", 1)?);
        Ok(Value::Number(f64::from(u8::from(text.starts_with(start)))))
    }),
    function("contains", 2..=2, |args, _| contains(args)),
    function("strlen", 1..=1, |args, _| {
        Ok(Value::Number(text(args, "strlen", 0)?.len() as f64))
    }),
    function("format", 1..=usize::MAX, |args, _| format(args)),
    function("split", 1..=3, |args, _| split(args)),
    function("to_number", 1..=1, |args, _| to_number(args)),
    function("to_str", 1..=1, |args, _| {
        let value = first_of(&args[0]);
        let text = value.text().map(Cow::into_owned);
        Ok(match text {
            Some(text) => Value::Text(text),
            None if *value == Value::Null => Value::Text(Vec::new()),
            None => value.clone(),
        })
    }),
    function(MATCHED_TERMS, 0..=1, matched_terms),
    function("exists", 1..=1, |args, _| {
        let there = args[0] != Value::Null;
        Ok(Value::Number(f64::from(u8::from(there))))
    }),
    function("case", 3..=3, |args, _| {
        Ok(args[if args[0].is_true() { 1 } else { 2 }].clone())
    }),
    function("geodistance", 2..=4, |args, _| geodistance(args)),
    function("timefmt", 1..=2, |args, _| time::timefmt(args)),
    function("parsetime", 2..=2, |args, _| time::parsetime(args)),
    function("hour", 1..=1, |args, _| time::part(args, time::hour)),
    function("hourofday", 1..=1, |args, _| {
        time::part(args, time::hour_of_day)
    }),
    function("minute", 1..=1, |args, _| time::part(args, time::minute)),
    function("day", 1..=1, |args, _| time::part(args, time::day)),
    function("month", 1..=1, |args, _| time::part(args, time::month)),
    function("dayofweek", 1..=1, |args, _| {
        time::part(args, time::day_of_week)
    }),
    function("dayofmonth", 1..=1, |args, _| {
        time::part(args, time::day_of_month)
    }),
    function("dayofyear", 1..=1, |args, _| {
        time::part(args, time::day_of_year)
    }),
    function("year", 1..=1, |args, _| time::part(args, time::year)),
    function("monthofyear", 1..=1, |args, _| {
        time::part(args, time::month_of_year)
    }),
];

/// The function of a name in letters of any case.
pub(super) fn named(name: &[u8]) -> Option<&'static Function> {
    FUNCTIONS
        .iter()
        .find(|function| function.name.as_bytes().eq_ignore_ascii_case(name))
}

fn numeric(args: &[Value], of: fn(f64) -> f64) -> ValueResult {
    Ok(Value::Number(args[0].number().map_or(f64::NAN, of)))
}

/// The root of a negative number is C's `-nan`.
fn root(n: f64) -> f64 {
    if n < 0.0 { -f64::NAN } else { n.sqrt() }
}

fn cased(args: &[Value], of: fn(&[u8]) -> Vec<u8>) -> ValueResult {
    Ok(match first_of(&args[0]) {
        Value::Text(text) => Value::Text(of(text)),
        _ => Value::Null,
    })
}

/// The first of several values, or a value itself.
fn first_of(value: &Value) -> &Value {
    match value {
        Value::Several(of) => &of.first,
        value => value,
    }
}

/// An argument that must be a text.
pub(super) fn text<'a>(
    args: &'a [Value],
    function: &str,
    at: usize,
) -> Result<&'a [u8], ExpressionError> {
    let kind = match &args[at] {
        Value::Text(text) => return Ok(text),
        Value::Number(_) => 1,
        Value::Null => 4,
        Value::List(_) => 6,
        Value::Map(_) | Value::Several(_) => 9,
    };
    let text = format!(
        "Invalid type ({kind}) for argument {at} in function '{function}'. \
         VALIDATE_ARG__STRING(v, 0) was false."
    );
    Err(ExpressionError(text.into_bytes()))
}

/// An argument that must be a number.
fn whole(args: &[Value], function: &str, at: usize) -> Result<i64, ExpressionError> {
    match &args[at] {
        Value::Number(n) => Ok(*n as i64),
        other => {
            let kind = match other {
                Value::Text(_) => 3,
                Value::Null => 4,
                Value::Several(_) => 9,
                _ => 6,
            };
            let text = format!(
                "Invalid type ({kind}) for argument {at} in function '{function}'. \
                 VALIDATE_ARG__TYPE(v, RSValue_Number) was false."
            );
            Err(ExpressionError(text.into_bytes()))
        }
    }
}

/// `substr(text, offset, length)`: an offset below 0 counts from the end, a length below 0 leaves
/// so many bytes out at the end.
fn substr(args: &[Value]) -> ValueResult {
    let Value::Text(text) = first_of(&args[0]) else {
        let text = b"Invalid type for substr. Expected string";
        return Err(ExpressionError(text.to_vec()));
    };
    let total = text.len() as i64;
    let (offset, length) = (whole(args, "substr", 1)?, whole(args, "substr", 2)?);
    let start = if offset < 0 {
        total.saturating_add(offset)
    } else {
        offset
    };
    if !(0..=total).contains(&start) {
        return Ok(Value::Text(Vec::new()));
    }
    let room = total - start;
    let length = if length < 0 {
        room.saturating_add(length).max(0)
    } else {
        length.min(room)
    };
    let (start, end) = (start as usize, (start + length) as usize);
    Ok(Value::Text(text[start..end].to_vec()))
}

/// How often a text is in another; the empty text is before and after each byte.
fn contains(args: &[Value]) -> ValueResult {
    let (text, part) = (text(args, "contains", 0)?, text(args, "contains", 1)?);
    let found = if part.is_empty() {
        text.len() + 1
    } else {
        memchr::memmem::find_iter(text, part).count()
    };
    Ok(Value::Number(found as f64))
}

/// `format(pattern, values...)`, where `%s` stands for the next value and `%%` for `%`. The text
/// has at most 16 MiB, because each of many APPLY may double the text of the APPLY before.
fn format(args: &[Value]) -> ValueResult {
    let pattern = text(args, "format", 0)?;
    let error = |text: &str| Err(ExpressionError(text.into()));
    let mut values = args[1..].iter();
    let mut out: Vec<u8> = Vec::new();
    let mut bytes = pattern.iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'%') => out.push(b'%'),
            Some(b's') => {
                let Some(value) = values.next() else {
                    return error("Not enough arguments for format");
                };
                let text = value.text();
                let text = text.as_deref().unwrap_or(b"(null)");
                if text.len() > FORMATTED_MAX - out.len().min(FORMATTED_MAX) {
                    return error("format: the text is longer than 16777216 bytes");
                }
                out.extend_from_slice(text);
            }
            _ => return error("Unknown format specifier passed"),
        }
    }
    Ok(Value::Text(out))
}

/// `split(text, separators, stripped)`: parts between any of some bytes, without others at their
/// ends; empty parts are left out.
fn split(args: &[Value]) -> ValueResult {
    let whole = text(args, "split", 0)?;
    let set = |at: usize, usual: &'static [u8]| {
        let bytes = match args.get(at) {
            Some(_) => text(args, "split", at)?,
            None => usual,
        };
        let mut set = [false; 256];
        bytes.iter().for_each(|byte| set[usize::from(*byte)] = true);
        Ok(set)
    };
    let (separates, strips) = (set(1, b",")?, set(2, b" ")?);
    let parts = whole.split(|byte| separates[usize::from(*byte)]);
    let parts = parts.map(|part| {
        let is_kept = |byte: &u8| !strips[usize::from(*byte)];
        let start = part.iter().position(is_kept).unwrap_or(part.len());
        let end = part.iter().rposition(is_kept).map_or(start, |at| at + 1);
        part[start..end].to_vec()
    });
    let parts = parts.filter(|part| !part.is_empty()).map(Value::Text);
    Ok(Value::List(parts.collect()))
}

/// `matched_terms(max)`: the words and tags that the row's document matched, at most 100.
fn matched_terms(args: &[Value], row: &dyn Row) -> ValueResult {
    let max = args.first().and_then(Value::number).unwrap_or(0.0) as usize;
    let max = if max == 0 { usize::MAX } else { max };
    let terms = row.matched_terms();
    if terms.is_empty() {
        return Ok(Value::Null);
    }
    let terms = terms.iter().take(max);
    Ok(Value::List(
        terms.map(|term| Value::Text(term.to_vec())).collect(),
    ))
}

fn to_number(args: &[Value]) -> ValueResult {
    let value = &args[0];
    if let Some(n) = value.number() {
        return Ok(Value::Number(n));
    }
    let shown = value.text().unwrap_or_default();
    Err(ExpressionError(
        [b"to_number: cannot convert string '", &*shown, b"'"].concat(),
    ))
}

/// The metres between two places, each `"lon,lat"` or two numbers, to the centimetre.
fn geodistance(args: &[Value]) -> ValueResult {
    let mut numbers = Vec::new();
    for value in args {
        match first_of(value) {
            Value::Number(n) => numbers.push(*n),
            Value::Text(text) => {
                let Some(place) = place_of(text) else {
                    return Err(ExpressionError(b"Invalid geo string".to_vec()));
                };
                numbers.extend(place);
            }
            _ => return Ok(Value::Number(f64::NAN)),
        }
    }
    let &[lon, lat, other_lon, other_lat] = numbers.as_slice() else {
        return Ok(Value::Number(f64::NAN));
    };
    if !numbers.iter().all(|degrees| degrees.is_finite()) {
        return Ok(Value::Number(f64::NAN));
    }
    let [from, to] = [(lon, lat), (other_lon, other_lat)].map(|(longitude, latitude)| Position {
        longitude,
        latitude,
    });
    let metres = Origin::new(from).distance(to);
    Ok(Value::Number((metres * 100.0).round() / 100.0))
}

/// `lon,lat` or `lon lat`.
fn place_of(text: &[u8]) -> Option<[f64; 2]> {
    let text = std::str::from_utf8(text).ok()?;
    let mut parts = text.split([',', ' ']).filter(|part| !part.is_empty());
    let place = [parts.next()?.parse().ok()?, parts.next()?.parse().ok()?];
    parts.next().is_none().then_some(place)
}
