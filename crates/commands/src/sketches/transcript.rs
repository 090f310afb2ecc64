//! Plays recorded lines against a server in the process, and compares the replies.

use crate::testbed::{AllCommands as _, Testbed};

/// The words of a line, split at spaces; `''` is an empty word.
fn words(line: &str) -> Vec<Vec<u8>> {
    let words = line.split(' ').filter(|word| !word.is_empty());
    words
        .map(|word| if word == "''" { "" } else { word })
        .map(|word| word.as_bytes().to_vec())
        .collect()
}

/// A line's reply, with spaces for line ends and other bytes escaped.
pub(crate) fn reply_to(t: &mut Testbed, line: &str) -> String {
    let words = words(line);
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    shown(&t.run_args(&words))
}

fn shown(reply: &[u8]) -> String {
    let mut out = String::new();
    let mut rest = reply.strip_suffix(b"\r\n").unwrap_or(reply);
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'\r' && rest.first() == Some(&b'\n') {
            rest = &rest[1..];
            out.push(' ');
        } else {
            out.extend(byte.escape_ascii().map(char::from));
        }
    }
    out
}

/// Plays lines in both protocols, each in an empty database with the string `str`.
pub(crate) fn play(answers: &str) {
    let mut wrong = Vec::new();
    for resp3 in [false, true] {
        let mut t = Testbed::new();
        t.run(if resp3 { "HELLO 3" } else { "HELLO 2" });
        t.run("SET str x");
        for row in answers.lines() {
            let Some((line, replies)) = row.split_once("  =>  ") else {
                assert!(row.is_empty() || row.starts_with('#'), "{row}");
                continue;
            };
            let (of_resp2, of_resp3) = replies
                .split_once("  RESP3  ")
                .unwrap_or((replies, replies));
            let expected = if resp3 { of_resp3 } else { of_resp2 };
            let got = reply_to(&mut t, line);
            if got != expected {
                wrong.push(format!("{line}\n  expected {expected}\n  got      {got}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs lines, and checks the reply of each.
pub(crate) fn converse(t: &mut Testbed, lines: &[(&str, &str)]) {
    for (line, expected) in lines {
        assert_eq!(reply_to(t, line), *expected, "{line}");
    }
}

/// The payload of a key.
pub(crate) fn payload(t: &mut Testbed, key: &str) -> Vec<u8> {
    let reply = t.run_args(&[b"DUMP", key.as_bytes()]);
    let start = reply.iter().position(|byte| *byte == b'\n').expect("bulk") + 1;
    reply[start..reply.len() - 2].to_vec()
}

/// Bytes from hexadecimal digits.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let digits = digits.as_bytes().chunks(2);
    let byte = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok();
    digits.map(|two| byte(two).expect("two digits")).collect()
}

/// Makes a value by lines, and checks that its payload equals Redis's payload, and that this
/// payload makes the same value again.
pub(crate) fn check_payload(lines: &[&str], key: &str, of_redis: &str) {
    let mut t = Testbed::new();
    t.run("CONFIG SET rdbcompression no");
    for line in lines {
        let reply = t.run(line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    }
    let of_redis = hex(of_redis);
    let own = payload(&mut t, key);
    // Version and checksum differ with the release.
    assert_eq!(own[..own.len() - 10], of_redis[..of_redis.len() - 10]);
    let restored = t.run_args(&[b"RESTORE", b"again", b"0", &of_redis]);
    assert_eq!(restored, b"+OK\r\n");
    assert_eq!(payload(&mut t, "again"), own);
}

/// Refuses a payload, whose version and checksum are added here.
pub(crate) fn check_refused(what: &str, fields: &[u8]) {
    let mut t = Testbed::new();
    let mut payload = fields.to_vec();
    russet_persistence::rdb::seal(&mut payload, 12);
    let reply = t.run_args(&[b"RESTORE", b"k", b"0", &payload]);
    assert_eq!(reply, b"-ERR Bad data format\r\n", "{what}");
}
