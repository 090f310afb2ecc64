//! Stream nodes from arbitrary bytes: the bytes are refused, or every operation works on them.

use super::input::Input;
use russet_encodings::listpack::{Entry, Listpack};
use russet_encodings::stream_id::StreamId;
use russet_encodings::stream_node::{Cursor, EntryHead, StreamNode};

const NODE: StreamId = StreamId::new(1 << 40, 7);

/// The bytes as a node, or as the numbers of a node. An accepted node reads the same from both
/// ends, and stays valid when it changes.
pub fn stream_node(bytes: &[u8]) {
    let node = match StreamNode::import(NODE, bytes) {
        Ok(Some(node)) => Some(node),
        _ => StreamNode::import(NODE, of_numbers(bytes).as_bytes())
            .ok()
            .flatten(),
    };
    let Some(mut node) = node else {
        return;
    };
    check(&node);
    let mut input = Input::new(bytes);
    let mut last = node.last_id(NODE).unwrap_or(NODE);
    while !input.is_empty() {
        let what = input.byte();
        match what % 3 {
            0 => {
                let Some(next) = last.next() else { return };
                last = next;
                let names: [&[u8]; 2] = [b"\x01", b"f"];
                let name = names[usize::from(what >> 7)];
                let len = usize::from(what % 7);
                let pairs = [(name, input.bytes(len))];
                node.append(NODE, last, pairs.into_iter());
            }
            1 => {
                let mut cursor = node.cursor(NODE);
                let mut live = std::iter::from_fn(|| cursor.next()).filter(|head| !head.deleted);
                if let Some(head) = live.nth(usize::from(what >> 4)) {
                    node.delete(head.at);
                }
            }
            _ => {
                let mut left = what >> 4;
                node.delete_while(NODE, |_| {
                    left = left.wrapping_sub(1);
                    left < 16
                });
            }
        }
        check(&node);
    }
}

/// A listpack of small numbers and texts.
fn of_numbers(bytes: &[u8]) -> Listpack {
    Listpack::from_entries(bytes.iter().map(|byte| match byte {
        0x80.. => Entry::Str(b"text"),
        n => Entry::Int(i64::from(*n)),
    }))
}

fn all<'a>(
    mut cursor: Cursor<'a>,
    step: impl Fn(&mut Cursor<'a>) -> Option<EntryHead>,
) -> Vec<(EntryHead, usize)> {
    let mut heads = Vec::new();
    while let Some(head) = step(&mut cursor) {
        let mut pairs = 0;
        while cursor.pair().is_some() {
            pairs += 1;
        }
        heads.push((head, pairs));
    }
    heads
}

fn check(node: &StreamNode) {
    node.check_invariants(NODE);
    let forth = all(node.cursor(NODE), Cursor::next);
    let mut back = all(node.cursor_back(NODE), Cursor::prev);
    back.reverse();
    assert_eq!(forth, back);
    let live = forth.iter().filter(|(head, _)| !head.deleted).count();
    assert_eq!(node.live(), live as u64);
}
