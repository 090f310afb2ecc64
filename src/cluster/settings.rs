//! What the configuration says to the core.

use std::net::IpAddr;

use crate::config::Dialect;

/// What clients are told of a node (`cluster-preferred-endpoint-type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Endpoint {
    #[default]
    Ip,
    Hostname,
    Unknown,
}

/// See the module. Times are milliseconds; an empty text is one that is not set, a port of 0 likewise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub dialect: Dialect,
    /// `port`, `tls-port`, and whether the bus and redirects use TLS (`tls-cluster`).
    pub port: u16,
    pub tls_port: u16,
    pub tls_cluster: bool,
    /// Replicas use their primary's TLS port (`tls-replication`).
    pub tls_replication: bool,
    /// `cluster-port`; 0: the port and 10,000.
    pub bus_port: u16,
    pub announce_ip: Vec<u8>,
    pub announce_port: u16,
    pub announce_tls_port: u16,
    pub announce_bus_port: u16,
    pub announce_hostname: Vec<u8>,
    pub announce_human_nodename: Vec<u8>,
    pub announce_client_ipv4: Vec<u8>,
    pub announce_client_ipv6: Vec<u8>,
    pub announce_client_port: u16,
    pub announce_client_tls_port: u16,
    pub availability_zone: Vec<u8>,
    pub endpoint: Endpoint,
    pub node_timeout: i64,
    /// `cluster-ping-interval`.
    pub ping_interval: i64,
    /// `cluster-message-gossip-perc`: of the nodes, in each greeting.
    pub gossip_percent: usize,
    pub blacklist_ttl: i64,
    pub manual_failover_timeout: i64,
    pub replica_validity_factor: i64,
    pub replica_no_failover: bool,
    pub migration_barrier: usize,
    pub allow_replica_migration: bool,
    pub require_full_coverage: bool,
    pub allow_reads_when_down: bool,
    pub allow_pubsubshard_when_down: bool,
    /// `cluster-link-sendbuf-limit`, bytes; 0: none.
    pub link_bytes_max: usize,
    /// `repl-ping-replica-period`, for the age of a replica's data.
    pub repl_ping_period: i64,
    /// `cluster-bus-allow`: networks (address, prefix length) that may use the bus; empty: all.
    pub bus_allow: Vec<(IpAddr, u8)>,
    /// `cluster-meet-secret`: what a MEET or first PING of an unknown node must know.
    pub meet_secret: Vec<u8>,
}
