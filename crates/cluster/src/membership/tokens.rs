//! The tokens by which members know each other, and what is known of another's right to ask
//! (`members` has the rules). A token is a keyed hash of the receiver's id: none is stored.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::super::message::NodeId;

/// Another node's right to ask, as far as this node knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Nothing shows that it belongs to the cluster.
    #[default]
    Stranger,
    /// A former member that says that it is elsewhere now, and has not shown its token from there.
    Moved,
    /// The node may ask.
    Member,
}

/// A token between two nodes.
pub type Token = [u8; Members::TOKEN];

/// The state of a node's membership beside that of its nodes; see `members`.
#[derive(Debug)]
pub struct Members {
    /// The key that this node's tokens are made of.
    pub key: [u8; 32],
    /// Members that are still to be announced to the others.
    pub(super) news: Vec<NodeId>,
    pub(super) news_ms: i64,
    pub(super) list_ms: i64,
    pub(super) turn: usize,
}

impl Members {
    pub const TOKEN: usize = 16;

    pub fn new(key: [u8; 32], now_ms: i64) -> Members {
        Members {
            key,
            news: Vec::new(),
            news_ms: now_ms,
            list_ms: now_ms,
            turn: 0,
        }
    }

    fn keyed(&self, node: &NodeId) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key of any length");
        mac.chain_update(b"russet token\0")
            .chain_update(node.as_bytes())
    }

    /// This node's token for another.
    pub fn token_for(&self, node: &NodeId) -> Token {
        let mac = self.keyed(node).finalize().into_bytes();
        *mac.first_chunk().expect("32 bytes")
    }

    /// Whether it is. The comparison takes the same time for any other.
    pub fn is_token_for(&self, node: &NodeId, token: &Token) -> bool {
        self.keyed(node).verify_truncated_left(token).is_ok()
    }
}
