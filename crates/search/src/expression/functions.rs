//! The functions of expressions: of numbers, texts, places and rows.
//!
//! A function is given its arguments as they were written: `case` and `exists` do not want all of
//! their values.

use russet_encodings::geohash::Position;
use russet_encodings::geohash::earth::Origin;
use std::borrow::Cow;
use std::ops::RangeInclusive;

use super::value::Value;
use super::{Evaluated, Expression, ExpressionError, Row, time};

/// A function that pipelines have to know: documents then keep the words that they matched.
pub(super) const MATCHED_TERMS: &str = "matched_terms";

/// A function: its name, what errors call it, how many arguments it takes, what it does.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) own_name: &'static str,
    pub(super) takes: RangeInclusive<usize>,
    pub(super) run: fn(&[Expression], &dyn Row) -> Evaluated,
}

impl Function {
    /// Whether arguments are evaluated only where their values are wanted.
    pub(super) fn is_lazy(&self) -> bool {
        ["case", "exists"].contains(&self.name)
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
    run: fn(&[Expression], &dyn Row) -> Evaluated,
) -> Function {
    Function {
        name,
        own_name: name,
        takes,
        run,
    }
}

/// A function of one number, which errors call by its name in C.
const fn of_number(
    name: &'static str,
    own_name: &'static str,
    run: fn(&[Expression], &dyn Row) -> Evaluated,
) -> Function {
    Function {
        name,
        own_name,
        takes: 1..=1,
        run,
    }
}

static FUNCTIONS: [Function; 33] = [
    of_number("abs", "fabs", |args, row| numeric(args, row, f64::abs)),
    of_number("ceil", "ceil", |args, row| numeric(args, row, f64::ceil)),
    of_number("floor", "floor", |args, row| numeric(args, row, f64::floor)),
    of_number("log", "log", |args, row| numeric(args, row, f64::ln)),
    of_number("log2", "log2", |args, row| numeric(args, row, f64::log2)),
    of_number("exp", "exp", |args, row| numeric(args, row, f64::exp)),
    of_number("sqrt", "sqrt", |args, row| numeric(args, row, root)),
    function("upper", 1..=1, |args, row| {
        cased(args, row, |text| text.to_ascii_uppercase())
    }),
    function("lower", 1..=1, |args, row| {
        cased(args, row, |text| text.to_ascii_lowercase())
    }),
    function("substr", 3..=3, substr),
    function("startswith", 2..=2, |args, row| {
        let (text, start) = (
            text(args, row, "startswith", 0)?,
            text(args, row, "startswith", 1)?,
        );
        Ok(Value::Number(f64::from(u8::from(text.starts_with(&start)))))
    }),
    function("contains", 2..=2, contains),
    function("strlen", 1..=1, |args, row| {
        Ok(Value::Number(text(args, row, "strlen", 0)?.len() as f64))
    }),
    function("format", 1..=usize::MAX, format),
    function("split", 1..=3, split),
    function("to_number", 1..=1, to_number),
    function("to_str", 1..=1, |args, row| {
        let value = first_of(args[0].evaluate(row)?);
        let text = value.text().map(Cow::into_owned);
        Ok(match text {
            Some(text) => Value::Text(text),
            None if value == Value::Null => Value::Text(Vec::new()),
            None => value,
        })
    }),
    function(MATCHED_TERMS, 0..=1, matched_terms),
    function("exists", 1..=1, exists),
    function("case", 3..=3, |args, row| {
        let holds = args[0].evaluate(row)?.is_true();
        args[if holds { 1 } else { 2 }].evaluate(row)
    }),
    function("geodistance", 2..=4, geodistance),
    function("timefmt", 1..=2, time::timefmt),
    function("parsetime", 2..=2, time::parsetime),
    function("hour", 1..=1, |args, row| time::part(args, row, time::hour)),
    function("hourofday", 1..=1, |args, row| {
        time::part(args, row, time::hour_of_day)
    }),
    function("minute", 1..=1, |args, row| {
        time::part(args, row, time::minute)
    }),
    function("day", 1..=1, |args, row| time::part(args, row, time::day)),
    function("month", 1..=1, |args, row| {
        time::part(args, row, time::month)
    }),
    function("dayofweek", 1..=1, |args, row| {
        time::part(args, row, time::day_of_week)
    }),
    function("dayofmonth", 1..=1, |args, row| {
        time::part(args, row, time::day_of_month)
    }),
    function("dayofyear", 1..=1, |args, row| {
        time::part(args, row, time::day_of_year)
    }),
    function("year", 1..=1, |args, row| time::part(args, row, time::year)),
    function("monthofyear", 1..=1, |args, row| {
        time::part(args, row, time::month_of_year)
    }),
];

/// The function of a name in letters of any case.
pub(super) fn named(name: &[u8]) -> Option<&'static Function> {
    FUNCTIONS
        .iter()
        .find(|function| function.name.as_bytes().eq_ignore_ascii_case(name))
}

fn numeric(args: &[Expression], row: &dyn Row, of: fn(f64) -> f64) -> Evaluated {
    let n = args[0].evaluate(row)?.number();
    Ok(Value::Number(n.map_or(f64::NAN, of)))
}

/// The root of a negative number is C's `-nan`.
fn root(n: f64) -> f64 {
    if n < 0.0 { -f64::NAN } else { n.sqrt() }
}

fn cased(args: &[Expression], row: &dyn Row, of: fn(&[u8]) -> Vec<u8>) -> Evaluated {
    Ok(match first_of(args[0].evaluate(row)?) {
        Value::Text(text) => Value::Text(of(&text)),
        _ => Value::Null,
    })
}

/// The first of several values, or a value itself.
fn first_of(value: Value) -> Value {
    match value {
        Value::Several(of) => of.first,
        value => value,
    }
}

/// An argument that must be a text.
pub(super) fn text(
    args: &[Expression],
    row: &dyn Row,
    function: &str,
    at: usize,
) -> Result<Vec<u8>, ExpressionError> {
    let kind = match args[at].evaluate(row)? {
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
fn whole(
    args: &[Expression],
    row: &dyn Row,
    function: &str,
    at: usize,
) -> Result<i64, ExpressionError> {
    match args[at].evaluate(row)? {
        Value::Number(n) => Ok(n as i64),
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
fn substr(args: &[Expression], row: &dyn Row) -> Evaluated {
    let Value::Text(text) = first_of(args[0].evaluate(row)?) else {
        let text = b"Invalid type for substr. Expected string";
        return Err(ExpressionError(text.to_vec()));
    };
    let total = text.len() as i64;
    let (offset, length) = (
        whole(args, row, "substr", 1)?,
        whole(args, row, "substr", 2)?,
    );
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

/// How often a text is in another; the empty one is before and after each byte.
fn contains(args: &[Expression], row: &dyn Row) -> Evaluated {
    let (text, part) = (
        text(args, row, "contains", 0)?,
        text(args, row, "contains", 1)?,
    );
    let found = if part.is_empty() {
        text.len() + 1
    } else {
        memchr::memmem::find_iter(&text, &part).count()
    };
    Ok(Value::Number(found as f64))
}

/// `format(pattern, values...)`, where `%s` stands for the next value and `%%` for `%`.
fn format(args: &[Expression], row: &dyn Row) -> Evaluated {
    let pattern = text(args, row, "format", 0)?;
    let error = |text: &str| Err(ExpressionError(text.into()));
    let values: Result<Vec<Value>, _> = args[1..].iter().map(|arg| arg.evaluate(row)).collect();
    let values = values?;
    let mut values = values.iter();
    let mut out = Vec::new();
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
                out.extend_from_slice(text.as_deref().unwrap_or(b"(null)"));
            }
            _ => return error("Unknown format specifier passed"),
        }
    }
    Ok(Value::Text(out))
}

/// `split(text, separators, stripped)`: parts between any of some bytes, without others at their
/// ends; empty parts are left out.
fn split(args: &[Expression], row: &dyn Row) -> Evaluated {
    let whole = text(args, row, "split", 0)?;
    let or = |at: usize, usual: &[u8]| match args.get(at) {
        Some(_) => text(args, row, "split", at),
        None => Ok(usual.to_vec()),
    };
    let (separators, stripped) = (or(1, b",")?, or(2, b" ")?);
    let parts = whole.split(|byte| separators.contains(byte)).map(|part| {
        let is_kept = |byte: &u8| !stripped.contains(byte);
        let start = part.iter().position(is_kept).unwrap_or(part.len());
        let end = part.iter().rposition(is_kept).map_or(start, |at| at + 1);
        part[start..end].to_vec()
    });
    let parts = parts.filter(|part| !part.is_empty()).map(Value::Text);
    Ok(Value::List(parts.collect()))
}

/// `matched_terms(max)`: the words and tags that the row's document matched, at most 100.
fn matched_terms(args: &[Expression], row: &dyn Row) -> Evaluated {
    let max = match args.first() {
        Some(max) => max.evaluate(row)?.number().unwrap_or(0.0) as usize,
        None => 0,
    };
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

fn to_number(args: &[Expression], row: &dyn Row) -> Evaluated {
    let value = args[0].evaluate(row)?;
    if let Some(n) = value.number() {
        return Ok(Value::Number(n));
    }
    let shown = value.text().unwrap_or_default();
    Err(ExpressionError(
        [b"to_number: cannot convert string '", &*shown, b"'"].concat(),
    ))
}

fn exists(args: &[Expression], row: &dyn Row) -> Evaluated {
    let there = match &args[0] {
        Expression::Property(name) => row.property(name).is_some(),
        other => other.evaluate(row)? != Value::Null,
    };
    Ok(Value::Number(f64::from(u8::from(there))))
}

/// The metres between two places, each `"lon,lat"` or two numbers, to the centimetre.
fn geodistance(args: &[Expression], row: &dyn Row) -> Evaluated {
    let mut numbers = Vec::new();
    let values: Result<Vec<Value>, _> = args.iter().map(|arg| arg.evaluate(row)).collect();
    for value in values? {
        match first_of(value) {
            Value::Number(n) => numbers.push(n),
            Value::Text(text) => {
                let Some(place) = place_of(&text) else {
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
