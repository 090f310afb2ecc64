//! How many I/O threads there should be, by how busy the loop and the I/O threads have been.
//!
//!     none   the loop is busy for more than a tenth of [`BUSY_TICKS`] ticks, and [`ACTIVE_MIN`]
//!            clients or more are active: one
//!     one    for [`SLACK_TICKS`] ticks, it and the loop are busy for less than a twentieth, or
//!            fewer than [`ACTIVE_FEW`] clients are active: none
//!     some   all of them are busy for more than 70 %: one more
//!            for [`SLACK_TICKS`] ticks, one fewer would be busy for less than 60 %: one fewer
//!
//! The first I/O thread starts early, because on a machine that has other work, too, a loop that
//! could do no more appears to work for a small part of the time. Few clients get no I/O thread,
//! because a hand-over costs two wake-ups if each client waits for its answer.
//!
//! A connection goes to the I/O thread with the fewest connections. Connections move from the
//! busiest thread to the others if it is busy for [`UNEVEN`] of the time longer than the least busy
//! thread.

/// Clients that are active at the same time, at least, for I/O threads to help.
const ACTIVE_MIN: usize = 12;
/// With fewer active clients an I/O thread helps no more: a client's request waits twice as long if
/// each of eight clients waits for its answer.
const ACTIVE_FEW: usize = 9;
/// Ticks in which all threads are busy before a further thread is started.
const BUSY_TICKS: u32 = 2;
/// Ticks in which there is slack before a thread is stopped.
const SLACK_TICKS: u32 = 20;
const LOOP_BUSY: f64 = 0.1;
const LAST_BUSY: f64 = 0.05;
const THREAD_BUSY: f64 = 0.7;
const FEWER_BUSY: f64 = 0.6;
/// Below this share no I/O thread is busy: the number of connections counts.
const EVEN_BUSY: f64 = 0.3;
/// A difference of shares of the time that is evened out.
const UNEVEN: f64 = 0.2;

/// See the module.
#[derive(Debug, Default)]
pub struct Scaling {
    busy: u32,
    slack: u32,
}

/// The change of the number of I/O threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// The number stays.
    Keep,
    /// Start a thread.
    More,
    /// Stop a thread.
    Fewer,
}

impl Scaling {
    /// A tick: the shares of the time in which the loop and each I/O thread were busy. `are_active`
    /// returns whether so many clients are active, and is called only if it matters.
    pub fn advise(
        &mut self,
        of_loop: f64,
        io_threads: &[f64],
        most: usize,
        are_active: impl Fn(usize) -> bool,
    ) -> Advice {
        let now = io_threads.len();
        if now > most {
            return Advice::Fewer;
        }
        let is_busy = now < most
            && if now == 0 {
                of_loop > LOOP_BUSY && are_active(ACTIVE_MIN)
            } else {
                io_threads.iter().all(|busy| *busy > THREAD_BUSY)
            };
        self.busy = if is_busy { self.busy + 1 } else { 0 };
        let of_io_threads = io_threads.iter().sum::<f64>();
        let is_slack = match now {
            0 => false,
            1 => of_loop + of_io_threads < LAST_BUSY || !are_active(ACTIVE_FEW),
            _ => of_io_threads < FEWER_BUSY * (now - 1) as f64,
        };
        self.slack = if is_slack { self.slack + 1 } else { 0 };
        if self.busy >= BUSY_TICKS {
            self.busy = 0;
            Advice::More
        } else if self.slack >= SLACK_TICKS {
            self.slack = 0;
            Advice::Fewer
        } else {
            Advice::Keep
        }
    }
}

/// How the work of I/O threads is spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spread {
    /// No thread has much to do.
    Idle,
    /// All threads have about as much to do.
    Even,
    /// The I/O thread with this index should give away this part of its work.
    Uneven(usize, f64),
}

/// How the work is spread over I/O threads that were busy for these shares of the time.
pub fn spread(shares: &[f64]) -> Spread {
    let by_share = |a: &(usize, &f64), b: &(usize, &f64)| a.1.total_cmp(b.1);
    let busiest = shares.iter().enumerate().max_by(by_share);
    let least = shares.iter().enumerate().min_by(by_share);
    let (Some((at, most)), Some((_, least))) = (busiest, least) else {
        return Spread::Idle;
    };
    if *most < EVEN_BUSY {
        Spread::Idle
    } else if most - least < UNEVEN {
        Spread::Even
    } else {
        Spread::Uneven(at, (most - least) / 2.0 / most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_loop_with_many_clients_gets_io_threads_and_loses_them_when_it_is_idle() {
        let mut scaling = Scaling::default();
        assert_eq!(scaling.advise(0.9, &[], 1, |_| true), Advice::Keep);
        assert_eq!(scaling.advise(0.9, &[], 1, |_| true), Advice::More);
        for _ in 0..100 {
            assert_eq!(scaling.advise(0.3, &[0.9], 1, |_| true), Advice::Keep);
        }
        assert_eq!(scaling.advise(0.3, &[0.9], 2, |_| true), Advice::Keep);
        assert_eq!(scaling.advise(0.3, &[0.9], 2, |_| true), Advice::More);
        let slack = (0..20).map(|_| scaling.advise(0.1, &[0.2, 0.1], 2, |_| true));
        assert_eq!(slack.last(), Some(Advice::Fewer));
        let little = (0..20).map(|_| scaling.advise(0.1, &[0.2], 2, |_| true));
        assert_eq!(little.last(), Some(Advice::Keep));
        let idle = (0..20).map(|_| scaling.advise(0.01, &[0.02], 2, |_| true));
        assert_eq!(idle.last(), Some(Advice::Fewer));
    }

    #[test]
    fn a_busy_loop_with_few_clients_is_left_alone() {
        let mut scaling = Scaling::default();
        for _ in 0..100 {
            assert_eq!(scaling.advise(0.9, &[], 4, |n| n <= 8), Advice::Keep);
        }
    }

    #[test]
    fn few_clients_get_their_loop_back() {
        let mut scaling = Scaling::default();
        let mut advise = |active: usize| {
            (0..20)
                .map(|_| scaling.advise(0.4, &[0.6], 4, |n| n <= active))
                .last()
        };
        assert_eq!(advise(9), Some(Advice::Keep));
        assert_eq!(advise(8), Some(Advice::Fewer));
    }

    #[test]
    fn the_busiest_gives_away_half_of_what_it_does_more() {
        assert_eq!(spread(&[]), Spread::Idle);
        assert_eq!(spread(&[0.2, 0.0]), Spread::Idle);
        assert_eq!(spread(&[0.8, 0.7]), Spread::Even);
        assert_eq!(spread(&[0.1, 0.8, 0.0]), Spread::Uneven(1, 0.5));
        assert_eq!(spread(&[0.5, 1.0]), Spread::Uneven(1, 0.25));
    }

    #[test]
    fn more_than_there_may_be_go_one_by_one() {
        let mut scaling = Scaling::default();
        assert_eq!(scaling.advise(0.9, &[0.9, 0.9], 1, |_| true), Advice::Fewer);
    }
}
