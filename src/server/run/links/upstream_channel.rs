//! The two links of a full synchronization by two: the conversation on the second one, the stream
//! that the main one brings meanwhile, and its replay after the snapshot.
//!
//! `parts::replication::upstream` has the stages,
//! `replication::{ChannelHandshake, Join, HeldStream}` the messages and the held bytes; here are
//! the reads and writes. The snapshot on the second link is received and loaded as any other
//! (`links::upstream`, `replication::load`).

use std::io::ErrorKind;

use super::upstream::{READS_MAX, Stepped, UpstreamStep, send};

use crate::server::parts::replication::PausePoint;
use crate::server::parts::replication::upstream::{
    Announcing, Delay, Joining, MainLink, Source, UpstreamLink,
};
use crate::server::process::log::{MASTER, MASTER_INSIDE, of_primary};
use crate::server::replication::load::Loaded;
use crate::server::run::Loop;
use russet_config::system_text;
use russet_keyspace::ClientId;
use russet_net::Stream;
use russet_replication::{Announced, ChannelHandshake, ChannelProtocol, Join};

fn lost(why: &str) -> (String, Delay) {
    let why = format!("I/O error on the rdb channel of {MASTER}: {why}");
    (why, Delay::Refused)
}

impl Loop {
    /// The primary has asked for a second link. `rest`: bytes of the main one after that.
    pub(super) fn open_channel(
        &mut self,
        stream: Stream,
        dialect: ChannelProtocol,
        rest: Vec<u8>,
    ) -> Stepped {
        let replication = &mut self.engine.server.replication;
        let Some(upstream) = &mut replication.upstream else {
            return Ok(UpstreamStep::Wait);
        };
        tracing::info!("{MASTER} <-> REPLICA sync: the snapshot comes over a second connection");
        // Valkey's main link has another conversation first.
        let (stream, rest) = match dialect {
            ChannelProtocol::RdbChannel { .. } => upstream.hand_over_stream(stream, rest),
            ChannelProtocol::DualChannel => (stream, rest),
        };
        upstream.main = Some(Box::new(MainLink {
            stream,
            dialect,
            selected: None,
            is_lost: false,
        }));
        upstream.held.restart();
        upstream.held.push(&rest);
        replication.pause_at(PausePoint::BeforeChannel);
        self.dial()
    }

    /// A connection was made: if it is the second one, its conversation begins.
    pub(super) fn begin_channel(&mut self, stream: Stream) -> Result<(), Stream> {
        let its = self.engine.server.introduction();
        let Some(upstream) = &mut self.engine.server.replication.upstream else {
            return Err(stream);
        };
        let Some(main) = &upstream.main else {
            return Err(stream);
        };
        let mut out = Vec::new();
        let handshake = ChannelHandshake::begin(main.dialect, &its, &mut out);
        upstream.link = UpstreamLink::Announcing(Box::new(Announcing {
            stream,
            handshake,
            out,
        }));
        Ok(())
    }

    /// The conversation on the second link.
    pub(super) fn announce(&mut self, mut announcing: Box<Announcing>) -> Stepped {
        for _ in 0..READS_MAX {
            let Announcing {
                stream,
                handshake,
                out,
            } = &mut *announcing;
            send(stream, out).map_err(|error| lost(&system_text(&error)))?;
            let mut inbuf = std::mem::take(&mut self.inbuf);
            let announced = match stream.fill(&mut inbuf) {
                Ok((0, _)) => Err(lost("connection lost")),
                Ok((n, _)) => {
                    self.note_received(n);
                    let received = handshake.receive(&inbuf[..n], out);
                    received.map_err(|error| (of_primary(&error), Delay::Refused))
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => Ok(None),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.inbuf = inbuf;
                    self.set_link(UpstreamLink::Announcing(announcing));
                    return Ok(UpstreamStep::Wait);
                }
                Err(error) => Err(lost(&system_text(&error))),
            };
            self.inbuf = inbuf;
            if let Some(announced) = announced? {
                return self.announced(*announcing, announced);
            }
        }
        Ok(self.reads_more(UpstreamLink::Announcing(announcing)))
    }

    fn announced(&mut self, announcing: Announcing, announced: Announced) -> Stepped {
        let Announcing {
            stream,
            mut handshake,
            ..
        } = announcing;
        let at = announced.position;
        tracing::info!("Full resync from {MASTER_INSIDE}: {}:{}", at.id, at.offset);
        let rest = handshake.take_rest();
        let upstream = self.engine.server.replication.upstream.as_mut();
        if let Some(main) = upstream.and_then(|upstream| upstream.main.as_mut()) {
            main.selected = announced.selected;
        }
        let Some(number) = announced.joined_by else {
            return self.begin_receiving(stream, Some(at), rest);
        };
        let mut out = Vec::new();
        let join = Join::begin(number, at, &mut out);
        self.set_link(UpstreamLink::Joining(Box::new(Joining {
            stream,
            announced,
            rest,
            join,
            out,
        })));
        Ok(UpstreamStep::Next)
    }

    /// The conversation by which the main link joins the second one.
    pub(super) fn join(&mut self, mut joining: Box<Joining>) -> Stepped {
        let Loop { engine, inbuf, .. } = self;
        let Some(upstream) = &mut engine.server.replication.upstream else {
            return Ok(UpstreamStep::Wait);
        };
        let Some(main) = &mut upstream.main else {
            return Err(lost("no main link"));
        };
        for _ in 0..READS_MAX {
            let sent = send(&mut main.stream, &mut joining.out);
            sent.map_err(|error| lost(&system_text(&error)))?;
            match main.stream.fill(inbuf) {
                Ok((0, _)) => return Err(lost("the main connection was lost")),
                Ok((n, _)) => {
                    engine.server.stats.net_repl_input_bytes += n as u64;
                    let joined = joining.join.receive(&inbuf[..n], &mut joining.out);
                    let joined = joined.map_err(|error| (of_primary(&error), Delay::Refused))?;
                    let Some(rest) = joined else {
                        continue;
                    };
                    if let Some(main) = upstream.main.take() {
                        let (stream, rest) = upstream.hand_over_stream(main.stream, rest);
                        upstream.held.push(&rest);
                        upstream.main = Some(Box::new(MainLink { stream, ..*main }));
                    }
                    let Joining {
                        stream,
                        announced,
                        rest,
                        ..
                    } = *joining;
                    return self.begin_receiving(stream, Some(announced.position), rest);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    upstream.link = UpstreamLink::Joining(joining);
                    return Ok(UpstreamStep::Wait);
                }
                Err(error) => return Err(lost(&system_text(&error))),
            }
        }
        Ok(self.reads_more(UpstreamLink::Joining(joining)))
    }

    /// The main link's share of a turn, while there is a second link or a replay. `false`: there is
    /// nothing else to drive.
    pub(super) fn drive_main(&mut self) -> bool {
        let Some(upstream) = &self.engine.server.replication.upstream else {
            return false;
        };
        match upstream.link {
            UpstreamLink::Online(id) if upstream.replays => {
                self.replay(id);
                false
            }
            UpstreamLink::Joining(_) => true,
            _ => match &upstream.main {
                Some(main) if !main.is_lost => match self.hold_main() {
                    Ok(()) => true,
                    Err(why) => self.main_lost(&why),
                },
                _ => true,
            },
        }
    }

    /// Reads the main link, up to the limit of held bytes.
    fn hold_main(&mut self) -> Result<(), String> {
        let Loop { engine, inbuf, .. } = self;
        let server = &mut engine.server;
        let config = &server.config;
        let limit = match config.replica_full_sync_buffer_limit {
            0 => config.client_output_buffer_limit.replica.hard_bytes,
            bytes => bytes,
        };
        let Some(upstream) = &mut server.replication.upstream else {
            return Ok(());
        };
        let Some(main) = &mut upstream.main else {
            return Ok(());
        };
        for _ in 0..READS_MAX {
            match upstream.held.check(limit) {
                Ok(false) => {}
                Ok(true) => return Ok(()),
                Err(bytes) => {
                    tracing::info!(
                        "Replication buffer limit has been reached ({bytes} bytes), stopped \
                         buffering replication stream. Further accumulation may occur on {MASTER_INSIDE} \
                         side."
                    );
                    return Ok(());
                }
            }
            match main.stream.fill(inbuf) {
                Ok((0, _)) => return Err("connection lost".to_owned()),
                Ok((n, _)) => {
                    server.stats.net_repl_input_bytes += main.stream.received_for(n);
                    upstream.held.push(&inbuf[..n]);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => {
                    let is_damaged = error.kind() == ErrorKind::InvalidData;
                    server.replication.compression_errors += u64::from(is_damaged);
                    return Err(if is_damaged {
                        format!("the compressed stream is damaged: {error}")
                    } else {
                        system_text(&error)
                    });
                }
            }
        }
        server.turn.receives = true;
        Ok(())
    }

    /// The main link was lost. A load from a file continues: afterwards the stream is continued
    /// from the snapshot's position. Everything else ends. Returns whether the load continues.
    fn main_lost(&mut self, why: &str) -> bool {
        let (keyspace, server) = (&mut self.engine.keyspace, &mut self.engine.server);
        let Some(upstream) = &mut server.replication.upstream else {
            return false;
        };
        tracing::warn!("Main channel of {MASTER} was lost: {why}");
        match std::mem::replace(&mut upstream.link, UpstreamLink::Down) {
            UpstreamLink::Loading(load) => {
                tracing::warn!("Aborting rdb channel sync while loading the RDB");
                if matches!(load.source, Source::File(_)) {
                    tracing::warn!(
                        "After loading RDB, replica will try psync with {MASTER_INSIDE}"
                    );
                    upstream.held.clear();
                    if let Some(main) = &mut upstream.main {
                        main.is_lost = true;
                    }
                    upstream.link = UpstreamLink::Loading(load);
                    return true;
                }
                server.sync_lost(keyspace, *load);
            }
            UpstreamLink::Receiving(_) => self.lose_upstream(Delay::None),
            _ => self.lose_upstream(Delay::Refused),
        }
        false
    }

    /// A link whose snapshot is loaded goes online: with two of them, the main one. `None`: it was
    /// lost, and is dialled again.
    pub(super) fn leave_channel(&mut self, loaded: Loaded) -> Option<Loaded> {
        let Some(upstream) = &mut self.engine.server.replication.upstream else {
            return Some(loaded);
        };
        let Some(main) = upstream.main.take() else {
            return Some(loaded);
        };
        if main.is_lost {
            upstream.has_data = true;
            self.lose_upstream(Delay::None);
            return None;
        }
        tracing::info!(
            "{MASTER} <-> REPLICA sync: Starting to stream replication buffer into the db"
        );
        upstream.replays = true;
        Some(Loaded {
            stream: main.stream,
            rest: Vec::new(),
        })
    }

    /// Gives the link's client the next part of the held bytes; after the last one, its socket.
    fn replay(&mut self, id: ClientId) {
        let server = &mut self.engine.server;
        let now_ms = server.now.mono_ms;
        let Some(mut session) = server.clients.take(id) else {
            return;
        };
        let Some(upstream) = &mut server.replication.upstream else {
            return server.clients.put_back(session);
        };
        upstream.received_ms = now_ms;
        if session.ready_queued || session.input.runnable {
            return server.clients.put_back(session);
        }
        let most = match server.config.loading_process_events_interval_bytes {
            0 => usize::MAX,
            bytes => usize::try_from(bytes).unwrap_or(usize::MAX),
        };
        match upstream.held.pop(most) {
            Some(bytes) => session.input.give(bytes),
            None => {
                upstream.replays = false;
                tracing::info!(
                    "{MASTER} <-> REPLICA sync: Successfully streamed replication buffer into the \
                     db (peak {} bytes)",
                    upstream.held.peak()
                );
                if !self.listen_to_primary(&mut session) {
                    return self.end(session);
                }
            }
        }
        let server = &mut self.engine.server;
        session.ready_queued = true;
        server.turn.ready.push(id);
        server.clients.put_back(session);
    }
}
