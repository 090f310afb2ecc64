//! Values set at the matches of a path.
//!
//! A path with matches replaces each match. A path without matches makes a member, if the path is
//! static (names and indexes alone) and the steps before the last find an object. With
//! `json-auto-create-deep-paths` (`creation`) a path makes all members that it lacks.
//!
//! Cost: O(length of the value) for each match, and the values that the path visits.

use super::creation::MissingPlaces;
use super::editing::pay_from;
use super::row::plain;
use russet_command::CommandError;
use russet_json::{Budget, DEPTH_MAX, Document, Key, Kind, Location, Path, Value, View};
use russet_server::{Call, CommandResult};
use russet_types::Json;

/// A document that does not exist is only made at the root.
pub(super) const NEW_AT_ROOT: CommandError =
    CommandError::Text("ERR new objects must be created at the root");
const NOT_STATIC: CommandError = CommandError::Text("Err wrong static path");
const NO_SUCH_ELEMENT: CommandError = CommandError::Text("ERR array index out of range");
const TOO_DEEP: CommandError = CommandError::Text("ERR nested deeper than 512 levels");
const _: () = assert!(DEPTH_MAX == 512);
/// The deepest nesting of a value that was parsed.
pub(super) const TEXT_DEPTH_MAX: usize = 127;

/// The condition of SET on the path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Always,
    IfMissing,
    IfThere,
}

/// The rule by which a value is set.
#[derive(Clone, Copy)]
pub(super) struct Rule {
    pub condition: Condition,
    /// Bytes that the document may have.
    pub max: u64,
    /// Missing members are made (`creation`).
    pub makes: bool,
}

impl Rule {
    /// The rule of a command of this server.
    pub fn of(call: &Call<'_>, condition: Condition) -> Rule {
        Rule {
            condition,
            max: call.string_max(),
            makes: call.server.config.json_auto_create_deep_paths,
        }
    }
}

/// The outcome of setting a value.
pub(super) enum Outcome {
    /// There was nothing to set, or the condition does not hold.
    Nothing,
    Set,
    /// The whole document was replaced: it is to be freed as a large value may have to be.
    Replaced(Json),
}

/// Sets the value at a path.
pub(super) fn set_at(
    json: &mut Json,
    path: &Path,
    value: Document,
    rule: Rule,
    budget: &Budget,
) -> Result<Outcome, CommandError> {
    let Rule { condition, max, .. } = rule;
    if path.is_root() {
        if condition == Condition::IfMissing {
            return Ok(Outcome::Nothing);
        }
        let old = std::mem::replace(json, Json::from(value));
        return Ok(Outcome::Replaced(old));
    }
    if rule.makes {
        return set_or_make(json, path, &value, rule, budget);
    }
    if condition == Condition::IfMissing && path.last_key().is_none() && !path.is_root() {
        return Err(NOT_STATIC);
    }
    let mut found = path.locations(json.root(), budget).map_err(plain)?;
    match condition {
        Condition::IfMissing if !found.is_empty() => return Ok(Outcome::Nothing),
        Condition::IfThere if found.is_empty() => return Ok(Outcome::Nothing),
        _ => {}
    }
    if found.is_empty() {
        let is_made = make_at(json, path, value)?;
        return Ok(if is_made {
            Outcome::Set
        } else {
            Outcome::Nothing
        });
    }
    check_growth(json, &value, found.iter(), 0, max)?;
    let places: Vec<&[u32]> = outermost(&mut found).collect();
    pay_for_copies(&value, places.len(), budget)?;
    let mut set = |_: usize, document: &mut Document, place: &[u32]| {
        document.replace(place, value.root());
    };
    json.edit_each(&places, &pay_from(budget), &mut set)?;
    Ok(Outcome::Set)
}

/// As [`set_at`], at a path that is not the root: a path also makes the members that it lacks.
fn set_or_make(
    json: &mut Json,
    path: &Path,
    value: &Document,
    Rule { condition, max, .. }: Rule,
    budget: &Budget,
) -> Result<Outcome, CommandError> {
    let mut found = Vec::new();
    let take = |location: Location, _: Value<'_>| found.push(location);
    let mut missing = MissingPlaces::reach(path, json, budget, take)?;
    match condition {
        Condition::IfMissing if missing.is_empty() && !found.is_empty() => {
            return Ok(Outcome::Nothing);
        }
        Condition::IfMissing => found.clear(),
        Condition::IfThere => missing.clear(),
        Condition::Always => {}
    }
    if found.is_empty() && missing.is_empty() {
        return match condition {
            Condition::IfThere => Ok(Outcome::Nothing),
            _ => nothing_made(path),
        };
    }
    check_growth(json, value, found.iter(), 0, max)?;
    let places: Vec<&[u32]> = outermost(&mut found).collect();
    missing.discard_within(&places);
    missing.check(json, value, places.len(), max, budget)?;
    pay_for_copies(value, places.len(), budget)?;
    let mut set = |_: usize, document: &mut Document, place: &[u32]| {
        document.replace(place, value.root());
    };
    json.edit_each(&places, &pay_from(budget), &mut set)?;
    missing.make(json, value);
    Ok(Outcome::Set)
}

/// The outcome of a path that finds nothing, and whose members cannot be made.
pub(super) fn nothing_made(path: &Path) -> Result<Outcome, CommandError> {
    match path.last_key() {
        _ if path.ends_in_member() => Ok(Outcome::Nothing),
        Some(Key::Index(_)) => Err(NO_SUCH_ELEMENT),
        _ => Err(NOT_STATIC),
    }
}

/// The locations that are within no other location, each once, because a replaced or emptied value
/// takes all inner values with it.
pub(super) fn outermost(locations: &mut [Location]) -> impl Iterator<Item = &[u32]> {
    locations.sort_unstable();
    let mut last: Option<&Location> = None;
    locations.iter().filter_map(move |location| {
        if last.is_some_and(|last| location.starts_with(last)) {
            return None;
        }
        last = Some(location);
        Some(&**location)
    })
}

/// Pays for so many copies of a value, except the first: the parser paid for that copy.
pub(super) fn pay_for_copies(value: &Document, copies: usize, budget: &Budget) -> CommandResult {
    let bytes = value
        .memory_bytes()
        .saturating_mul(copies.saturating_sub(1));
    budget.spend_bytes(bytes).map_err(plain)
}

/// Refuses a path that finds nothing and cannot make a member, and pays for the edits of the values
/// that the path finds.
pub(super) fn check_makes(
    json: &Document,
    path: &Path,
    makes: bool,
    budget: &Budget,
) -> CommandResult {
    if makes && path.ends_in_member() {
        let edits = path.targets(json.root(), budget).map_err(plain)?.len();
        let pay = |visits| budget.spend(visits).map_err(plain);
        return json.pay_for_edits(edits, &pay);
    }
    if path.is_static() && matches!(path.last_key(), Some(Key::Name(_))) {
        return Ok(());
    }
    let found = path.locations(json.root(), budget).map_err(plain)?;
    let pay = |visits| budget.spend(visits).map_err(plain);
    json.pay_for_edits(found.len(), &pay)?;
    match path.last_key() {
        _ if !found.is_empty() => Ok(()),
        Some(Key::Index(_)) => Err(NO_SUCH_ELEMENT),
        Some(Key::Name(_)) => Ok(()),
        None => Err(NOT_STATIC),
    }
}

/// Makes the member that a static path names, in an object that is there.
pub(super) fn make_at(json: &mut Json, path: &Path, value: Document) -> Result<bool, CommandError> {
    let name = match path.last_key() {
        Some(Key::Name(name)) => name,
        Some(Key::Index(_)) => return Err(NO_SUCH_ELEMENT),
        None => return Err(NOT_STATIC),
    };
    let parent = path.parent(json.root());
    let Some((parent, _)) = parent.filter(|(_, parent)| matches!(parent.kind(), Kind::Object))
    else {
        return Ok(false);
    };
    check_depth(parent.len() + 1, &value)?;
    json.set_member(&parent, name, value.root());
    Ok(true)
}

/// Refuses an edit that would make a document longer than a string may be, or nested too deeply:
/// the edit puts a value at each of these places, `below` containers further down.
pub(super) fn check_growth<'a>(
    json: &Json,
    value: &Document,
    places: impl Iterator<Item = &'a Location> + Clone,
    below: usize,
    max: u64,
) -> Result<(), CommandError> {
    let count = places.clone().count();
    if count > 1 {
        let more = value.memory_bytes().saturating_mul(count - 1);
        if (json.memory_bytes() as u64).saturating_add(more as u64) > max {
            return Err(CommandError::StringTooLong);
        }
    }
    let deepest = places.map(|place| place.len()).max().unwrap_or(0);
    check_depth(deepest + below, value)
}

/// Refuses a value that would be nested too deeply within so many containers.
pub(super) fn check_depth(around: usize, value: &Document) -> Result<(), CommandError> {
    if around + TEXT_DEPTH_MAX > DEPTH_MAX && around + value.root().depth() > DEPTH_MAX {
        return Err(TOO_DEEP);
    }
    Ok(())
}
