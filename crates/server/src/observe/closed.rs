//! Connections that end: a line in the log at verbose, a record for CLIENT CLOSED, a count.

use crate::clients::ending::{Disconnection, EndReason};
use crate::clients::session::Session;
use crate::observe::client_line::client_line;
use crate::parts::observe::closed::ClosedClient;
use crate::state::Server;
use russet_base::text::Printable;

/// Bytes kept of each text that a client chose.
const TEXT_BYTES_MAX: usize = 128;

fn cut_bytes(text: &[u8]) -> &[u8] {
    &text[..text.len().min(TEXT_BYTES_MAX)]
}

fn cut(text: &str) -> Box<str> {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].into()
}

impl Server {
    /// A connection ends. Without a recorded reason, the peer has closed it.
    pub(crate) fn record_closed(&mut self, session: &mut Session) {
        let client = &mut session.client;
        let ending = match client.ending.take() {
            Some(ending) => *ending,
            None => Disconnection::from(EndReason::Peer),
        };
        tracing::debug!(
            "Client closed ({}): {}",
            Printable(ending.to_string().as_bytes()),
            Printable(&client_line(self, &session.client, &session.reply, None))
        );
        let client = &session.client;
        let seconds = |since_ms: u64| self.now.mono_ms.saturating_sub(since_ms) / 1000;
        let record = ClosedClient {
            id: client.id.0,
            at_ms: self.now.unix_ms(),
            addr: client.identity.peer.to_string(),
            laddr: client.identity.local.to_string(),
            name: client.identity.name.as_deref().map(cut),
            user: cut_bytes(self.acl.users.name(client.user)).into(),
            lib_name: client.identity.lib_name.as_deref().map(cut),
            lib_ver: client.identity.lib_ver.as_deref().map(cut),
            db: client.db.0 as usize,
            age_s: seconds(client.identity.created_ms),
            idle_s: seconds(client.traffic.last_active_ms),
            commands: client.traffic.commands,
            last_command: (client.traffic.last_command).map(|id| self.table.row(id).full_name),
            ending,
        };
        self.diagnostics.closed.note(record);
    }
}
