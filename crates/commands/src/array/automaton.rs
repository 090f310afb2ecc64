//! An expression that is matched with long texts, in slices.
//!
//! A text without any of the texts that a match must end with has no match. Otherwise a lazy DFA
//! comes first: a lookup for each byte, and O(program) for each new state. If the states do not fit
//! in the DFA's memory and it makes more states than it uses, the DFA gives up. Then sets of the
//! NFA's states match the text from the beginning: O(program) for each byte, nothing kept.
//!
//! Invariant: the text is the same in all slices, from the first to the slice that decides.

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{NFA, State, WhichCaptures};
use regex_automata::util::prefilter::Prefilter;
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;
use regex_automata::{Input, MatchKind, Span, nfa};
use regex_syntax::hir::literal::{ExtractKind, Extractor};

use super::deadline::Deadline;

/// Steps that a new state of the DFA costs, for each state of the program.
const NEW_STATE: usize = 3;
/// The DFA gives up once it has filled its memory this often and has used each state for fewer
/// bytes than this.
const CLEARED_MAX: usize = 3;
const BYTES_PER_STATE_MIN: usize = 10;

/// A compiled expression.
pub(super) struct Program {
    nfa: NFA,
    /// Each match ends with any of these texts.
    required: Option<Prefilter>,
}

impl Program {
    /// Compiles an expression in the syntax of `regex_syntax`.
    pub fn compile(
        pattern: &str,
        nocase: bool,
        depth_max: u32,
        bytes_max: usize,
    ) -> Option<Program> {
        let syntax = syntax::Config::new()
            .unicode(false)
            .utf8(false)
            .case_insensitive(nocase)
            .dot_matches_new_line(true)
            .nest_limit(depth_max);
        let config = nfa::thompson::Config::new()
            .utf8(false)
            .which_captures(WhichCaptures::None)
            .nfa_size_limit(Some(bytes_max));
        let parsed = syntax::parse_with(pattern, &syntax).ok()?;
        let nfa = NFA::compiler().configure(config).build_from_hir(&parsed);
        let mut extractor = Extractor::new();
        let ends = extractor.kind(ExtractKind::Suffix).extract(&parsed);
        let ends = ends.literals().filter(|ends| !ends.is_empty());
        Some(Program {
            nfa: nfa.ok()?,
            required: ends.and_then(|ends| Prefilter::new(MatchKind::All, ends)),
        })
    }

    pub fn states(&self) -> usize {
        self.nfa.states().len()
    }
}

/// See the module.
pub(super) struct Automaton {
    required: Option<Prefilter>,
    dfa: DFA,
    cache: Box<Cache>,
    way: Way,
    at: usize,
    sets: Sets,
}

/// How the text is being matched.
#[derive(Clone, Copy)]
enum Way {
    /// Not yet.
    None,
    Lazy(LazyStateID),
    Sets,
}

enum MatchStep {
    Decided(bool),
    More,
    GaveUp,
}

impl Automaton {
    /// `states_max`: bytes of the DFA's states.
    pub fn new(program: &Program, states_max: usize) -> Option<Automaton> {
        let config = DFA::config()
            .cache_capacity(states_max)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(Some(CLEARED_MAX))
            .minimum_bytes_per_state(Some(BYTES_PER_STATE_MIN));
        let mut builder = DFA::builder();
        let built = builder
            .configure(config)
            .build_from_nfa(program.nfa.clone());
        let dfa = built.ok()?;
        Some(Automaton {
            cache: Box::new(dfa.create_cache()),
            required: program.required.clone(),
            sets: Sets::new(program.states()),
            dfa,
            way: Way::None,
            at: 0,
        })
    }

    /// Continues with a text. `None`: the time is over, and the next call must be for the same
    /// text.
    pub fn fits(&mut self, text: &[u8], deadline: &mut Deadline) -> Option<bool> {
        loop {
            let step = match self.way {
                Way::None if !self.may_fit(text, deadline) => MatchStep::Decided(false),
                Way::None => {
                    self.at = 0;
                    self.cache.search_start(0);
                    let input = Input::new(text);
                    match self.dfa.start_state_forward(&mut self.cache, &input) {
                        Ok(state) if !state.is_tagged() => {
                            self.way = Way::Lazy(state);
                            continue;
                        }
                        Ok(state) if state.is_dead() => MatchStep::Decided(false),
                        _ => MatchStep::GaveUp,
                    }
                }
                Way::Lazy(state) => self.step_lazy(state, text, deadline),
                Way::Sets => {
                    let program = self.dfa.get_nfa();
                    self.sets.step(program, &mut self.at, text, deadline)
                }
            };
            match step {
                MatchStep::More => return None,
                MatchStep::Decided(fits) => {
                    self.way = Way::None;
                    return Some(fits);
                }
                MatchStep::GaveUp => {
                    self.way = Way::Sets;
                    self.at = 0;
                    if self.sets.begin(self.dfa.get_nfa(), text) {
                        self.way = Way::None;
                        return Some(true);
                    }
                }
            }
        }
    }

    /// Whether the text has any of the texts with which each match ends. O(text), at memory's
    /// speed.
    fn may_fit(&self, text: &[u8], deadline: &mut Deadline) -> bool {
        const BYTES_PER_STEP: usize = 16;
        let Some(required) = &self.required else {
            return true;
        };
        deadline.spend(text.len() / BYTES_PER_STEP);
        required.find(text, Span::from(0..text.len())).is_some()
    }

    fn step_lazy(&mut self, from: LazyStateID, text: &[u8], deadline: &mut Deadline) -> MatchStep {
        let (dfa, cache) = (&self.dfa, &mut *self.cache);
        let cost = NEW_STATE * dfa.get_nfa().states().len();
        let mut state = from;
        while self.at < text.len() {
            if deadline.is_over() {
                self.way = Way::Lazy(state);
                return MatchStep::More;
            }
            let end = text.len().min(self.at + deadline.left() + 1);
            let start = self.at;
            let mut next = state;
            while self.at < end {
                next = dfa.next_state_untagged(cache, state, text[self.at]);
                if next.is_tagged() {
                    break;
                }
                state = next;
                self.at += 1;
            }
            deadline.spend(self.at - start);
            if !next.is_tagged() {
                continue;
            }
            if next.is_unknown() {
                cache.search_update(self.at);
                deadline.spend(cost);
                match dfa.next_state(cache, state, text[self.at]) {
                    Ok(made) => next = made,
                    Err(_) => return MatchStep::GaveUp,
                }
            }
            // The DFA notices a match a byte late.
            if next.is_match() || next.is_dead() {
                cache.search_finish(self.at);
                return MatchStep::Decided(next.is_match());
            }
            if next.is_quit() {
                return MatchStep::GaveUp;
            }
            state = next;
            self.at += 1;
        }
        cache.search_finish(self.at);
        match dfa.next_eoi_state(cache, state) {
            Ok(last) => MatchStep::Decided(last.is_match()),
            Err(_) => MatchStep::GaveUp,
        }
    }
}

/// The states of a program that the text so far leads to.
struct Sets {
    /// States that read a byte.
    now: Vec<StateID>,
    next: Vec<StateID>,
    /// The round in which each state was met last; a round is a position.
    met: Vec<u32>,
    round: u32,
    /// States whose transitions without a byte are still to be followed.
    pending: Vec<StateID>,
}

impl Sets {
    fn new(states: usize) -> Sets {
        Sets {
            now: Vec::new(),
            next: Vec::new(),
            met: vec![0; states],
            round: 0,
            pending: Vec::new(),
        }
    }

    fn next_round(&mut self) {
        self.round = self.round.checked_add(1).unwrap_or_else(|| {
            self.met.fill(0);
            1
        });
    }

    /// Begins with a text; returns whether it fits already.
    fn begin(&mut self, program: &NFA, text: &[u8]) -> bool {
        self.next_round();
        self.next.clear();
        let (fits, _) = self.reach(program, program.start_unanchored(), text, 0);
        std::mem::swap(&mut self.now, &mut self.next);
        fits
    }

    fn step(
        &mut self,
        program: &NFA,
        at: &mut usize,
        text: &[u8],
        deadline: &mut Deadline,
    ) -> MatchStep {
        while let Some(&byte) = text.get(*at) {
            if deadline.is_over() {
                return MatchStep::More;
            }
            self.next_round();
            self.next.clear();
            let now = std::mem::take(&mut self.now);
            let mut steps = now.len();
            for &id in &now {
                let next = match program.state(id) {
                    State::ByteRange { trans } => trans.matches_byte(byte).then_some(trans.next),
                    State::Sparse(ways) => ways.matches_byte(byte),
                    State::Dense(ways) => ways.matches_byte(byte),
                    _ => None,
                };
                if let Some(next) = next {
                    let (fits, met) = self.reach(program, next, text, *at + 1);
                    if fits {
                        return MatchStep::Decided(true);
                    }
                    steps += met;
                }
            }
            self.now = std::mem::replace(&mut self.next, now);
            deadline.spend(steps);
            *at += 1;
        }
        MatchStep::Decided(false)
    }

    /// Adds to `next` the states that `from` reaches without a byte, at a position. Returns whether
    /// the end of the program is among them, and how many states were looked at.
    fn reach(&mut self, program: &NFA, from: StateID, text: &[u8], at: usize) -> (bool, usize) {
        let mut steps = 0;
        self.pending.clear();
        self.pending.push(from);
        while let Some(id) = self.pending.pop() {
            steps += 1;
            let met = &mut self.met[id];
            if *met == self.round {
                continue;
            }
            *met = self.round;
            match program.state(id) {
                State::ByteRange { .. } | State::Sparse(_) | State::Dense(_) => self.next.push(id),
                State::Look { look, next } => {
                    if program.look_matcher().matches(*look, text, at) {
                        self.pending.push(*next);
                    }
                }
                State::Union { alternates } => self.pending.extend(alternates.iter()),
                State::BinaryUnion { alt1, alt2 } => self.pending.extend([*alt1, *alt2]),
                State::Capture { next, .. } => self.pending.push(*next),
                State::Fail => {}
                State::Match { .. } => return (true, steps),
            }
        }
        (false, steps)
    }
}
