//! Sets.
//!
//!     n members | an intset | a listpack
//!
//!     SADD s ... | SADD s ...

use super::packed::pack;
use super::{NamedForm, SavedContainer, ValueForm, continued};
use crate::aof::{CommandWriter, ELEMENTS_MAX};
use crate::rdb::Part::{self, Times};
use crate::rdb::{Fault, Input, RdbWriter, Rules, Text, VERSION_PACKED_SETS};
use russet_encodings::intset::Intset;
use russet_types::{Container, Entry, Set};

const SET: u8 = 2;
const INTSET: u8 = 11;
const LISTPACK: u8 = 20;

impl SavedContainer for Set {
    const FORMS: &[NamedForm] = &[
        (SET, "set-hashtable", &[Times(&[Part::Text])]),
        (INTSET, "set-intset", &[Part::Text]),
        (LISTPACK, "set-listpack", &[Part::Text]),
    ];

    fn load(input: &mut Input<'_>, kind: u8, rules: &Rules) -> Result<Set, Fault> {
        let limits = &rules.limits;
        match kind {
            INTSET => Ok(Set::import_intset(
                Intset::from_bytes(input.blob()?)?,
                limits,
            )),
            LISTPACK => Ok(Set::import_pack(pack(input, rules, 1)?, limits)),
            _ => {
                let members = input.count(1)?;
                let mut set = Set::import_for(members, limits);
                for _ in 0..members {
                    let entry = match input.string()? {
                        Text::Int(n) => Entry::Int(n),
                        Text::Bytes(text) => Entry::Str(text),
                    };
                    if !set.add_entry(entry, limits) {
                        return Err(Fault::Duplicate);
                    }
                }
                Ok(set)
            }
        }
    }

    fn form(&self, version: u32) -> ValueForm {
        ValueForm::of(match self {
            Set::Intset(_) => INTSET,
            Set::Listpack(_) if version >= VERSION_PACKED_SETS => LISTPACK,
            _ => SET,
        })
    }

    fn save_head(&self, to: &mut RdbWriter, form: ValueForm) {
        match self {
            Set::Intset(set) => to.string(set.as_bytes()),
            Set::Listpack(pack) if form.kind == LISTPACK => to.pack(pack),
            _ => to.length(self.len() as u64),
        }
    }

    fn save_part(
        &self,
        to: &mut RdbWriter,
        form: ValueForm,
        at: u64,
        _limit: usize,
    ) -> Option<u64> {
        if form.kind != SET {
            return None;
        }
        continued(self.scan(at, |member| to.element(member)))
    }

    fn rewrite(&self, to: &mut CommandWriter, key: &[u8], at: u64, most: usize) -> Option<u64> {
        const NAME: &[u8] = b"SADD";
        let mut add = |entry: Entry<'_>| {
            to.entry(entry);
            to.end_command(NAME, key, ELEMENTS_MAX);
        };
        let next = if most == usize::MAX {
            self.visit(|entry| {
                add(entry);
                true
            });
            0
        } else {
            self.scan(at, add)
        };
        to.end_command(NAME, key, 0);
        continued(next)
    }
}
