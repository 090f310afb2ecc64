//! The link to the primary: the meaning of each action of its machine for this server.
//!
//!     loop, cron, commands --Event, Answer--> the machine --Action--> Server::act_for_link
//!                                                                          |
//!                       dial, go online, read: the loop's, run::upstream
//!
//! Invariants
//!   1. An action is carried out before the next action is taken. The action's answer is an event,
//!      at once.
//!   2. An action may change the role: the machine is looked up anew for each action.
//!
//! Elsewhere: `load` has the load itself, `demotion` the file of lost writes.

use crate::clients::table::Clients;
use crate::parts::persist::Persist;
use crate::parts::replication::Replication;
use crate::parts::run::turn::Turn;
use crate::replication::load::survey;
use crate::replication::role::introduction;
use russet_config::Config;
use std::io::Write;

use crate::clients::client::Client;
use crate::clients::ending::EndReason;
use crate::parts::replication::upstream::{Socket, SyncFile};
use crate::replication::load::sync_file_path;
use crate::state::Server;
use russet_config::system_text;
use russet_host::{Action, Event, LinkId, Machine};
use russet_keyspace::Keyspace;
use russet_replication::compression::{Kind, Unpacker};
use russet_replication::quorum::Report;
use russet_replication::upstream::{Answer, Loss, Order, Settings, StoreFault};

impl Server {
    /// Passes an event to the machine of the link, and carries out the machine's actions.
    pub(crate) fn upstream_event(&mut self, keyspace: &mut Keyspace, event: Event<'_>) {
        let (now, settings) = (
            self.now.into(),
            upstream_settings(&self.config, self.cluster.is_some(), &self.persist),
        );
        if let Some(mut upstream) = self.replication.upstream.take() {
            upstream.core.settings = settings;
            upstream.core.event(
                now,
                &|| {
                    let word = self.quorum_word();
                    introduction(&self.config, self.cluster.as_deref(), &self.stream, word)
                },
                event,
            );
            self.replication.upstream = Some(upstream);
        }
        self.act_on_upstream(keyspace);
    }

    /// Passes an answer to the machine of the link, and carries out the machine's actions.
    pub(crate) fn answer_upstream(&mut self, keyspace: &mut Keyspace, answer: Answer) {
        let (now, settings) = (
            self.now.into(),
            upstream_settings(&self.config, self.cluster.is_some(), &self.persist),
        );
        if let Some(upstream) = &mut self.replication.upstream {
            upstream.core.settings = settings;
            upstream.core.answer(now, answer);
        }
        self.act_on_upstream(keyspace);
    }

    /// Carries out the decisions of the link's machine.
    pub(crate) fn act_on_upstream(&mut self, keyspace: &mut Keyspace) {
        while let Some(upstream) = &mut self.replication.upstream
            && let Some(action) = upstream.core.pop()
        {
            self.act_for_link(keyspace, action);
        }
    }

    fn act_for_link(&mut self, keyspace: &mut Keyspace, action: Action<Order>) {
        let Some(upstream) = &mut self.replication.upstream else {
            return;
        };
        match action {
            Action::Dial { .. } => upstream.for_loop.push_back(action),
            Action::Send { link, bytes } => self.send_upstream(keyspace, link, &bytes),
            Action::Log { level, text } => level.log(&text),
            Action::Order(order) => self.carry_out_order(keyspace, order),
            // This machine hangs up, knows its address, and saves nothing.
            Action::Close(_) | Action::Resolve(_) | Action::Persist { .. } => {}
        }
    }

    fn carry_out_order(&mut self, keyspace: &mut Keyspace, order: Order) {
        let Some(upstream) = &mut self.replication.upstream else {
            return;
        };
        match order {
            Order::GoOnline { .. } | Order::ReadLink => {
                upstream.for_loop.push_back(order.into());
            }
            Order::KeepAlive(link) => {
                if let Some(socket) = upstream.socket(link) {
                    // Best effort: if the socket is full, the primary has more to read anyway.
                    let _ = socket.stream.write(b"\n");
                }
            }
            Order::Unpack(rest) => {
                upstream.main = upstream.main.take().map(|socket| unpacking(socket, &rest));
            }
            Order::Introduced(line) => {
                let introduced = self.primary_introduced(keyspace, &line);
                let answer = introduced.map_or_else(Answer::NotAccepted, |()| Answer::Accepted);
                self.answer_upstream(keyspace, answer);
            }
            Order::HangUp => {
                upstream.hang_up();
                self.report_quorum(keyspace, Report::UpstreamLost);
            }
            Order::TakeOverRefused(why) => {
                self.abort_failover(keyspace, "the target goes on as a replica");
                tracing::warn!("{why}");
            }
            Order::ContinueHistory(id) => {
                if self.continues(id) {
                    self.with_migrations(keyspace, |m, around| m.history_changed(around));
                }
            }
            Order::Survey => {
                let own = survey(&self.stream, &self.scripting, &self.config, keyspace);
                self.answer_upstream(keyspace, Answer::Own(own));
            }
            Order::OpenFile => self.open_sync_file(keyspace),
            Order::Store(bytes) => self.store_snapshot(keyspace, bytes),
            Order::Count(counted, percent) => {
                let (own_keys, keys) = self.replication.count_for_guard(keyspace, counted, percent);
                self.answer_upstream(keyspace, Answer::Counted(own_keys, keys));
            }
            Order::LoadFile => {
                let replication = &mut self.replication;
                if let Err(why) = replication.prepare_file(&self.config, &self.debug, keyspace) {
                    self.answer_upstream(keyspace, Answer::Unloadable(why));
                }
            }
            Order::LoadStream { beside, keeps_head } => {
                self.replication.prepare_stream(
                    &self.config,
                    &self.debug,
                    keyspace,
                    beside,
                    keeps_head,
                );
            }
            Order::Feed(bytes) => {
                if let Some(load) = &mut upstream.load {
                    load.feed(&bytes);
                }
            }
            Order::BeginLoad { serves_old, length } => {
                match self.ask_quorum(keyspace, Report::Discarding) {
                    Ok(()) => self.begin_sync_load(keyspace, serves_old, length),
                    Err(why) => self.answer_upstream(keyspace, Answer::NotAccepted(why)),
                }
            }
            Order::Adopt { position, selected } => {
                let adopted = self.adopt_load(keyspace, position, selected);
                let answer = adopted.map_or_else(Answer::Unloadable, |()| Answer::Adopted);
                self.answer_upstream(keyspace, answer);
            }
            Order::Abandon {
                has_begun,
                keeps_data,
            } => self.abandon_load(keyspace, has_begun, keeps_data),
            Order::Replay(bytes) => {
                self.replication
                    .replay_to_client(&mut self.clients, &mut self.turn, bytes)
            }
            Order::Acknowledge => {
                if let Some(id) = upstream.client {
                    self.send_ack(id);
                    self.resume_stream(id);
                }
            }
            Order::EndLink => {
                if let Some(id) = upstream.client {
                    self.kill_client(keyspace, id, EndReason::Link);
                }
            }
        }
    }

    /// Opens the file for the snapshot.
    fn open_sync_file(&mut self, keyspace: &mut Keyspace) {
        let Some(upstream) = &mut self.replication.upstream else {
            return;
        };
        match SyncFile::create(sync_file_path(self.now.unix_s())) {
            Ok(file) => upstream.file = Some(file),
            Err(error) => {
                let fault = StoreFault::Opening(system_text(&error));
                self.answer_upstream(keyspace, Answer::NotStored(fault));
            }
        }
    }

    /// Appends to the file for the snapshot.
    fn store_snapshot(&mut self, keyspace: &mut Keyspace, bytes: Vec<u8>) {
        let Some(upstream) = &mut self.replication.upstream else {
            return;
        };
        upstream.stored += bytes.len();
        let stored = upstream.file.as_mut().map(|file| file.write_all(&bytes));
        upstream.core.recycle(bytes);
        if let Some(Err(error)) = stored {
            let fault = StoreFault::Writing(system_text(&error));
            self.answer_upstream(keyspace, Answer::NotStored(fault));
        }
    }

    fn send_upstream(&mut self, keyspace: &mut Keyspace, link: LinkId, bytes: &[u8]) {
        let Some(upstream) = &mut self.replication.upstream else {
            return;
        };
        let Some(link) = upstream.core.link(link) else {
            return;
        };
        let Some(socket) = upstream.socket(link) else {
            return;
        };
        socket.out.extend_from_slice(bytes);
        if let Err(error) = socket.send() {
            let loss = Loss::Writing(system_text(&error));
            self.answer_upstream(keyspace, Answer::Lost(link, loss));
        }
    }

    /// The client that was the link to the primary is gone.
    pub(crate) fn primary_gone(&mut self, keyspace: &mut Keyspace, client: &Client) {
        let upstream = self.replication.upstream.as_ref();
        if upstream.is_some_and(|upstream| upstream.client == Some(client.id)) {
            self.answer_upstream(keyspace, Answer::StreamEnded);
            self.stream.set_selected(Some(client.db));
            self.update_interest();
        }
    }
}

/// The stream follows on this connection, `rest` first, which was read already, and may be
/// compressed.
pub(crate) fn unpacking(socket: Socket, rest: &[u8]) -> Socket {
    let unpacker = Unpacker::new(Kind::Stream);
    Socket {
        stream: socket.stream.unpacking(Box::new(unpacker), rest),
        out: socket.out,
    }
}

fn upstream_settings(config: &Config, is_cluster: bool, persist: &Persist) -> Settings {
    Settings {
        dialect: config.dialect,
        timeout_ms: u64::from(config.repl_timeout) * 1000,
        held_max_bytes: match config.replica_full_sync_buffer_limit {
            0 => config.client_output_buffer_limit.replica.hard_bytes,
            bytes => bytes,
        },
        retain_percent: config.replica_min_retain_percent,
        is_cluster,
        is_loading: persist.loading.in_progress(),
    }
}

impl Replication {
    /// Gives the link's client the bytes that were held for it.
    pub(crate) fn replay_to_client(
        &mut self,
        clients: &mut Clients,
        turn: &mut Turn,
        bytes: Vec<u8>,
    ) {
        let id = self.upstream.as_ref().and_then(|u| u.client);
        let Some(id) = id else {
            return;
        };
        let Some(mut session) = clients.take(id) else {
            return;
        };
        session.input.give(bytes);
        session.ready_queued = true;
        turn.ready.push(id);
        clients.put_back(session);
    }
}
