//! The answer to a request: a file, a call's result, or a refusal.
//!
//! Order of checks: the doors (host, origin, headers), the path, the session, the call's body.
//! Invariants
//!   1. Without a session only files, `login` and `me` are answered.
//!   2. A body over `STRANGER_BODY_MAX` is refused after the request's head, unless the session is
//!      known.
//!
//! Cost: a file is in the executable and copied once into the answer. Commands, delayed logins and
//! streams become a [`Next`], which the connection continues later (`run::http`).
//! Elsewhere: `russet_console` parses HTTP and bodies and has the doors; `sessions`, `commands`,
//! `streams` and `sample` do the calls.

use crate::console::sessions::{LoginOrigin, set_console_lock};
use crate::parts::console::{Job, STREAMS_MAX, Task};
use crate::parts::http::Connection;
use crate::state::world::Engine;
use russet_base::clock;
use russet_base::json::Object;
use russet_config::Config;
use russet_console::calls::{self, CommandCall, Login, StreamCall};
use russet_console::doors::{self, Doors, HostKind};
use russet_console::http::{self, Answer, Method, RequestHead, Status};
use russet_console::{assets, json};
use russet_keyspace::ClientId;
use russet_net::Address;

/// The next step for a request.
pub enum Next {
    Answer(Answer),
    /// An answer without data of clients: it may be compressed (`console::pack`).
    Figures(Answer),
    Task(Task),
    /// The connection carries this stream from now on.
    Stream(ClientId, Box<StreamCall>),
}

impl From<Answer> for Next {
    fn from(answer: Answer) -> Next {
        Next::Answer(answer)
    }
}

const LOGIN: &str = "/api/login";

/// A body that is not as expected.
pub(crate) fn bad(text: &str) -> Answer {
    Answer::error(http::BAD_REQUEST, text)
}

/// Bytes of a body that is read without a session, and of a login.
const STRANGER_BODY_MAX: usize = 4096;

/// No session, in the words of the protocol.
pub const NO_AUTH: &str = "NOAUTH Authentication required.";

impl Engine {
    /// Refuses a request, after its head, if the body is too long.
    pub(crate) fn refuse_body(&mut self, head: &RequestHead) -> Option<Answer> {
        let fits = head.body <= STRANGER_BODY_MAX
            || head.path != LOGIN && self.console_session(head).is_some();
        (!fits).then(|| Answer::refusal(http::TOO_LARGE))
    }

    /// Answers a request, or returns its task or stream.
    pub(crate) fn answer_console(
        &mut self,
        connection: &Connection,
        head: &RequestHead,
        body: &[u8],
    ) -> Next {
        let is_tls = connection.is_tls();
        let doors = Doors {
            hosts: &self.server.config.console_hosts.0,
            is_tls,
        };
        let named = match doors.pass(head) {
            Ok(named) => named,
            Err(answer) => return answer.into(),
        };
        #[cfg(feature = "testing")]
        if let (Method::Get, Some(folder)) = (head.method, std::env::var_os("RUSSET_CONSOLE_DIR")) {
            return from_folder(std::path::Path::new(&folder), &head.path).into();
        }
        match (head.method, head.path.as_str()) {
            (Method::Get | Method::Head, "/") => page(head).into(),
            (Method::Get | Method::Head, path) => match path.strip_prefix("/a/") {
                Some(path) => file(path, head).into(),
                None if path.starts_with("/api/") => Answer::refusal(http::NOT_ALLOWED).into(),
                None => Answer::refusal(http::NOT_FOUND).into(),
            },
            (Method::Post, path) => {
                // A proxy on this machine may name it so for requests from elsewhere.
                let is_here =
                    named == HostKind::Here && connection.peer.is_local() && !head.is_forwarded;
                let found = self.console_session(head);
                match (path.strip_prefix("/api/"), found) {
                    (Some("login"), before) => {
                        self.begin_login(connection, (is_here, before), body)
                    }
                    (Some("me"), None) => self.stranger(is_here).into(),
                    (Some("logout" | "lock" | "command" | "history" | "stream"), None) => {
                        Answer::error(http::UNAUTHORIZED, NO_AUTH).into()
                    }
                    (Some(call), Some(session)) => self.serve_call(call, session, body),
                    _ => Answer::refusal(http::NOT_FOUND).into(),
                }
            }
        }
    }

    /// The client of the request's session.
    fn console_session(&mut self, head: &RequestHead) -> Option<ClientId> {
        let name = console_cookie(&self.server.config);
        let token = doors::cookie(head.cookie.as_deref()?, &name)?;
        let now_ms = self.server.now.mono_ms;
        let renews = head.russet.as_deref() != Some(doors::AUTOMATIC);
        let users = &self.server.acl.users;
        let sessions = &mut self.server.connections.console.sessions;
        sessions.end_unproven(|user, proof| users.still_admits(user, proof));
        let id = sessions.find(token, renews, now_ms)?;
        if let Some(session) = self.server.clients.get_mut(id)
            && renews
        {
            session.client.traffic.last_active_ms = now_ms;
        }
        // While a command of the session runs, its client is not in the table.
        self.server.clients.is_connected(id).then_some(id)
    }

    fn serve_call(&mut self, call: &str, session: ClientId, body: &[u8]) -> Next {
        match call {
            "me" => Next::Figures(self.console_rights(session)),
            "logout" => self.end_console_session(session).into(),
            "lock" => match calls::lock(body) {
                Ok(locked) => set_console_lock(
                    &mut self.server.clients,
                    &mut self.server.connections,
                    session,
                    locked,
                )
                .into(),
                Err(wrong) => bad(wrong).into(),
            },
            "command" => {
                let began = clock::cycles();
                match CommandCall::parse(body) {
                    Ok(call) => Next::Task(Task::Run(Box::new(Job::new(session, call, began)))),
                    Err(wrong) => bad(wrong).into(),
                }
            }
            "history" => match self.may_see_figures(session) {
                Ok(()) => Next::Figures(self.server.console_history(&self.keyspace, body)),
                Err(refused) => refused.into(),
            },
            "stream" => match StreamCall::parse(body) {
                Ok(_) if self.server.connections.console.streams() >= STREAMS_MAX => {
                    Answer::error(http::TOO_MANY, "there are 8 streams already").into()
                }
                Ok(call) => Next::Stream(session, Box::new(call)),
                Err(wrong) => bad(wrong).into(),
            },
            _ => Answer::refusal(http::NOT_FOUND).into(),
        }
    }

    fn begin_login(
        &mut self,
        connection: &Connection,
        (is_here, before): (bool, Option<ClientId>),
        body: &[u8],
    ) -> Next {
        let login = match Login::parse(body) {
            Ok(login) => login,
            Err(wrong) => return self.refuse_login(&connection.peer, wrong).into(),
        };
        let is_tls = connection.is_tls();
        if !is_safe_for_console(&self.server.config, &connection.peer, is_tls) {
            return Answer::refusal(http::FORBIDDEN).into();
        }
        let who = LoginOrigin {
            is_here,
            is_tls,
            before,
        };
        self.console_login_when_due(&connection.peer, login, who)
    }
}

/// The page itself: browsers ask for it each time, and receive it if it has changed.
fn page(head: &RequestHead) -> Answer {
    let Some(file) = assets::find("index.html") else {
        return Answer::refusal(http::NOT_FOUND);
    };
    let tag = format!("\"{}\"", assets::HASH);
    let is_known = head.if_none_match.as_deref().is_some_and(|known| {
        known
            .split(',')
            .any(|one| one.trim().trim_start_matches("W/") == tag)
    });
    if is_known {
        return with_file(
            http::NOT_MODIFIED,
            file.kind,
            "no-cache",
            &tag,
            Vec::new(),
            false,
        );
    }
    send_file(file, head, "no-cache", &tag)
}

/// A file below `a/HASH/`: it never changes there. Another hash belongs to another version.
fn file(path: &str, head: &RequestHead) -> Answer {
    let name = path
        .split_once('/')
        .filter(|(hash, _)| *hash == assets::HASH);
    match name.and_then(|(_, name)| assets::find(name)) {
        Some(file) if file.name != "index.html" => {
            let tag = format!("\"{}\"", assets::HASH);
            send_file(file, head, "public, max-age=31536000, immutable", &tag)
        }
        _ => Answer::refusal(http::NOT_FOUND),
    }
}

/// While the pages are being written: the files of a folder as they are now.
#[cfg(feature = "testing")]
fn from_folder(folder: &std::path::Path, path: &str) -> Answer {
    let name = match path {
        "/" => "index.html",
        path => path.strip_prefix("/a/HASH/").unwrap_or("none"),
    };
    // A part that is absolute or leads upwards would leave the folder.
    let is_inside = { std::path::Path::new(name).components() }
        .all(|part| matches!(part, std::path::Component::Normal(_)));
    if !is_inside {
        return Answer::refusal(http::NOT_FOUND);
    }
    let kind = match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    };
    match std::fs::read(folder.join(name)) {
        Ok(body) => with_file(http::OK, kind, http::NO_STORE, "\"none\"", body, false),
        Err(_) => Answer::refusal(http::NOT_FOUND),
    }
}

fn send_file(file: &assets::File, head: &RequestHead, cache: &'static str, tag: &str) -> Answer {
    let body = if head.accepts_gzip {
        file.gzip
    } else {
        file.raw
    };
    with_file(
        http::OK,
        file.kind,
        cache,
        tag,
        body.to_vec(),
        head.accepts_gzip,
    )
}

fn with_file(
    status: Status,
    kind: &'static str,
    cache: &'static str,
    tag: &str,
    body: Vec<u8>,
    is_packed: bool,
) -> Answer {
    let packed = if is_packed {
        "Content-Encoding: gzip\r\n"
    } else {
        ""
    };
    Answer {
        status,
        kind,
        cache,
        headers: format!("ETag: {tag}\r\nVary: Accept-Encoding\r\n{packed}"),
        body,
    }
}

/// An object that begins with the name of a user.
pub(crate) fn with_user(name: &[u8]) -> Object {
    let mut body = json::object();
    json::write_bytes(name, body.name("user"));
    body
}

/// Whether passwords may come from this address: over TLS, from this machine, or if the
/// configuration says so.
pub(crate) fn is_safe_for_console(config: &Config, peer: &Address, is_tls: bool) -> bool {
    is_tls || peer.is_local() || config.console_insecure
}

/// The name of the cookie: all ports of a host share its cookies.
pub(crate) fn console_cookie(config: &Config) -> String {
    format!("russet-{}", config.console_port)
}
