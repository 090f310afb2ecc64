//! The flags of nodes and of messages.

use bitflags::bitflags;

bitflags! {
    /// The flags of a node in headers, gossip and nodes.conf. Bits that are not listed are ignored.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct NodeFlags: u16 {
        /// `master`: serves slots, or may.
        const PRIMARY = 1;
        /// `slave`: follows a primary.
        const REPLICA = 1 << 1;
        /// Does not answer us.
        const PFAIL = 1 << 2;
        /// The majority has agreed that it is down.
        const FAIL = 1 << 3;
        /// `myself`: the node that writes nodes.conf, or sends the header.
        const MYSELF = 1 << 4;
        /// The id is not known yet.
        const HANDSHAKE = 1 << 5;
        /// The address is not known.
        const NO_ADDRESS = 1 << 6;
        /// It is to be sent a MEET.
        const MEET = 1 << 7;
        /// A primary that has or had replicas: an orphan may get a replica.
        const MIGRATE_TO = 1 << 8;
        /// A replica that begins no election.
        const NO_FAILOVER = 1 << 9;
        /// Reads extensions. In gossip; Valkey's headers, too.
        const EXTENSIONS = 1 << 10;
        /// Valkey: reads light publications.
        const LIGHT_PUBLISH = 1 << 11;
        /// Valkey: reads light module messages, and a MEET from a node that it knows.
        const LIGHT_MODULE = 1 << 12;
        /// Valkey: a replica whose primary has failed as it sees it.
        const PRIMARY_FAILED = 1 << 13;
    }
}

impl NodeFlags {
    /// The flags that each of Valkey's headers has, and none of Redis's.
    pub const VALKEY: NodeFlags = NodeFlags::EXTENSIONS
        .union(NodeFlags::LIGHT_PUBLISH)
        .union(NodeFlags::LIGHT_MODULE);
}

bitflags! {
    /// The marks of a message.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Marks: u8 {
        /// The sender has paused its clients for a manual failover: the offset will not change.
        const PAUSED = 1;
        /// Vote even if the primary is not down.
        const FORCE_ACK = 1 << 1;
        /// The sender reads extensions; without it the message has none.
        const EXTENSIONS = 1 << 2;
    }
}
