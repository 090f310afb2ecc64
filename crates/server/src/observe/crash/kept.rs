//! INFO as a crash report shows it: a text kept in static memory, because a broken process must not
//! build a text.
//!
//! There are two places, and `shown` names the complete place: a crash amid a renewal reports the
//! text before it. They are atomics, whose plain loads and stores cost as much as a copy of the
//! text (16 KiB, about a microsecond), and a signal handler may read them.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Bytes of a text; a longer text is cut after its last whole line.
const TEXT_BYTES: usize = 16 * 1024;
const WORD_BYTES: usize = 8;
/// Words that are read at once, into the stack.
const CHUNK_WORDS: usize = 128;

pub struct CrashBuffer {
    places: [KeptText; 2],
    /// The index of the complete place, plus 1; 0: nothing is kept yet.
    shown: AtomicUsize,
}

struct KeptText {
    words: [AtomicU64; TEXT_BYTES / WORD_BYTES],
    bytes: AtomicUsize,
    /// When the text was true, microseconds of Unix time.
    unix_us: AtomicU64,
}

impl KeptText {
    const fn new() -> KeptText {
        KeptText {
            words: [const { AtomicU64::new(0) }; TEXT_BYTES / WORD_BYTES],
            bytes: AtomicUsize::new(0),
            unix_us: AtomicU64::new(0),
        }
    }
}

impl CrashBuffer {
    pub const fn new() -> CrashBuffer {
        CrashBuffer {
            places: [KeptText::new(), KeptText::new()],
            shown: AtomicUsize::new(0),
        }
    }

    /// Replaces the text. Only one thread at a time may call it.
    pub fn renew(&self, text: &str, unix_us: u64) {
        let text = text.as_bytes();
        let text = match text.get(..TEXT_BYTES) {
            Some(start) => {
                let end = start.iter().rposition(|&b| b == b'\n');
                &start[..end.map_or(0, |at| at + 1)]
            }
            None => text,
        };
        let next = self.shown.load(Ordering::Relaxed) % 2;
        let place = &self.places[next];
        for (word, bytes) in place.words.iter().zip(text.chunks(WORD_BYTES)) {
            let mut padded = [0; WORD_BYTES];
            padded[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_ne_bytes(padded), Ordering::Relaxed);
        }
        place.bytes.store(text.len(), Ordering::Relaxed);
        place.unix_us.store(unix_us, Ordering::Relaxed);
        self.shown.store(next + 1, Ordering::Release);
    }

    /// When the text was true, microseconds of Unix time. `None`: there is none.
    pub fn unix_us(&self) -> Option<u64> {
        Some(self.complete()?.unix_us.load(Ordering::Relaxed))
    }

    /// Passes the text on in pieces. Allocates nothing.
    pub fn read(&self, mut write: impl FnMut(&[u8])) {
        let Some(place) = self.complete() else {
            return;
        };
        let mut left = place.bytes.load(Ordering::Relaxed);
        for words in place.words.chunks(CHUNK_WORDS) {
            let mut chunk = [0; CHUNK_WORDS * WORD_BYTES];
            for (bytes, word) in chunk.chunks_exact_mut(WORD_BYTES).zip(words) {
                bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
            }
            let len = left.min(chunk.len());
            write(&chunk[..len]);
            left -= len;
            if left == 0 {
                return;
            }
        }
    }

    fn complete(&self) -> Option<&KeptText> {
        let shown = self.shown.load(Ordering::Acquire);
        self.places.get(shown.checked_sub(1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kept: &CrashBuffer) -> String {
        let mut all = Vec::new();
        kept.read(|piece| all.extend_from_slice(piece));
        String::from_utf8(all).expect("UTF-8")
    }

    #[test]
    fn the_last_text_is_read_whole() {
        let kept = CrashBuffer::new();
        assert_eq!((kept.unix_us(), text(&kept)), (None, String::new()));
        let long = "0123456789\n".repeat(300);
        for (at, written) in ["a:1\r\n", &long, "", "b:22\r\n"].into_iter().enumerate() {
            kept.renew(written, at as u64);
            assert_eq!(text(&kept), written);
            assert_eq!(kept.unix_us(), Some(at as u64));
        }
    }

    #[test]
    fn a_text_that_does_not_fit_ends_with_a_whole_line() {
        let kept = CrashBuffer::new();
        kept.renew(&"0123456789\n".repeat(TEXT_BYTES), 0);
        let read = text(&kept);
        assert_eq!(read.len(), TEXT_BYTES / 11 * 11);
        assert!(read.ends_with("9\n"));
        kept.renew(&"0".repeat(TEXT_BYTES + 1), 0);
        assert_eq!(text(&kept), "");
    }
}
