//! Replies of one line, cut out of the bytes of a link.

/// Bytes of a line.
pub const LINE_MAX: usize = 1024;

/// A line is longer than [`LINE_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Bytes that have come, of which lines are taken.
#[derive(Debug, Default)]
pub(super) struct Lines {
    input: Vec<u8>,
}

impl Lines {
    pub fn push(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Bytes after the lines that were taken.
    pub fn take_rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.input)
    }

    /// The next line, without its end. Empty lines are skipped: a primary sends newlines to keep
    /// the link alive while it prepares its reply.
    pub fn take(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        // All at once: each removal moves the rest.
        let mut empty = 0;
        while let Some(len) = empty_line(&self.input[empty..]) {
            empty += len;
        }
        self.input.drain(..empty);
        let Some(end) = memchr::memchr(b'\n', &self.input) else {
            return if self.input.len() > LINE_MAX {
                Err(TooLong)
            } else {
                Ok(None)
            };
        };
        if end > LINE_MAX {
            return Err(TooLong);
        }
        let mut line: Vec<u8> = self.input.drain(..=end).collect();
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(line))
    }
}

/// The length of an empty line at the beginning.
fn empty_line(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b'\n', ..] => Some(1),
        [b'\r', b'\n', ..] => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Newlines took time by the square of their number.
    #[test]
    fn empty_lines_are_skipped() {
        let mut lines = Lines::default();
        for (bytes, expected) in [
            (&b"\n\r\n\n"[..], Ok(None)),
            (b"\n\ra\n\r\nb\r", Ok(Some(&b"\ra"[..]))),
            (b"\n\n", Ok(Some(b"b"))),
            (&[b'\n'; 4_000_000], Ok(None)),
            (&[b'x'; LINE_MAX + 1], Err(TooLong)),
        ] {
            lines.push(bytes);
            assert_eq!(lines.take(), expected.map(|line| line.map(<[u8]>::to_vec)));
        }
    }
}
