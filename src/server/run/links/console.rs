//! Pages of the console: HTTP on `console-port`, with keep-alive, one request at a time.
//!
//! The answer to a command acknowledges its writes, so answers leave with the replies of clients,
//! after the turn's writes are in the log ([`Loop::flush_consoles`]). A call that does not end
//! within its share of a turn continues in the next ones. Bounds: [`CONNECTIONS_MAX`], `http`'s,
//! and the times below, each until something has happened. One connection more takes the place of
//! one that only waits ([`Connection::waits_for_peer`]).

use std::io::{self, ErrorKind, Write};

use crate::console::http::{self, Answer, Method, Parsed};
use crate::console::pack::Packing;
use crate::console::{calls, events};
use crate::server::clients::ending::EndReason;
use crate::server::console::answer::Next;
use crate::server::console::sessions::Who;
use crate::server::console::streams::HEARTBEAT_MS;
use crate::server::parts::console::{CONNECTIONS_MAX, Connection, Console, Task};
use crate::server::run::Loop;
use russet_net::tls::TlsLink;
use russet_net::{Accepted, Address, Role, Stream, Target, readable};

/// Connections accepted per event; the rest wait for cron.
const ACCEPTS_MAX: usize = 64;
/// Time limit from the first byte of a request to the end of its head, and of its body.
const HEAD_MS: u64 = 10_000;
const BODY_MS: u64 = 30_000;
/// Time limit between requests.
const IDLE_MS: u64 = 30_000;
/// Time limit for the rest of a refused request to arrive.
const DRAIN_MS: u64 = 2000;
/// Bytes of a refused request that are dropped.
const DRAIN_BYTES_MAX: usize = 4 << 20;
/// Time limit for a call to run, and for the peer to take more of the answer.
const CALL_MS: u64 = 60_000;
/// Bytes of one read.
const READ_BYTES: usize = 16 * 1024;
/// A buffer that is kept between requests.
const BUFFER_BYTES_KEPT: usize = 64 * 1024;

/// Whether a connection continues.
#[derive(PartialEq, Eq)]
enum Exchange {
    Continues,
    Ended,
}

/// The result of a read.
enum Read {
    /// Nothing more is there.
    Nothing,
    Some,
    Over,
}

impl Loop {
    fn consoles(&mut self) -> &mut Console {
        &mut self.engine.server.connections.console
    }

    /// Accepts pages from the sockets in `Console::listeners` (start-up, CONFIG SET).
    pub(in crate::server) fn listen_for_consoles(&mut self) -> io::Result<()> {
        let console = &mut self.engine.server.connections.console;
        for (i, listener) in console.listeners.iter_mut().enumerate() {
            listener.deregister(&self.registry);
            let token = Target::lasting(Role::ConsoleListener, i);
            listener.register(&self.registry, token.into())?;
        }
        // A connection may have arrived before the registration.
        console.waiting = true;
        Ok(())
    }

    pub(in crate::server) fn accept_consoles(&mut self) {
        self.consoles().waiting = false;
        let mut left = ACCEPTS_MAX;
        for i in 0..self.consoles().listeners.len() {
            loop {
                if left == 0 {
                    self.consoles().waiting = true;
                    return;
                }
                left -= 1;
                match self.consoles().listeners[i].accept() {
                    Ok((Accepted::Plain(stream), peer)) => self.welcome_page(stream, peer),
                    Ok((Accepted::Tls(socket), peer)) => {
                        let tls = &self.engine.server.connections.tls;
                        let Some(materials) = tls.materials() else {
                            continue;
                        };
                        match TlsLink::accepted(socket, &materials.server) {
                            Ok(link) => self.welcome_page(Stream::Tls(Box::new(link)), peer),
                            Err(e) => tracing::debug!("Accepting a page of the console: {e}"),
                        }
                    }
                    Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                    Err(e) if e.kind() == ErrorKind::ConnectionAborted => {}
                    // Perhaps no descriptor is left: cron tries again.
                    Err(e) => {
                        tracing::debug!("Accepting a page of the console: {e}");
                        self.consoles().waiting = true;
                        break;
                    }
                }
            }
        }
    }

    fn welcome_page(&mut self, mut stream: Stream, peer: Address) {
        let server = &self.engine.server;
        let is_tls = stream.tls().is_some();
        if server.connections.console.slab.len() >= CONNECTIONS_MAX
            && server.may_use_console(&peer)
            && server.is_safe_for_console(&peer, is_tls)
        {
            self.end_longest_waiting_page();
        }
        let server = &mut self.engine.server;
        let refusal = if !server.may_use_console(&peer) {
            Answer::error(
                http::FORBIDDEN,
                "console-allow does not permit this address",
            )
        } else if !server.is_safe_for_console(&peer, is_tls) {
            const TEXT: &str = "passwords would cross the network: the console needs TLS \
                                (console-tls yes), or console-insecure yes";
            Answer::error(http::FORBIDDEN, TEXT)
        } else if server.connections.console.slab.len() >= CONNECTIONS_MAX {
            Answer::error(http::UNAVAILABLE, "there are 64 connections already")
        } else {
            stream.tune(server.config.tcp_keepalive as u64);
            let due_ms = server.now.mono_ms + HEAD_MS;
            let slab = &mut server.connections.console.slab;
            let (slot, generation) = slab.reserve();
            let token = Target::console(slot, generation).into();
            if let Err(e) = stream.register(&self.registry, token) {
                tracing::warn!("Registering a page of the console: {e}");
                slab.free(slot);
                return;
            }
            slab.put_back(slot, Box::new(Connection::new(stream, peer, due_ms)));
            // Its request may be there already.
            return self.drive_console(slot, generation);
        };
        if !is_tls {
            // Best effort: a peer that does not read it is closed all the same.
            let _ = stream.write(&refusal.bytes(false, Method::Get));
        }
    }

    /// Makes room for another connection, so that connections with half a request, or none, keep no
    /// page and no health check out.
    fn end_longest_waiting_page(&mut self) {
        let all = self.consoles().slab.iter();
        let waiting = all.filter_map(|(slot, generation, c)| {
            let rank = c.waits_for_peer()?;
            Some((rank, c.due_ms, (slot, generation)))
        });
        let Some((.., place)) = waiting.min_by_key(|&(rank, due_ms, _)| (rank, due_ms)) else {
            return;
        };
        if let Some(connection) = self.consoles().slab.take_at(place.0, place.1) {
            self.end_page(*connection, place);
        }
    }

    pub(in crate::server) fn console_event(&mut self, slot: u32, generation: u32) {
        // A socket that was full may take more now.
        self.consoles().is_urgent = true;
        self.drive_console(slot, generation);
    }

    /// Continues calls and answers. O(connections), if one of them asks for it.
    pub(in crate::server) fn drive_consoles(&mut self) {
        if !self.consoles().is_urgent {
            return;
        }
        self.pack_one();
        let is_busy = |c: &Connection| matches!(c.task, Task::Run(_));
        let busy = self.consoles().slab.iter();
        let busy = busy
            .filter(|(_, _, c)| is_busy(c))
            .map(|(slot, generation, _)| (slot, generation));
        for (slot, generation) in busy.collect::<Vec<_>>() {
            self.drive_console(slot, generation);
        }
    }

    /// Compresses one step of one answer, so that many answers hold a turn no longer than one.
    fn pack_one(&mut self) {
        let Some((slot, generation)) = self.consoles().next_to_pack() else {
            return;
        };
        self.consoles().packed = slot;
        let Some(mut c) = self.consoles().slab.take_at(slot, generation) else {
            return;
        };
        if let Task::Pack(packing) = &mut c.task
            && let Some(answer) = packing.step()
        {
            self.send(&mut c, &answer);
        }
        self.consoles().slab.put_back(slot, c);
    }

    /// A round of the guest of a busy script: asks the kernel which connections are readable.
    pub(in crate::server) fn serve_consoles(&mut self) {
        self.accept_consoles();
        self.pack_one();
        let slab = &self.engine.server.connections.console.slab;
        let all: Vec<_> = slab.iter().collect();
        let streams: Vec<&Stream> = all.iter().map(|(_, _, c)| &c.stream).collect();
        let ready = readable(&streams);
        let is_busy = |c: &Connection| !matches!(c.task, Task::Read);
        let places = all.iter().zip(ready);
        let places = places.filter(|((_, _, c), ready)| *ready || is_busy(c));
        let places: Vec<(u32, u32)> = places.map(|((slot, gen_, _), _)| (*slot, *gen_)).collect();
        for (slot, generation) in places {
            self.drive_console(slot, generation);
        }
        self.tend_consoles();
    }

    fn drive_console(&mut self, slot: u32, generation: u32) {
        let Some(mut connection) = self.consoles().slab.take_at(slot, generation) else {
            return;
        };
        match self.go_on_with_page(&mut connection, (slot, generation)) {
            Exchange::Continues => self.consoles().slab.put_back(slot, connection),
            Exchange::Ended => self.end_page(*connection, (slot, generation)),
        }
    }

    fn end_page(&mut self, mut connection: Connection, place: (u32, u32)) {
        if let Task::Stream(feed) = &connection.task {
            self.engine.close_stream(feed, place);
        }
        connection.stream.deregister(&self.registry);
        self.consoles().slab.free(place.0);
    }

    fn go_on_with_page(&mut self, c: &mut Connection, place: (u32, u32)) -> Exchange {
        loop {
            if c.unsent() > 0 && !matches!(c.task, Task::Stream(_)) {
                // The answer leaves first.
                self.consoles().is_urgent = true;
                return Exchange::Continues;
            }
            let now_ms = self.engine.server.now.mono_ms;
            match &mut c.task {
                Task::Read => match self.take_request(c, place) {
                    Some(goes) => return goes,
                    None => continue,
                },
                Task::LogIn {
                    login,
                    at_ms,
                    is_here,
                    before,
                } => {
                    if *at_ms > now_ms {
                        return Exchange::Continues;
                    }
                    let who = Who {
                        is_here: *is_here,
                        is_tls: c.stream.tls().is_some(),
                        before: *before,
                    };
                    let answer = self.engine.console_login(&c.peer, login, who);
                    self.send(c, &answer);
                }
                Task::Run(job) => match self.engine.go_on_with_call(job) {
                    Some(answer) => {
                        // A call beside a script of the session changes no data.
                        c.acknowledges = (!job.stands_in).then_some(job.session);
                        self.send(c, &answer);
                    }
                    None => {
                        // Cron retries a call that waits.
                        let waits = job.waits;
                        self.consoles().is_urgent |= !waits;
                        return Exchange::Continues;
                    }
                },
                Task::Pack(_) => {
                    // `pack_one` continues it.
                    self.consoles().is_urgent = true;
                    return Exchange::Continues;
                }
                Task::Stream(_) => {
                    // Nothing more is expected from it but its end.
                    return match self.read_page(c) {
                        Read::Over => Exchange::Ended,
                        Read::Some if c.input.len() > READ_BYTES => Exchange::Ended,
                        Read::Some => continue,
                        Read::Nothing => Exchange::Continues,
                    };
                }
                Task::Close => return Exchange::Ended,
                Task::Drain { left } => {
                    let Some(rest) = left.checked_sub(c.input.len()) else {
                        return Exchange::Ended;
                    };
                    *left = rest;
                    c.input = Vec::new();
                    match self.read_page(c) {
                        Read::Over => return Exchange::Ended,
                        Read::Nothing => return Exchange::Continues,
                        Read::Some => {}
                    }
                }
            }
        }
    }

    /// Refuses a request that may be incomplete, and closes its connection.
    fn refuse(&mut self, c: &mut Connection, answer: &Answer) {
        c.keep_alive = false;
        self.send(c, answer);
        c.head = None;
        c.task = Task::Drain {
            left: DRAIN_BYTES_MAX,
        };
    }

    /// Takes the next request, or reads more of it. `None`: the connection has something to do now.
    fn take_request(&mut self, c: &mut Connection, place: (u32, u32)) -> Option<Exchange> {
        if c.head.is_none() {
            match http::parse(&c.input) {
                Parsed::Head(head) => {
                    c.due_ms = self.engine.server.now.mono_ms + BODY_MS;
                    (c.method, c.keep_alive) = (head.method, head.keep_alive);
                    if let Some(answer) = self.engine.refuse_body(&head) {
                        self.refuse(c, &answer);
                        return None;
                    }
                    c.head = Some(head);
                }
                Parsed::Part => return self.read_more(c),
                Parsed::Refused(status) => {
                    c.method = Method::Get;
                    self.refuse(c, &Answer::refusal(status));
                    return None;
                }
            }
        }
        let end = c.head.as_ref().map_or(0, |head| head.bytes + head.body);
        if c.input.len() < end {
            return self.read_more(c);
        }
        let head = c.head.take()?;
        let mut input = std::mem::take(&mut c.input);
        let next = self
            .engine
            .answer_console(c, &head, &input[head.bytes..end]);
        input.drain(..end);
        if input.capacity() > BUFFER_BYTES_KEPT {
            input.shrink_to(BUFFER_BYTES_KEPT);
        }
        c.input = input;
        c.due_ms = self.engine.server.now.mono_ms + CALL_MS;
        match next {
            Next::Answer(answer) => self.send(c, &answer),
            Next::Figures(answer) if head.accepts_gzip => match Packing::begin(answer) {
                Ok(packing) => c.task = Task::Pack(Box::new(packing)),
                Err(answer) => self.send(c, &answer),
            },
            Next::Figures(answer) => self.send(c, &answer),
            Next::Task(task) => c.task = task,
            Next::Stream(session, call) => self.begin_stream(c, place, session, *call),
        }
        None
    }

    fn begin_stream(
        &mut self,
        c: &mut Connection,
        place: (u32, u32),
        session: russet_keyspace::ClientId,
        call: calls::StreamCall,
    ) {
        match self.engine.open_stream(session, place, call) {
            Err(answer) => self.send(c, &answer),
            Ok(feed) => {
                let head = Answer {
                    kind: http::EVENTS,
                    ..Answer::json(Vec::new())
                };
                c.output = head.endless();
                c.output.extend_from_slice(events::HEARTBEAT);
                c.task = Task::Stream(feed);
                self.consoles().is_urgent = true;
            }
        }
    }

    fn read_more(&mut self, c: &mut Connection) -> Option<Exchange> {
        let had_none = c.input.is_empty();
        match self.read_page(c) {
            Read::Some => {
                if had_none {
                    c.due_ms = self.engine.server.now.mono_ms + HEAD_MS;
                }
                None
            }
            Read::Nothing => Some(Exchange::Continues),
            Read::Over => Some(Exchange::Ended),
        }
    }

    fn read_page(&mut self, c: &mut Connection) -> Read {
        let mut bytes = [0; READ_BYTES];
        loop {
            match c.stream.fill(&mut bytes) {
                Ok((0, _)) => return Read::Over,
                Ok((n, _)) => {
                    c.input.extend_from_slice(&bytes[..n]);
                    return Read::Some;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    // Parts of a handshake may wait to be sent.
                    self.consoles().is_urgent |= c.stream.has_unsent();
                    return Read::Nothing;
                }
                Err(_) => return Read::Over,
            }
        }
    }

    /// Puts an answer into the output; the next request is read when it has been sent.
    fn send(&mut self, c: &mut Connection, answer: &Answer) {
        c.output = answer.bytes(c.keep_alive, c.method);
        c.sent = 0;
        c.task = if c.keep_alive {
            Task::Read
        } else {
            Task::Close
        };
        self.consoles().is_urgent = true;
    }

    /// Sends pending answers, after the writes that they acknowledge are in the log.
    /// O(connections), if there are any.
    pub(in crate::server) fn flush_consoles(&mut self) {
        if !std::mem::take(&mut self.consoles().is_urgent) {
            return;
        }
        self.gather_events();
        for (slot, generation) in self.consoles().places() {
            let Some(mut c) = self.consoles().slab.take_at(slot, generation) else {
                continue;
            };
            let was_waiting = c.unsent() > 0;
            match self.flush_page(&mut c, (slot, generation)) {
                Exchange::Continues => {
                    let is_done = was_waiting && c.unsent() == 0;
                    self.consoles().is_urgent |= c.task.continues();
                    self.consoles().slab.put_back(slot, c);
                    // Bytes of the next request may be there, for which no event comes.
                    if is_done {
                        self.drive_console(slot, generation);
                    }
                }
                Exchange::Ended => self.end_page(*c, (slot, generation)),
            }
        }
    }

    /// Moves the events of taps to their connections.
    fn gather_events(&mut self) {
        let console = &mut self.engine.server.connections.console;
        for tap in &mut console.taps {
            let (waiting, dropped) = tap.take();
            if waiting.is_empty() && dropped == 0 {
                continue;
            }
            let (slot, generation) = tap.place;
            let Some(mut c) = console.slab.take_at(slot, generation) else {
                continue;
            };
            if let Some((feed, mut output)) = c.feed() {
                for event in waiting {
                    feed.add("monitor", &event, &mut output);
                }
                feed.dropped += dropped;
            }
            console.slab.put_back(slot, c);
        }
    }

    fn flush_page(&mut self, c: &mut Connection, (slot, generation): (u32, u32)) -> Exchange {
        let server = &mut self.engine.server;
        if c.unsent() > 0
            && let Some(id) = c.acknowledges
        {
            let session = server.clients.get(id);
            let wrote_to = session.map(|session| session.client.wrote_to);
            // While a command of the session runs, its last write is not known.
            let is_taken = session.is_none() && server.clients.is_connected(id);
            if is_taken
                || wrote_to.is_some_and(|wrote_to| server.persist.aof.withholds(wrote_to, id))
            {
                return Exchange::Continues;
            }
            c.acknowledges = None;
        }
        let token = Target::console(slot, generation);
        while c.unsent() > 0 || c.stream.has_unsent() {
            let wrote = match c.unsent() {
                0 => c.stream.flush().map(|()| usize::MAX),
                _ => c.stream.write(&c.output[c.sent..]),
            };
            match wrote {
                Ok(0) => return Exchange::Ended,
                Ok(usize::MAX) => {}
                Ok(n) => {
                    c.sent += n;
                    c.due_ms = c.due_ms.max(self.engine.server.now.mono_ms + CALL_MS);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    if c.write_armed {
                        return Exchange::Continues;
                    }
                    c.write_armed = true;
                    let armed = c.stream.want_write(&self.registry, token.into(), true);
                    return armed.map_or(Exchange::Ended, |()| Exchange::Continues);
                }
                Err(_) => return Exchange::Ended,
            }
        }
        if c.write_armed {
            c.write_armed = false;
            if c.stream
                .want_write(&self.registry, token.into(), false)
                .is_err()
            {
                return Exchange::Ended;
            }
        }
        if c.sent > 0 {
            c.output.clear();
            c.output.shrink_to(BUFFER_BYTES_KEPT);
            c.sent = 0;
            c.was_answered = true;
            match c.task {
                Task::Read => c.due_ms = self.engine.server.now.mono_ms + IDLE_MS,
                Task::Drain { .. } => c.due_ms = self.engine.server.now.mono_ms + DRAIN_MS,
                _ => {}
            }
        }
        match c.task {
            Task::Close => Exchange::Ended,
            _ => Exchange::Continues,
        }
    }

    /// Called by cron: a row of the history, deadlines, the ends of sessions.
    pub(in crate::server) fn tend_consoles(&mut self) {
        let has_row = {
            let engine = &mut self.engine;
            engine.server.sample_history(&engine.keyspace)
        };
        if self.consoles().waiting {
            self.accept_consoles();
        }
        self.end_sessions();
        for (slot, generation) in self.consoles().places() {
            let Some(mut c) = self.consoles().slab.take_at(slot, generation) else {
                continue;
            };
            let goes = self.tend_page(&mut c, (slot, generation), has_row);
            match goes {
                Exchange::Continues => self.consoles().slab.put_back(slot, c),
                Exchange::Ended => self.end_page(*c, (slot, generation)),
            }
            self.drive_console(slot, generation);
        }
    }

    fn end_sessions(&mut self) {
        let engine = &mut self.engine;
        let server = &mut engine.server;
        let now_ms = server.now.mono_ms;
        let (clients, users) = (&server.clients, &server.acl.users);
        let sessions = &mut server.connections.console.sessions;
        sessions.end_unproven(|user, proof| users.still_admits(user, proof));
        for id in sessions.end_due(now_ms, |id| clients.is_connected(id)) {
            server.kill_client(&mut engine.keyspace, id, EndReason::Idle);
        }
    }

    fn tend_page(&mut self, c: &mut Connection, place: (u32, u32), has_row: bool) -> Exchange {
        let engine = &mut self.engine;
        let now_ms = engine.server.now.mono_ms;
        if let Task::Stream(_) = c.task {
            return self.tend_stream(c, place, has_row);
        }
        let waits = matches!(c.task, Task::LogIn { .. });
        if c.due_ms > now_ms || waits {
            return Exchange::Continues;
        }
        if matches!(c.task, Task::Read) && c.unsent() == 0 && !c.input.is_empty() {
            // Best effort: a peer that does not read it is closed all the same.
            let answer = Answer::refusal(http::TIMED_OUT).bytes(false, Method::Get);
            let _ = c.stream.write(&answer);
        }
        Exchange::Ended
    }

    fn tend_stream(&mut self, c: &mut Connection, place: (u32, u32), has_row: bool) -> Exchange {
        let server = &mut self.engine.server;
        let now_ms = server.now.mono_ms;
        let console = &mut server.connections.console;
        if c.unsent() > 0 && c.due_ms <= now_ms {
            // The peer has taken nothing for long.
            return Exchange::Ended;
        }
        let Some((feed, mut output)) = c.feed() else {
            return Exchange::Continues;
        };
        let gone = |id| !server.clients.is_connected(id);
        if gone(feed.session) || feed.subscriber.is_some_and(gone) {
            feed.add(
                "end",
                b"{\"topic\":\"session\",\"reason\":\"the session is over\"}",
                &mut output,
            );
            // As much of it as the socket takes now.
            let _ = self.flush_page(c, place);
            return Exchange::Ended;
        }
        let is_over =
            |tap: &crate::server::parts::console::Tap| tap.place == place && tap.ends_ms <= now_ms;
        if console.taps.iter().any(is_over) {
            console.taps.retain(|tap| !is_over(tap));
            feed.add(
                "end",
                b"{\"topic\":\"monitor\",\"reason\":\"its time is over\"}",
                &mut output,
            );
            console.is_urgent = true;
        }
        if has_row
            && feed.stats
            && let Some(row) = console.history.as_ref().and_then(|history| history.last())
        {
            feed.add_row(row, &mut output);
            console.is_urgent = true;
        }
        if output.output.len() == output.sent {
            console.is_urgent |= feed.dropped > 0;
            feed.append_dropped(&mut output);
        }
        if now_ms >= feed.heartbeat_due_ms {
            feed.heartbeat_due_ms = now_ms + HEARTBEAT_MS;
            if output.output.len() == output.sent {
                output.output.extend_from_slice(events::HEARTBEAT);
            }
            console.is_urgent = true;
        }
        server.update_observers();
        Exchange::Continues
    }
}
