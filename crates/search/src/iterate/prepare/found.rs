//! Results of the preparation, as cursors are made of them. Terms, or documents.

use std::sync::Arc;

use super::gathered::DocumentSet;
use super::measured::DocumentDistances;
use crate::index::shapes::Shape;
use crate::index::{Bounds, Index, Part, TagEntry, Tags, Term, Terms};
use crate::query::Relation;
use crate::schema::FieldKind;
use russet_encodings::geohash::Position;

/// The terms or documents that were found for a part of a query.
#[derive(Clone, Debug)]
pub(crate) enum PartMatches {
    /// The part can match no document.
    Nothing,
    /// Terms, or tags.
    Terms {
        terms: Arc<[FoundTerm]>,
        /// There are more than a part may stand for.
        is_cut: bool,
    },
    Documents(Arc<Members>, Arc<DocumentSet>),
    Distances(Arc<DocumentDistances>),
}

/// The tags that the parts of a tag's condition are about: the place of the field, and whether
/// letters are folded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TagField {
    pub(crate) place: usize,
    pub(crate) folds: bool,
}

impl TagField {
    /// `None`: the field is no TAG field.
    pub(crate) fn of(index: &Index, field: &[u8]) -> Option<TagField> {
        let (place, Part::Tags(_)) = index.part(field)? else {
            return None;
        };
        let FieldKind::Tag(options) = index.schema().fields[place].kind else {
            return None;
        };
        let folds = !options.is_case_sensitive;
        Some(TagField { place, folds })
    }
}

/// A term or a tag that was found: the number, which may be another's by now, and the text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FoundTerm {
    pub(super) text: Box<[u8]>,
    number: u32,
}

impl FoundTerm {
    pub(super) fn new(text: &[u8], number: u32) -> FoundTerm {
        FoundTerm {
            text: text.into(),
            number,
        }
    }

    /// The term, if documents hold it still.
    pub(crate) fn term<'i>(&self, terms: &'i Terms) -> Option<&'i Term> {
        let same = |term: &&Term| *term.text == *self.text;
        let term = terms.known(self.number).filter(same);
        let term = term.or_else(|| terms.held(&self.text));
        term.filter(|term| !term.postings.is_empty())
    }

    /// The tag, if documents have it still.
    pub(crate) fn tag<'i>(&self, tags: &'i Tags) -> Option<&'i TagEntry> {
        let same = |tag: &&TagEntry| *tag.text == *self.text;
        let tag = tags.known(self.number).filter(same);
        tag.or_else(|| tags.find(&self.text))
    }
}

/// Which documents a part matches.
#[derive(Debug)]
pub(crate) enum Members {
    /// Documents with a number in a range, of the field at a place.
    Range(usize, Bounds),
    /// Documents with a place in a circle.
    Circle {
        field: usize,
        center: Position,
        radius_m: f64,
    },
    Shapes {
        field: usize,
        relation: Relation,
        to: Shape,
    },
}
