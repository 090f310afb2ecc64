//! The thread that trains dictionaries and packs, and its reports to the loop.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use russet_base::wake::Wake;
use russet_frames::{Dictionary, Samples, gain_of, train};
use russet_keyspace::{ColdBatch, PackDictionary, Packer};

use super::prefixes::Prefix;

/// Work for the thread, each for a prefix.
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
    /// All keys are gone: the thread keeps no dictionary.
    Forget,
}

pub(super) enum Report {
    Trained(Prefix, Option<Dictionary>),
    Packed(Prefix, ColdBatch),
}

/// The thread's reports, for the loop.
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

/// The thread: works until the loop has no more orders.
pub(super) fn work(orders: &Receiver<Order>, reports: &Reports, wake: &Wake) {
    let mut packer: Option<(u8, Packer)> = None;
    while let Ok(order) = orders.recv() {
        let report = match order {
            Order::Forget => {
                packer = None;
                continue;
            }
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
