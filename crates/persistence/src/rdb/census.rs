//! The number of keys of a file, without reading their values.

use super::fault::Fault;
use super::format::{RdbOrigin, opcode};
use super::input::Input;
use super::reader::header;
use super::scan::{Scan, is_opcode};
use super::templates::Templates;

/// The number of keys of a file, or, once it is certain that there are at least `enough`, the
/// number known by then. Announced numbers (RESIZEDB) count as known.
///
/// An error: a fault, an item whose end is not known, or ([`Fault::Starved`]) bytes that have not
/// arrived. O(bytes) at most; usually it ends with the first announced number.
pub fn count_keys(input: &mut Input<'_>, enough: u64) -> Result<u64, Fault> {
    let (dialect, _) = header(input, true)?;
    let mut templates = Templates::default();
    let (mut keys, mut announced) = (0u64, 0u64);
    loop {
        let known = keys.max(announced);
        if known >= enough {
            return Ok(known);
        }
        match input.byte()? {
            opcode::EOF => return Ok(keys),
            opcode::RESIZEDB => {
                announced = announced.saturating_add(input.length()?);
                input.length()?;
            }
            opcode::HASH_TEMPLATE if dialect == RdbOrigin::Redis => templates.read(input)?,
            code => {
                let scan = Scan::begin(code, dialect).ok_or(Fault::Unknown(code))?;
                scan.pass(input, &templates)?;
                keys += u64::from(!is_opcode(code, dialect));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::{RdbWriter, Use, VERSION_USUAL};
    use russet_keyspace::{DbIndex, Keyspace, OwnedValue};

    fn file(keys: usize, announced: Option<(usize, usize)>) -> Vec<u8> {
        let mut keyspace = Keyspace::new(16);
        let mut writer = RdbWriter::new(VERSION_USUAL, false);
        writer.magic();
        writer.aux("redis-ver", b"7");
        writer.select(DbIndex(3), announced);
        for i in 0..keys {
            let name = format!("key:{i}");
            let value = vec![b'v'; i * 50_000];
            let value = OwnedValue::Bytes(&value);
            keyspace.load(DbIndex(3), name.as_bytes(), value, Some(i64::MAX / 2), None);
            let mut db = keyspace.db(DbIndex(3));
            let view = db.view(name.as_bytes()).expect("it was loaded");
            writer.key(&view, Use::Nothing);
        }
        writer.end();
        [writer.take(Vec::new()), vec![0; 8]].concat()
    }

    #[test]
    fn keys_are_counted_until_there_are_enough() {
        let plain = file(60, None);
        let whole = count_keys(&mut Input::of_bytes(&plain), u64::MAX);
        assert_eq!(whole.expect("no fault"), 60);
        let mut read = Input::of_reader(Box::new(&plain[..]), Some(plain.len() as u64));
        assert_eq!(count_keys(&mut read, 60).expect("no fault"), 60);
        let few = count_keys(&mut Input::of_bytes(&plain), 2);
        assert_eq!(few.expect("no fault"), 2);
        let empty = file(0, None);
        let none = count_keys(&mut Input::of_bytes(&empty), 1);
        assert_eq!(none.expect("no fault"), 0);
        let announced = file(3, Some((1000, 0)));
        let known = count_keys(&mut Input::of_bytes(&announced), 900);
        assert_eq!(known.expect("no fault"), 1000);
        let exact = count_keys(&mut Input::of_bytes(&announced), 2000);
        assert_eq!(exact.expect("no fault"), 3);
    }

    #[test]
    fn what_has_not_arrived_is_not_counted() {
        let plain = file(9, None);
        let mut input = Input::of_bytes(&plain[..plain.len() - 100]);
        assert!(count_keys(&mut input, u64::MAX).is_err());
    }
}
