//! What cron does for the links, once a second: PINGs, acknowledgements, time limits.

use crate::keyspace::{ClientId, Keyspace};
use crate::resp::write_request;
use crate::server::parts::replication::replicas::State;
use crate::server::parts::replication::upstream::{Delay, Link};
use crate::server::state::Server;
use crate::server::state::world::Engine;

impl Engine {
    /// Called by cron: once a second what the links need.
    pub(in crate::server) fn tend_replication(&mut self) {
        let second = self.server.now.mono_ms / 1000;
        if std::mem::replace(&mut self.server.replication.tended_s, second) == second {
            return;
        }
        self.tend_upstream();
        self.tend_replicas();
    }

    /// A link that is silent for too long is lost; one that works is acknowledged.
    fn tend_upstream(&mut self) {
        let Engine {
            keyspace, server, ..
        } = self;
        let now_ms = server.now.mono_ms;
        let limit_ms = u64::from(server.config.repl_timeout) * 1000;
        let Some(upstream) = &mut server.replication.upstream else {
            return;
        };
        let silent_ms = now_ms.saturating_sub(upstream.heard_ms);
        match &mut upstream.link {
            Link::Down => {}
            Link::Dialing(_, began_ms) if now_ms.saturating_sub(*began_ms) > limit_ms => {
                tracing::warn!("Timeout connecting to the MASTER...");
                upstream.lose(now_ms, Delay::Refused);
            }
            Link::Talking(_) if silent_ms > limit_ms => {
                tracing::warn!("Timeout connecting to the MASTER...");
                upstream.lose(now_ms, Delay::Refused);
            }
            Link::Receiving(_) if silent_ms > limit_ms => {
                tracing::warn!(
                    "Timeout receiving bulk data from MASTER... If the problem persists try to \
                     set the 'repl-timeout' parameter in redis.conf to a larger value."
                );
                upstream.lose(now_ms, Delay::None);
            }
            Link::Loading(load) => {
                load.say_newline();
                server.time_out_load(keyspace, silent_ms);
            }
            Link::Online(id) => {
                let id = *id;
                if silent_ms > limit_ms {
                    tracing::warn!("MASTER timeout: no data nor PING received...");
                    server.kill_client(keyspace, id);
                } else {
                    server.send_ack(id);
                }
            }
            _ => {}
        }
    }
}

impl Server {
    /// Sends the primary our position.
    pub(in crate::server) fn send_ack(&mut self, id: ClientId) {
        let Some(mut session) = self.clients.take(id) else {
            return;
        };
        self.write_ack(&mut session.reply);
        self.put_back(session);
    }

    /// Appends `REPLCONF ACK <position> [FACK <position on disk>]`.
    pub fn write_ack(&self, reply: &mut crate::resp::Reply) {
        let offset = self.stream.offset().to_string();
        let synced = self
            .persist
            .aof
            .log()
            .map(|_| self.persist.aof.synced().to_string());
        let mut words: Vec<&[u8]> = vec![b"REPLCONF", b"ACK", offset.as_bytes()];
        if let Some(synced) = &synced {
            words.extend([&b"FACK"[..], synced.as_bytes()]);
        }
        let mut line = Vec::new();
        write_request(&mut line, words.into_iter());
        reply.raw(&line);
    }
}

impl Engine {
    /// Replicas that are silent or stuck for too long are disconnected; those that wait for a
    /// snapshot get a newline, those online a PING now and then.
    fn tend_replicas(&mut self) {
        let Engine {
            keyspace, server, ..
        } = self;
        let now_ms = server.now.mono_ms;
        server.drop_idle_backlog(keyspace);
        if server.replication.replicas.is_empty() {
            return;
        }
        let period_ms = u64::from(server.config.repl_ping_replica_period) * 1000;
        if now_ms.saturating_sub(server.replication.pinged_ms) >= period_ms {
            server.replication.pinged_ms = now_ms;
            server.ping_replicas();
        }
        let limit_ms = u64::from(server.config.repl_timeout) * 1000;
        let (mut late, mut waiting) = (Vec::new(), Vec::new());
        for replica in server.replication.replicas.iter() {
            match &replica.state {
                State::Waits(_) => waiting.push(replica.id),
                State::Sending(sending) if sending.waits() => waiting.push(replica.id),
                State::Sending(sending) if now_ms.saturating_sub(sending.moved_ms) > limit_ms => {
                    late.push((replica.id, "full sync"));
                }
                State::Online if replica.is_mute => {}
                State::Online | State::AwaitsAck
                    if now_ms.saturating_sub(replica.heard_ms) > limit_ms =>
                {
                    late.push((replica.id, "streaming sync"));
                }
                _ => {}
            }
        }
        for id in waiting {
            if let Some(mut session) = server.clients.take(id) {
                session.reply.raw(b"\n");
                server.put_back(session);
            }
        }
        for (id, stage) in late {
            if let Some(mut session) = server.clients.take(id) {
                let name = server.replica_name(&session.client);
                tracing::warn!("Disconnecting timedout replica ({stage}): {name}");
                server.close_soon(&mut session);
                server.clients.put_back(session);
            }
        }
        server.update_interest();
    }
}

impl Server {
    /// A primary without replicas keeps its backlog for `repl-backlog-ttl`.
    fn drop_idle_backlog(&mut self, keyspace: &mut Keyspace) {
        let ttl_ms = self.config.repl_backlog_ttl.saturating_mul(1000);
        let is_needed = self.replication.is_replica()
            || !self.replication.replicas.is_empty()
            || self.stream.backlog().is_none()
            || ttl_ms == 0;
        if is_needed {
            return;
        }
        let now_ms = self.now.mono_ms;
        let since_ms = *self.replication.alone_since_ms.get_or_insert(now_ms);
        if now_ms.saturating_sub(since_ms) < ttl_ms {
            return;
        }
        self.stream.drop_backlog();
        if self.persist.aof.log().is_none() {
            self.stream.begin_history();
        }
        self.replication.alone_since_ms = None;
        self.update_effects(keyspace);
        tracing::info!(
            "Replication backlog freed after {} seconds without connected replicas.",
            ttl_ms / 1000
        );
    }

    /// Replicas that hold too much of the stream back (`client-output-buffer-limit replica`).
    pub(in crate::server) fn limit_replicas(&mut self) {
        let limit = self.config.client_output_buffer_limit.replica;
        let backlog = self.stream.backlog().map_or(0, |backlog| backlog.size());
        let (offset, now_ms) = (self.stream.offset(), self.now.mono_ms);
        let mut over = Vec::new();
        for replica in self.replication.replicas.iter_mut() {
            let held = match replica.state {
                State::Waits(_) => 0,
                _ => offset.saturating_sub(replica.sent),
            };
            let exceeds = |bytes: u64| bytes > 0 && held > bytes.max(backlog);
            let soft = exceeds(limit.soft_bytes);
            let since_ms = match soft {
                true => *replica.over_soft_since_ms.get_or_insert(now_ms),
                false => now_ms,
            };
            if !soft {
                replica.over_soft_since_ms = None;
            }
            let long_ms = limit.soft_seconds.saturating_mul(1000);
            if exceeds(limit.hard_bytes) || soft && now_ms.saturating_sub(since_ms) > long_ms {
                over.push(replica.id);
            }
        }
        for id in over {
            if let Some(mut session) = self.clients.take(id) {
                self.tell_dropped(&session, "its stream is over client-output-buffer-limit");
                self.stats.clients.output_buffer_disconnections += 1;
                self.close_soon(&mut session);
                self.clients.put_back(session);
            }
        }
    }
}
