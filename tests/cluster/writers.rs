//! Clients that write while a cluster changes, and remember what a replica has acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::client::{Client, slot_of};
use crate::group::Group;
use crate::support::resp::Reply;

const WRITERS: usize = 3;
const KEYS_PER_WRITER: usize = 40;

/// Threads that set keys to growing numbers, each followed by WAIT 1, until they are finished.
pub struct Writers {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Written>>>,
}

/// One key, which one thread writes.
struct Written {
    key: String,
    /// The last number that a replica has acknowledged.
    acknowledged: u64,
    /// The last number sent.
    sent: u64,
}

impl Writers {
    pub fn start(ports: &[u16], name: &str) -> Writers {
        let is_over = Arc::new(AtomicBool::new(false));
        let threads = (0..WRITERS).map(|writer| {
            let (ports, is_over) = (ports.to_vec(), Arc::clone(&is_over));
            let keys = (0..KEYS_PER_WRITER).map(|n| Written {
                key: format!("{name}:{writer}:{n}"),
                acknowledged: 0,
                sent: 0,
            });
            let keys: Vec<Written> = keys.collect();
            std::thread::spawn(move || write_until(&is_over, &ports, keys))
        });
        Writers {
            threads: threads.collect(),
            is_over,
        }
    }

    /// Ends the writing. Each key has the number that was acknowledged last, or one sent later.
    #[track_caller]
    pub fn finish(self, group: &Group) {
        self.is_over.store(true, Ordering::Relaxed);
        let written = self.threads.into_iter();
        let written = written.flat_map(|thread| thread.join().expect("a writer"));
        let mut client = group.client();
        let mut acknowledged = 0;
        for one in written {
            let reply = client.run(slot_of(&one.key), &["GET", &one.key]);
            let Reply::Bulk(value) = &reply else {
                assert!(one.acknowledged == 0, "{} is lost: {reply:?}", one.key);
                continue;
            };
            let value = String::from_utf8_lossy(value);
            let value: u64 = value.parse().expect("a number that was written");
            assert!(
                (one.acknowledged..=one.sent).contains(&value),
                "{} is {value}: acknowledged {}, sent {}\n{}",
                one.key,
                one.acknowledged,
                one.sent,
                group.report()
            );
            acknowledged += one.acknowledged;
        }
        assert!(acknowledged > 0, "no write was acknowledged");
    }
}

fn write_until(is_over: &AtomicBool, ports: &[u16], mut keys: Vec<Written>) -> Vec<Written> {
    let mut client = Client::new(ports);
    while !is_over.load(Ordering::Relaxed) {
        for one in &mut keys {
            one.sent += 1;
            let number = one.sent.to_string();
            if client.write_and_wait(slot_of(&one.key), &["SET", &one.key, &number]) {
                one.acknowledged = one.sent;
            }
        }
    }
    keys
}
