//! The documents of FT.HYBRID, gathered in slices: first the best of the query, then the nearest of
//! the vector.
//!
//! Invariant: of the query's side no more than two windows and a slice's documents are kept. Cost:
//! O(documents that match), and one comparison of the vector, which is not divided.

use super::super::row::refusal;
use super::super::walk::{BUDGET, ExpiryCheck};
use russet_base::clock;
use russet_command::CommandError;
use russet_search::error::SearchError;
use russet_search::hit::{DocumentId, Hit, ScoredDocument};
use russet_search::index::Index;
use russet_search::iterate::{self, Course, PartProfile, Preparation, Windows};
use russet_search::pipeline::{both_sides, combine, keep_any_best, keep_best, metric_of};
use russet_search::query::{Node, QueryError};
use russet_search::request::HybridRequest;
use russet_search::schema::Metric;
use russet_search::search::Search;

/// Documents that are merged at once; of more a worker does it.
const MERGED_AT_ONCE: usize = 10_000;

/// Both sides of a request. A side that is `None` has no documents, or none any more.
pub(crate) struct Sides {
    pub(crate) request: HybridRequest,
    pub(crate) text: Option<Node>,
    pub(crate) vector: Option<Node>,
    texts: Vec<Hit>,
    /// The score of the window's last document, as far as it is known.
    least: Option<f64>,
    vectors: Vec<Hit>,
    /// How far each side is.
    preparations: [Preparation; 2],
    courses: [Course; 2],
    /// The sides whose time was up before they were done.
    pub(crate) late: Vec<&'static str>,
    /// Of a request that is profiled, once it is gathered: see [`Sides::gather`].
    pub(crate) profiles: Option<([SideProfile; 2], u64)>,
    counted: [SideProfile; 2],
    /// The documents are for another node, which combines them with the documents of other shards.
    pub(crate) ships: bool,
}

/// The work of a side, for FT.PROFILE.
#[derive(Clone, Debug, Default)]
pub(crate) struct SideProfile {
    /// `None`: nothing matches.
    pub(crate) parts: Option<PartProfile>,
    /// Documents that the side found, and how many of these are in the window.
    pub(crate) found: u64,
    pub(crate) kept: u64,
    /// Ticks of the clock until all documents were found, and until they were in order.
    pub(crate) cycles: u64,
    pub(crate) sort_cycles: u64,
    pub(crate) is_late: bool,
}

/// When a slice, and the whole command, is over.
pub(crate) struct Clock<'c> {
    pub(crate) is_slice_over: &'c dyn Fn() -> bool,
    pub(crate) is_late: &'c dyn Fn() -> bool,
}

impl Sides {
    pub(crate) fn new(request: HybridRequest, text: Option<Node>, vector: Option<Node>) -> Sides {
        Sides {
            request,
            text,
            vector,
            texts: Vec::new(),
            least: None,
            vectors: Vec::new(),
            preparations: Default::default(),
            courses: Default::default(),
            late: Vec::new(),
            profiles: None,
            counted: Default::default(),
            ships: false,
        }
    }

    /// The trees with the sounds and stems of their words.
    pub(crate) fn expand(&mut self, index: &Index, search: &Search) -> Result<(), QueryError> {
        for side in [&mut self.text, &mut self.vector] {
            let expanded = side.take().map(|root| index.expand(&root, search));
            *side = expanded.transpose()?;
            if let Some(root) = side {
                index.check(root, search)?;
            }
        }
        Ok(())
    }

    /// Drops the documents that are not among the best, once there are twice as many as the window
    /// has: O(1) for each document.
    fn trim(&mut self) {
        let window = self.request.window;
        if self.texts.len() >= (2 * window).max(window + BUDGET as usize) {
            self.least = keep_any_best(&mut self.texts, window);
        }
    }

    /// Adds documents of the query's side, except documents whose keys have expired, and keeps the
    /// best.
    fn add_hits(&mut self, hits: Vec<Hit>, expiring: Option<ExpiryCheck<'_>>) {
        let lives = |hit: &Hit| expiring.is_none_or(|its| its.lives(hit.document));
        self.texts.extend(hits.into_iter().filter(lives));
        self.trim();
    }

    /// As `add_hits`, for documents of which the caller has only the scores.
    fn add_scored(&mut self, mut scored: Vec<ScoredDocument>, expiring: Option<ExpiryCheck<'_>>) {
        if let Some(expiring) = expiring {
            scored.retain(|hit| expiring.lives(hit.document));
        }
        if let Some(least) = self.least {
            // Of equal scores the first documents stay.
            scored.retain(|hit| hit.score.total_cmp(&least).is_gt());
        }
        self.texts.extend(scored.into_iter().map(Hit::from));
        self.trim();
    }

    /// Goes on until the slice is over (`None`), or all documents are there to be merged.
    ///
    /// Documents that do not live, by `expiring`, are left out. Of a request that is profiled
    /// `profiles` has the figures.
    pub(crate) fn gather(
        &mut self,
        index: &Index,
        search: &mut Search,
        clock: &Clock<'_>,
        expiring: Option<ExpiryCheck<'_>>,
    ) -> Result<Option<Merger>, CommandError> {
        let wrong = |error| refusal(&SearchError::from(error));
        if self.text.is_some() {
            if (clock.is_late)() {
                self.late.push("Timeout limit was reached (SEARCH)");
            } else {
                let is_done = self.gather_texts(index, search, clock, expiring);
                if !is_done.map_err(wrong)? {
                    return Ok(None);
                }
            }
            self.text = None;
        }
        if self.vector.is_some() {
            let is_late = (clock.is_late)();
            if !is_late {
                let is_done = self.gather_vectors(index, search, clock, expiring);
                if !is_done.map_err(wrong)? {
                    return Ok(None);
                }
            }
            if is_late || (clock.is_late)() {
                self.late.push("Timeout limit was reached (VSIM)");
            }
            self.vector = None;
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
            vectors: std::mem::take(&mut self.vectors),
        }))
    }

    /// Takes the query's documents, of which the best are kept, until the slice is over; whether
    /// all were taken.
    fn gather_texts(
        &mut self,
        index: &Index,
        search: &mut Search,
        clock: &Clock<'_>,
        expiring: Option<ExpiryCheck<'_>>,
    ) -> Result<bool, QueryError> {
        let Some(mut root) = self.text.take() else {
            return Ok(true);
        };
        let began = clock::cycles();
        let is_over = || (clock.is_slice_over)() || (clock.is_late)();
        let its_clock = &mut iterate::Clock::new(&is_over);
        let mut is_done = self.preparations[0].advance(index, &mut root, search, its_clock)?;
        if is_done {
            let mut course = std::mem::take(&mut self.courses[0]);
            let mut windows = Windows::new(index, &root, search, &mut course);
            let is_plain = windows.are_plain() && !search.terms && !search.profiles;
            while !windows.is_over() {
                if is_plain {
                    let mut scored = Vec::with_capacity(BUDGET as usize);
                    windows.next_scored(BUDGET as usize, &mut scored);
                    self.counted[0].found += scored.len() as u64;
                    self.add_scored(scored, expiring);
                } else {
                    let hits: Vec<Hit> = windows.by_ref().take(BUDGET as usize).collect();
                    self.counted[0].found += hits.len() as u64;
                    self.add_hits(hits, expiring);
                }
                if is_over() {
                    break;
                }
            }
            is_done = windows.is_over();
            windows.failure()?;
            drop(windows);
            self.counted[0].parts = course.profile().cloned();
            self.courses[0] = course;
        }
        self.text = Some(root);
        self.counted[0].cycles += clock::cycles().wrapping_sub(began);
        if is_done && search.profiles {
            let cycles = clock::cycles();
            keep_best(&mut self.texts, self.request.window);
            self.counted[0].kept = self.texts.len() as u64;
            self.counted[0].sort_cycles = clock::cycles().wrapping_sub(cycles);
        }
        Ok(is_done)
    }

    /// Takes the documents near to the vector until the slice is over; whether all were taken.
    fn gather_vectors(
        &mut self,
        index: &Index,
        search: &Search,
        clock: &Clock<'_>,
        expiring: Option<ExpiryCheck<'_>>,
    ) -> Result<bool, QueryError> {
        let Some(root) = &mut self.vector else {
            return Ok(true);
        };
        let began = clock::cycles();
        // Distances need no statistics of words.
        let mut search = Search {
            statistics: None,
            ..search.clone()
        };
        let is_over = || (clock.is_slice_over)() || (clock.is_late)();
        let ([_, preparation], [_, course]) = (&mut self.preparations, &mut self.courses);
        let living = expiring.map(|its| move |id: u32| its.lives(DocumentId(id)));
        let living = living.as_ref().map(|lives| lives as &dyn Fn(u32) -> bool);
        let its_clock = &mut iterate::Clock::new(&is_over).among_living(living);
        let mut is_done = preparation.advance(index, root, &mut search, its_clock)?;
        if is_done {
            let lives = |hit: &Hit| expiring.is_none_or(|its| its.lives(hit.document));
            let mut windows = Windows::new(index, root, &search, course);
            while !windows.is_over() {
                let hits = windows.by_ref().take(BUDGET as usize);
                self.vectors.extend(hits.filter(lives));
                if is_over() {
                    break;
                }
            }
            is_done = windows.is_over();
            windows.failure()?;
        }
        let found = self.vectors.len() as u64;
        self.counted[1] = SideProfile {
            parts: course.profile().cloned(),
            found,
            kept: found.min(self.request.window as u64),
            cycles: self.counted[1].cycles + clock::cycles().wrapping_sub(began),
            ..SideProfile::default()
        };
        Ok(is_done)
    }
}

/// The documents of both sides, which become one list.
pub(crate) struct Merger {
    request: HybridRequest,
    metric: Metric,
    ships: bool,
    texts: Vec<Hit>,
    vectors: Vec<Hit>,
}

impl Merger {
    /// Whether the merging takes more than some milliseconds.
    pub(crate) fn takes_long(&self) -> bool {
        self.texts.len() + self.vectors.len() > MERGED_AT_ONCE
    }

    /// The documents with their combined scores, or of both sides for another node. O(n log n).
    pub(crate) fn merge(&mut self) -> Vec<Hit> {
        let sides = [&mut self.texts, &mut self.vectors].map(std::mem::take);
        let [texts, vectors] = sides;
        if self.ships {
            both_sides(&self.request, texts, vectors)
        } else {
            combine(&self.request, self.metric, texts, vectors)
        }
    }
}
