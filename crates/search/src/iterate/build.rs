//! Makes cursors of the tree of a query.
//!
//! Fields that the schema lacks, and fields of other types, match nothing, as in RediSearch 2.10.

use super::counted::{PartProfile, ProfiledCursor};
use super::near::{metres, squares};
use super::positions::Nearness;
use super::prepare::found::{PartMatches, TagField};
use super::prepare::tallies::Tallies;
use super::statistics::Numbers;
use super::{Cursor, END, Ids, Intersection, Role, Union, WordCursor};
use crate::index::{Bounds, Index, Part, Term};
use crate::query::{Fields, Kind, Node, QueryError, Range};
use crate::score::{ScoreContext, WORDS};
use crate::search::Search;
use crate::text::counted;
use russet_base::clock;
use russet_encodings::geohash::Position;

/// Numbers of a leaf of RediSearch's tree that has not been split yet.
pub(super) const LEAF_MAX: usize = 16;

/// Makes cursors of the parts of a query.
pub(super) struct Builder<'i, 's> {
    pub(super) index: &'i Index,
    pub(super) search: &'s Search,
    pub(super) scoring: ScoreContext,
    /// The names of distances, in the order of the query.
    pub(super) distance_names: Vec<Vec<u8>>,
    /// Whether a part stands for more terms than it may.
    pub(super) is_cut: bool,
    /// Cursors are made for their estimates alone: nothing is prepared or walked.
    pub(super) estimates: bool,
    /// Not even these: the query is only checked.
    pub(super) checks: bool,
    /// Terms and tags that must be compared before cursors are made; estimates add them.
    pub(super) looked_at: usize,
    /// Terms and tags that have been asked for estimates.
    pub(super) asked: usize,
    /// Cursors are made on the first document that is this or more.
    pub(super) from: u32,
    /// From this document on cursors look at nothing.
    pub(super) limit: u32,
    /// The tallies of nodes, if the query is analysed.
    pub(super) tallies: Option<Tallies>,
    /// The numbers of nodes, if there are statistics of all shards.
    pub(super) numbers: Numbers,
}

pub(super) type CursorResult<'i> = Result<Cursor<'i>, QueryError>;

impl<'i, 's> Builder<'i, 's> {
    pub(super) fn new(index: &'i Index, search: &'s Search) -> Builder<'i, 's> {
        Builder {
            index,
            search,
            scoring: ScoreContext::new(search, index.len(), index.documents().length_total()),
            distance_names: Vec::new(),
            is_cut: false,
            estimates: false,
            checks: false,
            looked_at: 0,
            asked: 0,
            from: 0,
            limit: END,
            tallies: None,
            numbers: Numbers::default(),
        }
    }

    /// A walk over all documents.
    pub(super) fn everything(&self, role: Role<'i>, weight: f64) -> Ids<'i> {
        let documents = self.index.documents();
        let len = documents.len() as u64;
        Ids::of_bits(documents.alive(), len, role, weight, self.from)
    }

    /// No documents, of which it is said that they are so many.
    pub(super) fn estimated(&self, documents: usize) -> Cursor<'i> {
        let none = Ids::listed(Vec::new(), Role::Plain, 1.0, 0);
        Cursor::Ids(none.estimated(documents))
    }

    /// The terms or documents that were found for a part.
    pub(super) fn found(&self, node: &Node) -> PartMatches {
        let found = node.found.get::<PartMatches>();
        found.cloned().unwrap_or(PartMatches::Nothing)
    }

    pub(super) fn build(&mut self, node: &Node) -> CursorResult<'i> {
        let began = self.began();
        let part = self.part(node)?;
        let part = self.counted(part, |part| PartProfile::of_node(node, part));
        Ok(self.tallied(node, part, began))
    }

    /// The clock, if the query is analysed.
    pub(super) fn began(&self) -> u64 {
        self.tallies.as_ref().map_or(0, |_| clock::cycles())
    }

    /// A part that counts for the node that it was made of, if the query is analysed.
    pub(super) fn tallied(&self, node: &Node, part: Cursor<'i>, began: u64) -> Cursor<'i> {
        let Some(tallies) = &self.tallies else {
            return part;
        };
        let mut part = self.counted(part, |_| PartProfile::empty());
        let cycles = clock::cycles().wrapping_sub(began);
        tallies.attach(node, &mut part, self.limit, cycles);
        part
    }

    /// A part whose reads are counted, if the search has them counted.
    pub(super) fn counted(
        &self,
        part: Cursor<'i>,
        name: impl FnOnce(&Cursor<'i>) -> PartProfile,
    ) -> Cursor<'i> {
        if !self.search.profiles || matches!(part, Cursor::Empty | Cursor::Counted(_)) {
            return part;
        }
        let name = name(&part);
        ProfiledCursor::of(part, name, self.limit)
    }

    fn part(&mut self, node: &Node) -> CursorResult<'i> {
        match &node.kind {
            Kind::Everything => Ok(Cursor::Ids(self.everything(Role::Everything, node.weight))),
            Kind::Word(text) | Kind::Expanded(text) => Ok(self.word(node, text)),
            Kind::Intersect { parts, is_exact } => self.intersect(node, parts, *is_exact, None),
            Kind::Union(parts) => {
                if let [part] = parts.as_slice() {
                    return self.build(part);
                }
                let mut built = Vec::with_capacity(parts.len());
                for part in parts {
                    let its = self.build(part)?;
                    if !matches!(its, Cursor::Empty) || self.is_elsewhere(part) {
                        built.push(its);
                    }
                }
                Ok(union(built, node.weight))
            }
            Kind::Not(part) => {
                let part = self.build(part)?;
                let all = self.everything(Role::Plain, 1.0);
                Ok(Cursor::not(all, part, self.limit))
            }
            Kind::Optional(part) => {
                let part = self.build(part)?;
                Ok(Cursor::optional(
                    self.everything(Role::Plain, 1.0),
                    part,
                    node.weight,
                    self.limit,
                ))
            }
            Kind::Affix { .. } | Kind::Pattern(_) | Kind::Fuzzy { .. } => self.expansions(node),
            Kind::Tag { field, values } => self.tags(node, field, values),
            Kind::Range { field, range } => self.range(node, field, *range),
            // $weight has no effect on shapes, which have no score.
            Kind::Near { .. } => self.members(node, Role::Numbers, node.weight),
            Kind::Shape { .. } => self.members(node, Role::Plain, 0.0),
            Kind::Missing(field) => Ok(self.missing(node, field)),
            Kind::Vector(vector) => self.vector(node, vector),
        }
    }

    fn word(&self, node: &Node, text: &[u8]) -> Cursor<'i> {
        let Some(fields) = self.index.fields_of(node) else {
            return Cursor::Empty;
        };
        match self.index.terms().held(counted(text)) {
            Some(term) => Cursor::Word(self.word_of(term, fields, node.weight)),
            None => Cursor::Empty,
        }
    }

    /// The cursor of a term.
    pub(super) fn word_of(&self, term: &'i Term, fields: u128, weight: f64) -> WordCursor<'i> {
        let positions = self.index.schema().has_offsets;
        let window = (self.from, self.limit);
        let mut word = WordCursor::new(term, fields, weight, positions, window);
        word.idf = self.idf_of(&word);
        word
    }

    /// How much a word says of a document.
    pub(super) fn idf_of(&self, word: &WordCursor<'_>) -> f64 {
        let own = word.documents() as u64;
        self.scoring.idf(self.documents_with(WORDS, word.text, own))
    }

    /// The cursor of a whole query; INKEYS is another part of the query, or the first condition of
    /// nearest vectors.
    pub(super) fn build_root(&mut self, root: &Node) -> CursorResult<'i> {
        if self.search.statistics.is_some() {
            self.numbers = Numbers::of(root);
        }
        let is_nearest = matches!(&root.kind, Kind::Vector(vector) if vector.is_nearest());
        let Some(keys) = self.search.in_keys.as_ref().filter(|_| !is_nearest) else {
            return self.build(root);
        };
        let began = self.began();
        let list = keys.iter().map(|id| id.0).collect();
        let keys = Cursor::Ids(Ids::listed(list, Role::Plain, 1.0, self.from));
        let keys = self.counted(keys, |_| PartProfile::named("ID-LIST-SORTED"));
        let is_one = matches!(root.kind, Kind::Intersect { .. });
        let both = if let Kind::Intersect { parts, is_exact } = &root.kind {
            self.intersect(root, parts, *is_exact, Some(keys))?
        } else {
            match self.build(root)? {
                Cursor::Empty => Cursor::Empty,
                other => {
                    let parts = vec![keys, other];
                    let order = self.order(true, std::iter::once(root));
                    let both = Intersection::new(parts, order, None, 1.0, self.limit);
                    Cursor::Intersection(Box::new(both))
                }
            }
        };
        let both = self.counted(both, |_| PartProfile::named("INTERSECT"));
        Ok(if is_one {
            self.tallied(root, both, began)
        } else {
            both
        })
    }

    /// All of some parts, and of a part that stands before them.
    fn intersect(
        &mut self,
        node: &Node,
        parts: &[Node],
        is_exact: bool,
        first: Option<Cursor<'i>>,
    ) -> CursorResult<'i> {
        if let ([part], None) = (parts, &first) {
            return self.build(part);
        }
        let order = self.order(first.is_some(), parts.iter());
        let mut built = Vec::with_capacity(parts.len() + 1);
        built.extend(first);
        for part in parts {
            built.push(self.build(part)?);
        }
        if built.iter().any(|part| matches!(part, Cursor::Empty)) {
            return Ok(Cursor::Empty);
        }
        let nearness = if is_exact {
            Some(Nearness {
                slop: 0,
                in_order: true,
            })
        } else {
            (node.slop.is_some() || node.in_order).then(|| Nearness {
                slop: node.slop.unwrap_or(u32::MAX),
                in_order: node.in_order,
            })
        };
        let nearness = nearness.filter(|_| self.index.schema().has_offsets);
        Ok(Cursor::Intersection(Box::new(Intersection::new(
            built,
            order,
            nearness,
            node.weight,
            self.limit,
        ))))
    }

    fn tags(&mut self, node: &Node, field: &[u8], values: &[Node]) -> CursorResult<'i> {
        let (Some(of), Some((_, Part::Tags(tags)))) =
            (TagField::of(self.index, field), self.index.part(field))
        else {
            return Ok(Cursor::Empty);
        };
        let mut built = Vec::with_capacity(values.len());
        for value in values {
            self.tag((of.place, tags), of.folds, value, &mut built)?;
        }
        let is_hybrid = self.search.is_hybrid;
        let weight = if is_hybrid { 0.0 } else { node.weight };
        Ok(match built.len() {
            1 if values.len() == 1 || is_hybrid => {
                let mut only = built.remove(0);
                match only.plain_mut() {
                    Cursor::Ids(ids) => ids.weight = weight,
                    Cursor::Union(parts) if is_hybrid => parts.weight = weight,
                    _ => {}
                }
                only
            }
            _ => union(built, weight),
        })
    }

    /// Numbers in a range; $weight has no effect on them.
    fn range(&self, node: &Node, field: &[u8], range: Range) -> CursorResult<'i> {
        let Some((_, Part::Numbers(numbers))) = self.index.part(field) else {
            return Ok(Cursor::Empty);
        };
        if self.checks {
            return Ok(Cursor::Empty);
        }
        let count = numbers.count(Bounds::from(range));
        if count == 0 {
            return Ok(Cursor::Empty);
        }
        // Few numbers are a single leaf of RediSearch's tree, which estimates a leaf as a whole.
        // The order of parts, which EXPLAINSCORE shows, depends on the estimate.
        let is_leaf = numbers.len() <= LEAF_MAX;
        let len = if is_leaf { numbers.len() } else { count };
        if self.estimates {
            return Ok(self.estimated(len));
        }
        let PartMatches::Documents(_, gathered) = self.found(node) else {
            return Ok(Cursor::Empty);
        };
        let ids = Ids::gathered(gathered, Role::Numbers, 1.0, self.from);
        Ok(Cursor::Ids(ids.estimated(len)))
    }

    /// Documents that were gathered for a part.
    fn members(&self, node: &Node, role: Role<'i>, weight: f64) -> CursorResult<'i> {
        if self.checks && matches!(node.kind, Kind::Near { .. }) {
            return Ok(Cursor::Empty);
        }
        if self.estimates {
            let documents = self.estimate_of_members(node)?;
            return Ok(self.estimated(documents));
        }
        let PartMatches::Documents(_, gathered) = self.found(node) else {
            return Ok(Cursor::Empty);
        };
        if gathered.len() == 0 {
            return Ok(Cursor::Empty);
        }
        Ok(Cursor::Ids(Ids::gathered(
            gathered, role, weight, self.from,
        )))
    }

    /// About how many documents a circle or the shapes of a part have.
    fn estimate_of_members(&self, node: &Node) -> Result<usize, QueryError> {
        Ok(match &node.kind {
            Kind::Near { field, circle } => match self.index.part(field) {
                Some((_, Part::Numbers(numbers))) => {
                    let center = Position {
                        longitude: circle.longitude,
                        latitude: circle.latitude,
                    };
                    let squares = squares(center, metres(circle)).into_iter();
                    squares.map(|bounds| numbers.count(bounds)).sum()
                }
                _ => 0,
            },
            Kind::Shape { field, text, .. } => match self.index.part(field) {
                Some((_, Part::Shapes(shapes))) => {
                    shapes.parse(text)?;
                    shapes.len()
                }
                _ => 0,
            },
            _ => 0,
        })
    }

    fn missing(&self, node: &Node, field: &[u8]) -> Cursor<'i> {
        let found = self.index.schema().field(field);
        let Some(missing) = found.and_then(|(place, _)| self.index.missing(place)) else {
            return Cursor::Empty;
        };
        let role = Role::Plain;
        Cursor::Ids(Ids::of_bitmap(missing, role, node.weight, self.from))
    }
}

impl Index {
    /// The bits of the fields of a part; `None`: none counts.
    pub(super) fn fields_of(&self, node: &Node) -> Option<u128> {
        if !self.schema().has_fields {
            return (node.fields != Fields(0)).then_some(u128::MAX);
        }
        let fields = node.fields.0;
        (fields != 0).then_some(fields)
    }
}

impl From<Range> for Bounds {
    fn from(range: Range) -> Bounds {
        Bounds {
            min: range.min,
            max: range.max,
            with_min: range.with_min,
            with_max: range.with_max,
        }
    }
}

/// Any of some parts that match something; a single part stays as it is.
pub(super) fn union(mut parts: Vec<Cursor<'_>>, weight: f64) -> Cursor<'_> {
    match parts.len() {
        0 => Cursor::Empty,
        1 => parts.remove(0),
        _ => Cursor::Union(Box::new(Union::new(parts, weight))),
    }
}

/// The terms that an expression stands for: a union, even of a single term, because the union's
/// weight changes the score.
pub(super) fn expansion(parts: Vec<Cursor<'_>>, weight: f64) -> Cursor<'_> {
    if parts.is_empty() {
        return Cursor::Empty;
    }
    Cursor::Union(Box::new(Union::choice(parts, weight)))
}
