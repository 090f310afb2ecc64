//! Where an item ends: found while its bytes arrive, without reading its value.
//!
//!     item = opcode, its parts | kind, key, the parts of its form
//!
//! A fed [`Reader`](super::Reader) that runs out of bytes in an item scans the item, and reads it
//! when it is whole. So an item is read twice at most, in however many pieces it arrives; and it is
//! read as soon as it is whole, even if nothing follows.
//!
//! A [`Layout`] is data: opcodes have theirs here, the forms of values in `persistence::values`.
//! The end of an item without a layout, or with a fault, is not known.
//!
//! Cost: O(bytes), some nanoseconds for each part; of a string only the length is visited.

use super::fault::Fault;
use super::format::{RdbOrigin, array, opcode};
use super::input::Input;
use super::layout::{Layout, Part};
use super::module::field;
use super::templates::Templates;
use crate::values;

use Part::{Length, Raw, Text, Times};

/// Lengths of a score's text from this on stand for infinities and NaN: no text follows.
const SCORE_NAMED_MIN: u8 = 253;

/// The parts after an opcode. `None`: it is no opcode, or the end is not known.
fn opcode_layout(code: u8, dialect: RdbOrigin) -> Option<Layout> {
    Some(match (code, dialect) {
        (opcode::SELECTDB | opcode::IDLE, _) => &[Length],
        (opcode::EXPIRETIME, _) => &[Raw(4)],
        (opcode::EXPIRETIME_MS, _) => &[Raw(8)],
        (opcode::RESIZEDB, _) => &[Length, Length],
        (opcode::AUX, _) => &[Text, Text],
        (opcode::FREQ, _) => &[Raw(1)],
        (opcode::BLESSED, RdbOrigin::Redis) => &[],
        (opcode::FUNCTION2, _) => &[Text],
        (opcode::SLOT_INFO, _) => &[Length, Length, Length],
        (opcode::MODULE_AUX, _) => &[Length, Length, Length, Part::Fields],
        (opcode::HASH_TEMPLATE, RdbOrigin::Redis) => &[Length, Times(&[Text])],
        (opcode::KEY_META, RdbOrigin::Redis) => &[Times(&[Raw(4), Part::Fields])],
        (opcode::VALKEY_SLOT_IMPORT, RdbOrigin::Valkey) => &[Text, Times(&[Length, Length])],
        _ => return None,
    })
}

/// Whether an item with this first byte is no key.
pub(super) fn is_opcode(code: u8, dialect: RdbOrigin) -> bool {
    opcode_layout(code, dialect).is_some()
}

/// The state of an item's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanOutcome {
    /// It has not arrived.
    Short,
    /// The item is whole.
    Whole,
    /// It is not known: the item must be read.
    Unknown,
}

/// Parts that are still to come.
#[derive(Debug)]
struct Frame {
    parts: Layout,
    next: usize,
    /// How often the parts come, this time included.
    times: u64,
}

/// A scan of an item; see the module.
#[derive(Debug)]
pub struct Scan {
    /// Bytes of the item that are scanned.
    done: usize,
    /// The innermost parts last.
    frames: Vec<Frame>,
}

impl Scan {
    /// Begins with an item whose first byte is `code`. `None`: it has no layout.
    pub fn begin(code: u8, dialect: RdbOrigin) -> Option<Scan> {
        let mut frames = Vec::new();
        let mut push = |parts| {
            frames.push(Frame {
                parts,
                next: 0,
                times: 1,
            });
        };
        match opcode_layout(code, dialect) {
            Some(parts) => push(parts),
            None => {
                push(values::layout(code, dialect)?);
                // The key is first.
                push(&[Text]);
            }
        }
        Some(Scan { done: 1, frames })
    }

    /// Continues with the bytes of the item that have arrived, and perhaps some of the next. From
    /// its beginning on `total` bytes can arrive.
    pub fn advance(&mut self, item: &[u8], total: u64, templates: &Templates) -> ScanOutcome {
        let rest = &item[self.done..];
        let mut input = Input::of_beginning(rest, total - self.done as u64);
        loop {
            let before = input.offset();
            match self.step(&mut input, templates) {
                Ok(true) => {}
                Ok(false) => return ScanOutcome::Whole,
                Err(Fault::Starved(_)) => {
                    self.done += before as usize;
                    return ScanOutcome::Short;
                }
                Err(_) => return ScanOutcome::Unknown,
            }
        }
    }

    /// Passes over the rest of the item, whose first byte has been read.
    pub fn pass(mut self, input: &mut Input<'_>, templates: &Templates) -> Result<(), Fault> {
        while self.step(input, templates)? {}
        Ok(())
    }

    /// Passes over the next part. `false`: there is none.
    fn step(&mut self, input: &mut Input<'_>, templates: &Templates) -> Result<bool, Fault> {
        let Some(frame) = self.frames.last_mut() else {
            return Ok(false);
        };
        let Some(part) = frame.parts.get(frame.next) else {
            frame.times -= 1;
            frame.next = 0;
            if frame.times == 0 {
                self.frames.pop();
            }
            return Ok(true);
        };
        let (mut inner, mut later) = (None, None);
        let mut is_done = true;
        let times = |parts, times| {
            let frame = Frame {
                parts,
                next: 0,
                times,
            };
            (times > 0).then_some(frame)
        };
        match part {
            Length => _ = input.length()?,
            Text => input.skip_string()?,
            Raw(bytes) => input.skip(*bytes)?,
            Part::Score => match input.byte()? {
                SCORE_NAMED_MIN.. => {}
                digits => input.skip(u64::from(digits))?,
            },
            Times(parts) => {
                let n = input.length()?;
                // Each time is a byte or more.
                if n > input.left() {
                    return Err(Fault::Announced(n));
                }
                inner = times(parts, n);
            }
            Part::Counted(first, parts) => {
                let n = input.length()?;
                if n > input.left() {
                    return Err(Fault::Announced(n));
                }
                later = times(parts, n);
                inner = times(first, 1);
            }
            Part::Optional => inner = times(&[Length], u64::from(input.length()? != 0)),
            Part::Tagged => {
                inner = match input.length()? {
                    array::INT | array::FLOAT => times(&[Raw(8)], 1),
                    _ => times(&[Text], 1),
                };
            }
            Part::All(parts) => inner = times(parts, 1),
            Part::Template => {
                let names = templates.get(input.length()?)?;
                inner = times(&[Text], names.len() as u64);
            }
            Part::Fields => {
                inner = match input.length()? {
                    field::END => None,
                    field::SIGNED | field::UNSIGNED => times(&[Length], 1),
                    field::FLOAT => times(&[Raw(4)], 1),
                    field::DOUBLE => times(&[Raw(8)], 1),
                    field::STRING => times(&[Text], 1),
                    _ => return Err(Fault::Encoding),
                };
                is_done = inner.is_none();
            }
            Part::Opaque => return Err(Fault::Encoding),
        }
        frame.next += usize::from(is_done);
        self.frames.extend(later);
        self.frames.extend(inner);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::format::kind;

    fn scan(item: &[u8]) -> Scan {
        Scan::begin(item[0], RdbOrigin::Redis).expect("it has a layout")
    }

    fn advance(scan: &mut Scan, item: &[u8], total: u64) -> ScanOutcome {
        scan.advance(item, total, &Templates::default())
    }

    #[test]
    fn an_item_is_whole_with_its_last_byte() {
        // A key, a hash of two fields: a string, an integer, a compressed string, a long string.
        let mut item = b"\x04\x01k\x02\x02ab\xC1\x00\x01\xC3\x05\x40\x64abcde".to_vec();
        item.extend_from_slice(b"\x41\x00");
        item.extend_from_slice(&[b'v'; 256]);
        for behind in [&b""[..], b"\xff\xff"] {
            for piece in [1, 2, 3, 100] {
                let mut one = scan(&item);
                let all = [&item, behind].concat();
                let mut arrived = 1;
                while advance(&mut one, &all[..arrived], u64::MAX) == ScanOutcome::Short {
                    assert!(arrived < item.len());
                    arrived += piece.min(all.len() - arrived);
                }
                assert_eq!(
                    advance(&mut one, &all[..arrived], u64::MAX),
                    ScanOutcome::Whole
                );
                assert!(arrived >= item.len());
            }
        }
    }

    #[test]
    fn metadata_and_templates_have_an_end() {
        let fields = b"\x01\x09\x02\x05\x03abcd\x04abcdefgh\x05\x02ab\x00";
        let metadata = [b"\xf3\x01\x01\0\0\0", &fields[..]].concat();
        let template = b"\xf2\x07\x02\x01a\x02bb";
        let mut templates = Templates::default();
        let mut input = Input::of_bytes(&template[1..]);
        templates.read(&mut input).expect("a template");
        let hash = b"\x20\x01k\x07\x01v\xc0\x05";
        for item in [&metadata[..], template, hash] {
            for len in 1..item.len() {
                let scanned = scan(item).advance(&item[..len], u64::MAX, &templates);
                assert_eq!(scanned, ScanOutcome::Short, "{item:?} {len}");
            }
            let scanned = scan(item).advance(item, u64::MAX, &templates);
            assert_eq!(scanned, ScanOutcome::Whole);
        }
        let unknown = advance(&mut scan(hash), hash, u64::MAX);
        assert_eq!(unknown, ScanOutcome::Unknown);
    }

    #[test]
    fn what_cannot_arrive_is_not_waited_for() {
        let announced = [kind::STRING, 1, b'k', 0x80, 0, 0, 1, 0];
        let scanned = |item: &[u8], total| advance(&mut scan(item), item, total);
        assert_eq!(scanned(&announced, 264), ScanOutcome::Short);
        assert_eq!(scanned(&announced, 263), ScanOutcome::Unknown);
        let damaged = [kind::STRING, 1, b'k', 0x82];
        assert_eq!(scanned(&damaged, 1000), ScanOutcome::Unknown);
        assert!(Scan::begin(240, RdbOrigin::Redis).is_none());
    }
}
