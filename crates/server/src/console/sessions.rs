//! Sessions: login, rights, lock, end.
//!
//! Invariants
//!   1. A session is a client without a connection in the table of clients; its cookie's token is
//!      256 random bits.
//!   2. A user without a password has a session from this machine only.
//!   3. A login ends the browser's previous session, and, when the number of sessions is at its
//!      limit, the least recently used session of a user.
//!   4. Every login counts as an attempt of its address, also a login with an unreadable body.
//!
//! Cost: O(1) but for `api/me`, which is O(commands).
//! Elsewhere: `parts::console` has the tokens and their times; `users::login` judges passwords.

use crate::clients::client::{Client, ClientFlags, OfConsole};
use crate::clients::ending::{Disconnection, EndReason};
use crate::clients::session::Session;
use crate::clients::table::Clients;
use crate::console::answer::{NO_AUTH, Next, bad, console_cookie, with_user};
use crate::parts::console::Task;
use crate::parts::users::Acl;
use crate::state::call::CommandTable;
use crate::state::world::Engine;
use crate::state::{Connections, Server};
use russet_acl::{CheckTime, CommandLine, Context};
use russet_base::random;
use russet_config::Config;
use russet_console::http::{self, Answer};
use russet_console::{calls::Login, json};
use russet_keyspace::{ClientId, DbIndex};
use russet_net::Address;
use russet_resp::OwnedArgs;

/// Hexadecimal digits of a token: 256 bits.
const TOKEN_DIGITS: usize = 64;
/// The library that CLIENT LIST shows.
const LIBRARY: &str = "russet-console";

/// A client of the console, which has no connection of its own.
pub(crate) fn new_client(server: &mut Server, peer: &Address) -> Client {
    let id = server.clients.next_id();
    let mut client = Client::new(id, peer.clone(), Address::Unknown, -1, server.now.mono_ms);
    client.identity.lib_name = Some(LIBRARY.into());
    client.identity.lib_ver = Some(env!("CARGO_PKG_VERSION").into());
    server.acl.greet(&mut client);
    client.flags |= ClientFlags::NO_TOUCH;
    client.console = Some(OfConsole {
        is_locked: true,
        stream: None,
    });
    client
}

/// As [`new_client`], with its replies, which are RESP3.
pub(crate) fn new_session(client: Client) -> Session {
    let mut session = Session::new(client, None);
    session.reply.set_resp3(true);
    session
}

/// The origin of a login.
#[derive(Clone, Copy, Debug)]
pub struct LoginOrigin {
    /// From this machine, which the request names as such.
    pub is_here: bool,
    pub is_tls: bool,
    /// The browser's earlier session, which the new session replaces.
    pub before: Option<ClientId>,
}

impl Engine {
    /// Runs `act` with a session. While a command of the session runs, `act` gets a substitute
    /// client, with the same user, database and lock. `None`: the session is over.
    pub(crate) fn with_console_session<R>(
        &mut self,
        id: ClientId,
        act: impl FnOnce(&mut Engine, &mut Session) -> R,
    ) -> Option<R> {
        if let Some(mut session) = self.server.clients.take(id) {
            let done = act(self, &mut session);
            self.server.clients.put_back(session);
            return Some(done);
        }
        let running = self.server.connections.console.running.clone();
        let of = running.filter(|running| running.client == id)?;
        let mut client = new_client(&mut self.server, &of.peer);
        (client.user, client.flags, client.db) = (of.user, of.flags, of.db);
        self.server.acl.enter_account(&mut client);
        client.console = Some(OfConsole {
            is_locked: of.is_locked,
            stream: None,
        });
        let stands_in = client.id;
        self.server.clients.add(Box::new(new_session(client)));
        let mut session = self.server.clients.take(stands_in)?;
        let done = act(self, &mut session);
        self.forget(&mut session);
        Some(done)
    }

    /// An unreadable login counts as an attempt, too: parsing it costs as much.
    pub(crate) fn refuse_login(&mut self, peer: &Address, wrong: &str) -> Answer {
        let server = &mut self.server;
        let asking = new_client(server, peer);
        let now_ms = server.now.mono_ms;
        match server.acl.begin_attempt(&asking, &server.config, now_ms) {
            CheckTime::Never => too_many_logins(),
            CheckTime::Now | CheckTime::After(_) => bad(wrong),
        }
    }

    /// A login: judged now, or when the limit of its address permits.
    pub(crate) fn console_login_when_due(
        &mut self,
        peer: &Address,
        login: Login,
        who: LoginOrigin,
    ) -> Next {
        let server = &mut self.server;
        let asking = new_client(server, peer);
        let now_ms = server.now.mono_ms;
        match server.acl.begin_attempt(&asking, &server.config, now_ms) {
            CheckTime::Now => self.console_login(peer, &login, who).into(),
            CheckTime::After(wait_ms) => Next::Task(Task::LogIn {
                login: Box::new(login),
                at_ms: now_ms + wait_ms,
                is_here: who.is_here,
                before: who.before,
            }),
            CheckTime::Never => too_many_logins().into(),
        }
    }

    /// Judges a login, and opens a session for it.
    pub(crate) fn console_login(
        &mut self,
        peer: &Address,
        login: &Login,
        who: LoginOrigin,
    ) -> Answer {
        let mut session = new_session(new_client(&mut self.server, peer));
        let mut world = self.world(&mut session);
        let pair = (&login.user[..], &login.password[..]);
        if let Err(error) = world.log_in(pair, (Context::TopLevel, b"AUTH"), None) {
            return Answer::error(http::UNAUTHORIZED, &String::from_utf8_lossy(&error.line()));
        }
        let Engine {
            keyspace, server, ..
        } = self;
        if !session.client.flags.contains(ClientFlags::PROVEN) && !who.is_here {
            server.acl.leave_account(&mut session.client);
            const TEXT: &str = "DENIED a user without a password logs in from the server's own machine, or \
                                container, only: give it one (requirepass)";
            return Answer::error(http::UNAUTHORIZED, TEXT);
        }
        let now_ms = server.now.mono_ms;
        let user = session.client.user;
        let proof = server.acl.users.get(user).proof(&login.password);
        let new = (session.client.id, user, proof);
        let token = random::hex(TOKEN_DIGITS);
        server.clients.add(Box::new(session));
        server.stats.clients.connections += 1;
        let sessions = &mut server.connections.console.sessions;
        let before = who.before.inspect(|before| sessions.end(*before));
        let gone = sessions.open(&token, new, now_ms);
        for gone in before.into_iter().chain(gone) {
            let detail = "a newer session of the console took its place";
            server.kill_client(keyspace, gone, Disconnection::new(EndReason::Idle, detail));
        }
        let name = console_cookie(&server.config);
        let secure = if who.is_tls { "; Secure" } else { "" };
        let headers = format!("Set-Cookie: {name}={token}; HttpOnly; SameSite=Strict{secure}\r\n");
        Answer {
            headers,
            ..Answer::json(with_user(&login.user).end())
        }
    }

    /// Ends a session and its streams.
    pub(crate) fn end_console_session(&mut self, id: ClientId) -> Answer {
        self.server.connections.console.sessions.end(id);
        self.server
            .kill_client(&mut self.keyspace, id, EndReason::Quit);
        let name = console_cookie(&self.server.config);
        Answer {
            headers: format!("Set-Cookie: {name}=; Max-Age=0; HttpOnly; SameSite=Strict\r\n"),
            ..Answer::json(b"{}".to_vec())
        }
    }

    /// `api/me` without a session.
    pub(crate) fn stranger(&self, is_here: bool) -> Answer {
        let is_open = is_here && !self.server.acl.password_required();
        let body = json::object().text("error", NO_AUTH);
        Answer {
            body: body.flag("nopass", is_open).end(),
            ..Answer::error(http::UNAUTHORIZED, NO_AUTH)
        }
    }

    /// `api/me`: the user, the server, and the commands that the user may run. O(commands).
    pub(crate) fn console_rights(&mut self, id: ClientId) -> Answer {
        self.with_console_session(id, |engine, session| engine.rights_of(&session.client))
            .unwrap_or_else(|| Answer::error(http::UNAUTHORIZED, NO_AUTH))
    }

    fn rights_of(&self, client: &Client) -> Answer {
        let server = &self.server;
        let is_locked = client.console.is_some_and(|of| of.is_locked);
        let config = &server.config;
        let mut body = with_user(server.acl.users.name(client.user))
            .flag("locked", is_locked)
            .text("version", env!("CARGO_PKG_VERSION"))
            .text("redis_version", config.dialect.version())
            .text("dialect", config.dialect.hello_name())
            .number("databases", config.databases)
            .number("time", server.now.unix_ms())
            .number("started", server.identity.started_at * 1000);
        for (name, is_locked) in [("commands", false), ("locked_commands", true)] {
            let names = permitted_commands(
                &server.acl,
                &server.table,
                &server.config,
                client,
                is_locked,
            );
            json::list(names, body.name(name), json::write_string);
        }
        Answer::json(body.end())
    }
}

fn too_many_logins() -> Answer {
    const TEXT: &str = "too many logins from this address have failed: try again later";
    Answer::error(http::TOO_MANY, TEXT)
}

impl Server {
    /// Whether the session's user may run a command that the console runs in its place; a denial is
    /// logged as any other.
    pub(crate) fn may_in_console(
        &mut self,
        session: &Session,
        words: &[&[u8]],
    ) -> Result<(), Answer> {
        let refused = |text: &[u8]| Answer::error(http::FORBIDDEN, &String::from_utf8_lossy(text));
        let Some(row) = self.table.find(words[0]) else {
            let name = words[0].to_ascii_lowercase();
            return Err(refused(&[b"ERR there is no command ", &name[..]].concat()));
        };
        let (id, args) = (row.id, OwnedArgs::from_iter(words.iter().copied()));
        let client = &session.client;
        let line = CommandLine::of(
            row,
            args.args(),
            client.db.0,
            self.config.databases_served(),
        );
        let Some(denied) = self.acl.denies(client.user, &line) else {
            return Ok(());
        };
        let asked = (id, args.args());
        let text = self.acl.denial(denied, client.user, asked, false);
        self.log_denied((client, &session.reply), Context::TopLevel, denied, asked);
        Err(refused(&[b"NOPERM ", &text[..]].concat()))
    }

    /// Gives the session another database, as SELECT would.
    pub(crate) fn select_in_console(
        &mut self,
        session: &mut Session,
        db: u32,
    ) -> Result<(), Answer> {
        if session.client.db.0 != db {
            self.may_in_console(session, &[b"SELECT", db.to_string().as_bytes()])?;
            session.client.db = DbIndex(db);
        }
        Ok(())
    }
}

/// The commands that the client's user may run with some arguments; `is_locked`: in a locked
/// session.
fn permitted_commands(
    acl: &Acl,
    table: &CommandTable,
    config: &Config,
    client: &Client,
    is_locked: bool,
) -> Vec<&'static str> {
    let user = acl.users.get(client.user);
    let mut names: Vec<&'static str> = Vec::new();
    for row in table.rows() {
        // Keys and channels are not known yet: only the name is asked for.
        let words: OwnedArgs = row.full_name.split('|').map(str::as_bytes).collect();
        let mut line = CommandLine::of(row, words.args(), client.db.0, config.databases);
        line.is_whole = false;
        let is_permitted = user.allows_all() || user.check(&line).is_ok();
        if is_permitted && (!is_locked || acl.lock.check(&line).is_ok()) {
            names.push(row.full_name);
        }
    }
    names.sort_unstable();
    names
}

/// Locks a session, or opens its lock.
pub(crate) fn set_console_lock(
    clients: &mut Clients,
    connections: &mut Connections,
    id: ClientId,
    locked: bool,
) -> Answer {
    let session = clients.get_mut(id);
    let of = session.and_then(|session| session.client.console.as_mut());
    let running = connections.console.running.as_mut();
    match (of, running) {
        (Some(of), _) => of.is_locked = locked,
        (None, Some(running)) if running.client == id => running.is_locked = locked,
        _ => return Answer::error(http::UNAUTHORIZED, NO_AUTH),
    }
    Answer::json(json::object().flag("locked", locked).end())
}
