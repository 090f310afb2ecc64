//! A query's walk over all documents, window by window of their numbers.
//!
//! Cursors are made for each window, from where the walk stands, and end at the window's limit, so
//! that a step takes no longer than a window, whatever the parts of the query have in common. The
//! first window is narrower if there are more parts, because each part may be asked for each
//! document. Later windows are wider if they are walked quickly, or in less time than it takes to
//! make their cursors. Between two windows, and between two documents, the walk may stop, and
//! continue later over an index that has changed.
//!
//! Cost: O(parts) for each window; a window without documents is skipped as far as the parts know.

use super::counted::PartProfile;
use super::{END, Matches, prepare};
use crate::hit::{Hit, ScoredDocument};
use crate::index::Index;
use crate::query::{Node, QueryError};
use crate::search::Search;
use russet_base::clock;

/// Documents of the first window, and of a window at least and at most.
const WIDTH: u32 = 1 << 14;
const WIDTH_MIN: u32 = 1 << 8;
const WIDTH_MAX: u32 = 1 << 22;
/// Ticks of the clock that a window should take: some 50 to 300 microseconds.
const QUICK: u64 = 150_000;
const SLOW: u64 = 900_000;

/// How far a walk is.
#[derive(Debug, Default)]
pub struct Course {
    /// The first document that was not taken; [`END`]: all were.
    next: u32,
    /// 0: no window was begun.
    width: u32,
    /// The reads of each part so far, if they are counted.
    profile: Option<PartProfile>,
}

impl Course {
    /// A course that stands on a document, with windows of a width.
    #[cfg(test)]
    pub(super) fn at(next: u32, width: u32) -> Course {
        Course {
            next,
            width,
            profile: None,
        }
    }

    /// Whether all documents were taken.
    pub(super) fn is_over(&self) -> bool {
        self.next == END
    }

    /// The next window of a query's documents.
    pub(super) fn window(&mut self, root: &Node) -> (u32, u32) {
        if self.width == 0 {
            let parts = prepare::parts(root).clamp(1, WIDTH as usize) as u32;
            self.width = (WIDTH / parts).max(WIDTH_MIN);
        }
        (self.next, self.next.saturating_add(self.width))
    }

    /// A document was taken.
    #[inline]
    pub(super) fn take(&mut self, hit: &Hit) {
        self.next = hit.document.0.saturating_add(1);
    }

    /// The window has no more documents.
    pub(super) fn end_window(&mut self, matches: &Matches<'_>) {
        self.next = matches.reached();
    }

    /// The reads of each part of the query so far, if [`Search::profiles`].
    pub fn profile(&self) -> Option<&PartProfile> {
        self.profile.as_ref()
    }
}

/// See the module.
pub struct Windows<'i, 'w> {
    index: &'i Index,
    root: &'w Node,
    search: &'w Search,
    course: &'w mut Course,
    matches: Option<Matches<'i>>,
    /// The reading of the clock's ticks when the window was begun, and the ticks that making the
    /// cursors took.
    began: u64,
    made: u64,
    failure: Option<QueryError>,
    has_gone_back: bool,
}

impl<'i, 'w> Windows<'i, 'w> {
    /// The documents that a query matches, a prepared tree of [`Index::expand`], from where the
    /// course is.
    pub fn new(
        index: &'i Index,
        root: &'w Node,
        search: &'w Search,
        course: &'w mut Course,
    ) -> Windows<'i, 'w> {
        Windows {
            index,
            root,
            search,
            course,
            matches: None,
            began: 0,
            made: 0,
            failure: None,
            has_gone_back: false,
        }
    }

    /// Whether there are no more documents; if not, the documents of a window may have ended.
    pub fn is_over(&self) -> bool {
        self.course.is_over()
    }

    /// Why the walk has ended.
    ///
    /// # Errors
    ///
    /// As [`Index::matches`].
    pub fn failure(&mut self) -> Result<(), QueryError> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// The documents of the window.
    fn window(&mut self) -> Option<&mut Matches<'i>> {
        if self.matches.is_none() && !self.is_over() {
            self.began = clock::cycles();
            let window = self.course.window(self.root);
            match self.index.matches_within(self.root, self.search, window) {
                Ok(matches) => {
                    self.matches = Some(matches);
                    self.made = clock::cycles().wrapping_sub(self.began);
                }
                Err(error) => {
                    self.failure = Some(error);
                    self.course.next = END;
                }
            }
        }
        self.matches.as_mut()
    }

    /// The window has no more documents.
    fn close(&mut self) {
        self.add_profile();
        let Some(matches) = self.matches.take() else {
            return;
        };
        let course = &mut *self.course;
        course.end_window(&matches);
        let walked = clock::cycles().wrapping_sub(self.began);
        let walked = walked.saturating_sub(self.made);
        if walked < QUICK.max(self.made) {
            course.width = course.width.saturating_mul(4).min(WIDTH_MAX);
        } else if walked > SLOW.max(self.made.saturating_mul(2)) {
            course.width = (course.width / 2).max(WIDTH_MIN);
        }
    }

    fn add_profile(&mut self) {
        let counted = self.matches.as_ref().filter(|_| self.search.profiles);
        let Some(profile) = counted.map(Matches::profile) else {
            return;
        };
        match &mut self.course.profile {
            Some(sum) => sum.add(profile),
            none => *none = Some(profile),
        }
    }

    /// Goes back to a document, which was taken last or together with the last: the walk ends, and
    /// continues there.
    pub fn go_back_to(&mut self, hit: &Hit) {
        self.course.next = hit.document.0;
        self.has_gone_back = true;
    }

    /// Whether nothing is known of documents but their scores.
    pub fn are_plain(&self) -> bool {
        !self.search.explains && !self.root.has_distances()
    }

    /// Adds the next documents with their scores, at most `most`; none if there are no more in the
    /// window.
    pub fn next_scored(&mut self, most: usize, out: &mut Vec<ScoredDocument>) {
        let Some(matches) = self.window() else {
            return;
        };
        let before = out.len();
        matches.next_scored(most, out);
        match out[before..].last() {
            Some(last) => self.course.next = last.document.0.saturating_add(1),
            None => self.close(),
        }
    }
}

impl Iterator for Windows<'_, '_> {
    type Item = Hit;

    /// The next document; `None`: there are no more in this window, and none at all if
    /// [`Windows::is_over`].
    fn next(&mut self) -> Option<Hit> {
        let hit = self.window()?.next();
        match &hit {
            Some(hit) => self.course.take(hit),
            None => self.close(),
        }
        hit
    }
}

impl Drop for Windows<'_, '_> {
    fn drop(&mut self) {
        if let Some(matches) = self.matches.as_mut().filter(|_| self.search.profiles) {
            let next = matches.leave();
            if !self.has_gone_back {
                self.course.next = next;
            }
        }
        self.add_profile();
    }
}
