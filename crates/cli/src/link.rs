//! The connection: made, logged in, and made again when it has gone.
//!
//!     connect -> AUTH or HELLO 3 -> CLIENT SETNAME -> SELECT
//!
//! A request has one reply; pushes may come before it, and are kept for the caller. Nothing bounds
//! the time of a reply: a client waits as long as the server does.

use std::io;
use std::time::Duration;

use russet_net::DialledStream;
use russet_net::tls::{CertificateFiles, Trust, client_trusting};
use russet_resp::{BlockingLink, ReplyBounds, ReplyValue, write_request};

use crate::options::{Options, Protocol, TlsOptions};
use crate::print::Form;

/// Longer than anybody waits.
pub(crate) const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// See the module.
#[derive(Debug)]
pub(crate) struct Link {
    link: BlockingLink,
    /// Pushes that came before a reply.
    pushes: Vec<ReplyValue>,
}

/// Why there is no connection. `Display` is the line for people.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing answers there.
    Unreachable(String),
    /// The server's refusal of a login or a database, with which the connection is useless.
    Refused(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Unreachable(text) | Failure::Refused(text) => f.write_str(text),
        }
    }
}

/// A wide bound: what a server sends to its own client is believed, not what a stranger sends.
fn bounds() -> ReplyBounds {
    ReplyBounds {
        bulk_max: 4 << 30,
        values_max: usize::MAX / 2,
        depth_max: 128,
    }
}

/// The system's text without the number of the error.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

fn dial(options: &Options) -> io::Result<DialledStream> {
    if let Some(path) = &options.socket {
        return DialledStream::connect_unix(path);
    }
    let limit = options.limit.unwrap_or(FOREVER);
    let Some(tls) = &options.tls else {
        return DialledStream::connect(&options.host, options.port, limit, None);
    };
    let own = CertificateFiles {
        certificate: tls.certificate.clone(),
        key: tls.key.clone(),
        password: Vec::new(),
    };
    let config = client_trusting(&own, &trust(tls, &options.host)).map_err(io::Error::other)?;
    let name = tls.name.as_deref().unwrap_or(&options.host);
    DialledStream::connect_as(&options.host, options.port, limit, Some(&config), name)
}

/// With `--cacert` or `--cacertdir` any name will do, as in redis-cli; among the system's, which
/// sign for the whole world, only the name makes it this server.
fn trust(tls: &TlsOptions, host: &str) -> Trust {
    if tls.is_insecure {
        return Trust::Anyone;
    }
    let is_given = !tls.ca_file.as_os_str().is_empty() || !tls.ca_dir.as_os_str().is_empty();
    if is_given {
        return Trust::Authorities {
            file: tls.ca_file.clone(),
            dir: tls.ca_dir.clone(),
            peer_name: tls.name.clone().unwrap_or_default(),
        };
    }
    Trust::of_system(tls.name.clone().unwrap_or_else(|| host.to_owned()))
}

impl Link {
    /// Connects, logs in and selects the database.
    pub(crate) fn open(options: &Options) -> Result<Link, Failure> {
        let unreachable = |error: io::Error| {
            let place = match &options.socket {
                Some(path) => path.display().to_string(),
                None => format!("{}:{}", options.host, options.port),
            };
            Failure::Unreachable(format!(
                "Could not connect to Redis at {place}: {}",
                reason(&error)
            ))
        };
        let dialled = dial(options).map_err(unreachable)?;
        let mut link = Link {
            link: BlockingLink::new(dialled, bounds()),
            pushes: Vec::new(),
        };
        link.introduce(options)
            .map_err(|error| match error.kind() {
                io::ErrorKind::PermissionDenied => Failure::Refused(error.to_string()),
                _ => unreachable(error),
            })?;
        Ok(link)
    }

    fn introduce(&mut self, options: &Options) -> io::Result<()> {
        if let Some(password) = &options.password {
            let mut words: Vec<&[u8]> = vec![b"AUTH"];
            words.extend(options.user.as_deref());
            words.push(password);
            self.demand("AUTH", &words)?;
        }
        let is_json = matches!(options.form, Some(Form::Json | Form::QuotedJson));
        match options.protocol {
            Protocol::Three => self.demand("HELLO 3", &[b"HELLO", b"3"])?,
            // A server that does not know it answers in the older form.
            Protocol::Unset if is_json => drop(self.ask(&["HELLO", "3"])?),
            _ => {}
        }
        if let Some(name) = &options.name {
            self.demand("CLIENT SETNAME", &[b"CLIENT", b"SETNAME", name])?;
        }
        if options.database != 0 {
            let number = options.database.to_string();
            let what = format!("SELECT {number}");
            // As in redis-cli, a wrong number is said, and the connection stays where it is.
            if let Err(error) = self.demand(&what, &[b"SELECT", number.as_bytes()]) {
                if error.kind() != io::ErrorKind::PermissionDenied {
                    return Err(error);
                }
                eprintln!("{error}");
            }
        }
        Ok(())
    }

    /// A request that must succeed.
    fn demand(&mut self, what: &str, words: &[&[u8]]) -> io::Result<()> {
        match self.ask(words)? {
            ReplyValue::Error(why) => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("{what} failed: {}", String::from_utf8_lossy(&why)),
            )),
            _ => Ok(()),
        }
    }

    /// Sends a request without waiting.
    pub(crate) fn send(&mut self, words: &[impl AsRef<[u8]>]) -> io::Result<()> {
        let mut request = Vec::new();
        write_request(&mut request, words.iter().map(AsRef::as_ref));
        self.link.send(&request, FOREVER)
    }

    /// The next value that arrives, a push or a reply.
    pub(crate) fn next(&mut self) -> io::Result<ReplyValue> {
        self.link.reply(FOREVER)
    }

    /// The next value that arrives within `limit`.
    pub(crate) fn next_within(&mut self, limit: Duration) -> io::Result<ReplyValue> {
        self.link.reply(limit)
    }

    /// A request and its reply.
    pub(crate) fn ask(&mut self, words: &[impl AsRef<[u8]>]) -> io::Result<ReplyValue> {
        self.send(words)?;
        loop {
            match self.next()? {
                push @ ReplyValue::Push(_) => self.pushes.push(push),
                reply => return Ok(reply),
            }
        }
    }

    /// The pushes that came before replies, once.
    pub(crate) fn take_pushes(&mut self) -> Vec<ReplyValue> {
        std::mem::take(&mut self.pushes)
    }

    /// The connection for a second thread; `None` under TLS.
    pub(crate) fn twin(&mut self) -> io::Result<Option<DialledStream>> {
        self.link.twin()
    }

    /// The connection itself, for bytes that are no request and no reply.
    pub(crate) fn raw(&mut self) -> &mut BlockingLink {
        &mut self.link
    }
}

/// Why a connection ended, for people.
///
/// A server that closes while requests are on their way is seen as an end, a reset or a
/// broken pipe, depending on what the kernel learns first: the text is the same for all.
pub(crate) fn reason_of(error: &io::Error) -> String {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    match error.kind() {
        UnexpectedEof | ConnectionReset | BrokenPipe => "Server closed the connection".to_owned(),
        _ => reason(error),
    }
}
