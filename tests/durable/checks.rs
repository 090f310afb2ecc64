//! What clients know of the sets: members whose write was answered, and members that were read.

use std::collections::{BTreeMap, BTreeSet};

/// The number of sets that clients write to.
pub const SETS: usize = 16;

/// A member of a set: no two writes have the same.
pub type Value = u64;

/// Two sets with the same slot: transactions write to both.
pub fn key(set: usize) -> String {
    format!("{{{}}}:{}", set / 2, set % 2)
}

/// CRC16 (XMODEM) of the part in braces, which gives the slot of a set.
pub fn slot_of(set: usize) -> u16 {
    let tag = (set / 2).to_string();
    let crc = tag.bytes().fold(0u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| {
            let shifted = crc << 1;
            if crc & 0x8000 == 0 {
                shifted
            } else {
                shifted ^ 0x1021
            }
        })
    });
    crc % 16_384
}

/// Counts of a run.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub answered: usize,
    pub reads: usize,
    pub errors: BTreeMap<String, usize>,
    pub terms: usize,
    /// Answered or read members that are missing at the end.
    pub lost: usize,
    /// Milliseconds to the first answered write of the calm, the longest of all storms.
    pub well_ms: u64,
}

impl Figures {
    pub fn add(&mut self, other: Figures) {
        self.answered += other.answered;
        self.reads += other.reads;
        self.terms += other.terms;
        self.lost += other.lost;
        self.well_ms = self.well_ms.max(other.well_ms);
        for (error, count) in other.errors {
            *self.errors.entry(error).or_default() += count;
        }
    }
}

/// See the module.
#[derive(Default)]
pub struct Checks {
    /// For each set: the members that must be there, and why.
    known: BTreeMap<usize, BTreeMap<Value, &'static str>>,
    /// Members that were written to both sets of a slot at once.
    both: BTreeSet<Value>,
    pub figures: Figures,
}

impl Checks {
    fn must_have(&mut self, set: usize, value: Value, why: &'static str) {
        self.known
            .entry(set)
            .or_default()
            .entry(value)
            .or_insert(why);
    }

    /// A write of a member to two sets is under way.
    pub fn writes_both(&mut self, value: Value) {
        self.both.insert(value);
    }

    pub fn answered(&mut self, sets: &[usize], value: Value) {
        self.figures.answered += 1;
        for set in sets {
            self.must_have(*set, value, "answered");
        }
    }

    pub fn read(&mut self, set: usize, members: &[Value]) {
        self.figures.reads += 1;
        for value in members {
            self.must_have(set, *value, "read");
        }
    }

    /// The members of a set at the end.
    pub fn at_end(&mut self, set: usize, members: &BTreeSet<Value>) -> Result<(), String> {
        let known = self.known.get(&set);
        let lost = known.and_then(|known| known.iter().find(|(value, _)| !members.contains(value)));
        if let Some((value, why)) = lost {
            self.figures.lost += 1;
            return Err(format!("lost: {value} of set {set} was {why}"));
        }
        Ok(())
    }

    /// Whether both sets of a slot have all members of its transactions, or neither.
    pub fn are_whole(&self, sets: [&BTreeSet<Value>; 2]) -> Result<(), String> {
        let mut differing = sets[0].symmetric_difference(sets[1]);
        match differing.find(|value| self.both.contains(value)) {
            Some(value) => Err(format!("half of the transaction of {value} is left")),
            None => Ok(()),
        }
    }
}
