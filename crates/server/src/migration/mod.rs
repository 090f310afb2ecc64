//! Slots that move at once: carries out the actions of the machine (`russet_cluster::migration`),
//! and returns their results to it.
//!
//! The machine is called by events of links (`links`, `run::machines`), by CLUSTER's
//! subcommands (`commands`), by the timer, and when routes, roles or data have changed. After each
//! call its actions are carried out at once, in their order. A link's queued bytes leave at the end
//! of the turn, after the effects that were passed on before (`Engine::send_migrations`), so bytes
//! of a link keep their order.

mod applied;
mod claims;
mod commands;
mod exports;
mod kept;
mod links;
mod unclaimed;

use crate::parts::migration::MigrationDriver;
use crate::parts::run::dial::destination;
use crate::state::Server;
use crate::state::world::Engine;
use russet_base::random;
use russet_cluster::migration::{
    Action, MigrationContext, MigrationLink, Migrations, Name, NodeContext, Ranges,
};
use russet_host::{LoopDriver, Now};
use russet_keyspace::{Audience, ClientId, DbIndex, Keyspace};
use russet_net::{Role, Target};

/// The period of the machine's ticks, milliseconds.
const TICK_MS: u64 = 100;

/// The server as the host of its migrations.
pub struct MigrationHost<'e>(pub &'e mut Engine);

impl LoopDriver for MigrationHost<'_> {
    fn serve_event(&mut self, token: Target) {
        let driver = self.0.server.migrations.as_ref();
        let number = driver
            .filter(|_| token.role == Role::MigrationLink)
            .and_then(|driver| driver.links.number_at(token.slot, token.generation));
        if let Some(number) = number {
            self.0.serve_slot_link(number);
        }
    }

    /// Comes after the cluster's turn: clients follow its routes before slots move on.
    fn turn(&mut self) {
        self.0.after_cluster();
        self.0.drive_migrations();
    }

    fn is_urgent(&mut self) -> bool {
        let driver = self.0.server.migrations.as_ref();
        driver.is_some_and(|driver| driver.has_urgent())
    }

    fn due_ms(&mut self) -> Option<i64> {
        let driver = self.0.server.migrations.as_ref()?;
        // A writable socket causes an event; room made in other ways does not.
        let looks_ms = driver.awaits_room.then(|| self.0.server.now.mono_ms + 1);
        let due_ms = driver.due_ms().into_iter().chain(looks_ms).min()?;
        i64::try_from(due_ms).ok()
    }
}

impl Server {
    /// Calls the machine, and carries out its actions. `None`: this is no node of a cluster.
    pub(crate) fn with_migrations<R>(
        &mut self,
        keyspace: &mut Keyspace,
        call: impl FnOnce(&mut Migrations, &dyn MigrationContext) -> R,
    ) -> Option<R> {
        let now = Now::from(self.now);
        let mut driver = self.migrations.take()?;
        let MigrationDriver {
            machine,
            links,
            to_clients,
            ..
        } = &mut *driver;
        let result = self.cluster.as_ref().map(|cluster| {
            let around = NodeContext {
                core: &cluster.core,
                now,
                unsent: &|link| match link {
                    MigrationLink::Dialled(number) => {
                        links.get(number).map_or(0, |link| link.unsent())
                    }
                    MigrationLink::Client(id) => {
                        let waiting = to_clients.get(&id).map_or(0, |client| client.bytes.len());
                        let session = self.clients.get(ClientId(id));
                        waiting + session.map_or(0, |session| session.reply.pending_len())
                    }
                },
                fresh_name: &|| {
                    let digits = random::hex(Name::LEN);
                    Name::parse(digits.as_bytes()).expect("hexadecimal digits")
                },
            };
            call(machine, &around)
        });
        self.migrations = Some(driver);
        while let Some(action) = self.migrations.as_mut().and_then(|d| d.machine.pop()) {
            self.act_in_migration(keyspace, action);
        }
        result
    }

    fn act_in_migration(&mut self, keyspace: &mut Keyspace, action: Action) {
        let Some(driver) = &mut self.migrations else {
            return;
        };
        match action {
            Action::Dial { link, ip, port } => {
                let tls = self.connections.tls.of_replication(&self.config);
                let to = destination(&self.config, &ip, port, tls);
                driver.dial(link, to, self.connections.wake.clone());
            }
            Action::Send { link, bytes } => driver.send(link, &bytes),
            Action::Close(link) => driver.close(link, self.now.mono_ms),
            Action::Export {
                job,
                slots,
                snapshot,
                stream,
                wire,
            } => driver.exports.begin((job, slots), snapshot, stream, wire),
            Action::Stream(job) => {
                let export = driver.exports.find(job);
                let held = export.and_then(|export| Some((export.held.take()?, export.stream)));
                if let Some((bytes, link)) = held {
                    driver.send(link, &bytes);
                }
            }
            Action::EndExport(job) => self.end_export(keyspace, job),
            Action::Hold { job, slots, .. } => {
                // Effects of earlier writes precede the machine's next bytes on the link.
                self.repeat_effects(keyspace);
                self.gates.held_slots.hold(job, slots);
                self.update_interest();
            }
            Action::Release(job) => {
                self.keep_held_slots(keyspace, job);
                self.release_slots(job);
            }
            Action::Take { job, slots } => self.begin_claim(keyspace, job, slots),
            Action::Hide(slots) => {
                // Keys are about to come.
                self.record_all_dropped_keys(keyspace);
                keyspace.hide_slots(slots.pairs());
            }
            Action::Show(slots) => keyspace.show_slots(slots.pairs()),
            Action::Drop(slots) => self.drop_unclaimed(keyspace, &slots),
            Action::Keep(slots) => keyspace.keep_slots(slots.pairs()),
            Action::Forget(slots) => {
                self.drop_slots(keyspace, slots.pairs());
                keyspace.release_slots(slots.pairs());
                // The slots may be this node's again, or be imported: no deletion may meet a new
                // key.
                self.record_returned_slots(keyspace);
            }
            Action::Return(slots) => keyspace.release_slots(slots.pairs()),
            Action::Reclaim(slots) => _ = self.claim_slots(keyspace, slots.pairs()),
            Action::AskReplicas(node) => {
                self.with_cluster(keyspace, |driver, now| {
                    driver.core.greet_replicas_of(now, node.as_bytes());
                });
            }
            Action::Propagate(words) => {
                let words = words.iter().map(Vec::as_slice);
                keyspace
                    .effects
                    .record_for(Audience::REPLICAS, DbIndex(0), words);
            }
            Action::Log { level, text } => level.log(&text),
        }
    }

    pub(crate) fn repeat_effects(&mut self, keyspace: &mut Keyspace) {
        if keyspace.effects.has_complete() {
            self.repeat(keyspace, None);
        }
    }

    /// Ends exports of slots that are served elsewhere now: the removal of their keys here is no
    /// effect for the node that has them.
    pub(crate) fn stop_exports(&mut self, keyspace: &mut Keyspace, slots: &[(u16, u16)]) {
        let Some(driver) = &self.migrations else {
            return;
        };
        let is_lost = |slot| {
            slots
                .iter()
                .any(|&(first, last)| (first..=last).contains(&slot))
        };
        let are_lost = |ranges: &Ranges| ranges.slots().any(is_lost);
        let exports = driver.exports.all.iter();
        let exports = exports.filter(|export| are_lost(&export.slots));
        let jobs: Vec<Name> = exports.map(|export| export.job).collect();
        for job in jobs {
            self.end_export(keyspace, job);
        }
    }

    /// A full copy of our primary's data has named these imports.
    pub(crate) fn follow_copied_imports(&mut self, keyspace: &mut Keyspace, imports: &[Vec<u8>]) {
        for text in imports {
            let parts = text.split_at_checked(Name::LEN);
            let import = parts.and_then(|(name, slots)| {
                let slots = Ranges::parse_shown(slots.strip_prefix(b" ")?)?;
                Some((Name::parse(name)?, slots))
            });
            let Some((name, slots)) = import else {
                tracing::warn!("A full copy names an import of slots in a form that is not known");
                continue;
            };
            self.with_migrations(keyspace, |m, around| {
                m.follow_copied(around, name, slots);
            });
        }
    }

    /// Keys of a database, or all, were deleted.
    pub fn record_flush(&mut self) {
        if let Some(driver) = &mut self.migrations {
            driver.was_flushed = true;
        }
    }

    /// Passes the results recorded since the last call to the machine.
    pub(crate) fn notify_migrations(&mut self, keyspace: &mut Keyspace) {
        let Some(driver) = &mut self.migrations else {
            return;
        };
        let applied = std::mem::take(&mut driver.applied);
        let failures = std::mem::take(&mut driver.failures);
        let gone = std::mem::take(&mut driver.gone);
        let was_flushed = std::mem::take(&mut driver.was_flushed);
        for id in &gone {
            driver.to_clients.remove(id);
            driver.nodes.remove(id);
        }
        for (link, bytes) in applied {
            self.with_migrations(keyspace, |m, around| m.applied(around, link, bytes));
        }
        for (link, error) in failures {
            self.with_migrations(keyspace, |m, around| {
                m.failed_to_apply(around, link, &error);
            });
        }
        for id in gone {
            let link = MigrationLink::Client(id);
            self.with_migrations(keyspace, |m, around| m.closed(around, link));
        }
        if was_flushed {
            self.with_migrations(keyspace, |m, around| m.flushed(around));
        }
    }
}

impl Engine {
    /// The work of migrations in each turn.
    pub(crate) fn drive_migrations(&mut self) {
        if self.server.migrations.is_none() {
            return;
        }
        self.serve_unread_slot_links();
        self.server.notify_migrations(&mut self.keyspace);
        let Engine {
            keyspace, server, ..
        } = self;
        let holds_data = server.scripting.is_running() || server.persist.loading.in_progress();
        if let Some(driver) = &mut server.migrations
            && std::mem::take(&mut driver.routes_changed)
        {
            server.with_migrations(keyspace, |m, around| m.routes_changed(around));
        }
        if !holds_data {
            self.drive_exports();
        }
        let Engine {
            keyspace, server, ..
        } = self;
        if let Some(driver) = &mut server.migrations
            && !driver.machine.is_idle()
            && driver.tick_due_ms <= server.now.mono_ms
        {
            driver.tick_due_ms = server.now.mono_ms + TICK_MS;
            server.greet_while_held(keyspace);
            server.with_migrations(keyspace, |m, around| m.tick(around));
        }
        self.server.continue_claims(&mut self.keyspace);
        self.server.update_exports(&mut self.keyspace);
        self.send_migrations();
        self.after_removals();
    }
}
