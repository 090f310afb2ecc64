//! Writes a message.

use bytes::Bytes;

use super::flags::Marks;
use super::gossip::Gossip;
use super::header::Header;
use super::id::NodeId;
use super::slots::Slots;
use super::{Body, GOSSIP_BYTES, LIGHT_BIT, LIGHT_BYTES, MODULE_BYTES, Message, SIGNATURE};
use super::{PUBLISH_LENGTHS, UPDATE_BYTES, VERSION, Vendor};

impl Message<'_> {
    /// The bytes, for a node of this vendor. Extensions are written only with their mark.
    ///
    /// Panics if the message cannot exist: lengths beyond 32 bits, more than 65,535 gossip entries.
    pub fn encode(&self, to: Vendor) -> Bytes {
        let mut out = Vec::with_capacity(self.bytes_about());
        self.start(&mut out);
        if let Some(header) = &self.header {
            header.write(&mut out);
        }
        match &self.body {
            Body::Greeting { gossip, extensions } => {
                gossip.iter().for_each(|entry| entry.write(&mut out));
                let marks = self.header.map(|header| header.marks);
                if marks.is_some_and(|marks| marks.contains(Marks::EXTENSIONS)) {
                    let count = extensions.write(&mut out, to);
                    out[EXTENSIONS_AT..EXTENSIONS_AT + 2].copy_from_slice(&count.to_be_bytes());
                }
            }
            Body::Fail(node) => out.extend_from_slice(node.as_bytes()),
            Body::Publish { channel, message } => {
                for text in [channel, message] {
                    let len = u32::try_from(text.len()).expect("an argument's length");
                    out.extend_from_slice(&len.to_be_bytes());
                }
                out.extend_from_slice(channel);
                out.extend_from_slice(message);
            }
            Body::Update { epoch, node, slots } => {
                out.extend_from_slice(&epoch.to_be_bytes());
                out.extend_from_slice(node.as_bytes());
                out.extend_from_slice(slots.as_bytes());
            }
            Body::Module {
                module,
                kind,
                payload,
            } => {
                let len = u32::try_from(payload.len()).expect("a payload's length");
                out.extend_from_slice(&module.to_be_bytes());
                out.extend_from_slice(&len.to_be_bytes());
                out.push(*kind);
                out.extend_from_slice(payload);
            }
            Body::Nothing => {}
        }
        let total = u32::try_from(out.len()).expect("a message's length");
        out[4..8].copy_from_slice(&total.to_be_bytes());
        out.into()
    }

    /// The length but for extensions, which are short.
    fn bytes_about(&self) -> usize {
        let header = self.header.map_or(LIGHT_BYTES, |_| Header::BYTES);
        let body = match &self.body {
            Body::Greeting { gossip, .. } => gossip.len() * GOSSIP_BYTES + 256,
            Body::Fail(_) => NodeId::LEN,
            Body::Publish { channel, message } => PUBLISH_LENGTHS + channel.len() + message.len(),
            Body::Update { .. } => UPDATE_BYTES,
            Body::Module { payload, .. } => MODULE_BYTES + payload.len(),
            Body::Nothing => 0,
        };
        header + body
    }

    /// The first 16 bytes, without the length.
    fn start(&self, out: &mut Vec<u8>) {
        let gossip = match &self.body {
            Body::Greeting { gossip, .. } => gossip.len(),
            _ => 0,
        };
        let gossip = u16::try_from(gossip).expect("gossip of a share of the nodes");
        let light = if self.header.is_none() { LIGHT_BIT } else { 0 };
        assert!(
            light == 0 || self.kind.may_be_light(),
            "a light {:?}",
            self.kind
        );
        out.extend_from_slice(SIGNATURE);
        out.extend_from_slice(&[0; 4]);
        let port = self.header.map_or(0, |header| header.port);
        for number in [VERSION, port, self.kind as u16 | light, gossip] {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

/// Where the number of extensions is.
const EXTENSIONS_AT: usize = 2214;

impl Header<'_> {
    /// Writes the fields after the start; the number of extensions stays 0.
    fn write(&self, out: &mut Vec<u8>) {
        for number in [self.current_epoch, self.config_epoch, self.offset] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(self.sender.as_bytes());
        out.extend_from_slice(self.slots.as_bytes());
        let none = [0; NodeId::LEN];
        let primary = self.primary.as_ref().map_or(&none, NodeId::as_bytes);
        out.extend_from_slice(primary);
        out.extend_from_slice(self.ip.as_field());
        out.extend_from_slice(&[0; 2 + Header::PAD]);
        for number in [self.other_port, self.bus_port, self.flags.bits()] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(&[u8::from(!self.is_ok), self.marks.bits(), 0, 0]);
    }
}

impl Gossip {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.node.as_bytes());
        out.extend_from_slice(&self.ping_sent_s.to_be_bytes());
        out.extend_from_slice(&self.pong_received_s.to_be_bytes());
        out.extend_from_slice(self.ip.as_field());
        for number in [
            self.port,
            self.bus_port,
            self.flags.bits(),
            self.other_port,
            0,
        ] {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

const _: () =
    assert!(LIGHT_BYTES + 24 + NodeId::LEN + Slots::BYTES + NodeId::LEN + 46 == EXTENSIONS_AT);
const _: () = assert!(EXTENSIONS_AT + 2 + Header::PAD + 10 == Header::BYTES);
