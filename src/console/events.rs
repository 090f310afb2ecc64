//! Events of a stream as frames of `text/event-stream`.

use super::json;

/// Appends one event; `data` is JSON, which has no line ends.
pub fn write(id: u64, event: &str, data: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("id: {id}\nevent: {event}\ndata: ").as_bytes());
    out.extend_from_slice(data);
    out.extend_from_slice(b"\n\n");
}

/// A comment, which keeps the connection alive.
pub const HEARTBEAT: &[u8] = b":\n\n";

/// A message as JSON: `{"channel":..,"pattern":..,"message":..}`.
pub fn message(channel: &[u8], pattern: Option<&[u8]>, message: &[u8]) -> Vec<u8> {
    let mut out = b"{\"channel\":".to_vec();
    json::write_bytes(channel, &mut out);
    out.extend_from_slice(b",\"pattern\":");
    match pattern {
        Some(pattern) => json::write_bytes(pattern, &mut out),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"message\":");
    json::write_bytes(message, &mut out);
    out.push(b'}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_whatever_it_holds() {
        let mut out = Vec::new();
        let data = message(b"a\nb", None, b"\r\n\xff");
        write(7, "message", &data, &mut out);
        let text = String::from_utf8(out).expect("UTF-8");
        let wanted = "id: 7\nevent: message\n\
             data: {\"channel\":\"a\\nb\",\"pattern\":null,\"message\":{\"b\":\"DQr/\"}}\n\n";
        assert_eq!(text, wanted);
    }
}
