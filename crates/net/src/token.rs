//! Tokens: identify the target of a poll event.
//!
//!     generation: 32 bits | role: 4 bits | slot: 28 bits
//!
//! A role is the purpose of a connection, and thereby names the code that handles its events. A
//! slot is the role's own number for a connection; the generation distinguishes an event for a
//! connection that was closed earlier in the same turn from an event for its successor.
//!
//! To add a role, add a variant here, and in `server/run` a file with its type and a line in
//! the turn (`server/run/mod.rs`).

use mio::Token;

const SLOT_BITS: u32 = 28;
const GENERATION_AT: u32 = 32;

/// The purpose of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The pipe by which signals and helper threads wake the loop.
    Control,
    /// A listening socket for clients.
    Listener,
    /// A client connection.
    Client,
    /// A listening socket for metrics scrapes.
    MetricsListener,
    /// An HTTP connection.
    Scrape,
    /// The link to the primary that this server follows, until it is a client.
    Upstream,
    /// A Sentinel's connection to a data node or another Sentinel.
    SentinelLink,
    /// A listening socket of the cluster's bus.
    ClusterListener,
    /// A link of the cluster's bus.
    ClusterLink,
    /// A link to a node that slots come from or go to.
    MigrationLink,
    /// A link to another member of a group with synchronous writes.
    QuorumLink,
    /// A listening socket of the console.
    ConsoleListener,
    /// A connection of a page of the console.
    Console,
    /// Bytes and reports of the threads that read and write for the loop; or the loop's orders.
    IoThreads,
}

impl Role {
    const ALL: [Role; 14] = [
        Role::Control,
        Role::Listener,
        Role::Client,
        Role::MetricsListener,
        Role::Scrape,
        Role::Upstream,
        Role::SentinelLink,
        Role::ClusterListener,
        Role::ClusterLink,
        Role::MigrationLink,
        Role::QuorumLink,
        Role::ConsoleListener,
        Role::Console,
        Role::IoThreads,
    ];
}

/// The parts of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The purpose of the connection, which names the code that handles the event.
    pub role: Role,
    /// The role's number for the connection, below 2^28.
    pub slot: u32,
    /// Which use of the slot it is; 0 for a target that is never replaced.
    pub generation: u32,
}

impl Target {
    /// The only target of its role, or a target that is never replaced.
    pub fn lasting(role: Role, slot: usize) -> Target {
        let slot = u32::try_from(slot).expect("few of them");
        Target {
            role,
            slot,
            generation: 0,
        }
    }

    /// A link to a node that slots come from or go to.
    pub fn migration_link(slot: u32, generation: u32) -> Target {
        Target {
            role: Role::MigrationLink,
            slot,
            generation,
        }
    }

    /// A client's connection.
    pub fn client(slot: u32, generation: u32) -> Target {
        Target {
            role: Role::Client,
            slot,
            generation,
        }
    }
}

impl From<Target> for Token {
    #[inline]
    fn from(target: Target) -> Token {
        assert!(target.slot >> SLOT_BITS == 0);
        let low = (target.role as usize) << SLOT_BITS | target.slot as usize;
        Token((target.generation as usize) << GENERATION_AT | low)
    }
}

impl From<Token> for Target {
    #[inline]
    fn from(token: Token) -> Target {
        let low = token.0 as u32;
        Target {
            role: Role::ALL[(low >> SLOT_BITS) as usize],
            slot: low & ((1 << SLOT_BITS) - 1),
            generation: (token.0 >> GENERATION_AT) as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_as_what_they_were() {
        for target in [
            Target::lasting(Role::Control, 0),
            Target::lasting(Role::Listener, 3),
            Target::client(0xfff_ffff, 0xffff_ffff),
            Target::client(0, 1),
            Target::lasting(Role::MetricsListener, 1),
            Target::migration_link(9, 2),
            Target::lasting(Role::ClusterListener, 2),
            Target {
                role: Role::Console,
                slot: 4,
                generation: 8,
            },
        ] {
            assert_eq!(Target::from(Token::from(target)), target);
        }
    }
}
