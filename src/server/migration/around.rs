//! The machine's view of the cluster and of its links.

use std::collections::HashMap;

use crate::server::clients::table::Clients;
use crate::server::parts::migration::{Links, ToClient};
use russet_base::random;
use russet_cluster::Cluster;
use russet_cluster::migration::{Around, MigrationLink, Name, OpenSlots};
use russet_keyspace::ClientId;

pub(super) struct Surroundings<'s> {
    pub core: &'s Cluster,
    pub clients: &'s Clients,
    pub links: &'s Links,
    pub to_clients: &'s HashMap<u64, ToClient>,
}

/// Both kinds of names have the same letters.
fn name_of(id: &[u8]) -> Name {
    Name::parse(id).expect("40 letters and digits")
}

impl Around for Surroundings<'_> {
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
        match link {
            MigrationLink::Dialled(number) => {
                self.links.get(number).map_or(0, |link| link.unsent())
            }
            MigrationLink::Client(id) => {
                let waiting = self
                    .to_clients
                    .get(&id)
                    .map_or(0, |client| client.bytes.len());
                let session = self.clients.get(ClientId(id));
                waiting + session.map_or(0, |session| session.reply.pending_len())
            }
        }
    }

    fn fresh_name(&self) -> Name {
        Name::parse(random::hex(40).as_bytes()).expect("40 hexadecimal digits")
    }
}
