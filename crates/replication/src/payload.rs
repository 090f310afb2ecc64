//! The frame of a snapshot on a link: where it begins, and where it ends.
//!
//!     \n ... $<length>\r\n <length bytes>             from a file
//!     \n ... $EOF:<mark>\r\n <bytes> <mark>           from a pass; the mark has 40 bytes
//!
//! A state machine without I/O. The end of the second form is found wherever the bytes are cut. A
//! snapshot that is compressed inside of its frame (`compression`) comes out as a plain snapshot.

use super::compression::{Damage, Kind, Unpacker};
use russet_base::numbers::number::parse_digits;

const MARK_BYTES: usize = 40;
/// Bytes of the line before the snapshot.
const LINE_MAX: usize = 1024;
const EOF: &[u8] = b"$EOF:";

/// The form of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PayloadFraming {
    Length(u64),
    Mark([u8; MARK_BYTES]),
}

/// Why there is no snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    #[error("MASTER aborted replication with an error: {0}")]
    Refused(String),
    #[error(
        "Bad protocol from MASTER, the first byte is not '$' (we received '{0}'), are you sure the host and port are right?"
    )]
    Frame(String),
    #[error("The compressed snapshot of MASTER is damaged: {0}")]
    Damaged(#[from] Damage),
}

/// See the module.
#[derive(Debug)]
pub struct Payload {
    form: Option<PayloadFraming>,
    line: Vec<u8>,
    /// Bytes of the snapshot so far, as they are sent.
    received: u64,
    /// The last bytes of the marked form, which may be a part of its mark.
    tail: Vec<u8>,
    is_whole: bool,
    unpacker: Box<Unpacker>,
}

impl Default for Payload {
    fn default() -> Payload {
        Payload {
            form: None,
            line: Vec::new(),
            received: 0,
            tail: Vec::new(),
            is_whole: false,
            unpacker: Box::new(Unpacker::new(Kind::Snapshot)),
        }
    }
}

impl Payload {
    /// The snapshot's length, if the frame says so.
    pub fn length(&self) -> Option<u64> {
        match self.form {
            Some(PayloadFraming::Length(length)) => Some(length),
            _ => None,
        }
    }

    /// Bytes of the snapshot so far, as they are sent.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Whether all of the snapshot has been received.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Takes bytes of the link: appends the snapshot's bytes to `out`, and returns how many bytes
    /// were taken. The rest comes after the snapshot.
    pub fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize, PayloadError> {
        let mut taken = 0;
        while self.form.is_none() {
            let Some(&byte) = bytes.get(taken) else {
                return Ok(taken);
            };
            taken += 1;
            if byte != b'\n' {
                self.line.push(byte);
                if self.line.len() > LINE_MAX {
                    return Err(self.bad_line());
                }
            } else if !self.line.is_empty() {
                self.begin()?;
            }
        }
        let bytes = &bytes[taken..];
        if self.unpacker.is_plain() {
            return Ok(taken + self.take_content(bytes, out));
        }
        let mut packed = Vec::new();
        taken += self.take_content(bytes, &mut packed);
        self.unpacker.push(&packed);
        self.unpacker.pull_all(out)?;
        if self.is_whole {
            self.unpacker.finish(out)?;
        }
        Ok(taken)
    }

    fn bad_line(&self) -> PayloadError {
        let start = &self.line[..self.line.len().min(100)];
        PayloadError::Frame(String::from_utf8_lossy(start).trim_end().to_owned())
    }

    fn begin(&mut self) -> Result<(), PayloadError> {
        let line = self.line.trim_ascii_end();
        if line.starts_with(b"-") {
            let shown = String::from_utf8_lossy(&line[1..]).into_owned();
            return Err(PayloadError::Refused(shown));
        }
        let form = match line.strip_prefix(EOF) {
            Some(mark) => mark.try_into().ok().map(PayloadFraming::Mark),
            None => line
                .strip_prefix(b"$")
                .and_then(parse_digits)
                .map(PayloadFraming::Length),
        };
        self.form = Some(form.ok_or_else(|| self.bad_line())?);
        self.is_whole = self.form == Some(PayloadFraming::Length(0));
        Ok(())
    }

    fn take_content(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        if self.is_whole {
            return 0;
        }
        match self.form {
            None => 0,
            Some(PayloadFraming::Length(length)) => {
                let left = usize::try_from(length - self.received).unwrap_or(usize::MAX);
                let taken = left.min(bytes.len());
                out.extend_from_slice(&bytes[..taken]);
                self.received += taken as u64;
                self.is_whole = self.received == length;
                taken
            }
            Some(PayloadFraming::Mark(mark)) => self.take_marked(bytes, &mark, out),
        }
    }

    /// Bytes that cannot belong to the mark any more are the snapshot's.
    fn take_marked(&mut self, bytes: &[u8], mark: &[u8], out: &mut Vec<u8>) -> usize {
        let before = self.tail.len();
        let mut seen = std::mem::take(&mut self.tail);
        // The mark may begin in the tail and end in the first bytes.
        seen.extend_from_slice(&bytes[..bytes.len().min(MARK_BYTES - 1)]);
        if let Some(at) = memchr::memmem::find(&seen, mark) {
            out.extend_from_slice(&seen[..at]);
            self.received += at as u64;
            self.is_whole = true;
            return at + MARK_BYTES - before;
        }
        if let Some(at) = memchr::memmem::find(bytes, mark) {
            out.extend_from_slice(&seen[..before]);
            out.extend_from_slice(&bytes[..at]);
            self.received += (before + at) as u64;
            self.is_whole = true;
            return at + MARK_BYTES;
        }
        seen.truncate(before);
        let total = before + bytes.len();
        let keep = total.min(MARK_BYTES - 1);
        let pass = total - keep;
        out.extend_from_slice(&seen[..pass.min(before)]);
        out.extend_from_slice(&bytes[..pass.saturating_sub(before)]);
        self.received += pass as u64;
        seen.drain(..pass.min(before));
        seen.extend_from_slice(&bytes[pass.saturating_sub(before)..]);
        self.tail = seen;
        bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(frame: &[u8], step: usize) -> Result<(Vec<u8>, Vec<u8>, bool), PayloadError> {
        let (mut payload, mut content, mut rest) = (Payload::default(), Vec::new(), Vec::new());
        for piece in frame.chunks(step) {
            let taken = payload.receive(piece, &mut content)?;
            rest.extend_from_slice(&piece[taken..]);
        }
        assert_eq!(payload.received(), content.len() as u64);
        Ok((content, rest, payload.is_whole()))
    }

    #[test]
    fn both_forms_are_found_in_whatever_pieces_they_come() {
        let mark = b"0123456789abcdef0123456789abcdef01234567";
        let text: Vec<u8> = (0..200u8)
            .chain(b"0123456789abcdef0123".iter().copied())
            .collect();
        let length = format!("$EOF:{}\r\n", String::from_utf8_lossy(mark));
        let marked = [b"\n\n", length.as_bytes(), &text, mark, b"*1\r\n"].concat();
        let header = format!("\n${}\r\n", text.len());
        let counted = [header.as_bytes(), &text, b"*1\r\n"].concat();
        for frame in [marked, counted] {
            for step in 1..=frame.len() {
                let (content, rest, whole) = run(&frame, step).expect("sound");
                assert!(content == text && rest == b"*1\r\n" && whole, "{step}");
            }
        }
        let (content, rest, whole) = run(b"$0\r\nx", 1).expect("sound");
        assert!(content.is_empty() && rest == b"x" && whole);
    }

    #[test]
    fn a_compressed_snapshot_comes_out_plain() {
        use crate::compression::Packer;
        let mark = b"0123456789abcdef0123456789abcdef01234567";
        let content = [b"REDIS0011", &[7; 3000][..]].concat();
        let mut packed = Vec::new();
        Packer::begin(Kind::Snapshot, &mut packed);
        Packer::default().block(&[], &content, &mut packed);
        Packer::end(&mut packed);
        let begin = format!("$EOF:{}\r\n", String::from_utf8_lossy(mark));
        let marked = [begin.as_bytes(), &packed, mark, b"*1\r\n"].concat();
        let begin = format!("${}\r\n", packed.len());
        let counted = [begin.as_bytes(), &packed, b"*1\r\n"].concat();
        for frame in [marked, counted] {
            for step in [1, 2, 17, frame.len()] {
                let (mut payload, mut out, mut rest) = (Payload::default(), Vec::new(), 0);
                for piece in frame.chunks(step) {
                    rest += piece.len() - payload.receive(piece, &mut out).expect("sound");
                }
                assert!(out == content && payload.is_whole() && rest == 4, "{step}");
                assert_eq!(payload.received(), packed.len() as u64);
            }
        }
        let short = [b"$20\r\n", &packed[..20]].concat();
        let received = Payload::default().receive(&short, &mut Vec::new());
        assert_eq!(received, Err(PayloadError::Damaged(Damage::Short)));
        // Bytes that may still be an envelope wait, and come at the end.
        let mut out = Vec::new();
        let taken = Payload::default().receive(b"$2\r\nVC", &mut out);
        assert_eq!((taken, &out[..]), (Ok(6), &b"VC"[..]));
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        let refused = PayloadError::Refused("ERR no".to_owned());
        assert_eq!(run(b"-ERR no\r\n", 3), Err(refused));
        for frame in [
            &b"+OK\r\n"[..],
            b"$-1\r\n",
            b"$EOF:short\r\n",
            b"$9x\r\n",
            &[b'$'; 2000],
        ] {
            assert!(matches!(run(frame, 7), Err(PayloadError::Frame(_))));
        }
    }
}
