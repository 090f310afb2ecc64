//! Cuts the bytes of a link into messages.
//!
//!     16 bytes, checked: signature, length, kind -> the rest of the message -> a whole message
//!            |
//!            +--> a fault: the link is closed, or the bytes of this message are skipped
//!
//! Invariants
//!   1. Only 16 bytes are stored before the length has been checked: against the kind, and against
//!      how far the link has shown which node it is (`SenderStatus`).
//!   2. No more is allocated than twice the bytes that have come, or `PART_BYTES_MIN`.
//!   3. Nothing of a message that is dropped is stored.
//!
//! Cost: O(bytes); a link holds at most one incomplete message.
//!
//! Elsewhere: the content (`parse`), the sum over all links (`strangers`).

use super::fault::Fault;
use super::header::{Header, Kind};
use super::id::NodeId;
use super::{
    GOSSIP_BYTES, LIGHT_BIT, LIGHT_BYTES, MODULE_BYTES, PUBLISH_LENGTHS, SIGNATURE, UPDATE_BYTES,
    VERSION,
};

/// Facts about the other end of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// How far it is known; the bytes allowed in a message grow with it.
    pub standing: SenderStatus,
    /// A header of it had [`NodeFlags::LIGHT_PUBLISH`](super::NodeFlags::LIGHT_PUBLISH).
    pub is_light: bool,
}

/// How far the other end has shown which node it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SenderStatus {
    /// No known node has greeted by the link.
    #[default]
    Stranger,
    /// It has greeted with the id of a known node, as anyone can who has seen CLUSTER NODES.
    Claimed,
    /// The node has answered at the other end's address, or the door of the bus has let it in.
    Proven,
}

impl SenderStatus {
    /// The longest message.
    fn bytes_max(self) -> usize {
        match self {
            SenderStatus::Stranger => STRANGER_BYTES_MAX,
            SenderStatus::Claimed => CLAIMED_BYTES_MAX,
            SenderStatus::Proven => usize::MAX,
        }
    }
}

/// The longest message of a node that is not known: a greeting of a large cluster.
const STRANGER_BYTES_MAX: usize = 128 << 10;
/// The longest message of a link that claims to be a known node's: most publications of nodes whose
/// address others do not see (NAT).
const CLAIMED_BYTES_MAX: usize = 1 << 20;
/// Extensions: some thousands of forgotten nodes.
const EXTENSIONS_BYTES_MAX: usize = 1 << 20;
/// The longest publication: channel and message of the longest argument each.
const PUBLISH_BYTES_MAX: usize = 1 << 30;
/// The least that is allocated for a message that is longer.
const PART_BYTES_MIN: usize = 4096;

/// Bytes of a message that has not come completely.
#[derive(Debug, Default)]
pub struct Framer {
    part: Vec<u8>,
    /// The message's length, once its first bytes have been checked; else 0.
    total: usize,
    /// Bytes still to come of a message that is dropped.
    skip: usize,
}

impl Framer {
    /// Takes bytes from the front of `input` until it has a whole message, which [`Message::parse`]
    /// reads. `None`: all of the input is taken, and more is needed. After a fault that does not
    /// close the link the next call continues after its message, of which nothing is stored.
    ///
    /// [`Message::parse`]: super::Message::parse
    pub fn next(&mut self, input: &mut &[u8], peer: Peer) -> Result<Option<Vec<u8>>, Fault> {
        let skipped = self.skip.min(input.len());
        *input = &input[skipped..];
        self.skip -= skipped;
        if self.total == 0 {
            self.take(input, LIGHT_BYTES);
            let Some(start) = self.part.first_chunk() else {
                return Ok(None);
            };
            let checked = length(start, peer);
            match checked {
                Ok(total) => self.total = total,
                Err(fault) => {
                    let total = u32::from_be_bytes([start[4], start[5], start[6], start[7]]);
                    self.skip = (total as usize).saturating_sub(LIGHT_BYTES);
                    self.part = Vec::new();
                    return Err(fault);
                }
            }
        }
        self.take(input, self.total);
        if self.part.len() < self.total {
            return Ok(None);
        }
        self.total = 0;
        Ok(Some(std::mem::take(&mut self.part)))
    }

    /// Fills `part` to this length, as far as the input goes. `part` grows with the received bytes,
    /// not to the announced length.
    fn take(&mut self, input: &mut &[u8], len: usize) {
        let missing = len.saturating_sub(self.part.len()).min(input.len());
        let (taken, rest) = input.split_at(missing);
        if self.part.capacity() - self.part.len() < missing {
            let doubled = (self.part.len() + missing) * 2;
            let capacity = doubled.max(PART_BYTES_MIN).min(len);
            self.part.reserve_exact(capacity - self.part.len());
        }
        self.part.extend_from_slice(taken);
        *input = rest;
    }

    /// Bytes allocated.
    pub fn bytes(&self) -> usize {
        self.part.capacity()
    }
}

/// The length of the message that begins so, if it may be that long.
fn length(start: &[u8; LIGHT_BYTES], peer: Peer) -> Result<usize, Fault> {
    let u16_at = |at: usize| u16::from_be_bytes([start[at], start[at + 1]]);
    if start[..4] != *SIGNATURE {
        return Err(Fault::Signature);
    }
    let bytes = u32::from_be_bytes([start[4], start[5], start[6], start[7]]);
    let (total, number, gossip) = (bytes as usize, u16_at(12), usize::from(u16_at(14)));
    let is_light = number & LIGHT_BIT != 0;
    if is_light && !peer.is_light {
        return Err(Fault::Light);
    }
    let header = if is_light { LIGHT_BYTES } else { Header::BYTES };
    let Some(body) = total.checked_sub(header) else {
        return Err(Fault::Short(bytes));
    };
    // In another version the other fields may have other places.
    let version = u16_at(8);
    if version != VERSION {
        return Err(Fault::Version(version));
    }
    let kind = Kind::from_wire(number & !LIGHT_BIT).ok_or(Fault::Kind(number))?;
    if is_light && !kind.may_be_light() {
        return Err(Fault::Kind(number));
    }
    let (body_min, body_max) = match kind {
        Kind::Ping | Kind::Pong | Kind::Meet => {
            let entries = gossip * GOSSIP_BYTES;
            (entries, entries + EXTENSIONS_BYTES_MAX)
        }
        Kind::Fail => (NodeId::LEN, NodeId::LEN),
        Kind::Update => (UPDATE_BYTES, UPDATE_BYTES),
        Kind::AuthRequest | Kind::AuthAck | Kind::MfStart => (0, 0),
        Kind::Publish | Kind::PublishShard => (PUBLISH_LENGTHS, PUBLISH_BYTES_MAX),
        Kind::Module => (MODULE_BYTES, PUBLISH_BYTES_MAX),
    };
    let is_long = body > body_max && body_min < body_max;
    if is_long || total > peer.standing.bytes_max() {
        return Err(Fault::Long { kind, bytes });
    }
    if (body_min..=body_max).contains(&body) {
        Ok(total)
    } else {
        Err(Fault::Length { kind, bytes })
    }
}
