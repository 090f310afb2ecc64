//! The users of connections: login, permissions, and the log of denials.
//!
//! A connection has its user's number (`Client::user`) and two flags: whether it must log in
//! (`UNAUTHENTICATED`, which matters only while the default user needs a password) and whether its
//! user lacks any permission (`RESTRICTED`). So a user with all permissions is never looked up.
//!
//! The data of a user: `acl`. Changes of users: [`changes`]; their files: [`load`]. All methods act
//! on one connection, the argument. A change returns its consequences for other connections, and
//! the caller carries them out (`users/login.rs`): it updates flags
//! ([`Acl::update_restricted_flag`]) and closes the connections of deleted users.
//!
//! Invariant: no connection refers to a deleted user. A deleted user's connection becomes the
//! default user's, without that user's permissions until it logs in ([`Acl::disown`]), and the
//! server closes it.
//!
//! Cost: a check is one test of a flag for a user with all permissions, otherwise `acl`'s.

pub mod budgets;
pub mod changes;
pub mod load;
pub mod lock;

use self::budgets::Accounts;
use crate::clients::client::{Client, ClientFlags};
use crate::clients::held::Budget;
use crate::clients::session::Session;
use russet_acl::{
    AclLog, Attempts, CheckTime, CommandFacts, CommandLine, Commands, Denial, Reason, User, UserId,
    Users,
};
use russet_base::clock::Now;
use russet_base::text::Printable;
use russet_command::CommandError;
use russet_command::table::{CommandTable, Row};
use russet_config::{Config, TlsAuthClientsUser};
use russet_net::tls::Certificate;
use russet_resp::Args;

/// Why a connection is not logged in.
pub enum NotIn {
    /// The password is wrong, or there is no such user, or it is disabled.
    Wrong,
    /// The user has no room for another connection (`clients=`).
    Full(CommandError),
}

/// See the module.
pub struct Acl {
    pub commands: Commands,
    pub users: Users,
    pub log: AclLog,
    /// The permissions of locked sessions of the console.
    pub lock: User,
    attempts: Attempts,
    /// The accounts of users with budgets.
    pub accounts: Accounts,
}

impl Acl {
    /// The default user alone, with this password unless it is empty.
    pub fn new<H>(table: &CommandTable<H>, requirepass: &[u8]) -> Acl {
        let commands = commands_of(table);
        let mut users = Users::new(&commands);
        users.default_mut().set_only_password(requirepass);
        Acl {
            lock: lock::lock(&commands),
            commands,
            users,
            log: AclLog::default(),
            attempts: Attempts::default(),
            accounts: Accounts::default(),
        }
    }

    // --- login ---

    /// Whether connections must log in before anything else.
    pub fn password_required(&self) -> bool {
        let default = self.users.default();
        !default.no_password() || !default.is_on()
    }

    /// Whether this connection must log in.
    #[inline]
    pub fn must_authenticate(&self, client: &Client) -> bool {
        client.flags.contains(ClientFlags::UNAUTHENTICATED) && self.password_required()
    }

    /// A new or reset connection belongs to the default user, and counts as a connection of that
    /// user once it is welcome ([`Acl::enter_account`]).
    pub fn greet(&mut self, client: &mut Client) {
        self.leave_account(client);
        let unknown = self.password_required();
        client.flags.set(ClientFlags::UNAUTHENTICATED, unknown);
        client.flags.remove(ClientFlags::PROVEN);
        client.user = UserId::DEFAULT;
        self.update_restricted_flag(client);
    }

    /// A connection that is to be closed: until then it has the default user's permissions, and
    /// only after a login.
    pub(crate) fn disown(&mut self, client: &mut Client) {
        self.greet(client);
        client.flags |= ClientFlags::UNAUTHENTICATED;
    }

    /// The connection belongs to this user from now on; `proven`: by a credential.
    fn let_in(&mut self, client: &mut Client, id: UserId, proven: bool) {
        client.flags.remove(ClientFlags::UNAUTHENTICATED);
        client.flags.set(ClientFlags::PROVEN, proven);
        self.leave_account(client);
        client.user = id;
        self.update_restricted_flag(client);
        self.enter_account(client);
    }

    // --- budgets ---

    /// The connection counts in its user's account, if the user has an account and the connection
    /// has authenticated. Links between servers never do.
    pub fn enter_account(&mut self, client: &mut Client) {
        const NEVER: ClientFlags = ClientFlags::BETWEEN_SERVERS.union(ClientFlags::CLOSE_ASAP);
        client.flags.remove(ClientFlags::BUDGETED);
        if client.flags.intersects(NEVER) || self.must_authenticate(client) {
            return;
        }
        if let Some(account) = self.accounts.of_mut(client.user) {
            account.clients += 1;
            client.flags |= ClientFlags::BUDGETED;
        }
    }

    /// The connection no longer counts in its user's account.
    pub(crate) fn leave_account(&mut self, client: &mut Client) {
        if !client.flags.contains(ClientFlags::BUDGETED) {
            return;
        }
        self.resume(client);
        client.flags.remove(ClientFlags::BUDGETED);
        if let Some(account) = self.accounts.of_mut(client.user) {
            account.clients = account.clients.saturating_sub(1);
        }
    }

    /// The connection becomes a link between servers, which the user's budgets do not concern.
    pub fn becomes_link(&mut self, client: &mut Client, kind: ClientFlags) {
        debug_assert!(ClientFlags::BETWEEN_SERVERS.contains(kind));
        self.leave_account(client);
        client.flags |= kind;
    }

    /// A connection whose handshake is over counts from now on. `Some`: its user has no room for
    /// it.
    pub(crate) fn welcomes(&mut self, client: &mut Client) -> Option<CommandError> {
        if client.flags.contains(ClientFlags::BUDGETED) || self.must_authenticate(client) {
            return None;
        }
        let refusal = self.refuses_client(client.user, None);
        if refusal.is_none() {
            self.enter_account(client);
        }
        refusal
    }

    /// Holds the client: its next command waits for its turn.
    pub fn hold(&mut self, client: &mut Client, budget: Budget, now_ms: u64) {
        if client.held.is_none()
            && let Some(held) = self.accounts.hold(client, budget, now_ms)
        {
            client.held = Some(Box::new(held));
            client.flags |= ClientFlags::HELD;
        }
    }

    /// The client is no longer held. O(log of the held clients).
    pub fn resume(&mut self, client: &mut Client) {
        if let Some(held) = client.held.take() {
            client.flags.remove(ClientFlags::HELD);
            self.accounts.resume(client.user, &held);
        }
    }

    /// Why this user may have no further connection, if so; counts the refusal. `client`: a
    /// connection that may be the user's already.
    fn refuses_client(&mut self, user: UserId, client: Option<&Client>) -> Option<CommandError> {
        let counts = |c: &Client| c.user == user && c.flags.contains(ClientFlags::BUDGETED);
        let most = self.accounts.lacks_room(user)?;
        if client.is_some_and(counts) {
            return None;
        }
        if let Some(account) = self.accounts.of_mut(user) {
            account.figures.clients += 1;
        }
        let name = self.users.name(user);
        let end = format!("' reached (its budget is clients={most})");
        let start = b"ERR max number of clients of user '";
        let text = [start, name, end.as_bytes()].concat();
        Some(CommandError::Bytes(text))
    }

    /// Why a new connection, which would be the default user's, is refused, as the line of the
    /// error.
    pub(crate) fn refuses_newcomer(&mut self) -> Option<String> {
        if self.password_required() {
            return None;
        }
        let refusal = self.refuses_client(UserId::DEFAULT, None)?;
        Some(String::from_utf8_lossy(&refusal.line()).into_owned())
    }

    /// Updates the flag for a user that lacks any permission. To be called for all connections
    /// after users have changed.
    pub(crate) fn update_restricted_flag(&self, client: &mut Client) {
        let restricted = !self.users.get(client.user).allows_all();
        client.flags.set(ClientFlags::RESTRICTED, restricted);
    }

    /// Logs the connection in as this user.
    pub fn log_in(
        &mut self,
        client: &mut Client,
        (name, password): (&[u8], &[u8]),
        (config, mono_ms): (&Config, u64),
    ) -> Result<(), NotIn> {
        let id = self.users.log_in(name, password).ok_or(NotIn::Wrong)?;
        // The password was right, even if the login is refused below.
        if let Some(peer) = client.ip() {
            let rate = u64::from(config.auth_failures_per_second);
            self.attempts.succeed(peer.ip(), rate, mono_ms);
        }
        if let Some(refusal) = self.refuses_client(id, Some(client)) {
            return Err(NotIn::Full(refusal));
        }
        let proven = !self.users.get(id).no_password();
        self.let_in(client, id, proven);
        Ok(())
    }

    /// Logs a client in as the first enabled user that its certificate names. If the certificate
    /// names none, the client remains the default user, which may have to log in, and the reply is
    /// `false`. An error is the refusal, because the user has no room for another connection.
    pub(crate) fn log_in_by_certificate(
        &mut self,
        client: &mut Client,
        certificate: &Certificate<'_>,
        config: &Config,
    ) -> Result<bool, CommandError> {
        let names = match config.tls_auth_clients_user {
            TlsAuthClientsUser::Off => return Ok(true),
            TlsAuthClientsUser::CommonName => certificate.common_name.as_slice(),
            TlsAuthClientsUser::Uri => &certificate.uris,
        };
        let id = client.id.0;
        let found = names
            .iter()
            .filter_map(|name| Some((name, self.users.find(name)?)));
        match { found }.find(|(_, user)| self.users.get(*user).is_on()) {
            Some((name, user)) => {
                if let Some(refusal) = self.refuses_client(user, Some(client)) {
                    return Err(refusal);
                }
                self.let_in(client, user, true);
                let name = Printable(name);
                tracing::debug!(client = id, "Logged in by its certificate as '{name}'");
                Ok(true)
            }
            None => {
                tracing::debug!(client = id, "Its certificate names no user");
                Ok(false)
            }
        }
    }

    /// When an attempt of this client to log in is judged.
    pub(crate) fn begin_attempt(
        &mut self,
        client: &Client,
        config: &Config,
        mono_ms: u64,
    ) -> CheckTime {
        let Some(peer) = client.ip() else {
            return CheckTime::Now;
        };
        let rate = u64::from(config.auth_failures_per_second);
        let verdict = self.attempts.begin(peer.ip(), rate, mono_ms);
        if verdict.is_news {
            tracing::warn!(
                "Authentications from {} fail more than {rate} times a second: they are judged \
                 with delay.",
                peer.ip()
            );
        }
        verdict.judged
    }

    // --- permissions ---

    /// Why a user may not run a command, if so.
    #[inline]
    pub(crate) fn denies(&self, user: UserId, line: &CommandLine<'_>) -> Option<Denial> {
        let user = self.users.get(user);
        if user.allows_all() {
            return None;
        }
        user.check(line).err()
    }

    /// Whether the user lacks no permission.
    #[inline]
    pub fn allows_all(&self, user: UserId) -> bool {
        self.users.get(user).allows_all()
    }

    /// Whether the client's user may run a command of the client.
    #[inline]
    pub(crate) fn permits<H>(
        &self,
        client: &Client,
        row: &Row<H>,
        args: Args<'_>,
        config: &Config,
    ) -> bool {
        !client.flags.contains(ClientFlags::RESTRICTED)
            || self.permits_restricted(client, row, args, config)
    }

    fn permits_restricted<H>(
        &self,
        client: &Client,
        row: &Row<H>,
        args: Args<'_>,
        config: &Config,
    ) -> bool {
        // The common case: a single key and no channels.
        let key = row.plan.only_key();
        let key = key.map(|(at, access)| (args.at(at), access));
        self.users.get(client.user).allows_at_once(row.id, key) || {
            let line = CommandLine::of(row, args, client.db.0, config.databases_served());
            self.denies(client.user, &line).is_none()
        }
    }

    /// ACL DRYRUN: the denial a user would get for a command, which may be a reserved command;
    /// `None` if it is permitted.
    pub fn denial_of(&self, user: UserId, line: &CommandLine<'_>) -> Option<Vec<u8>> {
        let denied = self.users.get(user).check(line).err()?;
        Some(self.denial(denied, user, (line.id, line.args), true))
    }

    /// The error for a denial; `verbose` names the object that was denied.
    pub(crate) fn denial(
        &self,
        denied: Denial,
        user: UserId,
        (row, args): (usize, Args<'_>),
        verbose: bool,
    ) -> Vec<u8> {
        let name = self.users.name(user);
        let what = match denied {
            Denial::Command => {
                let command = self.commands.row(row).full_name.as_bytes();
                let to_run = b" has no permissions to run the '";
                return [b"User ", name, to_run, command, b"' command"].concat();
            }
            Denial::Key(_) => "key",
            Denial::Channel(_) => "channel",
            Denial::Database(_) => "database",
        };
        let object = args.get(denied.argument()).unwrap_or_default();
        match (verbose, denied) {
            (false, Denial::Database(_)) => b"No permissions to access database".to_vec(),
            (false, _) => format!("No permissions to access a {what}").into_bytes(),
            (true, Denial::Database(_)) => {
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

    /// The object of a denial, for the log: the command, or an argument of the command.
    pub(crate) fn denied_object<'a>(
        &self,
        denied: Denial,
        (row, args): (usize, Args<'a>),
    ) -> (Reason, &'a [u8]) {
        let object = args.get(denied.argument()).unwrap_or_default();
        match denied {
            Denial::Command => (Reason::Command, self.commands.row(row).full_name.as_bytes()),
            Denial::Key(_) => (Reason::Key, object),
            Denial::Channel(_) => (Reason::Channel, object),
            Denial::Database(_) => (Reason::Database, object),
        }
    }

    /// Bytes have come from a connection whose user has budgets.
    pub(crate) fn charge_received(&mut self, now: &Now, client: &mut Client, bytes: u64) {
        let now_ms = now.mono_ms;
        let over = self.accounts.receive(client.user, bytes, now_ms);
        if let Some(budget) = over
            && client.console.is_none()
        {
            self.hold(client, budget, now_ms);
        }
    }

    /// Charges the bytes that wait to be sent to a connection, unless they are discarded or charged
    /// already.
    pub(crate) fn charge_reply(&mut self, now: &Now, session: &mut Session) {
        let client = &mut session.client;
        if client.flags.intersects(ClientFlags::UNHEARD) {
            return;
        }
        let pending = session.reply.pending_len();
        let before = std::mem::replace(&mut client.traffic.charged, pending);
        let (more, now_ms) = (pending.saturating_sub(before), now.mono_ms);
        self.accounts.send(client.user, more as u64, now_ms);
    }

    /// Bytes have left for a connection whose user has budgets: bytes that no command has been
    /// charged for are charged now.
    pub fn charge_sent(&mut self, now: &Now, client: &mut Client, bytes: usize) {
        let charged = &mut client.traffic.charged;
        let more = bytes.saturating_sub(*charged);
        *charged = charged.saturating_sub(bytes);
        let now_ms = now.mono_ms;
        self.accounts.send(client.user, more as u64, now_ms);
    }

    /// Whether a session of the console waits before its next call.
    pub(crate) fn has_to_wait(&mut self, now: &Now, client: &Client) -> bool {
        let now_ms = now.mono_ms;
        client.flags.contains(ClientFlags::BUDGETED) && self.accounts.is_over(client.user, now_ms)
    }
}

/// The command table in the form that rules use.
pub fn commands_of<H>(table: &CommandTable<H>) -> Commands {
    Commands::new(table.rows().iter().map(|row| CommandFacts {
        full_name: row.full_name,
        categories: row.spec.all_categories(),
        facts: row.spec.facts,
        parent: row.parent,
    }))
}
