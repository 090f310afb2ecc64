//! The link to the primary until it is online: dialling, and reads and writes of its connections.
//! Then its socket becomes a client's, and the loop reads it as any other.
//!
//! `russet_replication::upstream` decides, `replication::upstream` carries out actions that need no
//! poll. A snapshot gets a bounded share of a turn.

use crate::parts::run::dial::link_socket;
use crate::replication::role::greet_primary;
use std::io::ErrorKind;
use std::time::Instant;

use crate::clients::client::Client;
use crate::clients::session::Session;
use crate::parts::replication::PausePoint;
use crate::parts::replication::upstream::{Socket, Upstream};
use crate::replication::upstream::unpacking;
use crate::run::Loop;
use crate::state::Server;
use crate::state::world::Engine;
use russet_config::system_text;
use russet_host::{Action, Event, LinkId, LoopDriver, Machine};
use russet_net::{ConnectAttempt, Destination, Role, Stream, Target};
use russet_replication::upstream::{Answer, Link, Loss, Order, Phase};

/// Reads of a turn: of a snapshot, or of a conversation, in which a primary may send newlines
/// without end.
const READS_MAX: usize = 16;
/// Bytes that a compressed snapshot may grow to in a turn; a read may exceed them.
const UNPACKED_MAX: usize = 4 << 20;

/// The attempt and its stage: a change of either ends a round of reads.
fn progress(upstream: &Upstream) -> (u64, Phase) {
    (upstream.core.generation, upstream.core.phase())
}

/// The loop around the link: the link's sockets are read on demand, and a socket becomes a
/// client's.
pub(super) struct UpstreamHost<'l>(pub &'l mut Loop);

impl LoopDriver for UpstreamHost<'_> {
    /// The link itself is driven once a turn.
    fn serve_event(&mut self, token: Target) {
        self.0.engine.server.turn.receives |= token.role == Role::Upstream;
    }

    fn turn(&mut self) {
        self.0.drive_upstream();
    }

    fn is_urgent(&mut self) -> bool {
        let server = &self.0.engine.server;
        server.turn.receives || server.replication.loads()
    }

    fn due_ms(&mut self) -> Option<i64> {
        let upstream = self.0.engine.server.replication.upstream.as_ref()?;
        upstream.core.due_ms()
    }
}

impl Loop {
    /// Drives the link as far as it goes now. Called each turn: without a primary, or with an
    /// online primary, it costs three tests.
    fn drive_upstream(&mut self) {
        self.engine.server.turn.receives = false;
        let now_ms = self.engine.server.now.mono_ms as i64;
        if UpstreamHost(self).due_ms().is_some_and(|due| due <= now_ms) {
            self.on_upstream(Event::Tick);
        }
        let Some(upstream) = &self.engine.server.replication.upstream else {
            return;
        };
        if upstream.is_online() {
            if upstream.core.is_replaying() {
                self.replay();
            }
            return;
        }
        let (generation, holds_main) = (upstream.core.generation, upstream.core.holds_main());
        // Cron may have begun an attempt.
        self.act_for_upstream();
        let Server {
            persist, config, ..
        } = &mut self.engine.server;
        if holds_main && persist.loading.reads_held(config) {
            self.read_upstream(Link::Main);
        }
        while let Some(upstream) = &self.engine.server.replication.upstream
            && upstream.core.generation == generation
        {
            let (before, link) = (progress(upstream), upstream.core.snapshot_link());
            match upstream.core.phase() {
                Phase::Down => self.on_upstream(Event::Tick),
                Phase::Dialing => self.continue_dialing(),
                Phase::Talking | Phase::Joining => self.read_upstream(Link::Main),
                Phase::Announcing | Phase::Receiving => self.read_upstream(link),
                Phase::LoadingFile | Phase::LoadingStream => return self.load_slice(link),
                Phase::Online => return,
            }
            self.act_for_upstream();
            let upstream = self.engine.server.replication.upstream.as_deref();
            let after = upstream.map(progress);
            if after.is_none_or(|after| after == before || after.1 == Phase::LoadingFile) {
                return;
            }
        }
    }

    fn on_upstream(&mut self, event: Event<'_>) {
        let Engine {
            keyspace, server, ..
        } = &mut self.engine;
        server.upstream_event(keyspace, event);
    }

    fn answer_upstream(&mut self, answer: Answer) {
        let Engine {
            keyspace, server, ..
        } = &mut self.engine;
        server.answer_upstream(keyspace, answer);
    }

    /// Carries out actions that need the poll.
    fn act_for_upstream(&mut self) {
        while let Some(upstream) = &mut self.engine.server.replication.upstream
            && let Some(action) = upstream.for_loop.pop_front()
        {
            match action {
                Action::Dial { .. } if self.holds_replies() => {
                    let server = &mut self.engine.server;
                    server.turn.receives = true;
                    if let Some(upstream) = &mut server.replication.upstream {
                        upstream.for_loop.push_front(action);
                    }
                    return;
                }
                Action::Dial { link, .. } => self.dial(link),
                Action::Order(Order::GoOnline {
                    rest,
                    unpacks,
                    replays,
                }) => self.go_online(rest, unpacks, replays),
                Action::Order(Order::ReadLink) => self.read_replayed(),
                _ => {}
            }
        }
    }

    /// Whether the process is to stop before it dials a second link (DEBUG REPL-PAUSE), and replies
    /// are still to be sent: I/O threads stop as well, and their clients would wait.
    fn holds_replies(&mut self) -> bool {
        let server = &mut self.engine.server;
        let upstream = server.replication.upstream.as_ref();
        if !server.replication.pauses_at(PausePoint::BeforeChannel)
            || upstream.is_none_or(|upstream| upstream.main.is_none())
        {
            return false;
        }
        let mut sessions = server.clients.iter();
        sessions.any(|session| session.client.buffers.in_flight > 0 || !session.reply.is_empty())
    }

    fn upstream_target(&self) -> Target {
        let upstream = self.engine.server.replication.upstream.as_ref();
        Target {
            role: Role::Upstream,
            slot: u32::from(upstream.is_some_and(|upstream| upstream.main.is_some())),
            generation: upstream.map_or(0, |upstream| upstream.core.generation as u32),
        }
    }

    fn dial(&mut self, link: LinkId) {
        let server = &mut self.engine.server;
        let upstream = server.replication.upstream.as_ref();
        let is_second = upstream.is_some_and(|upstream| upstream.main.is_some());
        if is_second {
            server.replication.pause_at(PausePoint::BeforeChannel);
        }
        let tls = server.connections.tls.of_replication(&server.config);
        let source = server.config.bind_source_addr.lossy().parse().ok();
        let socket = link_socket(&server.config);
        let wake = server.connections.wake.clone();
        let Some(upstream) = &mut server.replication.upstream else {
            return;
        };
        let to = Destination {
            host: upstream.core.host.clone(),
            port: upstream.core.port,
            source,
            socket,
            tls,
        };
        #[cfg(feature = "testing")]
        if let Some(dialler) = &mut server.connections.dialler {
            let dialled = dialler(&to.host, to.port);
            return self.dialled(link, dialled);
        }
        match ConnectAttempt::begin(to, wake) {
            Ok(begun) => upstream.dialing = Some((link, Box::new(begun))),
            Err(error) => self.answer_upstream(Answer::Undialled(system_text(&error))),
        }
    }

    /// A simulated network has connected, or refused.
    #[cfg(feature = "testing")]
    fn dialled(&mut self, link: LinkId, dialled: std::io::Result<Stream>) {
        let token = self.upstream_target().into();
        let registered = dialled.and_then(|mut stream| {
            stream.register(&self.registry, token)?;
            Ok(stream)
        });
        match registered {
            Ok(stream) => self.connected(link, stream),
            Err(error) => self.answer_upstream(Answer::Undialled(system_text(&error))),
        }
    }

    fn continue_dialing(&mut self) {
        let token = self.upstream_target().into();
        let Some(upstream) = &mut self.engine.server.replication.upstream else {
            return;
        };
        let Some((link, mut connecting)) = upstream.dialing.take() else {
            return;
        };
        match connecting.advance(&self.registry, token) {
            Ok(Some(stream)) => self.connected(link, stream),
            Ok(None) => upstream.dialing = Some((link, connecting)),
            Err(error) => {
                let why = system_text(&error);
                self.on_upstream(Event::Refused { link, why: &why });
            }
        }
    }

    /// The stream is there, registered: the conversation begins.
    fn connected(&mut self, link: LinkId, stream: Stream) {
        let server = &mut self.engine.server;
        if let Some(upstream) = &mut server.replication.upstream {
            let socket = Some(Socket::new(stream));
            match upstream.core.snapshot_link() {
                Link::Main => upstream.main = socket,
                Link::Second => upstream.second = socket,
            }
        }
        // This machine does not ask for our end's address.
        let local_ip = b"";
        self.on_upstream(Event::Opened { link, local_ip });
    }

    /// Gives the machine the bytes of a connection, up to the next stage, or to the share of a
    /// turn.
    fn read_upstream(&mut self, link: Link) {
        let Loop { engine, inbuf, .. } = self;
        let Engine {
            keyspace, server, ..
        } = engine;
        if let Some(upstream) = &mut server.replication.upstream {
            upstream.stored = 0;
        }
        for _ in 0..READS_MAX {
            let Some(upstream) = &mut server.replication.upstream else {
                return;
            };
            let (before, number) = (progress(upstream), upstream.core.number(link));
            let has_much = upstream.load.as_ref().is_some_and(|load| load.has_much());
            let is_held = link == Link::Main && upstream.core.holds_main();
            if !is_held && has_much || !upstream.core.wants(link) {
                // There may be a line for the log.
                return server.act_on_upstream(keyspace);
            }
            let Some(socket) = upstream.socket(link) else {
                return;
            };
            let loss = match socket.send() {
                Err(error) => Some(Loss::Writing(system_text(&error))),
                Ok(()) => match socket.stream.fill(inbuf) {
                    Ok((0, _)) => Some(Loss::Ended),
                    Ok((mut n, _)) => {
                        server.stats.net_repl_input_bytes += if is_held {
                            socket.stream.received_for(n)
                        } else {
                            n as u64
                        };
                        let bytes = &inbuf[..n];
                        let event = Event::Received {
                            link: number,
                            bytes,
                            taken: &mut n,
                        };
                        server.upstream_event(keyspace, event);
                        None
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => None,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                    Err(error) if is_held && error.kind() == ErrorKind::InvalidData => {
                        server.replication.compression_errors += 1;
                        Some(Loss::Damaged(error.to_string()))
                    }
                    Err(error) => Some(Loss::Reading(system_text(&error))),
                },
            };
            if let Some(loss) = loss {
                return server.answer_upstream(keyspace, Answer::Lost(link, loss));
            }
            let Some(upstream) = &server.replication.upstream else {
                return;
            };
            if progress(upstream) != before {
                return;
            }
            if upstream.stored > UNPACKED_MAX {
                break;
            }
        }
        // The link may have more to read: that is read in the next turn.
        server.turn.receives = true;
    }

    /// Continues to load a snapshot for its slice of the turn.
    fn load_slice(&mut self, link: Link) {
        let began = Instant::now();
        self.read_upstream(link);
        self.engine.continue_sync_load();
        let millis = began.elapsed().as_millis() as u64;
        let diagnostics = &mut self.engine.server.diagnostics;
        diagnostics.latency.add_if_slow("replication-load", millis);
        self.act_for_upstream();
    }

    /// The dataset is the primary's: all further bytes of its socket are the stream.
    fn go_online(&mut self, rest: Vec<u8>, unpacks: bool, replays: bool) {
        let server = &mut self.engine.server;
        let now_ms = server.now.mono_ms;
        let upstream = server.replication.upstream.as_mut();
        let Some(socket) = upstream.and_then(|upstream| upstream.main.take()) else {
            return;
        };
        let (socket, rest) = if unpacks && !socket.stream.is_unpacking() {
            (unpacking(socket, &rest), Vec::new())
        } else {
            (socket, rest)
        };
        let stream = socket.stream;
        let peer = stream.peer();
        let (local, fd) = (stream.local(), stream.fd());
        let id = server.clients.next_id();
        let mut client = Client::new(id, peer, local, fd, now_ms);
        greet_primary(&server.stream, &mut client);
        let session = Box::new(Session::new(client, Some(stream)));
        let (slot, generation) = server.clients.add(session);
        let mut session = server
            .clients
            .take_at(slot, generation)
            .expect("just added");
        if !replays && !self.listen_to_primary(&mut session) {
            self.close(session);
            return self.answer_upstream(Answer::Online(false));
        }
        session.input.give(rest);
        if let Some(upstream) = &mut self.engine.server.replication.upstream {
            (upstream.second, upstream.client) = (None, Some(id));
        }
        self.answer_upstream(Answer::Online(true));
        let Engine {
            keyspace, server, ..
        } = &mut self.engine;
        let own_ip = session.client.local_ip();
        server.primary_online(keyspace, own_ip);
        server.write_ack(&mut session.reply);
        server.turn.queue_flush(&mut session);
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
    fn listen_to_primary(&mut self, session: &mut Session) -> bool {
        let token = Target::client(session.slot, session.generation).into();
        let stream = session.stream.as_mut().expect("a connection");
        // The socket may have bytes for which no event will come.
        session.more_to_read = true;
        stream.want_write(&self.registry, token, false).is_ok()
    }

    /// Gives the link's client the next part of the held bytes; after the last part, its socket.
    fn replay(&mut self) {
        let server = &mut self.engine.server;
        let now_ms = server.now.mono_ms;
        let Some(upstream) = &mut server.replication.upstream else {
            return;
        };
        upstream.core.received_ms = now_ms;
        let session = upstream.client.and_then(|id| server.clients.get(id));
        if session.is_none_or(|session| session.ready_queued || session.input.runnable) {
            return;
        }
        let bytes_max = match server.config.loading_process_events_interval_bytes {
            0 => usize::MAX,
            bytes => usize::try_from(bytes).unwrap_or(usize::MAX),
        };
        self.answer_upstream(Answer::Drained(bytes_max));
        self.act_for_upstream();
    }

    /// The held bytes have been replayed: the socket comes next.
    fn read_replayed(&mut self) {
        let server = &mut self.engine.server;
        let upstream = server.replication.upstream.as_ref();
        let Some(id) = upstream.and_then(|upstream| upstream.client) else {
            return;
        };
        let Some(mut session) = server.clients.take(id) else {
            return;
        };
        if !self.listen_to_primary(&mut session) {
            return self.end(session);
        }
        let server = &mut self.engine.server;
        session.ready_queued = true;
        server.turn.ready.push(id);
        server.clients.put_back(session);
    }
}
