//! The commands of a client's buffer, run in batches (`clients::batch`). A turn's work for a client
//! is bounded by [`BUDGET`] commands and [`OUTPUT_BUDGET`] reply bytes.
//!
//!     parse a batch -> prefetch its keys -> run it -> next batch, until input or budget end
//!
//! Invariants
//!   1. A command runs only after all before it; a stopped client keeps the rest of its input.
//!   2. The log shows the start of an unreadable request only if it cannot be a password's.
//!
//! Elsewhere: `resp` parses, `dispatch` decides about each command, `run::read` keeps the buffer,
//! `upstream` applies the primary's stream.

use std::ops::Range;

use crate::clients::batch::{
    BUDGET, Batch, COMMANDS_MAX, GROUP, InputRemainder, KEYS_MAX, Neighbour, OUTPUT_BUDGET,
    SHOWN_INPUT,
};
use crate::clients::client::{ClientFlags, TAKEN_BULK_MAX};
use crate::clients::ending::{Disconnection, EndReason};
use crate::clients::session::Session;
use crate::execution::dispatch::{Outcome, after_reply};
use crate::observe::client_line::client_line;
use crate::observe::crash;
use crate::parts::clients::output_limits;
use crate::state::call::Handler;
use crate::state::world::Engine;
use russet_base::text::Printable;
use russet_command::CommandError;
use russet_command::secrets::REDACTED;
use russet_config::quote;
use russet_keyspace::ExpiryMode;
use russet_resp::{Args, Bounds, OwnedArgs, ParseStep, Progress, ProtocolError, step};

/// The reason why parsing ended, after the commands of the batch.
enum ParseEnd {
    /// The batch is full: parsing continues after it has run.
    Full,
    Incomplete,
    Inline(OwnedArgs),
    Error(ProtocolError),
}

/// How the commands of a buffer run.
pub trait Runs {
    /// Runs the commands of the batch, which are these bytes of `buf`. `Some`: the client stopped
    /// before the batch's end.
    fn run_parsed(
        engine: &mut Engine,
        session: &mut Session,
        batch: &mut Batch,
        buf: &[u8],
        bytes: Range<usize>,
    ) -> Option<InputRemainder>;

    /// Runs an inline request, of these bytes. `false`: it waits.
    fn run_line(
        engine: &mut Engine,
        session: &mut Session,
        row: Option<usize>,
        args: Args<'_>,
        bytes: &[u8],
    ) -> bool;
}

/// Commands of a client.
struct OfClient;

impl Runs for OfClient {
    #[inline]
    fn run_parsed(
        engine: &mut Engine,
        session: &mut Session,
        batch: &mut Batch,
        buf: &[u8],
        bytes: Range<usize>,
    ) -> Option<InputRemainder> {
        // Where the calls that are timed together end; a command alone begins no group.
        let mut group_end = if batch.commands.len() > 1 {
            0
        } else {
            usize::MAX
        };
        for i in 0..batch.commands.len() {
            batch.prefetch_next(i, &engine.keyspace, session.client.db);
            let command = batch.commands[i];
            if i == group_end {
                group_end += engine.server.begin_timed(&batch.commands[i..]);
            }
            let args = batch.args(command, buf);
            let hashes = &batch.hashes[command.first_hash..][..command.hashes];
            session.client.buffers.query_bytes = buf.len() - command.start;
            let outcome = engine.dispatch(session, command.row, args, hashes);
            let next = || batch.commands.get(i + 1).map_or(bytes.end, |c| c.start);
            if outcome == Outcome::Postponed {
                return Some(match batch.apart {
                    Some(_) => InputRemainder::Postponed { next: next() },
                    None => InputRemainder::Stopped {
                        start: command.start,
                    },
                });
            }
            // The large arguments belonged to the first command only.
            batch.apart = None;
            if !engine.continues(session) {
                return Some(ended(session, next(), buf));
            }
        }
        None
    }

    fn run_line(
        engine: &mut Engine,
        session: &mut Session,
        row: Option<usize>,
        args: Args<'_>,
        _: &[u8],
    ) -> bool {
        engine.dispatch(session, row, args, &[]) != Outcome::Postponed
    }
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
    ) -> InputRemainder {
        let flags = session.client.flags;
        if flags.contains(ClientFlags::PRIMARY) {
            return self.run_stream(session, batch, buf, pos, progress);
        }
        let imports = flags.contains(ClientFlags::IMPORTS) && self.server.config.import_mode;
        if !imports {
            return self.run_commands::<OfClient>(session, batch, buf, pos, progress);
        }
        let usual = self.keyspace.set_expiring(ExpiryMode::Replay);
        let rest = self.run_commands::<OfClient>(session, batch, buf, pos, progress);
        self.keyspace.set_expiring(usual);
        rest
    }

    /// Parses and runs commands as [`Engine::run_buffer`] does.
    pub(crate) fn run_commands<R: Runs>(
        &mut self,
        session: &mut Session,
        batch: &mut Batch,
        buf: &[u8],
        mut pos: usize,
        mut progress: Progress,
    ) -> InputRemainder {
        crash::record_client(&session.client);
        output_limits::limit(&session.client, &mut session.reply, &self.server.config);
        self.server.stats.batches.client_runs += 1;
        let mut budget = BUDGET;
        // A command that began earlier starts at the start of the kept buffer.
        let mut start = if progress.has_begun() { 0 } else { pos };
        loop {
            let from = start;
            let end = self.parse_batch(session, batch, buf, &mut start, &mut pos, &mut progress);
            batch.prefetch(&self.keyspace, session.client.db, buf, GROUP);
            self.count_batch(session, batch, &end);
            self.server.turn.timing.begin();
            let stopped_at = R::run_parsed(self, session, batch, buf, from..start);
            self.server.settle_times();
            if let Some(rest) = stopped_at {
                return rest;
            }
            budget = budget.saturating_sub(batch.commands.len());
            match end {
                ParseEnd::Full => {}
                ParseEnd::Incomplete => return unfinished(batch, buf, start, pos, progress),
                ParseEnd::Inline(args) => {
                    let args = args.args();
                    session.client.buffers.query_bytes = args.bytes();
                    let row = self.server.table.find(&args[0]).map(|row| row.id);
                    self.server.turn.timing.begin();
                    if !R::run_line(self, session, row, args, &buf[start..pos]) {
                        return InputRemainder::Stopped { start };
                    }
                    budget = budget.saturating_sub(1);
                    start = pos;
                    if !self.continues(session) {
                        if session.client.flags.contains(ClientFlags::BLOCKED) {
                            return stopped(start, buf);
                        }
                        return InputRemainder::Closed;
                    }
                }
                ParseEnd::Error(error) => {
                    return self.malformed(session, batch, error, &buf[start..]);
                }
            }
            batch.spans.clear();
            if budget == 0 || session.reply.pending_len() > OUTPUT_BUDGET {
                return stopped(start, buf);
            }
        }
    }

    /// Counts the commands of a batch of a client's input.
    #[inline]
    fn count_batch(&mut self, session: &mut Session, batch: &Batch, end: &ParseEnd) {
        let inline = u64::from(matches!(end, ParseEnd::Inline(_)));
        let commands = batch.commands.len() as u64 + inline;
        let (stats, traffic) = (&mut self.server.stats.batches, &mut session.client.traffic);
        let is_one = u64::from(commands > 0);
        stats.parsed += is_one;
        stats.commands += commands;
        traffic.batches += is_one;
        traffic.batched += commands;
        if batch.hashes.len() > 1 {
            stats.prefetches += 1;
            stats.keys_prefetched += batch.hashes.len() as u64;
        }
    }

    /// Whether the client's next command may run.
    #[inline]
    pub(crate) fn continues(&mut self, session: &mut Session) -> bool {
        if session.reply.is_full() {
            self.server.enforce_output_limit(session);
        }
        session.client.runs()
    }

    /// The bounds of a client's requests.
    #[inline]
    fn bounds(&self, session: &Session) -> Bounds {
        let unauthenticated = self.server.acl.must_authenticate(&session.client);
        let dialect = self.server.config.dialect;
        Bounds {
            bulk_max: if session.client.sends_taken() {
                self.server.config.proto_max_bulk_len.max(TAKEN_BULK_MAX)
            } else {
                self.server.config.proto_max_bulk_len
            },
            unauthenticated,
            checks_bulk_ends: dialect.checks_bulk_ends(),
            joins_quoted: dialect.joins_quoted(),
        }
    }

    /// Parses the command that `buf` consists of into the empty batch, to prefetch its keys.
    /// `false`: `buf` is not a single command.
    pub(crate) fn parse_only_command(
        &mut self,
        session: &Session,
        batch: &mut Batch,
        buf: &[u8],
    ) -> bool {
        batch.clear_commands();
        let (mut pos, mut progress) = (0, Progress::default());
        let bounds = self.bounds(session);
        let step = step(buf, &mut pos, &mut batch.spans, &mut progress, bounds);
        if !matches!(step, ParseStep::Command) || pos < buf.len() {
            return false;
        }
        let (keyspace, table) = (&self.keyspace, &self.server.table);
        batch.file(keyspace, table, session.client.db, buf, 0..pos, &mut None);
        true
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
    ) -> ParseEnd {
        batch.clear_commands();
        let bounds = self.bounds(session);
        // Before login a batch is a single command, because AUTH changes the limits for the next
        // command.
        let commands_max = if bounds.unauthenticated {
            1
        } else {
            COMMANDS_MAX.min(self.server.config.lookahead as usize)
        };
        let (keyspace, server) = (&self.keyspace, &self.server);
        let db = session.client.db;
        let mut last: Option<Neighbour<'_, Handler>> = None;
        loop {
            if batch.commands.len() >= commands_max || batch.hashes.len() >= KEYS_MAX {
                return ParseEnd::Full;
            }
            // The first command may have begun earlier.
            if let Some(last) = &last
                && batch.repeat((keyspace, db), last, buf, pos, bounds)
            {
                *start = *pos;
                continue;
            }
            match step(buf, pos, &mut batch.spans, progress, bounds) {
                ParseStep::Command => {}
                ParseStep::Incomplete => return ParseEnd::Incomplete,
                ParseStep::Nothing => {
                    *start = *pos;
                    continue;
                }
                ParseStep::Inline(args) => {
                    return ParseEnd::Inline(args);
                }
                ParseStep::Error(error) => return ParseEnd::Error(error),
            }
            let at = *start..*pos;
            batch.file(keyspace, &server.table, db, buf, at, &mut last);
            *start = *pos;
        }
    }

    /// The start of an unreadable request as others may see it; `None`: it may be a password's.
    /// It may be before the login, after a command with secrets or an unknown command (of which it
    /// may be the rest), and if it names a command with secrets.
    fn shown_input<'a>(
        &self,
        session: &Session,
        error: ProtocolError,
        input: &'a [u8],
    ) -> Option<&'a [u8]> {
        let server = &self.server;
        let client = &session.client;
        let shown = &input[..input.len().min(SHOWN_INPUT)];
        // An inline request begins with the command's name; any bytes may follow.
        let shown = match error {
            ProtocolError::UnbalancedQuotes
            | ProtocolError::InlineTooLong
            | ProtocolError::InlineNul => shown.split(u8::is_ascii_whitespace).next()?,
            _ => shown,
        };
        let last = client.traffic.last_command;
        let follows_secrets = match last {
            Some(id) => server.table.may_hide(server.table.row(id)),
            None => client.traffic.batched > 0,
        };
        let is_hidden = server.config.hide_user_data_from_log
            || follows_secrets
            || server.acl.must_authenticate(client)
            || server.table.names_secrets(shown);
        (!is_hidden).then_some(shown)
    }

    /// The bytes from the next command on, `input`, are no request; the client is closed.
    #[cold]
    fn malformed(
        &mut self,
        session: &mut Session,
        batch: &Batch,
        error: ProtocolError,
        input: &[u8],
    ) -> InputRemainder {
        let input = if batch.apart.is_some() { &[] } else { input };
        self.protocol_error(session, error, input);
        InputRemainder::Closed
    }

    /// Protocol error: replies with it, unless the client has its replies off, and closes the
    /// client. `input` begins with the unreadable bytes.
    fn protocol_error(&mut self, session: &mut Session, error: ProtocolError, input: &[u8]) {
        let mut shown = Vec::new();
        match self.shown_input(session, error, input) {
            None => shown.extend_from_slice(REDACTED),
            Some(input) => quote(&mut shown, input),
        }
        tracing::debug!(
            "Protocol error ({error}) from client: {}. Query buffer during protocol error: {}",
            Printable(&client_line(
                &self.server,
                &session.client,
                &session.reply,
                None
            )),
            String::from_utf8_lossy(&shown)
        );
        let mark = session.reply.mark();
        session
            .reply
            .error(&CommandError::owned(format!("ERR {error}")));
        self.server.stats.count_error(b"ERR");
        after_reply(session, mark);
        let detail = format!("{error}: {}", String::from_utf8_lossy(&shown));
        session
            .client
            .close_after_reply(Disconnection::new(EndReason::Protocol, detail));
    }
}

/// The bytes of `buf` from `start` on are no whole command; parsed up to `pos`.
fn unfinished(
    batch: &Batch,
    buf: &[u8],
    start: usize,
    pos: usize,
    progress: Progress,
) -> InputRemainder {
    if start == buf.len() && !progress.has_begun() {
        return InputRemainder::Nothing;
    }
    let first_span = batch.commands.last().map_or(0, |c| c.first_span + c.spans);
    InputRemainder::Partial {
        start,
        pos,
        progress,
        first_span,
    }
}

/// The client runs no further command; the next command starts at `next`.
pub(crate) fn ended(session: &Session, next: usize, buf: &[u8]) -> InputRemainder {
    const CLOSED: ClientFlags = ClientFlags::CLOSE_ASAP.union(ClientFlags::CLOSE_AFTER_REPLY);
    if session.client.flags.intersects(CLOSED) {
        InputRemainder::Closed
    } else {
        stopped(next, buf)
    }
}

/// The client's share of the turn is over, and the next command starts at `start`.
fn stopped(start: usize, buf: &[u8]) -> InputRemainder {
    if start == buf.len() {
        InputRemainder::Nothing
    } else {
        InputRemainder::Stopped { start }
    }
}
