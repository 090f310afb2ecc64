//! A compressed chunk to and from the fields of a payload.

use super::{PackedChunk, RECENT, State, Tail};
use crate::{Damage, Sample};

/// The fields of a chunk, beside its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedShape {
    /// Bytes that the bits may take.
    pub size: u64,
    /// Samples.
    pub count: u64,
    /// Bits in use.
    pub bits: u64,
    /// Bits of the first value.
    pub first_value: u64,
    /// The first timestamp.
    pub first_timestamp: u64,
    /// The last timestamp.
    pub timestamp: u64,
    /// The last step between timestamps.
    pub step: i64,
    /// Bits of the last value.
    pub value: u64,
    /// Zeros above the last window.
    pub lead: u64,
    /// Zeros below the last window.
    pub tail: u64,
}

impl PackedChunk {
    /// From the fields of a payload; `bytes`: `size` of them. All samples are decoded once.
    pub(crate) fn from_shape(shape: PackedShape, bytes: &[u8]) -> Result<PackedChunk, Damage> {
        let size = u32::try_from(shape.size)
            .ok()
            .filter(|size| *size < u32::MAX / 8)
            .ok_or(Damage)?;
        let state = State {
            timestamp: shape.timestamp,
            step: shape.step,
            value: shape.value,
            bits: u32::try_from(shape.bits).map_err(|_| Damage)?,
            count: u32::try_from(shape.count).map_err(|_| Damage)?,
            lead: u8::try_from(shape.lead).map_err(|_| Damage)?,
            tail: u8::try_from(shape.tail).map_err(|_| Damage)?,
        };
        if bytes.len() != size as usize || state.bits > size * 8 {
            return Err(Damage);
        }
        // A sample after the first takes two bits or more.
        if u64::from(state.count.saturating_sub(1)) * 2 > state.bits.into() {
            return Err(Damage);
        }
        let used = &bytes[..state.bits.div_ceil(8) as usize];
        let mut words: Vec<u64> = Vec::with_capacity(state.bits.div_ceil(64) as usize);
        words.extend(used.chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(word)
        }));
        if let Some(last) = words.last_mut().filter(|_| !state.bits.is_multiple_of(64)) {
            *last &= crate::bits::mask(state.bits % 64);
        }
        let first = Sample::new(shape.first_timestamp, f64::from_bits(shape.first_value));
        let mut chunk = PackedChunk {
            words,
            first,
            state,
            tail: None,
            size,
        };
        chunk.check_samples()?;
        Ok(chunk)
    }

    /// Decodes all samples, and makes the tail. An error: they do not lead to the last state.
    fn check_samples(&mut self) -> Result<(), Damage> {
        if self.state.count == 0 {
            let is_empty = self.state.bits == 0;
            self.state = State::EMPTY;
            self.first = Sample::new(0, 0.0);
            return if is_empty { Ok(()) } else { Err(Damage) };
        }
        let mut cursor = self.cursor(0);
        let mut tail = Tail::new(1);
        for _ in 1..self.state.count {
            let before = cursor.state().timestamp;
            let state = cursor.step(&self.words);
            if state.timestamp <= before || state.bits > self.state.bits {
                return Err(Damage);
            }
            tail.note(&state);
        }
        if cursor.state() != self.state || self.state.timestamp > i64::MAX as u64 {
            return Err(Damage);
        }
        if self.state.count as usize >= RECENT {
            self.tail = Some(Box::new(tail));
        }
        Ok(())
    }

    /// The fields of a payload.
    pub(crate) fn shape(&self) -> PackedShape {
        PackedShape {
            size: self.size.into(),
            count: self.state.count.into(),
            bits: self.state.bits.into(),
            first_value: self.first.value.to_bits(),
            first_timestamp: self.first.timestamp,
            timestamp: self.state.timestamp,
            step: self.state.step,
            value: self.state.value,
            lead: self.state.lead.into(),
            tail: self.state.tail.into(),
        }
    }

    /// Writes the chunk's bytes, [`PackedShape::size`] of them.
    pub(crate) fn write_bytes(&self, out: &mut Vec<u8>) {
        let end = out.len() + self.size as usize;
        for word in &self.words {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.resize(end, 0);
    }
}
