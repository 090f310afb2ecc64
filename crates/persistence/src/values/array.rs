//! Arrays.
//!
//!     n [cursor] n (index, tag, value)            ARRAY
//!     cursor = 0 | 1 index of the last insertion
//!     value  = a string | i64le | f64le           by the tag
//!
//!     ARMSET a index value ... | ARMSET a ... | ARSEEK a index

use super::{NamedForm, SavedContainer, ValueForm};
use crate::aof::CommandWriter;
use crate::rdb::Part::{Counted, Length, Optional, Tagged};
use crate::rdb::format::array::{FLOAT, INT, SHORT, TEXT};
use crate::rdb::{
    Fault, Input, RdbOrigin, RdbWriter, Rules, VERSION_ARRAYS, VERSION_USUAL, is_valkey,
};
use russet_base::numbers::float;
use russet_keyspace::Keyspace;
use russet_resp::write_request;
use russet_types::array::INDEX_MAX;
use russet_types::{Array, Container, Entry, Type};

const ARRAY: u8 = 28;

/// The longest text with the tag of short texts.
const SHORT_MAX: usize = 7;
/// Words of a command: an index and a value each.
const WORDS_MAX: usize = 64;

impl SavedContainer for Array {
    const FORMS: &[NamedForm] = &[(ARRAY, "array", &[Counted(&[Optional], &[Length, Tagged])])];

    fn load(input: &mut Input<'_>, kind: u8, rules: &Rules) -> Result<Array, Fault> {
        if rules.dialect == RdbOrigin::Valkey {
            return Err(Fault::Unknown(kind));
        }
        let limits = &rules.limits;
        let mut array = Array::new(limits);
        let count = input.count(3)?;
        match input.length()? {
            0 => {}
            1 => {
                let cursor = input.length()?;
                array.set_next(cursor.checked_add(1).ok_or(Fault::Range)?);
            }
            _ => return Err(Fault::damaged("an array's cursor is damaged")),
        }
        let mut digits = itoa::Buffer::new();
        let mut float_text = Vec::new();
        for _ in 0..count {
            let index = input.length()?;
            if index > INDEX_MAX {
                return Err(Fault::Range);
            }
            let tag = input.length()?;
            let text = match tag {
                TEXT | SHORT => {
                    let text = input.string()?.bytes(&mut digits);
                    if tag == SHORT && text.len() > SHORT_MAX {
                        return Err(Fault::damaged("an array's short text is long"));
                    }
                    text
                }
                INT => digits.format(i64::from_le_bytes(input.array()?)).as_bytes(),
                FLOAT => {
                    write_float(&mut float_text, input.double()?);
                    &float_text
                }
                _ => return Err(Fault::damaged("an array's value is of unknown kind")),
            };
            // As in Redis, indexes may come in any order, and if an index comes twice the last
            // value stays.
            array.set(index, text, limits);
        }
        Ok(array)
    }

    fn form(&self, version: u32) -> ValueForm {
        let is_lost = version < VERSION_ARRAYS || is_valkey(version);
        ValueForm {
            lost: is_lost.then_some("an array"),
            may_lose: false,
            ..ValueForm::of(ARRAY)
        }
    }

    fn version_for(keyspace: &Keyspace) -> u32 {
        if keyspace.any_of(Type::Array) {
            VERSION_ARRAYS
        } else {
            VERSION_USUAL
        }
    }

    fn save_head(&self, to: &mut RdbWriter, _form: ValueForm) {
        to.length(self.len() as u64);
        match self.next() {
            0 => to.length(0),
            next => {
                to.length(1);
                to.length(next - 1);
            }
        }
    }

    fn save_part(
        &self,
        to: &mut RdbWriter,
        _form: ValueForm,
        at: u64,
        limit: usize,
    ) -> Option<u64> {
        part(self, at, limit, |index, value| {
            to.length(index);
            match value {
                Entry::Int(n) => {
                    to.length(INT);
                    to.raw(&n.to_le_bytes());
                }
                Entry::Str(text) => {
                    to.length(if text.len() <= SHORT_MAX { SHORT } else { TEXT });
                    to.string(text);
                }
            }
        })
    }

    fn rewrite(&self, to: &mut CommandWriter, key: &[u8], at: u64, most: usize) -> Option<u64> {
        const NAME: &[u8] = b"ARMSET";
        let next = part(self, at, most, |index, value| {
            to.word(itoa::Buffer::new().format(index).as_bytes());
            to.entry(value);
            to.end_command(NAME, key, WORDS_MAX);
        });
        to.end_command(NAME, key, 0);
        if next.is_none() && self.next() != 0 {
            let mut digits = itoa::Buffer::new();
            let args: [&[u8]; 3] = [b"ARSEEK", key, digits.format(self.next()).as_bytes()];
            write_request(&mut to.out, args.into_iter());
        }
        next
    }
}

/// Passes up to `limit` values from index `at` on to `write`; returns the index after them, `None`
/// at the end.
fn part<'a>(
    array: &'a Array,
    at: u64,
    limit: usize,
    mut write: impl FnMut(u64, Entry<'a>),
) -> Option<u64> {
    let (mut left, mut next) = (limit.max(1), None);
    array.visit(at, INDEX_MAX, false, |index, value| {
        if left == 0 {
            next = Some(index);
            return false;
        }
        write(index, value);
        left -= 1;
        true
    });
    next
}

/// The text of a number, replacing the content of `out`.
fn write_float(out: &mut Vec<u8>, value: f64) {
    out.clear();
    float::write_double(out, value);
    if out.iter().all(|byte| matches!(byte, b'-' | b'0'..=b'9')) {
        out.extend_from_slice(b".0");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_have_redis_s_texts() {
        let text = |value| {
            let mut out = b"x".to_vec();
            write_float(&mut out, value);
            String::from_utf8(out).expect("ASCII")
        };
        assert_eq!([3.0, 3.5, -0.0].map(text), ["3.0", "3.5", "-0.0"]);
    }
}
