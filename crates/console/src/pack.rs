//! Answers compressed by gzip, in steps between which the loop serves other clients.
//!
//! Only answers without data of clients are compressed: the answers of `api/history` and `api/me`.
//! The length of a compressed answer reveals whether a part of the answer repeats another part. In
//! an answer of `api/command` a secret may stand beside text that another client can choose, and
//! choose anew for each look of the page (a key's name, a line of a log): an observer of the
//! lengths on the wire could guess the secret piece by piece (BREACH). TLS hides no lengths, and
//! the lengths that a proxy sends are not known here. The same is true of streams.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::http::Answer;

/// Shorter answers are sent as they are: they fit into a packet.
const BYTES_MIN: usize = 1024;
/// Bytes of a step, some 0.3 ms.
const STEP_BYTES: usize = 32 * 1024;

/// An answer that is being compressed. Memory: the body, the result, and 0.4 MB of tables until the
/// end.
pub struct AnswerCompressor {
    answer: Answer,
    /// Bytes of the body that are compressed.
    at: usize,
    encoder: GzEncoder<Vec<u8>>,
}

impl AnswerCompressor {
    /// Begins with an answer; `Err`: it is too short to gain.
    pub fn begin(answer: Answer) -> Result<AnswerCompressor, Answer> {
        if answer.body.len() < BYTES_MIN {
            return Err(answer);
        }
        let encoder = GzEncoder::new(Vec::new(), Compression::fast());
        Ok(AnswerCompressor {
            answer,
            at: 0,
            encoder,
        })
    }

    /// Compresses the next part; the answer when all of it is compressed. O([`STEP_BYTES`]).
    pub fn step(&mut self) -> Option<Answer> {
        let rest = &self.answer.body[self.at..];
        let step = &rest[..rest.len().min(STEP_BYTES)];
        // Writing to memory does not fail; if it did, the answer would leave as it is.
        let wrote = self.encoder.write_all(step);
        self.at += step.len();
        if wrote.is_ok() && self.at < self.answer.body.len() {
            return None;
        }
        let mut answer = std::mem::replace(&mut self.answer, Answer::json(Vec::new()));
        if wrote.is_ok() && self.encoder.try_finish().is_ok() {
            answer.body = std::mem::take(self.encoder.get_mut());
            answer.headers.push_str("Content-Encoding: gzip\r\n");
        }
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_long_answer_is_packed_in_steps_and_a_short_one_is_not() {
        let body: Vec<u8> = (0..100_000u32)
            .flat_map(|n| n.to_string().into_bytes())
            .collect();
        let mut packing = AnswerCompressor::begin(Answer::json(body.clone())).expect("long");
        let mut steps = 1;
        let answer = loop {
            match packing.step() {
                Some(answer) => break answer,
                None => steps += 1,
            }
        };
        assert_eq!(steps, body.len().div_ceil(STEP_BYTES));
        assert!(answer.headers.contains("Content-Encoding: gzip\r\n"));
        assert!(answer.body.len() < body.len() / 2);
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&answer.body[..])
            .read_to_end(&mut unpacked)
            .expect("gzip");
        assert_eq!(unpacked, body);
        let short = AnswerCompressor::begin(Answer::json(vec![b' '; BYTES_MIN - 1]));
        assert!(short.is_err_and(|answer| answer.headers.is_empty()));
    }
}
