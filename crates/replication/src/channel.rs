//! The conversations of a full synchronization by two links, once the primary has asked on the main
//! link for a second link.
//!
//!     Redis 8, rdb channel
//!       second: [AUTH] REPLCONF main-ch-client-id n -> PSYNC ? -1 -> +FULLRESYNC id off  snapshot
//!       main:   the stream from off + 1 on, without another word
//!     Valkey 9, dual channel
//!       second: [AUTH] REPLCONF [REPLCONF ip-address] -> SYNC -> $ENDOFF:off id db n     snapshot
//!       main:   REPLCONF set-rdb-client-id n -> PSYNC id off+1 -> +CONTINUE              stream
//!
//! State machines without I/O, as `handshake`. An error to anything ends the attempt.

use std::collections::VecDeque;

use super::handshake::{Introduction, full_sync, request, shown, write_auth};
use super::history::{Position, ReplId};
use super::lines::{Lines, TooLong};
use russet_base::numbers::number::parse_digits;
use russet_keyspace::DbIndex;

/// How a primary has the two links joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelProtocol {
    /// Redis 8: the second link names the primary's number for the main link.
    RdbChannel {
        /// The primary's number for the main link.
        main: u64,
    },
    /// Valkey 9: the main link names the primary's number for the second link.
    DualChannel,
}

/// The snapshot that the second link brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotAnnouncement {
    /// The position at which the stream continues the snapshot.
    pub position: Position,
    /// The database selected in the stream that follows, if the primary reports it; `None` inside:
    /// the stream selects one first.
    pub selected: Option<Option<DbIndex>>,
    /// The primary's number for the second link, by which the main link joins it.
    pub joined_by: Option<u64>,
}

/// Why a conversation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    #[error("Unable to AUTH to MASTER: {0}")]
    Auth(String),
    #[error("Master does not understand REPLCONF: {0}")]
    Replconf(String),
    #[error("Master replied with an unexpected line on the rdb channel: {0}")]
    Announcement(String),
    #[error("Main channel could not establish PSYNC: {0}")]
    Join(String),
    #[error("a line that is too long instead of a reply")]
    Line,
}

impl From<TooLong> for ChannelError {
    fn from(_: TooLong) -> ChannelError {
        ChannelError::Line
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChannelStage {
    Auth,
    Replconf,
    Announcement,
}

/// The conversation on the second link before the snapshot.
#[derive(Debug)]
pub struct ChannelHandshake {
    dialect: ChannelProtocol,
    awaits: VecDeque<ChannelStage>,
    lines: Lines,
}

impl ChannelHandshake {
    /// Begins the conversation: appends its first bytes to `out`.
    pub fn begin(
        dialect: ChannelProtocol,
        its: &Introduction,
        out: &mut Vec<u8>,
    ) -> ChannelHandshake {
        let mut awaits = VecDeque::new();
        if write_auth(its, out) {
            awaits.push_back(ChannelStage::Auth);
        }
        let port = its.port.to_string();
        let mut words: Vec<&[u8]> = vec![b"REPLCONF", b"capa", b"eof", b"rdb-only", b"1"];
        if its.lz4 {
            words.extend([&b"capa"[..], b"lz4"]);
        }
        words.extend([&b"rdb-channel"[..], b"1"]);
        let main = match dialect {
            ChannelProtocol::RdbChannel { main } => Some(main.to_string()),
            ChannelProtocol::DualChannel => None,
        };
        if let Some(main) = &main {
            words.extend([&b"main-ch-client-id"[..], main.as_bytes()]);
        }
        words.extend([&b"listening-port"[..], port.as_bytes()]);
        request(&words, out);
        awaits.push_back(ChannelStage::Replconf);
        if let (ChannelProtocol::DualChannel, Some(ip)) = (dialect, &its.ip) {
            request(&[b"REPLCONF", b"ip-address", ip], out);
            awaits.push_back(ChannelStage::Replconf);
        }
        ChannelHandshake {
            dialect,
            awaits,
            lines: Lines::default(),
        }
    }

    /// Bytes that came after the last line: the snapshot's.
    pub fn take_rest(&mut self) -> Vec<u8> {
        self.lines.take_rest()
    }

    /// Takes bytes of the primary; appends the bytes to send to it to `out`.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<SnapshotAnnouncement>, ChannelError> {
        self.lines.push(bytes);
        while let Some(awaits) = self.awaits.front().copied() {
            let Some(line) = self.lines.take()? else {
                return Ok(None);
            };
            self.awaits.pop_front();
            match awaits {
                ChannelStage::Auth if line.starts_with(b"-") => {
                    return Err(ChannelError::Auth(shown(&line)));
                }
                ChannelStage::Replconf if line.starts_with(b"-") => {
                    return Err(ChannelError::Replconf(shown(&line)));
                }
                ChannelStage::Auth | ChannelStage::Replconf => {}
                ChannelStage::Announcement => {
                    let announced = self.announced(&line);
                    let error = || ChannelError::Announcement(shown(&line));
                    return announced.ok_or_else(error).map(Some);
                }
            }
            if self.awaits.is_empty() {
                match self.dialect {
                    ChannelProtocol::RdbChannel { .. } => request(&[b"PSYNC", b"?", b"-1"], out),
                    ChannelProtocol::DualChannel => out.extend_from_slice(b"SYNC\r\n"),
                }
                self.awaits.push_back(ChannelStage::Announcement);
            }
        }
        Ok(None)
    }

    fn announced(&self, line: &[u8]) -> Option<SnapshotAnnouncement> {
        match self.dialect {
            ChannelProtocol::RdbChannel { .. } => Some(SnapshotAnnouncement {
                position: full_sync(line.strip_prefix(b"+FULLRESYNC ")?)?,
                selected: None,
                joined_by: None,
            }),
            ChannelProtocol::DualChannel => {
                let rest = line.strip_prefix(b"$ENDOFF:")?;
                let mut words = rest.split(|&b| b == b' ');
                let mut next = || words.next();
                let offset = parse_digits(next()?)?;
                let id = ReplId::parse(next()?)?;
                let selected = match next()? {
                    b"-1" => None,
                    db => Some(DbIndex(u32::try_from(parse_digits(db)?).ok()?)),
                };
                let joined_by = parse_digits(next()?)?;
                Some(SnapshotAnnouncement {
                    position: Position { id, offset },
                    selected: Some(selected),
                    joined_by: Some(joined_by),
                })
            }
        }
    }
}

/// The conversation on the main link of the Valkey dialect, until the stream comes.
///
/// PSYNC leaves after the reply to REPLCONF: a primary refuses it while replies wait to be sent.
#[derive(Debug)]
pub struct Join {
    at: Position,
    has_named: bool,
    lines: Lines,
}

impl Join {
    /// Begins the conversation: names the second link.
    pub fn begin(number: u64, at: Position, out: &mut Vec<u8>) -> Join {
        let number = number.to_string();
        request(&[b"REPLCONF", b"set-rdb-client-id", number.as_bytes()], out);
        Join {
            at,
            has_named: false,
            lines: Lines::default(),
        }
    }

    /// Takes bytes of the primary; appends the bytes to send to it to `out`. `Some`: the link has
    /// joined, and these bytes are the stream's.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Vec<u8>>, ChannelError> {
        self.lines.push(bytes);
        while let Some(line) = self.lines.take()? {
            if !self.has_named && line.starts_with(b"+") {
                self.has_named = true;
                let (id, next) = (self.at.id.to_string(), (self.at.offset + 1).to_string());
                request(&[b"PSYNC", id.as_bytes(), next.as_bytes()], out);
            } else if self.has_named && line.starts_with(b"+CONTINUE") {
                return Ok(Some(self.lines.take_rest()));
            } else {
                return Err(ChannelError::Join(shown(&line)));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn its() -> Introduction {
        Introduction {
            port: 7,
            ip: Some(b"::1".to_vec()),
            ..Introduction::default()
        }
    }

    /// The replies in pieces of `step` bytes.
    fn talk(
        dialect: ChannelProtocol,
        its: &Introduction,
        replies: &str,
        step: usize,
    ) -> (
        Result<Option<SnapshotAnnouncement>, ChannelError>,
        String,
        Vec<u8>,
    ) {
        let mut out = Vec::new();
        let mut handshake = ChannelHandshake::begin(dialect, its, &mut out);
        let mut end = Ok(None);
        for piece in replies.as_bytes().chunks(step) {
            match end {
                Ok(None) => end = handshake.receive(piece, &mut out),
                _ => handshake.lines.push(piece),
            }
        }
        let sent = String::from_utf8(out).expect("text").replace("\r\n", " ");
        (end, sent, handshake.take_rest())
    }

    #[test]
    fn each_dialect_has_its_words() {
        let id = ReplId::random();
        let position = Position { id, offset: 41 };
        let redis = format!("+OK\r\n\n\n+FULLRESYNC {id} 41\r\n\n$EOF:");
        for step in 1..redis.len() {
            let dialect = ChannelProtocol::RdbChannel { main: 12 };
            let (end, sent, rest) = talk(dialect, &its(), &redis, step);
            let wanted = SnapshotAnnouncement {
                position,
                selected: None,
                joined_by: None,
            };
            assert_eq!(end, Ok(Some(wanted)));
            assert_eq!(
                sent,
                "*11 $8 REPLCONF $4 capa $3 eof $8 rdb-only $1 1 $11 rdb-channel $1 1 \
                 $17 main-ch-client-id $2 12 $14 listening-port $1 7 *3 $5 PSYNC $1 ? $2 -1 "
            );
            assert_eq!(rest, b"\n$EOF:");
        }
        for (db, selected) in [("-1", None), ("3", Some(DbIndex(3)))] {
            let valkey = format!("+OK\r\n+OK\r\n+OK\r\n\n$ENDOFF:41 {id} {db} 9\r\n$EOF:");
            let its = Introduction {
                password: Some(b"secret".to_vec()),
                ..its()
            };
            let (end, sent, rest) = talk(ChannelProtocol::DualChannel, &its, &valkey, 5);
            let wanted = SnapshotAnnouncement {
                position,
                selected: Some(selected),
                joined_by: Some(9),
            };
            assert_eq!(end, Ok(Some(wanted)));
            assert!(sent.starts_with("*2 $4 AUTH $6 secret *9 "), "{sent}");
            assert!(sent.ends_with("$10 ip-address $3 ::1 SYNC "), "{sent}");
            assert_eq!(rest, b"$EOF:");
        }
    }

    #[test]
    fn an_error_ends_it() {
        let redis = ChannelProtocol::RdbChannel { main: 1 };
        for (dialect, replies) in [
            (redis, "-ERR Unrecognized RDB client id: 1\r\n"),
            (redis, "+OK\r\n-ERR no\r\n"),
            (redis, "+OK\r\n+FULLRESYNC x 1\r\n"),
            (redis, "+OK\r\n+RDBCHANNELSYNC 5\r\n"),
            (ChannelProtocol::DualChannel, "+OK\r\n+OK\r\n$EOF:\r\n"),
            (
                ChannelProtocol::DualChannel,
                "+OK\r\n+OK\r\n$ENDOFF:1 x 0 1\r\n",
            ),
        ] {
            assert!(talk(dialect, &its(), replies, 3).0.is_err(), "{replies}");
        }
        let long = "+".repeat(2000);
        assert_eq!(talk(redis, &its(), &long, 99).0, Err(ChannelError::Line));
    }

    #[test]
    fn the_main_link_joins_by_number() {
        let at = Position {
            id: ReplId::random(),
            offset: 41,
        };
        let joined = |replies: &[u8], step: usize| {
            let (mut out, mut stream) = (Vec::new(), None::<Vec<u8>>);
            let mut join = Join::begin(9, at, &mut out);
            for piece in replies.chunks(step) {
                match &mut stream {
                    Some(stream) => stream.extend_from_slice(piece),
                    None => stream = join.receive(piece, &mut out)?,
                }
            }
            let sent = String::from_utf8(out).expect("text").replace("\r\n", " ");
            Ok::<_, ChannelError>((stream, sent))
        };
        for step in 1..30 {
            let stream = joined(b"+OK\r\n\n+CONTINUE x\r\n*1\r\n$4\r\nPING", step);
            let (stream, sent) = stream.expect("joined");
            assert_eq!(stream, Some(b"*1\r\n$4\r\nPING".to_vec()));
            assert_eq!(
                sent,
                format!(
                    "*3 $8 REPLCONF $17 set-rdb-client-id $1 9 *3 $5 PSYNC $40 {} $2 42 ",
                    at.id
                )
            );
        }
        assert_eq!(joined(b"+OK\r\n", 2).map(|(stream, _)| stream), Ok(None));
        assert!(joined(b"\n", 2).is_ok_and(|(_, sent)| !sent.contains("PSYNC")));
        for replies in [
            "-ERR no\r\n",
            "+OK\r\n+FULLRESYNC x 1\r\n",
            "+OK\r\n-ERR\r\n",
        ] {
            assert!(joined(replies.as_bytes(), 4).is_err(), "{replies}");
        }
    }
}
