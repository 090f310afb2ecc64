//! Sets.
//!
//!     n members | an intset | a listpack
//!     [first expiry: ms] a listpack: member, expiry, ...        LISTPACK_EX
//!     [first expiry: ms] n (expiry, member)                     METADATA
//!
//!     SADD s ... SPEXPIREAT s ms MEMBERS 1 m ... | SADD s ...
//!
//! Versions before Redis 8.12 have no expiries of members: a file leaves them out, and the log
//! names the number of sets.

use super::packed::pack;
use super::{NamedForm, SavedContainer, ValueForm, continued};
use crate::aof::{CommandWriter, ELEMENTS_MAX};
use crate::rdb::Part::{self, Times};
use crate::rdb::{
    Fault, Input, RdbOrigin, RdbWriter, Rules, Text, VERSION_MEMBER_TTLS, VERSION_PACKED_SETS,
    VERSION_USUAL, is_valkey,
};
use russet_encodings::intset::Intset;
use russet_keyspace::Keyspace;
use russet_resp::write_request;
use russet_types::import::FIELD_EXPIRY_MAX;
use russet_types::{Container, Entry, Expirable as _, Limits, Set};

const SET: u8 = 2;
const INTSET: u8 = 11;
const LISTPACK: u8 = 20;
/// Members that may expire, in a listpack and in a table.
const LISTPACK_EX: u8 = 34;
const METADATA: u8 = 35;

impl SavedContainer for Set {
    const FORMS: &[NamedForm] = &[
        (SET, "set-hashtable", &[Times(&[Part::Text])]),
        (INTSET, "set-intset", &[Part::Text]),
        (LISTPACK, "set-listpack", &[Part::Text]),
        (LISTPACK_EX, "set-listpack-ex", &[Part::Raw(8), Part::Text]),
        (
            METADATA,
            "set-hashtable-md",
            &[Part::Raw(8), Times(&[Part::Length, Part::Text])],
        ),
    ];

    fn load(input: &mut Input<'_>, kind: u8, rules: &Rules) -> Result<Set, Fault> {
        let limits = &rules.limits;
        match kind {
            INTSET => Ok(Set::import_intset(
                Intset::from_bytes(input.blob()?)?,
                limits,
            )),
            LISTPACK => Ok(Set::import_pack(pack(input, rules, 1)?, limits)),
            LISTPACK_EX | METADATA if rules.dialect != RdbOrigin::Redis => {
                Err(Fault::Unknown(kind))
            }
            LISTPACK_EX => {
                first_expiry(input)?;
                let pack = pack(input, rules, 2)?;
                Set::import_extended(pack, limits)
                    .ok_or_else(|| Fault::damaged("expiries of members are out of order"))
            }
            METADATA => expiring(input, limits),
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

    /// O(members) if some expire.
    fn form(&self, version: u32) -> ValueForm {
        if let Set::Intset(_) | Set::Listpack(_) = self {
            return ValueForm::of(match self {
                Set::Intset(_) => INTSET,
                _ if version >= VERSION_PACKED_SETS => LISTPACK,
                _ => SET,
            });
        }
        let expirable = version >= VERSION_MEMBER_TTLS && !is_valkey(version);
        let first_expiry = self.expire_min();
        let kind = match self {
            Set::ListpackEx(_) if expirable => LISTPACK_EX,
            Set::Table(_) if expirable && first_expiry.is_some() => METADATA,
            _ => SET,
        };
        ValueForm {
            kind,
            first_expiry,
            lost: (first_expiry.is_some() && !expirable).then_some(LOST),
            may_lose: true,
            is_plain: false,
        }
    }

    fn version_for(keyspace: &Keyspace) -> u32 {
        if keyspace.any_member_expires() {
            VERSION_MEMBER_TTLS
        } else {
            VERSION_USUAL
        }
    }

    fn save_head(&self, to: &mut RdbWriter, form: ValueForm) {
        match self {
            Set::Intset(set) => to.string(set.as_bytes()),
            Set::Listpack(pack) if form.kind == LISTPACK => to.pack(pack),
            Set::ListpackEx(pack) if form.kind == LISTPACK_EX => {
                to.time(form.first_expiry.unwrap_or(0));
                to.pack(pack);
            }
            _ => {
                if form.kind == METADATA {
                    to.time(form.first_expiry.unwrap_or(0));
                }
                to.length(self.len() as u64);
            }
        }
    }

    fn save_part(
        &self,
        to: &mut RdbWriter,
        form: ValueForm,
        at: u64,
        _limit: usize,
    ) -> Option<u64> {
        if let (METADATA, Some(first)) = (form.kind, form.first_expiry) {
            return continued(self.scan_expiries(at, |member, expiry| {
                // 0 means none; the others count from the first.
                to.length(expiry.map_or(0, |when| when - first + 1));
                to.element(member);
            }));
        }
        if form.kind != SET {
            return None;
        }
        continued(self.scan(at, |member| to.element(member)))
    }

    fn rewrite(&self, to: &mut CommandWriter, key: &[u8], at: u64, most: usize) -> Option<u64> {
        const NAME: &[u8] = b"SADD";
        if self.next_due().is_some() {
            return rewrite_expiring(self, to, key, at, most);
        }
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

/// The part that versions before Redis 8.12 leave out.
const LOST: &str = "members that expire";

/// The first expiry of a form with expiries; 0 is none.
fn first_expiry(input: &mut Input<'_>) -> Result<u64, Fault> {
    let first = u64::try_from(input.millis()?).map_err(|_| Fault::Range)?;
    if first > FIELD_EXPIRY_MAX {
        return Err(Fault::Range);
    }
    Ok(first)
}

/// A table whose members may expire.
fn expiring(input: &mut Input<'_>, limits: &Limits) -> Result<Set, Fault> {
    let first = first_expiry(input)?;
    let members = input.count(2)?;
    let mut set = Set::import_expiring(members, limits);
    let mut member = Vec::new();
    for _ in 0..members {
        let expire_ms = match input.length()? {
            0 => None,
            distance => Some(first.saturating_add(distance - 1)),
        };
        if expire_ms.is_some_and(|ms| ms > FIELD_EXPIRY_MAX) {
            return Err(Fault::Range);
        }
        input.string_to(&mut member)?;
        if !set.add(&member, limits) {
            return Err(Fault::Duplicate);
        }
        // In a listpack an expiry of 0 means none; 1 is in the past as well.
        if let Some(ms) = expire_ms {
            set.set_expiry(&member, Some(ms.max(1)), limits);
        }
    }
    Ok(set)
}

/// A part of the commands that make a set whose members expire: the members, then their expiries.
fn rewrite_expiring(
    set: &Set,
    to: &mut CommandWriter,
    key: &[u8],
    at: u64,
    most: usize,
) -> Option<u64> {
    const NAME: &[u8] = b"SADD";
    let mut expiries = Vec::new();
    let mut add = |member: Entry<'_>, expiry: Option<u64>| {
        to.entry(member);
        to.end_command(NAME, key, ELEMENTS_MAX);
        if let Some(ms) = expiry {
            let (mut ms_text, mut digits) = (itoa::Buffer::new(), itoa::Buffer::new());
            let args: [&[u8]; 6] = [
                b"SPEXPIREAT",
                key,
                ms_text.format(ms).as_bytes(),
                b"MEMBERS",
                b"1",
                member.bytes(&mut digits),
            ];
            write_request(&mut expiries, args.into_iter());
        }
    };
    let next = if most == usize::MAX {
        set.visit_expiries(|member, expiry| {
            add(member, expiry);
            true
        });
        0
    } else {
        set.scan_expiries(at, add)
    };
    to.end_command(NAME, key, 0);
    to.out.extend_from_slice(&expiries);
    continued(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use russet_encodings::listpack::Listpack;

    fn loaded(kind: u8, bytes: &[u8]) -> Result<Set, Fault> {
        let rules = Rules {
            limits: Limits::default(),
            deep: true,
            dialect: RdbOrigin::Redis,
            templates: Default::default(),
        };
        Set::load(&mut Input::of_bytes(bytes), kind, &rules)
    }

    fn packed(first: u64, entries: &[Entry<'_>]) -> Vec<u8> {
        let pack = Listpack::from_entries(entries.iter().copied());
        let bytes = pack.as_bytes();
        let len = u8::try_from(bytes.len()).expect("short");
        assert!(len < 64, "a length of one byte");
        [&first.to_le_bytes()[..], &[len], bytes].concat()
    }

    #[test]
    fn a_listpack_of_members_and_expiries_is_read() {
        let (a, b) = (Entry::Str(b"a"), Entry::Int(7));
        let set = loaded(34, &packed(50, &[a, Entry::Int(50), b, Entry::Int(0)]));
        let set = set.expect("it is sound");
        assert_eq!(set.expiry_of(b"a"), Some(Some(50)));
        assert_eq!(set.expiry_of(b"7"), Some(None));
        for wrong in [
            &[a, Entry::Int(50), b][..],
            &[a, Entry::Int(0), b, Entry::Int(5)],
            &[a, Entry::Int(9), b, Entry::Int(5)],
            &[a, Entry::Int(5), a, Entry::Int(9)],
            &[a, Entry::Int(-5)],
            &[a, Entry::Int(1 << 46)],
            &[a, Entry::Str(b"x")],
        ] {
            assert!(loaded(34, &packed(5, wrong)).is_err(), "{wrong:?}");
        }
        assert!(loaded(34, &packed(1 << 46, &[a, Entry::Int(5)])).is_err());
    }

    #[test]
    fn a_table_of_members_and_expiries_is_read() {
        let head = 1000u64.to_le_bytes();
        let bytes = |tail: &[u8]| [&head[..], tail].concat();
        let set = loaded(35, &bytes(b"\x03\x01\x01a\x00\x01b\x06\xc0\x07")).expect("sound");
        assert_eq!(set.len(), 3);
        assert_eq!(set.expiry_of(b"a"), Some(Some(1000)));
        assert_eq!(set.expiry_of(b"b"), Some(None));
        assert_eq!(set.expiry_of(b"7"), Some(Some(1005)));
        set.check_invariants();
        for wrong in [
            &b"\x02\x01\x01a\x00\x01a"[..],
            b"\x02\x01\x01a\x00",
            b"\x01\x01",
            b"\x01\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01a",
            b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01a",
        ] {
            assert!(loaded(35, &bytes(wrong)).is_err(), "{wrong:?}");
        }
    }
}
