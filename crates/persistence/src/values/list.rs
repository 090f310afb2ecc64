//! Lists.
//!
//!     n elements                                  LIST
//!     a ziplist                                   ZIPLIST
//!     n ziplists                                  QUICKLIST
//!     n (PACKED listpack | PLAIN element)         QUICKLIST_2
//!
//!     RPUSH l ... | RPUSH l ...

use super::packed::repacked;
use super::{NamedForm, SavedContainer, ValueForm, part_of_nodes};
use crate::aof::{CommandWriter, ELEMENTS_MAX};
use crate::rdb::Part::{Length, Text, Times};
use crate::rdb::{Fault, Input, RdbWriter, Rules, VERSION_LISTPACKS};
use russet_encodings::listpack::Listpack;
use russet_encodings::quicklist::NodeRef;
use russet_types::import::ListImport;
use russet_types::{Container, End, List};

const LIST: u8 = 1;
const ZIPLIST: u8 = 10;
/// Nodes are ziplists.
const QUICKLIST: u8 = 14;
/// Nodes are listpacks or single elements.
const QUICKLIST_2: u8 = 18;

/// The kinds of nodes.
const PLAIN: u64 = 1;
const PACKED: u64 = 2;

impl SavedContainer for List {
    const FORMS: &[NamedForm] = &[
        (LIST, "list-linked", &[Times(&[Text])]),
        (ZIPLIST, "list-ziplist", &[Text]),
        (QUICKLIST, "quicklist", &[Times(&[Text])]),
        (QUICKLIST_2, "quicklist-v2", &[Times(&[Length, Text])]),
    ];

    fn load(input: &mut Input<'_>, kind: u8, rules: &Rules) -> Result<List, Fault> {
        let limits = &rules.limits;
        if kind == LIST {
            let mut list = List::long(limits);
            let mut digits = itoa::Buffer::new();
            for _ in 0..input.count(1)? {
                list.push(End::Back, input.string()?.bytes(&mut digits));
            }
            list.built(limits);
            return Ok(list);
        }
        let mut list = ListImport::new(limits);
        if kind == ZIPLIST {
            list.pack(repacked(input)?);
            return Ok(list.finish(limits));
        }
        for _ in 0..input.count(1)? {
            if kind == QUICKLIST {
                list.pack(repacked(input)?);
                continue;
            }
            match input.length()? {
                PACKED => list.pack(Listpack::from_bytes(input.blob()?)?),
                PLAIN => {
                    let mut digits = itoa::Buffer::new();
                    let element = input.string()?.bytes(&mut digits);
                    if element.is_empty() {
                        return Err(Fault::damaged("a list's node of one element is empty"));
                    }
                    list.plain(element);
                }
                other => {
                    let fault = format!("a list's node is of unknown kind {other}");
                    return Err(Fault::Damaged(fault.into()));
                }
            }
        }
        Ok(list.finish(limits))
    }

    fn form(&self, version: u32) -> ValueForm {
        ValueForm::of(match version {
            ..VERSION_LISTPACKS => LIST,
            _ => QUICKLIST_2,
        })
    }

    fn save_head(&self, to: &mut RdbWriter, form: ValueForm) {
        match self {
            List::Quicklist(nodes) if form.kind == QUICKLIST_2 => {
                to.length(nodes.node_count() as u64);
            }
            List::Listpack(pack) if form.kind == QUICKLIST_2 => {
                to.length(1);
                node(to, NodeRef::Pack(pack));
            }
            _ => to.length(self.len() as u64),
        }
    }

    fn save_part(&self, to: &mut RdbWriter, form: ValueForm, at: u64, limit: usize) -> Option<u64> {
        let at = at as usize;
        if form.kind == LIST {
            self.visit(at, limit, false, |element| {
                to.element(element);
                true
            });
            let next = at + limit;
            return (next < self.len()).then_some(next as u64);
        }
        let List::Quicklist(nodes) = self else {
            return None;
        };
        let few = part_of_nodes(limit);
        for each in nodes.nodes_from(at).take(few) {
            node(to, each);
        }
        let next = at + few;
        (next < nodes.node_count()).then_some(next as u64)
    }

    fn rewrite(&self, to: &mut CommandWriter, key: &[u8], at: u64, most: usize) -> Option<u64> {
        const NAME: &[u8] = b"RPUSH";
        let from = at as usize;
        self.visit(from, most, false, |entry| {
            to.entry(entry);
            to.end_command(NAME, key, ELEMENTS_MAX);
            true
        });
        to.end_command(NAME, key, 0);
        let end = from.saturating_add(most);
        (end < self.len()).then_some(end as u64)
    }
}

fn node(to: &mut RdbWriter, node: NodeRef<'_>) {
    match node {
        NodeRef::Pack(pack) => {
            to.length(PACKED);
            to.pack(pack);
        }
        NodeRef::Plain(text) => {
            to.length(PLAIN);
            to.string(text);
        }
        NodeRef::Lzf { raw_len, data } => {
            to.length(PACKED);
            to.compressed(raw_len, data);
        }
    }
}
