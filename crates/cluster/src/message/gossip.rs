//! An entry of a greeting's gossip: another node, as the sender sees it.
//!
//!     0 id | 40 ping sent u32 s | 44 pong received u32 s | 48 ip [46] | 94 port | 96 bus port |
//!     98 flags | 100 other port | 102 0, 0

use super::flags::NodeFlags;
use super::id::NodeId;
use super::ip::Ip;

/// An entry. Times are seconds of the sender's wall clock, 0: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gossip {
    pub node: NodeId,
    pub(crate) ping_sent_s: u32,
    pub(crate) pong_received_s: u32,
    pub ip: Ip,
    /// The port that the cluster's clients use: TLS's with `tls-cluster`.
    pub port: u16,
    /// The other client port, or 0.
    pub(crate) other_port: u16,
    pub bus_port: u16,
    pub flags: NodeFlags,
}
