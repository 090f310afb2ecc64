//! NUMINCRBY, NUMMULTBY and NUMPOWBY.
//!
//! An integer and an integer make an integer, which wraps as in Redis unless `json-integers-wrap`
//! is off; anything else makes a float. All results are computed before one is stored.
//!
//! Cost: O(values that the path visits).

use super::count;
use super::reply::{last, write_number};
use super::row::{WRITES, WRITING, WRITTEN_KEY, coded, missing_or_not, open, path_at, plain, utf8};
use crate::server::{Call, CommandResult, Spec};
use russet_command::{Arity, CommandError};
use russet_json::{Document, Kind, Location, Number, Value, View, number_of, print_number};
use russet_keyspace::Class;
use smallvec::SmallVec;
use std::collections::HashMap;

/// Bytes of a usual reply.
const REPLY_BYTES: usize = 32;

const NO_NUMBER: CommandError = CommandError::Text("bad input number");
const NOT_FINITE: CommandError = CommandError::Text("ERR result is not a number");
const OVERFLOW: CommandError = CommandError::Text("ERR integer overflow");

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
    change(call, "json.numincrby", Operation::Add)
}

/// `JSON.NUMMULTBY key path number`: multiplies numbers. Reply: as of NUMINCRBY.
fn nummultby(call: &mut Call<'_>) -> CommandResult {
    change(call, "json.nummultby", Operation::Multiply)
}

/// `JSON.NUMPOWBY key path number`: raises numbers to a power. Reply: as of NUMINCRBY.
fn numpowby(call: &mut Call<'_>) -> CommandResult {
    change(call, "json.numpowby", Operation::Power)
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

    /// The wrapped result, and whether it is exact. As in Redis, the exponent of a power is its
    /// lower 32 bits, without its sign.
    fn of_integers(self, left: i64, right: i64) -> (i64, bool) {
        let (result, wrapped) = match self {
            Operation::Add => left.overflowing_add(right),
            Operation::Multiply => left.overflowing_mul(right),
            Operation::Power => left.overflowing_pow(right as u32),
        };
        let fits = !matches!(self, Operation::Power) || u32::try_from(right).is_ok();
        (result, !wrapped && fits)
    }
}

fn change(call: &mut Call<'_>, event: &'static str, operation: Operation) -> CommandResult {
    let [_, key, _, by] = call.args.exactly();
    let (text, by) = (path_at(call.args, 2)?, utf8(by)?);
    let wraps = call.was_taken_before() || call.server.config.json_integers_wrap;
    let paths = &mut call.server.json_paths;
    let (mut json, path) = open(&mut call.db, paths, key, text)?;
    let mut found: SmallVec<[(Location, Option<Number>); 1]> = SmallVec::new();
    let take = |location: &Location, value: Value<'_>| {
        let number = match value.kind() {
            Kind::Number(number) => Some(number),
            _ => None,
        };
        found.push((location.clone(), number));
    };
    path.each_found(json.root(), take).map_err(plain)?;
    // Without a number to change, Redis does not look at the argument.
    let by = if found.iter().any(|(_, number)| number.is_some()) {
        match number_of(by.as_bytes()) {
            Some(number) => number,
            None => match Document::parse(by.as_bytes()).map_err(coded)?.root().kind() {
                Kind::Number(number) => number,
                _ => return Err(NO_NUMBER),
            },
        }
    } else {
        Number::Signed(0)
    };
    let mut results: SmallVec<[Option<Number>; 1]> = SmallVec::new();
    let mut latest = HashMap::new();
    for (location, number) in &found {
        // A match that is repeated goes on from its last result.
        let old = latest.get(location).copied().or(*number);
        let new = old
            .map(|number| operation.of(number, by, wraps))
            .transpose()?;
        if let Some(new) = new.filter(|_| !path.is_static()) {
            latest.insert(location, new);
        }
        results.push(new);
    }
    for ((location, _), result) in found.iter().zip(&results) {
        if let Some(number) = result {
            json.set_number(location, *number);
        }
    }
    drop(json);
    if results.iter().any(Option::is_some) {
        call.db.changed(key, Class::MODULE, event);
    }
    let reply = &mut *call.reply;
    if reply.resp3() {
        reply.array(results.len());
        for result in results {
            match result {
                Some(number) => write_number(reply, number),
                None => reply.null(),
            }
        }
        return Ok(());
    }
    let mut out = Vec::with_capacity(REPLY_BYTES);
    if path.is_legacy() {
        let none = || missing_or_not(path.text(), "does not contains a number");
        print_number(*last(&results).ok_or_else(none)?, &mut out);
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
