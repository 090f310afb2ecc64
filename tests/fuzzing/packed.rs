//! Listpacks and intsets from arbitrary bytes: the bytes are refused, or every operation works on
//! them.

use super::input::Input;
use russet_encodings::intset::Intset;
use russet_encodings::listpack::{Entry, Listpack};

/// An accepted listpack reads the same from both ends, and stays valid when it changes.
pub fn listpack(bytes: &[u8]) {
    let Ok(mut pack) =
        Listpack::from_bytes(bytes).or_else(|_| Listpack::from_bytes(&framed(bytes)))
    else {
        return;
    };
    pack.check_invariants();
    let forth: Vec<Vec<u8>> = pack.iter().map(|entry| entry.to_vec()).collect();
    let mut back = Vec::new();
    let mut at = pack.last();
    while let Some(pos) = at {
        back.push(pack.get(pos).to_vec());
        at = pack.prev(pos);
    }
    back.reverse();
    assert_eq!(forth, back);
    assert_eq!(forth.len(), pack.len());
    for (index, text) in forth.iter().enumerate() {
        let pos = pack.seek(index).expect("inside");
        assert!(pack.get(pos).is(text));
        let first = pack
            .find(pack.first().expect("not empty"), text, 0)
            .expect("it is there");
        assert!(pack.get(first).is(text));
    }
    change(&mut pack, forth, bytes);
}

/// Applies the same edits to the listpack and to a list of texts.
fn change(pack: &mut Listpack, mut model: Vec<Vec<u8>>, bytes: &[u8]) {
    let mut input = Input::new(bytes);
    while !input.is_empty() {
        let (what, len) = (input.byte(), usize::from(input.byte() % 80));
        let text = input.bytes(len);
        let at = input.below(model.len() + 1);
        match (what % 4, pack.seek(at)) {
            (0, Some(pos)) => {
                pack.replace(pos, Entry::parse(text));
                model[at] = text.to_vec();
            }
            (1, Some(pos)) => {
                pack.delete(pos);
                model.remove(at);
            }
            (2, Some(pos)) => {
                pack.insert_before(pos, Entry::parse(text));
                model.insert(at, text.to_vec());
            }
            _ => {
                pack.append(Entry::parse(text));
                model.push(text.to_vec());
            }
        }
        pack.check_invariants();
    }
    assert!(pack.iter().map(|entry| entry.to_vec()).eq(model));
}

/// The bytes as entries of a listpack with a valid frame.
fn framed(entries: &[u8]) -> Vec<u8> {
    let total = entries.len() as u32 + 7;
    let unknown = u16::MAX.to_le_bytes();
    [&total.to_le_bytes()[..], &unknown, entries, &[0xff]].concat()
}

/// An accepted intset is sorted, and stays sorted when numbers are added and removed.
pub fn intset(bytes: &[u8]) {
    let Ok(mut set) = Intset::from_bytes(bytes) else {
        return;
    };
    set.check_invariants();
    let all: Vec<i64> = set.iter().collect();
    assert_eq!(
        (set.min(), set.max()),
        (all.first().copied(), all.last().copied())
    );
    for chunk in bytes.chunks_exact(3) {
        let value = i64::from(i16::from_le_bytes([chunk[1], chunk[2]])) << (chunk[0] % 48);
        let had = set.contains(value);
        if chunk[0] & 0x80 != 0 {
            assert_eq!(set.remove(value), had);
        } else {
            assert_eq!(set.add(value), !had);
        }
        assert_eq!(set.contains(value), chunk[0] & 0x80 == 0);
        set.check_invariants();
    }
    assert!(
        all.iter()
            .all(|&value| !set.add(value) || set.remove(value))
    );
}
