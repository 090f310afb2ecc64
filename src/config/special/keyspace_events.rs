//! `notify-keyspace-events`: which events are published.

use super::{Lines, Special};
use crate::config::refusal::ValueError;
use crate::config::words::{self, Text};

/// `notify-keyspace-events`: which events are published, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyspaceEvents(u32);

impl KeyspaceEvents {
    /// The letters of `A`, in printing order, then those outside of it.
    const CLASSES: &'static [u8] = b"g$lshzxetdn";
    const CHANNELS: &'static [u8] = b"KEm";
    /// Every class but `n` (and `m`), which must be named explicitly.
    const ALL: u32 = (1 << 10) - 1;

    /// Whether a class (`g`, `$`, `x`, ...) or a channel (`K`, `E`) is on.
    pub fn has(self, letter: u8) -> bool {
        Self::bit(letter).is_some_and(|bit| self.0 & bit != 0)
    }

    /// Whether anything is published at all.
    pub fn any(self) -> bool {
        self.0 != 0
    }

    fn bit(letter: u8) -> Option<u32> {
        let at = Self::CLASSES
            .iter()
            .chain(Self::CHANNELS)
            .position(|&l| l == letter)?;
        Some(1 << at)
    }
}

impl Special for KeyspaceEvents {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let [letters] = words else {
            return Err(ValueError::ArgumentCount);
        };
        let mut bits = 0;
        for &letter in letters.iter() {
            bits |= match letter {
                b'A' => Self::ALL,
                _ => Self::bit(letter).ok_or(ValueError::EventClass)?,
            };
        }
        self.0 = bits;
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        match self.0 & Self::ALL == Self::ALL {
            // Redis prints nothing for `n` beside `A`.
            true => text.push(b'A'),
            false => text.extend(Self::CLASSES.iter().filter(|&&l| self.has(l))),
        }
        text.extend(Self::CHANNELS.iter().filter(|&&l| self.has(l)));
        text
    }

    /// With `n` spelled out: the file must read back as it was set.
    fn lines(&self, default: &Self) -> Lines {
        let mut letters = self.text();
        if self.has(b'n') && !letters.contains(&b'n') {
            letters.push(b'n');
        }
        let mut line = Vec::new();
        words::quote(&mut line, &letters);
        Lines::Values(vec![(line, self != default)])
    }
}
