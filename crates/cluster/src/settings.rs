//! The core's settings, taken from the configuration: addresses to announce, times, rules of
//! failover and of serving. The core reads no directive itself.

use std::net::IpAddr;

use russet_base::Millis;
use russet_config::{Config, Dialect, EndpointType};

/// The host in redirects and replies (`cluster-preferred-endpoint-type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Endpoint {
    #[default]
    Ip,
    Hostname,
    Unknown,
}

/// See the module. Empty texts and ports of 0 are not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Redis or Valkey, where the two differ.
    pub dialect: Dialect,
    /// `port`; 0: no clients without TLS.
    pub port: u16,
    /// `tls-port`; 0: no clients with TLS.
    pub tls_port: u16,
    /// `tls-cluster`: the bus and redirects use TLS.
    pub tls_cluster: bool,
    /// Replicas use their primary's TLS port (`tls-replication`).
    pub tls_replication: bool,
    /// `cluster-port`; 0: the port and 10,000.
    pub bus_port: u16,
    /// `cluster-announce-ip`: the address that other nodes take as this node's.
    pub announce_ip: Vec<u8>,
    /// `cluster-announce-port`.
    pub announce_port: u16,
    /// `cluster-announce-tls-port`.
    pub announce_tls_port: u16,
    /// `cluster-announce-bus-port`.
    pub announce_bus_port: u16,
    /// `cluster-announce-hostname`.
    pub announce_hostname: Vec<u8>,
    /// `cluster-announce-human-nodename`, for logs.
    pub announce_human_nodename: Vec<u8>,
    /// `cluster-announce-client-ipv4`.
    pub announce_client_ipv4: Vec<u8>,
    /// `cluster-announce-client-ipv6`.
    pub announce_client_ipv6: Vec<u8>,
    /// `cluster-announce-client-port`.
    pub announce_client_port: u16,
    /// `cluster-announce-client-tls-port`.
    pub announce_client_tls_port: u16,
    /// `availability-zone`.
    pub availability_zone: Vec<u8>,
    /// `cluster-preferred-endpoint-type`: the form of addresses in replies.
    pub endpoint: Endpoint,
    /// `cluster-node-timeout`: silence after which a node is seen failing.
    pub node_timeout: Millis,
    /// `cluster-ping-interval`.
    pub ping_interval: Millis,
    /// `cluster-message-gossip-perc`: of the nodes, in each greeting.
    pub gossip_percent: usize,
    /// `cluster-blacklist-ttl`: the time for which CLUSTER FORGET keeps a node away.
    pub blacklist_ttl: Millis,
    /// `cluster-manual-failover-timeout`.
    pub manual_failover_timeout: Millis,
    /// `cluster-replica-validity-factor`; 0: a replica's data is never too old.
    pub replica_validity_factor: i64,
    /// `cluster-replica-no-failover`.
    pub replica_no_failover: bool,
    /// `cluster-migration-barrier`: replicas that a primary keeps when one moves away.
    pub migration_barrier: usize,
    /// `cluster-allow-replica-migration`.
    pub allow_replica_migration: bool,
    /// `cluster-require-full-coverage`: a slot without a node takes the whole cluster down.
    pub require_full_coverage: bool,
    /// `cluster-allow-reads-when-down`.
    pub allow_reads_when_down: bool,
    /// `cluster-allow-pubsubshard-when-down`.
    pub allow_pubsubshard_when_down: bool,
    /// `cluster-link-sendbuf-limit`, bytes; 0: none.
    pub link_bytes_max: usize,
    /// Links of nodes that are not known, at a time; 0: 128.
    pub strange_links_max: usize,
    /// `repl-ping-replica-period`, for the age of a replica's data.
    pub repl_ping_period: Millis,
    /// `cluster-bus-allow`: networks (address, prefix length) that may use the bus; empty: all.
    pub bus_allow: Vec<(IpAddr, u8)>,
    /// `cluster-meet-secret`: the secret that a MEET or first PING of an unknown node must prove.
    pub meet_secret: Vec<u8>,
}

impl Settings {
    /// Takes the configuration; Valkey's directives have no effect in Redis's dialect, where they
    /// keep their defaults.
    pub fn of(config: &Config) -> Settings {
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
            node_timeout: Millis::of_ms(config.cluster_node_timeout),
            ping_interval: Millis::of_ms(config.cluster_ping_interval),
            gossip_percent: config.cluster_message_gossip_perc as usize,
            blacklist_ttl: Millis::of_s(config.cluster_blacklist_ttl.max(0) as u64),
            manual_failover_timeout: Millis::of_ms(u64::from(
                config.cluster_manual_failover_timeout,
            )),
            replica_validity_factor: i64::from(config.cluster_replica_validity_factor),
            replica_no_failover: config.cluster_replica_no_failover,
            migration_barrier: config.cluster_migration_barrier as usize,
            allow_replica_migration: config.cluster_allow_replica_migration,
            require_full_coverage: config.cluster_require_full_coverage,
            allow_reads_when_down: config.cluster_allow_reads_when_down,
            allow_pubsubshard_when_down: config.cluster_allow_pubsubshard_when_down,
            link_bytes_max: config.cluster_link_sendbuf_limit as usize,
            strange_links_max: 0,
            repl_ping_period: Millis::of_s(u64::from(config.repl_ping_replica_period)),
            bus_allow: {
                let networks = config.cluster_bus_allow.0.iter();
                networks
                    .map(|network| (network.addr(), network.prefix_len()))
                    .collect()
            },
            meet_secret: config.cluster_meet_secret.to_vec(),
        }
    }
}

/// The bus port minus the client port, if `cluster-port` is not set.
const BUS_PORT_OFFSET: u16 = 10_000;

/// The port of the bus; 0: there is none.
pub fn bus_port(config: &Config) -> u16 {
    match config.cluster_port {
        0 => main_port(config).checked_add(BUS_PORT_OFFSET).unwrap_or(0),
        port => port,
    }
}

/// The client port that the bus announces as the first port.
pub fn main_port(config: &Config) -> u16 {
    if config.tls_cluster || config.port == 0 {
        config.tls_port
    } else {
        config.port
    }
}
