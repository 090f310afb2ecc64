//! Whether a file is whole, without making its values: its structure, and its checksum.

use super::fault::Fault;
use super::format::{RdbOrigin, opcode};
use super::input::Input;
use super::reader::header;
use super::scan::Scan;
use super::templates::Templates;

/// The first version with a checksum.
const VERSION_CHECKSUM: u16 = 5;

/// Reads a file to the end; returns the length of the content. An error is a fault and its offset.
/// A wrong checksum has the offset of the end, because the damage may be anywhere before it.
///
/// Cost: O(bytes); memory for a window, whatever the file has.
pub fn verify(input: &mut Input<'_>) -> Result<u64, (u64, Fault)> {
    input.begin_checksum();
    match items(input) {
        Ok(()) => Ok(input.offset()),
        Err(fault) => Err((input.offset(), fault)),
    }
}

fn items(input: &mut Input<'_>) -> Result<(), Fault> {
    let (dialect, version) = header(input, true)?;
    let mut templates = Templates::default();
    loop {
        match input.byte()? {
            opcode::EOF => break,
            opcode::HASH_TEMPLATE if dialect == RdbOrigin::Redis => templates.read(input)?,
            code => {
                let scan = Scan::begin(code, dialect).ok_or(Fault::Unknown(code))?;
                scan.pass(input, &templates)?;
            }
        }
    }
    if version < VERSION_CHECKSUM {
        return Ok(());
    }
    let found = input.checksum().unwrap_or(0);
    let stated = u64::from_le_bytes(input.array()?);
    // 0: it was written without a checksum.
    if stated == 0 || stated == found {
        Ok(())
    } else {
        Err(Fault::Checksum { stated, found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::{RdbWriter, Use, VERSION_USUAL};
    use russet_base::hashing::crc64;
    use russet_keyspace::{DbIndex, Keyspace, OwnedValue};

    fn file() -> Vec<u8> {
        let mut keyspace = Keyspace::new(1);
        let mut writer = RdbWriter::new(VERSION_USUAL, false);
        writer.magic();
        writer.aux("redis-ver", b"7");
        writer.select(DbIndex(0), Some((40, 0)));
        for i in 0..40 {
            let name = format!("key:{i}");
            let value = vec![b'v'; i * 1000];
            keyspace.load(
                DbIndex(0),
                name.as_bytes(),
                OwnedValue::Bytes(&value),
                None,
                None,
            );
            let mut db = keyspace.db(DbIndex(0));
            let view = db.view(name.as_bytes()).expect("it was loaded");
            writer.key(&view, Use::Nothing);
        }
        writer.end();
        let mut bytes = writer.take(Vec::new());
        let sum = crc64::update(0, &bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let whole = file();
        let len = whole.len() as u64;
        let read = |bytes: &[u8]| {
            let reader: Box<dyn std::io::Read> = Box::new(std::io::Cursor::new(bytes.to_vec()));
            verify(&mut Input::of_reader(reader, Some(bytes.len() as u64)))
        };
        assert_eq!(read(&whole).expect("whole"), len);
        let more = [&whole[..], b"*1\r\n"].concat();
        assert_eq!(read(&more).expect("whole"), len);
        for at in (0..whole.len()).step_by(997).chain([whole.len() - 1]) {
            let mut damaged = whole.clone();
            damaged[at] ^= 4;
            assert!(read(&damaged).is_err(), "{at}");
        }
        for len in (0..whole.len()).step_by(1231) {
            assert!(read(&whole[..len]).is_err(), "{len}");
        }
    }
}
