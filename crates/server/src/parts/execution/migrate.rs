//! Cached connections to other servers, for MIGRATE.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use russet_net::DialledStream;
use russet_persistence::rdb::Peer;
use russet_resp::{BlockingLink, ReplyBounds};

/// The most connections kept.
const LINKS_MAX: usize = 64;
/// Unused connections are closed after this time.
const IDLE_MAX_MS: u64 = 10_000;

/// A server answers RESTORE only with a status or an error, INFO with a few lines.
const BOUNDS: ReplyBounds = ReplyBounds {
    bulk_max: 64 * 1024,
    values_max: 1024,
    depth_max: 8,
};

/// A connection to one server.
#[derive(Debug)]
pub struct MigrateLink {
    host: Vec<u8>,
    port: u16,
    pub link: BlockingLink,
    /// The selected database; `None`: unknown.
    pub selected: Option<i64>,
    /// The facts that the server gave in INFO, if it was asked.
    pub peer: Option<Peer>,
    used_ms: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct MigrateLinks {
    links: Vec<MigrateLink>,
}

impl MigrateLinks {
    /// The number of open connections (INFO `migrate_cached_sockets`).
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// The cached connection to this server, or a new connection, under `tls` if given.
    pub fn take(
        &mut self,
        host: &[u8],
        port: u16,
        limit: Duration,
        tls: Option<&Arc<ClientConfig>>,
    ) -> io::Result<MigrateLink> {
        let kept = self
            .links
            .iter()
            .position(|link| link.port == port && link.host == host);
        if let Some(at) = kept {
            return Ok(self.links.swap_remove(at));
        }
        let name = std::str::from_utf8(host).map_err(io::Error::other)?;
        Ok(MigrateLink {
            host: host.to_vec(),
            port,
            link: BlockingLink::new(DialledStream::connect(name, port, limit, tls)?, BOUNDS),
            selected: None,
            peer: None,
            used_ms: 0,
        })
    }

    /// Keeps a connection in good order; the oldest is closed if there are too many.
    pub fn keep(&mut self, link: MigrateLink, now_ms: u64) {
        if self.links.len() >= LINKS_MAX {
            let oldest = (0..self.links.len()).min_by_key(|&at| self.links[at].used_ms);
            if let Some(oldest) = oldest {
                self.links.swap_remove(oldest);
            }
        }
        self.links.push(MigrateLink {
            used_ms: now_ms,
            ..link
        });
    }

    /// Closes connections that have been idle for too long.
    pub fn close_idle(&mut self, now_ms: u64) {
        self.links
            .retain(|link| now_ms.saturating_sub(link.used_ms) <= IDLE_MAX_MS);
    }
}
