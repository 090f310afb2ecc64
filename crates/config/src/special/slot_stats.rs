//! `cluster-slot-stats-enabled`: which figures of slots are taken.

use bitflags::bitflags;

use super::Special;
use crate::problem::refusal::ValueError;
use crate::words::Text;

bitflags! {
    /// Figures of slots; all of them are `yes`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct SlotStats: u8 {
        /// `cpu`: time of the slot's commands.
        const CPU = 1;
        /// `net`: bytes of requests and replies.
        const NET = 1 << 1;
        /// `mem`: bytes of keys and values; switched on at start only.
        const MEM = 1 << 2;
    }
}

const NAMES: [(&str, SlotStats); 5] = [
    ("no", SlotStats::empty()),
    ("yes", SlotStats::all()),
    ("cpu", SlotStats::CPU),
    ("net", SlotStats::NET),
    ("mem", SlotStats::MEM),
];

impl Special for SlotStats {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let mut wanted = SlotStats::empty();
        for word in words {
            let mut names = NAMES.iter();
            let found = names.find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
            let (_, figures) = found
                .ok_or_else(|| ValueError::NotOneOf(NAMES.map(|(name, _)| name).join(", ")))?;
            wanted |= *figures;
        }
        *self = wanted;
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        let whole = NAMES[..2].iter().find(|(_, figures)| figures == self);
        if let Some((name, _)) = whole {
            return (*name).into();
        }
        let parts = NAMES[2..].iter().filter(|(_, one)| self.contains(*one));
        let parts: Vec<&str> = parts.map(|(name, _)| *name).collect();
        parts.join(" ").into()
    }
}
