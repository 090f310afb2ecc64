//! What streams show: figures each second, messages of channels, commands of others.
//!
//! Subscriptions belong to a client of their own, which SUBSCRIBE makes through the gates; its replies
//! become events. Commands of others come from taps (`messages::monitor`).

use crate::acl::Context;
use crate::console::calls::StreamCall;
use crate::console::events;
use crate::console::history;
use crate::console::http::{self, Answer};
use crate::keyspace::{ClientId, DbIndex};
use crate::resp::{OwnedArgs, ReplyBounds, ReplyParser, ReplyValue};
use crate::server::clients::client::OfConsole;
use crate::server::clients::ending::EndReason;
use crate::server::clients::session::Session;
use crate::server::console::answer::{NO_AUTH, bad};
use crate::server::console::sessions::{new_client, new_session};
use crate::server::parts::console::{Connection, EVENT_BYTES_MAX, Feed, Tap};
use crate::server::state::Server;
use crate::server::state::world::Engine;

/// Milliseconds between comments that keep a connection alive.
pub(in crate::server) const HEARTBEAT_MS: u64 = 15_000;

impl Engine {
    /// Begins a stream at the connection `place`.
    pub(in crate::server) fn open_stream(
        &mut self,
        id: ClientId,
        place: (u32, u32),
        call: StreamCall,
    ) -> Result<Box<Feed>, Answer> {
        if u64::from(call.db) >= self.keyspace.databases() as u64 {
            return Err(bad("there is no such database"));
        }
        if call.monitor.is_some() {
            self.may_monitor(id)?;
        }
        let subscriber = match call.subscriptions.is_empty() {
            true => None,
            false => Some(self.subscribe(id, place, &call)?),
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
        }))
    }

    /// Whether the session's user may run MONITOR; a denial is logged as any other.
    fn may_monitor(&mut self, id: ClientId) -> Result<(), Answer> {
        let server = &mut self.server;
        let refused = |text: &[u8]| Answer::error(http::FORBIDDEN, &String::from_utf8_lossy(text));
        let Some(row) = server.table.find(b"monitor") else {
            return Err(refused(b"ERR there is no command MONITOR"));
        };
        let (id_of_row, args) = (row.id, OwnedArgs::from_iter([&b"monitor"[..]]));
        let Some(session) = server.clients.take(id) else {
            return Err(Answer::error(http::UNAUTHORIZED, NO_AUTH));
        };
        let client = &session.client;
        let line = row.command_line(args.args(), client.db.0, server.config.databases);
        let denied = server.acl.denies(client.user, &line);
        let told = denied.map(|denied| {
            let asked = (id_of_row, args.args());
            let text = server.acl.denial(denied, client.user, asked, false);
            server.note_denied((client, &session.reply), Context::TopLevel, denied, asked);
            refused(&[b"NOPERM ", &text[..]].concat())
        });
        server.clients.put_back(session);
        told.map_or(Ok(()), Err)
    }

    /// Makes the client that has the subscriptions.
    fn subscribe(
        &mut self,
        id: ClientId,
        place: (u32, u32),
        call: &StreamCall,
    ) -> Result<ClientId, Answer> {
        let Some(of) = self.server.clients.get(id).map(|session| {
            let client = &session.client;
            (
                client.user,
                client.flags,
                client.identity.peer.clone(),
                client.console,
            )
        }) else {
            return Err(Answer::error(http::UNAUTHORIZED, NO_AUTH));
        };
        let (user, flags, peer, console) = of;
        let mut client = new_client(&mut self.server, &peer);
        (client.user, client.flags, client.db) = (user, flags, DbIndex(call.db));
        client.console = Some(OfConsole {
            is_locked: console.is_none_or(|of| of.is_locked),
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
            self.server.begin_commands();
            self.dispatch(session, row, args.args(), &[]);
            let reply = session.reply.pending();
            session.reply.advance(reply.len());
            if let Some(line) = reply.strip_prefix(b"-") {
                let text = String::from_utf8_lossy(line);
                return Some(Answer::error(http::FORBIDDEN, text.trim_end()));
            }
        }
        None
    }

    /// A stream is over: removes what it had. Its subscriber is closed with the turn.
    pub(in crate::server) fn close_stream(&mut self, feed: &Feed, place: (u32, u32)) {
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
    pub(in crate::server) fn add(&mut self, event: &str, data: &[u8], to: &mut Output<'_>) {
        if to.unsent() > EVENT_BYTES_MAX {
            self.dropped += 1;
            return;
        }
        if self.dropped > 0 {
            let data = format!("{{\"dropped\":{}}}", std::mem::take(&mut self.dropped));
            self.write("dropped", data.as_bytes(), to);
        }
        self.write(event, data, to);
    }

    fn write(&mut self, event: &str, data: &[u8], to: &mut Output<'_>) {
        self.last_id += 1;
        events::write(self.last_id, event, data, to.output);
    }

    /// The row of a second.
    pub(in crate::server) fn add_row(&mut self, row: &history::Row, to: &mut Output<'_>) {
        let mut data = Vec::new();
        history::write_row(row, &mut data);
        self.add("stats", &data, to);
    }

    /// Messages that its subscriber has got, in their wire form.
    pub(in crate::server) fn add_messages(&mut self, mut bytes: &[u8], to: &mut Output<'_>) {
        let mut parser = ReplyParser::new(ReplyBounds {
            bulk_max: usize::MAX >> 2,
            ..ReplyBounds::default()
        });
        while let Ok(Some(value)) = parser.push(&mut bytes) {
            if let Some(data) = message(&value) {
                self.add("message", &data, to);
            }
        }
    }
}

/// Where a connection's events go.
pub(in crate::server) struct Output<'a> {
    pub output: &'a mut Vec<u8>,
    pub sent: usize,
}

impl Output<'_> {
    fn unsent(&self) -> usize {
        self.output.len() - self.sent
    }
}

/// A published message as JSON; `None`: the message is another one.
fn message(value: &ReplyValue) -> Option<Vec<u8>> {
    let (ReplyValue::Push(parts) | ReplyValue::Array(parts)) = value else {
        return None;
    };
    let texts: Option<Vec<&[u8]>> = parts
        .iter()
        .map(|part| match part {
            ReplyValue::Bulk(text) => Some(text.as_slice()),
            _ => None,
        })
        .collect();
    match texts?.as_slice() {
        [b"message" | b"smessage", channel, text] => Some(events::message(channel, None, text)),
        [b"pmessage", pattern, channel, text] => {
            Some(events::message(channel, Some(pattern), text))
        }
        _ => None,
    }
}

impl Connection {
    /// The stream it carries, and where its events go.
    pub(in crate::server) fn feed(&mut self) -> Option<(&mut Feed, Output<'_>)> {
        match &mut self.task {
            crate::server::parts::console::Task::Stream(feed) => {
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

impl Server {
    /// Passes what a stream's subscriber has got to its connection.
    pub(in crate::server) fn pass_messages(&mut self, session: &mut Session) {
        let bytes = session.reply.pending();
        session.reply.advance(bytes.len());
        let Some((slot, generation)) = session.client.console.and_then(|of| of.stream) else {
            return;
        };
        session.client.traffic.bytes_out += bytes.len() as u64;
        let console = &mut self.connections.console;
        let Some(mut connection) = console.slab.take_at(slot, generation) else {
            return;
        };
        if let Some((feed, mut output)) = connection.feed() {
            feed.add_messages(&bytes, &mut output);
            console.is_urgent = true;
        }
        console.slab.put_back(slot, connection);
    }
}
