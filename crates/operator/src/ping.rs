//! `russet ping`: whether a server answers. For health checks: quick, prints a single line.
//!
//! A connection and a PING; with `--pid`, for each place where the process listens, of which the
//! best answer counts. Alive is not the same as well: a server that demands a password, or whose
//! script runs for long, counts as alive. If the answer is not RESP, a second connection sends the
//! beginning of a TLS handshake, so that the error can name the missing option. Cost: each step
//! ends within `Target::limit`. How a link is opened: `operator::link`.

use std::io;
use std::time::Instant;

use super::listening::places;
use super::{OperatorLink, Target};
use russet_net::DialledStream;
use russet_resp::ReplyValue;

/// The text to print and the exit status: 0 if the server answers, 1 if it does not, or not yet.
///
/// A server that demands a password, or whose script runs for long, counts as alive; of `--pid`
/// also a server that answers under TLS alone.
pub fn run(target: &Target) -> (String, i32) {
    let Some(pid) = target.pid else {
        return run_at(target);
    };
    let places = match places(pid, target) {
        Ok(places) => places,
        Err(error) => return (format!("process {pid}: {error}\n"), 1),
    };
    // The process may also listen for scrapes.
    let alive_under_tls =
        |place: &Target| speaks_tls(place).then(|| ("PONG (TLS)\n".to_owned(), 0));
    let said = places.iter().map(|place| match run_at(place) {
        (said, 0) => (said, 0),
        failed => alive_under_tls(place).unwrap_or(failed),
    });
    let best = said.min_by_key(|(_, code)| *code);
    best.unwrap_or_else(|| (format!("process {pid} listens nowhere\n"), 1))
}

fn run_at(target: &Target) -> (String, i32) {
    match ask(target) {
        Ok(ReplyValue::Simple(pong) | ReplyValue::Bulk(pong)) => (line(&pong), 0),
        Ok(ReplyValue::Error(why)) => {
            // A password it wants, or a long script: it lives, and answers.
            let is_well = [&b"NOAUTH"[..], b"BUSY"]
                .iter()
                .any(|start| why.starts_with(start));
            (line(&why), i32::from(!is_well))
        }
        Ok(other) => (format!("not an answer to PING: {other:?}\n"), 1),
        Err(error) => (
            format!("{}: {}\n", place(target), explain(target, &error)),
            1,
        ),
    }
}

/// Why there is no answer, in words that help.
pub(super) fn explain(target: &Target, error: &io::Error) -> String {
    let is_plain = target.tls.is_none();
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            if is_plain && speaks_tls(target) =>
        {
            "it speaks TLS: add --tls --cacert FILE, or name its configuration file".to_owned()
        }
        io::ErrorKind::InvalidData if is_plain => {
            format!("another program uses the port and does not speak Redis's protocol ({error})")
        }
        _ => error.to_string(),
    }
}

/// Whether the other end answers the beginning of a TLS handshake, with an alert or anything else
/// of TLS.
fn speaks_tls(target: &Target) -> bool {
    const ALERT: u8 = 21;
    const HANDSHAKE: u8 = 22;
    const BODY_BYTES: u8 = 41;
    // A ClientHello of version 1.2 with one suite and no extensions, which no server agrees to.
    let mut hello = vec![
        HANDSHAKE,
        3,
        1,
        0,
        BODY_BYTES + 4,
        1,
        0,
        0,
        BODY_BYTES,
        3,
        3,
    ];
    hello.extend([0; 32]);
    hello.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
    let ask = || {
        let mut link = match &target.socket {
            Some(path) => DialledStream::connect_unix(path)?,
            None => DialledStream::connect(&target.host, target.port, target.limit, None)?,
        };
        link.send(&hello, target.limit)?;
        let mut answer = Vec::new();
        link.read_into(&mut answer, Instant::now() + target.limit)?;
        Ok::<_, io::Error>(answer)
    };
    ask().is_ok_and(|answer| matches!(answer[..], [ALERT | HANDSHAKE, 3, ..]))
}

fn line(text: &[u8]) -> String {
    format!("{}\n", String::from_utf8_lossy(text))
}

fn ask(target: &Target) -> io::Result<ReplyValue> {
    OperatorLink::open(target)?.run("PING")
}

/// The place of the server, as text.
pub(super) fn place(target: &Target) -> String {
    match &target.socket {
        Some(path) => path.display().to_string(),
        None if target.host.contains(':') => format!("[{}]:{}", target.host, target.port),
        None => format!("{}:{}", target.host, target.port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    fn answered(reply: &'static [u8]) -> (String, i32) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let server = std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().expect("it comes");
            let mut asked = [0; 14];
            peer.read_exact(&mut asked).expect("PING");
            peer.write_all(reply).expect("room");
        });
        let target = Target {
            port,
            ..Target::default()
        };
        let said = run(&target);
        server.join().expect("it ends");
        said
    }

    #[test]
    fn the_exit_status_shows_whether_there_was_an_answer() {
        assert_eq!(answered(b"+PONG\r\n"), ("PONG\n".to_owned(), 0));
        assert_eq!(answered(b"-NOAUTH Authentication required.\r\n").1, 0);
        assert_eq!(answered(b"-LOADING wait\r\n").1, 1);
        assert_eq!(answered(b"HTTP/1.1 400\r\n").1, 1);
        assert_eq!(answered(b"").1, 1);
        let nobody = Target {
            port: 1,
            ..Target::default()
        };
        let (said, code) = run(&nobody);
        assert!(said.starts_with("127.0.0.1:1: ") && code == 1, "{said}");
    }
}
