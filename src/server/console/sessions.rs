//! Sessions: login, rights, lock, end.

use std::fmt::Write as _;

use crate::acl::{Context, Judged};
use crate::base::random;
use crate::console::http::{self, Answer};
use crate::console::{calls::Login, json};
use crate::keyspace::ClientId;
use crate::net::Address;
use crate::resp::OwnedArgs;
use crate::server::clients::client::{Client, ClientFlags, OfConsole};
use crate::server::clients::ending::{EndReason, Ending};
use crate::server::clients::session::Session;
use crate::server::console::answer::{NO_AUTH, Next, with_user};
use crate::server::parts::console::Task;
use crate::server::state::Server;
use crate::server::state::world::{Engine, World};

/// Hexadecimal digits of a token: 256 bits.
const TOKEN_DIGITS: usize = 64;
/// The library that CLIENT LIST shows.
const LIBRARY: &str = "russet-console";

/// A client of the console, which has no connection of its own.
pub(in crate::server) fn new_client(server: &mut Server, peer: &Address) -> Client {
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
pub(in crate::server) fn new_session(client: Client) -> Session {
    let mut session = Session::new(client, None);
    session.reply.set_resp3(true);
    session
}

impl Engine {
    /// A login: judged now, or when the limit of its address permits.
    pub(in crate::server) fn console_login_when_due(
        &mut self,
        peer: &Address,
        login: Login,
        (is_here, is_tls): (bool, bool),
    ) -> Next {
        let server = &mut self.server;
        let asking = new_client(server, peer);
        let now_ms = server.now.mono_ms;
        match server.acl.begin_attempt(&asking, &server.config, now_ms) {
            Judged::Now => self.console_login(peer, &login, (is_here, is_tls)).into(),
            Judged::After(wait_ms) => Next::Task(Task::LogIn {
                login: Box::new(login),
                at_ms: now_ms + wait_ms,
                is_here,
            }),
            Judged::Never => {
                const TEXT: &str = "too many logins from this address have failed: try again later";
                Answer::error(http::TOO_MANY, TEXT).into()
            }
        }
    }

    /// Judges a login, and opens a session for it.
    pub(in crate::server) fn console_login(
        &mut self,
        peer: &Address,
        login: &Login,
        (is_here, is_tls): (bool, bool),
    ) -> Answer {
        let Engine {
            keyspace, server, ..
        } = self;
        let mut session = new_session(new_client(server, peer));
        let mut world = World {
            keyspace,
            server,
            client: &mut session.client,
            reply: &mut session.reply,
        };
        let pair = (&login.user[..], &login.password[..]);
        if let Err(error) = world.log_in(pair, (Context::TopLevel, b"AUTH")) {
            return Answer::error(http::UNAUTHORIZED, &String::from_utf8_lossy(&error.line()));
        }
        if !session.client.flags.contains(ClientFlags::PROVEN) && !is_here {
            const TEXT: &str = "DENIED a user without a password logs in from this machine only";
            return Answer::error(http::UNAUTHORIZED, TEXT);
        }
        let (id, now_ms) = (session.client.id, server.now.mono_ms);
        let token = random::hex(TOKEN_DIGITS);
        server.clients.add(Box::new(session));
        server.stats.clients.connections += 1;
        if let Some(gone) = server.connections.console.sessions.open(&token, id, now_ms) {
            let detail = "a newer session of the console took its place";
            server.kill_client(keyspace, gone, Ending::new(EndReason::Idle, detail));
        }
        let name = server.console_cookie();
        let secure = if is_tls { "; Secure" } else { "" };
        let headers = format!("Set-Cookie: {name}={token}; HttpOnly; SameSite=Strict{secure}\r\n");
        Answer {
            headers,
            ..Answer::json(with_user(&login.user, "}"))
        }
    }

    /// Ends a session and its streams.
    pub(in crate::server) fn end_console_session(&mut self, id: ClientId) -> Answer {
        self.server
            .kill_client(&mut self.keyspace, id, EndReason::Quit);
        let name = self.server.console_cookie();
        Answer {
            headers: format!("Set-Cookie: {name}=; Max-Age=0; HttpOnly; SameSite=Strict\r\n"),
            ..Answer::json(b"{}".to_vec())
        }
    }

    /// `api/me` without a session.
    pub(in crate::server) fn stranger(&self, is_here: bool) -> Answer {
        let is_open = is_here && !self.server.acl.password_required();
        let mut answer = Answer::error(http::UNAUTHORIZED, NO_AUTH);
        answer.body.pop();
        let more = format!(",\"nopass\":{is_open}}}");
        answer.body.extend_from_slice(more.as_bytes());
        answer
    }

    /// `api/me`: the user, the server, and the commands that the user may run. O(commands).
    pub(in crate::server) fn console_rights(&self, id: ClientId) -> Answer {
        let server = &self.server;
        let Some(session) = server.clients.get(id) else {
            return Answer::error(http::UNAUTHORIZED, NO_AUTH);
        };
        let client = &session.client;
        let is_locked = client.console.is_some_and(|of| of.is_locked);
        let config = &server.config;
        let mut rest = String::new();
        // Writing to a String does not fail.
        let _ = write!(
            rest,
            ",\"locked\":{is_locked},\"version\":\"{}\",\"redis_version\":\"{}\",\"dialect\":\"{}\",\
             \"databases\":{},\"time\":{},\"started\":{},\"commands\":",
            env!("CARGO_PKG_VERSION"),
            config.dialect.version(),
            config.dialect.hello_name(),
            config.databases,
            server.now.unix_ms(),
            server.identity.started_at * 1000,
        );
        let mut body = with_user(server.acl.users.name(client.user), &rest);
        write_names(&server.permitted_commands(client, false), &mut body);
        body.extend_from_slice(b",\"locked_commands\":");
        write_names(&server.permitted_commands(client, true), &mut body);
        body.push(b'}');
        Answer::json(body)
    }
}

fn write_names(names: &[&str], out: &mut Vec<u8>) {
    out.push(b'[');
    for (at, name) in names.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        json::write_string(name, out);
    }
    out.push(b']');
}

impl Server {
    /// The commands that the client's user may run with some arguments; `is_locked`: in a locked session.
    fn permitted_commands(&self, client: &Client, is_locked: bool) -> Vec<&'static str> {
        let user = self.acl.users.get(client.user);
        let mut names: Vec<&'static str> = Vec::new();
        for row in self.table.rows() {
            // Keys and channels are not known yet: only the name is asked for.
            let words: OwnedArgs = row.full_name.split('|').map(str::as_bytes).collect();
            let mut line = row.command_line(words.args(), client.db.0, self.config.databases);
            line.is_whole = false;
            let is_permitted = user.allows_all() || user.check(&line).is_ok();
            if is_permitted && (!is_locked || self.acl.lock.check(&line).is_ok()) {
                names.push(row.full_name);
            }
        }
        names.sort_unstable();
        names
    }

    /// Locks a session, or opens its lock.
    pub(in crate::server) fn set_console_lock(&mut self, id: ClientId, locked: bool) -> Answer {
        let session = self.clients.get_mut(id);
        let Some(of) = session.and_then(|session| session.client.console.as_mut()) else {
            return Answer::error(http::UNAUTHORIZED, NO_AUTH);
        };
        of.is_locked = locked;
        Answer::json(format!("{{\"locked\":{locked}}}").into_bytes())
    }
}
