//! Plays a stream of commands to a server and keeps every reply.
//!
//! A stream uses two connections. In a burst the commands of a connection are sent together, as
//! with pipelining, and their replies are read together; otherwise one after another. Each further
//! connection sends a blocking command, and the stream continues when the server has blocked it. At
//! the end the test unblocks the connections that still wait.

use std::{
    io,
    time::{Duration, Instant},
};

use crate::{
    search,
    support::{Connection, Daemon, Reply, resp},
};

/// A command of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub args: Vec<Vec<u8>>,
    /// The connection that sends the command; from [`FIRST_WAITER`] on, a connection waits for its
    /// reply.
    pub client: usize,
    /// The pause before the command, so that short times to live run out.
    pub pause_ms: u64,
}

/// The connections below this number play the stream, the others wait.
pub const FIRST_WAITER: usize = 2;
pub const WAITERS: usize = 3;

/// A sequence of commands, and how the test sends them.
#[derive(Clone, Debug)]
pub struct Stream {
    pub seed: u64,
    pub steps: Vec<Step>,
    pub resp3: bool,
    pub burst: bool,
    /// `CONFIG SET` before the stream: thresholds between encodings.
    pub config: Vec<(&'static str, &'static str)>,
    /// Whether the test records keyspace events, too.
    pub events: bool,
    /// Whether the stream is about indexes, which read keys at the same time: see `search`.
    pub is_search: bool,
}

/// A reply as bytes and in parsed form, or the reason why there is none.
pub type Answer = Result<(Vec<u8>, Reply), io::ErrorKind>;

/// A server and the connections that play streams to it.
pub struct Side {
    daemon: Daemon,
    clients: Vec<Connection>,
    control: Connection,
    /// Subscribed to all keyspace events, while a stream records them.
    listener: Option<Connection>,
}

/// Marks the end of a stream's events.
const LAST_EVENT: &[u8] = b"__keyend__:0";

const REPLY_LIMIT: Duration = Duration::from_secs(5);

impl Side {
    pub fn new(daemon: Daemon) -> Side {
        let control = daemon.connect();
        Side {
            daemon,
            clients: Vec::new(),
            control,
            listener: None,
        }
    }

    /// Empties the server and opens new connections. Returns false if the server had ended and was
    /// started again.
    pub fn reset(&mut self, stream: &Stream) -> bool {
        let alive = self.try_reset(stream).is_ok();
        if !alive {
            self.daemon.restart();
            self.try_reset(stream)
                .expect("a fresh server can be emptied");
        }
        alive
    }

    fn try_reset(&mut self, stream: &Stream) -> io::Result<()> {
        let connect = || -> io::Result<Connection> {
            let mut connection = Connection::open(self.daemon.port())?;
            connection.reply_limit(REPLY_LIMIT);
            Ok(connection)
        };
        self.clients = (0..FIRST_WAITER + WAITERS)
            .map(|_| connect())
            .collect::<io::Result<_>>()?;
        self.control = connect()?;
        let events: &[u8] = if stream.events { b"KEAmn" } else { b"" };
        let mut lines: Vec<Vec<&[u8]>> = vec![
            vec![b"FLUSHALL"],
            vec![b"SCRIPT", b"FLUSH"],
            vec![b"FUNCTION", b"FLUSH"],
            vec![b"SLOWLOG", b"RESET"],
            vec![b"ACL", b"LOG", b"RESET"],
            vec![b"CONFIG", b"SET", b"notify-keyspace-events", events],
        ];
        if stream.is_search {
            lines.extend(search::PRELUDE.iter().map(|line| line.to_vec()));
        }
        for (name, value) in &stream.config {
            lines.push(vec![b"CONFIG", b"SET", name.as_bytes(), value.as_bytes()]);
        }
        for line in &lines {
            self.control.write(&resp::command(line))?;
            self.control.read()?;
        }
        delete_users(&mut self.control)?;
        if stream.resp3 {
            for client in &mut self.clients {
                client.write(b"HELLO 3\r\n")?;
                client.read()?;
            }
        }
        self.listener = None;
        if stream.events {
            let mut listener = connect()?;
            listener.write(b"PSUBSCRIBE __key*__:*\r\n")?;
            listener.read()?;
            self.listener = Some(listener);
        }
        Ok(())
    }

    /// An answer for each step.
    pub fn play(&mut self, stream: &Stream) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(stream.steps.len());
        let mut waiting = Vec::new();
        let mut from = 0;
        while from < stream.steps.len() {
            let first = &stream.steps[from];
            std::thread::sleep(Duration::from_millis(first.pause_ms));
            let mut until = from + 1;
            if first.client >= FIRST_WAITER {
                waiting.push((from, first.client, self.send_and_block(first)));
                answers.push(Err(io::ErrorKind::WouldBlock));
                from = until;
                continue;
            }
            if stream.is_search && search::asks_after_changes(&stream.steps, from) {
                search::settle(&mut self.control);
            }
            while stream.burst
                && stream
                    .steps
                    .get(until)
                    .is_some_and(|step| step.client == first.client && step.pause_ms == 0)
                && !(stream.is_search && search::asks_after_changes(&stream.steps, until))
            {
                until += 1;
            }
            let client = &mut self.clients[first.client];
            let bytes: Vec<u8> = stream.steps[from..until]
                .iter()
                .flat_map(|step| resp::command(&step.args))
                .collect();
            let sent = client.write(&bytes).map_err(|error| error.kind());
            for _ in from..until {
                answers.push(sent.and_then(|()| client.read().map_err(|error| error.kind())));
            }
            from = until;
        }
        for (step, client, id) in waiting {
            let id = id.to_string();
            let _ = self.ask(&[b"CLIENT", b"UNBLOCK", id.as_bytes()]);
            answers[step] = self.clients[client].read().map_err(|error| error.kind());
        }
        answers
    }

    /// The channels and texts of the keyspace events since the stream began.
    pub fn events(&mut self) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut events = Vec::new();
        let Some(listener) = &mut self.listener else {
            return Ok(events);
        };
        self.control
            .write(&resp::command(&[b"PUBLISH", LAST_EVENT, b""]))?;
        self.control.read()?;
        loop {
            let (raw, message) = listener.read()?;
            let part = |at: usize| message.items()?.get(at)?.text().map(<[u8]>::to_vec);
            match (part(2), part(3)) {
                (Some(channel), _) if channel == LAST_EVENT => return Ok(events),
                (Some(channel), Some(text)) => events.push((channel, text)),
                _ => events.push((raw, Vec::new())),
            }
        }
    }

    /// Sends a command that may block, and returns when the command has blocked or been answered.
    /// The result is the connection's id.
    fn send_and_block(&mut self, step: &Step) -> i64 {
        let before = self.blocked_clients();
        let client = &mut self.clients[step.client];
        let mut id = 0;
        if client.write(b"CLIENT ID\r\n").is_ok()
            && let Ok((_, Reply::Integer(number))) = client.read()
        {
            id = number;
        }
        if client.write(&resp::command(&step.args)).is_ok() {
            let until = Instant::now() + REPLY_LIMIT;
            while self.blocked_clients() == before
                && self.clients[step.client].is_silent_for(Duration::from_millis(1))
                && Instant::now() < until
            {}
        }
        id
    }

    fn blocked_clients(&mut self) -> Option<usize> {
        let (_, info) = self.ask(&[b"INFO", b"clients"]).ok()?;
        let text = String::from_utf8_lossy(info.text()?).into_owned();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("blocked_clients:"))?;
        line.trim().parse().ok()
    }

    /// Sends a command on a third connection, which stays RESP2.
    pub fn ask(&mut self, args: &[&[u8]]) -> Answer {
        self.control
            .write(&resp::command(args))
            .map_err(|error| error.kind())?;
        self.control.read().map_err(|error| error.kind())
    }

    /// Whether the server has this command; true if it has no COMMAND INFO.
    pub fn has_command(&mut self, name: &str) -> bool {
        match self.ask(&[b"COMMAND", b"INFO", name.as_bytes()]) {
            Ok((_, Reply::Array(rows))) => rows.first().is_some_and(|row| *row != Reply::Null),
            _ => true,
        }
    }

    /// The names of all commands, if the server has COMMAND LIST.
    pub fn commands(&mut self) -> Option<Vec<String>> {
        let (_, reply) = self.ask(&[b"COMMAND", b"LIST"]).ok()?;
        let names = reply.items()?.iter().filter_map(Reply::text);
        Some(
            names
                .map(|name| String::from_utf8_lossy(name).to_lowercase())
                .collect(),
        )
    }
}

/// Deletes all users except the default user.
fn delete_users(control: &mut Connection) -> io::Result<()> {
    control.write(b"ACL USERS\r\n")?;
    let (_, users) = control.read()?;
    let names = users.items().unwrap_or_default().iter();
    let names = names.filter_map(Reply::text);
    let mut line: Vec<&[u8]> = vec![b"ACL", b"DELUSER"];
    line.extend(names.filter(|name| *name != b"default"));
    if line.len() > 2 {
        control.write(&resp::command(&line))?;
        control.read()?;
    }
    Ok(())
}
