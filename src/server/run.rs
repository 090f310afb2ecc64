//! The loop. One turn:
//!
//!     poll        sleep until a socket, a signal or a timer needs us; while many clients
//!                 speak, rest a moment first so that their requests gather
//!     clock       read once
//!     accept      new clients, a bounded number
//!     read        one read per readable client into the one shared buffer, its commands run
//!     go on       clients with more work than their budget
//!     timers      expired keys, deadlines of blocked clients, cron
//!     before      clients whose keys became ready, replies (one write per client), closes
//!     sleep
//!
//! mio is edge-triggered. A read shorter than its buffer means that the socket is drained,
//! so there is no second read to be told so; a full one puts the client on the ready list.
//! While that list is not empty the poll does not sleep, so no event can be lost.

use std::io::{self, ErrorKind, Read, Write};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Poll, Token};

use super::batch::{Batch, Rest};
use super::client::{Client, ClientFlags};
use super::gather::Gather;
use super::session::{Input, Session};
use super::{Engine, Flow};
use crate::base::clock::{self, Now};
use crate::config::system_text;
use crate::keyspace::ClientId;
use crate::net::{self, Stream, Target};
use crate::resp::{Args, INLINE_MAX, Progress, Source};

/// The shared read buffer.
const READ_BYTES: usize = 64 * 1024;
/// A read behind the beginning of a command, behind a large argument, or where one may begin.
const READ_MORE_BYTES: usize = 16 * 1024;
/// The active expire cycle's share of one turn.
const EXPIRE_BUDGET: Duration = Duration::from_micros(1000);
/// A poll that took less found its events waiting: it did not sleep.
const SLEEP_NANOS_MIN: u64 = 2000;
/// Output buffers kept for reuse, and the largest that is worth keeping.
const SPARE_BUFFERS_MAX: usize = 64;
const SPARE_BYTES_MAX: usize = 128 * 1024;

/// The reactor: the poll, the listeners and the engine.
pub struct Loop {
    pub engine: Engine,
    poll: Poll,
    events: Events,
    /// Listeners that still have clients waiting after the last turn's limit.
    accepting: Vec<usize>,
    inbuf: Box<[u8]>,
    batch: Batch,
    spare: Vec<Vec<u8>>,
    control: mio::unix::pipe::Receiver,
    /// How long the last sleep was, in ticks: a short one predicts another.
    last_sleep: u64,
    gather: Gather,
    /// When this turn began, in ticks.
    began: u64,
}

impl Loop {
    /// `control` becomes readable when a signal or a helper thread wants the loop.
    pub fn new(
        engine: Engine,
        poll: Poll,
        mut control: mio::unix::pipe::Receiver,
    ) -> io::Result<Loop> {
        poll.registry()
            .register(&mut control, net::CONTROL, mio::Interest::READABLE)?;
        Ok(Loop {
            engine,
            poll,
            events: Events::with_capacity(1024),
            accepting: Vec::new(),
            inbuf: vec![0; READ_BYTES].into_boxed_slice(),
            batch: Batch::default(),
            spare: Vec::new(),
            control,
            last_sleep: u64::MAX,
            gather: Gather::default(),
            began: clock::cycles(),
        })
    }

    /// Takes clients from the sockets in `Server::listeners` (start-up, CONFIG SET port or
    /// bind).
    pub fn listen(&mut self) -> io::Result<()> {
        let listeners = &mut self.engine.server.listeners;
        for old in &mut *listeners {
            old.deregister(self.poll.registry());
        }
        self.accepting.clear();
        for (i, listener) in listeners.iter_mut().enumerate() {
            listener.register(self.poll.registry(), net::listener_token(i))?;
            // Clients may have come before the registration: an edge that was missed.
            self.accepting.push(i);
        }
        Ok(())
    }

    /// Runs until a shutdown is complete.
    pub fn run(&mut self) -> io::Result<()> {
        // Rests are shorter than the kernel's usual slack of 50 microseconds.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1000));
        while self.turn()? == Flow::GoOn {}
        Ok(())
    }

    fn turn(&mut self) -> io::Result<Flow> {
        self.sleep()?;
        self.began = clock::cycles();
        let server = &mut self.engine.server;
        server.now = Now::read(server.started);
        self.engine.keyspace.now_ms = server.now.unix_ms();
        // While clients are paused the keyspace stands still, expiry included.
        self.engine.keyspace.keep_expired = server.pause.is_some();
        server.stats.turns += 1;
        let commands = server.stats.commands;

        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            match net::target_of(event.token()) {
                Target::Control => self.drain_control(),
                Target::Listener(i) => self.accepting.push(i),
                Target::Client { slot, generation } => {
                    self.client_event(slot, generation, event);
                }
            }
        }
        events.clear();
        self.events = events;
        self.gather.judge();
        self.accept_waiting();
        for id in std::mem::take(&mut self.engine.server.ready) {
            self.go_on(id);
        }
        self.timers();
        self.before_sleep();
        let server = &mut self.engine.server;
        let micros = server
            .cycles
            .micros(clock::cycles().wrapping_sub(self.began));
        server.stats.turn_us += micros;
        let commands = server.stats.commands.saturating_sub(commands);
        server.stats.commands_per_turn_max = server.stats.commands_per_turn_max.max(commands);
        server.stats.slowest_turn_us = server.stats.slowest_turn_us.max(micros);
        server.latency.sample_turn(micros);
        if std::mem::take(&mut self.engine.server.relisten)
            && let Err(e) = self.listen()
        {
            tracing::warn!("Listening on the new addresses: {e}");
        }
        Ok(self.engine.shutdown_flow())
    }

    // --- sleeping ---

    fn sleep(&mut self) -> io::Result<()> {
        let timeout = self.timeout();
        if timeout.is_zero() {
            return self.poll_for(Duration::ZERO);
        }
        let server = &self.engine.server;
        let rest = u64::from(server.config.event_coalesce_usec);
        let spin = server
            .cycles
            .ticks(server.config.busy_poll_usec as u64 * 1000);
        if rest > 0 && self.gather.wants_rest() {
            self.poll_for(Duration::ZERO)?;
            if !self.events.is_empty() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_micros(rest));
            self.gather.rested();
            self.poll_for(Duration::ZERO)?;
            if !self.events.is_empty() {
                return Ok(());
            }
        }
        let began = clock::cycles();
        // A client that answers within microseconds is met awake: sleeping costs more.
        if spin > 0 && self.last_sleep < 2 * spin {
            loop {
                self.poll_for(Duration::ZERO)?;
                let waited = clock::cycles().wrapping_sub(began);
                if !self.events.is_empty() {
                    self.last_sleep = waited;
                    return Ok(());
                }
                if waited >= spin {
                    break;
                }
            }
        }
        self.poll_for(timeout)?;
        self.last_sleep = clock::cycles().wrapping_sub(began);
        if self.last_sleep >= self.engine.server.cycles.ticks(SLEEP_NANOS_MIN) {
            self.gather.slept();
        }
        Ok(())
    }

    fn poll_for(&mut self, timeout: Duration) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(e) if e.kind() == ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            other => other,
        }
    }

    /// How long the loop may sleep.
    fn timeout(&self) -> Duration {
        let server = &self.engine.server;
        if !server.ready.is_empty() || !self.accepting.is_empty() || server.has_urgent() {
            return Duration::ZERO;
        }
        // The turn's time is as old as the turn: that much sooner is everything due.
        let since_ms = server
            .cycles
            .micros(clock::cycles().wrapping_sub(self.began))
            / 1000;
        let mono_ms = server.now.mono_ms + since_ms;
        let mut wait_ms = server.cron_due_ms.saturating_sub(mono_ms);
        if let Some(due) = server.deadlines.next() {
            wait_ms = wait_ms.min(due.saturating_sub(mono_ms));
        }
        if let Some(pause) = server.pause {
            wait_ms = wait_ms.min(pause.until_ms.saturating_sub(mono_ms));
        }
        if let Some(due) = self.engine.keyspace.next_expiry() {
            let unix_ms = server.now.unix_ms() + since_ms as i64;
            wait_ms = wait_ms.min(due.saturating_sub(unix_ms).max(0) as u64);
        }
        Duration::from_millis(wait_ms)
    }

    fn drain_control(&mut self) {
        let mut bytes = [0; 64];
        // What each byte meant stands in the signal flags and the helper thread's counters.
        while matches!(self.control.read(&mut bytes), Ok(n) if n > 0) {}
        self.engine.handle_signals();
        self.engine.serve_freed();
    }

    // --- clients come ---

    fn accept_waiting(&mut self) {
        let mut left = self.engine.server.config.max_new_connections_per_cycle;
        let waiting = std::mem::take(&mut self.accepting);
        for i in waiting {
            while let Some(listener) = self.engine.server.listeners.get(i) {
                if left == 0 {
                    self.accepting.push(i);
                    break;
                }
                left -= 1;
                match listener.accept() {
                    Ok(stream) => self.welcome(stream),
                    Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                    Err(e) if is_aborted(&e) => {}
                    Err(e) => {
                        tracing::warn!("Accepting client connection: accept: {}", system_text(&e));
                        // A full file table: those who wait are looked at again with cron.
                        self.engine.server.retry_accept.push(i);
                        break;
                    }
                }
            }
        }
    }

    fn welcome(&mut self, mut stream: Stream) {
        let server = &mut self.engine.server;
        let (peer, local, fd) = (stream.peer(), stream.local(), stream.fd());
        if let Some(refusal) = server.refuses(&peer) {
            // Best effort: a peer that does not read it is closed all the same.
            let _ = stream.write(refusal.as_bytes());
            server.stats.rejected_connections += 1;
            return;
        }
        stream.tune(server.config.tcp_keepalive as u64);
        let id = server.clients.next_id();
        let mut client = Client::new(id, peer, local, fd, server.now.mono_ms);
        if server.password_required() {
            client.flags |= ClientFlags::UNAUTHENTICATED;
        }
        server.stats.connections += 1;
        tracing::trace!(client = id.0, "Accepted {}", client.peer);
        let session = Box::new(Session::new(client, Some(stream)));
        let (slot, generation) = server.clients.add(session);
        let mut session = server
            .clients
            .take_at(slot, generation)
            .expect("just added");
        let token = net::client_token(slot, generation);
        let registered = session
            .stream
            .as_mut()
            .expect("a connection")
            .register(self.poll.registry(), token);
        match registered {
            Ok(()) => server.clients.put_back(session),
            Err(e) => {
                tracing::warn!("Registering a client: {e}");
                self.close(session);
            }
        }
    }

    // --- clients speak ---

    fn client_event(&mut self, slot: u32, generation: u32, event: &Event) {
        let Some(mut session) = self.engine.server.clients.take_at(slot, generation) else {
            return;
        };
        self.gather.event(&mut session.seen_in);
        if event.is_writable() && session.write_armed && !self.flush(&mut session) {
            return self.close(session);
        }
        // Data and the end may share one edge: the end is read for in its own turn.
        session.peer_closed |= event.is_read_closed();
        if event.is_readable() || session.peer_closed {
            self.read(session);
        } else {
            self.engine.server.clients.put_back(session);
        }
    }

    /// One read, and the commands that it completes.
    fn read(&mut self, mut session: Box<Session>) {
        let mut inbuf = std::mem::take(&mut self.inbuf);
        let keep = self.read_into(&mut session, &mut inbuf);
        self.inbuf = inbuf;
        self.settle(session, keep);
    }

    /// `false`: the connection is over.
    fn read_into(&mut self, session: &mut Session, inbuf: &mut [u8]) -> bool {
        let direct = session.input.is_empty() && session.client.runs();
        let Some(stream) = session.stream.as_mut() else {
            return false;
        };
        let result = if direct {
            let short = session.expects_large;
            let room = if short { READ_MORE_BYTES } else { inbuf.len() };
            stream.read(&mut inbuf[..room]).map(|n| (n, n == room))
        } else {
            read_more(stream, &mut session.input, &mut inbuf[..READ_MORE_BYTES])
        };
        let (n, full) = match result {
            Ok((0, _)) => return false,
            Ok(read) => read,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                session.more_to_read = e.kind() == ErrorKind::Interrupted;
                return true;
            }
            Err(e) => {
                tracing::debug!(client = session.client.id.0, "Reading from client: {e}");
                return false;
            }
        };
        session.more_to_read = full || session.peer_closed;
        let server = &mut self.engine.server;
        server.stats.net_input_bytes += n as u64;
        server.stats.reads += 1;
        session.client.bytes_in += n as u64;
        session.client.last_active_ms = server.now.mono_ms;
        if direct {
            let rest = {
                self.batch.clear();
                self.give_buffer(session);
                self.engine.run_buffer(
                    session,
                    &mut self.batch,
                    &inbuf[..n],
                    0,
                    Progress::default(),
                )
            };
            let keep = self.keep_rest(session, &inbuf[..n], rest);
            session.expects_large = session.input.apart.is_some();
            return keep;
        }
        if session.input.bytes() as u64 > self.query_buffer_limit(session) {
            tracing::warn!(
                client = session.client.id.0,
                "Closing client that reached max query buffer length"
            );
            self.engine.server.stats.query_buffer_disconnections += 1;
            return false;
        }
        if !session.client.runs() {
            // Kept for later: nothing is parsed before the client runs again.
            session.input.runnable = true;
            session.note_query_buffer();
            return true;
        }
        self.run_input(session)
    }

    fn query_buffer_limit(&self, session: &Session) -> u64 {
        if session.client.flags.contains(ClientFlags::UNAUTHENTICATED) {
            // Nothing that a stranger may send is longer.
            return (16 * INLINE_MAX) as u64;
        }
        self.engine.server.config.client_query_buffer_limit
    }

    /// Goes on with the input that a client has left.
    fn run_input(&mut self, session: &mut Session) -> bool {
        session.input.runnable = false;
        if session.input.fills_large() {
            session.note_query_buffer();
            return true;
        }
        self.give_buffer(session);
        let input = &mut session.input;
        let buf = std::mem::take(&mut input.buf);
        let pos = input.pos;
        let progress = std::mem::take(&mut input.progress);
        self.batch.resume(&mut input.spans, input.apart.take());
        let rest = self
            .engine
            .run_buffer(session, &mut self.batch, &buf, pos, progress);
        // An incomplete command at the very start stays where it is: nothing is copied.
        if let Rest::Partial {
            start: 0,
            pos,
            progress,
            first_span,
        } = rest
        {
            let apart = self.batch.take_apart();
            let spans = self.batch.spans_from(first_span);
            session.input.keep_whole(buf, pos, spans, progress, apart);
            session.expects_large |= session.input.apart.is_some();
            session.note_query_buffer();
            return true;
        }
        self.keep_rest(session, &buf, rest)
    }

    fn keep_rest(&mut self, session: &mut Session, buf: &[u8], rest: Rest) -> bool {
        match rest {
            Rest::Nothing => session.input.reset(),
            Rest::Partial {
                start,
                pos,
                progress,
                first_span,
            } => {
                let spans = self.batch.spans_from(first_span);
                session.input.keep(buf, start, pos, spans, progress);
            }
            Rest::Stopped { start } => {
                session
                    .input
                    .keep(buf, start, start, &[], Progress::default());
                session.input.runnable = true;
            }
            Rest::Postponed { next } => {
                let apart = self.batch.take_apart();
                let source = Source::new(buf, apart.as_deref());
                let input = &mut session.input;
                input.keep(buf, next, next, &[], Progress::default());
                input.put_first(Args::of(source, self.batch.first_spans()));
                input.runnable = true;
            }
            Rest::Closed => {
                self.batch.clear();
                session.input.reset();
                if session.client.flags.contains(ClientFlags::CLOSE_ASAP) {
                    return false;
                }
            }
        }
        session.note_query_buffer();
        true
    }

    /// A client from the ready list: first what it has sent already, then its socket.
    fn go_on(&mut self, id: ClientId) {
        let Some(mut session) = self.engine.server.clients.take(id) else {
            return;
        };
        session.ready_queued = false;
        if session.input.runnable && session.client.runs() {
            let keep = self.run_input(&mut session);
            if !keep || !session.more_to_read || session.input.runnable {
                return self.settle(session, keep);
            }
        }
        if session.more_to_read {
            self.read(session);
        } else {
            self.settle(session, true);
        }
    }

    /// After a client has had its share: it is put back, closed, or put on the lists.
    fn settle(&mut self, mut session: Box<Session>, keep: bool) {
        if !keep {
            // What its last commands answered is still sent, if the peer takes it.
            if !session.client.flags.contains(ClientFlags::CLOSE_ASAP) {
                self.flush(&mut session);
            }
            return self.close(session);
        }
        self.engine.server.enforce_output_limit(&mut session);
        if session.client.flags.contains(ClientFlags::CLOSE_ASAP) {
            return self.close(session);
        }
        let server = &mut self.engine.server;
        let closing = session
            .client
            .flags
            .contains(ClientFlags::CLOSE_AFTER_REPLY);
        if (!session.reply.is_empty() || closing) && !session.flush_queued {
            session.flush_queued = true;
            server.flush.push(session.client.id);
        }
        // A client that waits is read from as well: its end must be noticed.
        let more = session.more_to_read || session.input.runnable && session.client.runs();
        if more && !session.ready_queued {
            session.ready_queued = true;
            server.ready.push(session.client.id);
        }
        server.count_client_memory(&mut session);
        server.clients.put_back(session);
        self.engine.evict_clients();
    }

    // --- clients are answered ---

    fn give_buffer(&mut self, session: &mut Session) {
        if session.reply.capacity() == 0
            && let Some(buffer) = self.spare.pop()
        {
            session.reply.give_buffer(buffer);
        }
    }

    /// Sends what waits. `false`: the connection is over.
    fn flush(&mut self, session: &mut Session) -> bool {
        let Some(stream) = session.stream.as_mut() else {
            return false;
        };
        let waiting = session.reply.pending_len();
        session.client.reply_peak = session.client.reply_peak.max(waiting);
        while !session.reply.is_empty() {
            match session.reply.write_to(stream) {
                Ok(0) => return false,
                Ok(n) => {
                    session.client.bytes_out += n as u64;
                    let server = &mut self.engine.server;
                    session.client.last_active_ms = server.now.mono_ms;
                    server.stats.net_output_bytes += n as u64;
                    server.stats.writes += 1;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    return session.write_armed || self.arm_write(session, true);
                }
                Err(e) => {
                    tracing::debug!(client = session.client.id.0, "Writing to client: {e}");
                    return false;
                }
            }
        }
        if session
            .client
            .flags
            .contains(ClientFlags::CLOSE_AFTER_REPLY)
        {
            return false;
        }
        session.client.soft_limit_since_ms = None;
        let capacity = session.reply.capacity();
        if capacity > 0 {
            let buffer = session.reply.take_buffer();
            if self.spare.len() < SPARE_BUFFERS_MAX && capacity <= SPARE_BYTES_MAX {
                self.spare.push(buffer);
            }
        }
        !session.write_armed || self.arm_write(session, false)
    }

    fn arm_write(&mut self, session: &mut Session, on: bool) -> bool {
        let token: Token = net::client_token(session.slot, session.generation);
        let Some(stream) = session.stream.as_mut() else {
            return false;
        };
        session.write_armed = on;
        stream.want_write(self.poll.registry(), token, on).is_ok()
    }

    // --- the rest of a turn ---

    fn timers(&mut self) {
        let engine = &mut self.engine;
        if engine
            .keyspace
            .next_expiry()
            .is_some_and(|due| due <= engine.keyspace.now_ms)
        {
            let began = Instant::now();
            engine.keyspace.expire_cycle(EXPIRE_BUDGET);
            engine.after_removals();
            let micros = began.elapsed().as_micros() as u64;
            engine.server.stats.active_expire_us += micros;
            engine
                .server
                .latency
                .add_if_slow("expire-cycle", micros / 1000);
        }
        engine.evict_on();
        engine.time_out_blocked();
        engine.end_pause();
        if engine.server.now.mono_ms >= engine.server.cron_due_ms {
            engine.cron();
            let retry = std::mem::take(&mut engine.server.retry_accept);
            self.accepting.extend(retry);
            self.spare.truncate(SPARE_BUFFERS_MAX / 4);
            self.batch.shrink();
        }
    }

    fn before_sleep(&mut self) {
        self.engine.serve_ready_keys();
        for id in std::mem::take(&mut self.engine.server.flush) {
            let Some(mut session) = self.engine.server.clients.take(id) else {
                continue;
            };
            session.flush_queued = false;
            if self.flush(&mut session) {
                self.engine.server.count_client_memory(&mut session);
                self.engine.server.clients.put_back(session);
            } else {
                self.close(session);
            }
        }
        for id in std::mem::take(&mut self.engine.server.to_close) {
            if let Some(session) = self.engine.server.clients.take(id) {
                self.close(session);
            }
        }
    }

    fn close(&mut self, mut session: Box<Session>) {
        self.engine.forget(&mut session);
        if let Some(mut stream) = session.stream.take() {
            stream.deregister(self.poll.registry());
        }
    }
}

/// One read behind what a client has left; how many bytes came, and whether they were all
/// that was asked for.
fn read_more(
    stream: &mut Stream,
    input: &mut Input,
    inbuf: &mut [u8],
) -> io::Result<(usize, bool)> {
    if let Some(filled) = input.fill_large(stream, inbuf) {
        return filled.map(|filled| (filled.read, filled.full));
    }
    let n = stream.read(inbuf)?;
    input.buf.extend_from_slice(&inbuf[..n]);
    Ok((n, n == inbuf.len()))
}

fn is_aborted(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::base::large::LARGE_MIN;
    use crate::config::Config;
    use crate::server::{CommandTable, Signals, Testbed};

    /// A loop with one client, whose other end is here.
    struct Peer {
        all: Loop,
        socket: UnixStream,
        replies: Vec<u8>,
    }

    impl Peer {
        fn new() -> Peer {
            let table = CommandTable::new(&crate::commands::table());
            let engine = Engine::new(Config::default(), table, Arc::new(Signals::default()));
            let (_, control) = mio::unix::pipe::new().expect("a pipe");
            let poll = Poll::new().expect("a poll");
            let mut all = Loop::new(engine, poll, control).expect("a loop");
            let socket = connect(&mut all);
            Peer {
                all,
                socket,
                replies: Vec::new(),
            }
        }

        /// Sends a piece and lets the loop run until it has read all of it.
        fn send(&mut self, piece: &[u8]) {
            if piece.is_empty() {
                return;
            }
            self.socket.write_all(piece).expect("room in the socket");
            loop {
                self.all.turn().expect("a turn");
                let before = self.replies.len();
                let _ = self.socket.read_to_end(&mut self.replies);
                // So much may be all that the socket took, and the rest comes in another turn.
                let may_be_full = self.replies.len() - before > 100_000;
                if self.all.engine.server.ready.is_empty() && !may_be_full {
                    return;
                }
            }
        }
    }

    fn connect(all: &mut Loop) -> UnixStream {
        let (here, there) = UnixStream::pair().expect("sockets");
        there.set_nonblocking(true).expect("a socket");
        here.set_nonblocking(true).expect("a socket");
        all.welcome(Stream::Unix(mio::net::UnixStream::from_std(there)));
        here
    }

    fn request(args: &[Vec<u8>]) -> Vec<u8> {
        let mut out = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            out.extend_from_slice(arg);
            out.extend_from_slice(b"\r\n");
        }
        out
    }

    /// What the commands answer when each comes alone and in one piece.
    fn answers(commands: &[Vec<Vec<u8>>]) -> Vec<u8> {
        let mut t = Testbed::unheard();
        let run = |args: &Vec<Vec<u8>>| {
            let words: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
            t.run_args(&words)
        };
        commands.iter().flat_map(run).collect()
    }

    /// What the loop answers to the commands in pieces that end at `ends`.
    fn answers_in_pieces(input: &[u8], mut ends: Vec<usize>) -> Vec<u8> {
        let mut peer = Peer::new();
        ends.push(input.len());
        ends.sort_unstable();
        let mut from = 0;
        for end in ends {
            // No more than the socket takes at once.
            for piece in input[from..end].chunks(100_000) {
                peer.send(piece);
            }
            from = end;
        }
        peer.replies
    }

    fn word(text: &str) -> Vec<u8> {
        text.as_bytes().to_vec()
    }

    #[test]
    fn a_large_argument_may_be_cut_at_every_byte_about_its_ends() {
        let text: Vec<u8> = (0..LARGE_MIN).map(|i| (i % 251) as u8).collect();
        let commands = [
            vec![word("MSET"), word("a"), text.clone(), word("b"), text],
            vec![word("STRLEN"), word("b")],
        ];
        let input: Vec<u8> = commands.iter().flat_map(|c| request(c)).collect();
        let wanted = answers(&commands);
        assert_eq!(wanted, format!("+OK\r\n:{LARGE_MIN}\r\n").as_bytes());
        let (first, second) = (31 + LARGE_MIN, 31 + LARGE_MIN + 2 + 7 + 8 + LARGE_MIN);
        let mut cuts: Vec<usize> = (1..45).collect();
        cuts.extend(first - 3..first + 25);
        cuts.extend(second - 3..input.len());
        for cut in cuts {
            assert!(answers_in_pieces(&input, vec![cut]) == wanted, "{cut}");
        }
    }

    fn a_command() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let lens = prop_oneof![
            0usize..100,
            LARGE_MIN - 2..LARGE_MIN + 3,
            READ_BYTES - 60..READ_BYTES + 3,
            LARGE_MIN..120_000,
        ];
        let text = (lens, any::<u8>()).prop_map(|(len, seed)| {
            let byte = |i: usize| (i * 7 + i / 255) as u8 ^ seed;
            (0..len).map(byte).collect::<Vec<u8>>()
        });
        let key = || (0..3u8).prop_map(|k| vec![b'a' + k]);
        prop_oneof![
            (key(), text.clone()).prop_map(|(k, t)| vec![word("SET"), k, t]),
            (key(), text.clone()).prop_map(|(k, t)| vec![word("APPEND"), k, t]),
            (key(), text.clone()).prop_map(|(k, t)| vec![word("GETSET"), k, t]),
            (key(), text.clone()).prop_map(|(k, t)| vec![word("SET"), k, t, word("NX")]),
            (key(), text.clone(), key(), text.clone()).prop_map(|(k, t, l, u)| vec![
                word("MSET"),
                k,
                t,
                l,
                u
            ]),
            (key(), text.clone()).prop_map(|(k, t)| vec![word("SETRANGE"), k, word("3"), t]),
            text.prop_map(|t| vec![word("ECHO"), t]),
            key().prop_map(|k| vec![word("GET"), k]),
            Just(vec![word("MULTI")]),
            Just(vec![word("EXEC")]),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn large_arguments_in_any_pieces_are_the_same_commands(
            commands in prop::collection::vec(a_command(), 1..8),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let input: Vec<u8> = commands.iter().flat_map(|c| request(c)).collect();
            let ends = cuts.iter().map(|cut| cut.index(input.len())).collect();
            let got = answers_in_pieces(&input, ends);
            prop_assert!(got == answers(&commands));
        }
    }

    #[test]
    fn a_paused_client_finds_its_large_arguments_again() {
        let mut peer = Peer::new();
        let text = vec![b'x'; 50_000];
        let set = request(&[word("MSET"), word("a"), text.clone(), word("b"), text]);
        let mut other = connect(&mut peer.all);
        other
            .write_all(b"CLIENT PAUSE 100000 WRITE\r\n")
            .expect("room");
        peer.all.turn().expect("a turn");
        peer.send(&set[..70_000]);
        peer.send(&[&set[70_000..], b"STRLEN a\r\n"].concat());
        assert_eq!(peer.replies, b"");
        other.write_all(b"CLIENT UNPAUSE\r\n").expect("room");
        peer.all.turn().expect("a turn");
        peer.send(b"STRLEN b\r\n");
        assert_eq!(peer.replies, b"+OK\r\n:50000\r\n:50000\r\n");
    }

    #[test]
    fn a_large_argument_counts_in_the_query_buffer() {
        let mut peer = Peer::new();
        let head = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\n";
        peer.send(&[&head[..], &[b'x'; 90_000]].concat());
        let clients = &mut peer.all.engine.server.clients;
        let session = clients.iter_mut().next().expect("connected");
        assert_eq!(session.client.query_bytes, 90_000);
        assert!((90_000..750_000).contains(&session.client.query_capacity));
        let claimed = session.client.query_capacity + session.client.query_growth;
        assert!((1_000_000..1_010_000).contains(&claimed), "{claimed}");
        // A client that sends no more gives its unused room back.
        session.input.shrink();
        session.note_query_buffer();
        assert!((90_000..95_000).contains(&session.client.query_capacity));
        for piece in [100_000, 300_000, 500_000, 10_000] {
            for part in vec![b'x'; piece].chunks(100_000) {
                peer.send(part);
            }
        }
        assert_eq!(peer.replies, b"");
        peer.send(b"\r\n");
        assert_eq!(peer.replies, b"+OK\r\n");
        let clients = &mut peer.all.engine.server.clients;
        let client = &clients.iter_mut().next().expect("connected").client;
        assert_eq!(
            (
                client.query_bytes,
                client.query_capacity,
                client.query_growth
            ),
            (0, 0, 0)
        );
    }
}
