//! Connections of the console at work (`http` has their reads, writes and deadlines): a
//! request at a time, with keep-alive, and the streams of events.
//!
//! The answer to a command acknowledges its writes, so answers leave with the replies of clients,
//! after the turn's writes are in the log ([`Loop::flush_consoles`]). A call that does not end
//! within its share of a turn continues in the next turns.

use super::http::{BUFFER_BYTES_KEPT, CALL_MS, Exchange, READ_BYTES, Read};

use crate::clients::ending::EndReason;
use crate::console::answer::Next;
use crate::console::sessions::LoginOrigin;
use crate::console::streams::HEARTBEAT_MS;
use crate::parts::console::{Console, Task};
use crate::parts::http::{Connection, Port};
use crate::run::Loop;
use russet_console::http::{self, Answer, Method};
use russet_console::pack::AnswerCompressor;
use russet_console::{calls, events};

/// Time limit from the end of a request's head to the end of its body.
const BODY_MS: u64 = 30_000;
/// Bytes of a refused request that are dropped.
const DRAIN_BYTES_MAX: usize = 4 << 20;

impl Loop {
    pub(super) fn consoles(&mut self) -> &mut Console {
        &mut self.engine.server.connections.console
    }

    /// Continues calls and answers. O(connections), if any connection asks for it.
    pub(crate) fn drive_consoles(&mut self) {
        if !self.consoles().is_urgent {
            return;
        }
        self.pack_one();
        let is_busy = |c: &Connection| matches!(c.task, Task::Run(_));
        let all = self.consoles().pool.slab.iter();
        let busy = all.filter(|(_, _, c)| is_busy(c));
        let busy: Vec<_> = busy
            .map(|(slot, generation, _)| (slot, generation))
            .collect();
        for place in busy {
            self.drive_page(Port::Console, place);
        }
    }

    /// Compresses a step of a single answer, so that many answers hold a turn no longer than a
    /// single answer.
    pub(super) fn pack_one(&mut self) {
        let Some((slot, generation)) = self.consoles().next_to_pack() else {
            return;
        };
        self.consoles().packed = slot;
        let Some(mut c) = self.consoles().pool.slab.take_at(slot, generation) else {
            return;
        };
        if let Task::Pack(packing) = &mut c.task
            && let Some(answer) = packing.step()
        {
            self.send(&mut c, &answer);
        }
        self.consoles().pool.slab.put_back(slot, c);
    }

    pub(super) fn continue_page(&mut self, c: &mut Connection, place: (u32, u32)) -> Exchange {
        loop {
            if c.unsent() > 0 && !matches!(c.task, Task::Stream(_)) {
                // The answer leaves first.
                self.consoles().is_urgent |= c.port == Port::Console;
                return Exchange::Continues;
            }
            let now_ms = self.engine.server.now.mono_ms;
            match &mut c.task {
                Task::Read => {
                    let goes = match c.port {
                        Port::Console => self.take_request(c, place),
                        Port::Metrics => self.take_scrape(c),
                    };
                    if let Some(goes) = goes {
                        return goes;
                    }
                }
                Task::LogIn {
                    login,
                    at_ms,
                    is_here,
                    before,
                } => {
                    if *at_ms > now_ms {
                        return Exchange::Continues;
                    }
                    let who = LoginOrigin {
                        is_here: *is_here,
                        is_tls: c.stream.tls().is_some(),
                        before: *before,
                    };
                    let answer = self.engine.console_login(&c.peer, login, who);
                    self.send(c, &answer);
                }
                Task::Run(job) => match self.engine.continue_call(job) {
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
                    // Only the end of the connection is still expected.
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

    /// Answers a scrape, or reads more of it.
    fn take_scrape(&mut self, c: &mut Connection) -> Option<Exchange> {
        let Some(answer) = self.engine.answer_scrape(&c.input) else {
            return self.read_more(c);
        };
        (c.input, c.output, c.task) = (Vec::new(), answer, Task::Close);
        None
    }

    /// Takes the next request, or reads more of it. `None`: the connection has something to do now.
    fn take_request(&mut self, c: &mut Connection, place: (u32, u32)) -> Option<Exchange> {
        if c.head.is_none() {
            match http::parse(&c.input) {
                Ok(Some(head)) => {
                    c.due_ms = self.engine.server.now.mono_ms + BODY_MS;
                    (c.method, c.keep_alive) = (head.method, head.keep_alive);
                    if let Some(refused) = c.refused {
                        let answer = refused.of(&c.peer_host()).answer(&head);
                        self.refuse(c, &answer);
                        return None;
                    }
                    if let Some(answer) = self.engine.refuse_body(&head) {
                        self.refuse(c, &answer);
                        return None;
                    }
                    c.head = Some(head);
                }
                Ok(None) => return self.read_more(c),
                Err(status) => {
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
            Next::Figures(answer) if head.accepts_gzip => match AnswerCompressor::begin(answer) {
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
    pub(crate) fn flush_consoles(&mut self) {
        if !std::mem::take(&mut self.consoles().is_urgent) {
            return;
        }
        self.gather_events();
        for (slot, generation) in self.consoles().pool.places() {
            let Some(mut c) = self.consoles().pool.slab.take_at(slot, generation) else {
                continue;
            };
            let was_waiting = c.unsent() > 0;
            let goes = self.flush_page(&mut c, (slot, generation));
            let is_done = was_waiting && c.unsent() == 0;
            self.consoles().is_urgent |= goes == Exchange::Continues && c.task.continues();
            self.put_page_back(c, (slot, generation), goes);
            // Bytes of the next request may be there, for which no event comes.
            if is_done {
                self.drive_page(Port::Console, (slot, generation));
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
            let Some(mut c) = console.pool.slab.take_at(slot, generation) else {
                continue;
            };
            if let Some((feed, mut output)) = c.feed() {
                for event in waiting {
                    feed.add("monitor", &event, &mut output);
                }
                feed.dropped += dropped;
            }
            console.pool.slab.put_back(slot, c);
        }
    }

    /// Ends sessions that are over.
    pub(super) fn end_sessions(&mut self) {
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

    pub(super) fn tend_stream(
        &mut self,
        c: &mut Connection,
        place: (u32, u32),
        has_row: bool,
    ) -> Exchange {
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
            // As many bytes as the socket takes now.
            let _ = self.flush_page(c, place);
            return Exchange::Ended;
        }
        let is_over =
            |tap: &crate::parts::console::Tap| tap.place == place && tap.ends_ms <= now_ms;
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
