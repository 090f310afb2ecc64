//! Rules broken on purpose, which show that each claim can fail.

use super::data::slot_of;
use super::server::Server;
use russet_host::Random;
use russet_replication::simulation::Dataset;

/// A rule, and how it is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The server answers WAIT before the replicas have the write.
    Early,
    /// With `appendfsync always` a server sends a reply before it has synced the write.
    Unsaved,
    /// The server ignores `min-replicas-to-write`.
    NoGate,
    /// A node of the cluster takes writes in a minority.
    Minority,
    /// Replicas take writes to the slots of their primary.
    Twice,
    /// A replica loses a part of its data.
    Skips,
    /// An offset goes back.
    Falls,
    /// A primary deletes a key that no client has deleted.
    Deletes,
    /// An operator leaves slots open.
    Open,
    /// A source does not stream writes to slots that are leaving.
    Deaf,
}

impl Broken {
    pub const ALL: [Broken; 10] = [
        Broken::Early,
        Broken::Unsaved,
        Broken::NoGate,
        Broken::Minority,
        Broken::Twice,
        Broken::Skips,
        Broken::Falls,
        Broken::Deletes,
        Broken::Open,
        Broken::Deaf,
    ];

    /// A part of the failure text that the broken rule causes.
    pub fn words(self) -> &'static str {
        match self {
            Broken::Early => "all have acknowledged",
            Broken::Unsaved => "is lost as",
            Broken::NoGate => "without a replica since",
            Broken::Minority => "in a minority",
            Broken::Twice => "take writes since",
            Broken::Skips => "its data is not that of another",
            Broken::Falls => "the offset falls",
            Broken::Deletes => "is lost at the end",
            Broken::Open => "is open",
            Broken::Deaf => "is lost by a move",
        }
    }

    pub fn skip(server: &mut Server, random: &mut Random) {
        if random.below(500) == 0 {
            let slot = slot_of(random.next_u64());
            server.node.data.set(b"drop", slot.into());
        }
    }

    pub fn fall(server: &mut Server, random: &mut Random) {
        if random.below(2000) == 0 {
            let mut at = server.node.stream.position();
            at.offset = at.offset.saturating_sub(7);
            server.node.stream.resume(at);
            server.node.stream.resume_following();
        }
    }

    pub fn delete(server: &mut Server, random: &mut Random) {
        if server.node.is_primary() && random.below(500) == 0 {
            let slot = slot_of(random.next_u64());
            server.node.write(&[(b"drop", slot.into())]);
        }
    }
}
