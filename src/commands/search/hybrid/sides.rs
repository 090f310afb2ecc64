//! The documents of FT.HYBRID, gathered in slices: a query's best ones, then a vector's nearest.
//!
//! Invariant: of the query's side no more than two windows and a slice's documents are kept. Cost:
//! O(documents that match), and one comparison of the vector, which is not divided.

use super::super::row::refusal;
use super::super::walk::{BUDGET, Expiring};
use russet_base::clock;
use russet_command::CommandError;
use russet_search::error::SearchError;
use russet_search::hit::{DocumentId, Hit};
use russet_search::index::Index;
use russet_search::iterate::{Matches, PartProfile};
use russet_search::pipeline::{both_sides, combine, keep_any_best, keep_best, metric_of};
use russet_search::query::{Node, QueryError};
use russet_search::request::HybridRequest;
use russet_search::schema::Metric;
use russet_search::search::Search;

/// Documents that are merged at once; of more a worker does it.
const MERGED_AT_ONCE: usize = 10_000;

/// Both sides of a request. A side that is `None` has no documents, or none any more.
pub(in crate::commands::search) struct Sides {
    pub(in crate::commands::search) request: HybridRequest,
    pub(in crate::commands::search) text: Option<Node>,
    pub(in crate::commands::search) vector: Option<Node>,
    texts: Vec<Hit>,
    /// The score of the last one of the window, as far as it is known.
    least: Option<f64>,
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
            least: None,
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
    fn take_hits(&mut self, matches: &mut Matches<'_>, expiring: Option<Expiring<'_>>) -> u64 {
        let mut seen = 0;
        for hit in matches.by_ref().take(BUDGET as usize) {
            self.next = hit.document.0.saturating_add(1);
            seen += 1;
            if expiring.is_none_or(|its| its.lives(hit.document)) {
                self.texts.push(hit);
            }
        }
        self.trim();
        seen
    }

    /// Leaves out documents that are none of the best ones, once there are twice as many as the
    /// window has: O(1) for each document.
    fn trim(&mut self) {
        let window = self.request.window;
        if self.texts.len() >= (2 * window).max(window + BUDGET as usize) {
            self.least = keep_any_best(&mut self.texts, window);
        }
    }

    /// The same, of documents of which nothing is asked but their scores.
    fn take_scored(&mut self, matches: &mut Matches<'_>, expiring: Option<Expiring<'_>>) -> u64 {
        let mut scored = Vec::with_capacity(BUDGET as usize);
        matches.next_scored(BUDGET as usize, &mut scored);
        if let Some(last) = scored.last() {
            self.next = last.document.0.saturating_add(1);
        }
        let seen = scored.len() as u64;
        if let Some(expiring) = expiring {
            scored.retain(|hit| expiring.lives(hit.document));
        }
        if let Some(least) = self.least {
            // Of equal scores the first documents stay.
            scored.retain(|hit| hit.score.total_cmp(&least).is_gt());
        }
        self.texts.extend(scored.into_iter().map(Hit::from));
        self.trim();
        seen
    }

    /// Goes on until the slice is over (`None`), or all documents are there to be merged. The
    /// vector is compared with all that it must be compared with at once.
    ///
    /// Documents that do not live, by `expiring`, are left out.
    ///
    /// A request that is profiled is gathered in one slice; `profiles` has its figures, and the
    /// ticks that the merging took.
    pub(in crate::commands::search) fn gather(
        &mut self,
        index: &Index,
        search: &Search,
        clock: &Clock<'_>,
        expiring: Option<Expiring<'_>>,
    ) -> Result<Option<Merger>, CommandError> {
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
                        self.take_scored(&mut matches, expiring)
                    } else {
                        self.take_hits(&mut matches, expiring)
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
                let lives = |hit: &Hit| expiring.is_none_or(|its| its.lives(hit.document));
                vectors = matches.by_ref().filter(lives).collect::<Vec<_>>();
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
        if search.profiles {
            let mut counted = std::mem::take(&mut self.counted);
            for (side, name) in counted.iter_mut().zip(["(SEARCH)", "(VSIM)"]) {
                side.is_late = self.late.iter().any(|late| late.ends_with(name));
            }
            self.profiles = Some((counted, 0));
        }
        Ok(Some(Merger {
            request: self.request.clone(),
            metric: metric_of(&self.request, index.schema()),
            ships: self.ships,
            texts: std::mem::take(&mut self.texts),
            vectors,
        }))
    }
}

/// The documents of both sides, which are to be one list.
pub(in crate::commands::search) struct Merger {
    request: HybridRequest,
    metric: Metric,
    ships: bool,
    texts: Vec<Hit>,
    vectors: Vec<Hit>,
}

impl Merger {
    /// Whether the merging takes more than some milliseconds.
    pub(in crate::commands::search) fn takes_long(&self) -> bool {
        self.texts.len() + self.vectors.len() > MERGED_AT_ONCE
    }

    /// The documents with their combined scores, or of both sides for another node. O(n log n).
    pub(in crate::commands::search) fn merge(&mut self) -> Vec<Hit> {
        let sides = [&mut self.texts, &mut self.vectors].map(std::mem::take);
        let [texts, vectors] = sides;
        if self.ships {
            both_sides(&self.request, texts, vectors)
        } else {
            combine(&self.request, self.metric, texts, vectors)
        }
    }
}
