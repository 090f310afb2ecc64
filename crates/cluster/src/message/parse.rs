//! Reads a message.
//!
//! Invariants
//!   1. Any bytes may be given: nothing relies on the framer's checks.
//!   2. A message is taken as a whole or not at all: its fields end with its last byte.
//!   3. Slots and texts are borrowed from the bytes, not copied.
//!
//! Cost: O(bytes); the lists of gossip entries and of forgotten nodes are allocated.
//!
//! Elsewhere: where a message ends (`framer`), its fields and limits (`message`), whether its
//! sender may speak (`receive`).

use super::extensions::Extensions;
use super::fault::{Fault, RejectedMessage};
use super::flags::{Marks, NodeFlags};
use super::gossip::Gossip;
use super::header::{Header, Kind};
use super::id::NodeId;
use super::ip::Ip;
use super::slots::Slots;
use super::{Body, GOSSIP_BYTES, LIGHT_BIT, LIGHT_BYTES, MODULE_BYTES, Message, VERSION};

/// The rest of a message; each read fails at its end.
pub(super) struct Reader<'m>(pub &'m [u8]);

impl<'m> Reader<'m> {
    pub fn array<const N: usize>(&mut self) -> Option<&'m [u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(taken)
    }

    pub fn bytes(&mut self, len: usize) -> Option<&'m [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(|bytes: &[u8; 1]| bytes[0])
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(|bytes| u16::from_be_bytes(*bytes))
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(|bytes| u32::from_be_bytes(*bytes))
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(|bytes| u64::from_be_bytes(*bytes))
    }

    fn id(&mut self) -> Option<[u8; NodeId::LEN]> {
        self.array().copied()
    }
}

/// The fields of the start of any message that its header does not keep.
struct Start {
    bytes: u32,
    version: u16,
    number: u16,
    gossip: u16,
}

impl<'m> Message<'m> {
    /// The kind that a whole message claims to be, for counts and filters. `None`: an unknown kind.
    pub(crate) fn kind_of(bytes: &[u8]) -> Option<Kind> {
        let number = bytes.get(12..14)?;
        let number = u16::from_be_bytes(number.try_into().ok()?);
        Kind::from_wire(number & !LIGHT_BIT)
    }

    /// Reads what [`Framer::next`](super::Framer::next) has returned. It makes no use of the
    /// framer's checks: any bytes may be given.
    pub fn parse(bytes: &'m [u8]) -> Result<Message<'m>, RejectedMessage> {
        let mut sender = None;
        parse(bytes, &mut sender).map_err(|fault| RejectedMessage { sender, fault })
    }
}

/// `sender`: the id in the header, as soon as it is known.
fn parse<'m>(bytes: &'m [u8], sender: &mut Option<NodeId>) -> Result<Message<'m>, Fault> {
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut rest = Reader(bytes);
    let (start, port) = start(&mut rest).ok_or(Fault::Short(len))??;
    if bytes.len() != start.bytes as usize {
        return Err(Fault::Short(start.bytes));
    }
    if start.version != VERSION {
        return Err(Fault::Version(start.version));
    }
    let is_light = start.number & LIGHT_BIT != 0;
    let kind = Kind::from_wire(start.number & !LIGHT_BIT).ok_or(Fault::Kind(start.number))?;
    if is_light && !kind.may_be_light() {
        return Err(Fault::Kind(start.number));
    }
    let (header, extensions) = if is_light {
        (None, 0)
    } else {
        let fields = fields(&mut rest, port).ok_or(Fault::Short(len))?;
        *sender = NodeId::parse(&fields.sender);
        let extensions = fields.extensions;
        let header = fields.header()?;
        let has_any = header.marks.contains(Marks::EXTENSIONS);
        (Some(header), if has_any { extensions } else { 0 })
    };
    let length = Fault::Length { kind, bytes: len };
    let body = match kind {
        Kind::Ping | Kind::Pong | Kind::Meet => {
            let entries = usize::from(start.gossip) * GOSSIP_BYTES;
            let entries = rest.bytes(entries).ok_or(length)?;
            Body::Greeting {
                gossip: gossip(entries)?,
                extensions: Extensions::read(&mut rest, extensions)?,
            }
        }
        Kind::Fail => {
            let id = rest.id().ok_or(length)?;
            Body::Fail(NodeId::parse(&id).ok_or(Fault::Id(kind))?)
        }
        Kind::Publish | Kind::PublishShard => publish(&mut rest).ok_or(length)?,
        Kind::AuthRequest | Kind::AuthAck | Kind::MfStart => Body::Nothing,
        Kind::Update => {
            let epoch = rest.u64().ok_or(length)?;
            let id = rest.id().ok_or(length)?;
            let slots = rest.array().ok_or(length)?;
            Body::Update {
                epoch,
                node: NodeId::parse(&id).ok_or(Fault::Id(kind))?,
                slots: Slots::new(slots),
            }
        }
        Kind::Module => module(&mut rest).ok_or(length)?,
    };
    if rest.0.is_empty() {
        Ok(Message { kind, header, body })
    } else {
        Err(length)
    }
}

/// The first 16 bytes, and the port among them.
fn start(rest: &mut Reader<'_>) -> Option<Result<(Start, u16), Fault>> {
    let mut first = Reader(rest.bytes(LIGHT_BYTES)?);
    if first.bytes(super::SIGNATURE.len())? != super::SIGNATURE {
        return Some(Err(Fault::Signature));
    }
    let (bytes, version, port) = (first.u32()?, first.u16()?, first.u16()?);
    let start = Start {
        bytes,
        version,
        number: first.u16()?,
        gossip: first.u16()?,
    };
    Some(Ok((start, port)))
}

/// The fields of a header after the start, in their order.
struct Fields<'m> {
    current_epoch: u64,
    config_epoch: u64,
    offset: u64,
    sender: [u8; NodeId::LEN],
    slots: Slots<'m>,
    primary: [u8; NodeId::LEN],
    ip: &'m [u8; Ip::FIELD],
    extensions: u16,
    other_port: u16,
    bus_port: u16,
    flags: u16,
    state: u8,
    marks: u8,
    port: u16,
}

fn fields<'m>(rest: &mut Reader<'m>, port: u16) -> Option<Fields<'m>> {
    let (current_epoch, config_epoch, offset) = (rest.u64()?, rest.u64()?, rest.u64()?);
    let (sender, slots, primary) = (rest.id()?, Slots::new(rest.array()?), rest.id()?);
    let (ip, extensions) = (rest.array()?, rest.u16()?);
    rest.bytes(Header::PAD)?;
    let (other_port, bus_port, flags) = (rest.u16()?, rest.u16()?, rest.u16()?);
    let (state, marks) = (rest.u8()?, rest.u8()?);
    rest.bytes(2)?;
    Some(Fields {
        current_epoch,
        config_epoch,
        offset,
        sender,
        slots,
        primary,
        ip,
        extensions,
        other_port,
        bus_port,
        flags,
        state,
        marks,
        port,
    })
}

impl<'m> Fields<'m> {
    fn header(self) -> Result<Header<'m>, Fault> {
        let sender = NodeId::parse(&self.sender).ok_or(Fault::Header("sender"))?;
        let primary = match self.primary {
            [0, ..] if self.primary == [0; NodeId::LEN] => None,
            id => Some(NodeId::parse(&id).ok_or(Fault::Header("primary"))?),
        };
        Ok(Header {
            sender,
            current_epoch: self.current_epoch,
            config_epoch: self.config_epoch,
            offset: self.offset,
            slots: self.slots,
            primary,
            ip: Ip::from_field(self.ip).ok_or(Fault::Header("address"))?,
            port: self.port,
            other_port: self.other_port,
            bus_port: self.bus_port,
            flags: NodeFlags::from_bits_truncate(self.flags),
            is_ok: self.state == 0,
            marks: Marks::from_bits_truncate(self.marks),
        })
    }
}

/// All entries, or the fault of the first wrong entry.
fn gossip(entries: &[u8]) -> Result<Vec<Gossip>, Fault> {
    let (entries, _) = entries.as_chunks::<GOSSIP_BYTES>();
    let numbered = (0..).zip(entries);
    let read = numbered.map(|(at, entry)| {
        let wrong = |what| Fault::Gossip { at, what };
        let mut rest = Reader(entry);
        // The entry has all its fields: only their content can be wrong.
        let mut read = || {
            let node = NodeId::parse(&rest.id()?).ok_or(wrong("id"));
            let (ping_sent_s, pong_received_s) = (rest.u32()?, rest.u32()?);
            let ip = Ip::from_field(rest.array()?).ok_or(wrong("address"));
            let (port, bus_port, flags) = (rest.u16()?, rest.u16()?, rest.u16()?);
            let other_port = rest.u16()?;
            Some(node.and_then(|node| {
                Ok(Gossip {
                    node,
                    ping_sent_s,
                    pong_received_s,
                    ip: ip?,
                    port,
                    other_port,
                    bus_port,
                    flags: NodeFlags::from_bits_truncate(flags),
                })
            }))
        };
        read().unwrap_or(Err(wrong("length")))
    });
    read.collect()
}

fn publish<'m>(rest: &mut Reader<'m>) -> Option<Body<'m>> {
    let (channel, message) = (rest.u32()?, rest.u32()?);
    Some(Body::Publish {
        channel: rest.bytes(channel as usize)?,
        message: rest.bytes(message as usize)?,
    })
}

fn module<'m>(rest: &mut Reader<'m>) -> Option<Body<'m>> {
    let mut fixed = Reader(rest.bytes(MODULE_BYTES)?);
    let (module, len) = (fixed.u64()?, fixed.u32()?);
    Some(Body::Module {
        module,
        kind: fixed.u8()?,
        payload: rest.bytes(len as usize)?,
    })
}
