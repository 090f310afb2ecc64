//! Streams: in RDB files (`rdb`), and as commands (`commands`).
//!
//!     15  stream      nodes, last ID, groups with consumers and pending entries
//!     19  stream-v2   and the first ID, the greatest deleted ID, two counts of entries
//!     21  stream-v3   and the times at which consumers were active
//!     26  stream-v4   and idempotent IDs by producer (XADD IDMP)
//!     27  stream-v5   and pending entries without an owner (XNACK)
//!
//! The file's version decides which of the first three forms is written; the last two are written
//! only for a stream that needs them, if the version has them. Else `ValueForm::lost` names the
//! part that the written form lacks. Valkey's files have neither.

mod commands;
mod rdb;

use super::{NamedForm, SavedContainer, ValueForm, part_of_nodes};
use crate::aof::{CommandWriter, ELEMENTS_MAX};
use crate::rdb::{
    Fault, Input, RdbOrigin, RdbWriter, Rules, VERSION_OWNERLESS, VERSION_PRODUCERS, VERSION_USUAL,
    is_valkey,
};
use russet_keyspace::Keyspace;
use russet_types::Stream;

const STREAM: u8 = 15;
/// With the first ID, the greatest deleted ID, the entries added, and a group's entries read.
const STREAM_2: u8 = 19;
/// With the times at which consumers were active.
const STREAM_3: u8 = 21;
/// With idempotent IDs of producers (XADD's IDMP).
const STREAM_4: u8 = 26;
/// With pending entries that have no owner.
const STREAM_5: u8 = 27;

impl SavedContainer for Stream {
    const FORMS: &[NamedForm] = &[
        (STREAM, "stream", rdb::LAYOUT),
        (STREAM_2, "stream-v2", rdb::LAYOUT_2),
        (STREAM_3, "stream-v3", rdb::LAYOUT_3),
        (STREAM_4, "stream-v4", rdb::LAYOUT_4),
        (STREAM_5, "stream-v5", rdb::LAYOUT_5),
    ];

    fn load(input: &mut Input<'_>, kind: u8, rules: &Rules) -> Result<Stream, Fault> {
        match (rules.dialect, kind) {
            (RdbOrigin::Valkey, STREAM_4..) => Err(Fault::Unknown(kind)),
            _ => rdb::read(input, kind, &rules.limits),
        }
    }

    fn form(&self, version: u32) -> ValueForm {
        let (plain, owned) = (self.idempotence().is_plain(), !self.has_ownerless());
        let newest = if is_valkey(version) { 0 } else { version };
        let (kind, lost) = match version {
            _ if plain && owned && version < 10 => (STREAM, None),
            _ if plain && owned && version == 10 => (STREAM_2, None),
            _ if plain && owned => (STREAM_3, None),
            _ if owned && newest >= VERSION_PRODUCERS => (STREAM_4, None),
            _ if newest >= VERSION_OWNERLESS => (STREAM_5, None),
            _ if owned => (
                STREAM_3,
                Some("idempotent IDs of producers, or settings for them"),
            ),
            _ => (STREAM_3, Some("pending entries without an owner")),
        };
        ValueForm {
            lost,
            ..ValueForm::of(kind)
        }
    }

    fn version_for(keyspace: &Keyspace) -> u32 {
        if keyspace.any_newer_stream() {
            VERSION_OWNERLESS
        } else {
            VERSION_USUAL
        }
    }

    fn save_head(&self, to: &mut RdbWriter, _form: ValueForm) {
        to.length(self.node_count() as u64);
    }

    /// Nodes, then the stream's facts, then the groups, then the producers.
    fn save_part(&self, to: &mut RdbWriter, form: ValueForm, at: u64, limit: usize) -> Option<u64> {
        let (at, nodes) = (at as usize, self.node_count());
        let next = if at < nodes {
            let few = part_of_nodes(limit);
            for (id, node) in self.nodes_from(at).take(few) {
                to.string(&id.to_bytes());
                to.string(node);
            }
            (at + few).min(nodes)
        } else if at == nodes {
            rdb::save_facts(to, self, form.kind);
            at + 1
        } else {
            rdb::save_groups(to, self, form.kind, at - nodes - 1, limit);
            at.saturating_add(limit)
        };
        let groups = self.groups().map_or(0, |groups| groups.len());
        if next <= nodes + groups {
            return Some(next as u64);
        }
        if form.kind >= STREAM_4 {
            rdb::save_producers(to, self);
        }
        None
    }

    fn rewrite(&self, to: &mut CommandWriter, key: &[u8], at: u64, most: usize) -> Option<u64> {
        commands::part(&mut to.out, key, self, at, most.div_ceil(ELEMENTS_MAX))
    }
}
