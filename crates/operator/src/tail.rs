//! `russet tail`: the replication stream of a running server as text.
//!
//!     1732274400.123456 [0 1740] "SET" "a" "1"
//!     time received      | offset: --from with it begins here again
//!                        database; ? before the stream's first SELECT
//!
//! It attaches as a replica whose data ends at the given offset, and never asks for a snapshot: it
//! checks first whether the backlog holds that offset, and leaves if the server wants to send a
//! snapshot. It acknowledges the bytes that it has printed, so that it is not taken for a dead
//! replica. `capa observer`: russet does not count it as a replica that has the data (WAIT,
//! FAILOVER, min-replicas-to-write).

use std::io::{self, ErrorKind, Write};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::ping::place;
use super::{OperatorLink, Target, text};
use russet_replication::{NoRequest, ReplOffset, Request, first_request};
use russet_resp::{ReplyValue, write_request};

/// Between two acknowledgements.
const ACK_PERIOD: Duration = Duration::from_secs(1);
/// A server sends something every `repl-ping-replica-period`; silence for longer is an error.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Prints the stream from the position `from` on, or from its end, until the server or the reader
/// of `out` goes away. Returns the reason and the exit status: 0 if the reader of `out` is gone,
/// else 1.
pub fn run(target: &Target, from: Option<ReplOffset>, out: &mut dyn Write) -> (String, i32) {
    match follow(target, from, out) {
        Ok(()) => (String::new(), 0),
        Err(why) => (format!("{}: {why}\n", place(target)), 1),
    }
}

fn follow(target: &Target, from: Option<ReplOffset>, out: &mut dyn Write) -> Result<(), String> {
    let mut link = OperatorLink::open(target).map_err(|error| error.to_string())?;
    let from = attach(&mut link, from)?;
    let mut tail = Tail {
        offset: from,
        acked: from,
        db: None,
    };
    let (mut got, mut reported) = (Instant::now(), Instant::now());
    loop {
        let asked = tail.print(link.raw().unread(), out)?;
        let Some(asked) = asked else {
            return Ok(());
        };
        if asked || reported.elapsed() >= ACK_PERIOD {
            let offset = tail.acked.to_string();
            let mut ack = Vec::new();
            write_request(
                &mut ack,
                [&b"REPLCONF"[..], b"ACK", offset.as_bytes()].into_iter(),
            );
            let sent = link.raw().send(&ack, target.limit);
            sent.map_err(|error| error.to_string())?;
            reported = Instant::now();
        }
        match link.raw().more(ACK_PERIOD) {
            Ok(_) => got = Instant::now(),
            Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => {
                if got.elapsed() > SILENCE_MAX {
                    return Err("the server has sent nothing for a minute".to_owned());
                }
            }
            Err(error) => return Err(format!("the stream has ended: {error}")),
        }
    }
}

/// Begins the stream; returns its first position.
fn attach(link: &mut OperatorLink<'_>, from: Option<ReplOffset>) -> Result<ReplOffset, String> {
    let mut ask = |words: &[&[u8]]| match link.ask(words) {
        Ok(ReplyValue::Error(why)) => Err(String::from_utf8_lossy(&why).into_owned()),
        Ok(reply) => Ok(text(&reply)),
        Err(error) => Err(error.to_string()),
    };
    let info = ask(&[b"INFO", b"replication"])?;
    let field = |name: &str| {
        let mut lines = info.lines().filter_map(|line| line.split_once(':'));
        lines
            .find(|(field, _)| *field == name)
            .map_or("", |(_, value)| value)
    };
    let number = |name: &str| field(name).parse::<u64>().unwrap_or(0);
    let (first, end) = (
        number("repl_backlog_first_byte_offset"),
        number("master_repl_offset"),
    );
    if field("repl_backlog_active") != "1" {
        return Err("it has no backlog: no replica has ever attached to it".to_owned());
    }
    let from = from.unwrap_or(end);
    let unavailable = || {
        format!(
            "offset {from} is not available: the backlog has {} to {end}",
            first.max(1) - 1
        )
    };
    if !(first..=end + 1).contains(&(from + 1)) {
        return Err(unavailable());
    }
    let capa: [&[u8]; 7] = [
        b"REPLCONF",
        b"capa",
        b"eof",
        b"capa",
        b"psync2",
        b"capa",
        b"observer",
    ];
    ask(&capa)?;
    let next = (from + 1).to_string();
    let reply = ask(&[b"PSYNC", field("master_replid").as_bytes(), next.as_bytes()])?;
    if reply.starts_with("CONTINUE") {
        Ok(from)
    } else {
        // The snapshot is not waited for: the connection ends here.
        Err(unavailable())
    }
}

struct Tail {
    offset: ReplOffset,
    /// The offset before the last request for an acknowledgement, or after the last command.
    acked: ReplOffset,
    db: Option<u32>,
}

impl Tail {
    /// Prints the whole requests that have been received, and removes them. `Some(true)`: the
    /// server asks for an acknowledgement; `None`: the reader of `out` is gone.
    fn print(
        &mut self,
        received: &mut Vec<u8>,
        out: &mut dyn Write,
    ) -> Result<Option<bool>, String> {
        let (mut taken, mut asked, mut lines) = (0, false, Vec::new());
        let time = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        loop {
            let request = match first_request(&received[taken..]) {
                Ok(request) => request,
                Err(NoRequest::Short) => break,
                Err(NoRequest::Invalid) => {
                    let at = self.offset;
                    return Err(format!("the bytes after offset {at} are not a command"));
                }
            };
            self.db = request.selects().or(self.db);
            self.write_line(time, &request, &mut lines);
            let is_getack = request.is(b"REPLCONF");
            self.acked = self.offset + if is_getack { 0 } else { request.len as u64 };
            asked |= is_getack;
            self.offset += request.len as u64;
            taken += request.len;
        }
        received.drain(..taken);
        let written = out.write_all(&lines).and_then(|()| out.flush());
        match written {
            Ok(()) => Ok(Some(asked)),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    fn write_line(&self, time: Duration, request: &Request<'_>, to: &mut Vec<u8>) {
        let db = self.db.map_or("?".to_owned(), |db| db.to_string());
        let (secs, micros) = (time.as_secs(), time.subsec_micros());
        to.extend(format!("{secs}.{micros:06} [{db} {}]", self.offset).bytes());
        for word in &request.words {
            to.extend_from_slice(b" \"");
            for &byte in *word {
                match byte {
                    b'"' | b'\\' => to.extend_from_slice(&[b'\\', byte]),
                    b'\n' => to.extend_from_slice(b"\\n"),
                    b'\r' => to.extend_from_slice(b"\\r"),
                    b'\t' => to.extend_from_slice(b"\\t"),
                    0x20..=0x7e => to.push(byte),
                    _ => to.extend(format!("\\x{byte:02x}").bytes()),
                }
            }
            to.push(b'"');
        }
        to.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_requests_are_printed_with_their_offsets() {
        let mut tail = Tail {
            offset: 100,
            acked: 100,
            db: None,
        };
        let mut received = b"*1\r\n$4\r\nPING\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n\
            *2\r\n$3\r\nDEL\r\n$4\r\na\"\n\x01\r\n*1\r\n$4\r\nEX"
            .to_vec();
        let mut out = Vec::new();
        assert_eq!(tail.print(&mut received, &mut out), Ok(Some(false)));
        let text = String::from_utf8(out).expect("text");
        let ends: Vec<&str> = text
            .lines()
            .filter_map(|line| Some(line.split_once(' ')?.1))
            .collect();
        let wanted = [
            "[? 100] \"PING\"",
            "[3 114] \"SELECT\" \"3\"",
            "[3 137] \"DEL\" \"a\\\"\\n\\x01\"",
        ];
        assert_eq!(ends, wanted);
        assert_eq!(received, b"*1\r\n$4\r\nEX");
        assert_eq!((tail.offset, tail.acked), (160, 160));
        received = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n".to_vec();
        assert_eq!(tail.print(&mut received, &mut Vec::new()), Ok(Some(true)));
        assert_eq!((tail.offset, tail.acked), (197, 160));
        assert!(
            tail.print(&mut b"+OK\r\n".to_vec(), &mut Vec::new())
                .is_err()
        );
    }
}
