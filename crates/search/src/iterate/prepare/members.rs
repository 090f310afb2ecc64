//! The documents of a range of numbers, of a circle, or of shapes with a relation to another shape.
//!
//! Numbers are read in their order, shapes as the tree of boxes has them; if shapes are many, or
//! the tree could change before all are seen, each document's shape is tested in turn.

use std::sync::Arc;

use russet_encodings::geohash::Position;
use russet_encodings::geohash::earth::Origin;

use super::super::near::{metres, squares};
use super::found::{Members, PartMatches};
use super::{Clock, DocumentSet, Job, PreparedPart};
use crate::index::shapes;
use crate::index::{Bounds, Index, Numbers, Part, Shapes};
use crate::query::{Kind, Node, QueryError, Relation};
use crate::schema::FieldKind;

/// Shapes that are taken from the tree at once.
const NEAR_MAX: usize = 20_000;

/// See the module.
#[derive(Debug)]
pub(crate) struct MembersJob {
    members: Arc<Members>,
    gathered: DocumentSet,
    from: DocumentSource,
}

/// The source of documents, and how far it has been read.
#[derive(Debug)]
enum DocumentSource {
    /// Bounds of numbers, the last pair of the first of them that was seen.
    Numbers(Vec<Bounds>, Option<(f64, u32)>),
    List(Vec<u32>),
    /// All documents from a number on.
    Documents(u32),
}

fn numbers(index: &Index, field: usize) -> Option<&Numbers> {
    match index.part_at(field) {
        Part::Numbers(numbers) => Some(numbers),
        _ => None,
    }
}

fn shapes_of(index: &Index, field: usize) -> Option<&Shapes> {
    match index.part_at(field) {
        Part::Shapes(shapes) => Some(shapes),
        _ => None,
    }
}

/// Whether a living document is among the members.
fn have(members: &Members, index: &Index, id: u32, room: &mut Vec<f64>) -> bool {
    match members {
        Members::Range(field, bounds) => {
            index.numbers_of(id, *field, room);
            room.iter().any(|number| bounds.have(*number))
        }
        Members::Circle {
            field,
            center,
            radius_m,
        } => {
            index.numbers_of(id, *field, room);
            let origin = Origin::new(*center);
            let mut places = room.iter().map(|score| Position::of_score(*score));
            places.any(|place| origin.distance(place) <= *radius_m)
        }
        Members::Shapes {
            field,
            relation,
            to,
        } => shapes_of(index, *field).is_some_and(|of| of.fits(id, *relation, to).0),
    }
}

/// Looks again at documents that have changed.
pub(super) fn recheck(
    members: &Members,
    index: &Index,
    changed: &[u32],
    gathered: &mut DocumentSet,
) {
    let mut room = Vec::new();
    for id in changed {
        gathered.remove(*id);
        if index.is_alive(*id) && have(members, index, *id, &mut room) {
            gathered.add(*id);
        }
    }
}

impl MembersJob {
    pub(super) fn begin(index: &Index, node: &Node) -> Result<PreparedPart, QueryError> {
        let end = index.documents().end();
        let (members, from, count) = match &node.kind {
            Kind::Range { field, range } => {
                let Some((field, Part::Numbers(numbers))) = index.part(field) else {
                    return Ok(PreparedPart::Found(PartMatches::Nothing));
                };
                let bounds = Bounds::from(*range);
                let from = DocumentSource::Numbers(vec![bounds], None);
                (Members::Range(field, bounds), from, numbers.count(bounds))
            }
            Kind::Near { field, circle } => {
                let Some((field, Part::Numbers(_))) = index.part(field) else {
                    return Ok(PreparedPart::Found(PartMatches::Nothing));
                };
                let center = Position {
                    longitude: circle.longitude,
                    latitude: circle.latitude,
                };
                let radius_m = metres(circle);
                let members = Members::Circle {
                    field,
                    center,
                    radius_m,
                };
                (
                    members,
                    DocumentSource::Numbers(squares(center, radius_m), None),
                    0,
                )
            }
            Kind::Shape {
                field,
                relation,
                text,
            } => return shapes_job(index, field, *relation, text),
            _ => return Ok(PreparedPart::Found(PartMatches::Nothing)),
        };
        Ok(PreparedPart::Job(Job::Members(MembersJob {
            members: Arc::new(members),
            gathered: DocumentSet::new(end, count),
            from,
        })))
    }

    /// See [`Job::step`].
    pub(super) fn step(&mut self, index: &Index, clock: &mut Clock<'_>) -> Option<PartMatches> {
        let is_done = match &*self.members {
            Members::Range(field, _) => {
                let numbers = numbers(index, *field)?;
                self.take_numbers(numbers, None, clock)
            }
            Members::Circle {
                field,
                center,
                radius_m,
            } => {
                let circle = (Origin::new(*center), *radius_m);
                let numbers = numbers(index, *field)?;
                self.take_numbers(numbers, Some(circle), clock)
            }
            Members::Shapes { .. } => self.take_shapes(index, clock),
        };
        is_done.then(|| {
            self.gathered.finish();
            let gathered = std::mem::take(&mut self.gathered);
            PartMatches::Documents(Arc::clone(&self.members), Arc::new(gathered))
        })
    }

    fn take_numbers(
        &mut self,
        numbers: &Numbers,
        circle: Option<(Origin, f64)>,
        clock: &mut Clock<'_>,
    ) -> bool {
        let DocumentSource::Numbers(bounds, after) = &mut self.from else {
            return true;
        };
        let gathered = &mut self.gathered;
        while let Some(first) = bounds.last() {
            for (values, documents) in numbers.range_after(*first, *after) {
                let Some(last) = values.last().zip(documents.last()) else {
                    continue;
                };
                *after = Some((*last.0, *last.1));
                let units = match &circle {
                    None => {
                        documents.iter().for_each(|id| gathered.add(*id));
                        documents.len() / 16
                    }
                    Some((origin, radius_m)) => {
                        let pairs = values.iter().zip(documents);
                        let near = pairs.filter(|(score, _)| {
                            origin.distance(Position::of_score(**score)) <= *radius_m
                        });
                        near.for_each(|(_, id)| gathered.add(*id));
                        documents.len()
                    }
                };
                if clock.spend(1 + units) {
                    return false;
                }
            }
            bounds.pop();
            *after = None;
        }
        true
    }

    fn take_shapes(&mut self, index: &Index, clock: &mut Clock<'_>) -> bool {
        let Members::Shapes {
            field,
            relation,
            to,
        } = &*self.members
        else {
            return true;
        };
        let Some(shapes) = shapes_of(index, *field) else {
            return true;
        };
        let end = index.documents().end();
        loop {
            let id = match &mut self.from {
                DocumentSource::List(list) => list.pop(),
                DocumentSource::Documents(next) => (*next < end).then(|| {
                    *next += 1;
                    *next - 1
                }),
                DocumentSource::Numbers(..) => None,
            };
            let Some(id) = id else {
                return true;
            };
            let (fits, steps) = shapes.fits(id, *relation, to);
            if fits {
                self.gathered.add(id);
            }
            if clock.spend(2 + steps / 8) {
                return false;
            }
        }
    }

    pub(super) fn recheck(&mut self, index: &Index, changed: &[u32]) {
        let members = Arc::clone(&self.members);
        recheck(&members, index, changed, &mut self.gathered);
    }
}

/// Shapes that lie so to another; a field of other kind has none.
fn shapes_job(
    index: &Index,
    field: &[u8],
    relation: Relation,
    text: &[u8],
) -> Result<PreparedPart, QueryError> {
    let nothing = Ok(PreparedPart::Found(PartMatches::Nothing));
    let Some((field, part)) = index.part(field) else {
        return nothing;
    };
    let FieldKind::Shape(space) = index.schema().fields[field].kind else {
        return nothing;
    };
    let to = shapes::parse(text, space)
        .map_err(|why| QueryError([b"Error querying geoshape index: ", &*why].concat()))?;
    let Part::Shapes(shapes) = part else {
        return nothing;
    };
    let near = match relation {
        Relation::Disjoint => None,
        _ => shapes.near(&to, NEAR_MAX),
    };
    let members = Members::Shapes {
        field,
        relation,
        to,
    };
    Ok(PreparedPart::Job(Job::Members(MembersJob {
        members: Arc::new(members),
        gathered: DocumentSet::new(index.documents().end(), 0),
        from: near.map_or(DocumentSource::Documents(0), DocumentSource::List),
    })))
}
