//! The figures of CLIENT LIST and INFO that two servers must agree on.
//!
//! Measured figures (time, memory, addresses, numbers of connections), and the counts of commands
//! that the player itself sends, are excluded.

use std::collections::BTreeMap;

/// Fields of CLIENT LIST.
const OF_CLIENT: &[&str] = &[
    "name", "flags", "db", "sub", "psub", "ssub", "multi", "watch", "cmd", "user", "redir", "resp",
    "lib-name",
];

/// Fields of INFO, beside the sections `commandstats`, `errorstats` and `keyspace`.
const OF_INFO: &[&str] = &[
    "connected_clients",
    "blocked_clients",
    "tracking_clients",
    "pubsub_clients",
    "watching_clients",
    "total_watched_keys",
    "total_blocking_keys",
    "total_blocking_keys_on_nokey",
    "clients_in_timeout_table",
    "expired_keys",
    "expired_subkeys",
    "evicted_keys",
    "evicted_clients",
    "evicted_scripts",
    "keyspace_hits",
    "keyspace_misses",
    "pubsub_channels",
    "pubsub_patterns",
    "pubsubshard_channels",
    "tracking_total_keys",
    "tracking_total_items",
    "unexpected_error_replies",
    "total_error_replies",
    "acl_access_denied_auth",
    "maxmemory",
    "maxmemory_policy",
];

/// Commands that the player itself sends.
const ASKED: &[&str] = &["ping", "info", "client|list", "client|id"];

/// `client 2 flags` -> `b`, for the connections with these ids.
pub fn of_clients(list: &str, ids: &[i64]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for line in list.lines() {
        let fields: BTreeMap<&str, &str> = line
            .split(' ')
            .filter_map(|field| field.split_once('='))
            .collect();
        let id = fields.get("id").and_then(|id| id.parse().ok());
        let Some(client) = ids.iter().position(|known| Some(*known) == id) else {
            continue;
        };
        for name in OF_CLIENT {
            if let Some(value) = fields.get(name) {
                found.insert(format!("client {client} {name}"), value.to_string());
            }
        }
    }
    found
}

/// `blocked_clients` -> `1`, `calls of get` -> `3`, `errors WRONGTYPE` -> `1`.
pub fn of_info(info: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, value) in info.lines().filter_map(|line| line.split_once(':')) {
        if OF_INFO.contains(&name) {
            found.insert(name.to_string(), value.to_string());
        } else if let Some(error) = name.strip_prefix("errorstat_") {
            found.insert(format!("errors {error}"), value.to_string());
        } else if let Some(command) = name.strip_prefix("cmdstat_") {
            if !ASKED.contains(&command) {
                for part in ["calls", "rejected_calls", "failed_calls"] {
                    found.insert(format!("{part} of {command}"), part_of(value, part));
                }
            }
        } else if name.starts_with("db") {
            for part in ["keys", "expires"] {
                found.insert(format!("{part} of {name}"), part_of(value, part));
            }
        }
    }
    found
}

/// `part_of("calls=3,usec=1", "calls")` is `3`.
fn part_of(value: &str, part: &str) -> String {
    value
        .split(',')
        .filter_map(|field| field.split_once('='))
        .find(|(name, _)| *name == part)
        .map(|(_, value)| value.to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_client_list_become_figures_by_connection() {
        let list = "id=7 addr=x flags=b db=1 watch=2\nid=9 addr=y flags=N db=0 watch=0\n";
        let found = of_clients(list, &[9, 7]);
        assert_eq!(found["client 1 flags"], "b");
        assert_eq!(found["client 0 flags"], "N");
        assert_eq!(found["client 1 watch"], "2");
        assert_eq!(found.len(), 6);
    }

    #[test]
    fn sections_of_info_become_figures() {
        let info = "# Clients\r\nblocked_clients:2\r\nuptime_in_seconds:5\r\n\
            cmdstat_get:calls=3,usec=9,usec_per_call=3.00,rejected_calls=1,failed_calls=0\r\n\
            cmdstat_ping:calls=3,usec=9\r\nerrorstat_ERR:count=4\r\ndb0:keys=1,expires=0\r\n";
        let found = of_info(info);
        assert_eq!(found["blocked_clients"], "2");
        assert_eq!(found["calls of get"], "3");
        assert_eq!(found["rejected_calls of get"], "1");
        assert_eq!(found["errors ERR"], "count=4");
        assert_eq!(found["keys of db0"], "1");
        assert_eq!(found.len(), 7);
    }
}
