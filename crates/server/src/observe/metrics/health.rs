//! Readiness of the server: `/readyz`.
//!
//! Any answer shows that the server is alive. The server is not ready from SIGTERM or SHUTDOWN on,
//! while data is being loaded, while a script holds all other clients (they get BUSY), while writes
//! are refused because they could not be persisted, while `min-replicas-to-write` lacks replicas
//! because they do not load their snapshots, while `min-sync-replicas` lacks replicas or their
//! acknowledgements, while its group has no leader (`sync-quorum`), and while this server, as a
//! replica, has lost its primary or has received nothing from it for `ready-max-lag`.
//!
//! A Sentinel is ready while enough Sentinels can be reached for a failover of each primary, and
//! its file can be written. A Sentinel without primaries is ready.

use std::fmt;

use crate::parts::replication::sync_writes::SyncState;
use crate::state::Server;
use russet_base::finding::{Finding, Weight};
use russet_base::text::Printable;
use russet_replication::quorum::{FollowerState, GroupState, LeaderState};
use russet_sentinel::{PrimaryView, Sentinel};

/// The reasons why the server is not ready; empty when it is ready.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Readiness(Vec<Finding>);

impl Readiness {
    /// O(replicas).
    pub fn of(server: &Server) -> Readiness {
        if let Some(driver) = &server.sentinel {
            let mut readiness = Readiness::of_sentinel(&driver.core);
            if server.shutdown.is_under_way() {
                readiness.0.insert(0, fault("shutdown", "shutting down"));
            }
            return readiness;
        }
        let mut why = Vec::new();
        if server.shutdown.is_under_way() {
            why.push(fault("shutdown", "shutting down"));
        }
        if server.persist.loading.in_progress() {
            why.push(fault("loading", "loading"));
        }
        if server.scripting.is_busy() {
            let text =
                "a script runs for longer than busy-reply-threshold, and all clients wait for it";
            why.push(fault("script", text));
        }
        if server.persist.saving.stops_writes(&server.config) {
            let mut text = "the last snapshot failed, writes are refused".to_owned();
            let reason = &server.persist.saving.last_error;
            if !reason.is_empty() {
                text = format!("{text}: {}", Printable(reason.as_bytes()));
            }
            why.push(fault("snapshot", text));
        }
        if let Some(trouble) = server.persist.aof.trouble_text() {
            let text = format!("the append only file takes no writes: {trouble}");
            why.push(fault("append only file", text));
        }
        let upstream = server.replication.upstream.as_ref();
        if upstream.is_some_and(|upstream| !upstream.is_online()) {
            why.push(fault("primary", "the link to the primary is down"));
        }
        if let Some(text) = without_leader(server) {
            why.push(fault("group", text));
        }
        if let Some(text) = failing_replicas(server) {
            why.push(fault("replicas", text));
        }
        if let Some(text) = missing_sync_replicas(server) {
            why.push(fault("sync replicas", text));
        }
        if let Some(upstream) = upstream {
            if upstream.core.refused.is_some() {
                let text = "a snapshot of the primary with far fewer keys is refused";
                why.push(fault("refused sync", text));
            }
            let silent_ms = server.now.mono_ms.saturating_sub(upstream.core.received_ms);
            let max_ms = u64::from(server.config.ready_max_lag) * 1000;
            if max_ms > 0 && upstream.is_online() && silent_ms > max_ms {
                let text = format!(
                    "the primary has been silent for {} s (ready-max-lag)",
                    silent_ms / 1000
                );
                why.push(fault("primary", text));
            }
        }
        Readiness(why)
    }

    /// O(instances).
    fn of_sentinel(core: &Sentinel) -> Readiness {
        let lacks = core.primaries_seen().filter(|seen| !seen.reach.is_enough());
        let lacking = |seen: PrimaryView<'_>| {
            let text = format!("{}: {}", Printable(seen.name), seen.reach.text());
            fault("quorum", text)
        };
        let mut why: Vec<Finding> = lacks.map(lacking).collect();
        if !core.is_saved() {
            let text = "the configuration file cannot be written, no vote is given";
            why.push(fault("disk", text));
        }
        Readiness(why)
    }

    /// The reasons, each with a command that shows more or helps.
    pub fn into_findings(self) -> impl Iterator<Item = Finding> {
        let remedy = |code: &str| match code {
            "snapshot" => "BGSAVE",
            "group" => "QUORUM EXPLAIN",
            "script" => "SCRIPT KILL, or FUNCTION KILL if it is a function",
            "shutdown" | "loading" | "append only file" => "INFO persistence",
            _ => "INFO replication",
        };
        let with_remedy = move |its: Finding| {
            let remedy = remedy(&its.code);
            its.with_remedy(remedy)
        };
        self.0.into_iter().map(with_remedy)
    }

    pub fn is_ready(&self) -> bool {
        self.0.is_empty()
    }
}

fn fault(code: &'static str, text: impl Into<String>) -> Finding {
    Finding::new(Weight::Critical, code, text)
}

/// The replicas that fail to load while `min-replicas-to-write` lacks replicas; `None`: no replicas
/// are lacking.
fn failing_replicas(server: &Server) -> Option<String> {
    let wanted = server.config.min_replicas_to_write;
    let failing = server
        .replication
        .replicas
        .failing
        .repeatedly(server.now.mono_ms);
    let failing: Vec<String> = failing
        .map(|its| format!("{}:{}", its.ip, its.port))
        .collect();
    let lacks = wanted > 0
        && (server
            .replication
            .good_replicas(&server.config, &server.now) as u64)
            < wanted as u64;
    (lacks && !failing.is_empty()).then(|| {
        let names = failing.join(", ");
        format!("replicas load nothing of what they are sent (min-replicas-to-write): {names}")
    })
}

/// The state of a server whose group has no leader that it knows; `None`: it leads or follows.
fn without_leader(server: &Server) -> Option<String> {
    let driver = server.replication.quorum.as_ref()?;
    let status = driver.core.status();
    let is_without = match status.state {
        GroupState::Leader(state) => {
            matches!(state, LeaderState::Recovering | LeaderState::Deposed)
        }
        GroupState::Follower(state) => {
            matches!(state, FollowerState::Sealed(_) | FollowerState::TakingOver)
        }
    };
    is_without.then(|| {
        let why = status
            .obstacle
            .map_or_else(String::new, |why| format!(": {why}"));
        format!("this server's group has no leader ({}){why}", status.state)
    })
}

/// Why writes wait or are refused (`min-sync-replicas`); `None`: they are served.
fn missing_sync_replicas(server: &Server) -> Option<String> {
    let sync = &server.replication.sync_writes;
    let does = match sync.state() {
        SyncState::Off | SyncState::Normal => return None,
        SyncState::Forming => "wait",
        SyncState::Lost => "are refused",
    };
    let (good, needed) = (server.replication.replicas.sync_replicas(), sync.needed());
    Some(format!(
        "writes {does}: {good} of {needed} sync replicas are connected, {} bytes are not \
         acknowledged (min-sync-replicas)",
        sync.unsafe_bytes()
    ))
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_ready() {
            return f.write_str("ok\n");
        }
        self.0
            .iter()
            .try_for_each(|why| writeln!(f, "{}", why.text))
    }
}
