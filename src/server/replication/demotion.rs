//! A former primary that takes the snapshot of its new primary keeps in a file the writes that the
//! new primary does not have.
//!
//!     acknowledged by the new primary              our end
//!       |   lost-<id>-<offset>.aof: SELECT, commands   |
//!
//! The new primary does not announce where its history left ours. The position acknowledged by the
//! replica with the new primary's address, or else with its port, stands for that place. Without
//! either, everything that the backlog has of this server's time as a primary counts as lost.
//!
//! The file has at most `demotion-lost-max-bytes` of the stream, its last bytes. It can be applied
//! with `redis-cli --pipe`, or read as an append only file.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use crate::server::parts::replication::LostWrites;
use crate::server::process::log::{MASTER, MASTER_INSIDE};
use crate::server::state::Server;
use russet_config::system_text;
use russet_replication::{Changes, Position, ReplOffset, align, changes};

/// Bytes before the lost part that are searched for the selected database.
const LOOK_BACK_MAX: u64 = 16 << 20;

impl Server {
    /// Before the old data is deleted: writes to a file the commands that this server executed as a
    /// primary and its new primary lacks. Parses and writes at most `demotion-lost-max-bytes`.
    pub(super) fn keep_lost_writes(&mut self) {
        let Some(upstream) = &mut self.replication.upstream else {
            return;
        };
        let Some(at) = upstream.demoted.take() else {
            return;
        };
        let (host, port) = (upstream.host.clone(), upstream.port);
        let shared = self.acknowledged_by(&host, port);
        self.replication.replicas.forget_departed();
        let Some((from, found)) = self.lost_writes(at, shared) else {
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
        self.replication.lost = Some(LostWrites {
            commands: found.commands,
            bytes,
            file: name,
        });
    }

    /// The position that a replica at this address has acknowledged, now or before it was
    /// disconnected.
    fn acknowledged_by(&self, host: &str, port: u16) -> Option<ReplOffset> {
        let replicas = &self.replication.replicas;
        let present = replicas.iter().map(|replica| {
            let (ip, port) = self.replica_address(replica);
            (ip, port, replica.acked)
        });
        let departed = replicas.departed().cloned();
        let known: Vec<(String, u16, ReplOffset)> = present.chain(departed).collect();
        let near = || known.iter().filter(|(_, its_port, _)| *its_port == port);
        let acked = |(_, _, acked): &(String, u16, ReplOffset)| *acked;
        let exact = near().filter(|(ip, ..)| ip.eq_ignore_ascii_case(host));
        exact.map(acked).max().or_else(|| near().map(acked).max())
    }

    /// The writes between `shared` and `end`, and where they begin.
    fn lost_writes(
        &self,
        end: Position,
        shared: Option<ReplOffset>,
    ) -> Option<(ReplOffset, Changes)> {
        let max = self.config.demotion_lost_max_bytes;
        let backlog = self
            .stream
            .backlog()
            .filter(|backlog| backlog.end() == end.offset)?;
        // The stream before a promotion was another server's.
        let promoted = self.stream.history().earlier;
        let own = promoted.map_or(0, |(_, end)| end.saturating_sub(1));
        let wanted = shared.unwrap_or(own);
        let from = wanted
            .max(backlog.first())
            .max(end.offset.saturating_sub(max));
        if from >= end.offset {
            return None;
        }
        let begin = from.saturating_sub(LOOK_BACK_MAX).max(backlog.first());
        let mut stretch = Vec::with_capacity((end.offset - begin) as usize);
        backlog
            .read(begin)
            .for_each(|block| stretch.extend_from_slice(block));
        let skipped = align(&stretch);
        stretch.drain(..skipped);
        let begin = begin + skipped as u64;
        // An acknowledged position is between two commands; any other may be inside of one.
        let mut at = from.saturating_sub(begin) as usize;
        if shared != Some(from) {
            at += align(&stretch[at..]);
        }
        let found = changes(&stretch, at, 0);
        (found.commands > 0).then(|| (begin + at as u64, found))
    }
}

fn write_file(name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let path: PathBuf = std::env::current_dir()?.join(name);
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
