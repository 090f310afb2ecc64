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

use crate::server::clients::client::{Client, ClientFlags};
use crate::server::clients::ending::EndReason;
use crate::server::observe::client_line::client_line;
use crate::server::origin::Origin;
use crate::server::parts::users::NotIn;
use crate::server::parts::users::changes::{Changed, Replaced, RoleChanged};
use crate::server::state::Server;
use crate::server::state::call::Call;
use crate::server::state::world::World;
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
    pub(in crate::server) fn note_denied(
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
    pub(in crate::server) fn requirepass_changed(&mut self) {
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
        self.acl.note_restrictions(running);
        for session in self.clients.iter_mut() {
            self.acl.note_restrictions(&mut session.client);
        }
        self.budgets_changed(running);
    }

    /// Counts all connections again in the accounts of their users, and resumes the held
    /// connections, each of which is checked anew. O(users + connections).
    pub(in crate::server) fn budgets_changed(&mut self, running: &mut Client) {
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
        self.note_failed_login((context, command, name), running);
        Err(WRONG_PASSWORD)
    }

    /// ACL LOG: an attempt to log in as `user` has failed.
    pub(in crate::server) fn note_failed_login(
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
        let Changed {
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
        let Replaced {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{ClientFlags, Testbed};
    use russet_net::Address;

    /// A client on another machine.
    fn connect_from_afar(t: &mut Testbed) -> ClientId {
        let id = t.connect();
        let session = t.engine.server.clients.get_mut(id).expect("connected");
        session.client.identity.peer = Address::Tcp(([192, 0, 2, 1], 1234).into());
        id
    }

    #[test]
    fn strangers_from_other_machines_do_not_take_the_server_over() {
        let mut t = Testbed::new();
        t.run("SET k v");
        t.run("FUNCTION LOAD #!lua name=l\nredis.register_function('f', function() end)");
        t.run("ACL SETUSER open on nopass +@all ~* &*");
        t.run("ACL SETUSER known on >secret +@all ~* &*");
        let far = connect_from_afar(&mut t);
        let save = "CONFIG SET remote-admin-without-auth yes";
        assert_eq!(t.run_as(far, save), "+OK\r\n", "as in Redis");
        t.run("CONFIG SET remote-admin-without-auth no");
        let dangerous = [
            "CONFIG SET dir /tmp",
            "CONFIG SET dbfilename x.so",
            "CONFIG SET notify-keyspace-events KEA dir /tmp",
            "CONFIG SET requirepass mine",
            "CONFIG SET maxmemory 0",
            "CONFIG REWRITE",
            "DEBUG JMAP",
            "MODULE LOAD /tmp/x.so",
            "ACL SETUSER x on",
            "ACL LIST",
            "SHUTDOWN NOSAVE",
            "REPLICAOF h 1",
            "SLAVEOF h 1",
            "FAILOVER",
            "MIGRATE h 1 k 0 1",
            "BACKUP CREATE",
        ];
        for line in dangerous {
            let reported = t.run_as(far, line);
            let refused = ["-DENIED ", "-ERR DEBUG command", "-ERR MODULE command"];
            let refused = refused.iter().any(|start| reported.starts_with(start));
            assert!(refused, "{line}: {reported}");
        }
        // Commands of BullMQ, redlock, Spring Session and backups by cron.
        for line in [
            "GET k",
            "SET k v",
            "CONFIG GET dir",
            "CONFIG SET notify-keyspace-events Egx",
            "ACL WHOAMI",
            "INFO server",
            "FLUSHDB",
            "FLUSHALL ASYNC",
            "EVAL return 0",
            "SCRIPT LOAD x",
            "SCRIPT FLUSH",
            "FUNCTION FLUSH",
            "SAVE",
            "BGSAVE",
            "BGREWRITEAOF",
        ] {
            assert!(!t.run_as(far, line).starts_with("-DENIED"), "{line}");
        }
        t.run_as(far, "MULTI");
        assert!(t.run_as(far, "ACL LIST").starts_with("-DENIED "));
        assert!(t.run_as(far, "EXEC").starts_with("-EXECABORT"));
        // A user without a password proves nothing.
        assert_eq!(t.run_as(far, "AUTH open x"), "+OK\r\n");
        let harmless = "CONFIG SET hz 10";
        assert!(t.run_as(far, harmless).starts_with("-DENIED "));
        assert_eq!(t.run_as(far, "AUTH known secret"), "+OK\r\n");
        assert_eq!(t.run_as(far, harmless), "+OK\r\n");
        assert_eq!(t.run_as(far, "RESET"), "+RESET\r\n");
        assert!(t.run_as(far, harmless).starts_with("-DENIED "));
        assert_eq!(t.run(harmless), "+OK\r\n", "from this machine");
    }

    #[test]
    fn scripts_of_strangers_do_not_either() {
        let mut t = Testbed::new();
        let far = connect_from_afar(&mut t);
        let migrates = b"return redis.call('migrate', 'h', 1, 'k', 0, 1)";
        let sha = t.run_args(&[b"SCRIPT", b"LOAD", migrates]);
        let sha = String::from_utf8_lossy(&sha[5..45]).into_owned();
        t.run("CONFIG SET remote-admin-without-auth no");
        let reported = t.run_as(far, &format!("EVALSHA {sha} 0"));
        assert!(reported.starts_with("-DENIED "), "{reported}");
        assert_eq!(t.run(&format!("EVALSHA {sha} 0")), "+NOKEY\r\n");
    }

    #[test]
    fn a_user_with_all_rights_takes_the_short_way_until_one_is_missing() {
        let mut t = Testbed::new();
        let restricted = |t: &Testbed, id: ClientId| {
            let session = t.engine.server.clients.get(id).expect("connected");
            session.client.flags.contains(ClientFlags::RESTRICTED)
        };
        let other = t.connect();
        assert!(!restricted(&t, other));
        t.run("ACL SETUSER default -keys");
        assert!(restricted(&t, other) && t.run_as(other, "KEYS *").starts_with("-NOPERM"));
        assert_eq!(t.run_as(other, "GET a"), "$-1\r\n");
        t.run("ACL SETUSER default +@all");
        assert!(!restricted(&t, other));
        t.run("ACL SETUSER u on nopass +@all ~* &* db=0");
        t.run_as(other, "AUTH u x");
        assert!(restricted(&t, other));
        t.run("ACL SETUSER u alldbs");
        assert!(!restricted(&t, other));
    }

    #[test]
    fn a_deleted_user_has_no_rights_even_inside_a_transaction() {
        let mut t = Testbed::new();
        t.run("ACL SETUSER u on nopass +@all ~*");
        t.run("ACL SETUSER default resetkeys");
        let client = t.connect();
        t.run_as(client, "AUTH u x");
        t.run_as(client, "MULTI");
        t.run_as(client, "ACL DELUSER u");
        t.run_as(client, "GET a");
        let reported = t.run_as(client, "EXEC");
        assert!(
            reported.starts_with("*2\r\n:1\r\n-NOPERM ACLs rules changed"),
            "{reported}"
        );
        let session = t.engine.server.clients.get(client).expect("connected");
        assert!(
            session
                .client
                .flags
                .contains(ClientFlags::CLOSE_AFTER_REPLY)
        );
    }

    #[test]
    fn a_script_without_a_right_fails_and_is_logged_with_its_caller() {
        let mut t = Testbed::new();
        t.run("ACL SETUSER u on nopass +eval +get ~a*");
        let client = t.connect();
        t.run_as(client, "AUTH u x");
        let ran = t.run_args_as(client, &[b"EVAL", b"return redis.call('get','b')", b"0"]);
        let reported = String::from_utf8_lossy(&ran).into_owned();
        let wanted = "-ERR ACL failure in script: No permissions to access a key script: ";
        assert!(reported.starts_with(wanted), "{reported}");
        let log = t.run("ACL LOG");
        assert!(
            log.contains("$3\r\nlua\r\n") && log.contains("cmd=eval user=u "),
            "{log}"
        );
        assert!(t.run("INFO stats").contains("acl_access_denied_key:1\r\n"));
    }
}
