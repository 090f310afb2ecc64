//! The messages between the loop and a courier.
//!
//!     up:   Parcel   a block with the bytes of many reads; empty Orders come back with it
//!     down: Orders   replies in one block, and what is to be done; served Parcels return with it
//!
//! Each names connections by slot and generation, as tokens do: what concerns a connection that is
//! gone finds nothing. Messages come in the order in which they were sent.

use std::io;

use bytes::{Bytes, BytesMut};
use rustls::pki_types::CertificateDer;

use crate::stream::Stream;

/// Bytes of a block into which a courier reads.
pub(super) const BLOCK_BYTES: usize = 64 * 1024;

/// One connection's place in the loop's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its slot.
    pub slot: u32,
    /// Which use of the slot it is.
    pub generation: u32,
}

/// The reads of a courier, and its news.
#[derive(Debug, Default)]
pub struct Parcel {
    /// The bytes of all reads, one after the other.
    pub block: Bytes,
    /// Its reads and reports, in their order.
    pub reports: Vec<Report>,
    /// Connections that the loop gets back.
    pub recalled: Vec<(Place, Stream)>,
    /// Orders that were carried out, to be used again.
    pub(super) spent: Vec<Orders>,
}

impl Parcel {
    /// An empty one with room for so many reports.
    pub(super) fn roomy(reports: usize) -> Parcel {
        Parcel {
            reports: Vec::with_capacity(reports),
            ..Parcel::default()
        }
    }
}

/// One read of a connection, or news of it.
#[derive(Debug)]
pub struct Report {
    /// The connection.
    pub place: Place,
    /// Where its bytes begin in the block.
    pub start: u32,
    /// The number of its bytes.
    pub len: u32,
    /// Bytes that its socket has taken and that no report has named.
    pub sent: u32,
    /// How reading goes on.
    pub then: Then,
}

impl Report {
    /// Whether it brings bytes, and nothing else but a count of what was sent.
    #[inline]
    pub fn is_bytes_alone(&self) -> bool {
        self.len > 0 && matches!(self.then, Then::Continues)
    }

    /// Takes it: one that reports nothing is in its place.
    #[inline]
    pub fn take(&mut self) -> Report {
        let nothing = Report {
            len: 0,
            sent: 0,
            then: Then::Continues,
            ..*self
        };
        std::mem::replace(self, nothing)
    }
}

/// Parts of parcels that are served later, with their bytes.
#[derive(Debug, Default)]
pub struct Late {
    bytes: Vec<u8>,
    parcel: Parcel,
}

impl Late {
    /// Takes a report of a parcel whose block this is.
    #[cold]
    pub fn add(&mut self, block: &[u8], report: Report) {
        let start = self.bytes.len() as u32;
        let from = report.start as usize;
        self.bytes
            .extend_from_slice(&block[from..][..report.len as usize]);
        self.parcel.reports.push(Report { start, ..report });
    }

    /// Takes a connection that has come back.
    #[cold]
    pub fn recalled(&mut self, place: Place, stream: Stream) {
        self.parcel.recalled.push((place, stream));
    }

    /// All of it, if there is anything.
    #[inline]
    pub fn into_parcel(mut self) -> Option<Parcel> {
        if self.parcel.reports.is_empty() && self.parcel.recalled.is_empty() {
            return None;
        }
        self.parcel.block = self.bytes.into();
        Some(self.parcel)
    }
}

/// How reading goes on after a report.
#[derive(Debug)]
pub enum Then {
    /// More comes by itself.
    Continues,
    /// The handshake is complete, and the peer has shown this certificate. Bytes come after it.
    Secured(Option<Box<CertificateDer<'static>>>),
    /// The courier waits until these bytes are taken ([`Order::ReadOn`]).
    Waits,
    /// The peer sends no more.
    Ended,
    /// The connection is broken.
    Broken(io::Error),
}

/// The work of a courier.
#[derive(Debug, Default)]
pub struct Orders {
    /// The bytes of all short replies, one after the other.
    pub(super) bytes: Vec<u8>,
    pub(super) list: Vec<Order>,
    /// Parcels that were served, to be used again.
    pub(super) spent: Vec<Parcel>,
    /// Its memory as the loop has counted it, while it is away.
    pub(super) counted: usize,
}

/// Bytes and orders that are room for from the start: they are a courier's, as its blocks are.
const ROOMY_BYTES: usize = 4096;
const ROOMY_ORDERS: usize = 64;

impl Orders {
    /// Bytes of the room that there is from the start.
    pub(super) const ROOMY: usize = ROOMY_BYTES + ROOMY_ORDERS * size_of::<Order>();

    /// Empty ones with room for a little.
    pub(super) fn roomy() -> Orders {
        Orders {
            bytes: Vec::with_capacity(ROOMY_BYTES),
            list: Vec::with_capacity(ROOMY_ORDERS),
            ..Orders::default()
        }
    }

    /// Memory for bytes and orders, beyond the room that there is from the start.
    pub(super) fn memory_bytes(&self) -> usize {
        let orders = self.list.capacity().saturating_sub(ROOMY_ORDERS);
        self.bytes.capacity().saturating_sub(ROOMY_BYTES) + orders * size_of::<Order>()
    }
}

/// One order.
#[derive(Debug)]
pub(super) enum Order {
    /// The connection is the courier's from here on.
    Adopt(Place, Stream),
    /// Sends the next bytes of the block.
    Send(Place, u32),
    /// Sends shared bytes between the next ones of the block: so many before them, and after.
    SendAround(Place, u32, Bytes, u32),
    /// Sends bytes that stand by themselves, or are shared.
    SendLong(Place, Vec<Bytes>),
    /// All bytes that were read are taken.
    ReadOn(Place),
    /// Reports what was sent as soon as all is.
    Report(Place),
    /// Gives the connection back.
    Recall(Place),
    /// Ends the connection in both directions and keeps the socket.
    ShutDown(Place),
    /// Closes the connection.
    Close(Place),
    /// Closes all of them and ends the thread.
    Stop,
}

/// A block to be filled.
pub(super) fn new_block() -> BytesMut {
    BytesMut::zeroed(BLOCK_BYTES)
}
