//! Replies that a socket did not take, in their order.
//!
//!     pieces     long or shared replies, each by itself
//!     tail       short replies after them, joined
//!
//! Short replies are joined because a peer that sends small requests and reads no replies causes
//! thousands of replies of some bytes: each by itself would cost ten times its length.
//! Cost: short replies are copied once; an empty queue holds no memory.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// Pieces below this length are joined.
const SHORT: usize = 1024;
/// Bytes that are joined to a piece, at most.
const JOINED_MAX: usize = 16 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct OutgoingQueue {
    pieces: VecDeque<Bytes>,
    tail: Vec<u8>,
}

impl OutgoingQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.tail.is_empty()
    }

    /// Adds bytes that are another's.
    pub(super) fn push_copy(&mut self, bytes: &[u8]) {
        if bytes.len() >= SHORT {
            self.seal();
            self.pieces.push_back(Bytes::copy_from_slice(bytes));
            return;
        }
        if self.tail.len() + bytes.len() > JOINED_MAX {
            self.seal();
        }
        self.tail.extend_from_slice(bytes);
    }

    /// Adds a piece.
    pub(super) fn push(&mut self, piece: Bytes) {
        if piece.len() < SHORT {
            return self.push_copy(&piece);
        }
        self.seal();
        self.pieces.push_back(piece);
    }

    /// Joined bytes become a piece.
    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push_back(std::mem::take(&mut self.tail).into());
        }
    }

    /// Fills `slices` from the front; returns how many.
    pub(super) fn front<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let tail = (!self.tail.is_empty()).then_some(&self.tail[..]);
        let pieces = self.pieces.iter().map(|piece| &piece[..]).chain(tail);
        let filled = pieces.zip(slices);
        filled
            .map(|(piece, slice)| *slice = IoSlice::new(piece))
            .count()
    }

    /// The first `n` bytes are sent.
    pub(super) fn advance(&mut self, mut n: usize) {
        if n > 0 && self.pieces.is_empty() {
            self.seal();
        }
        while let Some(piece) = self.pieces.front_mut() {
            if n < piece.len() {
                return piece.advance(n);
            }
            n -= piece.len();
            self.pieces.pop_front();
            if n > 0 && self.pieces.is_empty() {
                self.seal();
            }
        }
        if self.tail.is_empty() {
            *self = OutgoingQueue::default();
        }
    }

    /// Memory that it holds, but for the bytes of its pieces.
    #[cfg(test)]
    pub(super) fn beside_pieces(&self) -> usize {
        self.tail.capacity() + self.pieces.capacity() * size_of::<Bytes>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Bytes leave in their order, for all pieces and for all numbers of bytes sent at once.
        #[test]
        fn bytes_leave_in_the_order_in_which_they_came(
            steps in prop::collection::vec((0..3000usize, any::<bool>(), 0..5000usize), 1..60),
        ) {
            let (mut out, mut all, mut sent) = (OutgoingQueue::default(), Vec::new(), Vec::new());
            let mut send = |out: &mut OutgoingQueue, most: usize| {
                let mut slices = [IoSlice::new(&[]); 4];
                let n = out.front(&mut slices);
                let bytes: Vec<u8> = slices[..n].iter().flat_map(|slice| slice.to_vec()).collect();
                let n = most.min(bytes.len());
                sent.extend_from_slice(&bytes[..n]);
                out.advance(n);
                n
            };
            for (len, is_shared, most) in steps {
                let bytes: Vec<u8> = (0..len).map(|at| (at + all.len()) as u8).collect();
                all.extend_from_slice(&bytes);
                if is_shared {
                    out.push(bytes.into());
                } else {
                    out.push_copy(&bytes);
                }
                send(&mut out, most);
            }
            while send(&mut out, usize::MAX) > 0 {}
            prop_assert!(out.is_empty());
            prop_assert_eq!(out.beside_pieces(), 0);
            prop_assert_eq!(sent, all);
        }
    }

    #[test]
    fn many_short_replies_cost_little_more_than_their_bytes() {
        let mut out = OutgoingQueue::default();
        for _ in 0..20_000 {
            out.push_copy(b"+OK\r\n");
        }
        assert!(out.beside_pieces() < 2 * JOINED_MAX);
    }
}
