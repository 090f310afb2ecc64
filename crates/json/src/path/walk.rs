//! Steps over a tree of values, in Redis's order.
//!
//! `..` visits a value before the values within it, and applies the steps after it to each; all
//! other steps take children in order. The order of matches is the order of that walk.
//!
//! Invariants
//!   1. Recursion is over the steps of the path, which are few; documents of any depth are walked
//!      with a stack of iterators on the heap.
//!   2. A walk pays from a [`Budget`] for each value that it visits, and for the children that a
//!      look-up passes, because a filter looks up in each of many values. Only the steps of a
//!      static path are free, because the path's length bounds them.
//!
//! Cost: a static path takes no memory. A walk takes memory only for `..`.

use super::ast::{Slice, Step, clamp_index};
use super::budget::{Budget, RESULT_VISITS};
use super::error::EvalError;
use super::filter::{self, Memo, Scope};
use super::targets::can_be_made;
use crate::view::{Kind, Location, View};

/// Why a walk ends early.
pub(super) enum Stop {
    /// The visitor has all matches that it needs.
    Enough,
    Failed(EvalError),
}

impl From<EvalError> for Stop {
    fn from(error: EvalError) -> Self {
        Stop::Failed(error)
    }
}

/// The way from the root to where the walk is: a [`Location`], or nothing if the caller needs no
/// location.
pub(super) trait Trail {
    fn push(&mut self, ordinal: usize);
    fn pop(&mut self);

    /// The cost of keeping it, in visits.
    fn weight(&self) -> u64;
}

impl Trail for () {
    fn push(&mut self, _: usize) {}
    fn pop(&mut self) {}

    fn weight(&self) -> u64 {
        0
    }
}

/// Locations up to this length cost as any result.
const LIGHT_LOCATION_LEN: usize = 64;

impl Trail for Location {
    fn push(&mut self, ordinal: usize) {
        // Documents are far smaller than 2^32 values.
        self.push(u32::try_from(ordinal).unwrap_or(u32::MAX));
    }

    fn pop(&mut self) {
        self.pop();
    }

    /// Documents may be nested so deeply that the locations of all values would fill the memory.
    fn weight(&self) -> u64 {
        if self.len() > LIGHT_LOCATION_LEN {
            8 * self.len() as u64
        } else {
            RESULT_VISITS
        }
    }
}

/// Takes a match; `Err(Stop::Enough)` ends the walk.
pub(super) type Visitor<'v, T, V> = dyn FnMut(&T, V) -> Result<(), Stop> + 'v;

/// Takes the location of an object that lacks a member, and the number of steps that are left.
pub(super) type MissingVisitor<'v, T> = dyn Fn(&T, usize) + 'v;

/// Follows static steps; `None` if any of them leads nowhere, or is not static.
pub(super) fn follow<'a, V: View<'a>>(
    steps: &[Step],
    mut value: V,
    trail: &mut impl Trail,
) -> Option<V> {
    for step in steps {
        let (ordinal, child) = follow_one(step, value)?;
        trail.push(ordinal);
        value = child;
    }
    Some(value)
}

/// As [`follow`], and pays.
pub(super) fn follow_paying<'a, V: View<'a>>(
    steps: &[Step],
    mut value: V,
    budget: &Budget,
) -> Result<Option<V>, EvalError> {
    for step in steps {
        budget.spend_look_up(value.len())?;
        let Some((_, child)) = follow_one(step, value) else {
            return Ok(None);
        };
        value = child;
    }
    Ok(Some(value))
}

fn follow_one<'a, V: View<'a>>(step: &Step, value: V) -> Option<(usize, V)> {
    match step {
        Step::Name(name) => value.member(name),
        Step::Index(index) => element(value, *index),
        _ => None,
    }
}

fn element<'a, V: View<'a>>(array: V, index: i64) -> Option<(usize, V)> {
    if !matches!(array.kind(), Kind::Array) {
        return None;
    }
    let ordinal = clamp_index(index, array.len());
    Some((ordinal, array.child(ordinal)?))
}

/// A walk over a document.
pub(super) struct Walk<'w, 'v, V, T> {
    /// `$` within filters.
    pub(super) root: V,
    pub(super) budget: &'w Budget,
    pub(super) memo: Memo,
    pub(super) trail: T,
    pub(super) visitor: &'w mut Visitor<'v, T, V>,
    /// For a path whose missing members are to be made.
    pub(super) missing: Option<&'w MissingVisitor<'v, T>>,
}

impl<'a, V: View<'a>, T: Trail> Walk<'_, '_, V, T> {
    /// Takes the steps from a value, and visits where they lead.
    pub(super) fn run(&mut self, steps: &[Step], mut value: V) -> Result<(), Stop> {
        let mut taken = 0;
        let mut rest = steps;
        let result = loop {
            let Some((step, after)) = rest.split_first() else {
                self.budget.spend(self.trail.weight())?;
                break (self.visitor)(&self.trail, value);
            };
            if !step.is_static() {
                break self.branch(step, after, value);
            }
            self.budget.spend_look_up(value.len())?;
            let Some((ordinal, child)) = follow_one(step, value) else {
                break self.miss(rest, value);
            };
            self.trail.push(ordinal);
            taken += 1;
            value = child;
            rest = after;
        };
        for _ in 0..taken {
            self.trail.pop();
        }
        result
    }

    /// Reports members that could be made.
    fn miss(&self, rest: &[Step], value: V) -> Result<(), Stop> {
        if let Some(missing) = self.missing
            && can_be_made(rest, value)
        {
            self.budget.spend(self.trail.weight())?;
            missing(&self.trail, rest.len());
        }
        Ok(())
    }

    fn branch(&mut self, step: &Step, after: &[Step], value: V) -> Result<(), Stop> {
        match step {
            Step::Name(_) | Step::Index(_) => Ok(()),
            Step::Names(names) => {
                for name in names {
                    self.budget.spend_look_up(value.len())?;
                    if let Some((ordinal, child)) = value.member(name) {
                        self.enter(ordinal, child, after)?;
                    }
                }
                Ok(())
            }
            Step::Indexes(indexes) => {
                for index in indexes {
                    self.budget.spend_look_up(value.len())?;
                    if let Some((ordinal, child)) = element(value, *index) {
                        self.enter(ordinal, child, after)?;
                    }
                }
                Ok(())
            }
            Step::Slice(slice) => {
                if matches!(value.kind(), Kind::Array) {
                    self.slice(*slice, after, value)?;
                }
                Ok(())
            }
            Step::All => {
                for (ordinal, child) in value.values().enumerate() {
                    self.enter(ordinal, child, after)?;
                }
                Ok(())
            }
            Step::Filter(filter) => {
                for (ordinal, child) in value.values().enumerate() {
                    self.budget.spend(1)?;
                    let scope = Scope {
                        root: self.root,
                        current: child,
                        budget: self.budget,
                        memo: &self.memo,
                    };
                    let holds = || filter::holds(&filter.condition, &scope);
                    if self.budget.keep_none(holds)? {
                        self.enter(ordinal, child, after)?;
                    }
                }
                Ok(())
            }
            Step::Descend => self.descend(after, value),
        }
    }

    fn slice(&mut self, slice: Slice, after: &[Step], array: V) -> Result<(), Stop> {
        // Looking an element up takes as long as passing some.
        const PASSED_IN_A_LOOKUP: usize = 8;
        let (range, step) = (slice.within(array.len()), slice.step);
        if range.len().div_ceil(step) < range.end / PASSED_IN_A_LOOKUP {
            for ordinal in range.step_by(step) {
                self.budget.spend_look_up(array.len())?;
                if let Some(child) = array.child(ordinal) {
                    self.enter(ordinal, child, after)?;
                }
            }
            return Ok(());
        }
        let (start, end) = (range.start, range.end);
        self.budget.spend((end / PASSED_IN_A_LOOKUP) as u64)?;
        let children = array
            .values()
            .enumerate()
            .take(end)
            .skip(start)
            .step_by(step);
        for (ordinal, child) in children {
            self.enter(ordinal, child, after)?;
        }
        Ok(())
    }

    fn enter(&mut self, ordinal: usize, child: V, after: &[Step]) -> Result<(), Stop> {
        self.budget.spend(1)?;
        self.trail.push(ordinal);
        self.run(after, child)?;
        self.trail.pop();
        Ok(())
    }

    fn descend(&mut self, after: &[Step], value: V) -> Result<(), Stop> {
        self.run(after, value)?;
        self.budget.spend(value.len() as u64)?;
        // A step follows `..`, and no step leads on from a scalar.
        let mut open = Vec::with_capacity(8);
        open.push(value.containers());
        while let Some(containers) = open.last_mut() {
            let Some((ordinal, child)) = containers.next() else {
                open.pop();
                if !open.is_empty() {
                    self.trail.pop();
                }
                continue;
            };
            self.budget.spend(child.len() as u64)?;
            self.trail.push(ordinal);
            self.run(after, child)?;
            open.push(child.containers());
        }
        Ok(())
    }
}
