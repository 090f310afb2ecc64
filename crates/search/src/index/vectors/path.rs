//! A path through all rows of a graph's level 0, along links that are never given up, so that every
//! row is reached from every other, however alike rows are.
//!
//! A new row comes after the row that is nearest to it. Cost: O(1); 8 bytes a row.

/// No row.
const NONE: u32 = u32::MAX;

/// The row before and after each; [`NONE`] at the ends.
#[derive(Debug, Default)]
pub(super) struct Path {
    beside: Vec<[u32; 2]>,
}

impl Path {
    fn get(&self, row: u32) -> [u32; 2] {
        let beside = self.beside.get(row as usize).copied();
        beside.unwrap_or([NONE; 2])
    }

    /// The row after `row`.
    pub(super) fn after(&self, row: u32) -> Option<u32> {
        let [_, after] = self.get(row);
        Some(after).filter(|after| *after != NONE)
    }

    /// Whether two rows are neighbours, whose link must stay.
    #[inline]
    pub(super) fn is_beside(&self, row: u32, other: u32) -> bool {
        self.get(row).contains(&other)
    }

    fn join(&mut self, before: u32, after: u32) {
        if before != NONE {
            self.beside[before as usize][1] = after;
        }
        if after != NONE {
            self.beside[after as usize][0] = before;
        }
    }

    /// Puts a row after a row that is there, or makes it the only row.
    pub(super) fn put(&mut self, row: u32, after: Option<u32>) {
        if self.beside.len() <= row as usize {
            self.beside.resize(row as usize + 1, [NONE; 2]);
        }
        self.beside[row as usize] = [NONE; 2];
        if let Some(before) = after {
            let next = self.after(before);
            self.join(before, row);
            self.join(row, next.unwrap_or(NONE));
        }
    }

    /// Takes a row out; the rows that are neighbours now.
    pub(super) fn remove(&mut self, row: u32) -> Option<(u32, u32)> {
        let [before, after] = self.get(row);
        self.beside[row as usize] = [NONE; 2];
        self.join(before, after);
        (before != NONE && after != NONE).then_some((before, after))
    }

    pub(super) fn bytes(&self) -> usize {
        self.beside.capacity() * 8
    }
}
