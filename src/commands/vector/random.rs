//! VRANDMEMBER.

use std::collections::HashSet;

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::row::{KEYS, READS};
use crate::commands::arguments::sample::{Passing, is_few};
use crate::commands::work;
use crate::server::{Call, CommandResult, Spec};
use russet_base::numbers::number;
use russet_command::{Arity, CommandError, Facts};
use russet_types::VectorSet;

pub(super) const VRANDMEMBER: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: READS,
    keys: KEYS,
    work: work::DRAWN,
    facts: Facts::SHOWS,
    ..Spec::new("VRANDMEMBER", vrandmember)
};

const NO_INTEGER: CommandError = CommandError::Text("ERR COUNT value is not an integer");
const OUT_OF_RANGE: CommandError = CommandError::Text("ERR COUNT value is out of range");

/// `VRANDMEMBER key [count]`: random elements, distinct ones if the count is positive.
///
/// Reply: bulk string or null; with a count an array. O(count), and O(elements) if the count is a
/// large part of them.
fn vrandmember(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    if args.len() > 3 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let count = match args.get(2) {
        None => None,
        Some(text) => match number::parse_i64(text).ok_or(NO_INTEGER)? {
            0 => {
                call.reply.array(0);
                return Ok(());
            }
            i64::MIN => return Err(OUT_OF_RANGE),
            count => Some(count),
        },
    };
    let mut rng = SmallRng::from_rng(call.db.rng());
    let set = call.db.read::<VectorSet>(args.at(1))?;
    let content = set.as_ref().map(|set| set.read());
    let reply = &mut *call.reply;
    let Some(content) = &content else {
        match count {
            None => reply.null(),
            Some(_) => reply.array(0),
        }
        return Ok(());
    };
    let some = "no set is empty";
    let Some(count) = count else {
        reply.bulk(content.random(&mut rng).expect(some).name);
        return Ok(());
    };
    let (len, wanted) = (content.len(), count.unsigned_abs() as usize);
    if count < 0 {
        reply.array(wanted);
        for _ in 0..wanted {
            if reply.is_full() {
                break;
            }
            reply.bulk(content.random(&mut rng).expect(some).name);
        }
        return Ok(());
    }
    let wanted = wanted.min(len);
    reply.array(wanted);
    if is_few(wanted, len) {
        let mut seen = HashSet::with_capacity(wanted);
        while seen.len() < wanted {
            let element = content.random(&mut rng).expect(some);
            if seen.insert(element.node) {
                reply.bulk(element.name);
            }
        }
        return Ok(());
    }
    let mut passing = Passing::new(wanted, len);
    for element in content.iter() {
        if passing.take(&mut rng) {
            reply.bulk(element.name);
        }
    }
    Ok(())
}
