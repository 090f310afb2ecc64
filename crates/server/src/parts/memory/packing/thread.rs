//! The threads that train dictionaries and pack, their orders, and their reports to the loop.
//!
//! One thread lives as long as packing is on. Others start while a load or a full memory waits for
//! packed values, and end once no order has come for [`EXTRA_WAIT`].

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use russet_base::threads;
use russet_base::wake::Wake;
use russet_frames::{Dictionary, Samples, gain_of, train};
use russet_keyspace::{ColdBatch, PackDictionary, Packer};

use super::prefixes::Prefix;

/// How long a thread that is not the first waits for an order.
const EXTRA_WAIT: Duration = Duration::from_secs(1);

/// Work for a thread, each for a prefix.
pub(super) enum Order {
    Train {
        prefix: Prefix,
        samples: Samples,
        /// The dictionary to be better than.
        common: Option<Arc<PackDictionary>>,
    },
    Pack {
        prefix: Prefix,
        batch: ColdBatch,
        dictionary: Arc<PackDictionary>,
    },
}

pub(super) enum Report {
    Trained(Prefix, Option<Dictionary>),
    Packed(Prefix, ColdBatch),
}

/// The orders that wait for a thread.
#[derive(Default)]
struct Orders {
    queue: Mutex<OrderQueue>,
    /// There is an order, or no order will come.
    arrival: Condvar,
}

#[derive(Default)]
struct OrderQueue {
    orders: VecDeque<Order>,
    /// No order will come.
    has_ended: bool,
    /// Threads that take orders.
    threads: u32,
}

impl Orders {
    fn lock(&self) -> MutexGuard<'_, OrderQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next order. `None`: the thread is to end.
    fn next(&self, is_first: bool) -> Option<Order> {
        let mut queue = self.lock();
        loop {
            if let Some(order) = queue.orders.pop_front() {
                return Some(order);
            }
            if queue.has_ended {
                return None;
            }
            if is_first {
                let woken = self.arrival.wait(queue);
                queue = woken.unwrap_or_else(PoisonError::into_inner);
            } else {
                let woken = self.arrival.wait_timeout(queue, EXTRA_WAIT);
                let (guard, wait) = woken.unwrap_or_else(PoisonError::into_inner);
                if wait.timed_out() && guard.orders.is_empty() {
                    return None;
                }
                queue = guard;
            }
        }
    }
}

/// A thread's place among those that take orders; given up also if the thread panics.
struct ThreadPlace(Arc<Orders>);

impl Drop for ThreadPlace {
    fn drop(&mut self) {
        self.0.lock().threads -= 1;
    }
}

/// The threads and their orders. Dropped, the threads end once they have done what waits: each
/// order is reported, because the loop counts those under way.
pub(super) struct PackThreads {
    orders: Arc<Orders>,
    reports: Arc<Reports>,
    wake: Wake,
}

impl PackThreads {
    /// Starts the first thread.
    ///
    /// Error: the system cannot provide a thread.
    pub(super) fn start(reports: Arc<Reports>, wake: Wake) -> io::Result<PackThreads> {
        let orders = Arc::default();
        let threads = PackThreads {
            orders,
            reports,
            wake,
        };
        threads.start_thread(true)?;
        Ok(threads)
    }

    fn start_thread(&self, is_first: bool) -> io::Result<()> {
        self.orders.lock().threads += 1;
        let place = ThreadPlace(Arc::clone(&self.orders));
        let (reports, wake) = (Arc::clone(&self.reports), self.wake.clone());
        threads::start("packing", move || {
            work(&place.0, is_first, &reports, &wake);
        })?;
        Ok(())
    }

    /// Gives an order to the threads, of which one more starts if each has an order already and
    /// they are fewer than `most`. `false`: all threads have ended.
    pub(super) fn push(&self, order: Order, in_flight: u32, most: u32) -> bool {
        let mut queue = self.orders.lock();
        let threads = queue.threads;
        if threads == 0 {
            return false;
        }
        queue.orders.push_back(order);
        drop(queue);
        self.orders.arrival.notify_one();
        if in_flight >= threads && threads < most {
            // Without another thread the order waits a little longer.
            let _ = self.start_thread(false);
        }
        true
    }
}

impl Drop for PackThreads {
    fn drop(&mut self) {
        self.orders.lock().has_ended = true;
        self.orders.arrival.notify_all();
    }
}

/// The threads' reports, for the loop.
#[derive(Default)]
pub(super) struct Reports {
    made: Mutex<Vec<Report>>,
    /// There is a report.
    arrival: Condvar,
}

impl Reports {
    /// Takes the reports so far.
    pub(super) fn take(&self) -> Vec<Report> {
        std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until there is a report, but no longer than `most`.
    pub(super) fn wait(&self, most: Duration) {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .arrival
            .wait_timeout_while(made, most, |made| made.is_empty());
        drop(waited);
    }

    fn push(&self, report: Report) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.push(report);
        self.arrival.notify_one();
    }
}

/// A dictionary, if it makes values smaller that it was not trained with, and a tenth smaller than
/// the common one does.
fn trained(samples: &Samples, common: Option<&PackDictionary>) -> Option<Dictionary> {
    /// Part of the samples that is held back.
    const HELD: usize = 4;
    /// Bytes of the head before each frame.
    const HEAD: usize = 4;
    /// Bytes as frames for a thousand bytes of memory, at most.
    const PERMILLE_MAX: usize = 800;
    let (held, others) = samples.split(HELD);
    let dictionary = train(&others).ok()?;
    let gain = gain_of(&dictionary, &held, HEAD).ok()?;
    let is_better = match common {
        Some(common) => {
            let with_common = gain_of(common.dictionary(), &held, HEAD).ok()?;
            gain.packed * 10 <= with_common.packed * 9
        }
        None => true,
    };
    (is_better && gain.permille() <= PERMILLE_MAX).then_some(dictionary)
}

/// A thread: works until it is to end.
fn work(orders: &Orders, is_first: bool, reports: &Reports, wake: &Wake) {
    let mut packer: Option<(u8, Packer)> = None;
    while let Some(order) = orders.next(is_first) {
        let report = match order {
            Order::Train {
                prefix,
                samples,
                common,
            } => Report::Trained(prefix, trained(&samples, common.as_deref())),
            Order::Pack {
                prefix,
                mut batch,
                dictionary,
            } => {
                let number = dictionary.number();
                if packer.as_ref().is_none_or(|(of, _)| *of != number) {
                    packer = Packer::new(dictionary).ok().map(|packer| (number, packer));
                }
                if let Some((_, packer)) = &mut packer {
                    batch.pack(packer);
                }
                Report::Packed(prefix, batch)
            }
        };
        reports.push(report);
        wake.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn every_order_is_reported_also_if_the_threads_are_to_end() {
        let reports = Arc::new(Reports::default());
        let started = PackThreads::start(Arc::clone(&reports), Wake::default());
        let threads = started.expect("a thread");
        let dictionary = PackDictionary::register(Dictionary::new(b"").expect("an empty one"));
        let dictionary = dictionary.expect("a number");
        for n in 0..20 {
            let order = Order::Pack {
                prefix: [n].as_slice().into(),
                batch: ColdBatch::default(),
                dictionary: Arc::clone(&dictionary),
            };
            assert!(threads.push(order, u32::from(n), 3));
        }
        let orders = Arc::clone(&threads.orders);
        assert!(orders.lock().threads <= 3);
        drop(threads);
        let (mut seen, until) = (Vec::new(), Instant::now() + Duration::from_secs(10));
        while seen.len() < 20 && Instant::now() < until {
            reports.wait(Duration::from_millis(100));
            seen.extend(reports.take().into_iter().map(|report| match report {
                Report::Packed(prefix, _) => prefix[0],
                Report::Trained(..) => u8::MAX,
            }));
        }
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..20));
        while orders.lock().threads > 0 {
            assert!(Instant::now() < until, "threads that do not end");
            std::thread::yield_now();
        }
    }
}
