//! MERGE: RFC 7396, a JSON value as a patch.
//!
//! A null member of the patch removes the member of the same name, an object is merged into it,
//! anything else replaces it. A match that is merged with null becomes null. If a path makes a
//! member, or MERGE makes a key, it stores the value as it is, nulls included.
//!
//! Cost: O(members of the patch) for each match, and the values that the path visits.

use super::assignment::{
    Condition, Outcome, Rule, check_growth, make_at, nothing_made, outermost, pay_for_copies,
};
use super::count;
use super::creation::{MissingPlaces, new_document};
use super::editing::pay_from;
use super::parsing::{self, Edit, ParsedValue};
use super::row::{GROWS, OTHER_TYPE, WRITING, WRITTEN_KEY, at, path_at, plain, utf8};
use super::set::check_format;
use russet_command::{Arity, CommandError};
use russet_json::{Budget, Document, Kind, Location, Path, Value, View};
use russet_keyspace::Class;
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_types::Json;

pub(super) const MERGE: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: WRITING,
    work: count::WRITTEN,
    ..Spec::new("json.merge", merge)
};

/// `JSON.MERGE key path value [FORMAT STRING | JSON]`: merges a value into the values at a path.
///
/// Reply: OK, or null if the path cannot be made.
fn merge(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let (key, text) = (args.at(1), path_at(args, 2)?);
    check_options(args).or_else(|error| utf8(args.at(3)).and(Err(error)))?;
    let rule = Rule::of(call, Condition::Always);
    let edit = Edit {
        apply: merge_into,
        rule,
        edits_root: true,
    };
    let Some(taken) = parsing::take(call, None, edit)? else {
        return Ok(());
    };
    let place = call.db.place(key);
    let is_new = !place.holds::<Json>().map_err(|_| OTHER_TYPE)?;
    let outcome = match taken {
        ParsedValue::Outcome(outcome) => outcome,
        ParsedValue::Value(value) if is_new => {
            let value = value.map_err(plain)?;
            let value = new_document(&mut call.server.json_paths, text, value, rule.makes)?;
            place.put(Json::from(value));
            Outcome::Set
        }
        ParsedValue::Value(value) => {
            let value = value.map_err(plain)?;
            match parsing::apply(call, value, None, edit)? {
                Some(outcome) => outcome,
                None => return Ok(()),
            }
        }
    };
    match outcome {
        Outcome::Nothing => {
            call.reply.null();
            return Ok(());
        }
        Outcome::Set => {}
        Outcome::Replaced(old) => call.db.free_part(old),
    }
    call.db.changed(key, Class::MODULE, "json.merge");
    call.reply.ok();
    Ok(())
}

/// Merges a patch into the values at a path.
fn merge_into(
    json: &mut Json,
    path: &Path,
    patch: Document,
    rule: Rule,
    budget: &Budget,
) -> Result<Outcome, CommandError> {
    let mut missing = MissingPlaces::default();
    let mut found = if rule.makes {
        let mut found = Vec::new();
        let take = |location: Location, _: Value<'_>| found.push(location);
        missing = MissingPlaces::reach(path, json, budget, take)?;
        found.sort_unstable_by(|left, right| right.cmp(left));
        found.dedup();
        found
    } else {
        path.locations(json.root(), budget).map_err(plain)?
    };
    if rule.makes && found.is_empty() && missing.is_empty() {
        return nothing_made(path);
    }
    if found.is_empty() && missing.is_empty() {
        let is_made = make_at(json, path, patch)?;
        return Ok(if is_made {
            Outcome::Set
        } else {
            Outcome::Nothing
        });
    }
    check_growth(json, &patch, found.iter(), 0, rule.max)?;
    let places: Vec<&[u32]> = if matches!(patch.root().kind(), Kind::Object) {
        found.iter().map(|location| &**location).collect()
    } else {
        let places: Vec<&[u32]> = outermost(&mut found).collect();
        missing.discard_within(&places);
        places
    };
    pay_for_copies(&patch, places.len(), budget)?;
    let mut is_paid = false;
    if !missing.is_empty() {
        missing.check(json, &patch, places.len(), rule.max, budget)?;
        // A patch may remove members, and so move others: the new members are made before.
        missing.make(json, &patch);
        is_paid = true;
    }
    let mut merge = |_: usize, document: &mut Document, place: &[u32]| {
        merge_at(document, &Location::from_slice(place), patch.root());
    };
    let unlimited = Budget::unlimited();
    let budget = if is_paid { &unlimited } else { budget };
    json.edit_each(&places, &pay_from(budget), &mut merge)?;
    Ok(Outcome::Set)
}

fn check_options(args: Args<'_>) -> Result<(), CommandError> {
    match args.len() {
        4 => Ok(()),
        6 if args.is(4, "FORMAT") => check_format(args, 5),
        _ => {
            utf8(args.at(4))?;
            Err(CommandError::Syntax)
        }
    }
}

/// Merges a patch into the value at a location.
fn merge_at(json: &mut Document, location: &Location, patch: Value<'_>) {
    if !matches!(patch.kind(), Kind::Object) {
        json.replace(location, patch);
        return;
    }
    let empty = empty_object();
    if !matches!(at(json, location).kind(), Kind::Object) {
        json.replace(location, empty.root());
    }
    for (name, value) in patch.children() {
        let name = name.unwrap_or_default();
        let old = at(json, location).member(name).map(|(ordinal, _)| ordinal);
        let mut member = location.clone();
        if let Some(ordinal) = old {
            member.push(ordinal as u32);
        }
        match (value.kind(), old) {
            (Kind::Null, None) => {}
            (Kind::Null, Some(_)) => {
                json.remove(&member);
            }
            (Kind::Object, Some(_)) => merge_at(json, &member, value),
            (Kind::Object, None) => {
                json.set_member(location, name, empty.root());
                member.push(at(json, location).len() as u32 - 1);
                merge_at(json, &member, value);
            }
            _ => {
                json.set_member(location, name, value);
            }
        }
    }
}

fn empty_object() -> Document {
    Document::parse(b"{}").expect("it is JSON")
}
