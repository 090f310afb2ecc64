//! The places that a writing path reaches: its matches, and members that a document lacks.
//!
//! A member can be made if the steps before its name lead to an object, and only names follow. The
//! walk meets matches and missing members in the same order.

use std::cell::RefCell;

use super::ast::Step;
use super::budget::Budget;
use super::error::EvalError;
use super::walk::follow;
use super::{Body, Path};
use crate::view::{Kind, Location, View};

/// A place that a path reaches.
#[derive(Clone, Debug)]
pub enum Target<'p, V> {
    /// A value of the document.
    Found(Location, V),
    /// Members that the document lacks.
    Missing(MissingMembers<'p>),
}

/// Members to make, each within the member before, from an object of the document on.
#[derive(Clone, Debug)]
pub struct MissingMembers<'p> {
    /// The location of the object.
    pub object: Location,
    /// Names alone, at least one.
    names: &'p [Step],
}

impl<'p> MissingMembers<'p> {
    /// The names, the outermost first.
    pub fn names(&self) -> impl Iterator<Item = &'p str> + Clone + use<'p> {
        names_of(self.names)
    }

    /// The number of names.
    pub fn depth(&self) -> usize {
        self.names.len()
    }
}

fn names_of(steps: &[Step]) -> impl Iterator<Item = &str> + Clone {
    steps.iter().filter_map(|step| match step {
        Step::Name(name) => Some(&**name),
        _ => None,
    })
}

/// Whether the steps, from an object on, lead to members that can be made.
pub(super) fn can_be_made<'a, V: View<'a>>(steps: &[Step], value: V) -> bool {
    let is_name = |step: &Step| matches!(step, Step::Name(_));
    matches!(value.kind(), Kind::Object) && steps.iter().all(is_name)
}

impl Path {
    /// The matches and the missing members, in the order of the walk; a projection is an error.
    pub fn targets<'a, V: View<'a>>(
        &self,
        root: V,
        budget: &Budget,
    ) -> Result<Vec<Target<'_, V>>, EvalError> {
        let steps = match &self.body {
            Body::Static(steps) => return Ok(only_target(steps, root).into_iter().collect()),
            Body::Selection(steps) => steps,
            Body::Projection(_) => return Err(EvalError::Projection),
        };
        let targets = RefCell::new(Vec::new());
        let missing = |object: &Location, count: usize| {
            targets.borrow_mut().push(Target::Missing(MissingMembers {
                object: object.clone(),
                names: &steps[steps.len() - count..],
            }));
        };
        let visitor = &mut |location: &Location, value| {
            let found = Target::Found(location.clone(), value);
            targets.borrow_mut().push(found);
            Ok(())
        };
        self.walk_all(root, budget, Location::new(), visitor, Some(&missing))?;
        Ok(targets.into_inner())
    }

    /// The names of a path that has nothing else, and is not the root.
    pub fn member_names(&self) -> Option<impl Iterator<Item = &str> + Clone> {
        let Body::Static(steps) = &self.body else {
            return None;
        };
        let is_name = |step: &Step| matches!(step, Step::Name(_));
        (!steps.is_empty() && steps.iter().all(is_name)).then(|| names_of(steps))
    }

    /// Whether the last step is a name.
    pub fn ends_in_member(&self) -> bool {
        match &self.body {
            Body::Static(steps) | Body::Selection(steps) => {
                matches!(steps.last(), Some(Step::Name(_)))
            }
            Body::Projection(_) => false,
        }
    }
}

/// The target of static steps, if there is any.
fn only_target<'p, 'a, V: View<'a>>(steps: &'p [Step], root: V) -> Option<Target<'p, V>> {
    let (mut location, mut value) = (Location::new(), root);
    for taken in 0..steps.len() {
        let rest = &steps[taken..];
        match follow(&rest[..1], value, &mut location) {
            Some(child) => value = child,
            None if can_be_made(rest, value) => {
                return Some(Target::Missing(MissingMembers {
                    object: location,
                    names: rest,
                }));
            }
            None => return None,
        }
    }
    Some(Target::Found(location, value))
}
