//! The data of a simulated server: its executed writes, each of them a different number. The number
//! contains the slot, and different sets have different sums.

use std::collections::BTreeSet;

use russet_replication::simulation::Dataset;

/// A write of a client.
pub type Write = u64;

/// Slots that clients write to.
pub const WRITTEN_SLOTS: u64 = 32;
/// The distance between two of these slots.
const STEP: u64 = 16_384 / WRITTEN_SLOTS;

/// The slot of a write.
pub fn slot_of(write: Write) -> u16 {
    (write % WRITTEN_SLOTS * STEP) as u16
}

/// The slots that clients write to.
pub fn written_slots() -> impl Iterator<Item = u16> {
    (0..WRITTEN_SLOTS).map(slot_of)
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Writes {
    /// The writes of each slot.
    all: [BTreeSet<Write>; WRITTEN_SLOTS as usize],
    sum: u64,
}

fn place(slot: u16) -> usize {
    usize::from(slot) / STEP as usize
}

impl Writes {
    /// Whether the set has a write.
    pub fn has(&self, write: Write) -> bool {
        self.all[place(slot_of(write))].contains(&write)
    }

    /// A sum that is equal for equal sets.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The writes to a slot.
    pub fn of(&self, slot: u16) -> Vec<Write> {
        self.all[place(slot)].iter().copied().collect()
    }

    /// The number of writes to a slot.
    pub fn count(&self, slot: u16) -> usize {
        if slot_of((slot / STEP as u16).into()) == slot {
            self.all[place(slot)].len()
        } else {
            0
        }
    }
}

fn mixed(write: Write) -> u64 {
    russet_host::Random(write).next_u64()
}

impl Dataset for Writes {
    fn keys(&self) -> u64 {
        self.all.iter().map(BTreeSet::len).sum::<usize>() as u64
    }

    fn text(&self) -> String {
        let line = |write: &Write| format!("write {write}\n");
        self.all.iter().flatten().map(line).collect()
    }

    fn set(&mut self, name: &[u8], value: u64) {
        match name {
            b"write" => {
                let is_new = self.all[place(slot_of(value))].insert(value);
                let added = if is_new { mixed(value) } else { 0 };
                self.sum = self.sum.wrapping_add(added);
            }
            b"drop" => {
                for write in std::mem::take(&mut self.all[place(value as u16)]) {
                    self.sum = self.sum.wrapping_sub(mixed(write));
                }
            }
            b"flush" => *self = Writes::default(),
            _ => {}
        }
    }
}
