//! MSET.
//!
//! It checks the types of all keys, parses all values and paths, and judges the paths by the
//! documents as they are, before it sets anything. A member without a parent is passed over; later
//! triplets see what earlier ones have set.
//!
//! Cost: of each triplet that of SET.

use super::assignment::{Condition, NEW_AT_ROOT, Outcome, Rule, check_makes, set_at};
use super::count;
use super::parsing::Values;
use super::row::{GROWS, OTHER_TYPE, WRITING, compiled, is_root, path_at};
use super::set::SET;
use crate::server::{Call, CommandResult, Spec};
use russet_command::{Access, Arity, CommandError, KeySpec};
use russet_json::Budget;
use russet_keyspace::Class;
use russet_types::Json;

pub(super) const MSET: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: GROWS,
    keys: &[KeySpec::range(1, -1, 3, Access::MODIFY)],
    categories: WRITING,
    handler: mset,
    name: "json.mset",
    work: count::EACH_TRIPLET,
    ..SET
};

/// Visits of all paths together: it changes several documents at once, so that no thread can.
const VISITS: u64 = 1 << 19;

fn budget(call: &Call<'_>) -> Budget {
    if call.was_taken_before() {
        Budget::unlimited()
    } else {
        Budget::new(VISITS)
    }
}

/// `JSON.MSET key path value [key path value ...]`: sets values at paths.
///
/// Reply: OK; null if one of them could not be made.
fn mset(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    if args.len() % 3 != 1 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let rule = Rule {
        condition: Condition::Always,
        max: call.string_max(),
    };
    let Some(mut texts) = Values::of(call, (3..args.len()).step_by(3)) else {
        return Ok(());
    };
    let mut values = Vec::with_capacity(args.len() / 3);
    let budget = budget(call);
    for at in (1..args.len()).step_by(3) {
        let place = call.db.place(args.at(at));
        let is_there = place.holds::<Json>().map_err(|_| OTHER_TYPE)?;
        let text = path_at(args, at + 1)?;
        if is_there {
            let path = compiled(&mut call.server.json_paths, text)?;
            if let Ok(Some(json)) = call.db.read::<Json>(args.at(at)) {
                check_makes(&json, &path, &budget)?;
            }
        } else if !is_root(&mut call.server.json_paths, text) {
            return Err(NEW_AT_ROOT);
        }
        values.push(texts.next(args.at(at + 2))?);
    }
    let (mut is_any_set, mut are_all_set) = (false, true);
    let budget = self::budget(call);
    for (value, at) in values.into_iter().zip((1..args.len()).step_by(3)) {
        let (key, text) = (args.at(at), path_at(args, at + 1)?);
        let place = call.db.place(key);
        let outcome = if place.is_taken() {
            let path = compiled(&mut call.server.json_paths, text)?;
            let mut json = place.open::<Json>();
            set_at(&mut json, &path, value, rule, &budget).unwrap_or(Outcome::Nothing)
        } else {
            place.put(Json::from(value));
            Outcome::Set
        };
        let is_set = !matches!(outcome, Outcome::Nothing);
        are_all_set &= is_set;
        if let Outcome::Replaced(old) = outcome {
            call.db.free_part(old);
        }
        if is_set && is_any_set {
            call.db.also_changed(key, Class::MODULE, "json.mset");
        } else if is_set {
            call.db.changed(key, Class::MODULE, "json.mset");
        }
        is_any_set |= is_set;
    }
    if are_all_set {
        call.reply.ok();
    } else {
        call.reply.null();
    }
    Ok(())
}
