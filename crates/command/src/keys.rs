//! The keys of a command line: at most three runs of evenly spaced arguments.
//!
//! This covers every form that commands have (a key, a range, every second argument, a count and
//! its keys, a destination first or last), so listing keys needs no allocation. Keys are found by
//! `plan` and by the finders beside the handlers (`Spec::find_keys`).

use super::Access;

/// A key argument: the position and the access (empty: unknown).
pub type KeyAt = (usize, Access);

/// SORT has the longest list of key specs.
pub(super) const RUNS_MAX: usize = 3;

/// Keys at even distances, in rising order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRun {
    /// Position of the next key.
    at: u32,
    /// The position after the last key.
    end: u32,
    step: u16,
    access: Access,
}

impl KeyRun {
    pub(crate) const NONE: KeyRun = KeyRun::new(0, 0, 1, Access::empty());

    /// Every `step`th argument in `first..end`.
    ///
    /// Positions are within a command line: less than 2^31.
    #[inline]
    pub const fn new(first: usize, end: usize, step: u16, access: Access) -> KeyRun {
        KeyRun {
            at: first as u32,
            end: end as u32,
            step,
            access,
        }
    }
}

impl Iterator for KeyRun {
    type Item = KeyAt;

    #[inline]
    fn next(&mut self) -> Option<KeyAt> {
        let at = self.at;
        if at >= self.end {
            return None;
        }
        self.at += u32::from(self.step);
        Some((at as usize, self.access))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.end.saturating_sub(self.at).div_ceil(self.step.into());
        (left as usize, Some(left as usize))
    }
}

impl ExactSizeIterator for KeyRun {}

/// The keys of a command line, in COMMAND GETKEYS order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Consumed from the front.
    runs: [KeyRun; RUNS_MAX],
}

impl Keys {
    /// No keys.
    pub const NONE: Keys = Keys {
        runs: [const { KeyRun::NONE }; RUNS_MAX],
    };

    /// A single key.
    pub fn one(at: usize, access: Access) -> Keys {
        Keys::run(KeyRun::new(at, at + 1, 1, access))
    }

    /// The keys of a run.
    pub fn run(run: KeyRun) -> Keys {
        let mut keys = Keys::NONE;
        keys.runs[0] = run;
        keys
    }

    /// The first argument as the source, plus an optional destination.
    pub fn source_and(destination: Option<usize>) -> Keys {
        let mut keys = Keys::one(1, Access::READ);
        if let Some(at) = destination {
            keys.push(KeyRun::new(at, at + 1, 1, Access::OVERWRITE));
        }
        keys
    }

    /// Appends a run of keys.
    pub fn push(&mut self, run: KeyRun) {
        let free = self.runs.iter_mut().find(|run| run.len() == 0);
        *free.expect("no command has keys in more runs") = run;
    }
}

impl Iterator for Keys {
    type Item = KeyAt;

    #[inline]
    fn next(&mut self) -> Option<KeyAt> {
        self.runs.iter_mut().find_map(KeyRun::next)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.runs.iter().map(KeyRun::len).sum();
        (left, Some(left))
    }
}

impl ExactSizeIterator for Keys {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_follow_each_other_and_their_length_is_known() {
        let mut keys = Keys::run(KeyRun::new(4, 9, 2, Access::RO));
        keys.push(KeyRun::new(1, 2, 1, Access::OW));
        assert_eq!(keys.len(), 4);
        let expected = [
            (4, Access::RO),
            (6, Access::RO),
            (8, Access::RO),
            (1, Access::OW),
        ];
        assert!(keys.clone().eq(expected));
        keys.next();
        assert_eq!(keys.len(), 3);
        assert_eq!(Keys::NONE.len(), 0);
        assert_eq!(Keys::run(KeyRun::new(5, 5, 1, Access::RO)).len(), 0);
    }
}
