//! A connection to a server of a group: every reply is bounded in bytes and time.

use std::time::{Duration, Instant};

use super::facts::{Address, Fault, clean};
use russet_config::Login;
use russet_net::DialledStream;
use russet_resp::{BlockingLink, ReplyBounds, ReplyParser, ReplyValue, write_request};

/// Maximum bytes of a reply. CLIENT LIST of the most clients that are looked through fits.
const REPLY_BYTES_MAX: usize = 4 << 20;
/// No expected reply has more values, or nests deeper.
const BOUNDS: ReplyBounds = ReplyBounds {
    bulk_max: REPLY_BYTES_MAX,
    values_max: 1 << 16,
    depth_max: 4,
};

/// Time limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The time for each step: connecting, one command.
    pub step: Duration,
    /// The end of all steps.
    pub end: Instant,
}

impl Limits {
    fn next(self) -> Duration {
        let left = self.end.saturating_duration_since(Instant::now());
        self.step.min(left)
    }
}

/// See the module.
pub(crate) struct Caller {
    link: BlockingLink,
    limits: Limits,
    /// The server has a password, and ours was right.
    pub has_password: bool,
}

impl Caller {
    /// Connects, and logs in if there is a password. A server without a password needs none: that
    /// is no fault.
    pub fn open(at: &Address, login: &Login, limits: Limits) -> Result<Caller, Fault> {
        let limit = limits.next();
        if limit.is_zero() {
            return Err(Fault::unreachable("not asked: the time was over"));
        }
        let dialled = DialledStream::connect(&at.host, at.port, limit, None);
        let dialled = dialled.map_err(|error| Fault::unreachable(&error.to_string()))?;
        let mut caller = Caller {
            link: BlockingLink::new(dialled, BOUNDS),
            limits,
            has_password: false,
        };
        if let Some(password) = &login.password {
            let mut words: Vec<&[u8]> = vec![b"AUTH"];
            words.extend(login.user.as_ref().map(|user| user.as_bytes()));
            words.push(password);
            match caller.ask(&words)? {
                ReplyValue::Error(why) if !is_without_password(&why) => {
                    return Err(Fault::Refused(clean(&why)));
                }
                ReplyValue::Error(_) => {}
                _ => caller.has_password = true,
            }
        }
        Ok(caller)
    }

    /// Sends a command and reads its reply.
    pub fn ask(&mut self, words: &[&[u8]]) -> Result<ReplyValue, Fault> {
        let mut request = Vec::new();
        write_request(&mut request, words.iter().copied());
        let limit = self.limits.next();
        let end = Instant::now() + limit;
        let lost = |error: std::io::Error| Fault::unreachable(&error.to_string());
        if limit.is_zero() {
            return Err(Fault::unreachable("not asked: the time was over"));
        }
        self.link.send(&request, limit).map_err(lost)?;
        let mut parser = ReplyParser::new(BOUNDS);
        let mut taken = 0;
        loop {
            let bytes = self.link.unread();
            let mut rest = &bytes[..];
            let value = parser.push(&mut rest);
            let used = bytes.len() - rest.len();
            bytes.drain(..used);
            taken += used;
            if let Some(value) = value.map_err(|fault| Fault::Odd(fault.to_string()))? {
                return Ok(value);
            }
            if taken > REPLY_BYTES_MAX {
                return Err(Fault::Odd("a reply is too long".to_owned()));
            }
            let left = end.saturating_duration_since(Instant::now());
            self.link.more(left).map_err(lost)?;
        }
    }

    /// The same for a command given as words separated by blanks; an error reply is a refusal.
    pub fn run(&mut self, line: &str) -> Result<ReplyValue, Fault> {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        match self.ask(&words)? {
            ReplyValue::Error(why) => Err(Fault::Refused(clean(&why))),
            reply => Ok(reply),
        }
    }
}

/// `ERR AUTH <password> called without any password configured for the default user. ..`, and the
/// older `ERR Client sent AUTH, but no password is set`.
fn is_without_password(why: &[u8]) -> bool {
    let why = String::from_utf8_lossy(why);
    why.contains("without any password configured") || why.contains("no password is set")
}
