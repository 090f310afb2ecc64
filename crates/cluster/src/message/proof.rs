//! Proof that a node knows the cluster's secret (`cluster-meet-secret`), without saying it.
//!
//!     time u64, ms of the sender's wall clock | HMAC-SHA256 of the sender's id and the time
//!
//! An extension with a number of our own, which other nodes skip. A reader of the wire may repeat a
//! proof in the name of the same node while it is young ([`Proof::AGE_MAX_MS`]); only TLS protects
//! the bus from readers.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::id::NodeId;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    pub(super) time_ms: u64,
    pub(super) mac: [u8; Proof::MAC],
}

impl Proof {
    pub(super) const MAC: usize = 32;
    /// The bound on the difference of two nodes' clocks, transit included.
    pub(crate) const AGE_MAX_MS: u64 = 60_000;

    pub fn new(secret: &[u8], sender: NodeId, wall_ms: i64) -> Proof {
        let time_ms = u64::try_from(wall_ms).unwrap_or(0);
        let mac = keyed(secret, sender, time_ms).finalize().into_bytes();
        Proof {
            time_ms,
            mac: mac.into(),
        }
    }

    /// Whether the sender knows the secret. The comparison takes the same time for any wrong code.
    pub fn is_valid(&self, secret: &[u8], sender: NodeId, wall_ms: i64) -> bool {
        let now = u64::try_from(wall_ms).unwrap_or(0);
        let is_young = self.time_ms.abs_diff(now) <= Self::AGE_MAX_MS;
        let keyed = keyed(secret, sender, self.time_ms);
        keyed.verify_slice(&self.mac).is_ok() && is_young
    }
}

fn keyed(secret: &[u8], sender: NodeId, time_ms: u64) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length");
    mac.chain_update(b"russet meet\0")
        .chain_update(sender.as_bytes())
        .chain_update(time_ms.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_of_one_secret_one_sender_and_a_short_time() {
        let [me, you] = [NodeId::of_random([1; 3]), NodeId::of_random([2; 3])];
        let age = Proof::AGE_MAX_MS as i64;
        let proof = Proof::new(b"secret", me, 1_000_000);
        assert!(proof.is_valid(b"secret", me, 1_000_000 + age));
        assert!(proof.is_valid(b"secret", me, 1_000_000 - age));
        assert!(!proof.is_valid(b"secret", me, 1_000_001 + age));
        assert!(!proof.is_valid(b"other", me, 1_000_000));
        assert!(!proof.is_valid(b"secret", you, 1_000_000));
        let later = Proof {
            time_ms: proof.time_ms + 1,
            ..proof
        };
        assert!(!later.is_valid(b"secret", me, 1_000_000));
    }
}
