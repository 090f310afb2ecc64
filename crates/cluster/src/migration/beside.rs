//! The machine's view of the cluster, as the core of the same node has it.

use super::actions::{MigrationContext, MigrationLink, OpenSlots};
use super::id::Name;
use crate::core::Cluster;
use russet_host::Now;

/// The node's core, and what only its server knows.
pub struct NodeContext<'c> {
    /// The node.
    pub core: &'c Cluster,
    /// The time.
    pub now: Now,
    /// Bytes that a link has not sent yet.
    pub unsent: &'c dyn Fn(MigrationLink) -> usize,
    /// A name for a new migration.
    pub fresh_name: &'c dyn Fn() -> Name,
}

/// Both kinds of names have the same letters.
fn name_of(id: &[u8]) -> Name {
    Name::parse(id).expect("40 letters and digits")
}

impl MigrationContext for NodeContext<'_> {
    fn now(&self) -> Now {
        self.now
    }

    fn my_id(&self) -> Name {
        name_of(self.core.my_id().as_bytes())
    }

    fn is_primary(&self) -> bool {
        !self.core.is_replica()
    }

    fn shard(&self) -> Option<Name> {
        let shard = if self.core.is_replica() {
            self.core.primary_of_mine()?
        } else {
            self.core.my_id()
        };
        Some(name_of(shard.as_bytes()))
    }

    fn owner(&self, slot: u16) -> Option<Name> {
        self.core.slot_owner(slot).map(|id| name_of(id.as_bytes()))
    }

    fn is_known(&self, node: Name) -> bool {
        self.core.is_primary_node(node.as_bytes()).is_some()
    }

    fn address(&self, node: Name) -> Option<(Vec<u8>, u16)> {
        self.core.client_address(node.as_bytes())
    }

    fn is_importing(&self, slot: u16) -> bool {
        self.core.imports(slot)
    }

    fn is_working_primary(&self, node: Name) -> bool {
        self.core.is_working_primary(node.as_bytes())
    }

    fn is_replaced(&self, node: Name) -> bool {
        self.core.is_replaced(node.as_bytes())
    }

    fn offset(&self, node: Name) -> u64 {
        self.core.offset_of(node.as_bytes())
    }

    fn is_claim_held(&self, node: Name, since_ms: i64, offset: u64) -> bool {
        self.core.replicas_agree(node.as_bytes(), since_ms, offset)
    }

    fn open_slots(&self) -> OpenSlots {
        let (is_migrating, is_importing) = self.core.open_slots();
        OpenSlots {
            is_migrating,
            is_importing,
        }
    }

    fn can_be_asked(&self, node: Name) -> bool {
        !self.core.is_valkey_node(node.as_bytes())
    }

    fn secret(&self) -> Vec<u8> {
        // In Valkey's dialect nothing is pulled, or the source refuses.
        self.core
            .internal_secret()
            .map_or(Vec::new(), |secret| secret.to_vec())
    }

    fn unsent(&self, link: MigrationLink) -> usize {
        (self.unsent)(link)
    }

    fn fresh_name(&self) -> Name {
        (self.fresh_name)()
    }
}
