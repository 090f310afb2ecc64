//! The letters of texts: code points, as far as bytes are UTF-8, without a difference of case.
//!
//! Bytes are read as Redis's module reads them: the first byte says how many follow, whatever the
//! following bytes are.

/// Letters as they come, byte by byte.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Letters {
    code: u32,
    /// Bytes that the letter lacks.
    missing: u8,
}

impl Letters {
    /// Reads a byte; returns the letter that it completes.
    #[inline]
    pub(super) fn read(&mut self, byte: u8) -> Option<u32> {
        if self.missing > 0 {
            self.code = self.code << 6 | u32::from(byte & 0x3f);
            self.missing -= 1;
            return (self.missing == 0).then_some(self.code);
        }
        let (code, missing) = match byte {
            0xc0..=0xdf => (byte & 0x1f, 1),
            0xe0..=0xef => (byte & 0x0f, 2),
            0xf0..=0xf7 => (byte & 0x07, 3),
            _ => return Some(byte.into()),
        };
        (self.code, self.missing) = (code.into(), missing);
        None
    }

    /// Whether a letter has begun.
    #[inline]
    pub(super) fn is_within(self) -> bool {
        self.missing > 0
    }
}

/// Letters of a text; an unfinished letter counts.
pub(super) fn count(text: &[u8]) -> usize {
    let mut letters = Letters::default();
    let whole = text.iter().filter(|byte| letters.read(**byte).is_some());
    whole.count() + usize::from(letters.is_within())
}

/// The letters of a text, folded; an unfinished letter equals no other.
pub(super) fn folded(text: &[u8]) -> Vec<u32> {
    let mut letters = Letters::default();
    let read = text.iter().filter_map(|byte| letters.read(*byte));
    let mut folded: Vec<u32> = read.map(fold).collect();
    if letters.is_within() {
        folded.push(u32::MAX);
    }
    folded
}

/// A letter without case: the first letter of Unicode's full case folding.
#[inline]
pub(super) fn fold(letter: u32) -> u32 {
    match u8::try_from(letter) {
        Ok(byte) if byte.is_ascii() => byte.to_ascii_lowercase().into(),
        _ => fold_other(letter),
    }
}

fn fold_other(letter: u32) -> u32 {
    let Some(of) = char::from_u32(letter) else {
        return letter;
    };
    let folded = match of {
        'ı' => Some(of),
        // Cherokee is folded to capitals.
        '\u{13a0}'..='\u{13fd}' | '\u{ab70}'..='\u{abbf}' => of.to_uppercase().next(),
        // By the small letter, as the capital sharp s is its own capital.
        _ => of
            .to_lowercase()
            .take(1)
            .flat_map(char::to_uppercase)
            .flat_map(char::to_lowercase)
            .next(),
    };
    folded.map_or(letter, u32::from)
}
