//! MONITOR: every command, as text, to the clients that asked for it.

use crate::parts::messages::Messages;
use crate::parts::users::Acl;
use crate::state::Connections;
use crate::state::call::CommandTable;
use russet_base::clock::Now;
use std::io::Write;

use crate::clients::client::Client;
use crate::origin::Origin;
use crate::parts::messages::outbox::Post;
use crate::state::Server;
use russet_base::clock;
use russet_command::Flags;
use russet_command::secrets::Secrets;
use russet_config::quote;
use russet_console::json;
use russet_keyspace::ClientId;
use russet_net::Address;
use russet_resp::Args;

impl Server {
    /// A client starts or stops to be a monitor.
    pub fn set_monitor(&mut self, id: ClientId, on: bool) {
        self.messages.monitors.retain(|&m| m != id);
        if on {
            self.messages.monitors.push(id);
        }
        self.update_observers();
    }
}

/// Bytes of an argument that an event shows.
const SHOWN_BYTES_MAX: usize = 1024;
/// Arguments that an event shows.
const SHOWN_ARGS_MAX: usize = 64;

/// A command as an event of the console: as MONITOR shows it, with long arguments cut.
fn event_of<H>(client: &Client, user: &[u8], secrets: &Secrets<'_, H>, words: usize) -> Vec<u8> {
    let now = clock::unix_us();
    let time = format!("{}.{:06}", now / 1_000_000, now % 1_000_000);
    let out = json::object().text("time", time).number("db", client.db.0);
    let mut out = out.text("addr", client.identity.peer.to_string());
    json::write_bytes(user, out.name("user"));
    json::list(0..words.min(SHOWN_ARGS_MAX), out.name("cmd"), |at, out| {
        let shown = secrets.redacted(at);
        json::write_bytes(&shown[..shown.len().min(SHOWN_BYTES_MAX)], out);
    });
    out.end()
}

impl Connections {
    /// Shows a command to the streams of the console that want to see it. O(streams), each bounded
    /// in events and bytes.
    #[cold]
    pub(crate) fn feed_taps(
        &mut self,
        table: &CommandTable,
        acl: &Acl,
        now: &Now,
        client: &Client,
        row: usize,
        args: Args<'_>,
    ) {
        let row = table.row(row);
        if row.spec.flags.contains(Flags::ADMIN) {
            return;
        }
        let name = row.full_name;
        let user = acl.users.name(client.user);
        let now_ms = now.mono_ms;
        let mut event: Option<Vec<u8>> = None;
        for tap in &mut self.console.taps {
            if tap.wants(name, user, args, now_ms) {
                let event = event.get_or_insert_with(|| {
                    event_of(client, user, &table.secrets(row, args), args.len())
                });
                tap.add(event.clone());
            }
        }
        self.console.is_urgent |= event.is_some();
    }
}

impl Messages {
    /// Shows a command to all monitors; a monitor's own commands follow their replies, but a
    /// monitor does not see the commands that its own commands run.
    #[cold]
    pub fn feed_monitors(
        &mut self,
        table: &CommandTable,
        client: &Client,
        row: usize,
        args: Args<'_>,
        origin: Origin,
    ) {
        let row = table.row(row);
        if row.spec.flags.contains(Flags::ADMIN) {
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
        let secrets = table.secrets(row, args);
        for at in 0..args.len() {
            line.push(b' ');
            quote(&mut line, secrets.redacted(at));
        }
        line.extend_from_slice(b"\r\n");
        let line = russet_resp::message(line);
        for at in 0..self.monitors.len() {
            let id = self.monitors[at];
            if id != client.id || !origin.is_nested() {
                self.outbox.add(id, Post::Message(line.clone()));
            }
        }
    }
}
