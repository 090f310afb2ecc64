//! MONITOR: every command, as text, to the clients that asked for it.

use std::io::Write;

use bytes::Bytes;

use crate::base::clock;
use crate::command::Flags;
use crate::config::quote;
use crate::keyspace::ClientId;
use crate::net::Address;
use crate::resp::Args;
use crate::server::clients::client::Client;
use crate::server::origin::Origin;
use crate::server::parts::outbox::Post;
use crate::server::state::Server;
use crate::server::state::call::Spec;

impl Server {
    /// Shows a command to all monitors; a monitor's own commands follow their replies, but commands
    /// they run in turn are not shown to it.
    #[cold]
    pub fn feed_monitors(&mut self, client: &Client, spec: &Spec, args: Args<'_>, origin: Origin) {
        if spec.flags.contains(Flags::ADMIN) {
            return;
        }
        let now = clock::unix_us();
        let mut line = vec![b'+'];
        let _ = write!(
            line,
            "{}.{:06} [{} ",
            now / 1_000_000,
            now % 1_000_000,
            client.db.0
        );
        match &client.identity.peer {
            _ if origin == Origin::Script => line.extend_from_slice(b"lua]"),
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
        line.extend_from_slice(b"\r\n");
        let line = Bytes::from(line);
        for at in 0..self.messages.monitors.len() {
            let id = self.messages.monitors[at];
            if id != client.id || !origin.is_nested() {
                self.post(id, Post::Message(line.clone()));
            }
        }
    }

    /// A client starts or stops to be a monitor.
    pub fn set_monitor(&mut self, id: ClientId, on: bool) {
        self.messages.monitors.retain(|&m| m != id);
        if on {
            self.messages.monitors.push(id);
        }
        self.update_observers();
    }
}
