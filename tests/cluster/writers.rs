//! Clients that write while a cluster changes, and remember the writes that a replica has
//! acknowledged.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::client::{Client, slot_of};
use crate::group::Group;
use crate::support::resp::Reply;

const WRITERS: usize = 3;
const KEYS_PER_WRITER: usize = 40;

/// The moment from which a write must not be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledgement {
    /// A replica has acknowledged it: WAIT 1 after the write.
    Replica,
    /// Its reply, from a shard whose failovers lose nothing (`sync-quorum`).
    Reply,
}

/// Threads that set keys to growing numbers until the test ends them.
pub struct Writers {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<WrittenKey>>>,
}

/// A key and the single thread that writes it.
struct WrittenKey {
    key: String,
    /// The last number that was acknowledged.
    acknowledged: u64,
    /// The last number sent.
    sent: u64,
}

/// The keys at the end.
pub struct Outcome {
    /// The number of acknowledged writes, over all keys.
    pub acknowledged: u64,
    /// The keys that lack an acknowledged write.
    pub lost: Vec<Loss>,
}

/// A key that lacks an acknowledged write.
#[derive(Debug)]
pub struct Loss {
    pub slot: u16,
    /// The key, its value, the acknowledged number and the sent number.
    pub text: String,
}

impl Writers {
    pub fn start(ports: &[u16], name: &str) -> Writers {
        Writers::start_in(ports, name, 0..=u16::MAX, Acknowledgement::Replica)
    }

    /// Starts writers. Half of the keys are in these slots, the others in any slot.
    pub fn start_in(
        ports: &[u16],
        name: &str,
        slots: RangeInclusive<u16>,
        acknowledgement: Acknowledgement,
    ) -> Writers {
        let is_over = Arc::new(AtomicBool::new(false));
        let threads = (0..WRITERS).map(|writer| {
            let (ports, is_over) = (ports.to_vec(), Arc::clone(&is_over));
            let names = || (0..).map(move |n| format!("{name}:{writer}:{n}"));
            let inside = names().filter(|key| slots.contains(&slot_of(key)));
            let keys = names().take(KEYS_PER_WRITER / 2);
            let keys = keys.chain(inside.skip(KEYS_PER_WRITER).take(KEYS_PER_WRITER / 2));
            let keys = keys.map(|key| WrittenKey {
                key,
                acknowledged: 0,
                sent: 0,
            });
            let keys: Vec<WrittenKey> = keys.collect();
            std::thread::spawn(move || write_until(&is_over, &ports, keys, acknowledgement))
        });
        Writers {
            threads: threads.collect(),
            is_over,
        }
    }

    /// Ends the writers. Each key must have its last acknowledged number, or a number sent later.
    #[track_caller]
    pub fn finish(self, group: &Group) {
        let outcome = self.outcome(group);
        let lost: Vec<&str> = outcome.lost.iter().map(|loss| loss.text.as_str()).collect();
        assert!(lost.is_empty(), "{}\n{}", lost.join("\n"), group.report());
        assert!(outcome.acknowledged > 0, "no write was acknowledged");
    }

    /// Ends the writers, and returns the keys that have neither their last acknowledged number nor
    /// a number sent later.
    #[track_caller]
    pub fn outcome(self, group: &Group) -> Outcome {
        self.is_over.store(true, Ordering::Relaxed);
        let written = self.threads.into_iter();
        let written = written.flat_map(|thread| thread.join().expect("a writer"));
        let mut client = group.client();
        let (mut acknowledged, mut lost) = (0, Vec::new());
        for one in written {
            acknowledged += one.acknowledged;
            let slot = slot_of(&one.key);
            let value = match client.run(slot, &["GET", &one.key]) {
                Reply::Bulk(value) => String::from_utf8_lossy(&value).parse::<u64>().ok(),
                _ => None,
            };
            let is_there = match value {
                Some(value) => (one.acknowledged..=one.sent).contains(&value),
                None => one.acknowledged == 0,
            };
            if !is_there {
                let (key, acknowledged, sent) = (&one.key, one.acknowledged, one.sent);
                lost.push(Loss {
                    slot,
                    text: format!(
                        "{key} of slot {slot} is {value:?}: acknowledged {acknowledged}, sent {sent}"
                    ),
                });
            }
        }
        Outcome { acknowledged, lost }
    }
}

fn write_until(
    is_over: &AtomicBool,
    ports: &[u16],
    mut keys: Vec<WrittenKey>,
    acknowledgement: Acknowledgement,
) -> Vec<WrittenKey> {
    let mut client = Client::new(ports);
    while !is_over.load(Ordering::Relaxed) {
        for one in &mut keys {
            one.sent += 1;
            let number = one.sent.to_string();
            let (slot, words) = (slot_of(&one.key), ["SET", &one.key, &number]);
            let is_acknowledged = match acknowledgement {
                Acknowledgement::Replica => client.write_and_wait(slot, &words),
                Acknowledgement::Reply => client.write(slot, &words),
            };
            if is_acknowledged {
                one.acknowledged = one.sent;
            }
        }
    }
    keys
}
