//! Messages of the cluster bus: their bytes, and every check on them.
//!
//!     header, 2256 bytes, big-endian:
//!        0 "RCmb"            16 current epoch u64  2128 primary's id, or 0s  2250 flags u16
//!        4 total length u32  24 config epoch u64   2168 own ip [46]          2252 1: state is fail
//!        8 version u16 = 1   32 offset u64         2214 extensions u16       2253 marks, 0, 0
//!       10 port u16          40 sender's id        2216 0 [30]
//!       12 kind u16          80 slots [2048]       2246 other port u16
//!       14 gossip count u16                        2248 bus port u16
//!
//!     light header (Valkey), 16 bytes: as the first 16, kind | 0x8000, port and count 0;
//!     of publications and module messages only, on links that have shown what their sender is.
//!
//!     body of PING, PONG, MEET: gossip entries, 104 bytes each, then extensions
//!             FAIL: id                 UPDATE: epoch u64, id, slots [2048]
//!             PUBLISH, PUBLISHSHARD: length u32, length u32, channel, message
//!             MODULE: id u64, length u32, kind u8, payload        others: none
//!
//! A link's bytes go through its [`Framer`], which cuts them into messages; [`Message::parse`]
//! reads a message, [`Message::encode`] writes it. A message that was read has passed all checks
//! that need no knowledge of the cluster: lengths add up, ids are ids, texts end where they must
//! and hold nothing that nodes.conf cannot hold. A message with one wrong gossip entry is dropped
//! as a whole.
//!
//! Two kinds of faults ([`Fault::closes_link`]): faults after which the next message cannot be
//! found, or which no node commits, close the link; all others drop the message.
//!
//! Cost: a link holds no more than the bytes of a message that it has received; parsing allocates
//! the lists of gossip entries (at most 65,535, each 104 bytes received) and of forgotten nodes,
//! and nothing else.

mod encode;
mod extensions;
mod fault;
mod flags;
mod framer;
mod gossip;
mod header;
mod id;
mod ip;
mod parse;
mod proof;
mod slots;
#[cfg(test)]
mod tests;

pub use extensions::Vendor;

pub(crate) use extensions::{Extensions, is_plain_text};
pub(crate) use flags::Marks;
pub use flags::NodeFlags;
pub use framer::{Framer, Peer, SenderStatus};
pub(crate) use gossip::Gossip;
pub use header::{Header, Kind};
pub use id::NodeId;
pub use ip::Ip;
pub use proof::Proof;
pub use slots::{SLOTS, SlotMap, Slots};

const SIGNATURE: &[u8; 4] = b"RCmb";
const VERSION: u16 = 1;
/// In the kind of a light message.
const LIGHT_BIT: u16 = 0x8000;
/// The length of a light header.
const LIGHT_BYTES: usize = 16;
/// The length of a gossip entry.
const GOSSIP_BYTES: usize = 104;
/// The length of the channel's and the message's lengths.
const PUBLISH_LENGTHS: usize = 8;
/// The length of the fields before a module's payload.
const MODULE_BYTES: usize = 13;
/// The length of an update.
const UPDATE_BYTES: usize = 8 + NodeId::LEN + Slots::BYTES;

/// A message that has passed all checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'m> {
    /// The purpose, which decides on the body.
    pub kind: Kind,
    /// `None`: a light message; its sender is the node at the other end of the link.
    pub header: Option<Header<'m>>,
    /// The content after the header.
    pub body: Body<'m>,
}

/// The content of a message, beside its header.
// Most messages are greetings, and none is kept: a box would be a further allocation for each.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'m> {
    /// Of PING, PONG and MEET.
    Greeting {
        /// Nodes that the sender knows, with its opinions of them.
        gossip: Vec<Gossip>,
        /// Names, addresses and forgotten nodes, after the gossip.
        extensions: Extensions<'m>,
    },
    /// The node that has failed.
    Fail(NodeId),
    /// Of PUBLISH and PUBLISHSHARD.
    Publish {
        /// The channel's name.
        channel: &'m [u8],
        /// The published text.
        message: &'m [u8],
    },
    /// A node's slots, and the config epoch with which it claims them.
    Update {
        /// The config epoch of the claim.
        epoch: u64,
        /// The node that serves the slots.
        node: NodeId,
        /// All slots that it serves.
        slots: Slots<'m>,
    },
    /// A message between modules; between russet's nodes a message of [`super::bus`]'s questions.
    Module {
        /// The module's own number.
        module: u64,
        /// A number of the module's.
        kind: u8,
        /// The content.
        payload: &'m [u8],
    },
    /// AUTH_REQUEST, AUTH_ACK, MFSTART.
    Nothing,
}
