//! The extensions of a greeting, which Redis and Valkey number differently.
//!
//!     length u32, with these 8 bytes | number u16 | 0 u16 | payload, zeros up to a multiple of 8
//!
//!     0 hostname, 1 human name: text, NUL     4 Redis: the internal secret, 40 digits, no NUL
//!     2 forgotten: id, seconds u64              Valkey: IPv4 for clients: text, NUL
//!     3 shard's id                            5 to 8 Valkey: IPv6, port u16, TLS port u16, zone
//!     0x7255 this server's: proof of knowledge of the cluster's secret (`proof`)
//!
//! A reader skips the numbers that it does not know. Number 4 is sent only where its meaning is
//! known ([`Vendor`]): Valkey takes Redis's secret for an address, and Redis takes any smaller text
//! for the cluster's secret.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::fault::Fault;
use super::id::NodeId;
use super::parse::Reader;
use super::proof::Proof;

/// The extensions of a greeting. A text is without its NUL; nodes.conf can hold it.
///
/// Without its extension a node has no hostname or human name; a Valkey node, no address, port or
/// zone for clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions<'m> {
    pub hostname: Option<&'m [u8]>,
    pub(crate) human_nodename: Option<&'m [u8]>,
    /// Nodes that were forgotten, and for how many seconds they must not come back.
    pub forgotten: Vec<(NodeId, u64)>,
    pub shard: Option<NodeId>,
    /// Redis: the secret of internal clients. The smallest of all nodes counts.
    pub secret: Option<NodeId>,
    pub(crate) client_ipv4: Option<&'m [u8]>,
    pub(crate) client_ipv6: Option<&'m [u8]>,
    pub(crate) client_port: Option<u16>,
    pub(crate) client_tls_port: Option<u16>,
    pub availability_zone: Option<&'m [u8]>,
    pub proof: Option<Proof>,
}

/// The vendor of the node that a message is for: which extensions it is sent, in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// Not known yet: only numbers that both read alike.
    Unknown,
    /// No numbers 5 to 8; 4 is the secret.
    Redis,
    /// 4 is an address.
    Valkey,
}

const HOSTNAME: u16 = 0;
const HUMAN_NODENAME: u16 = 1;
const FORGOTTEN: u16 = 2;
const SHARD: u16 = 3;
/// Redis's secret, and Valkey's address.
const SECRET: u16 = 4;
const CLIENT_IPV4: u16 = 4;
const CLIENT_IPV6: u16 = 5;
const CLIENT_PORT: u16 = 6;
const CLIENT_TLS_PORT: u16 = 7;
const AVAILABILITY_ZONE: u16 = 8;
const PROOF: u16 = 0x7255;

/// The length of an extension's header.
const HEAD: usize = 8;

/// The longest text that is taken.
const TEXT_MAX: usize = 255;

/// Forgotten nodes in a single message: no more are written.
const FORGOTTEN_MAX: usize = 10_000;

/// Whether a text can be in the nodes.conf of any server, in a reply and in the log as it is.
pub(crate) fn is_plain_text(text: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._/".contains(byte);
    text.len() <= TEXT_MAX && text.iter().all(is_plain)
}

impl<'m> Extensions<'m> {
    /// Reads this many extensions.
    pub(super) fn read(rest: &mut Reader<'m>, count: u16) -> Result<Extensions<'m>, Fault> {
        let mut read = Extensions::default();
        for _ in 0..count {
            let what = "it is cut off";
            let cut = Fault::Extension { number: 0, what };
            let mut head = Reader(rest.bytes(HEAD).ok_or(cut)?);
            let (length, number) = (head.u32().ok_or(cut)?, head.u16().ok_or(cut)?);
            let wrong = |what| Fault::Extension { number, what };
            let payload = (length as usize).checked_sub(HEAD);
            let payload = payload.filter(|payload| payload % 8 == 0);
            let payload = payload.ok_or(wrong("wrong length"))?;
            let payload = rest
                .bytes(payload)
                .ok_or(wrong("longer than the message"))?;
            read.take(number, payload).map_err(wrong)?;
        }
        Ok(read)
    }

    fn take(&mut self, number: u16, payload: &'m [u8]) -> Result<(), &'static str> {
        const SHORT: &str = "too short";
        const ID: &str = "wrong id";
        let mut rest = Reader(payload);
        match number {
            HOSTNAME => self.hostname = name(payload)?,
            HUMAN_NODENAME => self.human_nodename = name(payload)?,
            FORGOTTEN => {
                let node: &[u8; NodeId::LEN] = rest.array().ok_or(SHORT)?;
                let node = NodeId::parse(node).ok_or(ID)?;
                self.forgotten.push((node, rest.u64().ok_or(SHORT)?));
            }
            SHARD => {
                let shard: &[u8; NodeId::LEN] = rest.array().ok_or(SHORT)?;
                self.shard = Some(NodeId::parse(shard).ok_or(ID)?);
            }
            // The content decides between the two meanings; it may be neither.
            SECRET => match NodeId::parse(payload).filter(is_hex) {
                Some(secret) => self.secret = Some(secret),
                None => self.client_ipv4 = ended(payload).ok().filter(is_address::<Ipv4Addr>),
            },
            CLIENT_IPV6 => {
                self.client_ipv6 = Some(ended(payload)?).filter(is_address::<Ipv6Addr>);
            }
            CLIENT_PORT => self.client_port = Some(rest.u16().ok_or(SHORT)?),
            CLIENT_TLS_PORT => self.client_tls_port = Some(rest.u16().ok_or(SHORT)?),
            AVAILABILITY_ZONE => self.availability_zone = name(payload)?,
            PROOF => {
                self.proof = Some(Proof {
                    time_ms: rest.u64().ok_or(SHORT)?,
                    mac: *rest.array().ok_or(SHORT)?,
                });
            }
            _ => {}
        }
        Ok(())
    }

    /// Writes the extensions that the vendor reads, in its order, and returns their number.
    pub(super) fn write(&self, out: &mut Vec<u8>, to: Vendor) -> u16 {
        let mut writer = Writer { out, count: 0 };
        writer.text(HOSTNAME, self.hostname);
        writer.text(HUMAN_NODENAME, self.human_nodename);
        if to == Vendor::Valkey {
            writer.text(CLIENT_IPV4, self.client_ipv4);
            writer.text(CLIENT_IPV6, self.client_ipv6);
            writer.port(CLIENT_PORT, self.client_port);
            writer.port(CLIENT_TLS_PORT, self.client_tls_port);
            writer.text(AVAILABILITY_ZONE, self.availability_zone);
        }
        for (node, ttl_s) in self.forgotten.iter().take(FORGOTTEN_MAX) {
            writer.put(FORGOTTEN, &[node.as_bytes(), &ttl_s.to_be_bytes()]);
        }
        if let Some(shard) = &self.shard {
            writer.put(SHARD, &[shard.as_bytes()]);
        }
        if let (Some(secret), Vendor::Redis) = (&self.secret, to) {
            writer.put(SECRET, &[secret.as_bytes()]);
        }
        if let Some(proof) = &self.proof {
            writer.put(PROOF, &[&proof.time_ms.to_be_bytes(), &proof.mac]);
        }
        writer.count
    }
}

/// The text up to its NUL, which must be there.
fn ended(payload: &[u8]) -> Result<&[u8], &'static str> {
    let end = memchr::memchr(0, payload).ok_or("a text without an end")?;
    Ok(&payload[..end])
}

/// A name. `None`: an empty name, or a name that we cannot keep.
fn name(payload: &[u8]) -> Result<Option<&[u8]>, &'static str> {
    let name = ended(payload)?;
    Ok((!name.is_empty() && is_plain_text(name)).then_some(name))
}

fn is_hex(id: &NodeId) -> bool {
    id.as_bytes().iter().all(u8::is_ascii_hexdigit)
}

fn is_address<T: FromStr>(text: &&[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.parse::<T>().is_ok())
}

struct Writer<'w> {
    out: &'w mut Vec<u8>,
    count: u16,
}

impl Writer<'_> {
    fn put(&mut self, number: u16, parts: &[&[u8]]) {
        let payload: usize = parts.iter().map(|part| part.len()).sum();
        let padded = payload.next_multiple_of(8);
        let length = u32::try_from(HEAD + padded).expect("a short text");
        self.out.extend_from_slice(&length.to_be_bytes());
        self.out.extend_from_slice(&number.to_be_bytes());
        self.out.extend_from_slice(&[0, 0]);
        parts
            .iter()
            .for_each(|part| self.out.extend_from_slice(part));
        self.out.resize(self.out.len() + padded - payload, 0);
        self.count += 1;
    }

    fn text(&mut self, number: u16, text: Option<&[u8]>) {
        if let Some(text) = text {
            self.put(number, &[text, &[0]]);
        }
    }

    fn port(&mut self, number: u16, port: Option<u16>) {
        if let Some(port) = port {
            self.put(number, &[&port.to_be_bytes()]);
        }
    }
}
