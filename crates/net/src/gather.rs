//! Pauses that let the requests of many clients gather, as a network card coalesces its interrupts.
//!
//! A loop that sleeps for each single request pays for a sleep and a wake-up, and its client pays
//! for waking it: in a virtual machine that is more than the command costs. So when many clients
//! are active, and all are answered, the loop does not wait on the poll, where any request would
//! wake it, but rests for `event-coalesce-usec` and then handles all requests that came meanwhile
//! in a single turn.
//!
//! This pays only while other clients are busy during the rest. The events that a rest finds show
//! it: few distinct clients that all wait have lost time already. Rests are tried in rounds of
//! [`ROUND`]; after a bad round they are suspended, twice as long each time.
//!
//! Rests grow while they find few events, and shrink while they find too many of the clients
//! waiting. A loop that works alone may double them; a loop that works with threads may rest for
//! four times as long ([`Gather::set_threaded`]): each wakes the other for what it has done, and
//! the shorter their turns, the more often.

use russet_base::backoff::Backoff;

/// Events since the last sleep from which a rest is considered.
const RUN_MIN: u32 = 8;
/// Rests that are judged together.
const ROUND: u32 = 8;
/// Events that a rest must find on average.
const FOUND_MIN: u32 = 3;
/// Events that a rest that may grow is to find on average, and from how many on it grows.
const FOUND_WANTED: u32 = 16;
const FOUND_SOME: u32 = 2;
/// How far rests grow.
#[derive(Clone, Copy, Debug)]
struct Growth {
    /// The longest rest, in units of the shortest.
    times_max: u32,
    /// A rest is doubled while at most every n-th client comes to wait during it, and halved if
    /// more clients do.
    doubles: u32,
    halves: u32,
}

/// Of a loop alone, and of a loop that works with threads.
const ALONE: Growth = Growth {
    times_max: 2,
    doubles: 5,
    halves: 2,
};
const THREADED: Growth = Growth {
    times_max: 4,
    doubles: 6,
    halves: 3,
};
/// Commands of an event, and of a turn, from which on clients pipeline.
const PIPELINE_MIN: u64 = 8;
const PIPELINES_MIN: u64 = 64;
/// The most rests skipped after bad rounds.
const SKIP_MAX: u32 = 4096;

/// See the module.
#[derive(Debug)]
pub struct Gather {
    /// Events of clients since the loop last slept or rested.
    run: u32,
    /// The number of the round; a session stores the round in which it was last active.
    round: u32,
    /// Of this round: rests, distinct active clients, events that the rests found.
    rests: u32,
    clients: u32,
    found: u32,
    /// The current turn handles events that a rest has gathered.
    rested: bool,
    /// Length of a rest in units of the shortest: a power of two.
    times: u32,
    growth: Growth,
    backoff: Backoff<SKIP_MAX>,
}

impl Default for Gather {
    fn default() -> Gather {
        Gather {
            run: 0,
            round: 1,
            rests: 0,
            clients: 0,
            found: 0,
            rested: false,
            times: 1,
            growth: ALONE,
            backoff: Backoff::default(),
        }
    }
}

impl Gather {
    /// Rests of a thread that works with others.
    pub fn threaded() -> Gather {
        Gather {
            growth: THREADED,
            ..Gather::default()
        }
    }

    /// Sets whether other threads work with this thread.
    pub fn set_threaded(&mut self, is_threaded: bool) {
        self.growth = if is_threaded { THREADED } else { ALONE };
        self.times = self.times.min(self.growth.times_max);
    }

    /// Length of the next rest, in units of the shortest.
    #[inline]
    pub fn times(&self) -> u32 {
        self.times
    }

    /// Counts an event of a client that was last active in the round `seen_in`.
    #[inline]
    pub fn event(&mut self, seen_in: &mut u32) {
        self.run = self.run.saturating_add(1);
        if *seen_in != self.round {
            *seen_in = self.round;
            self.clients += 1;
        }
    }

    /// Whether the loop, with nothing left to do, should rest before it polls.
    pub fn decide_rest(&mut self) -> bool {
        if self.run < RUN_MIN {
            return false;
        }
        if self.backoff.skips() {
            self.run = 0;
            return false;
        }
        true
    }

    /// Whether so many commands since the last sleep or rest came in pipelines: a turn with them
    /// costs several times a sleep, and longer turns save little.
    #[inline]
    pub fn finds_pipelines(&self, commands: u64) -> bool {
        commands >= PIPELINES_MIN.max(PIPELINE_MIN * u64::from(self.run))
    }

    /// The loop has slept.
    pub fn slept(&mut self) {
        self.run = 0;
    }

    /// The loop has rested; its events are counted until [`Gather::judge`].
    pub fn rested(&mut self) {
        self.rests += 1;
        self.rested = true;
        self.run = 0;
    }

    /// At the end of a turn: judges the rest before it, if the loop rested.
    pub fn judge(&mut self) {
        if !std::mem::take(&mut self.rested) {
            return;
        }
        self.found += self.run;
        if self.rests < ROUND {
            return;
        }
        // At most half of the clients may come to wait during a rest, or fewer if it is a longer
        // rest.
        let growth = self.growth;
        let (found, all) = (self.found, ROUND * self.clients);
        let grows = self.times < growth.times_max
            && (FOUND_SOME * ROUND..FOUND_WANTED * ROUND).contains(&found)
            && growth.doubles * found <= all;
        if self.times > 1 && growth.halves * found > all {
            self.times /= 2;
        } else if grows {
            self.times *= 2;
        } else {
            let is_good = found >= FOUND_MIN * ROUND && 2 * found <= all;
            if !is_good {
                self.times = 1;
            }
            self.backoff.record_trial(is_good);
        }
        (self.rests, self.clients, self.found) = (0, 0, 0);
        self.round = self.round.wrapping_add(1).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays phases of `spoke` active clients, each followed by a rest that finds `found` of them.
    /// Returns how many of the moments were rested.
    fn rests(moments: u32, spoke: usize, found: usize) -> u32 {
        let (mut gather, mut seen) = (Gather::default(), vec![0; spoke]);
        let mut rests = 0;
        for _ in 0..moments {
            seen.iter_mut().for_each(|s| gather.event(s));
            if gather.decide_rest() {
                rests += 1;
                gather.rested();
                seen[..found].iter_mut().for_each(|s| gather.event(s));
                gather.judge();
            } else {
                gather.slept();
            }
        }
        rests
    }

    #[test]
    fn many_clients_of_which_some_wait_are_gathered() {
        assert_eq!(rests(1000, 50, 5), 1000);
        assert_eq!(rests(1000, 50, 25), 1000);
    }

    #[test]
    fn clients_that_all_wait_soon_have_no_rests() {
        assert!(rests(100_000, 10, 10) < 300);
    }

    #[test]
    fn rests_that_find_nothing_are_given_up() {
        assert!(rests(100_000, 50, 0) < 300);
    }

    /// The length of rests after many, each of which finds `found` of `spoke` clients for each
    /// shortest rest that it lasts.
    fn length(gather: &mut Gather, spoke: usize, found: usize) -> u32 {
        let mut seen = vec![0; spoke];
        for _ in 0..200 {
            seen.iter_mut().for_each(|s| gather.event(s));
            if !gather.decide_rest() {
                continue;
            }
            gather.rested();
            let found = (found * gather.times() as usize).min(spoke);
            seen[..found].iter_mut().for_each(|s| gather.event(s));
            gather.judge();
        }
        gather.times()
    }

    #[test]
    fn rests_that_may_grow_find_enough_and_shrink_before_many_wait() {
        let mut gather = Gather::threaded();
        assert_eq!(length(&mut gather, 200, 20), 1);
        assert_eq!(length(&mut gather, 200, 10), 2);
        assert_eq!(length(&mut gather, 200, 3), 4);
        assert_eq!(length(&mut gather, 40, 5), 2);
        assert_eq!(length(&mut gather, 20, 5), 1);
        assert_eq!(length(&mut gather, 200, 1), 1);
        gather.set_threaded(false);
        assert_eq!(length(&mut gather, 200, 3), 2);
    }

    #[test]
    fn a_loop_alone_doubles_its_rests_while_most_clients_do_not_wait() {
        let mut gather = Gather::default();
        assert_eq!(length(&mut gather, 50, 9), 2);
        assert_eq!(length(&mut gather, 50, 14), 1);
        assert_eq!(length(&mut gather, 200, 3), 2);
    }

    #[test]
    fn many_commands_of_few_events_are_pipelines() {
        let (mut gather, mut seen) = (Gather::default(), 0);
        assert!(!gather.finds_pipelines(PIPELINES_MIN - 1));
        assert!(gather.finds_pipelines(PIPELINES_MIN));
        (0..20).for_each(|_| gather.event(&mut seen));
        assert!(!gather.finds_pipelines(159));
        assert!(gather.finds_pipelines(160));
    }

    #[test]
    fn a_single_client_is_never_kept_waiting() {
        let (mut gather, mut seen) = (Gather::default(), 0);
        for _ in 0..100 {
            gather.event(&mut seen);
            assert!(!gather.decide_rest());
            gather.slept();
        }
    }
}
