//! VRANGE under way: the names of elements in a range, in slices between which the set may change.
//!
//! Names have no order in the set, so the query visits all of them and keeps the first in order. An
//! element that stays is found once. O(elements), and O(log kept) for each in the range.

use std::collections::BTreeSet;

use super::content::Content;
use russet_encodings::hnsw::Progress;

/// An end of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// `-`: before all names.
    Lowest,
    /// `+`: after all names.
    Highest,
    /// `[name`: the name itself is in the range.
    Including(Box<[u8]>),
    /// `(name`: the name itself is not in the range.
    Excluding(Box<[u8]>),
}

impl End {
    fn is_below(&self, name: &[u8]) -> bool {
        match self {
            End::Lowest => true,
            End::Highest => false,
            End::Including(end) => name >= &**end,
            End::Excluding(end) => name > &**end,
        }
    }

    fn is_above(&self, name: &[u8]) -> bool {
        match self {
            End::Lowest => false,
            End::Highest => true,
            End::Including(end) => name <= &**end,
            End::Excluding(end) => name < &**end,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Names {
    start: End,
    end: End,
    most: usize,
    /// The cursor of the scan.
    cursor: u64,
    first: BTreeSet<Box<[u8]>>,
}

impl Names {
    /// The first `most` names from `start` to `end`.
    pub fn new(start: End, end: End, most: usize) -> Names {
        Names {
            start,
            end,
            most,
            cursor: 0,
            first: BTreeSet::new(),
        }
    }

    /// Continues for about `budget` names.
    pub fn step(&mut self, content: &Content, budget: usize) -> Progress {
        if self.most == 0 {
            return Progress::Done;
        }
        let mut seen = 0;
        while seen < budget {
            self.cursor = content.scan(self.cursor, |element| {
                seen += 1;
                let name = element.name;
                if self.start.is_below(name) && self.end.is_above(name) {
                    keep(&mut self.first, name, self.most);
                }
            });
            if self.cursor == 0 {
                return Progress::Done;
            }
            // An empty bucket costs, too.
            seen += 1;
        }
        Progress::More
    }

    /// The names found, sorted.
    pub fn found(&mut self) -> Vec<Box<[u8]>> {
        std::mem::take(&mut self.first).into_iter().collect()
    }
}

/// Adds a name to the first `most`.
fn keep(first: &mut BTreeSet<Box<[u8]>>, name: &[u8], most: usize) {
    if first.len() >= most && first.last().is_some_and(|last| name >= &**last) {
        return;
    }
    first.insert(name.into());
    if first.len() > most {
        first.pop_last();
    }
}
