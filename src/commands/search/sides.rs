//! The documents of FT.HYBRID, gathered in slices: a query's best ones, then a vector's nearest.

use super::row::refusal;
use super::walk::BUDGET;
use russet_command::CommandError;
use russet_search::error::SearchError;
use russet_search::hit::{DocumentId, Hit};
use russet_search::index::Index;
use russet_search::pipeline::{combine, keep_best};
use russet_search::query::{Node, QueryError};
use russet_search::request::HybridRequest;
use russet_search::search::Search;

/// Both sides of a request. A side that is `None` has no documents, or none any more.
pub(super) struct Sides {
    pub(super) request: HybridRequest,
    pub(super) text: Option<Node>,
    pub(super) vector: Option<Node>,
    texts: Vec<Hit>,
    /// The first document of the query's side that was not looked at.
    next: u32,
    /// The sides whose time was up before they were done.
    pub(super) late: Vec<&'static str>,
}

/// When a slice, and the whole command, is over.
pub(super) struct Clock<'c> {
    pub(super) is_slice_over: &'c dyn Fn() -> bool,
    pub(super) is_late: &'c dyn Fn() -> bool,
}

impl Sides {
    pub(super) fn new(request: HybridRequest, text: Option<Node>, vector: Option<Node>) -> Sides {
        Sides {
            request,
            text,
            vector,
            texts: Vec::new(),
            next: 0,
            late: Vec::new(),
        }
    }

    /// The trees with the sounds and stems of their words.
    pub(super) fn expand(&mut self, index: &Index, search: &Search) -> Result<(), QueryError> {
        for side in [&mut self.text, &mut self.vector] {
            let expanded = side.take().map(|root| index.expand(&root, search));
            *side = expanded.transpose()?;
        }
        Ok(())
    }

    /// Goes on until the slice is over (`None`), or all documents are there with their combined
    /// scores. The vector is compared with all that it must be compared with at once.
    pub(super) fn gather(
        &mut self,
        index: &Index,
        search: &Search,
        clock: &Clock<'_>,
    ) -> Result<Option<Vec<Hit>>, CommandError> {
        let wrong = |error| refusal(&SearchError::from(error));
        if let Some(root) = &self.text {
            if (clock.is_late)() {
                self.late.push("Timeout limit was reached (SEARCH)");
            } else {
                let mut matches = index.matches(root, search).map_err(wrong)?;
                matches.skip_to(DocumentId(self.next));
                let mut seen = 0;
                for hit in matches {
                    self.next = hit.document.0.saturating_add(1);
                    self.texts.push(hit);
                    seen += 1;
                    if seen % BUDGET == 0 {
                        keep_best(&mut self.texts, self.request.window);
                        if (clock.is_slice_over)() {
                            return Ok(None);
                        }
                    }
                }
            }
            self.text = None;
        }
        let mut vectors = Vec::new();
        if let Some(root) = self.vector.take() {
            if !(clock.is_late)() {
                vectors = index.matches(&root, search).map_err(wrong)?.collect();
            }
            if (clock.is_late)() {
                self.late.push("Timeout limit was reached (VSIM)");
            }
        }
        let texts = std::mem::take(&mut self.texts);
        Ok(Some(combine(&self.request, index, texts, vectors)))
    }
}
