//! MONITOR: every command, as text, to the clients that asked for it.

use std::io::Write;

use super::Server;
use super::call::Spec;
use super::client::{Client, ClientFlags};
use crate::base::clock;
use crate::command::Flags;
use crate::config::quote;
use crate::keyspace::ClientId;
use crate::net::Address;
use crate::resp::{Args, Reply};

impl Server {
    /// Shows a command to all monitors. One that runs commands of its own sees them behind
    /// their replies, but not those of its transactions, which are inside a reply.
    #[cold]
    pub(super) fn feed_monitors(
        &mut self,
        client: &Client,
        reply: &mut Reply,
        spec: &Spec,
        args: Args<'_>,
    ) {
        if spec.flags.contains(Flags::ADMIN) {
            return;
        }
        let now = clock::unix_us();
        let mut line = Vec::new();
        let _ = write!(
            line,
            "{}.{:06} [{} ",
            now / 1_000_000,
            now % 1_000_000,
            client.db.0
        );
        match &client.peer {
            Address::Unix(path) => {
                let _ = write!(line, "unix:{}]", path.display());
            }
            tcp => {
                let _ = write!(line, "{tcp}]");
            }
        }
        for (i, arg) in args.iter().enumerate() {
            line.push(b' ');
            let hidden = spec.hides(args, i);
            quote(&mut line, if hidden { b"(redacted)" } else { arg });
        }
        let line = String::from_utf8(line).expect("quoting leaves ASCII");
        for id in self.monitors.clone() {
            if id != client.id {
                self.send_to(id, |reply| reply.simple(&line));
            } else if !client
                .flags
                .intersects(ClientFlags::DENY_BLOCKING | ClientFlags::CLOSE_AFTER_REPLY)
            {
                reply.simple(&line);
            }
        }
    }

    /// Writes to another client's output and queues its flush.
    pub fn send_to(&mut self, id: ClientId, write: impl FnOnce(&mut Reply)) {
        let Some(session) = self.clients.get_mut(id) else {
            return;
        };
        write(&mut session.reply);
        if !session.flush_queued {
            session.flush_queued = true;
            self.flush.push(id);
        }
        self.enforce_output_limit_of(id);
    }

    /// A client starts or stops to be a monitor.
    pub fn set_monitor(&mut self, id: ClientId, on: bool) {
        self.monitors.retain(|&m| m != id);
        if on {
            self.monitors.push(id);
        }
        self.has_monitors = !self.monitors.is_empty();
    }
}
