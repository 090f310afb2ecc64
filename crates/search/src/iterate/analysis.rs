//! Runs a query to see what each part of it costs: FT.EXPLAIN with ANALYZE.
//!
//! The cursor of each node of the tree counts into a tally; several nodes may have the same cursor,
//! because a union of a single part is that part. Times include the times of parts and the making
//! of cursors, but not the preparation, which searches vectors and expands terms. A node whose
//! cursor matches nothing has no steps.
//!
//! The query is walked in slices; between two slices figures are kept by the nodes' places in the
//! tree.
//!
//! Cost: two looks at the clock a step; a query that is not analysed pays nothing.

use std::collections::HashMap;

use super::build::Builder;
use super::prepare::tallies::{Figures, Tallies};
use super::{Clock, Course, Preparation};
use crate::index::Index;
use crate::query::{Node, QueryError};
use crate::search::Search;

/// A query that is run.
#[derive(Debug)]
pub struct Analysis {
    root: Node,
    search: Search,
    /// By the nodes' places in the tree, parents first.
    figures: Vec<Figures>,
    preparation: Preparation,
    course: Course,
}

/// Calls `take` with the nodes of a tree, parents first.
fn for_each_node<'n>(node: &'n Node, take: &mut impl FnMut(&'n Node)) {
    take(node);
    let parts = node.parts().iter();
    parts.for_each(|part| for_each_node(part, take));
}

impl Analysis {
    /// An analysis of a tree of [`Index::expand`]; scores are not asked.
    pub fn new(root: Node, search: &Search) -> Analysis {
        let search = Search {
            scores: false,
            explains: false,
            profiles: true,
            ..search.clone()
        };
        Analysis {
            root,
            search,
            figures: Vec::new(),
            preparation: Preparation::default(),
            course: Course::default(),
        }
    }

    /// Goes on until the time is over, or all documents are found; whether they are.
    ///
    /// # Errors
    ///
    /// As [`Index::matches`].
    pub fn advance(&mut self, index: &Index, clock: &mut Clock<'_>) -> Result<bool, QueryError> {
        let (root, search) = (&mut self.root, &mut self.search);
        if !self.preparation.advance(index, root, search, clock)? {
            return Ok(false);
        }
        while !self.course.is_over() {
            let tallies = Tallies::default();
            let mut builder = Builder::new(index, &self.search);
            builder.tallies = Some(tallies.clone());
            (builder.from, builder.limit) = self.course.window(&self.root);
            let mut matches = index.matches_of(&self.root, builder)?;
            let mut is_over = false;
            while !is_over && matches.next().is_some() {
                is_over = clock.spend(8);
            }
            if is_over {
                matches.leave();
            }
            self.course.end_window(&matches);
            self.take(&tallies);
            if is_over || clock.spend(64) {
                return Ok(self.course.is_over());
            }
        }
        Ok(true)
    }

    fn take(&mut self, tallies: &Tallies) {
        let tallies = tallies.0.borrow();
        let (mut at, figures) = (0, &mut self.figures);
        for_each_node(&self.root, &mut |node| {
            if figures.len() == at {
                figures.push(Figures::default());
            }
            if let Some(tally) = tallies.get(&std::ptr::from_ref(node)) {
                figures[at].add(tally.0.get());
            }
            at += 1;
        });
    }

    /// The tree.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// The figures of the nodes of the tree, by their addresses.
    pub fn figures(&self) -> HashMap<*const Node, Figures> {
        let (mut figures, mut all) = (self.figures.iter(), HashMap::new());
        for_each_node(&self.root, &mut |node| {
            let its = figures.next().copied().unwrap_or_default();
            all.insert(std::ptr::from_ref(node), its);
        });
        all
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

    /// The lines of the tree, each with the number of documents and whether it took steps.
    fn shown(index: &Index, query: &str, search: &Search) -> String {
        let root = index.expand(&root(index, query), search).expect("a tree");
        let mut analysis = Analysis::new(root, search);
        // In a single slice, and in slices that are over at once.
        let whole = text_of(index, &mut analysis, &|| false);
        let mut analysis = Analysis::new(analysis.root.clone(), search);
        let divided = text_of(index, &mut analysis, &|| true);
        assert_eq!(
            whole.replace("true", "").replace("false", ""),
            divided.replace("true", "").replace("false", "")
        );
        whole
    }

    fn text_of(index: &Index, analysis: &mut Analysis, is_over: &dyn Fn() -> bool) -> String {
        while !analysis
            .advance(index, &mut Clock::new(is_over))
            .expect("figures")
        {}
        let figures = analysis.figures();
        let note = |node: &Node| {
            let figures = figures[&std::ptr::from_ref(node)];
            Some(format!("{} {}", figures.documents, figures.steps > 0))
        };
        let text = explain_with(Some(analysis.root()), index.schema(), &note);
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
        let root = root(&index, "*");
        let mut analysis = Analysis::new(root, &Search::default());
        let is_done = analysis.advance(&index, &mut Clock::new(&|| true));
        assert!(!is_done.expect("figures"));
        let figures = analysis.figures()[&std::ptr::from_ref(analysis.root())];
        assert!(figures.documents > 0 && figures.documents < u64::from(DOCUMENTS));
    }
}
