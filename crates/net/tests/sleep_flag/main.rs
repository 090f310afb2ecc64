//! All orders of the steps of a thread that sleeps and of threads that leave it messages: no
//! message stays unseen while it sleeps.

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Notify};
use loom::thread;

mod atomic {
    pub use loom::sync::atomic::{AtomicBool, Ordering};
}

#[path = "../../src/io_thread/sleep_flag.rs"]
mod sleep_flag;

use self::sleep_flag::SleepFlag;

/// A thread's ring, of which only the number of messages counts, and its poll.
struct Receiver {
    flag: SleepFlag,
    messages: AtomicUsize,
    poll: Notify,
}

impl Receiver {
    fn new() -> Arc<Receiver> {
        Arc::new(Receiver {
            flag: SleepFlag::new(),
            messages: AtomicUsize::new(0),
            poll: Notify::new(),
        })
    }

    /// Leaves a message, as an I/O thread and the loop do.
    fn send(&self) {
        let before = self.messages.load(Ordering::Relaxed);
        self.messages.store(before + 1, Ordering::Release);
        if self.flag.claim_wake() {
            self.poll.notify();
        }
    }

    fn has_more_than(&self, seen: usize) -> bool {
        self.messages.load(Ordering::Acquire) > seen
    }

    /// Takes messages until there were so many, and sleeps in between. loom reports a sleep that
    /// never ends.
    fn take(&self, wanted: usize) {
        let mut seen = 0;
        loop {
            while self.has_more_than(seen) {
                seen += 1;
            }
            if seen == wanted {
                return;
            }
            self.flag.begin_sleep();
            if !self.has_more_than(seen) {
                self.poll.wait();
            }
            self.flag.end_sleep();
        }
    }
}

#[test]
fn a_message_is_seen_or_its_sender_wakes_the_sleeper() {
    loom::model(|| {
        let receiver = Receiver::new();
        let other = Arc::clone(&receiver);
        let sender = thread::spawn(move || {
            other.send();
            other.send();
        });
        receiver.take(2);
        sender.join().expect("it ends");
    });
}

#[test]
fn two_threads_that_wait_for_each_other_both_go_on() {
    loom::model(|| {
        let (ours, theirs) = (Receiver::new(), Receiver::new());
        let (near, far) = (Arc::clone(&ours), Arc::clone(&theirs));
        let other = thread::spawn(move || {
            far.take(1);
            near.send();
        });
        theirs.send();
        ours.take(1);
        other.join().expect("it ends");
    });
}

#[test]
fn two_senders_to_one_sleeper_do_not_lose_each_others_messages() {
    // All orders of three threads' steps are too many: the orders with few interruptions are tried.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let rings = [Receiver::new(), Receiver::new()];
        // One flag and one poll, as the loop has with several I/O threads; a ring of each sender.
        let sleeper = Receiver::new();
        let senders = rings.each_ref().map(|ring| {
            let (ring, sleeper) = (Arc::clone(ring), Arc::clone(&sleeper));
            thread::spawn(move || {
                ring.messages.store(1, Ordering::Release);
                if sleeper.flag.claim_wake() {
                    sleeper.poll.notify();
                }
            })
        });
        let all = || rings.iter().filter(|ring| ring.has_more_than(0)).count();
        let mut seen = all();
        while seen < 2 {
            sleeper.flag.begin_sleep();
            if all() == seen {
                sleeper.poll.wait();
            }
            sleeper.flag.end_sleep();
            seen = all();
        }
        for sender in senders {
            sender.join().expect("it ends");
        }
    });
}
