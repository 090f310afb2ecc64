//! A match in time bounded by pattern and text, whatever they are: the fallback of
//! [`matches`](super::matches) after too much backtracking.
//!
//! A piece is the part of a pattern between two stars. The first piece must match at the beginning
//! of the text, the last piece at its end; each of the others is searched for from the end of the
//! piece before, and its first match is sufficient.
//!
//!   - A piece of plain bytes is found by `memmem`: O(text).
//!   - A piece with `?` or classes is found by an automaton whose states are bits in words, all of
//!     which advance with each byte: O(text * tokens / 64), and [`check`] limits tokens to
//!     [`TOKENS_MAX`].
//!
//! So a match takes O(pattern + text) for plain pieces, and at most 16 words per byte of text.

use super::{Class, STARS_MAX, TooComplex, same, skip_stars, token};

/// Most tokens of a piece with `?` or classes between two stars; most bytes of a class.
const TOKENS_MAX: usize = 1024;

/// Checks that a pattern can be matched in bounded time: must be called before it is matched with
/// many or long texts. O(pattern).
pub fn check(pattern: &[u8]) -> Result<(), TooComplex> {
    let (mut p, mut tokens, mut is_wild, mut behind_star) = (0, 0, false, false);
    while p < pattern.len() {
        match pattern[p] {
            b'*' => {
                if behind_star && is_wild && tokens > TOKENS_MAX {
                    return Err(TooComplex);
                }
                (tokens, is_wild, behind_star) = (0, false, true);
                p += 1;
                continue;
            }
            b'?' => is_wild = true,
            b'[' => {
                is_wild = true;
                if next_token(pattern, p) - p > TOKENS_MAX {
                    return Err(TooComplex);
                }
            }
            _ => {}
        }
        tokens += 1;
        p = next_token(pattern, p);
    }
    Ok(())
}

/// The beginning of the token after the token at `p`.
fn next_token(pattern: &[u8], p: usize) -> usize {
    match pattern[p] {
        b'[' => Class::read(pattern, p + 1, |_| {}).1,
        b'\\' if p + 1 < pattern.len() => p + 2,
        _ => p + 1,
    }
}

/// As [`matches`](super::matches).
pub(super) fn matches(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    let (mut p, mut t) = (0, 0);
    while p < pattern.len() && pattern[p] != b'*' {
        let Some(&byte) = text.get(t) else {
            return false;
        };
        let (is_it, behind) = token(pattern, p, byte, nocase);
        if !is_it {
            return false;
        }
        (p, t) = (behind, t + 1);
    }
    if p == pattern.len() || text.is_empty() {
        return p == pattern.len() && t == text.len();
    }
    let mut stars = 0;
    loop {
        p = skip_stars(pattern, p);
        if p == pattern.len() || t == text.len() {
            return p == pattern.len();
        }
        stars += 1;
        if stars > STARS_MAX {
            return false;
        }
        let (tokens, end) = measure(pattern, p);
        let Some(last_start) = text.len().checked_sub(tokens).filter(|&last| last >= t) else {
            return false;
        };
        if end == pattern.len() {
            return stands_at(pattern, p, &text[last_start..], nocase);
        }
        let Some(found) = find(&pattern[p..end], tokens, &text[t..], nocase) else {
            return false;
        };
        (p, t) = (end, t + found + tokens);
    }
}

/// Number of tokens in the piece that begins at `p`, and its end.
fn measure(pattern: &[u8], mut p: usize) -> (usize, usize) {
    let mut tokens = 0;
    while p < pattern.len() && pattern[p] != b'*' {
        p = next_token(pattern, p);
        tokens += 1;
    }
    (tokens, p)
}

/// Whether the tokens from `p` on match a text of as many bytes.
fn stands_at(pattern: &[u8], mut p: usize, text: &[u8], nocase: bool) -> bool {
    text.iter().all(|&byte| {
        let (is_it, behind) = token(pattern, p, byte, nocase);
        p = behind;
        is_it
    })
}

/// First position in a text of a piece with `tokens` tokens.
fn find(piece: &[u8], tokens: usize, text: &[u8], nocase: bool) -> Option<usize> {
    let is_wild = piece.iter().any(|b| matches!(b, b'?' | b'['));
    if is_wild || nocase {
        return Automaton::new(piece, tokens, nocase).find(text);
    }
    if !piece.contains(&b'\\') {
        return memchr::memmem::find(text, piece);
    }
    let mut plain = Vec::with_capacity(tokens);
    let mut p = 0;
    while p < piece.len() {
        let next = next_token(piece, p);
        plain.push(piece[next - 1]);
        p = next;
    }
    memchr::memmem::find(text, &plain)
}

/// A place of a piece: the bytes that match there.
enum PieceByte {
    Byte(u8),
    Any,
    Class(Class),
}

/// Bit n of the automaton's state means: the bytes up to here match the first n + 1 places.
struct Automaton {
    places: Vec<PieceByte>,
    nocase: bool,
    /// For each byte seen so far: the places that it matches.
    masks: Vec<Option<Box<[u64]>>>,
}

impl Automaton {
    fn new(piece: &[u8], tokens: usize, nocase: bool) -> Automaton {
        let mut places = Vec::with_capacity(tokens);
        let mut p = 0;
        while p < piece.len() {
            let next = next_token(piece, p);
            places.push(match piece[p] {
                b'?' => PieceByte::Any,
                b'[' => PieceByte::Class(Class::of(piece, p + 1, nocase)),
                _ => PieceByte::Byte(piece[next - 1]),
            });
            p = next;
        }
        Automaton {
            places,
            nocase,
            masks: vec![None; 256],
        }
    }

    fn mask(places: &[PieceByte], byte: u8, nocase: bool) -> Box<[u64]> {
        let mut mask = vec![0; places.len().div_ceil(64)];
        for (at, place) in places.iter().enumerate() {
            let fits = match place {
                PieceByte::Byte(wanted) => same(*wanted, byte, nocase),
                PieceByte::Any => true,
                PieceByte::Class(class) => class.has(byte),
            };
            mask[at / 64] |= u64::from(fits) << (at % 64);
        }
        mask.into()
    }

    fn find(mut self, text: &[u8]) -> Option<usize> {
        let last = self.places.len() - 1;
        let mut state = vec![0u64; self.places.len().div_ceil(64)];
        // Words after these are zero.
        let mut used = 1;
        for (at, &byte) in text.iter().enumerate() {
            let mask = self.masks[usize::from(byte)]
                .get_or_insert_with(|| Automaton::mask(&self.places, byte, self.nocase));
            let mut carry = 1;
            for (word, mask) in state[..used].iter_mut().zip(mask.iter()) {
                let shifted = *word << 1 | carry;
                carry = *word >> 63;
                *word = shifted & mask;
            }
            if carry != 0 && used < state.len() {
                state[used] = mask[used] & 1;
                used += 1;
            }
            if state[last / 64] >> (last % 64) & 1 != 0 {
                return Some(at - last);
            }
            while used > 1 && state[used - 1] == 0 {
                used -= 1;
            }
        }
        None
    }
}
