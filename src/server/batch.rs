//! Commands of one client, parsed ahead so that their keys are in the cache when they run.
//!
//! Up to [`COMMANDS_MAX`] commands (or [`KEYS_MAX`] keys) are parsed and hashed; the directory
//! words, then the table lines, then the entries of all their keys are prefetched; then the
//! commands run one by one. A prefetch is only a hint: any command may change the table, so
//! handlers look up again.
//!
//! The loop has one `Batch`, whose memory all clients reuse; each lends it the spans of an
//! unfinished command. A turn's work for one client is bounded by [`BUDGET`] commands and
//! [`OUTPUT_BUDGET`] reply bytes.

use super::client::ClientFlags;
use super::client_line::client_line;
use super::dispatch::{Outcome, after_reply};
use super::session::Session;
use super::{Engine, Row, Server, crash};
use crate::base::float::parse_double;
use crate::base::hash;
use crate::base::text::{Printable, is_same};
use crate::command::{CommandError, Within};
use crate::config::quote;
use crate::keyspace::{DbIndex, Expiring, KeyHash, Keyspace};
use crate::resp::{
    Apart, Args, Bounds, OwnedArgs, Progress, ProtocolError, Source, Span, Step, step,
};
use crate::types::Inner;

/// Commands of a batch. Their prefetched lines, five or six per key, must stay in the first-level
/// cache beside the loop's own data until they run: with 32, a SET among a million keys costs a
/// fifth more, because its stores wait for lines that were evicted again.
const COMMANDS_MAX: usize = 16;
/// A batch takes no further command after this many keys; `COMMAND_KEYS_MAX` is per command.
const KEYS_MAX: usize = 16;
const COMMAND_KEYS_MAX: usize = 64;
/// Elements sought within containers.
const SOUGHT_MAX: usize = 64;
/// Commands that one client may run in a turn.
const BUDGET: usize = 1024;
/// Argument spans whose memory is kept for the next command; more is freed.
const SPANS_KEPT: usize = 4096;
/// Bytes of input that the log shows when a client breaks the protocol.
const SHOWN_INPUT: usize = 128;
/// Reply bytes after which a client waits for its next turn, so that they are sent first.
pub(super) const OUTPUT_BUDGET: usize = 256 * 1024;

#[derive(Clone, Copy)]
struct Parsed {
    /// Where the command starts in the buffer.
    start: usize,
    first_span: usize,
    spans: usize,
    row: Option<usize>,
    first_hash: usize,
    hashes: usize,
}

/// The loop's reusable memory for a batch.
#[derive(Default)]
pub struct Batch {
    spans: Vec<Span>,
    /// Large arguments of the first command, if it began earlier.
    apart: Option<Box<Apart>>,
    commands: Vec<Parsed>,
    hashes: Vec<KeyHash>,
    sought: Vec<Sought>,
}

/// An element that a command seeks inside its first key's container.
#[derive(Clone, Copy)]
struct Sought {
    key: Span,
    hash: KeyHash,
    name: Span,
    /// Its new score, if the command gives it one.
    score: Option<Span>,
}

/// What ended parsing, after the commands of the batch.
enum End {
    /// The batch is full: go on after it has run.
    Full,
    Incomplete,
    Inline(OwnedArgs),
    Error(ProtocolError),
}

/// What ended [`Batch::parse_file`].
pub enum FileEnd {
    /// There are commands to run.
    Commands,
    /// The first command is incomplete; its next argument has this many bytes.
    Incomplete(usize),
    Error(ProtocolError),
}

/// What the caller does with the buffer after [`Engine::run_buffer`].
pub enum Rest {
    /// All of it is executed.
    Nothing,
    /// The command that starts at `start` is incomplete; parsed up to `pos`.
    Partial {
        start: usize,
        pos: usize,
        progress: Progress,
        first_span: usize,
    },
    /// The client is paused, and the first command, with arguments stored apart, did not run: it
    /// must be put before the input from `next` on.
    Postponed { next: usize },
    /// The client stopped (blocked, paused, budget used up): parse again from `start`.
    Stopped { start: usize },
    /// The client is to be closed once its replies are sent.
    Closed,
}

impl Engine {
    /// Parses and runs the commands in `buf` from `pos` on. `batch` holds the spans of a command
    /// that began earlier, if `progress` says so.
    pub fn run_buffer(
        &mut self,
        session: &mut Session,
        batch: &mut Batch,
        buf: &[u8],
        pos: usize,
        progress: Progress,
    ) -> Rest {
        let imports =
            session.client.flags.contains(ClientFlags::IMPORTS) && self.server.config.import_mode;
        if !imports {
            return self.run_commands(session, batch, buf, pos, progress);
        }
        let usual = self.keyspace.set_expiring(Expiring::Replay);
        let rest = self.run_commands(session, batch, buf, pos, progress);
        self.keyspace.set_expiring(usual);
        rest
    }

    fn run_commands(
        &mut self,
        session: &mut Session,
        batch: &mut Batch,
        buf: &[u8],
        mut pos: usize,
        mut progress: Progress,
    ) -> Rest {
        crash::note_client(&session.client);
        self.server.limit_output(session);
        let mut budget = BUDGET;
        // A command that began earlier starts at the start of the kept buffer.
        let mut start = if progress.has_begun() { 0 } else { pos };
        loop {
            let end = self.parse_batch(session, batch, buf, &mut start, &mut pos, &mut progress);
            batch.prefetch(&self.keyspace, session.client.db, buf);
            self.server.begin_commands();
            if let Some(rest) = self.run_parsed(session, batch, buf, start) {
                return rest;
            }
            budget = budget.saturating_sub(batch.commands.len());
            match end {
                End::Full => {}
                End::Incomplete if start == buf.len() && !progress.has_begun() => {
                    return Rest::Nothing;
                }
                End::Incomplete => {
                    let first_span = batch.commands.last().map_or(0, |c| c.first_span + c.spans);
                    return Rest::Partial {
                        start,
                        pos,
                        progress,
                        first_span,
                    };
                }
                End::Inline(args) => {
                    session.client.buffers.query_bytes = args.args().bytes();
                    let row = self.server.table.find(&args.args()[0]).map(|row| row.id);
                    self.server.begin_commands();
                    if self.dispatch(session, row, args.args(), &[]) == Outcome::Postponed {
                        return Rest::Stopped { start };
                    }
                    budget = budget.saturating_sub(1);
                    start = pos;
                    if !self.goes_on(session) {
                        if session.client.flags.contains(ClientFlags::BLOCKED) {
                            return stopped(start, buf);
                        }
                        return Rest::Closed;
                    }
                }
                End::Error(error) => {
                    self.protocol_error(session, error, &buf[start..]);
                    return Rest::Closed;
                }
            }
            batch.spans.clear();
            if budget == 0 || session.reply.pending_len() > OUTPUT_BUDGET {
                return stopped(start, buf);
            }
        }
    }

    /// Runs the commands of the batch; `start` is where the one after them starts. `Some`: the
    /// client stopped before their end.
    #[inline]
    fn run_parsed(
        &mut self,
        session: &mut Session,
        batch: &mut Batch,
        buf: &[u8],
        start: usize,
    ) -> Option<Rest> {
        for i in 0..batch.commands.len() {
            let command = batch.commands[i];
            let spans = &batch.spans[command.first_span..][..command.spans];
            let args = Args::of(Source::new(buf, batch.apart.as_deref()), spans);
            let hashes = &batch.hashes[command.first_hash..][..command.hashes];
            session.client.buffers.query_bytes = buf.len() - command.start;
            let outcome = self.dispatch(session, command.row, args, hashes);
            let next = || batch.commands.get(i + 1).map_or(start, |c| c.start);
            if outcome == Outcome::Postponed {
                return Some(match batch.apart {
                    Some(_) => Rest::Postponed { next: next() },
                    None => Rest::Stopped {
                        start: command.start,
                    },
                });
            }
            // The large arguments belonged to the first command only.
            batch.apart = None;
            if !self.goes_on(session) {
                const CLOSED: ClientFlags =
                    ClientFlags::CLOSE_ASAP.union(ClientFlags::CLOSE_AFTER_REPLY);
                return Some(match session.client.flags.intersects(CLOSED) {
                    true => Rest::Closed,
                    false => stopped(next(), buf),
                });
            }
        }
        None
    }

    /// Whether the client's next command may run.
    #[inline]
    fn goes_on(&mut self, session: &mut Session) -> bool {
        if session.reply.is_full() {
            self.server.enforce_output_limit(session);
        }
        session.client.runs()
    }

    /// Fills the batch. `start` is where the next command starts, `pos` how far parsing has got.
    fn parse_batch(
        &mut self,
        session: &Session,
        batch: &mut Batch,
        buf: &[u8],
        start: &mut usize,
        pos: &mut usize,
        progress: &mut Progress,
    ) -> End {
        batch.clear_commands();
        let unauthenticated = self.server.must_authenticate(&session.client);
        let bounds = Bounds {
            bulk_max: self.server.config.proto_max_bulk_len,
            unauthenticated,
        };
        // Before login one command a batch: AUTH changes the limits for the next one.
        let commands_max = if unauthenticated { 1 } else { COMMANDS_MAX };
        let mut last = None;
        loop {
            if batch.commands.len() >= commands_max || batch.hashes.len() >= KEYS_MAX {
                return End::Full;
            }
            match step(buf, pos, &mut batch.spans, progress, bounds) {
                Step::Command => {}
                Step::Incomplete => return End::Incomplete,
                Step::Nothing => {
                    *start = *pos;
                    continue;
                }
                Step::Inline(args) => {
                    return End::Inline(args);
                }
                Step::Error(error) => return End::Error(error),
            }
            let (keyspace, server) = (&self.keyspace, &self.server);
            batch.file(keyspace, server, session.client.db, buf, *start, &mut last);
            *start = *pos;
        }
    }

    /// Protocol error: replies with it, unless the client has its replies off, and closes the
    /// client. `input` begins with the unreadable bytes.
    fn protocol_error(&mut self, session: &mut Session, error: ProtocolError, input: &[u8]) {
        let mut shown = Vec::new();
        match self.server.config.hide_user_data_from_log {
            true => shown.extend_from_slice(b"(redacted)"),
            false => quote(&mut shown, &input[..input.len().min(SHOWN_INPUT)]),
        }
        tracing::debug!(
            "Protocol error ({error}) from client: {}. Query buffer during protocol error: {}",
            Printable(&client_line(
                &self.server,
                &session.client,
                &session.reply,
                true
            )),
            String::from_utf8_lossy(&shown)
        );
        let mark = session.reply.mark();
        session
            .reply
            .error(&CommandError::owned(format!("ERR {error}")));
        self.server.stats.count_error(b"ERR");
        after_reply(session, mark);
        session.client.flags |= ClientFlags::CLOSE_AFTER_REPLY;
    }
}

/// Prefetches elements that commands seek inside large containers.
fn prefetch_within(keyspace: &Keyspace, db: DbIndex, sought: &[Sought], source: Source<'_>) {
    let text = |span| source.text(span);
    let mut probes: [Option<(Inner<'_>, u64)>; SOUGHT_MAX] = [None; SOUGHT_MAX];
    // Neighbours mostly seek in the same container, which is then looked up once.
    let mut container = None;
    let mut found = false;
    for (s, probe) in sought.iter().zip(&mut probes) {
        let inner = match container {
            Some((hash, inner)) if hash == s.hash.hash() => inner,
            _ => keyspace.inner(db, s.hash, text(s.key)),
        };
        container = Some((s.hash.hash(), inner));
        if let Some(inner) = inner {
            let hash = inner.hash(text(s.name));
            inner.prefetch(hash);
            *probe = Some((inner, hash));
            found = true;
        }
    }
    if !found {
        return;
    }
    let probes = &probes[..sought.len()];
    for (inner, hash) in probes.iter().flatten() {
        inner.prefetch_entries(*hash);
    }
    for (s, probe) in sought.iter().zip(probes) {
        if let Some((inner @ Inner::Zset(_), _)) = probe {
            inner.prefetch_order(text(s.name));
            if let Some(score) = s.score.and_then(|score| parse_double(text(score))) {
                inner.prefetch_score(score);
            }
        }
    }
}

fn stopped(start: usize, buf: &[u8]) -> Rest {
    if start == buf.len() {
        Rest::Nothing
    } else {
        Rest::Stopped { start }
    }
}

impl Batch {
    fn clear_commands(&mut self) {
        self.commands.clear();
        self.hashes.clear();
        self.sought.clear();
    }

    /// Adds the command parsed last, which starts at `start`: finds its row, hashes its keys.
    /// `last` is the name and row of the command before it.
    #[inline]
    fn file<'t>(
        &mut self,
        keyspace: &Keyspace,
        server: &'t Server,
        db: DbIndex,
        buf: &[u8],
        start: usize,
        last: &mut Option<(Span, Option<&'t Row>)>,
    ) {
        let first_span = self.commands.last().map_or(0, |c| c.first_span + c.spans);
        let spans = &self.spans[first_span..];
        let args = Args::of(Source::new(buf, self.apart.as_deref()), spans);
        // Neighbours are mostly calls of the same command.
        let name = args.at(0);
        let row = match *last {
            Some((Span { start, len }, row))
                if buf
                    .get(start..start + len)
                    .is_some_and(|last| is_same(last, name)) =>
            {
                row
            }
            _ => server.table.find(name),
        };
        *last = Some((spans[0], row));
        let first_hash = self.hashes.len();
        if let Some(row) = row {
            let hash_keys = hash::keys();
            for (at, _) in row.plan.ahead(args).take(COMMAND_KEYS_MAX) {
                let key = KeyHash::new(hash_keys, args.at(at));
                keyspace.prefetch_directory(db, key);
                self.hashes.push(key);
            }
        }
        if let Some(within) = row.and_then(|row| row.within)
            && let Some(&hash) = self.hashes.get(first_hash)
        {
            let (first, step) = match within {
                Within::One(at) => (usize::from(at), usize::MAX),
                Within::Every { first, step } => (usize::from(first), usize::from(step)),
                Within::Scored { first } => (usize::from(first), 2),
            };
            let scored = matches!(within, Within::Scored { .. });
            let room = SOUGHT_MAX - self.sought.len();
            let places = (first..spans.len()).step_by(step).take(room);
            let key = spans[1];
            self.sought.extend(places.map(|at| Sought {
                key,
                hash,
                name: spans[at],
                score: scored.then(|| spans[at - 1]),
            }));
        }
        self.commands.push(Parsed {
            start,
            first_span,
            spans: spans.len(),
            row: row.map(|row| row.id),
            first_hash,
            hashes: self.hashes.len() - first_hash,
        });
    }

    #[inline]
    fn prefetch(&self, keyspace: &Keyspace, db: DbIndex, buf: &[u8]) {
        // A single key gains nothing: its lookup follows immediately.
        if self.hashes.len() > 1 {
            for key in &self.hashes {
                keyspace.prefetch(db, *key);
            }
            for key in &self.hashes {
                keyspace.prefetch_entries(db, *key);
            }
        }
        if self.sought.len() > 1 {
            let source = Source::new(buf, self.apart.as_deref());
            prefetch_within(keyspace, db, &self.sought, source);
        }
    }

    /// Parses consecutive requests in `buf`, bytes of a file, up to the first that is not one, and
    /// prefetches their keys. Returns what ended parsing.
    pub fn parse_file(
        &mut self,
        keyspace: &Keyspace,
        server: &Server,
        db: DbIndex,
        buf: &[u8],
    ) -> FileEnd {
        self.clear();
        self.clear_commands();
        let bounds = Bounds {
            bulk_max: i64::MAX as u64,
            unauthenticated: false,
        };
        let (mut pos, mut last) = (0, None);
        let end = loop {
            let is_full = self.commands.len() >= COMMANDS_MAX || self.hashes.len() >= KEYS_MAX;
            if is_full || !self.commands.is_empty() && buf.get(pos) != Some(&b'*') {
                break FileEnd::Commands;
            }
            let (start, mut progress) = (pos, Progress::default());
            match step(buf, &mut pos, &mut self.spans, &mut progress, bounds) {
                Step::Command => self.file(keyspace, server, db, buf, start, &mut last),
                Step::Incomplete if self.commands.is_empty() => {
                    break FileEnd::Incomplete(progress.expects().unwrap_or(0));
                }
                // It is the first one next time.
                _ if !self.commands.is_empty() => break FileEnd::Commands,
                Step::Error(error) => break FileEnd::Error(error),
                _ => break FileEnd::Error(ProtocolError::BadMultibulkLength),
            }
        };
        self.prefetch(keyspace, db, buf);
        end
    }

    /// The commands that [`Batch::parse_file`] found in `buf`: row, arguments, key hashes, end
    /// offset.
    pub fn commands<'a>(
        &'a self,
        buf: &'a [u8],
    ) -> impl Iterator<Item = (Option<usize>, Args<'a>, &'a [KeyHash], usize)> {
        self.commands.iter().map(move |c| {
            let spans = &self.spans[c.first_span..][..c.spans];
            // CRLF follows the last argument.
            let end = spans.last().map_or(c.start, |s| s.start + s.len + 2);
            let hashes = &self.hashes[c.first_hash..][..c.hashes];
            (c.row, Args::new(buf, spans), hashes, end)
        })
    }

    /// Takes over the argument spans of a command that began earlier; swapped, not copied: O(1).
    pub fn borrow(&mut self, spans: &mut Vec<Span>, apart: Option<Box<Apart>>) {
        std::mem::swap(&mut self.spans, spans);
        self.apart = apart;
    }

    /// Returns them, with those parsed since, and the large arguments of a first command that did
    /// not run.
    pub fn give_back(&mut self, spans: &mut Vec<Span>) -> Option<Box<Apart>> {
        std::mem::swap(&mut self.spans, spans);
        self.apart.take()
    }

    pub fn clear(&mut self) {
        self.spans.clear();
        self.apart = None;
    }

    /// The number of arguments of the first command.
    pub fn first_len(&self) -> usize {
        self.commands.first().map_or(0, |c| c.spans)
    }

    /// Frees the memory that a command with very many arguments or keys has left.
    pub fn shrink(&mut self) {
        if self.spans.capacity() > SPANS_KEPT {
            self.spans.clear();
            self.spans.shrink_to(SPANS_KEPT);
        }
        if self.hashes.capacity() > SPANS_KEPT {
            self.hashes.clear();
            self.hashes.shrink_to(SPANS_KEPT);
        }
    }

    /// The spans of the incomplete command of a [`Rest::Partial`].
    pub fn spans_from(&self, first: usize) -> &[Span] {
        &self.spans[first..]
    }
}
