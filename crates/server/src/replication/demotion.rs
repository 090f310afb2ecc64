//! A former primary that loads its new primary's snapshot keeps in a file the writes that the new
//! primary does not have.
//!
//! `russet_replication::upstream` finds them in the backlog ([`lost_writes`]).
//!
//! The file has at most `demotion-lost-max-bytes` of the stream, its last bytes. It can be applied
//! with `redis-cli --pipe`, or read as an append only file.

use crate::clients::table::Clients;
use crate::parts::replication::Replication;
use russet_config::Config;
use russet_replication::Stream;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use crate::parts::replication::LostWrites;
use crate::process::log::{MASTER, MASTER_INSIDE};
use russet_config::system_text;
use russet_replication::ReplOffset;
use russet_replication::upstream::{acknowledged_by, lost_writes};

fn write_file(name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let path: PathBuf = std::env::current_dir()?.join(name);
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

impl Replication {
    /// The positions that replicas have acknowledged, now or before they were disconnected, with
    /// their addresses.
    pub(crate) fn acknowledged_positions(
        &self,
        clients: &Clients,
    ) -> Vec<(String, u16, ReplOffset)> {
        let replicas = &self.replicas;
        let present = replicas.iter().map(|replica| {
            let (ip, port) = replica.address(clients);
            (ip, port, replica.acked)
        });
        present.chain(replicas.departed().cloned()).collect()
    }

    /// Before the old data is deleted: writes to a file the commands that this server executed as a
    /// primary and its new primary lacks. Parses and writes at most `demotion-lost-max-bytes`.
    pub(crate) fn keep_lost_writes(&mut self, config: &Config, stream: &Stream, clients: &Clients) {
        let Some(upstream) = &mut self.upstream else {
            return;
        };
        let Some(at) = upstream.core.demoted.take() else {
            return;
        };
        let (host, port) = (upstream.core.host.clone(), upstream.core.port);
        let shared = acknowledged_by(&self.acknowledged_positions(clients), &host, port);
        self.replicas.forget_departed();
        let max = config.demotion_lost_max_bytes;
        let Some((from, found)) = lost_writes(stream, at, shared, max) else {
            return;
        };
        let bytes = at.offset - from;
        let name = format!("lost-{}-{from}.aof", at.id);
        match write_file(&name, &found.bytes) {
            Ok(()) => tracing::warn!(
                "{MASTER} {host}:{port} lacks {} commands ({bytes} bytes) that this server executed as \
                 a {MASTER_INSIDE}: they are kept in {name}",
                found.commands
            ),
            Err(error) => tracing::warn!(
                "{MASTER} {host}:{port} lacks {} commands ({bytes} bytes) that this server executed as \
                 a {MASTER_INSIDE}, and {name} cannot be written: {}",
                found.commands,
                system_text(&error)
            ),
        }
        self.lost = Some(LostWrites {
            commands: found.commands,
            bytes,
            file: name,
        });
    }
}
