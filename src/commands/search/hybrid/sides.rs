//! The documents of FT.HYBRID, gathered in slices: a query's best ones, then a vector's nearest.
//!
//! Invariant: of the query's side no more than its window and a slice's documents are kept. Cost:
//! O(documents that match), and one comparison of the vector, which is not divided.

use super::super::row::refusal;
use super::super::walk::BUDGET;
use russet_base::clock;
use russet_command::CommandError;
use russet_search::error::SearchError;
use russet_search::hit::{DocumentId, Hit};
use russet_search::index::Index;
use russet_search::iterate::{Matches, PartProfile};
use russet_search::pipeline::{both_sides, combine, keep_best};
use russet_search::query::{Node, QueryError};
use russet_search::request::HybridRequest;
use russet_search::search::Search;

/// Both sides of a request. A side that is `None` has no documents, or none any more.
pub(in crate::commands::search) struct Sides {
    pub(in crate::commands::search) request: HybridRequest,
    pub(in crate::commands::search) text: Option<Node>,
    pub(in crate::commands::search) vector: Option<Node>,
    texts: Vec<Hit>,
    /// The first document of the query's side that was not looked at.
    next: u32,
    /// The sides whose time was up before they were done.
    pub(in crate::commands::search) late: Vec<&'static str>,
    /// Of a request that is profiled, once it is gathered: see [`Sides::gather`].
    pub(in crate::commands::search) profiles: Option<([SideProfile; 2], u64)>,
    counted: [SideProfile; 2],
    /// The documents are for another node, which combines them with those of other shards.
    pub(in crate::commands::search) ships: bool,
}

/// The work of a side, for FT.PROFILE.
#[derive(Clone, Debug, Default)]
pub(in crate::commands::search) struct SideProfile {
    /// `None`: nothing matches.
    pub(in crate::commands::search) parts: Option<PartProfile>,
    /// Documents that were found, and those of them in the window.
    pub(in crate::commands::search) found: u64,
    pub(in crate::commands::search) kept: u64,
    /// Ticks of the clock until all were found, and until they were in order.
    pub(in crate::commands::search) cycles: u64,
    pub(in crate::commands::search) sort_cycles: u64,
    pub(in crate::commands::search) is_late: bool,
}

/// When a slice, and the whole command, is over.
pub(in crate::commands::search) struct Clock<'c> {
    pub(in crate::commands::search) is_slice_over: &'c dyn Fn() -> bool,
    pub(in crate::commands::search) is_late: &'c dyn Fn() -> bool,
}

impl Sides {
    pub(in crate::commands::search) fn new(
        request: HybridRequest,
        text: Option<Node>,
        vector: Option<Node>,
    ) -> Sides {
        Sides {
            request,
            text,
            vector,
            texts: Vec::new(),
            next: 0,
            late: Vec::new(),
            profiles: None,
            counted: Default::default(),
            ships: false,
        }
    }

    /// The trees with the sounds and stems of their words.
    pub(in crate::commands::search) fn expand(
        &mut self,
        index: &Index,
        search: &Search,
    ) -> Result<(), QueryError> {
        for side in [&mut self.text, &mut self.vector] {
            let expanded = side.take().map(|root| index.expand(&root, search));
            *side = expanded.transpose()?;
        }
        Ok(())
    }

    /// Takes the query's next documents, of which the best are kept; how many they were.
    fn take_hits(&mut self, matches: &mut Matches<'_>) -> u64 {
        let mut seen = 0;
        for hit in matches.by_ref().take(BUDGET as usize) {
            self.next = hit.document.0.saturating_add(1);
            self.texts.push(hit);
            seen += 1;
        }
        keep_best(&mut self.texts, self.request.window);
        seen
    }

    /// The same, of documents of which nothing is asked but their scores.
    fn take_scored(&mut self, matches: &mut Matches<'_>) -> u64 {
        let mut scored = Vec::with_capacity(BUDGET as usize);
        matches.next_scored(BUDGET as usize, &mut scored);
        if let Some(last) = scored.last() {
            self.next = last.document.0.saturating_add(1);
        }
        let seen = scored.len() as u64;
        let is_full = self.texts.len() >= self.request.window;
        let least = self.texts.last().map(|hit| hit.score);
        if let Some(least) = least.filter(|_| is_full) {
            // Of equal scores the first documents stay.
            scored.retain(|hit| hit.score.total_cmp(&least).is_gt());
        }
        self.texts.extend(scored.into_iter().map(Hit::from));
        keep_best(&mut self.texts, self.request.window);
        seen
    }

    /// Goes on until the slice is over (`None`), or all documents are there with their combined
    /// scores. The vector is compared with all that it must be compared with at once.
    ///
    /// A request that is profiled is gathered in one slice; `profiles` has its figures, and the
    /// ticks that the merging took.
    pub(in crate::commands::search) fn gather(
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
                let began = clock::cycles();
                let mut matches = index.matches(root, search).map_err(wrong)?;
                matches.skip_to(DocumentId(self.next));
                let is_plain = matches.are_plain() && !search.terms && !search.profiles;
                let mut seen = 0;
                loop {
                    let before = seen;
                    seen += if is_plain {
                        self.take_scored(&mut matches)
                    } else {
                        self.take_hits(&mut matches)
                    };
                    if seen - before < BUDGET {
                        break;
                    }
                    if !search.profiles && (clock.is_slice_over)() {
                        return Ok(None);
                    }
                }
                if search.profiles {
                    let cycles = clock::cycles();
                    keep_best(&mut self.texts, self.request.window);
                    self.counted[0] = SideProfile {
                        parts: Some(matches.profile()),
                        found: seen,
                        kept: self.texts.len() as u64,
                        cycles: cycles.wrapping_sub(began),
                        sort_cycles: clock::cycles().wrapping_sub(cycles),
                        is_late: false,
                    };
                }
            }
            self.text = None;
        }
        let mut vectors = Vec::new();
        if let Some(root) = self.vector.take() {
            if !(clock.is_late)() {
                let began = clock::cycles();
                // Distances need no statistics of words.
                let search = Search {
                    statistics: None,
                    ..search.clone()
                };
                let mut matches = index.matches(&root, &search).map_err(wrong)?;
                vectors = matches.by_ref().collect::<Vec<_>>();
                let found = vectors.len() as u64;
                self.counted[1] = SideProfile {
                    parts: search.profiles.then(|| matches.profile()),
                    found,
                    kept: found.min(self.request.window as u64),
                    cycles: clock::cycles().wrapping_sub(began),
                    ..SideProfile::default()
                };
            }
            if (clock.is_late)() {
                self.late.push("Timeout limit was reached (VSIM)");
            }
        }
        let texts = std::mem::take(&mut self.texts);
        let began = clock::cycles();
        let hits = if self.ships {
            both_sides(&self.request, texts, vectors)
        } else {
            combine(&self.request, index, texts, vectors)
        };
        if search.profiles {
            let mut counted = std::mem::take(&mut self.counted);
            for (side, name) in counted.iter_mut().zip(["(SEARCH)", "(VSIM)"]) {
                side.is_late = self.late.iter().any(|late| late.ends_with(name));
            }
            self.profiles = Some((counted, clock::cycles().wrapping_sub(began)));
        }
        Ok(Some(hits))
    }
}
