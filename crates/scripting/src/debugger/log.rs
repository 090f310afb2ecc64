//! The lines that wait to be sent to the client that debugs.
//!
//! `maxlen` cuts values and replies; a hint says so once. Beyond [`WAITING_MAX`] lines are left
//! out, and counted: a script may log for long without a stop.

/// Bytes of the lines that wait, at most.
pub(super) const WAITING_MAX: usize = 4 << 20;

/// `maxlen` as a session begins, and the least that it takes.
const MAXLEN_DEFAULT: usize = 256;
const MAXLEN_MIN: usize = 60;

const HINT: &[u8] = b"<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming.";

/// See the module.
pub(super) struct Log {
    lines: Vec<Vec<u8>>,
    bytes: usize,
    left_out: usize,
    /// Longer lines are cut; 0: none is.
    maxlen: usize,
    has_hinted: bool,
}

impl Default for Log {
    fn default() -> Log {
        Log {
            lines: Vec::new(),
            bytes: 0,
            left_out: 0,
            maxlen: MAXLEN_DEFAULT,
            has_hinted: false,
        }
    }
}

impl Log {
    pub fn maxlen(&self) -> usize {
        self.maxlen
    }

    /// Sets `maxlen`: 0, or at least 60.
    pub fn set_maxlen(&mut self, bytes: i64) {
        self.maxlen = match usize::try_from(bytes) {
            Ok(0) => 0,
            Ok(bytes) => bytes.max(MAXLEN_MIN),
            Err(_) => MAXLEN_MIN,
        };
    }

    pub fn push(&mut self, line: Vec<u8>) {
        if self.bytes + line.len() > WAITING_MAX {
            self.left_out += 1;
            return;
        }
        self.bytes += line.len();
        self.lines.push(line);
    }

    pub fn push_cut(&mut self, mut line: Vec<u8>) {
        let is_cut = self.maxlen > 0 && line.len() > self.maxlen;
        if is_cut {
            line.truncate(self.maxlen);
            line.extend_from_slice(b" ...");
        }
        self.push(line);
        if is_cut && !std::mem::replace(&mut self.has_hinted, true) {
            self.push(HINT.to_vec());
        }
    }

    /// Takes all lines.
    pub fn take(&mut self) -> Vec<Vec<u8>> {
        let left_out = std::mem::take(&mut self.left_out);
        self.bytes = 0;
        let mut lines = std::mem::take(&mut self.lines);
        if left_out > 0 {
            lines.push(format!("<hint> {left_out} more lines are left out.").into_bytes());
        }
        lines
    }

    /// Takes all lines as a reply.
    pub fn answer(&mut self) -> Vec<u8> {
        encode(&self.take())
    }
}

/// Lines as the client that debugs gets them: an array of status lines, in which line ends become
/// blanks.
pub fn encode(lines: &[Vec<u8>]) -> Vec<u8> {
    let mut reply = format!("*{}\r\n", lines.len()).into_bytes();
    for line in lines {
        reply.push(b'+');
        let blank = |b: &u8| match b {
            b'\r' | b'\n' => b' ',
            b => *b,
        };
        reply.extend(line.iter().map(blank));
        reply.extend_from_slice(b"\r\n");
    }
    reply
}
