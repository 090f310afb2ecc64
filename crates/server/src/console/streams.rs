//! Events of streams: figures each second, messages of channels, commands of others.
//!
//! Subscriptions belong to a client of their own, which SUBSCRIBE makes through the gates; its
//! replies become events. Commands of others come from taps (`messages::monitor`).

use crate::clients::client::OfConsole;
use crate::clients::ending::EndReason;
use crate::clients::session::Session;
use crate::console::answer::{NO_AUTH, bad};
use crate::console::sessions::{new_client, new_session};
use crate::execution::dispatch::Outcome;
use crate::parts::console::{EVENT_BYTES_MAX, Feed, RunningSession, Tap, Task};
use crate::parts::http::Connection;
use crate::state::Connections;
use crate::state::world::Engine;
use russet_console::calls::StreamCall;
use russet_console::http::{self, Answer};
use russet_console::{events, history, json};
use russet_keyspace::ClientId;
use russet_resp::{OwnedArgs, Reply};

/// Milliseconds between comments that keep a connection alive.
pub(crate) const HEARTBEAT_MS: u64 = 15_000;

impl Engine {
    /// Begins a stream at the connection `place`.
    pub(crate) fn open_stream(
        &mut self,
        id: ClientId,
        place: (u32, u32),
        call: StreamCall,
    ) -> Result<Box<Feed>, Answer> {
        if u64::from(call.db) >= self.keyspace.databases() as u64 {
            return Err(bad("there is no such database"));
        }
        if call.stats {
            self.may_see_figures(id)?;
        }
        if call.monitor.is_some() {
            let may = |engine: &mut Engine, session: &mut Session| {
                engine.server.may_in_console(session, &[b"MONITOR"])
            };
            let no_auth = || Answer::error(http::UNAUTHORIZED, NO_AUTH);
            self.with_console_session(id, may).ok_or_else(no_auth)??;
        }
        let subscriber = if call.subscriptions.is_empty() {
            None
        } else {
            Some(self.subscribe(id, place, &call)?)
        };
        let now_ms = self.server.now.mono_ms;
        if let Some(wish) = call.monitor {
            let tap = Tap::new(place, wish, now_ms);
            self.server.connections.console.taps.push(tap);
            self.server.update_observers();
        }
        Ok(Box::new(Feed {
            session: id,
            subscriber,
            stats: call.stats,
            last_id: 0,
            dropped: 0,
            heartbeat_due_ms: now_ms + HEARTBEAT_MS,
            messages: events::Messages::default(),
        }))
    }

    /// Users who may run INFO may see the history, because it has the same figures.
    pub(crate) fn may_see_figures(&mut self, id: ClientId) -> Result<(), Answer> {
        let may = |engine: &mut Engine, session: &mut Session| {
            engine.server.may_in_console(session, &[b"INFO"])
        };
        let no_auth = || Answer::error(http::UNAUTHORIZED, NO_AUTH);
        self.with_console_session(id, may).ok_or_else(no_auth)?
    }

    /// Makes the client that has the subscriptions.
    fn subscribe(
        &mut self,
        id: ClientId,
        place: (u32, u32),
        call: &StreamCall,
    ) -> Result<ClientId, Answer> {
        let of = self.with_console_session(id, |engine, session| {
            let selected = engine.server.select_in_console(session, call.db);
            selected.map(|()| RunningSession::of(&session.client))
        });
        let of = of.ok_or_else(|| Answer::error(http::UNAUTHORIZED, NO_AUTH))??;
        let mut client = new_client(&mut self.server, &of.peer);
        (client.user, client.flags, client.db) = (of.user, of.flags, of.db);
        // The client counts as a further connection of its user.
        self.server.acl.enter_account(&mut client);
        client.console = Some(OfConsole {
            is_locked: of.is_locked,
            stream: Some(place),
        });
        let subscriber = client.id;
        self.server.clients.add(Box::new(new_session(client)));
        let mut session = self.server.clients.take(subscriber).expect("just added");
        let refused = self.run_subscriptions(&mut session, call);
        if refused.is_some() {
            self.forget(&mut session);
        } else {
            self.server.clients.put_back(session);
        }
        refused.map_or(Ok(subscriber), Err)
    }

    fn run_subscriptions(&mut self, session: &mut Session, call: &StreamCall) -> Option<Answer> {
        for command in &call.subscriptions {
            let args: OwnedArgs = command.iter().map(Vec::as_slice).collect();
            let row = self.server.table.find(args.args().at(0)).map(|row| row.id);
            self.server.turn.timing.begin();
            if self.dispatch(session, row, args.args(), &[]) == Outcome::Postponed {
                const TEXT: &str = "the server is paused: try again when CLIENT PAUSE has ended";
                return Some(Answer::error(http::UNAVAILABLE, TEXT));
            }
            let reply = session.reply.pending();
            session.reply.advance(reply.len());
            if let Some(line) = reply.strip_prefix(b"-") {
                let text = String::from_utf8_lossy(line);
                return Some(Answer::error(http::FORBIDDEN, text.trim_end()));
            }
        }
        None
    }

    /// A stream is over: removes the stream's taps, and closes its subscriber at the end of the
    /// turn.
    pub(crate) fn close_stream(&mut self, feed: &Feed, place: (u32, u32)) {
        if let Some(subscriber) = feed.subscriber {
            self.server
                .kill_client(&mut self.keyspace, subscriber, EndReason::Peer);
        }
        self.server
            .connections
            .console
            .taps
            .retain(|tap| tap.place != place);
        self.server.update_observers();
    }
}

impl Feed {
    /// Appends an event to the connection's output, unless too much waits there already.
    pub fn add(&mut self, event: &str, data: &[u8], to: &mut Output<'_>) {
        if to.unsent().saturating_add(data.len()) > EVENT_BYTES_MAX {
            self.dropped += 1;
            return;
        }
        self.append_dropped(to);
        self.write(event, data, to);
    }

    /// Appends how many events were dropped, if any.
    pub(crate) fn append_dropped(&mut self, to: &mut Output<'_>) {
        if self.dropped > 0 {
            let dropped = std::mem::take(&mut self.dropped);
            let data = json::object().number("dropped", dropped).end();
            self.write("dropped", &data, to);
        }
    }

    fn write(&mut self, event: &str, data: &[u8], to: &mut Output<'_>) {
        self.last_id += 1;
        events::write(self.last_id, event, data, to.output);
    }

    /// The row of a second.
    pub(crate) fn add_row(&mut self, row: &history::Row, to: &mut Output<'_>) {
        let mut data = Vec::new();
        history::write_row(row, &mut data);
        self.add("stats", &data, to);
    }

    /// Adds messages that the stream's subscriber has received, in their wire form.
    fn add_messages(&mut self, reply: &Reply, to: &mut Output<'_>) {
        let mut messages = std::mem::take(&mut self.messages);
        reply.each_piece(|piece| {
            messages.push(piece, |data| self.add("message", &data, to));
            true
        });
        self.messages = messages;
    }
}

/// The output of a connection that carries a stream.
pub struct Output<'a> {
    pub output: &'a mut Vec<u8>,
    pub sent: usize,
}

impl Output<'_> {
    fn unsent(&self) -> usize {
        self.output.len() - self.sent
    }
}

impl Connection {
    /// The stream that the connection carries, and the output for its events.
    pub fn feed(&mut self) -> Option<(&mut Feed, Output<'_>)> {
        match &mut self.task {
            Task::Stream(feed) => {
                let output = Output {
                    output: &mut self.output,
                    sent: self.sent,
                };
                Some((feed, output))
            }
            _ => None,
        }
    }
}

/// Passes the messages of a stream's subscriber to its connection.
pub(crate) fn pass_messages(connections: &mut Connections, session: &mut Session) {
    let bytes = session.reply.pending_len();
    session.client.traffic.bytes_out += bytes as u64;
    let console = &mut connections.console;
    if let Some((slot, generation)) = session.client.console.and_then(|of| of.stream)
        && let Some(mut connection) = console.pool.slab.take_at(slot, generation)
    {
        if let Some((feed, mut output)) = connection.feed() {
            feed.add_messages(&session.reply, &mut output);
            console.is_urgent = true;
        }
        console.pool.slab.put_back(slot, connection);
    }
    session.reply.advance(bytes);
}
