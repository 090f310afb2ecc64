//! Events of a stream as frames of `text/event-stream`, and the messages that they show.
//!
//!     id: N | event: NAME | data: JSON | empty line          a frame; HEARTBEAT is a comment
//!
//! [`Messages`] reads the RESP that a subscriber is sent, cut anywhere, and gives the JSON of each
//! published message; other replies are skipped. Of each part it keeps 16 KiB and counts the rest,
//! so that memory does not grow with a message. Which events a stream has: `server::console`.

use super::json;
use russet_resp::{ReplyHead, Text};

/// Bytes of a channel, a pattern or a message that an event shows.
pub const SHOWN_BYTES_MAX: usize = 16 * 1024;

/// Appends an event; `data` is JSON, which has no line ends.
pub fn write(id: u64, event: &str, data: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("id: {id}\nevent: {event}\ndata: ").as_bytes());
    out.extend_from_slice(data);
    out.extend_from_slice(b"\n\n");
}

/// A comment, which keeps the connection alive.
pub const HEARTBEAT: &[u8] = b":\n\n";

/// A string of which no more than [`SHOWN_BYTES_MAX`] are kept.
#[derive(Debug, Default)]
struct Part {
    bytes: Vec<u8>,
    /// The whole length of the part.
    length: usize,
}

impl Part {
    /// The bytes to show; a cut does not split a character of UTF-8.
    fn shown(&self) -> &[u8] {
        match std::str::from_utf8(&self.bytes) {
            Err(e) if self.bytes.len() < self.length && e.error_len().is_none() => {
                &self.bytes[..e.valid_up_to()]
            }
            _ => &self.bytes,
        }
    }
}

/// Reads the output of a subscriber in pieces: published messages and other replies. Long parts are
/// counted and not kept. O(bytes shown + pieces) for a message, however long it is.
#[derive(Debug, Default)]
pub struct Messages {
    /// The beginning of a line.
    line: Vec<u8>,
    /// The parts of the message so far.
    parts: Vec<Part>,
    /// Parts to come.
    missing: usize,
    /// Bytes of the last part to come, with the line end.
    text: usize,
}

/// Bytes to keep of a line: a length, or a short reply.
const LINE_BYTES_MAX: usize = 64;

impl Messages {
    /// Reads a piece; `take` is given the JSON of each message that ends in it.
    pub fn push(&mut self, mut piece: &[u8], mut take: impl FnMut(Vec<u8>)) {
        while !piece.is_empty() {
            if self.text > 0 {
                let n = self.text.min(piece.len());
                if let Some(part) = self.parts.last_mut() {
                    let kept = part.length.min(SHOWN_BYTES_MAX) - part.bytes.len();
                    part.bytes.extend_from_slice(&piece[..n.min(kept)]);
                }
                self.text -= n;
                piece = &piece[n..];
            } else {
                let end = memchr::memchr(b'\n', piece);
                let n = end.map_or(piece.len(), |end| end + 1);
                let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
                self.line.extend_from_slice(&piece[..n.min(room)]);
                piece = &piece[n..];
                if end.is_none() {
                    return;
                }
                let line = std::mem::take(&mut self.line);
                self.begin(line.trim_ascii_end());
            }
            if self.text == 0 && self.missing == 0 {
                let parts = std::mem::take(&mut self.parts);
                if let Some(data) = message_of(&parts) {
                    take(data);
                }
            }
        }
    }

    /// Begins a part with the line of the part's head. If a part is no string, such as the count of
    /// subscriptions, the reply is no message.
    fn begin(&mut self, line: &[u8]) {
        match ReplyHead::parse(line) {
            Ok(ReplyHead::Values(_, count)) => (self.missing, self.parts) = (count, Vec::new()),
            Ok(ReplyHead::Bytes(Text::Bulk, length)) => {
                self.missing = self.missing.saturating_sub(1);
                self.text = length.saturating_add(2);
                let bytes = Vec::new();
                self.parts.push(Part { bytes, length });
            }
            _ => {
                self.missing = self.missing.saturating_sub(1);
                self.parts.push(Part::default());
            }
        }
    }
}

/// A published message as JSON: `{"channel":..,"pattern":..,"message":..}`, and the message's
/// length as `bytes` if the message is cut; `None`: another reply.
fn message_of(parts: &[Part]) -> Option<Vec<u8>> {
    let (channel, pattern, message) = match parts {
        [kind, channel, text] if matches!(&kind.bytes[..], b"message" | b"smessage") => {
            (channel, None, text)
        }
        [kind, pattern, channel, text] if kind.bytes == b"pmessage" => {
            (channel, Some(pattern), text)
        }
        _ => return None,
    };
    let mut out = json::object();
    json::write_bytes(channel.shown(), out.name("channel"));
    match pattern {
        Some(pattern) => json::write_bytes(pattern.shown(), out.name("pattern")),
        None => out.name("pattern").extend_from_slice(b"null"),
    }
    json::write_bytes(message.shown(), out.name("message"));
    if message.shown().len() < message.length {
        out = out.number("bytes", message.length as u64);
    }
    Some(out.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<String> {
        let (mut messages, mut all) = (Messages::default(), Vec::new());
        for piece in pieces {
            messages.push(piece, |data| {
                all.push(String::from_utf8(data).expect("UTF-8"))
            });
        }
        all
    }

    #[test]
    fn a_message_is_one_line_whatever_it_holds() {
        let bytes = b">3\r\n$7\r\nmessage\r\n$3\r\na\nb\r\n$3\r\n\r\n\xff\r\n";
        let wanted = r#"{"channel":"a\nb","pattern":null,"message":{"b":"DQr/"}}"#;
        assert_eq!(read(&[bytes]), [wanted]);
        for cut in 0..bytes.len() {
            assert_eq!(read(&[&bytes[..cut], &bytes[cut..]]), [wanted], "{cut}");
        }
        let mut out = Vec::new();
        write(7, "message", wanted.as_bytes(), &mut out);
        let text = String::from_utf8(out).expect("UTF-8");
        assert_eq!(text, format!("id: 7\nevent: message\ndata: {wanted}\n\n"));
    }

    #[test]
    fn other_replies_are_left_out() {
        let bytes = b">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n+OK\r\n*0\r\n_\r\n\
            >4\r\n$8\r\npmessage\r\n$2\r\nc*\r\n$1\r\nc\r\n$0\r\n\r\n";
        let wanted = r#"{"channel":"c","pattern":"c*","message":""}"#;
        assert_eq!(read(&[bytes]), [wanted]);
    }

    #[test]
    fn a_long_message_is_cut_between_characters_and_marked() {
        let text = "\u{e9}".repeat(SHOWN_BYTES_MAX);
        let head = format!(">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n${}\r\nx", text.len() + 1);
        let reported = read(&[head.as_bytes(), text.as_bytes(), b"\r\n"]);
        let value: serde_json::Value = serde_json::from_str(&reported[0]).expect("JSON");
        assert_eq!(value["bytes"], 2 * SHOWN_BYTES_MAX + 1);
        let shown = value["message"].as_str().expect("text");
        assert_eq!(shown.len(), SHOWN_BYTES_MAX - 1);
        assert!(reported[0].len() < 2 * SHOWN_BYTES_MAX);
    }
}
