//! The audit: which commands of which users are recorded (`audit-categories`, `audit-users`), as
//! lines of JSON that a thread writes to `audit-log`.
//!
//! A line describes a command: `time` (RFC 3339, UTC, microseconds), `client`, `addr`, `user`,
//! `name` and `lib` of the connection, `db`, `command`, `args` (shortened; secrets as
//! `(redacted)`), `keys`, `by` if a transaction or a script ran it, `result` (`ok`, `error`,
//! `refused`, `accepted` of a command that takes effect later), `error`, `us`. Lines that found no
//! room in the queue are counted, and a line `{"time":..,"dropped":n}` stands in their place.
//!
//! Cost while the audit is on: a look at a table for each command; a recorded command costs about
//! as much as an entry of the slow log.

pub mod line;
pub mod rules;
pub mod writer;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use russet_config::Config;

use self::rules::Rules;
use self::writer::{Figures, Target, Writer};

/// The word of `audit-log` for the system's log.
pub const SYSLOG: &[u8] = b"syslog";
/// How long the end of the server waits for the log.
const END_MOST: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug, Default)]
pub struct Audit {
    on: Option<Box<ActiveAudit>>,
    figures: Arc<Figures>,
}

#[derive(Debug)]
struct ActiveAudit {
    rules: Rules,
    writer: Writer,
    log: Vec<u8>,
}

impl Audit {
    pub fn is_on(&self) -> bool {
        self.on.is_some()
    }

    /// Takes rules and the log from the configuration. On an error nothing has changed.
    pub fn configure(&mut self, rules: Rules, config: &Config) -> io::Result<()> {
        let log: &[u8] = &config.audit_log;
        if log.is_empty() {
            self.on = None;
            return Ok(());
        }
        if let Some(on) = &mut self.on
            && on.log == log
        {
            on.rules = rules;
            return Ok(());
        }
        let target = match log {
            SYSLOG => Target::Syslog(config.syslog_facility),
            path => Target::file(path)?,
        };
        self.on = Some(Box::new(ActiveAudit {
            rules,
            writer: Writer::start(target, &self.figures)?,
            log: log.to_vec(),
        }));
        Ok(())
    }

    /// The end of the server: waits until all queued lines are written, a few seconds at most.
    pub fn end(&mut self) {
        if let Some(on) = self.on.take() {
            on.writer.end(END_MOST);
        }
    }

    /// Whether the audit records this row of the command table, for some users.
    #[inline]
    pub fn concerns(&self, row: usize) -> bool {
        self.on.as_ref().is_some_and(|on| on.rules.concerns(row))
    }

    /// Whether the audit records this user's commands, among the rows that it concerns.
    pub fn concerns_user(&self, user: &[u8]) -> bool {
        self.on
            .as_ref()
            .is_some_and(|on| on.rules.concerns_user(user))
    }

    /// Queues a line, which ends with a newline. `false`: there was no room for it.
    pub fn record(&mut self, line: Vec<u8>) -> bool {
        self.on.as_mut().is_none_or(|on| on.writer.send(line))
    }

    /// Whether lines are dropped, or would be soon: the log does not take them.
    pub fn check_stuck(&self) -> bool {
        self.on.as_ref().is_some_and(|on| on.writer.check_stuck())
    }

    /// Lines written, and lines dropped, since the start.
    pub fn figures(&self) -> (u64, u64) {
        let Figures { written, dropped } = &*self.figures;
        (
            written.load(Ordering::Relaxed),
            dropped.load(Ordering::Relaxed),
        )
    }
}
