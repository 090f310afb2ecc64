//! Users' effects on connections: the log of denials, delayed logins, changed users
//! (`parts::users` has the state and decides).
//!
//! Invariants
//!   1. A change of users takes all of its rules, or none.
//!   2. A connection whose user is deleted has only the default user's permissions until it is
//!      closed.
//!   3. Failed attempts of an address delay its next attempts; a delayed client is blocked, not the
//!      loop.
//!
//! Cost: O(connections) for each change of users.

use crate::clients::client::{Client, ClientFlags};
use crate::clients::ending::EndReason;
use crate::observe::client_line::client_line;
use crate::origin::Origin;
use crate::parts::users::NotIn;
use crate::parts::users::changes::{RoleChanged, UserChange, UserReplacement};
use crate::state::Server;
use crate::state::call::Call;
use crate::state::world::World;
use russet_acl::{CheckTime, CommandLine, Context, Denial, Event, LoadError, Reason, RulesError};
use russet_command::CommandError;
use russet_keyspace::{ClientId, DbIndex};
use russet_resp::{Args, Reply};

const WRONG_PASSWORD: CommandError =
    CommandError::Text("WRONGPASS invalid username-password pair or user is disabled.");
const TOO_MANY_ATTEMPTS: CommandError = CommandError::Text(
    "ERR too many authentications from this address have failed, this one was not judged. Try \
     again later.",
);

impl Server {
    /// Logs a denial; `client` and `reply` are of the connection that asked.
    pub(crate) fn log_denied(
        &mut self,
        (client, reply): (&Client, &Reply),
        context: Context,
        denied: Denial,
        line: (usize, Args<'_>),
    ) {
        let (reason, object) = self.acl.denied_object(denied, line);
        let user = self.acl.users.name(client.user).to_vec();
        let event = Event {
            reason,
            context,
            object,
            user: &user,
        };
        self.keep_event(event, (client, reply), Some(line.1));
    }

    fn keep_event(
        &mut self,
        event: Event<'_>,
        (client, reply): (&Client, &Reply),
        running: Option<Args<'_>>,
    ) {
        let now_ms = self.now.unix_ms();
        let len_max = self.config.acllog_max_len;
        let mut log = std::mem::take(&mut self.acl.log);
        log.add(event, len_max, now_ms, || {
            client_line(self, client, reply, running)
        });
        self.acl.log = log;
    }

    /// The default user has lost its password or got a password by `requirepass`: from now on
    /// connections that have not authenticated count as the default user's, or no longer do. The
    /// connection that sets the password has authenticated. O(connections).
    pub(crate) fn requirepass_changed(&mut self) {
        self.acl.requirepass_changed(&self.config);
        let mut freed = Vec::new();
        for session in self.clients.iter_mut() {
            let is_handshaking = session.is_handshaking();
            let client = &mut session.client;
            if !client.flags.contains(ClientFlags::UNAUTHENTICATED) || is_handshaking {
                continue;
            }
            freed.extend(
                client
                    .flags
                    .contains(ClientFlags::HELD)
                    .then_some(client.id),
            );
            self.acl.leave_account(client);
            self.acl.enter_account(client);
        }
        self.resume_postponed(freed);
    }

    /// Updates the flags of all connections.
    fn users_changed(&mut self, running: &mut Client) {
        self.acl.update_restricted_flag(running);
        for session in self.clients.iter_mut() {
            self.acl.update_restricted_flag(&mut session.client);
        }
        self.budgets_changed(running);
    }

    /// Counts all connections again in the accounts of their users, and resumes the held
    /// connections, each of which is checked anew. O(users + connections).
    pub(crate) fn budgets_changed(&mut self, running: &mut Client) {
        let Server { acl, now, .. } = self;
        let freed = acl.accounts.renew(&acl.users, now.mono_ms);
        acl.enter_account(running);
        for session in self.clients.iter_mut() {
            if !session.is_handshaking() {
                self.acl.enter_account(&mut session.client);
            }
        }
        for id in freed {
            if let Some(mut session) = self.clients.take(id) {
                self.acl.resume(&mut session.client);
                self.turn.resume(&mut session);
                self.clients.put_back(session);
            }
        }
    }
}

/// Wrong rules of ACL SETUSER or SETROLE, as a reply.
fn refusal(error: &RulesError, command: &str) -> CommandError {
    CommandError::Bytes([b"ERR ", &error.line(command)[..]].concat())
}

impl World<'_> {
    /// Logs the connection in as this user if the password is right. For the log of a refusal:
    /// `command` is the name, `running` the command's arguments if it is the client's own.
    pub fn log_in(
        &mut self,
        (name, password): (&[u8], &[u8]),
        (context, command): (Context, &[u8]),
        running: Option<Args<'_>>,
    ) -> Result<(), CommandError> {
        let server = &mut *self.server;
        let settings = (&server.config, server.now.mono_ms);
        match (server.acl).log_in(self.client, (name, password), settings) {
            Ok(()) => return Ok(()),
            Err(NotIn::Full(refusal)) => return Err(refusal),
            Err(NotIn::Wrong) => {}
        }
        self.log_failed_login((context, command, name), running);
        Err(WRONG_PASSWORD)
    }

    /// ACL LOG: an attempt to log in as `user` has failed.
    pub(crate) fn log_failed_login(
        &mut self,
        (context, command, user): (Context, &[u8], &[u8]),
        running: Option<Args<'_>>,
    ) {
        let event = Event {
            reason: Reason::Auth,
            context,
            object: command,
            user,
        };
        (self.server).keep_event(event, (self.client, self.reply), running);
    }

    /// ACL SETUSER: makes or changes a user, by all of the rules or none. Connections that listen
    /// to channels no longer permitted are closed.
    pub fn set_user<'a>(
        &mut self,
        name: &[u8],
        rules: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), CommandError> {
        let server = &mut *self.server;
        let changed = server.acl.change(name, rules, &server.config);
        let UserChange {
            fewer_channels,
            restricts_otherwise,
            recounts,
        } = changed.map_err(|error| refusal(&error, "SETUSER"))?;
        if let Some(fewer) = fewer_channels {
            self.end_clients(&|client| fewer.concerns(client));
        }
        if restricts_otherwise || recounts {
            self.server.users_changed(self.client);
        }
        Ok(())
    }

    /// ACL SETROLE: makes or changes a role, by all of the rules or none. Closes connections of the
    /// role's users that listen to channels no longer permitted.
    pub fn set_role<'a>(
        &mut self,
        name: &[u8],
        rules: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), CommandError> {
        let server = &mut *self.server;
        let changed = server.acl.change_role(name, rules, &server.config);
        let RoleChanged {
            fewer_channels,
            restricts_otherwise,
        } = changed.map_err(|error| refusal(&error, "SETROLE"))?;
        for fewer in fewer_channels {
            self.end_clients(&|client| fewer.concerns(client));
        }
        if restricts_otherwise {
            self.server.users_changed(self.client);
        }
        Ok(())
    }

    /// ACL DELUSER: `false` if there is no such user. The user's connections are closed.
    pub fn delete_user(&mut self, name: &[u8]) -> bool {
        let Some(id) = self.server.acl.users.remove(name) else {
            return false;
        };
        self.end_clients(&|client| client.user == id);
        self.server.budgets_changed(self.client);
        true
    }

    /// ACL LOAD: replaces all users by the users of the file; an error names all mistakes in the
    /// file.
    pub fn reload_users(&mut self) -> Result<(), LoadError> {
        let users = self.server.acl.users_of_file(&self.server.config)?;
        let UserReplacement {
            mut gone,
            fewer_channels,
        } = self.server.acl.replace(users);
        if !gone.is_empty() {
            gone.sort_unstable();
            self.end_clients(&|client| gone.binary_search(&client.user).is_ok());
        }
        for fewer in fewer_channels {
            self.end_clients(&|client| fewer.concerns(client));
        }
        self.server.users_changed(self.client);
        Ok(())
    }

    /// Closes connections; the running connection gets its reply before. Until then each connection
    /// has only the default user's permissions.
    fn end_clients(&mut self, ends: &dyn Fn(&Client) -> bool) {
        let World {
            keyspace,
            server,
            client,
            ..
        } = self;
        let others = server.clients.iter().map(|s| &s.client);
        let doomed: Vec<ClientId> = others.filter(|c| ends(c)).map(|c| c.id).collect();
        for id in doomed {
            if let Some(session) = server.clients.get_mut(id) {
                server.acl.disown(&mut session.client);
            }
            server.kill_client(keyspace, id, EndReason::User);
        }
        if ends(client) {
            server.acl.disown(client);
            client.close_after_reply(EndReason::User);
        }
    }
}

impl Call<'_> {
    /// AUTH, HELLO AUTH: whether the attempt is judged now ([`World::log_in`]). If not, the client
    /// blocks, and the handler judges the attempt when the time is up. The attempt is refused if
    /// the client cannot block, or if too many attempts from its address are already waiting.
    pub fn begins_to_log_in(&mut self) -> Result<bool, CommandError> {
        if self.is_time_up() {
            return Ok(true);
        }
        let server = &mut *self.server;
        let (config, mono_ms) = (&server.config, server.now.mono_ms);
        match server.acl.begin_attempt(self.client, config, mono_ms) {
            CheckTime::Now => Ok(true),
            CheckTime::After(wait_ms) if self.may_block() => {
                self.block_to_log_in(wait_ms);
                Ok(false)
            }
            CheckTime::After(_) | CheckTime::Never => Err(TOO_MANY_ATTEMPTS),
        }
    }

    /// The context of the command, for the log of denials.
    pub fn context(&self) -> Context {
        match self.origin {
            Origin::Exec => Context::Multi,
            Origin::Script => Context::Script,
            Origin::Client | Origin::Retry | Origin::TimeUp | Origin::Loading | Origin::Primary => {
                Context::TopLevel
            }
        }
    }

    /// Whether the user may read a key that the arguments do not show by this command.
    pub fn may_read_key(&self, key: &[u8]) -> bool {
        let user = self.server.acl.users.get(self.client.user);
        self.was_taken_before()
            || user.allows_all()
            || user.may_read(self.row, self.db.index().0, key)
    }

    /// Whether the user may read all keys with a prefix, in a database, by this command.
    pub fn may_read_prefix(&self, db: DbIndex, prefix: &[u8]) -> bool {
        let user = self.server.acl.users.get(self.client.user);
        self.was_taken_before() || user.allows_all() || user.may_read_prefix(self.row, db.0, prefix)
    }

    /// Whether the user may change and delete all keys with a prefix, in a database, by this
    /// command.
    pub fn may_write_prefix(&self, db: DbIndex, prefix: &[u8]) -> bool {
        let user = self.server.acl.users.get(self.client.user);
        self.was_taken_before()
            || user.allows_all()
            || user.may_write_prefix(self.row, db.0, prefix)
    }

    /// Whether the user may run this command by rules that permit reading all keys: its arguments
    /// do not show which keys it reads.
    pub fn may_read_all_keys(&self) -> bool {
        if self.was_taken_before() {
            return true;
        }
        let server = &*self.server;
        let user = server.acl.users.get(self.client.user);
        let (db, databases) = (self.client.db.0, server.config.databases_served());
        let line = || {
            let row = server.table.row(self.row);
            CommandLine::of(row, self.args, db, databases)
        };
        user.allows_all() || user.checks_and_reads_all_keys(&line())
    }
}
