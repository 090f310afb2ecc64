//! Decodes the samples of a compressed chunk, in order.
//!
//! Cost: most samples take a look or two at eight bytes: the window is in the bytes that have the
//! prefixes, or after them.

use super::State;
use super::code::{LEAD_BITS, WIDTH_BITS};
use crate::bits::{GLANCE, bytes_of, glance, mask, peek};

/// Bits of a description of a window, and of both prefixes of a sample whose step is the last step.
const DESCRIPTION: u32 = LEAD_BITS + WIDTH_BITS;
const PREFIXES: u32 = 3;

/// After a sample; before the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor(State);

impl Cursor {
    #[inline]
    pub(super) fn after(state: State) -> Cursor {
        Cursor(state)
    }

    pub(super) fn state(&self) -> State {
        self.0
    }

    /// Samples so far.
    #[inline]
    pub(super) fn count(&self) -> u32 {
        self.0.count
    }

    /// Decodes the next sample; returns the state after it.
    pub(super) fn step(&mut self, words: &[u64]) -> State {
        self.fill(words, &mut [0], &mut [0.0]);
        self.0
    }

    /// Decodes the next samples: as many as there are places for times and for values. Bits beyond
    /// the words are zeros, so a caller checks what it does not know.
    #[inline(never)]
    pub(super) fn fill(&mut self, words: &[u64], times: &mut [u64], values: &mut [f64]) {
        let State {
            mut timestamp,
            mut step,
            mut value,
            ..
        } = self.0;
        let mut at = self.0.bits as usize;
        let mut lead = u32::from(self.0.lead);
        let mut tail = u32::from(self.0.tail);
        let mut width = 64_u32.saturating_sub(lead + tail);
        let mut window_mask = mask(width);
        self.0.count += times.len() as u32;
        let bytes = bytes_of(words);
        for (time, place) in times.iter_mut().zip(values) {
            let mut ahead = glance(bytes, at);
            if ahead & 1 == 0 {
                at += 1;
                ahead >>= 1;
            } else {
                let (change, bits) = step_change(words, at, ahead);
                step = step.wrapping_add(change);
                at += bits;
                ahead = glance(bytes, at);
            }
            timestamp = timestamp.wrapping_add_signed(step);
            if ahead & 1 == 0 {
                at += 1;
            } else {
                let window = if ahead & 2 == 0 {
                    at += 2;
                    if width <= GLANCE - PREFIXES {
                        ahead >> 2
                    } else if width <= GLANCE {
                        glance(bytes, at)
                    } else {
                        peek(words, at)
                    }
                } else {
                    lead = (ahead >> 2 & 0x1f) as u32;
                    // A window that would end below the last bit ends with it.
                    width = ((ahead >> 7 & 0x3f) as u32 + 1).min(64 - lead);
                    tail = 64 - lead - width;
                    window_mask = mask(width);
                    at += 2 + DESCRIPTION as usize;
                    if width <= GLANCE - PREFIXES - DESCRIPTION {
                        ahead >> (2 + DESCRIPTION)
                    } else if width <= GLANCE {
                        glance(bytes, at)
                    } else {
                        peek(words, at)
                    }
                };
                // Without a window the mask is 0, whatever the tail is.
                value ^= (window & window_mask).wrapping_shl(tail);
                at += width as usize;
            }
            *time = timestamp;
            *place = f64::from_bits(value);
        }
        self.0.timestamp = timestamp;
        self.0.step = step;
        self.0.value = value;
        self.0.bits = at as u32;
        (self.0.lead, self.0.tail) = (lead as u8, tail as u8);
    }
}

/// The change of the step that is not 0, and the bits of its code.
#[inline]
fn step_change(words: &[u64], at: usize, ahead: u64) -> (i64, usize) {
    let field = |skipped: u32, bits: u32| {
        let field = ahead >> skipped << (64 - bits);
        (field as i64 >> (64 - bits), (skipped + bits) as usize)
    };
    match (!ahead).trailing_zeros() {
        0 | 1 => field(2, 5),
        2 => field(3, 8),
        3 => field(4, 11),
        4 => field(5, 15),
        5 => field(6, 32),
        _ => (peek(words, at + 6) as i64, 70),
    }
}
