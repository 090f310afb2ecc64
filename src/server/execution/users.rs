//! The users of connections: login, permissions, the effect of changed users on connections, the
//! log of denials (`parts::users` has the state).

use std::collections::BTreeMap;

use crate::acl::{
    CommandLine, Context, Denied, Event, Judged, LoadError, Pattern, Reason, User, UserId, Users,
    keeps, parse_file,
};
use crate::base::text::Printable;
use crate::command::CommandError;
use crate::config::{Config, FileLine};
use crate::keyspace::{ClientId, Keyspace};
use crate::pubsub::Kind;
use crate::resp::{Args, Reply};
use crate::server::clients::client::{Client, ClientFlags};
use crate::server::execution::gates::{self, Asked, Stop};
use crate::server::observe::client_line::client_line;
use crate::server::origin::Origin;
use crate::server::parts::users::{Acl, Replaced, UsersNotLoaded, rule_problem};
use crate::server::state::Server;
use crate::server::state::call::Call;
use crate::server::state::world::World;

const WRONG_PASSWORD: CommandError =
    CommandError::Text("WRONGPASS invalid username-password pair or user is disabled.");
const TOO_MANY_ATTEMPTS: CommandError = CommandError::Text(
    "ERR too many authentications from this address have failed, this one was not judged. Try \
     again later.",
);

/// Updates the flag for a user that lacks any permission.
fn note_restrictions(users: &Users, client: &mut Client) {
    let restricted = !users.get(client.user).allows_all();
    client.flags.set(ClientFlags::RESTRICTED, restricted);
}

impl Server {
    /// Whether connections must log in before anything else.
    pub fn password_required(&self) -> bool {
        let default = self.acl.users.default();
        !default.no_password() || !default.is_on()
    }

    /// Whether this connection must log in.
    #[inline]
    pub fn must_authenticate(&self, client: &Client) -> bool {
        client.flags.contains(ClientFlags::UNAUTHENTICATED) && self.password_required()
    }

    /// A new or reset connection: it belongs to the default user.
    pub fn greet(&self, client: &mut Client) {
        self.set_user(client, UserId::DEFAULT);
        let unknown = self.password_required();
        client.flags.set(ClientFlags::UNAUTHENTICATED, unknown);
        client.flags.remove(ClientFlags::PROVEN);
    }

    fn set_user(&self, client: &mut Client, id: UserId) {
        client.user = id;
        note_restrictions(&self.acl.users, client);
    }

    /// The connection belongs to this user from now on; `proven`: by a credential.
    pub fn let_in(&self, client: &mut Client, id: UserId, proven: bool) {
        self.set_user(client, id);
        client.flags.remove(ClientFlags::UNAUTHENTICATED);
        client.flags.set(ClientFlags::PROVEN, proven);
    }

    // --- what is allowed ---

    /// Why a user may not run a command in the client's database, if so.
    #[inline]
    pub(in crate::server) fn denies(
        &self,
        user: UserId,
        db: crate::keyspace::DbIndex,
        row: usize,
        args: Args<'_>,
    ) -> Option<Denied> {
        let user = self.acl.users.get(user);
        if user.allows_all() {
            return None;
        }
        user.check(&self.command_line(db, row, args)).err()
    }

    /// Whether the client's user may run a command of the client.
    #[inline]
    pub(in crate::server) fn permits(&self, client: &Client, row: usize, args: Args<'_>) -> bool {
        !client.flags.contains(ClientFlags::RESTRICTED)
            || self.permits_restricted(client, row, args)
    }

    fn permits_restricted(&self, client: &Client, id: usize, args: Args<'_>) -> bool {
        let row = self.table.row(id);
        // The common case: one key and no channels.
        let key = row.plan.only_key();
        let key = key.map(|(at, access)| (args.at(at), access));
        self.acl.users.get(client.user).allows_at_once(id, key)
            || self.denies(client.user, client.db, id, args).is_none()
    }

    #[inline]
    fn command_line<'a>(
        &'a self,
        db: crate::keyspace::DbIndex,
        row: usize,
        args: Args<'a>,
    ) -> CommandLine<'a> {
        let row = self.table.row(row);
        row.command_line(args, db.0, self.config.databases)
    }

    /// ACL DRYRUN: the denial a user would get for a command, which may be a reserved one; `None`
    /// if it is permitted.
    pub fn denial_of(&self, user: UserId, line: &CommandLine<'_>) -> Option<Vec<u8>> {
        let denied = self.acl.users.get(user).check(line).err()?;
        Some(self.denial(denied, user, line.id, line.args, true))
    }

    /// The error for a denial; `verbose` names what was denied.
    pub(in crate::server) fn denial(
        &self,
        denied: Denied,
        user: UserId,
        row: usize,
        args: Args<'_>,
        verbose: bool,
    ) -> Vec<u8> {
        let name = self.acl.users.name(user);
        let what = match denied {
            Denied::Command => {
                let command = self.acl.commands.row(row).full_name.as_bytes();
                let to_run = b" has no permissions to run the '";
                return [b"User ", name, to_run, command, b"' command"].concat();
            }
            Denied::Key(_) => "key",
            Denied::Channel(_) => "channel",
            Denied::Database(_) => "database",
        };
        let object = args.get(denied.argument()).unwrap_or_default();
        match (verbose, denied) {
            (false, Denied::Database(_)) => b"No permissions to access database".to_vec(),
            (false, _) => format!("No permissions to access a {what}").into_bytes(),
            (true, Denied::Database(_)) => {
                let to_access = b" has no permissions to access database ";
                [b"User ", name, to_access, object].concat()
            }
            (true, _) => {
                let to_access = b" has no permissions to access the '";
                let end = format!("' {what}");
                [b"User ", name, to_access, object, end.as_bytes()].concat()
            }
        }
    }

    /// Logs a denial; `client` and `reply` are of the connection that asked.
    pub(in crate::server) fn note_denied(
        &mut self,
        (client, reply): (&Client, &Reply),
        context: Context,
        denied: Denied,
        (row, args): (usize, Args<'_>),
    ) {
        let object = args.get(denied.argument()).unwrap_or_default();
        let (reason, object) = match denied {
            Denied::Command => (Reason::Command, self.table.row(row).full_name.as_bytes()),
            Denied::Key(_) => (Reason::Key, object),
            Denied::Channel(_) => (Reason::Channel, object),
            Denied::Database(_) => (Reason::Database, object),
        };
        let user = self.acl.users.name(client.user).to_vec();
        let event = Event {
            reason,
            context,
            object,
            user: &user,
        };
        self.keep_event(event, client, reply);
    }

    fn keep_event(&mut self, event: Event<'_>, client: &Client, reply: &Reply) {
        let now_ms = self.now.unix_ms();
        let len_max = self.config.acllog_max_len;
        let mut log = std::mem::take(&mut self.acl.log);
        log.add(event, len_max, now_ms, || {
            client_line(self, client, reply, true)
        });
        self.acl.log = log;
    }

    // --- changes ---

    /// Updates the flags of all connections.
    pub fn users_changed(&mut self, running: &mut Client) {
        let users = &self.acl.users;
        note_restrictions(users, running);
        for session in self.clients.iter_mut() {
            note_restrictions(users, &mut session.client);
        }
    }

    /// `requirepass` has changed: it becomes the default user's only password.
    pub fn requirepass_changed(&mut self) {
        let password = self.config.requirepass.clone();
        self.acl.users.default_mut().set_only_password(&password);
    }

    /// The configuration with the current users, to be written to its file. Users of a separate
    /// file are left out.
    pub fn config_with_users(&self) -> Config {
        let mut config = self.config.clone();
        if config.aclfile.is_empty() {
            let line = |words: Vec<Vec<u8>>| FileLine::written(words.into_iter().skip(1));
            config.users = self.acl.users.lines().map(line).collect();
        }
        config
    }

    /// Loads the users of `user` lines or of the users file, before any connection. The log has the
    /// reason of a failure.
    pub(in crate::server) fn load_users(&mut self) -> Result<(), UsersNotLoaded> {
        let lines = std::mem::take(&mut self.config.users);
        if !self.config.aclfile.is_empty() && !lines.is_empty() {
            tracing::warn!(
                "Configuring Redis with users defined in redis.conf and at the same setting an \
                 ACL file path is invalid. This setup is very likely to lead to configuration \
                 errors and security holes, please define either an ACL file or declare users \
                 directly in your redis.conf, but not both."
            );
            return Err(UsersNotLoaded);
        }
        for line in &lines {
            self.load_user(line)?;
        }
        if self.config.aclfile.is_empty() {
            return Ok(());
        }
        match self.users_of_file() {
            Ok(users) => {
                self.replace_users(users);
                Ok(())
            }
            Err(error) => {
                tracing::warn!("Aborting Redis startup because of ACL errors: {error}");
                Err(UsersNotLoaded)
            }
        }
    }

    fn load_user(&mut self, line: &FileLine) -> Result<(), UsersNotLoaded> {
        let channels = self.config.acl_pubsub_default;
        let Some((name, rules)) = line.words.split_first() else {
            return Ok(());
        };
        let shown = Printable(name);
        if !Users::is_name(name) {
            tracing::warn!("Spaces not allowed in ACL usernames");
            tracing::warn!("Critical error while loading ACLs. Exiting.");
            return Err(UsersNotLoaded);
        }
        let mut user = User::new(channels);
        let rules = rules.iter().map(|rule| &rule[..]);
        if let Err(error) = user.apply_all(rules, &self.acl.commands, channels) {
            let why = rule_problem(&error);
            tracing::warn!("Error loading ACL rule {why} for the user named '{shown}'");
            tracing::warn!("Critical error while loading ACLs. Exiting.");
            return Err(UsersNotLoaded);
        }
        if !user.is_on() {
            tracing::info!(
                "The user '{shown}' is disabled (there is no 'on' modifier in the user \
                 description). Make sure this is not a configuration error."
            );
        }
        self.acl.users.put(name, user);
        Ok(())
    }

    fn users_of_file(&self) -> Result<BTreeMap<Vec<u8>, User>, LoadError> {
        let path = &self.config.aclfile;
        let (commands, channels) = (&self.acl.commands, self.config.acl_pubsub_default);
        parse_file(&path.lossy(), path.path(), commands, channels)
    }

    /// Replaces all users; the default one stays, and known ones keep their numbers. Returns the
    /// users that have lost channels, with the remaining patterns, and the deleted users.
    fn replace_users(&mut self, users: BTreeMap<Vec<u8>, User>) -> Replaced {
        let Acl {
            users: known,
            commands,
            ..
        } = &mut self.acl;
        let mut replaced = Replaced::default();
        let mut names = known.iter().map(|(name, _)| name.to_vec());
        let gone: Vec<Vec<u8>> = names
            .by_ref()
            .filter(|name| !users.contains_key(name) && name != b"default")
            .collect();
        drop(names);
        replaced
            .gone
            .extend(gone.iter().filter_map(|name| known.remove(name)));
        if !users.contains_key(&b"default"[..]) {
            replaced.put(known, b"default", User::default_user(commands));
        }
        for (name, user) in users {
            replaced.put(known, &name, user);
        }
        replaced
    }

    // --- attempts to log in ---

    /// When an attempt of this client is judged.
    fn begin_attempt(&mut self, client: &Client) -> Judged {
        let Some(peer) = client.ip() else {
            return Judged::Now;
        };
        let rate = u64::from(self.config.auth_failures_per_second);
        let verdict = self.acl.attempts.begin(peer.ip(), rate, self.now.mono_ms);
        if verdict.is_news {
            tracing::warn!(
                "Authentications from {} fail more than {rate} times a second: they are judged \
                 with delay.",
                peer.ip()
            );
        }
        verdict.judged
    }

    fn attempt_succeeded(&mut self, client: &Client) {
        if let Some(peer) = client.ip() {
            let rate = u64::from(self.config.auth_failures_per_second);
            let now_ms = self.now.mono_ms;
            self.acl.attempts.succeed(peer.ip(), rate, now_ms);
        }
    }
}

impl World<'_> {
    /// Logs the connection in as this user if the password is right. `command` is the name for the
    /// log of a refusal.
    pub fn log_in(
        &mut self,
        (name, password): (&[u8], &[u8]),
        (context, command): (Context, &[u8]),
    ) -> Result<(), CommandError> {
        let server = &mut *self.server;
        if let Some(id) = server.acl.users.log_in(name, password) {
            let proven = !server.acl.users.get(id).no_password();
            server.let_in(self.client, id, proven);
            server.attempt_succeeded(self.client);
            return Ok(());
        }
        let event = Event {
            reason: Reason::Auth,
            context,
            object: command,
            user: name,
        };
        server.keep_event(event, self.client, self.reply);
        Err(WRONG_PASSWORD)
    }

    /// EXEC: whether the user may still run a queued command.
    pub fn permits_queued(&mut self, row: usize, args: Args<'_>) -> Result<(), CommandError> {
        let asked = Asked::new(self.server, row, args, Origin::Exec);
        match gates::pass(self, &asked) {
            Ok(()) | Err(Stop::Postponed(_)) => Ok(()),
            Err(Stop::Refused(error)) => Err(error),
        }
    }

    /// ACL SETUSER: makes or changes a user, by all of the rules or none. Connections that listen
    /// to channels no longer permitted are closed.
    pub fn set_user<'a>(
        &mut self,
        name: &[u8],
        rules: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), CommandError> {
        let channels = self.server.config.acl_pubsub_default;
        let acl = &mut self.server.acl;
        let known = acl.users.find(name);
        let before = known.map(|id| acl.users.get(id));
        let mut user = before.cloned().unwrap_or_else(|| User::new(channels));
        user.apply_all(rules, &acl.commands, channels)
            .map_err(|error| CommandError::Bytes([b"ERR ", &error.line()[..]].concat()))?;
        let left = before.and_then(|before| user.channels_left(before));
        let is_other = before.is_some_and(|before| before.allows_all() != user.allows_all());
        let id = acl.users.put(name, user);
        if let Some(left) = left {
            self.end_listeners(id, &left);
        }
        if is_other {
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
        true
    }

    /// ACL LOAD: replaces all users by those of the file; an error names all of its mistakes.
    pub fn reload_users(&mut self) -> Result<(), LoadError> {
        let users = self.server.users_of_file()?;
        let Replaced {
            gone,
            fewer_channels,
        } = self.server.replace_users(users);
        if !gone.is_empty() {
            let mut gone = gone;
            gone.sort_unstable();
            self.end_clients(&|client| gone.binary_search(&client.user).is_ok());
        }
        for (id, left) in fewer_channels {
            self.end_listeners(id, &left);
        }
        self.server.users_changed(self.client);
        Ok(())
    }

    /// Closes connections of a user with subscriptions that these patterns do not permit.
    fn end_listeners(&mut self, user: UserId, left: &[Pattern]) {
        self.end_clients(&|client| {
            let denied = |kind: Kind| {
                let its = client.subscriptions.as_deref();
                let mut names = its.into_iter().flat_map(|its| its.of(kind).iter());
                names.any(|name| !keeps(left, name, kind == Kind::Pattern))
            };
            let kinds = [Kind::Pattern, Kind::Channel, Kind::Shard];
            client.user == user && kinds.into_iter().any(denied)
        });
    }

    /// Closes connections; the running one gets its reply before. Until then each has only the
    /// default user's permissions.
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
            end_client(keyspace, server, id);
        }
        if ends(client) {
            server.greet(client);
            client.flags |= ClientFlags::UNAUTHENTICATED | ClientFlags::CLOSE_AFTER_REPLY;
        }
    }
}

fn end_client(keyspace: &mut Keyspace, server: &mut Server, id: ClientId) {
    if let Some(mut session) = server.clients.take(id) {
        server.greet(&mut session.client);
        session.client.flags |= ClientFlags::UNAUTHENTICATED;
        server.clients.put_back(session);
    }
    server.kill_client(keyspace, id);
}

impl Call<'_> {
    /// AUTH, HELLO AUTH: whether the attempt is judged now ([`World::log_in`]). If not, the client
    /// blocks, and the handler judges it when its time is up. Refused if it cannot block, or if too many attempts from its
    /// address are already waiting.
    pub fn begins_to_log_in(&mut self) -> Result<bool, CommandError> {
        if self.is_time_up() {
            return Ok(true);
        }
        match self.server.begin_attempt(self.client) {
            Judged::Now => Ok(true),
            Judged::After(wait_ms) if self.may_block() => {
                self.block_to_log_in(wait_ms);
                Ok(false)
            }
            Judged::After(_) | Judged::Never => Err(TOO_MANY_ATTEMPTS),
        }
    }

    /// The context of the command, for the log of denials.
    pub fn context(&self) -> Context {
        match self.origin {
            Origin::Exec => Context::Multi,
            Origin::Script => Context::Script,
            Origin::Client | Origin::Retry | Origin::TimeUp | Origin::Loading => Context::TopLevel,
        }
    }

    /// Whether the user may run this command by rules that permit reading all keys: its arguments
    /// do not show which keys it reads.
    pub fn may_read_all_keys(&self) -> bool {
        if self.origin == Origin::Loading {
            return true;
        }
        let user = self.server.acl.users.get(self.client.user);
        let line = || {
            self.server
                .command_line(self.client.db, self.row, self.args)
        };
        user.allows_all() || user.checks_and_reads_all_keys(&line())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Address;
    use crate::server::Testbed;

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
        assert_eq!(t.run_as(far, "FLUSHDB"), "+OK\r\n", "as in Redis");
        t.run("CONFIG SET remote-admin-without-auth no");
        let dangerous = [
            "FLUSHALL",
            "FLUSHDB",
            "CONFIG SET dir /tmp",
            "CONFIG REWRITE",
            "DEBUG JMAP",
            "ACL SETUSER x on",
            "ACL LIST",
            "SHUTDOWN NOSAVE",
            "SAVE",
            "BGSAVE",
            "BGREWRITEAOF",
            "MIGRATE h 1 k 0 1",
            "EVAL return 0",
            "SCRIPT LOAD x",
            "FUNCTION FLUSH",
            "BACKUP CREATE",
        ];
        for line in dangerous {
            let told = t.run_as(far, line);
            let refused = told.starts_with("-DENIED ") || told.starts_with("-ERR DEBUG command");
            assert!(refused, "{line}: {told}");
        }
        for line in [
            "GET k",
            "SET k v",
            "CONFIG GET dir",
            "ACL WHOAMI",
            "INFO server",
        ] {
            assert!(!t.run_as(far, line).starts_with("-DENIED"), "{line}");
        }
        t.run_as(far, "MULTI");
        assert!(t.run_as(far, "FLUSHALL").starts_with("-DENIED "));
        assert!(t.run_as(far, "EXEC").starts_with("-EXECABORT"));
        // A user without a password proves nothing.
        assert_eq!(t.run_as(far, "AUTH open x"), "+OK\r\n");
        assert!(t.run_as(far, "FLUSHALL").starts_with("-DENIED "));
        assert_eq!(t.run_as(far, "AUTH known secret"), "+OK\r\n");
        assert_eq!(t.run_as(far, "FLUSHALL"), "+OK\r\n");
        assert_eq!(t.run_as(far, "RESET"), "+RESET\r\n");
        assert!(t.run_as(far, "FLUSHALL").starts_with("-DENIED "));
        assert_eq!(t.run("FLUSHALL"), "+OK\r\n", "from this machine");
    }

    #[test]
    fn scripts_of_strangers_do_not_either() {
        let mut t = Testbed::new();
        let far = connect_from_afar(&mut t);
        let sha = t.run_args(&[b"SCRIPT", b"LOAD", b"return redis.call('flushall')"]);
        let sha = String::from_utf8_lossy(&sha[5..45]).into_owned();
        t.run("CONFIG SET remote-admin-without-auth no");
        let told = t.run_as(far, &format!("EVALSHA {sha} 0"));
        assert!(told.starts_with("-DENIED "), "{told}");
        assert!(t.run(&format!("EVALSHA {sha} 0")).starts_with("+OK"));
    }

    #[test]
    fn who_has_all_rights_takes_the_short_way_and_loses_it_with_the_first_right() {
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
    fn who_is_deleted_has_no_rights_left_even_inside_a_transaction() {
        let mut t = Testbed::new();
        t.run("ACL SETUSER u on nopass +@all ~*");
        t.run("ACL SETUSER default resetkeys");
        let client = t.connect();
        t.run_as(client, "AUTH u x");
        t.run_as(client, "MULTI");
        t.run_as(client, "ACL DELUSER u");
        t.run_as(client, "GET a");
        let told = t.run_as(client, "EXEC");
        assert!(
            told.starts_with("*2\r\n:1\r\n-NOPERM ACLs rules changed"),
            "{told}"
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
    fn a_script_without_a_right_is_told_and_logged_with_its_caller() {
        let mut t = Testbed::new();
        t.run("ACL SETUSER u on nopass +eval +get ~a*");
        let client = t.connect();
        t.run_as(client, "AUTH u x");
        let ran = t.run_args_as(client, &[b"EVAL", b"return redis.call('get','b')", b"0"]);
        let told = String::from_utf8_lossy(&ran).into_owned();
        let wanted = "-ERR ACL failure in script: No permissions to access a key script: ";
        assert!(told.starts_with(wanted), "{told}");
        let log = t.run("ACL LOG");
        assert!(
            log.contains("$3\r\nlua\r\n") && log.contains("cmd=eval user=u "),
            "{log}"
        );
        assert!(t.run("INFO stats").contains("acl_access_denied_key:1\r\n"));
    }
}
