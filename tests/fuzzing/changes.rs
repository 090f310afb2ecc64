//! The change stream: the reader refuses any bytes, or takes them apart in the same way however
//! they are cut.

use super::input::Input;
use russet_replication::change_stream::{Context, Note, Units, is_note};

/// The first byte is the length of the pieces; the stream follows.
pub fn changes(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let piece = usize::from(input.byte()) + 1;
    let stream = input.rest();
    assert_eq!(units(stream, piece), units(stream, stream.len().max(1)));
    if let Some(note) = Note::parse(stream) {
        let text = note.text();
        assert!(is_note(&text));
        assert_eq!(Note::parse(&text), Some(note));
    }
}

/// The end of each unit with the number of its changes. A `None` at the end means that the
/// remaining bytes are no stream.
fn units(stream: &[u8], piece: usize) -> Vec<Option<(u64, usize)>> {
    let mut units = Units::new(0, Context::default());
    let mut found = Vec::new();
    let pieces = stream.chunks(piece).map(Some).chain([None]);
    for piece in pieces {
        match piece {
            Some(piece) => units.push(piece),
            None => units.settle(),
        }
        loop {
            match units.next(u64::MAX) {
                Ok(Some(unit)) => {
                    let places = unit.changes.iter().map(|change| change.place.clone());
                    assert!(places.clone().all(|place| unit.bytes.get(place).is_some()));
                    assert!(places.map(|place| place.start).is_sorted());
                    found.push(Some((unit.end, unit.changes.len())));
                }
                Ok(None) => break,
                Err(_) => {
                    found.push(None);
                    return found;
                }
            }
        }
        assert!(units.position() <= units.end());
    }
    found
}
