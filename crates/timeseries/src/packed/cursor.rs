//! Decodes the samples of a compressed chunk, one after the other.

use super::State;
use crate::Sample;
use crate::bits::{mask, peek};

/// After a sample; before the next one.
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

    /// The next sample. Bits beyond the words are zeros, so a caller checks what it does not know.
    #[inline]
    pub(super) fn next(&mut self, words: &[u64]) -> Sample {
        let state = &mut self.0;
        let mut at = state.bits as usize;
        let mut ahead = peek(words, at);
        if ahead & 1 == 0 {
            at += 1;
            ahead >>= 1;
        } else {
            let (change, bits) = step_change(words, at, ahead);
            state.step = state.step.wrapping_add(change);
            at += bits;
            ahead = peek(words, at);
        }
        state.timestamp = state.timestamp.wrapping_add_signed(state.step);
        if ahead & 1 == 0 {
            at += 1;
        } else {
            at += 2;
            if ahead & 2 != 0 {
                // At least 63 bits are ahead, of which these are the first 13.
                let lead = (ahead >> 2 & 0x1f) as u32;
                let width = (ahead >> 7 & 0x3f) as u32 + 1;
                at += 11;
                state.lead = lead as u8;
                state.tail = 64_u32.saturating_sub(lead + width) as u8;
            }
            let width = 64_u32.saturating_sub(u32::from(state.lead) + u32::from(state.tail));
            let window = peek(words, at) & mask(width);
            state.value ^= window.checked_shl(state.tail.into()).unwrap_or(0);
            at += width as usize;
        }
        state.bits = at as u32;
        state.count += 1;
        Sample::new(state.timestamp, f64::from_bits(state.value))
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
