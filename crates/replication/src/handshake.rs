//! A replica's conversation with its primary, up to the snapshot or the stream.
//!
//!     PING -> [AUTH] -> REPLCONF ... -> PSYNC -> +CONTINUE           the stream follows
//!                                             -> +FULLRESYNC         the payload follows
//!                                             -> +RDBCHANNELSYNC, +DUALCHANNELSYNC
//!                                                                    a second link brings it
//!                                             -> -ERR -> SYNC        the payload follows
//!
//! A state machine without I/O: bytes of the primary in ([`Handshake::receive`]), bytes for it out.
//! Bytes after the last line of the conversation stay in [`Handshake::take_rest`].
//!
//! A line of the primary is bounded ([`LINE_MAX`]). Errors to REPLCONF are ignored, because each
//! make knows words that others do not; an error to PING or PSYNC that means "later" ends the
//! attempt.

use std::collections::VecDeque;

use super::channel::ChannelProtocol;
use super::history::{Position, ReplId, ReplOffset};
use super::lines::{LINE_MAX, Lines};
use russet_base::numbers::number::parse_digits;
use russet_base::text::Printable;
use russet_host::Level;
use russet_resp::write_request;

/// The replica's introduction, and its request.
#[derive(Clone, Debug, Default)]
pub struct Introduction {
    /// `masteruser`, `masterauth`.
    pub user: Option<Vec<u8>>,
    /// The password, sent by AUTH, if set; alone, if there is no user.
    pub password: Option<Vec<u8>>,
    /// The port under which it is announced.
    pub port: u16,
    /// `replica-announce-ip`.
    pub ip: Option<Vec<u8>>,
    /// It can receive snapshot and stream at the same time, by two links: as Redis 8 does it, and
    /// as Valkey 9 does it.
    pub rdb_channel: bool,
    /// See `rdb_channel`: the way of Valkey 9.
    pub dual_channel: bool,
    /// It can receive both compressed (Valkey 9.2).
    pub lz4: bool,
    /// The dialect of log lines; in Valkey's the replica names its release.
    pub dialect: russet_config::Dialect,
    /// The id as a node of a cluster, if it announces its id (Valkey).
    pub node_id: Option<Vec<u8>>,
    /// The position of its data. `None`: it needs everything.
    pub from: Option<Position>,
    /// A former primary asks the replica at the other end to take over (FAILOVER).
    pub failover: bool,
    /// The request by which a node of a group introduces itself (`quorum::Word::Quorum`). The
    /// server then decides whether the primary is followed.
    pub quorum: Option<Vec<u8>>,
}

/// How the conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeOutcome {
    /// The stream continues where our data ends; with the id of the history, unless it is the same.
    Continue(Option<ReplId>),
    /// A snapshot follows on this link; after it, the stream from this position on.
    FullSync(Position),
    /// As `FullSync`, from a server that knows no PSYNC: without a position, and it wants no ACKs.
    Sync,
    /// The snapshot comes by a second link.
    TwoChannels(ChannelProtocol),
}

/// Why the conversation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The error with which PING was answered, unless it was an authentication error.
    #[error("Error reply to PING from master: '{0}'")]
    Ping(String),
    /// The error with which AUTH was answered.
    #[error("Unable to AUTH to MASTER: {0}")]
    Auth(String),
    /// Later it may: -NOMASTERLINK, -LOADING.
    #[error("MASTER aborted replication with an error: {0}")]
    Later(String),
    /// More bytes without a line's end than a reply can have.
    #[error("a line of more than {LINE_MAX} bytes instead of a reply")]
    Line,
    /// +FULLRESYNC without an id and an offset, or +RDBCHANNELSYNC without a number.
    #[error("Master replied with wrong +FULLRESYNC syntax.")]
    FullSync,
    /// +CONTINUE, though no position was named.
    #[error("the primary continues a history that was not asked for")]
    Continues,
    /// The replica that is asked to take over does not continue our history.
    #[error("Failover target rejected psync request")]
    FailoverRejected,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HandshakeStage {
    Pong,
    Auth,
    /// The reply to a REPLCONF, which may be an error.
    Replconf,
    /// The reply to the introduction of a node of a group.
    Quorum,
    /// The server's decision about that reply ([`Handshake::accept`]).
    Decision,
    Psync,
}

/// See the module.
#[derive(Debug)]
pub struct Handshake {
    introduction: Introduction,
    /// Replies that the primary owes us, in their order.
    awaits: VecDeque<HandshakeStage>,
    lines: Lines,
    log: Vec<(Level, String)>,
    /// The reply to the introduction of a node of a group, until it is taken.
    quorum_answer: Option<Vec<u8>>,
}

/// Appends a request.
pub(super) fn request(words: &[&[u8]], out: &mut Vec<u8>) {
    write_request(out, words.iter().copied());
}

/// AUTH, if there is a password.
pub(super) fn write_auth(its: &Introduction, out: &mut Vec<u8>) -> bool {
    let Some(password) = &its.password else {
        return false;
    };
    match &its.user {
        Some(user) => request(&[b"AUTH", user, password], out),
        None => request(&[b"AUTH", password], out),
    }
    true
}

impl Handshake {
    /// Begins the conversation: appends its first bytes to `out`.
    pub fn begin(introduction: Introduction, out: &mut Vec<u8>) -> Handshake {
        request(&[b"PING"], out);
        Handshake {
            introduction,
            awaits: VecDeque::from([HandshakeStage::Pong]),
            lines: Lines::default(),
            log: Vec::new(),
            quorum_answer: None,
        }
    }

    /// The reply of the primary to the introduction of a node of a group, with its type byte,
    /// once. [`Handshake::accept`] continues the conversation.
    pub fn take_quorum_answer(&mut self) -> Option<Vec<u8>> {
        self.quorum_answer.take()
    }

    /// The primary may be followed: asks for the stream.
    pub fn accept(&mut self, out: &mut Vec<u8>) {
        if self.awaits.front() == Some(&HandshakeStage::Decision) {
            self.awaits.pop_front();
            self.ask(out);
        }
    }

    /// Lines for the log since the last time.
    pub fn take_log(&mut self) -> Vec<(Level, String)> {
        std::mem::take(&mut self.log)
    }

    /// Bytes that came after the conversation's last line.
    pub fn take_rest(&mut self) -> Vec<u8> {
        self.lines.take_rest()
    }

    /// Takes bytes of the primary; appends the bytes to send to it to `out`.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<HandshakeOutcome>, HandshakeError> {
        self.lines.push(bytes);
        while let Some(awaits) = self.awaits.front().copied() {
            if awaits == HandshakeStage::Decision {
                return Ok(None);
            }
            let line = self.lines.take().map_err(|_| HandshakeError::Line)?;
            let Some(line) = line else {
                return Ok(None);
            };
            self.awaits.pop_front();
            if let Some(agreed) = self.take_reply(awaits, &line, out)? {
                return Ok(Some(agreed));
            }
            if self.awaits.is_empty() {
                self.ask(out);
            }
        }
        Ok(None)
    }

    fn take_reply(
        &mut self,
        awaits: HandshakeStage,
        line: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<HandshakeOutcome>, HandshakeError> {
        match awaits {
            HandshakeStage::Pong => self.take_pong(line, out).map(|()| None),
            HandshakeStage::Auth if line.starts_with(b"-") => {
                Err(HandshakeError::Auth(shown(line)))
            }
            HandshakeStage::Auth => Ok(None),
            HandshakeStage::Replconf => {
                if line.starts_with(b"-") {
                    let [_, master, _] = self.introduction.dialect.primary_words();
                    let why = shown(line);
                    self.log.push((
                        Level::Notice,
                        format!("(Non critical) {master} does not understand REPLCONF: {why}"),
                    ));
                }
                Ok(None)
            }
            HandshakeStage::Quorum => {
                self.quorum_answer = Some(line.to_vec());
                self.awaits.push_back(HandshakeStage::Decision);
                Ok(None)
            }
            HandshakeStage::Decision => Ok(None),
            HandshakeStage::Psync => self.take_psync(line, out),
        }
    }

    fn take_pong(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<(), HandshakeError> {
        const ANSWERED: [&[u8]; 4] = [
            b"+",
            b"-NOAUTH",
            b"-NOPERM",
            b"-ERR operation not permitted",
        ];
        if !ANSWERED.iter().any(|start| line.starts_with(start)) {
            return Err(HandshakeError::Ping(shown(line)));
        }
        let [_, master, _] = self.introduction.dialect.primary_words();
        self.log.push((
            Level::Notice,
            format!("{master} replied to PING, replication can continue..."),
        ));
        self.introduce(out);
        Ok(())
    }

    /// Everything between PING and PSYNC leaves at once.
    fn introduce(&mut self, out: &mut Vec<u8>) {
        let its = &self.introduction;
        if write_auth(its, out) {
            self.awaits.push_back(HandshakeStage::Auth);
        }
        let port = its.port.to_string();
        request(&[b"REPLCONF", b"listening-port", port.as_bytes()], out);
        self.awaits.push_back(HandshakeStage::Replconf);
        if let Some(ip) = &its.ip {
            request(&[b"REPLCONF", b"ip-address", ip], out);
            self.awaits.push_back(HandshakeStage::Replconf);
        }
        let mut words: Vec<&[u8]> = vec![b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"];
        // A primary ignores unknown words: its reply shows whether it knows them.
        words.extend([&b"capa"[..], b"flush-undo", b"capa", b"ack-turn"]);
        if its.rdb_channel {
            words.extend([&b"capa"[..], b"rdb-channel-repl"]);
        }
        if its.dual_channel {
            words.extend([&b"capa"[..], b"dual-channel"]);
        }
        if its.lz4 {
            words.extend([&b"capa"[..], b"lz4"]);
        }
        let node = its.node_id.as_ref().map(|id| [b"node-", &id[..]].concat());
        if let Some(node) = node
            .as_ref()
            .filter(|_| its.dialect == russet_config::Dialect::Redis)
        {
            words.extend([&b"capa"[..], node]);
        }
        request(&words, out);
        self.awaits.push_back(HandshakeStage::Replconf);
        if let Some(version) = its.dialect.valkey_version() {
            request(&[b"REPLCONF", b"version", version.as_bytes()], out);
            self.awaits.push_back(HandshakeStage::Replconf);
            if let Some(id) = &its.node_id {
                request(&[b"REPLCONF", b"set-cluster-node-id", id], out);
                self.awaits.push_back(HandshakeStage::Replconf);
            }
        }
        if let Some(word) = &its.quorum {
            out.extend_from_slice(word);
            self.awaits.push_back(HandshakeStage::Quorum);
        }
    }

    /// PSYNC leaves alone, when all other replies have come: a primary refuses it while replies to
    /// its sender wait.
    fn ask(&mut self, out: &mut Vec<u8>) {
        let its = &self.introduction;
        let line = match its.from {
            Some(Position { id, offset }) => format!(
                "Trying a partial resynchronization (request {id}:{}).",
                offset + 1
            ),
            None => {
                let [.., master] = its.dialect.primary_words();
                format!("Partial resynchronization not possible (no cached {master})")
            }
        };
        self.log.push((Level::Notice, line));
        let (id, offset) = match its.from {
            Some(from) => (from.id.to_string(), (from.offset + 1).to_string()),
            None => ("?".to_owned(), "-1".to_owned()),
        };
        let mut words: Vec<&[u8]> = vec![b"PSYNC", id.as_bytes(), offset.as_bytes()];
        if its.failover {
            words.push(b"FAILOVER");
        }
        request(&words, out);
        self.awaits.push_back(HandshakeStage::Psync);
    }

    fn take_psync(
        &mut self,
        line: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<HandshakeOutcome>, HandshakeError> {
        let word = |name: &[u8]| {
            let rest = line.strip_prefix(name)?;
            (rest.is_empty() || rest[0] == b' ').then(|| rest.trim_ascii())
        };
        if let Some(rest) = word(b"+CONTINUE") {
            if self.introduction.from.is_none() {
                return Err(HandshakeError::Continues);
            }
            // Redis reads an id only if there are 40 characters.
            return Ok(Some(HandshakeOutcome::Continue(ReplId::parse(rest))));
        }
        if let Some(rest) = word(b"+FULLRESYNC") {
            self.failover_refused()?;
            let position = full_sync(rest).ok_or(HandshakeError::FullSync)?;
            return Ok(Some(HandshakeOutcome::FullSync(position)));
        }
        if let Some(rest) = word(b"+RDBCHANNELSYNC").filter(|_| self.introduction.rdb_channel) {
            self.failover_refused()?;
            let main = parse_digits(rest).ok_or(HandshakeError::FullSync)?;
            return Ok(Some(HandshakeOutcome::TwoChannels(
                ChannelProtocol::RdbChannel { main },
            )));
        }
        if word(b"+DUALCHANNELSYNC").is_some() && self.introduction.dual_channel {
            self.failover_refused()?;
            return Ok(Some(HandshakeOutcome::TwoChannels(
                ChannelProtocol::DualChannel,
            )));
        }
        if line.starts_with(b"-NOMASTERLINK") || line.starts_with(b"-LOADING") {
            return Err(HandshakeError::Later(shown(line)));
        }
        self.failover_refused()?;
        if !line.starts_with(b"-ERR") {
            let [.., master] = self.introduction.dialect.primary_words();
            let line = format!("Unexpected reply to PSYNC from {master}: {}", shown(line));
            self.log.push((Level::Warning, line));
        } else {
            let [_, master, _] = self.introduction.dialect.primary_words();
            let why = shown(line);
            self.log.push((
                Level::Notice,
                format!("{master} does not support PSYNC or is in error state (reply: {why})"),
            ));
        }
        self.log
            .push((Level::Notice, "Retrying with SYNC...".to_owned()));
        out.extend_from_slice(b"SYNC\r\n");
        Ok(Some(HandshakeOutcome::Sync))
    }

    /// A server that is asked to take over must continue our history.
    fn failover_refused(&self) -> Result<(), HandshakeError> {
        if self.introduction.failover {
            Err(HandshakeError::FailoverRejected)
        } else {
            Ok(())
        }
    }
}

/// The position in a +FULLRESYNC.
pub(super) fn full_sync(rest: &[u8]) -> Option<Position> {
    let (id, offset) = rest.split_at_checked(40)?;
    let offset: ReplOffset = parse_digits(offset.strip_prefix(b" ")?)?;
    Some(Position {
        id: ReplId::parse(id)?,
        offset,
    })
}

pub(super) fn shown(line: &[u8]) -> String {
    Printable(line).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn introduction() -> Introduction {
        Introduction {
            port: 7,
            ..Introduction::default()
        }
    }

    /// The replies in pieces of `step` bytes.
    fn talk(
        introduction: Introduction,
        replies: &[u8],
        step: usize,
    ) -> (
        Result<Option<HandshakeOutcome>, HandshakeError>,
        String,
        Vec<u8>,
    ) {
        let mut out = Vec::new();
        let mut handshake = Handshake::begin(introduction, &mut out);
        let mut end = Ok(None);
        for piece in replies.chunks(step) {
            match end {
                Ok(None) => end = handshake.receive(piece, &mut out),
                _ => handshake.lines.push(piece),
            }
        }
        let sent = String::from_utf8(out).expect("text").replace("\r\n", " ");
        (end, sent, handshake.take_rest())
    }

    #[test]
    fn a_new_replica_asks_for_everything() {
        let id = ReplId::random();
        let replies = format!("+PONG\r\n+OK\r\n+OK\r\n\n\n+FULLRESYNC {id} 17\r\n\n$5\r\nREDIS");
        for step in 1..replies.len() {
            let (end, sent, rest) = talk(introduction(), replies.as_bytes(), step);
            assert_eq!(
                end,
                Ok(Some(HandshakeOutcome::FullSync(Position {
                    id,
                    offset: 17
                })))
            );
            let wanted = "*1 $4 PING *3 $8 REPLCONF $14 listening-port $1 7 *9 $8 REPLCONF $4 capa \
                          $3 eof $4 capa $6 psync2 $4 capa $10 flush-undo $4 capa $8 ack-turn *3 $5 PSYNC $1 ? $2 -1 ";
            assert_eq!(sent, wanted);
            assert_eq!(rest, b"\n$5\r\nREDIS");
        }
    }

    #[test]
    fn a_node_of_a_group_waits_for_the_decision_before_it_asks() {
        let mut out = Vec::new();
        let quorum = Some(b"*1\r\n$6\r\nQUORUM\r\n".to_vec());
        let introduction = Introduction {
            quorum,
            ..introduction()
        };
        let mut handshake = Handshake::begin(introduction, &mut out);
        let replies = b"+PONG\r\n+OK\r\n+OK\r\n-SEALED 1 ?\r\n";
        assert_eq!(handshake.receive(replies, &mut out), Ok(None));
        assert!(out.ends_with(b"QUORUM\r\n"));
        let answer = handshake.take_quorum_answer();
        assert_eq!(answer.as_deref(), Some(&b"-SEALED 1 ?"[..]));
        assert_eq!(handshake.receive(b"\n", &mut out), Ok(None));
        assert_eq!(handshake.take_quorum_answer(), None);
        handshake.accept(&mut out);
        assert!(out.ends_with(b"$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n"));
        let id = ReplId::random();
        let reply = format!("+FULLRESYNC {id} 17\r\n");
        let position = Position { id, offset: 17 };
        let end = handshake.receive(reply.as_bytes(), &mut out);
        assert_eq!(end, Ok(Some(HandshakeOutcome::FullSync(position))));
    }

    #[test]
    fn one_with_data_goes_on_where_it_ends() {
        let (id, other) = (ReplId::random(), ReplId::random());
        let from = Some(Position { id, offset: 41 });
        let its = || Introduction {
            from,
            password: Some(b"secret".to_vec()),
            ..introduction()
        };
        let replies = format!("-NOAUTH x\r\n+OK\r\n-ERR no\r\n+OK\r\n+CONTINUE {other}\r\n*1\r\n");
        let (end, sent, rest) = talk(its(), replies.as_bytes(), 3);
        assert_eq!(end, Ok(Some(HandshakeOutcome::Continue(Some(other)))));
        assert!(sent.contains("AUTH $6 secret"));
        assert!(sent.ends_with(&format!("PSYNC $40 {id} $2 42 ")), "{sent}");
        assert_eq!(rest, b"*1\r\n");
        let (end, ..) = talk(its(), b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n+CONTINUE\r\n", 100);
        assert_eq!(end, Ok(Some(HandshakeOutcome::Continue(None))));
    }

    #[test]
    fn the_reply_picks_the_way_of_two_links() {
        let both = || Introduction {
            rdb_channel: true,
            dual_channel: true,
            ..introduction()
        };
        let ways = [
            (
                "+RDBCHANNELSYNC 12",
                ChannelProtocol::RdbChannel { main: 12 },
            ),
            ("+DUALCHANNELSYNC", ChannelProtocol::DualChannel),
        ];
        for (reply, dialect) in ways {
            let replies = format!("+PONG\r\n+OK\r\n+OK\r\n{reply}\r\n");
            let (end, sent, _) = talk(both(), replies.as_bytes(), 3);
            assert_eq!(end, Ok(Some(HandshakeOutcome::TwoChannels(dialect))));
            assert!(sent.contains("capa $16 rdb-channel-repl $4 capa $12 dual-channel "));
            // A replica that did not ask for it takes it for an unknown reply.
            let (end, ..) = talk(introduction(), replies.as_bytes(), 3);
            assert_eq!(end, Ok(Some(HandshakeOutcome::Sync)));
        }
    }

    #[test]
    fn errors_end_it_or_lead_to_sync() {
        let ends = [
            (
                "-LOADING x\r\n",
                Err(HandshakeError::Ping("-LOADING x".to_owned())),
            ),
            (
                "+PONG\r\n+OK\r\n+OK\r\n-NOMASTERLINK x\r\n",
                Err(HandshakeError::Later("-NOMASTERLINK x".to_owned())),
            ),
            (
                "+PONG\r\n+OK\r\n+OK\r\n-ERR unknown\r\n",
                Ok(Some(HandshakeOutcome::Sync)),
            ),
            (
                "+PONG\r\n+OK\r\n+OK\r\n+CONTINUE\r\n",
                Err(HandshakeError::Continues),
            ),
            (
                "+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC x 1\r\n",
                Err(HandshakeError::FullSync),
            ),
        ];
        for (replies, wanted) in ends {
            assert_eq!(talk(introduction(), replies.as_bytes(), 100).0, wanted);
        }
        let long = [b'+'; LINE_MAX + 2];
        assert_eq!(
            talk(introduction(), &long, 100).0,
            Err(HandshakeError::Line)
        );
    }
}
