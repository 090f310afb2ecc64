//! A server of a pair: its program, the settings for a form of full sync, and its INFO.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::support::daemon::russet;
use crate::support::peers::Peer;
use crate::support::resp::{Reply, command, printable};
use crate::support::{Connection, Daemon};

/// The program of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Russet,
    Redis70,
    Redis80,
    Redis810,
    Valkey91,
}

impl Kind {
    pub const ALL: [Kind; 5] = [
        Kind::Russet,
        Kind::Redis70,
        Kind::Redis80,
        Kind::Redis810,
        Kind::Valkey91,
    ];

    fn peer(self) -> Option<Peer> {
        match self {
            Kind::Russet => None,
            Kind::Redis70 => Some(Peer::Redis7),
            Kind::Redis80 => Some(Peer::Redis8),
            Kind::Redis810 => Some(Peer::Redis810),
            Kind::Valkey91 => Some(Peer::Valkey9),
        }
    }

    /// The program. If it is missing, prints that `what` does not run, or fails if peers are
    /// required.
    pub fn program_for(self, what: &str) -> Option<PathBuf> {
        match self.peer() {
            None => Some(russet()),
            Some(peer) => peer.program_for(what),
        }
    }

    /// The name in `RUSSET_REPLICAS_PAIRS`.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Russet => "russet",
            Kind::Redis70 => "redis7",
            Kind::Redis80 => "redis8",
            Kind::Redis810 => "redis810",
            Kind::Valkey91 => "valkey9",
        }
    }

    pub fn named(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Whether the program has HPEXPIRE and the other commands for field TTLs.
    pub fn has_field_ttls(self) -> bool {
        self != Kind::Redis70
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The way in which a full sync transfers the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `$length`, from a file.
    Disk,
    /// `$EOF:mark`, on the connection that streams afterwards.
    Diskless,
    /// `$EOF:mark` or `$ENDOFF:`, on a second connection.
    TwoChannel,
}

impl Form {
    pub const ALL: [Form; 3] = [Form::Disk, Form::Diskless, Form::TwoChannel];
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Form::Disk => "disk",
            Form::Diskless => "diskless",
            Form::TwoChannel => "two-channel",
        })
    }
}

/// INFO replication and INFO stats, by field.
pub struct Info(BTreeMap<String, String>);

impl Info {
    pub fn text(&self, field: &str) -> &str {
        self.0.get(field).map_or("", String::as_str)
    }

    /// A number, or -1 if the field is absent.
    pub fn number(&self, field: &str) -> i64 {
        self.text(field).parse().unwrap_or(-1)
    }
}

/// A running server.
pub struct Node {
    pub kind: Kind,
    pub server: Daemon,
}

/// Time limit of a connection that ends at a deadline of its own.
const POLL: Duration = Duration::from_millis(10);

impl Node {
    #[track_caller]
    pub fn start(kind: Kind, args: &[String]) -> Node {
        let program = kind.program_for("a pair").expect("asked before");
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        Node {
            kind,
            server: Daemon::start_program(&program, &args),
        }
    }

    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// The reply to a command on a new connection; `Err` if none came.
    pub fn try_ask<A: AsRef<[u8]>>(&self, args: &[A]) -> Result<Reply, String> {
        ask(self.port(), args)
            .map_err(|error| format!("{} (port {}): {error}", self.kind, self.port()))
    }

    /// The reply to the words of `line`, which must not be an error.
    pub fn ask(&self, line: &str) -> Result<Reply, String> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match self.try_ask(&words)? {
            Reply::Error(text) => Err(format!("{} to {line}: {}", self.kind, printable(&text))),
            reply => Ok(reply),
        }
    }

    pub fn info(&self) -> Result<Info, String> {
        let mut fields = BTreeMap::new();
        for section in ["replication", "stats", "memory"] {
            let reply = self.ask(&format!("INFO {section}"))?;
            let text = String::from_utf8_lossy(reply.text().unwrap_or_default()).into_owned();
            let pairs = text.lines().filter_map(|line| line.split_once(':'));
            fields.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        Ok(Info(fields))
    }

    /// Whether this replica follows a primary now.
    pub fn is_linked(&self) -> bool {
        self.info()
            .is_ok_and(|info| info.text("master_link_status") == "up")
    }

    /// INFO replication, and the end of the server's log.
    fn report(&self) -> String {
        const LINES: usize = 25;
        let replication = match self.ask("INFO replication") {
            Ok(reply) => printable(reply.text().unwrap_or_default()).replace('\r', ""),
            Err(why) => why,
        };
        let log = self.server.log();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(LINES)..].join("\n");
        format!(
            "--- {} on port {}\n{replication}\n--- the end of its log\n{end}\n",
            self.kind,
            self.port()
        )
    }
}

/// The reports of both nodes, for a failure.
pub fn report(primary: &Node, replica: &Node) -> String {
    format!("\nprimary {}replica {}", primary.report(), replica.report())
}

/// Sends a command on its own connection.
pub fn ask<A: AsRef<[u8]>>(port: u16, args: &[A]) -> std::io::Result<Reply> {
    let mut c = Connection::open(port)?;
    c.write(&command(args))?;
    Ok(c.read()?.1)
}

/// Polls until `condition` holds; `Err` if it does not hold within `limit`.
pub fn wait(
    limit: Duration,
    what: &str,
    mut condition: impl FnMut() -> bool,
) -> Result<(), String> {
    let end = Instant::now() + limit;
    while !condition() {
        if Instant::now() > end {
            return Err(format!("after {limit:?} still waiting for: {what}"));
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}
