//! The replication stream, decoded from the bytes of an incremental file.
//!
//!     file                      stream
//!     request                   the same bytes
//!     #RO:n                     n newlines: every replica counts them, and passes over them
//!     #LO:n, then n bytes       n newlines, as replicas received them
//!     #NS:n, then n bytes       nothing
//!     #SO:id:offset             nothing; the position must be the counted one
//!     any other annotation      nothing
//!
//! Invariant: `at` is the stream position of the next byte. It is unknown before the first `#SO`
//! line, unless the decoder was started at a known place.

use super::annotation::{Annotation, LINE_MAX};
use russet_base::numbers::number::parse_digits;
use russet_replication::{Mark, Position, ReplId, ReplOffset};

/// Part of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// The bytes just consumed, as they are.
    Verbatim,
    /// This many newlines; replicas received the same then.
    Newlines(u64),
    /// This many newlines, for bytes that only replicas received.
    Filler(u64),
    /// Nothing.
    Nothing,
}

/// The meaning of the next bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DecodedPiece {
    /// Bytes of the input; 0: more are needed.
    pub(crate) consumed: usize,
    pub piece: Piece,
    /// The stream position at which the piece begins; `None`: unknown.
    pub at: Option<ReplOffset>,
}

/// Why a file cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DecodeError {
    #[error("no request and no annotation begins")]
    Malformed,
    #[error("a damaged annotation")]
    Annotation,
    #[error("positions are not recorded from here on")]
    Unmarked,
    #[error("a line gives the position {0}, which differs from the counted position")]
    Position(ReplOffset),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DecodeState {
    /// Between requests.
    Start,
    /// This many arguments of a request follow.
    Args(u64),
    /// Bytes left of an argument, its line end included; arguments that follow it.
    Bulk(u64, u64),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Decoder {
    at: Option<ReplOffset>,
    state: DecodeState,
    not_in_stream: u64,
    log_only: u64,
}

impl Decoder {
    /// For a place between requests. `at`: its stream position, if it is known.
    pub fn new(at: Option<ReplOffset>) -> Decoder {
        Decoder {
            at,
            state: DecodeState::Start,
            not_in_stream: 0,
            log_only: 0,
        }
    }

    /// The stream position of the next byte.
    pub fn at(&self) -> Option<ReplOffset> {
        self.at
    }

    /// Whether no request is open.
    pub(crate) fn is_between_requests(&self) -> bool {
        self.state == DecodeState::Start && self.not_in_stream == 0 && self.log_only == 0
    }

    /// Decodes the begin of `input`, one piece.
    pub fn next(&mut self, input: &[u8]) -> Result<DecodedPiece, DecodeError> {
        if self.state == DecodeState::Start && input.first() == Some(&b'#') {
            return self.annotation(input);
        }
        let marked = match (self.not_in_stream, self.log_only) {
            (0, 0) => u64::MAX,
            (0, n) | (n, _) => n,
        };
        let most = usize::try_from(marked).unwrap_or(usize::MAX);
        let consumed = self.requests(&input[..input.len().min(most)])?;
        if consumed == 0 && input.len() >= most {
            // A mark covers whole requests.
            return Err(DecodeError::Annotation);
        }
        let (n, at) = (consumed as u64, self.at);
        let piece = if self.not_in_stream > 0 {
            self.not_in_stream -= n;
            Piece::Nothing
        } else if self.log_only > 0 {
            self.log_only -= n;
            Piece::Newlines(n)
        } else {
            Piece::Verbatim
        };
        if piece != Piece::Nothing {
            self.pass(n);
        }
        Ok(DecodedPiece {
            consumed,
            piece,
            at,
        })
    }

    fn pass(&mut self, n: u64) {
        self.at = self.at.map(|at| at.saturating_add(n));
    }

    fn annotation(&mut self, input: &[u8]) -> Result<DecodedPiece, DecodeError> {
        let line = &input[..input.len().min(LINE_MAX)];
        let mut decoded = DecodedPiece {
            consumed: 0,
            piece: Piece::Nothing,
            at: self.at,
        };
        let Some(end) = memchr::memchr(b'\n', line) else {
            return if line.len() == LINE_MAX {
                Err(DecodeError::Annotation)
            } else {
                Ok(decoded)
            };
        };
        decoded.consumed = end + 1;
        match Annotation::parse(&line[..=end]) {
            Annotation::Damaged => return Err(DecodeError::Annotation),
            Annotation::Stream(Mark::Position(Position { id, offset })) => {
                if id == ReplId::NONE {
                    return Err(DecodeError::Unmarked);
                }
                if self.at.is_some_and(|at| at != offset) {
                    return Err(DecodeError::Position(offset));
                }
                self.at = Some(offset);
            }
            Annotation::Stream(Mark::ReplicasOnly(n)) => {
                decoded.piece = Piece::Filler(n);
                self.pass(n);
            }
            Annotation::Stream(Mark::NotInStream(n)) => self.not_in_stream = n,
            Annotation::Stream(Mark::LogOnly(n)) => self.log_only = n,
            Annotation::Time(_)
            | Annotation::Checksum(_)
            | Annotation::Aside(_)
            | Annotation::Foreign => {}
        }
        Ok(decoded)
    }

    /// Passes over requests; returns their bytes in `input`, the last perhaps incomplete.
    fn requests(&mut self, input: &[u8]) -> Result<usize, DecodeError> {
        let mut at = 0;
        loop {
            let rest = &input[at..];
            match self.state {
                DecodeState::Start if matches!(rest.first(), None | Some(b'#')) => return Ok(at),
                DecodeState::Start => {
                    let Some((args, len)) = header(b'*', rest)? else {
                        return Ok(at);
                    };
                    at += len;
                    self.state = args_left(args);
                }
                DecodeState::Args(left) => {
                    let Some((bytes, len)) = header(b'$', rest)? else {
                        return Ok(at);
                    };
                    at += len;
                    self.state = DecodeState::Bulk(bytes.saturating_add(2), left - 1);
                }
                DecodeState::Bulk(bytes, args) if bytes > rest.len() as u64 => {
                    self.state = DecodeState::Bulk(bytes - rest.len() as u64, args);
                    return Ok(input.len());
                }
                DecodeState::Bulk(bytes, args) => {
                    at += bytes as usize;
                    self.state = args_left(args);
                }
            }
        }
    }
}

fn args_left(args: u64) -> DecodeState {
    match args {
        0 => DecodeState::Start,
        _ => DecodeState::Args(args),
    }
}

/// The number of a line `<kind><number>\r\n`, and the line's length. `None`: it is incomplete.
fn header(kind: u8, rest: &[u8]) -> Result<Option<(u64, usize)>, DecodeError> {
    /// The longest number has 20 digits.
    const MAX: usize = 24;
    match rest.first() {
        None => return Ok(None),
        Some(&first) if first != kind => return Err(DecodeError::Malformed),
        Some(_) => {}
    }
    let line = &rest[..rest.len().min(MAX)];
    let Some(end) = memchr::memchr(b'\n', line) else {
        return if line.len() == MAX {
            Err(DecodeError::Malformed)
        } else {
            Ok(None)
        };
    };
    let digits = line[1..end].strip_suffix(b"\r");
    let number = digits.and_then(parse_digits);
    Ok(Some((number.ok_or(DecodeError::Malformed)?, end + 1)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    /// The stream for a file that comes in pieces of these lengths, and the position after it.
    fn decode(file: &[u8], cuts: &[usize]) -> Result<(Vec<u8>, Option<u64>), DecodeError> {
        let (mut decoder, mut out) = (Decoder::new(None), Vec::new());
        let (mut at, mut have) = (0, 0);
        let mut cuts = cuts.iter().cycle();
        loop {
            let decoded = decoder.next(&file[at..have])?;
            match decoded.piece {
                Piece::Verbatim => out.extend_from_slice(&file[at..at + decoded.consumed]),
                Piece::Newlines(n) | Piece::Filler(n) => out.resize(out.len() + n as usize, b'\n'),
                Piece::Nothing => {}
            }
            at += decoded.consumed;
            if decoded.consumed > 0 {
                continue;
            }
            if have == file.len() {
                assert_eq!(at, have, "everything is decoded");
                return Ok((out, decoder.at()));
            }
            have = file
                .len()
                .min(have + cuts.next().copied().unwrap_or(1).max(1));
        }
    }

    #[test]
    fn annotations_become_what_replicas_received() {
        let file = format!(
            "#CK:0:1700000000:-\r\n#SO:{ID}:100\r\n#NS:23\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n\
             *2\r\n$3\r\nDEL\r\n$1\r\na\r\n#RO:14\r\n#LO:20\r\n*2\r\n$3\r\nDEL\r\n$1\r\nb\r\n\
             #CK:5:1:0123456789abcdef\r\n*2\r\n$3\r\nDEL\r\n$5\r\n#RO:1\r\n"
        );
        let fill = "\n".repeat(34);
        let wanted =
            format!("*2\r\n$3\r\nDEL\r\n$1\r\na\r\n{fill}*2\r\n$3\r\nDEL\r\n$5\r\n#RO:1\r\n");
        for cuts in [&[1][..], &[7], &[1000]] {
            let (stream, end) = decode(file.as_bytes(), cuts).expect("sound");
            assert_eq!(String::from_utf8(stream).expect("text"), wanted);
            assert_eq!(end, Some(100 + wanted.len() as u64));
        }
    }

    #[test]
    fn a_position_that_is_not_the_counted_one_is_refused() {
        let file = format!("#SO:{ID}:5\r\n*1\r\n$4\r\nPING\r\n#SO:{ID}:18\r\n");
        assert_eq!(
            decode(file.as_bytes(), &[9]),
            Err(DecodeError::Position(18))
        );
        let file = format!("#SO:{}:5\r\n", ReplId::NONE);
        assert_eq!(decode(file.as_bytes(), &[9]), Err(DecodeError::Unmarked));
        for file in ["#RO:x\r\n", "#NS:5\r\n*1\r\n$4\r\nPING\r\n"] {
            let error = decode(file.as_bytes(), &[100]).expect_err(file);
            assert_eq!(error, DecodeError::Annotation, "{file}");
        }
        for file in [
            "PING\r\n",
            "*x\r\n",
            "*1\r\n*1\r\n",
            "*1111111111111111111111111",
        ] {
            let error = decode(file.as_bytes(), &[3]).expect_err(file);
            assert_eq!(error, DecodeError::Malformed, "{file}");
        }
    }

    proptest! {
        #[test]
        fn requests_pass_unchanged_however_they_are_cut(
            requests in prop::collection::vec(
                prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..5), 0..20),
            cuts in prop::collection::vec(1usize..60, 1..10),
        ) {
            let mut file = Vec::new();
            for request in &requests {
                let words = request.iter().map(Vec::as_slice);
                russet_resp::write_request(&mut file, words.collect::<Vec<_>>().into_iter());
            }
            prop_assert_eq!(decode(&file, &cuts), Ok((file, None)));
        }
    }
}
