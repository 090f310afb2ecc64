//! Migrations as clients see them: CLUSTER MIGRATION STATUS, GETSLOTMIGRATIONS, figures of INFO.

use super::actions::MigrationProtocol;
use super::core::{Job, Migrations};
use super::id::Name;
use super::job::Side;
use russet_resp::Reply;

/// The side of a running migration whose slots SETSLOT and the like must not touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusySide {
    /// This node receives the slot.
    Import,
    /// This node gives the slot away.
    Export,
}

impl Migrations {
    /// All migrations, newest first.
    fn newest_first(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().rev().chain(&self.ended)
    }

    /// `CLUSTER MIGRATION STATUS ID id|ALL`: an array of maps, newest first. A replica shows none
    /// of its primary's.
    pub fn status(&self, id: Option<&[u8]>, reply: &mut Reply) {
        let is_meant = |job: &&Job| {
            id.is_none_or(|id| id == job.head.name.as_bytes())
                && job.talk.state() != "occurring-on-primary"
        };
        let shown: Vec<&Job> = self.newest_first().filter(is_meant).collect();
        reply.array(shown.len());
        for job in shown {
            status_of(job, reply);
        }
    }

    /// `CLUSTER GETSLOTMIGRATIONS`: an array of maps, newest first.
    pub fn slot_migrations(&self, remaining: impl Fn(Name) -> usize, reply: &mut Reply) {
        reply.array(self.jobs.len() + self.ended.len());
        for job in self.newest_first() {
            let left = if job.is_active() && job.head.side == Side::Export {
                remaining(job.head.name)
            } else {
                0
            };
            migration_of(job, left, reply);
        }
    }

    /// `cluster_slot_migration_active_tasks`.
    pub fn active(&self) -> usize {
        self.jobs.len()
    }

    /// Whether a slot, or any slot, is in a migration that runs here.
    pub fn busy(&self, slot: Option<u16>) -> Option<BusySide> {
        let has = |job: &&Job| slot.is_none_or(|slot| job.head.slots.contains(slot));
        let job = self.jobs.iter().find(has)?;
        Some(match job.head.side {
            Side::Import => BusySide::Import,
            Side::Export => BusySide::Export,
        })
    }
}

fn status_of(job: &Job, reply: &mut Reply) {
    let head = &job.head;
    let node = |node: Option<Name>| node.map_or(String::new(), |node| node.to_string());
    let operation = match head.side {
        Side::Import => "import",
        Side::Export => "migrate",
    };
    reply.map(14);
    let mut text = |name: &str, value: &str| {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    };
    text("id", head.name.as_str());
    text("slots", &head.slots.to_string());
    text("source", &node(head.source));
    text("dest", &node(head.target));
    text("operation", operation);
    text("state", job.state(MigrationProtocol::Pull));
    text("last_error", &head.error);
    let mut number = |name: &str, value: i64| {
        reply.bulk(name.as_bytes());
        reply.int(value);
    };
    number("retries", i64::from(head.retries));
    number("create_time", head.created_ms);
    number("start_time", head.started_ms);
    number("end_time", head.ended_ms.unwrap_or(-1));
    number("write_pause_ms", head.paused_ms);
    // Redis 8.12 reports the progress, too; the names of its fields are not known.
    number("snapshot_bytes", head.snapshot_bytes as i64);
    number("stream_bytes", head.stream_bytes as i64);
}

fn migration_of(job: &Job, remaining: usize, reply: &mut Reply) {
    let head = &job.head;
    let operation: &[u8] = match head.side {
        Side::Import => b"IMPORT",
        Side::Export => b"EXPORT",
    };
    let nodes = [("target_node", head.target), ("source_node", head.source)];
    reply.map(10 + nodes.iter().filter(|(_, node)| node.is_some()).count());
    let mut text = |name: &str, value: &[u8]| {
        reply.bulk(name.as_bytes());
        reply.bulk(value);
    };
    text("name", head.name.as_bytes());
    text("operation", operation);
    text("slot_ranges", head.slots.to_string().as_bytes());
    for (name, node) in nodes {
        if let Some(node) = node {
            text(name, node.as_bytes());
        }
    }
    let mut number = |name: &str, value: i64| {
        reply.bulk(name.as_bytes());
        reply.int(value);
    };
    number("create_time", head.created_ms / 1000);
    number("last_update_time", head.updated_ms / 1000);
    number("last_ack_time", head.acked_ms / 1000);
    reply.bulk(b"state");
    reply.bulk(job.state(MigrationProtocol::Push).as_bytes());
    reply.bulk(b"message");
    reply.bulk(head.error.as_bytes());
    let mut number = |name: &str, value: i64| {
        reply.bulk(name.as_bytes());
        reply.int(value);
    };
    // No child is forked, so nothing is copied for a child.
    number("cow_size", 0);
    number("remaining_repl_size", remaining as i64);
}
