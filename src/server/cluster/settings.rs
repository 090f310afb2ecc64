//! The core's settings out of the configuration.

use crate::cluster::{Endpoint, Settings};
use crate::config::{Config, EndpointType};

/// What the configuration says to the core; Valkey's directives have no effect in Redis's dialect, where
/// they keep their defaults.
pub(in crate::server) fn core_settings(config: &Config) -> Settings {
    Settings {
        dialect: config.dialect,
        port: config.port,
        tls_port: config.tls_port,
        tls_cluster: config.tls_cluster,
        tls_replication: config.tls_replication,
        bus_port: bus_port(config),
        announce_ip: config.cluster_announce_ip.to_vec(),
        announce_port: config.cluster_announce_port,
        announce_tls_port: config.cluster_announce_tls_port,
        announce_bus_port: config.cluster_announce_bus_port,
        announce_hostname: config.cluster_announce_hostname.to_vec(),
        announce_human_nodename: config.cluster_announce_human_nodename.to_vec(),
        announce_client_ipv4: config.cluster_announce_client_ipv4.to_vec(),
        announce_client_ipv6: config.cluster_announce_client_ipv6.to_vec(),
        announce_client_port: config.cluster_announce_client_port,
        announce_client_tls_port: config.cluster_announce_client_tls_port,
        availability_zone: config.availability_zone.to_vec(),
        endpoint: match config.cluster_preferred_endpoint_type {
            EndpointType::Ip => Endpoint::Ip,
            EndpointType::Hostname => Endpoint::Hostname,
            EndpointType::Unknown => Endpoint::Unknown,
        },
        node_timeout: whole(config.cluster_node_timeout),
        ping_interval: whole(config.cluster_ping_interval),
        gossip_percent: config.cluster_message_gossip_perc as usize,
        blacklist_ttl: config.cluster_blacklist_ttl,
        manual_failover_timeout: i64::from(config.cluster_manual_failover_timeout),
        replica_validity_factor: i64::from(config.cluster_replica_validity_factor),
        replica_no_failover: config.cluster_replica_no_failover,
        migration_barrier: config.cluster_migration_barrier as usize,
        allow_replica_migration: config.cluster_allow_replica_migration,
        require_full_coverage: config.cluster_require_full_coverage,
        allow_reads_when_down: config.cluster_allow_reads_when_down,
        allow_pubsubshard_when_down: config.cluster_allow_pubsubshard_when_down,
        link_bytes_max: config.cluster_link_sendbuf_limit as usize,
        repl_ping_period: i64::from(config.repl_ping_replica_period) * 1000,
        bus_allow: {
            let networks = config.cluster_bus_allow.0.iter();
            networks
                .map(|network| (network.addr(), network.prefix_len()))
                .collect()
        },
        meet_secret: config.cluster_meet_secret.to_vec(),
    }
}

/// A number of milliseconds that the table has bounded by an `i64`.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What `cluster-port` adds to the client port, if it is not set.
const BUS_PORT_OFFSET: u16 = 10_000;

/// The port of the bus; 0: there is none.
pub(super) fn bus_port(config: &Config) -> u16 {
    match config.cluster_port {
        0 => main_port(config).checked_add(BUS_PORT_OFFSET).unwrap_or(0),
        port => port,
    }
}

/// The client port that the bus announces as the first one.
pub(super) fn main_port(config: &Config) -> u16 {
    match config.tls_cluster || config.port == 0 {
        true => config.tls_port,
        false => config.port,
    }
}
