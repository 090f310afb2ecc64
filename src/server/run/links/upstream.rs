//! The link to the primary until it is online: dialling, the conversation, a snapshot that is
//! received. Then its socket becomes a client's, and the loop reads it as any other.
//!
//! `parts::replication::upstream` has the stages, `replication::{Handshake, Payload}` the messages;
//! here are the reads and writes. A snapshot gets a bounded share of a turn.

use std::io::{ErrorKind, Write};
use std::time::Instant;

use crate::server::clients::client::Client;
use crate::server::clients::session::Session;
use crate::server::parts::replication::PausePoint;
use crate::server::parts::replication::upstream::{
    Delay, Receiving, SyncFile, Talking, UpstreamLink,
};
use crate::server::process::log::{MASTER, MASTER_INSIDE, of_primary};
use crate::server::replication::load::{Loaded, file_name};
use crate::server::run::Loop;
use crate::server::state::world::Engine;
use russet_config::system_text;
use russet_net::{Connecting, Destination, Role, Stream, Target};
use russet_replication::{Agreed, Handshake, Payload, Position};

/// Reads of one turn: of a snapshot, or of a conversation, in which a primary may send newlines
/// without end.
pub(super) const READS_MAX: usize = 16;
/// Bytes that a compressed snapshot may grow to in one turn: a read more.
const UNPACKED_MAX: usize = 4 << 20;

/// How a step ended.
pub(super) enum UpstreamStep {
    /// It waits for an event.
    Wait,
    /// The next stage can begin.
    Next,
}

/// The next step, or why the attempt has failed and how long to wait.
pub(super) type Stepped = Result<UpstreamStep, (String, Delay)>;

impl Loop {
    /// Drives the link as far as it goes now. Called each turn: without a primary, or with one that
    /// is online, it costs two tests.
    pub(in crate::server) fn drive_upstream(&mut self) {
        self.engine.server.turn.receives = false;
        if !self.drive_main() {
            return;
        }
        loop {
            let server = &mut self.engine.server;
            let now_ms = server.now.mono_ms;
            let Some(upstream) = &mut server.replication.upstream else {
                return;
            };
            match upstream.link {
                UpstreamLink::Online(_) => return,
                UpstreamLink::Down if upstream.retry_ms > now_ms => return,
                UpstreamLink::Down if server.persist.loading.in_progress() => return,
                UpstreamLink::Loading(_) => {
                    let began = Instant::now();
                    let mut inbuf = std::mem::take(&mut self.inbuf);
                    let loaded = self.engine.continue_sync_load(&mut inbuf);
                    self.inbuf = inbuf;
                    let millis = began.elapsed().as_millis() as u64;
                    let diagnostics = &mut self.engine.server.diagnostics;
                    diagnostics.latency.add_if_slow("replication-load", millis);
                    if let Some(loaded) = loaded {
                        self.go_online(loaded);
                    }
                    return;
                }
                _ => {}
            }
            let link = std::mem::replace(&mut upstream.link, UpstreamLink::Down);
            let step = match link {
                UpstreamLink::Down => self.dial(),
                UpstreamLink::Dialing(connecting, began_ms) => {
                    self.continue_dialing(connecting, began_ms)
                }
                UpstreamLink::Talking(talking) => self.talk(talking),
                UpstreamLink::Announcing(announcing) => self.announce(announcing),
                UpstreamLink::Joining(joining) => self.join(joining),
                UpstreamLink::Receiving(receiving) => self.receive(receiving),
                UpstreamLink::Loading(_) | UpstreamLink::Online(_) => return,
            };
            match step {
                Ok(UpstreamStep::Wait) => return,
                Ok(UpstreamStep::Next) => {}
                Err((why, delay)) => {
                    tracing::warn!("{why}");
                    self.lose_upstream(delay);
                    return;
                }
            }
        }
    }

    pub(super) fn lose_upstream(&mut self, delay: Delay) {
        let server = &mut self.engine.server;
        let now_ms = server.now.mono_ms;
        if let Some(upstream) = &mut server.replication.upstream {
            upstream.lose(now_ms, delay);
        }
    }

    pub(super) fn set_link(&mut self, link: UpstreamLink) {
        if let Some(upstream) = &mut self.engine.server.replication.upstream {
            upstream.link = link;
        }
    }

    fn upstream_target(&self) -> Target {
        let upstream = self.engine.server.replication.upstream.as_ref();
        Target {
            role: Role::Upstream,
            slot: u32::from(upstream.is_some_and(|upstream| upstream.main.is_some())),
            generation: upstream.map_or(0, |upstream| upstream.generation),
        }
    }

    pub(super) fn dial(&mut self) -> Stepped {
        let server = &mut self.engine.server;
        let now_ms = server.now.mono_ms;
        let tls = server.connections.tls.of_replication(&server.config);
        let source = server.config.bind_source_addr.lossy().parse().ok();
        let wake = server.connections.wake.clone();
        let Some(upstream) = &mut server.replication.upstream else {
            return Ok(UpstreamStep::Wait);
        };
        if upstream.main.is_none() {
            upstream.figures.current += 1;
            upstream.figures.total += 1;
            tracing::info!("{MASTER} <-> REPLICA sync started");
        }
        upstream.received_ms = now_ms;
        let to = Destination {
            host: upstream.host.clone(),
            port: upstream.port,
            source,
            tls,
        };
        #[cfg(feature = "testing")]
        if let Some(dialler) = &mut server.connections.dialler {
            let dialled = dialler(&to.host, to.port);
            return self.dialled(dialled);
        }
        let begun = Connecting::begin(to, wake).map_err(|error| {
            let why = format!("Unable to connect to {MASTER}: {}", system_text(&error));
            (why, Delay::Refused)
        })?;
        self.set_link(UpstreamLink::Dialing(Box::new(begun), now_ms));
        Ok(UpstreamStep::Next)
    }

    fn continue_dialing(&mut self, mut connecting: Box<Connecting>, began_ms: u64) -> Stepped {
        let token = self.upstream_target().into();
        match connecting.advance(&self.registry, token) {
            Ok(Some(stream)) => Ok(self.connected(stream)),
            Ok(None) => {
                self.set_link(UpstreamLink::Dialing(connecting, began_ms));
                Ok(UpstreamStep::Wait)
            }
            Err(error) => {
                let why = format!(
                    "Error condition on socket for SYNC: {}",
                    system_text(&error)
                );
                Err((why, Delay::Refused))
            }
        }
    }

    /// The stream is there, registered: the conversation begins.
    fn connected(&mut self, stream: Stream) -> UpstreamStep {
        let stream = match self.begin_channel(stream) {
            Ok(()) => return UpstreamStep::Next,
            Err(stream) => stream,
        };
        tracing::info!("Non blocking connect for SYNC fired the event.");
        let mut out = Vec::new();
        let introduction = self.engine.server.introduction();
        if let Some(upstream) = &mut self.engine.server.replication.upstream {
            upstream.unpacks = introduction.lz4;
        }
        let handshake = Handshake::begin(introduction, &mut out);
        self.set_link(UpstreamLink::Talking(Box::new(Talking {
            stream,
            handshake,
            out,
        })));
        UpstreamStep::Next
    }

    /// A simulated network has connected, or refused.
    #[cfg(feature = "testing")]
    fn dialled(
        &mut self,
        dialled: std::io::Result<Stream>,
    ) -> Result<UpstreamStep, (String, Delay)> {
        let token = self.upstream_target().into();
        let registered = dialled.and_then(|mut stream| {
            stream.register(&self.registry, token)?;
            Ok(stream)
        });
        match registered {
            Ok(stream) => Ok(self.connected(stream)),
            Err(error) => {
                let why = format!("Unable to connect to {MASTER}: {}", system_text(&error));
                Err((why, Delay::Refused))
            }
        }
    }

    /// Notes bytes of the primary.
    pub(super) fn note_received(&mut self, bytes: usize) {
        let server = &mut self.engine.server;
        server.stats.net_repl_input_bytes += bytes as u64;
        let now_ms = server.now.mono_ms;
        if let Some(upstream) = &mut server.replication.upstream {
            upstream.received_ms = now_ms;
        }
    }

    fn talk(&mut self, mut talking: Box<Talking>) -> Stepped {
        let lost = |doing: &str, why: &str| {
            let why = format!("I/O error {doing} {MASTER}: {why}");
            (why, Delay::Refused)
        };
        for _ in 0..READS_MAX {
            let sent = send(&mut talking.stream, &mut talking.out);
            sent.map_err(|error| lost("writing to", &system_text(&error)))?;
            let mut inbuf = std::mem::take(&mut self.inbuf);
            let read = talking.stream.fill(&mut inbuf);
            let agreed = match read {
                Ok((0, _)) => Err(lost("reading from", "connection lost")),
                Ok((n, _)) => {
                    self.note_received(n);
                    let received = talking.handshake.receive(&inbuf[..n], &mut talking.out);
                    received.map_err(|error| {
                        self.engine.handshake_failed(&error);
                        (of_primary(&error), Delay::Refused)
                    })
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => Ok(None),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.inbuf = inbuf;
                    self.set_link(UpstreamLink::Talking(talking));
                    return Ok(UpstreamStep::Wait);
                }
                Err(error) => Err(lost("reading from", &system_text(&error))),
            };
            self.inbuf = inbuf;
            if let Some(agreed) = agreed? {
                return self.agreed(*talking, agreed);
            }
        }
        Ok(self.reads_more(UpstreamLink::Talking(talking)))
    }

    /// The link's turn is over, and it may have more to read: that is read in the next one.
    pub(super) fn reads_more(&mut self, link: UpstreamLink) -> UpstreamStep {
        self.engine.server.turn.receives = true;
        self.set_link(link);
        UpstreamStep::Wait
    }

    fn agreed(&mut self, talking: Talking, agreed: Agreed) -> Stepped {
        let Talking {
            mut stream,
            mut handshake,
            mut out,
            ..
        } = talking;
        let sent = send(&mut stream, &mut out);
        sent.map_err(|error| {
            let why = format!("I/O error writing to {MASTER}: {}", system_text(&error));
            (why, Delay::Refused)
        })?;
        let rest = handshake.take_rest();
        let position = match agreed {
            Agreed::Continue(id) => {
                if self.engine.server.continues(id) {
                    let Engine {
                        keyspace, server, ..
                    } = &mut self.engine;
                    server.forget_unfinished_imports(keyspace);
                }
                self.go_online(Loaded { stream, rest });
                return Ok(UpstreamStep::Wait);
            }
            Agreed::FullSync(position) => {
                tracing::info!(
                    "Full resync from {MASTER_INSIDE}: {}:{}",
                    position.id,
                    position.offset
                );
                Some(position)
            }
            Agreed::Sync => None,
            Agreed::TwoChannels(dialect) => return self.open_channel(stream, dialect, rest),
        };
        self.begin_receiving(stream, position, rest)
    }

    /// The snapshot comes next on this link: it is loaded as it comes, or received into a file.
    pub(super) fn begin_receiving(
        &mut self,
        stream: Stream,
        position: Option<Position>,
        rest: Vec<u8>,
    ) -> Stepped {
        let Loop { engine, .. } = self;
        if engine.server.loads_from_socket(&engine.keyspace) {
            let server = &engine.server;
            let load = server.load_from_socket(&engine.keyspace, stream, position, rest);
            self.set_link(UpstreamLink::Loading(Box::new(load)));
            return Ok(UpstreamStep::Next);
        }
        let server = &mut engine.server;
        let path = std::env::current_dir()
            .unwrap_or_default()
            .join(file_name(server.now.unix_s()));
        let file = SyncFile::create(path).map_err(|error| {
            let why = format!(
                "Opening the temp file needed for {MASTER} <-> REPLICA synchronization: {}",
                system_text(&error)
            );
            (why, Delay::Unloadable)
        })?;
        let mut receiving = Receiving {
            stream,
            payload: Payload::default(),
            position,
            file,
            rest: Vec::new(),
            bytes: Vec::new(),
        };
        let received = receiving.receive(&rest);
        received.map_err(|why| (why, Delay::Unloadable))?;
        self.set_link(UpstreamLink::Receiving(Box::new(receiving)));
        Ok(UpstreamStep::Next)
    }

    fn receive(&mut self, mut receiving: Box<Receiving>) -> Stepped {
        let lost = |why: &str| {
            let why = format!("I/O error trying to sync with {MASTER}: {why}");
            (why, Delay::None)
        };
        let mut unpacked = 0;
        for _ in 0..READS_MAX {
            if receiving.payload.is_whole() {
                let Loop { engine, .. } = self;
                let (keyspace, server) = (&mut engine.keyspace, &mut engine.server);
                if let Some(why) = server.refuse_file(keyspace, receiving.file.path()) {
                    return Err((why, Delay::Guarded));
                }
                match server.load_from_file(keyspace, *receiving) {
                    Ok(load) => self.set_link(UpstreamLink::Loading(Box::new(load))),
                    Err(why) => server.sync_failed(keyspace, &why, None),
                }
                return Ok(UpstreamStep::Wait);
            }
            let mut inbuf = std::mem::take(&mut self.inbuf);
            let read = receiving.stream.fill(&mut inbuf);
            let ended = match read {
                Ok((0, _)) => Some(Err(lost("connection lost"))),
                Ok((n, _)) => {
                    self.note_received(n);
                    let received = receiving.receive(&inbuf[..n]);
                    unpacked += receiving.bytes.len();
                    received.err().map(|why| Err((why, Delay::Unloadable)))
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => None,
                Err(error) if error.kind() == ErrorKind::WouldBlock => Some(Ok(())),
                Err(error) => Some(Err(lost(&system_text(&error)))),
            };
            self.inbuf = inbuf;
            match ended {
                None => {}
                Some(Ok(())) => {
                    self.set_link(UpstreamLink::Receiving(receiving));
                    return Ok(UpstreamStep::Wait);
                }
                Some(Err(error)) => return Err(error),
            }
            if unpacked > UNPACKED_MAX {
                break;
            }
        }
        Ok(self.reads_more(UpstreamLink::Receiving(receiving)))
    }

    /// The dataset is the primary's: all further bytes of its socket are the stream.
    fn go_online(&mut self, loaded: Loaded) {
        let Some(Loaded { stream, rest }) = self.leave_channel(loaded) else {
            return;
        };
        let server = &mut self.engine.server;
        let now_ms = server.now.mono_ms;
        let upstream = server.replication.upstream.as_ref();
        let replays = upstream.is_some_and(|upstream| upstream.replays);
        let (stream, rest) = match upstream {
            Some(upstream) => upstream.hand_over_stream(stream, rest),
            None => (stream, rest),
        };
        let peer = stream.peer();
        let (local, fd) = (stream.local(), stream.fd());
        let id = server.clients.next_id();
        let mut client = Client::new(id, peer, local, fd, now_ms);
        server.greet_primary(&mut client);
        let session = Box::new(Session::new(client, Some(stream)));
        let (slot, generation) = server.clients.add(session);
        let mut session = server
            .clients
            .take_at(slot, generation)
            .expect("just added");
        if !replays && !self.listen_to_primary(&mut session) {
            self.close(session);
            return self.lose_upstream(Delay::Refused);
        }
        session.input.give(rest);
        let server = &mut self.engine.server;
        if let Some(upstream) = &mut server.replication.upstream {
            upstream.establish(id, now_ms);
        }
        server.write_ack(&mut session.reply);
        server.queue_flush(&mut session);
        if !replays {
            session.ready_queued = true;
            server.turn.ready.push(id);
        }
        server.clients.put_back(session);
        server.update_interest();
        if replays {
            self.engine.server.replication.pause_at(PausePoint::Replay);
        }
    }

    /// The socket's events are the client's from now on. `false`: they cannot be.
    pub(super) fn listen_to_primary(&mut self, session: &mut Session) -> bool {
        let token = Target::client(session.slot, session.generation).into();
        let stream = session.stream.as_mut().expect("a connection");
        // The socket may have bytes for which no event will come.
        session.more_to_read = true;
        stream.want_write(&self.registry, token, false).is_ok()
    }
}

/// Writes as much as the socket takes.
pub(super) fn send(stream: &mut Stream, out: &mut Vec<u8>) -> std::io::Result<()> {
    while !out.is_empty() {
        match stream.write(out) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => _ = out.drain(..n),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    match stream.flush() {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        other => other,
    }
}

impl Loop {
    /// An event of the link's socket; the link itself is driven once a turn.
    pub(in crate::server) fn upstream_event(&mut self) {
        self.engine.server.turn.receives = true;
    }
}
