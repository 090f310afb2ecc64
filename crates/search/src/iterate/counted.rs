//! Parts of a query whose reads are counted, for FT.PROFILE.
//!
//! A counted part stands between the part's cursor and the reader. Parts that are not counted cost
//! nothing more.

use russet_base::clock;
use std::rc::Rc;

use super::prepare::tallies::Tally;
use super::{Cursor, Role};
use crate::query::{Circle, Kind, Node, Range, Reach};

/// A part of a query, as FT.PROFILE shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartProfile {
    /// `TEXT`, `UNION` and the like.
    pub kind: &'static str,
    /// A union: the word or pattern that stands for several terms.
    pub query: Option<Vec<u8>>,
    /// The word, the tag, the range.
    pub term: Option<Vec<u8>>,
    /// How vectors are found.
    pub mode: Option<&'static str>,
    /// Documents that it stood on.
    pub reads: u64,
    /// Ticks of the clock that the reads took, the parts of this part included.
    pub cycles: u64,
    /// A leaf: the documents that it has at most.
    pub estimate: Option<u64>,
    pub parts: Vec<PartProfile>,
}

/// See the module.
pub(crate) struct ProfiledCursor<'i> {
    pub(crate) part: Cursor<'i>,
    facts: PartProfile,
    /// Of the nodes that it was made of, if the query is analysed.
    tallies: Vec<Rc<Tally>>,
    /// The next window counts documents from this number on.
    limit: u32,
}

impl<'i> ProfiledCursor<'i> {
    /// A counted part, with the name that FT.PROFILE shows.
    pub(super) fn of(part: Cursor<'i>, facts: PartProfile, limit: u32) -> Cursor<'i> {
        let reads = u64::from(part.id() < limit);
        let facts = PartProfile { reads, ..facts };
        Cursor::Counted(Box::new(ProfiledCursor {
            part,
            facts,
            tallies: Vec::new(),
            limit,
        }))
    }

    /// Counts for a node, too.
    pub(super) fn count_for(&mut self, tally: Rc<Tally>) {
        self.tallies.push(tally);
    }

    pub(super) fn advance(&mut self) {
        self.count(Cursor::advance);
    }

    pub(super) fn seek(&mut self, to: u32) {
        self.count(|part| part.seek(to));
    }

    fn count(&mut self, read: impl FnOnce(&mut Cursor<'i>)) {
        let (began, before) = (clock::cycles(), self.part.id());
        read(&mut self.part);
        let id = self.part.id();
        let has_moved = id != before && id < self.limit;
        let cycles = clock::cycles().wrapping_sub(began);
        self.facts.reads += u64::from(has_moved);
        self.facts.cycles += cycles;
        for tally in &self.tallies {
            tally.step(has_moved, cycles);
        }
    }
}

impl PartProfile {
    /// A part without documents.
    pub fn empty() -> PartProfile {
        PartProfile::named("EMPTY")
    }

    /// Adds the counts of another window of the same query.
    pub(super) fn add(&mut self, other: PartProfile) {
        self.reads += other.reads;
        self.cycles += other.cycles;
        for (part, other) in self.parts.iter_mut().zip(other.parts) {
            part.add(other);
        }
    }

    pub(crate) fn named(kind: &'static str) -> PartProfile {
        PartProfile {
            kind,
            ..PartProfile::default()
        }
    }

    fn with_term(kind: &'static str, term: impl Into<Vec<u8>>) -> PartProfile {
        PartProfile {
            term: Some(term.into()),
            ..PartProfile::named(kind)
        }
    }

    fn union(query: impl Into<Vec<u8>>) -> PartProfile {
        PartProfile {
            query: Some(query.into()),
            ..PartProfile::named("UNION")
        }
    }

    /// The names of a part of a query.
    pub(super) fn of_node(node: &Node, part: &Cursor<'_>) -> PartProfile {
        let expanded = |name: &str, text: &[u8]| {
            let named = [name.as_bytes(), b" - ", text].concat();
            PartProfile::union(named)
        };
        match &node.kind {
            Kind::Everything => PartProfile::named("WILDCARD"),
            Kind::Word(text) | Kind::Expanded(text) => PartProfile::with_term("TEXT", text.clone()),
            Kind::Intersect { .. } => PartProfile::named("INTERSECT"),
            Kind::Union(_) => PartProfile::union("UNION"),
            Kind::Not(_) => PartProfile::named("NOT"),
            Kind::Optional(_) => PartProfile::named("OPTIONAL"),
            Kind::Affix {
                text,
                leading,
                trailing,
            } => match (leading, trailing) {
                (true, true) => expanded("INFIX", text),
                (true, false) => expanded("SUFFIX", text),
                _ => expanded("PREFIX", text),
            },
            Kind::Pattern(text) => expanded("WILDCARD", text),
            Kind::Fuzzy { text, .. } => expanded("FUZZY", text),
            Kind::Tag { .. } => PartProfile::of_tags(part),
            Kind::Range { range, .. } => PartProfile::with_term("NUMERIC", range_text(*range)),
            Kind::Near { circle, .. } => PartProfile::with_term("GEO", circle_text(circle)),
            Kind::Missing(field) => PartProfile::with_term("MISSING", field.clone()),
            Kind::Shape { .. } => PartProfile::named("GEOSHAPE"),
            Kind::Vector(vector) => match vector.reach {
                Reach::Nearest(_) => PartProfile {
                    mode: vector.filter.is_none().then_some("STANDARD_KNN"),
                    ..PartProfile::named("VECTOR")
                },
                Reach::Within(_) => PartProfile {
                    mode: Some("RANGE_QUERY"),
                    ..PartProfile::named("METRIC SORTED BY ID - VECTOR DISTANCE")
                },
            },
        }
    }

    pub(super) fn of_tags(part: &Cursor<'_>) -> PartProfile {
        match part {
            Cursor::Ids(ids) => match ids.role {
                Role::Tag { text, .. } => PartProfile::with_term("TAG", text),
                _ => PartProfile::named("TAG"),
            },
            _ => PartProfile::union("TAG"),
        }
    }

    pub(super) fn of_word(text: &[u8]) -> PartProfile {
        PartProfile::with_term("TEXT", text)
    }
}

fn range_text(range: Range) -> String {
    let text = |number| russet_base::numbers::general(number, 6);
    format!("{} - {}", text(range.min), text(range.max))
}

fn circle_text(circle: &Circle) -> String {
    let text = |number| russet_base::numbers::general(number, 6);
    let (longitude, latitude) = (text(circle.longitude), text(circle.latitude));
    format!(
        "{longitude},{latitude} - {} {}",
        text(circle.radius),
        circle.unit.name()
    )
}

/// Takes back the reads of documents from `from` on: the walk ends before it, and continues there
/// with other cursors, which read those documents again.
pub(super) fn take_back(part: &mut Cursor<'_>, from: u32) {
    let again = |part: &mut Cursor<'_>| take_back(part, from);
    match part {
        Cursor::Counted(counted) => {
            let id = counted.part.id();
            if id >= from && id < counted.limit {
                counted.facts.reads = counted.facts.reads.saturating_sub(1);
                counted.tallies.iter().for_each(|tally| tally.take_back());
            }
            take_back(&mut counted.part, from);
        }
        Cursor::Intersection(of) => of.parts_mut().iter_mut().for_each(again),
        Cursor::Union(of) => of.parts_mut().iter_mut().for_each(again),
        Cursor::Not(rest) | Cursor::Optional(rest) => take_back(&mut rest.part, from),
        Cursor::Distances(of) => {
            if let Some(filter) = of.filter_mut() {
                take_back(filter, from);
            }
        }
        Cursor::Empty | Cursor::Word(_) | Cursor::Ids(_) => {}
    }
}

/// The counts of a part and of the parts in it.
pub(super) fn profile(part: &Cursor<'_>) -> PartProfile {
    let Cursor::Counted(counted) = part else {
        return PartProfile {
            parts: parts_of(part),
            ..PartProfile::named("EMPTY")
        };
    };
    let is_leaf = matches!(counted.part, Cursor::Word(_) | Cursor::Ids(_));
    let estimates = is_leaf && counted.facts.term.is_some();
    PartProfile {
        estimate: estimates.then(|| counted.part.estimate()),
        parts: parts_of(&counted.part),
        ..counted.facts.clone()
    }
}

fn parts_of(part: &Cursor<'_>) -> Vec<PartProfile> {
    match part {
        Cursor::Intersection(of) => of.parts().iter().map(profile).collect(),
        Cursor::Union(of) => of.parts().iter().map(profile).collect(),
        Cursor::Not(rest) | Cursor::Optional(rest) => vec![profile(&rest.part)],
        Cursor::Distances(of) => of.filter().map(profile).into_iter().collect(),
        Cursor::Counted(_) | Cursor::Empty | Cursor::Word(_) | Cursor::Ids(_) => Vec::new(),
    }
}
