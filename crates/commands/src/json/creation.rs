//! Members that a path names and a document lacks, made with `json-auto-create-deep-paths`.
//!
//! A command first reaches all places, then checks the members to make, then writes: an error
//! leaves the document as it was. New members are the last of their objects, so the locations of
//! other values stay as they are.
//!
//! Cost: O(names) for each place, and the copies of the value.

#[cfg(test)]
mod tests;

use super::assignment::{NEW_AT_ROOT, TEXT_DEPTH_MAX, check_depth, pay_for_copies};
use super::editing::pay_from;
use super::row::{at, compiled, is_root, plain};
use russet_command::CommandError;
use russet_json::{
    Budget, Document, Location, MissingMembers, Path, PathCache, Target, Value, View,
};
use russet_server::CommandResult;
use russet_types::Json;
use std::convert::Infallible;

/// A member is to be both an object and the value.
const OBJECT_AND_VALUE: CommandError = CommandError::Text("bad object type");
const TOO_DEEP: CommandError = CommandError::Text("recursion limit exceeded");

/// Members to make, in the order in which the path meets them, as often as it does, each with the
/// number of its place among all places of the path.
#[derive(Default)]
pub(super) struct MissingPlaces<'p>(Vec<(MissingMembers<'p>, usize)>);

impl<'p> MissingPlaces<'p> {
    /// Reaches the places of a path: `take` has the matches.
    pub fn reach(
        path: &'p Path,
        json: &Json,
        budget: &Budget,
        mut take: impl FnMut(Location, Value<'_>),
    ) -> Result<MissingPlaces<'p>, CommandError> {
        let mut missing = MissingPlaces::default();
        let targets = path.targets(json.root(), budget).map_err(plain)?;
        for (position, target) in targets.into_iter().enumerate() {
            match target {
                Target::Found(location, value) => take(location, value),
                Target::Missing(members) => missing.0.push((members, position)),
            }
        }
        Ok(missing)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Leaves out members within values that are replaced: locations in ascending order, none
    /// within another.
    pub fn discard_within(&mut self, replaced: &[&[u32]]) {
        self.0.retain(|(members, _)| {
            let object = &members.object[..];
            let after = replaced.partition_point(|place| *place <= object);
            let before = after.checked_sub(1).map(|at| replaced[at]);
            before.is_none_or(|place| !object.starts_with(place))
        });
    }

    /// Refuses members that cannot be made with a value, and pays for them and for `edits` others.
    pub fn check(
        &self,
        json: &Json,
        value: &Document,
        edits: usize,
        max: u64,
        budget: &Budget,
    ) -> CommandResult {
        if self.is_empty() {
            return Ok(());
        }
        let mut sorted: Vec<&MissingMembers<'_>> = self.members().collect();
        sorted.sort_by(|one, other| {
            let objects = one.object.cmp(&other.object);
            objects.then_with(|| one.names().cmp(other.names()))
        });
        for pair in sorted.windows(2) {
            let is_within = pair[0].object == pair[1].object
                && pair[0].depth() < pair[1].depth()
                && pair[1].names().take(pair[0].depth()).eq(pair[0].names());
            if is_within {
                return Err(OBJECT_AND_VALUE);
            }
        }
        let value_depth = value.root().depth();
        for members in self.members() {
            let around = members.object.len() + members.depth();
            if members.depth() > 1 && around + value_depth > TEXT_DEPTH_MAX {
                return Err(TOO_DEEP);
            }
            check_depth(around, value)?;
        }
        let count = self.0.len();
        let more = value.memory_bytes().saturating_mul(count.saturating_sub(1));
        if count > 1 && (json.memory_bytes() as u64).saturating_add(more as u64) > max {
            return Err(CommandError::StringTooLong);
        }
        let names: usize = self.members().map(MissingMembers::depth).sum();
        budget.spend(names as u64).map_err(plain)?;
        pay_for_copies(value, count, budget)?;
        json.pay_for_edits(count + edits, &pay_from(budget))
    }

    /// Makes the members, which were checked, with copies of a value.
    pub fn make(&self, json: &mut Json, value: &Document) {
        let places: Vec<&[u32]> = self.members().map(|each| &each.object[..]).collect();
        if places.is_empty() {
            return;
        }
        let mut make = |number: usize, document: &mut Document, place: &[u32]| {
            let names = self.0[number].0.names();
            make_members(document, Location::from_slice(place), names, value);
        };
        let free = |_: u64| Ok::<(), Infallible>(());
        json.edit_each(&places, &free, &mut make)
            .unwrap_or_else(|never| match never {});
    }

    /// The results of all places, from those of the matches.
    pub fn with_results<R: Clone>(&self, found: Vec<R>, made: &R) -> Vec<R> {
        if self.is_empty() {
            return found;
        }
        let mut all = Vec::with_capacity(found.len() + self.0.len());
        let mut found = found.into_iter();
        for (_, position) in &self.0 {
            let before = position.saturating_sub(all.len());
            all.extend(found.by_ref().take(before));
            all.push(made.clone());
        }
        all.extend(found);
        all
    }

    fn members(&self) -> impl Iterator<Item = &MissingMembers<'p>> {
        self.0.iter().map(|(members, _)| members)
    }
}

/// Makes a member within members that are made if they are missing.
fn make_members<'n>(
    document: &mut Document,
    mut object: Location,
    names: impl Iterator<Item = &'n str>,
    value: &Document,
) {
    let empty = Document::parse(b"{}").expect("it is JSON");
    let mut names = names.peekable();
    while let Some(name) = names.next() {
        if names.peek().is_none() {
            document.set_member(&object, name, value.root());
            return;
        }
        let known = at(document, &object).member(name);
        let ordinal = known.map_or_else(|| at(document, &object).len(), |(ordinal, _)| ordinal);
        if known.is_none() {
            document.set_member(&object, name, empty.root());
        }
        object.push(ordinal as u32);
    }
}

/// Whether a command may make a key at a path, not yet compiled.
pub(super) fn can_make_key(paths: &mut PathCache, text: &str, makes: bool) -> bool {
    let is_of_names = |path: &Path| path.member_names().is_some();
    is_root(paths, text) || makes && compiled(paths, text).is_ok_and(|path| is_of_names(&path))
}

/// The document of a new key with a value at a path, not yet compiled.
pub(super) fn new_document(
    paths: &mut PathCache,
    text: &str,
    value: Document,
    makes: bool,
) -> Result<Document, CommandError> {
    if is_root(paths, text) {
        return Ok(value);
    }
    let path = compiled(paths, text).ok().filter(|_| makes);
    let Some(names) = path.as_ref().and_then(|path| path.member_names()) else {
        return Err(NEW_AT_ROOT);
    };
    if names.clone().count() + value.root().depth() > TEXT_DEPTH_MAX {
        return Err(TOO_DEEP);
    }
    let mut document = Document::parse(b"{}").expect("it is JSON");
    make_members(&mut document, Location::new(), names, &value);
    Ok(document)
}
