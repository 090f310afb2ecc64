//! A query that is run to see what each part of it costs: FT.EXPLAIN with ANALYZE.
//!
//! Each node of the tree has a tally, which the cursor that was made of it counts into; one cursor
//! may be that of several nodes, as a union of one part is that part. Times include those of parts,
//! and the making of cursors, where vectors are searched and terms expanded. A node whose cursor
//! matches nothing has no steps.
//!
//! Cost: two looks at the clock a step; a query that is not analysed pays nothing.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::marker::PhantomData;
use std::rc::Rc;

use super::build::Builder;
use super::{Cursor, END};
use crate::index::Index;
use crate::query::{Node, QueryError};
use crate::search::Search;

/// Documents between two looks at the time that is left.
const BUDGET: usize = 256;

/// The work of a node of a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Documents that it stood on.
    pub documents: u64,
    /// Calls that moved it: to the next document, or to one from a number on.
    pub steps: u64,
    /// Ticks of the clock, with those of its parts.
    pub cycles: u64,
}

/// Figures while they are counted.
#[derive(Debug, Default)]
pub(super) struct Tally(Cell<Figures>);

impl Tally {
    fn add(&self, documents: u64, steps: u64, cycles: u64) {
        let mut figures = self.0.get();
        figures.documents += documents;
        figures.steps += steps;
        figures.cycles += cycles;
        self.0.set(figures);
    }

    /// A call that moved a cursor, to another document or not.
    pub(super) fn step(&self, has_moved: bool, cycles: u64) {
        self.add(u64::from(has_moved), 1, cycles);
    }
}

/// The tallies of a tree's nodes, by their addresses: the tree is borrowed meanwhile.
#[derive(Clone, Debug, Default)]
pub(super) struct Tallies(Rc<RefCell<HashMap<*const Node, Rc<Tally>>>>);

impl Tallies {
    /// Has a cursor count for the node that it was made of.
    pub(super) fn attach(&self, node: &Node, cursor: &mut Cursor<'_>, cycles: u64) {
        let mut tallies = self.0.borrow_mut();
        let tally = tallies.entry(std::ptr::from_ref(node)).or_default();
        tally.add(u64::from(cursor.id() != END), 0, cycles);
        if let Cursor::Counted(counted) = cursor {
            counted.count_for(Rc::clone(tally));
        }
    }
}

/// A query that was run.
#[derive(Debug)]
pub struct Analysis<'n> {
    tallies: Tallies,
    /// The nodes are borrowed as long as their addresses are asked for.
    nodes: PhantomData<&'n Node>,
    /// Whether all documents were found.
    pub is_whole: bool,
}

impl Analysis<'_> {
    /// The figures of a node of the tree; zeros of another.
    pub fn figures(&self, node: &Node) -> Figures {
        let tallies = self.tallies.0.borrow();
        let tally = tallies.get(&std::ptr::from_ref(node));
        tally.map_or(Figures::default(), |tally| tally.0.get())
    }
}

impl Index {
    /// Finds all documents of a query, a tree of [`Index::expand`], without their scores;
    /// `may_go_on` is asked now and then, and ends it.
    ///
    /// # Errors
    ///
    /// As [`Index::matches`].
    pub fn analyze<'n>(
        &self,
        root: &'n Node,
        search: &Search,
        may_go_on: &dyn Fn() -> bool,
    ) -> Result<Analysis<'n>, QueryError> {
        let search = Search {
            scores: false,
            explains: false,
            profiles: true,
            ..search.clone()
        };
        let tallies = Tallies::default();
        let mut builder = Builder::new(self, &search);
        builder.tallies = Some(tallies.clone());
        let mut matches = self.matches_of(root, builder)?;
        let is_whole = loop {
            if matches.by_ref().take(BUDGET).count() < BUDGET {
                break true;
            }
            if !may_go_on() {
                break false;
            }
        };
        Ok(Analysis {
            tallies,
            nodes: PhantomData,
            is_whole,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::testbed::{Hash, field, root, tag, text};
    use crate::query::explain_with;
    use crate::schema::{FieldKind, KeyType, Schema};

    const DOCUMENTS: u32 = 600;

    fn index() -> Index {
        let mut schema = Schema::new(KeyType::Hash);
        schema.fields = vec![text("t", 1.0), tag("g"), field("n", FieldKind::Number)];
        let mut index = Index::new(schema);
        for at in 0..DOCUMENTS {
            let word = if at % 2 == 0 { "even" } else { "odd" };
            let (g, n) = (format!("g{}", at % 3), at.to_string());
            let document = Hash(&[("t", word), ("g", &g), ("n", &n)]);
            index.put(format!("d{at}").as_bytes(), &document);
        }
        index
    }

    /// The lines of the tree, each with its documents and whether it took steps.
    fn shown(index: &Index, query: &str, search: &Search) -> String {
        let root = index.expand(&root(index, query), search).expect("a tree");
        let analysis = index.analyze(&root, search, &|| true).expect("figures");
        assert!(analysis.is_whole);
        let note = |node: &Node| {
            let figures = analysis.figures(node);
            Some(format!("{} {}", figures.documents, figures.steps > 0))
        };
        let text = explain_with(Some(&root), index.schema(), &note);
        String::from_utf8(text).expect("text")
    }

    #[test]
    fn each_part_has_its_documents_and_its_steps() {
        let index = index();
        let search = Search {
            verbatim: true,
            ..Search::default()
        };
        for (query, expected) in [
            ("even", "even 300 true\n"),
            ("none", "none 0 false\n"),
            ("ev*", "PREFIX{ev*} 300 true\n"),
            ("*", "<WILDCARD> 600 true\n"),
            (
                "even|odd",
                "UNION { 600 true\n  even 300 true\n  odd 300 true\n}\n",
            ),
            ("@g:{g1}", "TAG:@g { 200 true\n  g1 200 true\n}\n"),
            (
                "@g:{G1|g2|g1*}",
                "TAG:@g { 400 true\n  g1 200 true\n  g2 200 true\n  PREFIX{g1*} 200 true\n}\n",
            ),
            ("-even", "NOT{ 300 true\n  even 300 true\n}\n"),
        ] {
            assert_eq!(shown(&index, query, &search), expected, "{query}");
        }
        let both = shown(&index, "even @n:[0 99]", &search);
        assert!(both.starts_with("INTERSECT { 50 true\n  even "), "{both}");
        let listed = Search {
            in_keys: Some(vec![crate::hit::DocumentId(4)]),
            ..search
        };
        let one = shown(&index, "even @n:[0 99]", &listed);
        assert!(one.starts_with("INTERSECT { 1 true\n"), "{one}");
    }

    #[test]
    fn a_query_whose_time_is_up_has_what_it_found() {
        let index = index();
        let (root, search) = (root(&index, "*"), Search::default());
        let analysis = index.analyze(&root, &search, &|| false).expect("figures");
        assert!(!analysis.is_whole);
        let figures = analysis.figures(&root);
        assert!(figures.documents > 0 && figures.documents < u64::from(DOCUMENTS));
        assert_eq!(
            analysis.figures(&Node::new(crate::query::Kind::Everything)),
            Figures::default()
        );
    }
}
