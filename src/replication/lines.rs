//! Replies of one line, cut out of the bytes of a link.

/// Bytes of one line.
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
        loop {
            let Some(end) = memchr::memchr(b'\n', &self.input) else {
                return match self.input.len() > LINE_MAX {
                    true => Err(TooLong),
                    false => Ok(None),
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
            if !line.is_empty() {
                return Ok(Some(line));
            }
        }
    }
}
