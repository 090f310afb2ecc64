//! Edits of many values.
//!
//! A single edit passes over the values of a chunk and moves the chunk's bytes, which costs too
//! much for every element of an array. Many edits make the document anew, in a single walk: values
//! without a value to change are copied, and each value to change becomes a document of its own for
//! as long as it is changed. Few edits are made in place, and so are edits of values with parts out
//! of line, because there are few such values.
//!
//! Invariants
//!   1. A value within another value to change is changed before that value.
//!   2. An error leaves the document as it was, because errors come before the first edit in place.
//!
//! Cost: O(bytes of the document), or a chunk for each edit if that is less; a value within several
//! others that are changed is copied for each of them.

use super::Document;
use crate::document::bytes::{self, Body};
use crate::document::draft::{Draft, OutOfRange};
use crate::document::names::{self, Name};
use crate::document::store::{chunk_bytes, value_nodes};
use crate::document::value::Value;
use crate::view::{Kind, Location, Number, View};
use std::iter;

/// The number of edits that are made in place, even in a small document.
const IN_PLACE_MAX: usize = 16;
/// Making this share of a chunk anew takes as long as an edit in place.
const SHARE_FOR_EDIT: usize = 4;
/// Bytes that are passed over or moved, and bytes that are written anew, in the time of a visit.
const MOVED_FOR_VISIT: usize = 32;
const MADE_FOR_VISIT: usize = 8;
/// Visits of an edit, however small its value is.
const EDIT_VISITS: u64 = 4;

/// Changes the value at a location of a document; the first argument is the location's number among
/// those that the edit was given.
pub type ChangeAt<'c> = dyn FnMut(usize, &mut Document, &[u32]) + 'c;
/// Pays for visits, as a budget has them.
pub type Pay<'p, E> = dyn Fn(u64) -> Result<(), E> + 'p;

/// A location, and its number.
type EditSpot<'s> = (&'s [u32], usize);

impl Document {
    /// Changes the values at locations, those within others first. A repeated location is changed
    /// as often, in the order of the numbers.
    ///
    /// `change` has the value in a document that may be another than this, at the location that it
    /// is given, and changes nothing else. An error of `pay` leaves all values as they were.
    pub fn edit_each<E>(
        &mut self,
        locations: &[&[u32]],
        pay: &Pay<'_, E>,
        change: &mut ChangeAt<'_>,
    ) -> Result<(), E> {
        if let [location] = locations {
            change(0, self, location);
            return Ok(());
        }
        let mut spots: Vec<EditSpot<'_>> = locations.iter().copied().zip(0..).collect();
        spots.sort_by(|one, other| one.0.cmp(other.0));
        if self.is_better_in_place(spots.len()) {
            self.pay_in_place(spots.len(), pay)?;
            let places = spots.chunk_by(|one, other| one.0 == other.0);
            self.edit_in_place(places.rev(), change);
            return Ok(());
        }
        let mut large = Vec::new();
        let made = Document::drafted(&[], |draft| {
            let mut remake = EditWalk {
                pay,
                change,
                large: &mut large,
            };
            remake.value(draft, self.root(), &spots, 0)
        })?;
        *self = made;
        self.edit_in_place(large.into_iter().rev(), change);
        Ok(())
    }

    /// Changes values; each item has the spots of a location.
    fn edit_in_place<'s>(
        &mut self,
        places: impl Iterator<Item = &'s [EditSpot<'s>]>,
        change: &mut ChangeAt<'_>,
    ) {
        for (location, number) in places.flatten() {
            change(*number, self, location);
        }
    }

    /// Removes values that are not the root, as [`Document::remove`] does in turn. The locations
    /// are those of [`crate::Path::deletions`]. An error of `pay` leaves all values.
    pub fn remove_each<E>(&mut self, locations: &[Location], pay: &Pay<'_, E>) -> Result<(), E> {
        if self.is_better_in_place(locations.len()) {
            self.pay_in_place(locations.len(), pay)?;
            for location in locations {
                self.remove(location);
            }
            return Ok(());
        }
        let mut removals: Vec<EditSpot<'_>> = locations.iter().map(|at| &**at).zip(0..).collect();
        // Siblings stay in their order: each location holds after the removals before it.
        removals.sort_by(|one, other| parent(one.0).cmp(parent(other.0)));
        let made = Document::drafted(&[], |draft| {
            RemovalWalk { pay }.value(draft, self.root(), &removals, 0)
        })?;
        *self = made;
        Ok(())
    }

    /// Pays for so many edits at once, as [`Document::edit_each`] will, about.
    pub fn pay_for_edits<E>(&self, edits: usize, pay: &Pay<'_, E>) -> Result<(), E> {
        if self.is_better_in_place(edits) {
            return self.pay_in_place(edits, pay);
        }
        pay(visits_of(self.memory_bytes()).saturating_add(EDIT_VISITS * edits as u64))
    }

    fn is_better_in_place(&self, edits: usize) -> bool {
        let made = edits.saturating_mul(chunk_bytes() / SHARE_FOR_EDIT);
        edits <= IN_PLACE_MAX || made <= self.memory_bytes()
    }

    fn pay_in_place<E>(&self, edits: usize, pay: &Pay<'_, E>) -> Result<(), E> {
        if edits <= 1 {
            return Ok(());
        }
        let moved = self.memory_bytes().min(chunk_bytes()) / MOVED_FOR_VISIT;
        pay((edits as u64).saturating_mul(EDIT_VISITS + moved as u64))
    }
}

fn parent(location: &[u32]) -> &[u32] {
    location.split_last().map_or(&[], |(_, parent)| parent)
}

/// The visits of making so many bytes anew.
fn visits_of(bytes: usize) -> u64 {
    (bytes / MADE_FOR_VISIT) as u64
}

/// The bytes of a value in its buffer, without parts out of line.
fn inline_bytes(value: Value<'_>) -> usize {
    value.bytes().map_or(0, |bytes| bytes::skip(bytes, 0))
}

/// Whether a value, or a value within it, is out of line.
fn has_nodes(value: Value<'_>) -> bool {
    let mut has_nodes = false;
    if let Some(bytes) = value.bytes() {
        value_nodes(bytes, 0, &mut |_| has_nodes = true);
    }
    has_nodes
}

/// Copies a value without a change.
fn copy<E>(draft: &mut Draft<'_, '_>, value: Value<'_>, pay: &Pay<'_, E>) -> Result<(), E> {
    let is_large = value.bytes().is_some_and(|bytes| bytes::is_node(bytes[0]));
    let bytes = if is_large {
        value.memory_bytes()
    } else {
        inline_bytes(value)
    };
    pay(visits_of(bytes))?;
    draft.copy(value);
    Ok(())
}

/// Begins a member, if the child of a container is a member.
fn begin_member(draft: &mut Draft<'_, '_>, container: Value<'_>, name: Option<Name<'_>>) {
    if let Some(name) = name {
        let text = container.context().name_text(name);
        draft.name(text, !matches!(name, Name::Text(_, false)));
    }
}

/// The children of a container, with the names of members.
fn children(container: Value<'_>) -> impl Iterator<Item = (Option<Name<'_>>, Value<'_>)> {
    container.parts().flat_map(move |part| {
        let mut at = part.start;
        iter::from_fn(move || {
            if at >= part.bytes.len() {
                return None;
            }
            let is_member = part.body == Body::Object;
            let name = is_member.then(|| names::name(part.bytes, at).0);
            let child = Value::child_of(container.context(), part, at);
            at = part.end(at);
            Some((name, child))
        })
    })
}

/// The spots within the child with an ordinal of a container at `depth`, which are taken from the
/// front of `spots`.
fn take_within<'s, 'l>(
    spots: &mut &'s [EditSpot<'l>],
    depth: usize,
    ordinal: usize,
) -> &'s [EditSpot<'l>] {
    let is_within = |spot: &EditSpot<'_>| spot.0[depth] as usize == ordinal;
    let count = match spots {
        [first, ..] if !is_within(first) => 0,
        // A single spot, as a rule.
        [_, second, ..] if is_within(second) => spots.partition_point(is_within),
        _ => spots.len().min(1),
    };
    let (within, rest) = spots.split_at(count);
    *spots = rest;
    within
}

/// Ends a container; numbers of a requested type are in the range of the type.
fn end(draft: &mut Draft<'_, '_>, fpha: Option<crate::document::Fpha>) {
    draft
        .end(fpha)
        .unwrap_or_else(|OutOfRange| unreachable!("the numbers were rounded to the type"));
}

/// The walk of [`Document::edit_each`].
struct EditWalk<'r, 'c, 's, 'l, E> {
    pay: &'r Pay<'r, E>,
    change: &'r mut ChangeAt<'c>,
    /// Values with parts out of line, which are changed in place afterwards, containers before the
    /// values within them: none of them is in a value that is changed here.
    large: &'r mut Vec<&'s [EditSpot<'l>]>,
}

impl<'s, 'l, E> EditWalk<'_, '_, 's, 'l, E> {
    /// Makes a value: the spots begin with its location of `depth` ordinals.
    fn value(
        &mut self,
        draft: &mut Draft<'_, '_>,
        value: Value<'_>,
        spots: &'s [EditSpot<'l>],
        depth: usize,
    ) -> Result<(), E> {
        let own = spots.partition_point(|spot| spot.0.len() == depth);
        let (own, inner) = spots.split_at(own);
        if own.is_empty() || depth == 0 || has_nodes(value) {
            if !own.is_empty() {
                (self.pay)(EDIT_VISITS + (chunk_bytes() / MOVED_FOR_VISIT) as u64)?;
                self.large.push(own);
            }
            return self.inner(draft, value, inner, depth);
        }
        let changed = self.changed(value, own, inner, depth)?;
        draft.copy(changed.root());
        Ok(())
    }

    /// A value that is changed, as a document.
    fn changed(
        &mut self,
        value: Value<'_>,
        own: &[EditSpot<'_>],
        inner: &'s [EditSpot<'l>],
        depth: usize,
    ) -> Result<Document, E> {
        let visits = EDIT_VISITS + visits_of(2 * inline_bytes(value));
        (self.pay)(visits * own.len() as u64)?;
        let mut document = if inner.is_empty() {
            Document::copy_of(value)
        } else {
            Document::drafted(&[], |draft| self.inner(draft, value, inner, depth))?
        };
        for (_, number) in own {
            (self.change)(*number, &mut document, &[]);
        }
        Ok(document)
    }

    /// Makes a value that has changed at most within itself.
    fn inner(
        &mut self,
        draft: &mut Draft<'_, '_>,
        value: Value<'_>,
        mut spots: &'s [EditSpot<'l>],
        depth: usize,
    ) -> Result<(), E> {
        if spots.is_empty() {
            return copy(draft, value, self.pay);
        }
        draft.begin(matches!(value.kind(), Kind::Object));
        let mut fpha = value.fpha();
        for (ordinal, (name, child)) in children(value).enumerate() {
            begin_member(draft, value, name);
            let within = take_within(&mut spots, depth, ordinal);
            if within.is_empty() {
                copy(draft, child, self.pay)?;
                continue;
            }
            let Some(typed) = fpha else {
                self.value(draft, child, within, depth + 1)?;
                continue;
            };
            // Numbers of an array that has a type are rounded to the type, as long as they are in
            // its range.
            let changed = self.changed(child, within, &[], depth + 1)?;
            match changed.root().kind() {
                Kind::Number(number) if typed.round(number.as_f64()).is_some() => {
                    let rounded = typed.round(number.as_f64()).unwrap_or_default();
                    draft.number(Number::Float(rounded));
                }
                _ => {
                    fpha = None;
                    draft.copy(changed.root());
                }
            }
        }
        end(draft, fpha);
        Ok(())
    }
}

/// The walk of [`Document::remove_each`].
struct RemovalWalk<'p, E> {
    pay: &'p Pay<'p, E>,
}

impl<E> RemovalWalk<'_, E> {
    /// Makes a value whose location has `depth` ordinals: the removals, by their containers, begin
    /// with this location.
    fn value(
        &self,
        draft: &mut Draft<'_, '_>,
        value: Value<'_>,
        removals: &[EditSpot<'_>],
        depth: usize,
    ) -> Result<(), E> {
        let own = removals.partition_point(|removal| removal.0.len() == depth + 1);
        let (own, inner) = removals.split_at(own);
        if removals.is_empty() {
            return copy(draft, value, self.pay);
        }
        let is_object = matches!(value.kind(), Kind::Object);
        draft.begin(is_object);
        if is_object && !own.is_empty() {
            (self.pay)(2 * value.len() as u64)?;
            let members: Vec<_> = children(value).collect();
            let mut kept: Vec<usize> = (0..members.len()).collect();
            for (location, _) in own {
                kept.swap_remove(location[depth] as usize);
            }
            for ordinal in kept {
                let from = inner.partition_point(|removal| (removal.0[depth] as usize) < ordinal);
                let within = take_within(&mut &inner[from..], depth, ordinal);
                let (name, member) = members[ordinal];
                begin_member(draft, value, name);
                self.value(draft, member, within, depth + 1)?;
            }
        } else {
            let (mut gone, mut inner) = (own.iter().rev().peekable(), inner);
            for (ordinal, (name, child)) in children(value).enumerate() {
                if gone
                    .next_if(|(at, _)| at[depth] as usize == ordinal)
                    .is_some()
                {
                    continue;
                }
                begin_member(draft, value, name);
                let within = take_within(&mut inner, depth, ordinal);
                self.value(draft, child, within, depth + 1)?;
            }
        }
        end(draft, value.fpha());
        Ok(())
    }
}
