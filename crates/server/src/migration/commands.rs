//! CLUSTER's subcommands about slots that move, AUTH of other nodes, and the figures of INFO.
//!
//! Orders and requests go to the machine (`russet_cluster::migration`), which answers them; before
//! a request the machine receives all recorded results, so it judges by the current state.
//!
//! Invariants
//!   1. SYNCSLOTS runs only on a link: not for transactions, scripts or the console.
//!   2. A connection becomes a source (`SENDS_SLOTS`) only if its user may RESTORE all keys.
//!   3. A node's secret is compared in full, however early a byte differs, because the time of the
//!      comparison must not reveal the secret.
//!
//! Cost: O(migrations) but for TRIMSLOTS, whose keys are deleted in slices.
//! Elsewhere: `migration::applied` lists the commands that such links may run.

use crate::clients::client::ClientFlags;
use crate::clients::ending::EndReason;
use crate::origin::Origin;
use crate::parts::migration;
use crate::state::Server;
use crate::state::call::{Call, CommandResult};
use crate::state::world::World;
use russet_cluster::migration::{
    Answer, BusySide, MigrationContext, MigrationLink, Migrations, Name, Refusal, Sender,
    trim_slots,
};
use russet_command::{CommandError, Facts};
use russet_config::Dialect;
use russet_keyspace::{Audience, Keyspace};

/// The name under which nodes of Redis's clusters log in.
const INTERNAL_USER: &[u8] = b"internal connection";
const WRONG_SECRET: &str = "WRONGPASS invalid internal password";

const NO_LINK: &str = "ERR CLUSTER SYNCSLOTS is for links between nodes: not for transactions, scripts or the console";
const NO_SOURCE: &str =
    "NOPERM CLUSTER SYNCSLOTS ESTABLISH needs a user that may run RESTORE on all keys";

fn refused(refusal: Refusal) -> CommandError {
    CommandError::owned(refusal.to_string())
}

impl Call<'_> {
    fn machine<R>(
        &mut self,
        call: impl FnOnce(&mut Migrations, &dyn MigrationContext) -> Result<R, Refusal>,
    ) -> Result<R, CommandError> {
        let World {
            keyspace, server, ..
        } = self.world();
        match server.with_migrations(keyspace, call) {
            Some(result) => result.map_err(refused),
            None => Err(CommandError::owned(
                "ERR This instance has cluster support disabled",
            )),
        }
    }

    /// `CLUSTER MIGRATION IMPORT ranges`. Reply: the task's id.
    pub fn import_slots(&mut self) -> CommandResult {
        let words = self.args.from(3).to_vec();
        let name = self.machine(|m, around| m.import(around, &words))?;
        self.reply.bulk(name.as_bytes());
        Ok(())
    }

    /// `CLUSTER MIGRATION CANCEL ID id|ALL`. Reply: how many were canceled.
    pub fn cancel_slot_tasks(&mut self, id: Option<&[u8]>) -> CommandResult {
        let canceled = self.machine(|m, around| Ok(m.cancel(around, id)))?;
        self.reply.int(canceled as i64);
        Ok(())
    }

    /// `CLUSTER MIGRATION STATUS ID id|ALL`.
    pub fn show_slot_tasks(&mut self, id: Option<&[u8]>) {
        if let Some(driver) = &self.server.migrations {
            driver.machine.status(id, self.reply);
        }
    }

    /// `CLUSTER MIGRATESLOTS`. Reply: OK.
    pub fn migrate_slots(&mut self) -> CommandResult {
        let words = self.args.from(2).to_vec();
        self.machine(|m, around| m.migrate_slots(around, &words))?;
        let names = words
            .windows(2)
            .filter(|two| two[0].eq_ignore_ascii_case(b"NODE"));
        for named in names {
            self.server.trust_node(named[1], "slots go to it");
        }
        self.reply.ok();
        Ok(())
    }

    /// `CLUSTER CANCELSLOTMIGRATIONS`. Reply: OK.
    pub fn cancel_slot_exports(&mut self) -> CommandResult {
        self.machine(|m, around| m.cancel_exports(around))?;
        self.reply.ok();
        Ok(())
    }

    /// `CLUSTER GETSLOTMIGRATIONS`.
    pub fn show_slot_migrations(&mut self) {
        if let Some(driver) = &self.server.migrations {
            let left = |name: Name| driver.unsent_of(name);
            driver.machine.slot_migrations(left, self.reply);
        }
    }

    /// `CLUSTER SYNCSLOTS`.
    pub fn sync_slots(&mut self) -> CommandResult {
        let words = self.args.from(2).to_vec();
        if self.origin == Origin::Loading {
            return Ok(());
        }
        let is_primary = self.origin == Origin::Primary;
        let begins = words[0].eq_ignore_ascii_case(b"ESTABLISH") && !is_primary;
        self.check_slots_link(begins)?;
        let (id, flags) = (self.client.id, self.client.flags);
        let World {
            keyspace, server, ..
        } = self.world();
        // Earlier results first: applied commands, failures.
        server.notify_migrations(keyspace);
        let Some(driver) = &mut server.migrations else {
            return Err(CommandError::owned(
                "ERR This instance has cluster support disabled",
            ));
        };
        let link = driver.serving.unwrap_or(MigrationLink::Client(id.0));
        let sender = Sender {
            link,
            is_internal: flags.contains(ClientFlags::INTERNAL),
            is_primary,
            node: driver.nodes.get(&id.0).copied(),
        };
        let is_conf = words[0].eq_ignore_ascii_case(b"CONF");
        if is_conf && sender.is_internal && driver.machine.expects(link).is_none() {
            return self.configure_slots_link(&words[1..]);
        }
        let answer =
            server.with_migrations(keyspace, |m, around| m.request(around, &sender, &words));
        match answer.unwrap_or(Answer::Silent) {
            Answer::Status(status) => {
                if let Some(node) = sender.node.filter(|_| sender.is_internal) {
                    self.server.trust_node(node.as_bytes(), "slots go to it");
                }
                if begins {
                    let kind = ClientFlags::SENDS_SLOTS;
                    self.server.acl.becomes_link(self.client, kind);
                }
                self.reply.simple(status);
            }
            Answer::Silent => {}
            Answer::Refused(refusal) => return Err(refused(refusal)),
            Answer::RefusedAndClosed(refusal) => {
                self.client.close_after_reply(EndReason::Slots);
                return Err(refused(refusal));
            }
            Answer::Closed => self.client.close_after_reply(EndReason::Slots),
        }
        Ok(())
    }

    /// SYNCSLOTS is taken from our primary's stream, from a link that we have dialled, and from a
    /// connection by itself. `begins`: the connection becomes the source of slots, so its user must
    /// own all keys; a user with fewer rights could take slots from their node.
    fn check_slots_link(&self, begins: bool) -> CommandResult {
        let is_dialled = (self.server.migrations.as_ref()).is_some_and(|d| d.serving.is_some());
        if self.origin == Origin::Primary || is_dialled {
            return Ok(());
        }
        let no_link = ClientFlags::FAKE | ClientFlags::MULTI;
        let is_link = self.origin == Origin::Client
            && self.client.console.is_none()
            && !self.client.flags.intersects(no_link);
        if !is_link {
            return Err(CommandError::Text(NO_LINK));
        }
        let user = self.server.acl.users.get(self.client.user);
        let mut stores = (self.server.table.commands().map(|(_, row)| row))
            .filter(|row| row.spec.facts.contains(Facts::STORES_ANYTHING));
        let is_owner = user.allows_all() || stores.any(|row| user.owns_all_keys(row.id));
        if begins && !is_owner {
            return Err(CommandError::Text(NO_SOURCE));
        }
        Ok(())
    }

    /// `CONF option value ..` of a node that has not asked for slots yet.
    fn configure_slots_link(&mut self, words: &[&[u8]]) -> CommandResult {
        let id = self.client.id.0;
        let World {
            keyspace, server, ..
        } = self.world();
        for pair in words.chunks(2) {
            let [option, value] = pair else {
                return Err(CommandError::Syntax);
            };
            if !option.eq_ignore_ascii_case(b"NODE-ID") {
                continue;
            }
            let node = Name::parse(value).ok_or(Refusal::NodeIdLength(value.len()));
            let node = node.map_err(refused)?;
            let known = server.with_migrations(keyspace, |_, around| around.is_known(node));
            if known != Some(true) {
                return Err(refused(Refusal::NodeNotFound(node.to_string())));
            }
            if let Some(driver) = &mut server.migrations {
                driver.nodes.insert(id, node);
            }
        }
        self.reply.ok();
        Ok(())
    }

    /// `TRIMSLOTS RANGES n first last ..`: deletes the keys of slots that are not served here.
    /// Reply: OK.
    pub fn trim_slots(&mut self) -> CommandResult {
        let words = self.args.from(1).to_vec();
        let is_obeyed = matches!(self.origin, Origin::Primary | Origin::Loading);
        let slots = self.machine(|_, around| trim_slots(&words, around, is_obeyed))?;
        let World {
            keyspace, server, ..
        } = self.world();
        if is_obeyed {
            keyspace.drop_slots(slots.pairs(), Audience::empty());
        } else {
            server.drop_slots(keyspace, slots.pairs());
        }
        if is_obeyed {
            self.always_effect();
        }
        self.reply.ok();
        Ok(())
    }

    /// Logs the connection in as another node of this cluster, if it gives a node's name. `None`:
    /// the credentials are a user's.
    pub fn log_in_as_node(&mut self) -> Option<CommandResult> {
        let args = self.args;
        if args.len() != 3 || args.at(1) != INTERNAL_USER {
            return None;
        }
        let secret = *self.server.cluster.as_ref()?.core.internal_secret()?;
        match self.begins_to_log_in() {
            Ok(true) => Some(self.judge_node(&secret)),
            Ok(false) => Some(Ok(())),
            Err(error) => Some(Err(error)),
        }
    }

    fn judge_node(&mut self, secret: &[u8]) -> CommandResult {
        // All bytes are compared, however early a byte differs.
        let given = self.args.at(2);
        let differences = given
            .iter()
            .zip(secret)
            .fold(0, |all, (a, b)| all | (a ^ b));
        let no_link = ClientFlags::FAKE | ClientFlags::MULTI;
        let is_link = self.client.console.is_none() && !self.client.flags.intersects(no_link);
        if given.len() != secret.len() || differences != 0 || !is_link {
            let refused = (self.context(), self.args.at(0), INTERNAL_USER);
            let args = self.args;
            self.world().log_failed_login(refused, Some(args));
            return Err(CommandError::Text(WRONG_SECRET));
        }
        let client = &mut *self.client;
        tracing::info!(
            "A node of the cluster has logged in from {}",
            client.identity.peer
        );
        self.server.acl.becomes_link(client, ClientFlags::INTERNAL);
        let flags = &mut client.flags;
        // With any rights of the user the connection runs only commands that move slots
        // (`migration::applied`).
        flags.remove(ClientFlags::UNAUTHENTICATED | ClientFlags::RESTRICTED);
        flags.insert(ClientFlags::PROVEN);
        self.reply.ok();
        Ok(())
    }

    /// Refuses an order about slots that a migration has: SETSLOT and the like. `slot`: the order's
    /// slot, if the order is about a single slot.
    pub fn check_slot_order(&self, slot: Option<u16>) -> CommandResult {
        let Some(driver) = &self.server.migrations else {
            return Ok(());
        };
        match self.server.config.dialect {
            Dialect::Valkey => match driver.machine.busy(None) {
                Some(BusySide::Import) => Err(CommandError::Text("ERR Slot import in progress.")),
                Some(BusySide::Export) => Err(CommandError::Text("ERR Slot export in progress.")),
                None => Ok(()),
            },
            Dialect::Redis => {
                match slot.filter(|&slot| driver.machine.busy(Some(slot)).is_some()) {
                    Some(slot) => Err(CommandError::owned(format!(
                        "ERR Slot {slot} is currently in an active atomic slot migration. CLUSTER SETSLOT cannot be \
                     used at this time. To perform a legacy slot migration instead, first cancel the ongoing \
                     task with CLUSTER MIGRATION CANCEL"
                    ))),
                    None => Ok(()),
                }
            }
        }
    }

    /// DEBUG SLOTMIGRATION. `false`: there is no such switch.
    pub fn switch_slot_migration(&mut self, switch: &[u8], on: bool) -> bool {
        let Some(driver) = &mut self.server.migrations else {
            return false;
        };
        let settings = driver.machine.settings_mut();
        if switch.eq_ignore_ascii_case(b"PREVENT-PAUSE") {
            settings.prevents_pause = on;
        } else if switch.eq_ignore_ascii_case(b"PREVENT-FAILOVER") {
            settings.prevents_failover = on;
        } else {
            return false;
        }
        true
    }
}

impl Server {
    /// The lines of CLUSTER INFO; Valkey has none.
    pub fn slot_migration_lines(&self, keyspace: &Keyspace) -> String {
        match self.config.dialect {
            Dialect::Redis => migration::figures(self.migrations.as_deref(), keyspace),
            Dialect::Valkey => String::new(),
        }
    }
}
