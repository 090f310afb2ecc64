//! The console: it understands a request in the same way however the bytes arrive, refuses a call
//! or finds known fields in it, and every reply is JSON.

use super::input::Input;
use russet_console::calls::{CommandCall, Login, StreamCall};
use russet_console::doors::Doors;
use russet_console::http::{self, BODY_BYTES_MAX, HEAD_BYTES_MAX};
use russet_console::json;

/// The first byte chooses what the other bytes are: a request, a call's body, or a reply.
pub fn console(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    match input.byte() % 3 {
        0 => request(input.rest()),
        1 => body(input.rest()),
        _ => reply(input.rest()),
    }
}

fn request(bytes: &[u8]) {
    let Ok(Some(head)) = http::parse(bytes) else {
        return;
    };
    assert!(head.bytes <= bytes.len().min(HEAD_BYTES_MAX));
    assert!(head.body <= BODY_BYTES_MAX);
    for end in 0..head.bytes {
        assert_eq!(http::parse(&bytes[..end]), Ok(None), "{end}");
    }
    let doors = Doors {
        hosts: &["admin.example".into()],
        is_tls: bytes.len().is_multiple_of(2),
    };
    if doors.pass(&head).is_ok() {
        assert!(doors.named(&head.host).is_some());
    }
    body(&bytes[head.bytes..]);
}

fn body(bytes: &[u8]) {
    if let Ok(call) = CommandCall::parse(bytes) {
        assert!(call.commands.iter().all(|command| !command.is_empty()));
    }
    if let Ok(call) = StreamCall::parse(bytes) {
        assert!(call.subscriptions.iter().all(|command| command.len() > 1));
    }
    // A login has both fields, or is refused.
    let _ = Login::parse(bytes);
}

fn reply(bytes: &[u8]) {
    let mut out = Vec::new();
    let Ok(taken) = json::write_reply(bytes, &mut out) else {
        return;
    };
    assert!(taken <= bytes.len());
    let depth = out
        .iter()
        .filter(|&&byte| matches!(byte, b'[' | b'{'))
        .count();
    // The JSON reader has its own limit.
    if depth < 100 {
        let parsed: Result<serde_json::Value, _> = serde_json::from_slice(&out);
        assert!(parsed.is_ok(), "{}", String::from_utf8_lossy(&out));
    }
}
