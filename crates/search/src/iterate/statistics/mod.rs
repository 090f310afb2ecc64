//! The figures of a query's terms and parts: gathered at a single shard, and read by cursors as the
//! sums of all shards.
//!
//! Nodes have numbers in the order of the tree: 0 is INKEYS, 1 the root. The tree is the same at
//! all shards, because their schemas and synonyms are.
//!
//! Cost of gathering: the cursors of the query's words are made, and nothing is walked; ranges and
//! places are found as the query finds them, vectors are not asked. If the index also has documents
//! that do not count, the documents of each term are walked and counted.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use super::build::{Builder, LEAF_MAX};
use super::{Cursor, END, Role, WordCursor};
use crate::index::{Index, Part};
use crate::query::{Kind, Node, QueryError, Reach};
use crate::score::{PartCount, Statistics, WORDS};
use crate::search::Search;

/// The numbers of a query's nodes, by their addresses: the tree is borrowed meanwhile.
#[derive(Debug, Default)]
pub(super) struct Numbers(HashMap<*const Node, usize>);

impl Numbers {
    pub(super) fn of(root: &Node) -> Numbers {
        let mut numbers = Numbers::default();
        numbers.add(root);
        numbers
    }

    fn add(&mut self, node: &Node) {
        self.0.insert(std::ptr::from_ref(node), self.0.len() + 1);
        children(node).for_each(|part| self.add(part));
    }
}

/// The parts of a node that have documents of their own; tags are counted as a whole.
fn children(node: &Node) -> impl Iterator<Item = &Node> {
    let (list, one): (&[Node], Option<&Node>) = match &node.kind {
        Kind::Union(parts) | Kind::Intersect { parts, .. } => (parts, None),
        Kind::Not(part) | Kind::Optional(part) => (&[], Some(part)),
        Kind::Vector(vector) => (&[], vector.filter.as_ref()),
        _ => (&[], None),
    };
    list.iter().chain(one)
}

impl Index {
    /// The statistics of this index for a query, a tree of [`Index::expand`]. `None`: they are too
    /// many for a message.
    ///
    /// # Errors
    ///
    /// As [`Index::matches`].
    pub fn statistics(
        &self,
        root: &Node,
        search: &Search,
    ) -> Result<Option<Statistics>, QueryError> {
        let search = Search {
            profiles: false,
            statistics: None,
            // Scores are not asked.
            scores: false,
            ..search.clone()
        };
        let (root, search) = self.prepared(root, &search)?;
        let mut builder = Builder::new(self, &search);
        let (documents, length) = match search.among.as_deref() {
            None => (self.len() as u64, self.documents().length_total()),
            among => {
                let mut all = builder.everything(Role::Plain, 1.0);
                let (mut documents, mut length) = (0, 0);
                all.scan(END, |id| {
                    if Search::counts(among, id) {
                        documents += 1;
                        length += u64::from(self.documents().facts(id).length);
                    }
                });
                (documents, length)
            }
        };
        let mut found = Statistics::new(documents, length);
        let keys = search.in_keys.as_ref().map_or(0, Vec::len);
        found.put_part(PartCount {
            count: keys as u64,
            all: 0,
        });
        builder.gather(&root, &mut found)?;
        Ok(found.is_bounded().then_some(found))
    }

    /// The best score of a query with the statistics of a search, for BM25STD.NORM.
    ///
    /// # Errors
    ///
    /// As [`Index::matches`].
    pub fn best_score(&self, root: &Node, search: &Search) -> Result<f64, QueryError> {
        let of_all = search.statistics.as_ref().and_then(|its| its.best);
        if let Some(best) = of_all {
            return Ok(best);
        }
        let search = search.for_best();
        let matches = self.matches(root, &search)?;
        Ok(matches.map(|hit| hit.score).fold(0.0, f64::max))
    }
}

impl<'i> Builder<'i, '_> {
    /// Gathers what this index has for a part, and the parts in it.
    fn gather(&mut self, node: &Node, out: &mut Statistics) -> Result<(), QueryError> {
        let mut part = PartCount::default();
        match &node.kind {
            // The documents follow from the parts' documents, or are all.
            Kind::Union(_) | Kind::Intersect { .. } | Kind::Not(_) | Kind::Optional(_) => {}
            Kind::Vector(_) => part.count = self.index.len() as u64,
            Kind::Range { field, range } => {
                if let Some((_, Part::Numbers(numbers))) = self.index.part(field) {
                    part.count = numbers.count((*range).into()) as u64;
                    part.all = numbers.len() as u64;
                }
            }
            kind => {
                let cursor = self.build(node)?;
                part.count = cursor.estimate();
                let space = match kind {
                    Kind::Tag { field, .. } => self.index.part(field).map(|(place, _)| place),
                    _ => None,
                };
                self.gather_terms(&cursor, space.map_or(WORDS, space_of), out);
            }
        }
        out.put_part(part);
        children(node).try_for_each(|part| self.gather(part, out))
    }

    fn gather_terms(&self, part: &Cursor<'i>, space: u64, out: &mut Statistics) {
        let among = self.search.among.as_deref();
        match part {
            Cursor::Word(word) => {
                let term = self
                    .index
                    .terms()
                    .held(word.text)
                    .filter(|_| among.is_some());
                let count = term.map(|term| {
                    let positions = self.index.schema().has_offsets;
                    let mut word = WordCursor::new(term, u128::MAX, 1.0, positions, (0, END));
                    let mut count = 0;
                    word.scan(END, |id, _| count += u64::from(Search::counts(among, id)));
                    count
                });
                out.put(space, word.text, count.unwrap_or(word.documents() as u64));
            }
            Cursor::Ids(ids) => {
                if let Role::Tag { text, .. } = ids.role {
                    let count = among.and_then(|_| self.counted_tag(space, text));
                    out.put(space, text, count.unwrap_or(ids.len()));
                }
            }
            Cursor::Union(of) => {
                let parts = of.parts().iter();
                parts.for_each(|part| self.gather_terms(part, space, out));
            }
            _ => {}
        }
    }

    /// The documents of a tag that count.
    fn counted_tag(&self, space: u64, text: &[u8]) -> Option<u64> {
        let field = usize::try_from(space.checked_sub(1)?).ok()?;
        let field = self.index.schema().fields.get(field)?;
        let Some((_, Part::Tags(tags))) = self.index.part(&field.name) else {
            return None;
        };
        let among = self.search.among.as_deref();
        let documents = tags.find(text)?.documents.iter();
        Some(documents.filter(|id| Search::counts(among, *id)).count() as u64)
    }

    /// The documents that hold a term, of all shards.
    pub(super) fn documents_with(&self, space: u64, text: &[u8], own: u64) -> u64 {
        let statistics = self.search.statistics.as_ref();
        let of_all = statistics.and_then(|its| its.documents_with(space, text));
        of_all.unwrap_or(own)
    }

    /// The tags of all shards that a test passes; 0 if this index has all documents.
    pub(super) fn tags_of_all(&self, field: usize, passes: impl Fn(&[u8]) -> bool) -> usize {
        let statistics = self.search.statistics.as_ref();
        statistics.map_or(0, |its| {
            its.texts(space_of(field))
                .filter(|text| passes(text))
                .count()
        })
    }

    /// Whether a part has documents at any shard: then it stands in the tree, even if it is empty
    /// here.
    pub(super) fn is_elsewhere(&self, node: &Node) -> bool {
        self.search
            .statistics
            .as_ref()
            .is_some_and(|its| self.of_all(its, node) > 0)
    }

    /// The documents of parts that must all match, over all shards, by which they are ordered;
    /// `keys`: the keys of INKEYS are the first part. `None`: this index has all documents.
    pub(super) fn order<'n>(
        &self,
        keys: bool,
        parts: impl Iterator<Item = &'n Node>,
    ) -> Option<Vec<u64>> {
        let its = self.search.statistics.as_ref()?;
        let of_keys = its.parts.first().filter(|_| keys).map(|part| part.count);
        let of_parts = parts.map(|part| self.of_all(its, part));
        Some(of_keys.into_iter().chain(of_parts).collect())
    }

    /// As [`Cursor::estimate`], for an index of all documents.
    fn of_all(&self, its: &Arc<Statistics>, node: &Node) -> u64 {
        let number = self.numbers.0.get(&std::ptr::from_ref(node));
        let part = number.and_then(|number| its.parts.get(*number));
        let part = part.copied().unwrap_or_default();
        match &node.kind {
            Kind::Everything | Kind::Not(_) | Kind::Optional(_) => its.documents,
            Kind::Intersect { parts, .. } => {
                let parts = parts.iter().map(|part| self.of_all(its, part));
                parts.min().unwrap_or(0)
            }
            Kind::Union(parts) => {
                let parts = parts.iter().map(|part| self.of_all(its, part));
                parts.fold(0, u64::saturating_add)
            }
            Kind::Vector(vector) => match vector.reach {
                Reach::Nearest(k) => part.count.min(k),
                Reach::Within(_) => part.count,
            },
            Kind::Range { .. } if part.count > 0 && part.all <= LEAF_MAX as u64 => part.all,
            _ => part.count,
        }
    }
}

/// The space of the tags of a field.
pub(super) fn space_of(field: usize) -> u64 {
    field as u64 + 1
}
