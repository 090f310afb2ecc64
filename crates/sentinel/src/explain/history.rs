//! The episodes of a primary, oldest first.
//!
//! Only the newest may be open: `note` adds a line to it, in the order of time, and drops the line
//! if none is open. A primary has at most 20 episodes of 120 lines. A new episode displaces the
//! oldest, a new line displaces a line from the middle, so that an episode keeps its beginning and
//! its end. In memory only: a restart begins without episodes.
//!
//! Cost: O(1) for a line, O(lines) in a full episode. The lines are worded in `record`.

use std::collections::{BTreeMap, VecDeque};

use crate::time::Ms;
use russet_host::Now;

const EPISODES_MAX: usize = 20;
const LINES_MAX: usize = 120;

/// A reason not to begin a failover although the primary is down by agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The file cannot be written.
    Unsaved,
    /// The last attempt is too recent; the next may begin at this moment.
    Delay(Ms),
}

/// An attempt of a failover, or a situation without an attempt.
#[derive(Debug)]
pub(super) struct Episode {
    pub began: Now,
    /// The subject, for the headline.
    pub about: String,
    /// How it ended.
    pub end: Option<(Now, String)>,
    pub lines: Vec<(Now, String)>,
    /// Lines that were dropped from the middle.
    pub left_out: usize,
}

impl Episode {
    fn push(&mut self, now: Now, line: String) {
        if self.lines.len() == LINES_MAX {
            self.lines.remove(LINES_MAX / 2);
            self.left_out += 1;
        }
        self.lines.push((now, line));
    }

    /// The place of the lines that were dropped.
    pub(super) fn gap(&self) -> Option<usize> {
        (self.left_out > 0).then_some(LINES_MAX / 2)
    }

    /// The moment of the last line.
    pub(super) fn last_at(&self) -> Now {
        self.lines.last().map_or(self.began, |(at, _)| *at)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct History {
    /// The newest is last; only the newest may be open.
    episodes: VecDeque<Episode>,
    /// The obstacle that was recorded last.
    obstacle: Option<Obstacle>,
    /// The votes of other Sentinels in our last attempt: voter, candidate. `Peer` forgets its vote
    /// after some seconds.
    pub(super) votes: BTreeMap<Vec<u8>, Vec<u8>>,
    /// How many times the primary has changed its address by a failover, ours or another's.
    pub failovers: u64,
}

impl History {
    /// The open episode.
    pub(super) fn current(&self) -> Option<&Episode> {
        self.episodes.back().filter(|last| last.end.is_none())
    }

    fn current_mut(&mut self) -> Option<&mut Episode> {
        self.episodes.back_mut().filter(|last| last.end.is_none())
    }

    pub fn is_open(&self) -> bool {
        self.current().is_some()
    }

    /// Begins an episode, unless an episode is open.
    pub(super) fn open(&mut self, now: Now, about: String) {
        if self.is_open() {
            return;
        }
        if self.episodes.len() == EPISODES_MAX {
            self.episodes.pop_front();
        }
        self.episodes.push_back(Episode {
            began: now,
            about,
            end: None,
            lines: Vec::new(),
            left_out: 0,
        });
        self.obstacle = None;
    }

    /// Changes the subject of the open episode.
    pub(super) fn rename(&mut self, about: String) {
        if let Some(episode) = self.current_mut() {
            episode.about = about;
        }
    }

    /// Adds a line to the open episode; without an open episode it is dropped.
    pub(super) fn note(&mut self, now: Now, line: String) {
        if let Some(episode) = self.current_mut() {
            episode.push(now, line);
        }
    }

    /// Adds a line to the last episode, which may have ended.
    pub(super) fn add_late_line(&mut self, now: Now, line: String) {
        if let Some(episode) = self.episodes.back_mut() {
            episode.push(now, line);
        }
    }

    /// Ends the open episode.
    pub(super) fn close(&mut self, now: Now, outcome: String) {
        if let Some(episode) = self.current_mut() {
            episode.end = Some((now, outcome));
        }
    }

    /// Records the obstacle in the place of the last. Returns whether the two differ.
    pub(super) fn replace_obstacle(&mut self, obstacle: Obstacle) -> bool {
        self.obstacle.replace(obstacle) != Some(obstacle)
    }

    /// Newest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Episode> {
        self.episodes.iter().rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_episodes_and_the_lines_in_the_middle_are_dropped() {
        let mut history = History::default();
        let now = Now::default();
        history.note(now, "dropped: nothing is open".to_owned());
        for n in 0..=EPISODES_MAX {
            history.open(now, n.to_string());
            history.open(now, "not another one".to_owned());
            for line in 0..LINES_MAX + 2 {
                history.note(now, line.to_string());
            }
            history.close(now, "over".to_owned());
        }
        assert_eq!(history.newest_first().count(), EPISODES_MAX);
        let newest = history.newest_first().next().expect("an episode");
        assert_eq!(newest.about, EPISODES_MAX.to_string());
        assert_eq!((newest.lines.len(), newest.left_out), (LINES_MAX, 2));
        let (before, after) = (&newest.lines[59].1, &newest.lines[60].1);
        assert_eq!((before.as_str(), after.as_str()), ("59", "62"));
        assert!(
            history.replace_obstacle(Obstacle::Unsaved)
                && !history.replace_obstacle(Obstacle::Unsaved)
        );
        assert!(
            history.replace_obstacle(Obstacle::Delay(1))
                && history.replace_obstacle(Obstacle::Delay(2))
        );
    }
}
