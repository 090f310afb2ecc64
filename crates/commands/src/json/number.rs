//! NUMINCRBY, NUMMULTBY and NUMPOWBY.
//!
//! An integer and an integer make an integer; a result beyond 64 bits is an error, or wraps around,
//! as in Redis before 8.8, with `json-integers-wrap`. Anything else makes a float. The command
//! computes all results before it stores any.
//!
//! Cost: O(values that the path visits).

use super::count;
use super::creation::MissingPlaces;
use super::editing::{Apply, Change, Edit, edit_there, pay_from};
use super::printing::Means;
use super::reply::{last, write_number};
use super::row::{
    WRITES, WRITING, WRITTEN_KEY, coded, compiled, missing_or_not, path_at, plain, utf8,
};
use russet_command::{Arity, CommandError};
use russet_json::{Document, Kind, Location, Number, Path, Value, View, number_of, print_number};
use russet_resp::Reply;
use russet_server::{Call, CommandResult, Spec};
use russet_types::Json;
use smallvec::SmallVec;
use std::collections::HashMap;

/// Bytes of a usual reply.
const REPLY_BYTES: usize = 32;

const NO_NUMBER: CommandError = CommandError::Text("bad input number");
const NOT_FINITE: CommandError = CommandError::Text("ERR result is not a number");
const OVERFLOW: CommandError = CommandError::Text("ERR numeric overflow");

pub(super) const NUMINCRBY: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: WRITES,
    keys: WRITTEN_KEY,
    categories: WRITING,
    work: count::ONE,
    ..Spec::new("json.numincrby", numincrby)
};

pub(super) const NUMMULTBY: Spec = Spec {
    name: "json.nummultby",
    handler: nummultby,
    ..NUMINCRBY
};

pub(super) const NUMPOWBY: Spec = Spec {
    name: "json.numpowby",
    handler: numpowby,
    ..NUMINCRBY
};

/// `JSON.NUMINCRBY key path number`: adds to numbers.
///
/// Reply: JSON text of an array of the results, null for a match that is no number; of a legacy
/// path the last result. RESP3: an array of numbers, whatever the path.
fn numincrby(call: &mut Call<'_>) -> CommandResult {
    change(call, "json.numincrby", |json, edit, means, reply| {
        apply(Operation::Add, json, edit, means, reply)
    })
}

/// `JSON.NUMMULTBY key path number`: multiplies numbers. Reply: as of NUMINCRBY.
fn nummultby(call: &mut Call<'_>) -> CommandResult {
    change(call, "json.nummultby", |json, edit, means, reply| {
        apply(Operation::Multiply, json, edit, means, reply)
    })
}

/// `JSON.NUMPOWBY key path number`: raises numbers to a power. Reply: as of NUMINCRBY.
fn numpowby(call: &mut Call<'_>) -> CommandResult {
    change(call, "json.numpowby", |json, edit, means, reply| {
        apply(Operation::Power, json, edit, means, reply)
    })
}

#[derive(Clone, Copy)]
enum Operation {
    Add,
    Multiply,
    Power,
}

impl Operation {
    /// The result. `wraps`: integers wrap around instead of an error.
    fn of(self, left: Number, right: Number, wraps: bool) -> Result<Number, CommandError> {
        if let (Number::Signed(left), Number::Signed(right)) = (left, right) {
            let (result, is_exact) = self.of_integers(left, right);
            return if wraps || is_exact {
                Ok(Number::Signed(result))
            } else {
                Err(OVERFLOW)
            };
        }
        let (left, right) = (left.as_f64(), right.as_f64());
        let result = match self {
            Operation::Add => left + right,
            Operation::Multiply => left * right,
            Operation::Power => left.powf(right),
        };
        if result.is_finite() {
            Ok(Number::Float(result))
        } else {
            Err(NOT_FINITE)
        }
    }

    /// The wrapped result, and whether the result is exact. As in Redis, the exponent of a power is
    /// the operand's lower 32 bits, without the sign.
    fn of_integers(self, left: i64, right: i64) -> (i64, bool) {
        let (result, wrapped) = match self {
            Operation::Add => left.overflowing_add(right),
            Operation::Multiply => left.overflowing_mul(right),
            Operation::Power => left.overflowing_pow(right as u32),
        };
        (result, !wrapped)
    }
}

fn change(call: &mut Call<'_>, event: &'static str, apply: Apply) -> CommandResult {
    path_at(call.args, 2)?;
    utf8(call.args.at(3))?;
    edit_there(call, event, None, apply)
}

fn apply(
    operation: Operation,
    json: &mut Json,
    edit: Edit<'_>,
    means: &mut Means<'_>,
    reply: &mut Reply,
) -> Result<Change, CommandError> {
    let args = edit.args;
    let by = utf8(args.at(3))?;
    let path = compiled(means.paths, path_at(args, 2)?)?;
    let mut found: SmallVec<[(Location, Option<Number>); 1]> = SmallVec::new();
    let mut take = |location: Location, value: Value<'_>| {
        let number = match value.kind() {
            Kind::Number(number) => Some(number),
            _ => None,
        };
        found.push((location, number));
    };
    let missing = if edit.makes && matches!(operation, Operation::Add) {
        MissingPlaces::reach(&path, json, means.budget, take)?
    } else {
        path.each_found(json.root(), means.budget, |location, value| {
            take(location.clone(), value);
        })
        .map_err(plain)?;
        MissingPlaces::default()
    };
    // Without a number to change, Redis does not look at the argument.
    let by = if found.iter().any(|(_, number)| number.is_some()) {
        operand(by)?
    } else if missing.is_empty() {
        Number::Signed(0)
    } else {
        operand(by).map_err(|_| NO_NUMBER)?
    };
    let mut results: SmallVec<[Option<Number>; 1]> = SmallVec::new();
    let mut latest = HashMap::new();
    for (location, number) in &found {
        // A repeated match continues from the result of the match before.
        let old = latest.get(location).copied().or(*number);
        let new = old
            .map(|number| operation.of(number, by, edit.wraps))
            .transpose()?;
        if let Some(new) = new.filter(|_| !path.is_static()) {
            latest.insert(location, new);
        }
        results.push(new);
    }
    let new = found.iter().zip(&results);
    let (places, new): (SmallVec<[&[u32]; 1]>, SmallVec<[Number; 1]>) = new
        .filter_map(|((location, _), result)| Some((&**location, (*result)?)))
        .unzip();
    let mut set = |at: usize, document: &mut Document, place: &[u32]| {
        document.set_number(place, new[at]);
    };
    let made = Document::number(by);
    missing.check(json, &made, places.len(), edit.max, means.budget)?;
    json.edit_each(&places, &pay_from(means.budget), &mut set)?;
    missing.make(json, &made);
    if !missing.is_empty() {
        results = missing.with_results(results.into_vec(), &Some(by)).into();
    }
    write_results(&path, &results, reply)?;
    Ok(if results.iter().any(Option::is_some) {
        Change::Changed
    } else {
        Change::Nothing
    })
}

/// The number that an argument is.
fn operand(by: &str) -> Result<Number, CommandError> {
    if let Some(number) = number_of(by.as_bytes()) {
        return Ok(number);
    }
    match Document::parse(by.as_bytes()).map_err(coded)?.root().kind() {
        Kind::Number(number) => Ok(number),
        _ => Err(NO_NUMBER),
    }
}

fn write_results(path: &Path, results: &[Option<Number>], reply: &mut Reply) -> CommandResult {
    if reply.resp3() {
        reply.array(results.len());
        for result in results {
            match result {
                Some(number) => write_number(reply, *number),
                None => reply.null(),
            }
        }
        return Ok(());
    }
    let mut out = Vec::with_capacity(REPLY_BYTES);
    if path.is_legacy() {
        let none = || missing_or_not(path.text(), "does not contains a number");
        print_number(*last(results).ok_or_else(none)?, &mut out);
    } else {
        out.push(b'[');
        for (at, result) in results.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            match result {
                Some(number) => print_number(*number, &mut out),
                None => out.extend_from_slice(b"null"),
            }
        }
        out.push(b']');
    }
    reply.bulk(&out);
    Ok(())
}
