//! How near the beginning of a text is to a query: letter by letter, up to a number of edits.
//!
//!     state    (letters of the query, edits) for each part of it that the text can stand for
//!
//! The search reads a text letter by letter while a state is left. When no state is left, the text
//! is found if the part before the last letter was a match, together with all texts that begin with
//! that part. As in Redis, a few texts are not found that other automata accept (`aba` begins like
//! `aab`, `abax` does not).

/// Edits, at most.
pub(super) const EDITS_MAX: u8 = 1;
const STATES_MAX: usize = 2 * EDITS_MAX as usize + 1;

/// The query, and the edits that are allowed.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) letters: Vec<u32>,
    pub(super) edits: u8,
}

#[derive(Clone, Copy, Debug)]
struct States {
    all: [(u16, u8); STATES_MAX],
    len: u8,
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nearness {
    states: States,
    is_at_start: bool,
    /// Nothing more is compared: all that follows is found.
    is_done: bool,
    /// Whether the text is found as far as it is read.
    pub(super) is_match: bool,
    /// The edits of it.
    pub(super) edits: u8,
    /// The fewest edits of any part from the start.
    fewest: u8,
}

impl States {
    fn of(&self) -> &[(u16, u8)] {
        &self.all[..usize::from(self.len)]
    }

    fn push(&mut self, at: u16, edits: u8) {
        self.all[usize::from(self.len)] = (at, edits);
        self.len += 1;
    }

    fn step(&self, query: &Query, letter: u32) -> States {
        let mut next = States {
            all: [(0, 0); STATES_MAX],
            len: 0,
        };
        let states = self.of();
        if let Some(&(0, edits)) = states.first()
            && edits < query.edits
        {
            next.push(0, edits + 1);
        }
        for (n, &(at, edits)) in states.iter().enumerate() {
            let Some(wanted) = query.letters.get(usize::from(at)) else {
                break;
            };
            let mut edits = edits + u8::from(*wanted != letter);
            if let Some(&(last, fewer)) = next.of().last()
                && last == at
            {
                edits = edits.min(fewer + 1);
            }
            if let Some(&(following, fewer)) = states.get(n + 1)
                && following == at + 1
            {
                edits = edits.min(fewer + 1);
            }
            if edits <= query.edits {
                next.push(at + 1, edits);
            }
        }
        next
    }

    /// The edits of the longest part.
    fn edits(&self) -> u8 {
        self.of().last().map_or(0, |state| state.1)
    }

    fn is_match(&self, query: &Query) -> bool {
        self.of()
            .last()
            .is_some_and(|state| usize::from(state.0) == query.letters.len())
    }
}

impl Nearness {
    /// The state before the first letter.
    pub(super) fn start(query: &Query) -> Nearness {
        let mut states = States {
            all: [(0, 0); STATES_MAX],
            len: 0,
        };
        (0..=query.edits).for_each(|n| states.push(n.into(), n));
        Nearness {
            states,
            is_at_start: true,
            is_done: false,
            is_match: false,
            edits: 0,
            fewest: query.edits + 1,
        }
    }

    /// Reads a letter of the text; false: nothing that begins so is found.
    pub(super) fn read(&mut self, query: &Query, letter: u32) -> bool {
        if self.is_done {
            return true;
        }
        let before = if self.is_at_start {
            0
        } else {
            self.states.edits()
        };
        self.is_at_start = false;
        self.is_match = self.states.is_match(query);
        if self.is_match {
            self.edits = before.min(self.fewest);
        }
        let next = self.states.step(query, letter);
        if next.len == 0 {
            self.is_done = self.is_match;
            return self.is_done;
        }
        if next.is_match(query) {
            self.is_match = true;
            self.edits = next.edits().min(self.fewest);
        }
        self.fewest = self.fewest.min(next.edits());
        self.states = next;
        true
    }

    /// Whether all that follows is found.
    #[inline]
    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// The fewest edits that a text which begins so can have.
    pub(super) fn fewest(&self) -> u8 {
        if self.is_done {
            return self.edits;
        }
        let states = self.states.of().iter().map(|state| state.1);
        states.fold(self.fewest, u8::min)
    }
}
