//! Documents of RedisJSON 1: a tree of nodes, encver 0.
//!
//!     1                          null
//!     2 text                     string
//!     4 double                   number
//!     8 n                        integer
//!     16 "0" or "1"              boolean
//!     32 n (128 name node)       object
//!     64 n node                  array
//!
//! Each number, text and double is a field of module data. It is read only, as the CBOR of the same
//! value, whose reader checks texts, names and numbers.

use crate::rdb::module::{self, field, read_string};
use crate::rdb::{Fault, Input};
use russet_json::DEPTH_MAX;

const NULL: u64 = 1;
const TEXT: u64 = 2;
const NUMBER: u64 = 4;
const INTEGER: u64 = 8;
const BOOLEAN: u64 = 16;
const OBJECT: u64 = 32;
const ARRAY: u64 = 64;
const MEMBER: u64 = 128;

/// The least bytes of a node, with its field's kind, and of a member.
const NODE_BYTES: u64 = 2;
const MEMBER_BYTES: u64 = 2 + 2 + NODE_BYTES;

/// Reads a node with all that is in it, and appends it as CBOR.
pub(super) fn read(input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    node(input, 0, out)
}

fn node(input: &mut Input<'_>, level: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
    if level > DEPTH_MAX {
        return Err(Fault::damaged("a document is nested too deeply"));
    }
    match module::read_number(input)? {
        NULL => out.push(0xF6),
        TEXT => text(input, out)?,
        NUMBER => {
            if input.length()? != field::DOUBLE {
                return Err(Fault::damaged("a number of a document is none"));
            }
            let value = f64::from_le_bytes(input.array()?);
            out.push(0xFB);
            out.extend_from_slice(&value.to_be_bytes());
        }
        INTEGER => {
            let value = integer(input)?;
            if value < 0 {
                head(1, !value as u64, out);
            } else {
                head(0, value as u64, out);
            }
        }
        BOOLEAN => {
            let mut word = Vec::new();
            read_string(input, &mut word)?;
            out.push(match &word[..] {
                b"0" => 0xF4,
                b"1" => 0xF5,
                _ => return Err(Fault::damaged("a boolean of a document is none")),
            });
        }
        OBJECT => {
            let members = module::read_count(input, MEMBER_BYTES)?;
            head(5, members as u64, out);
            for _ in 0..members {
                if module::read_number(input)? != MEMBER {
                    return Err(Fault::damaged("an object of a document has no member"));
                }
                text(input, out)?;
                node(input, level + 1, out)?;
            }
        }
        ARRAY => {
            let elements = module::read_count(input, NODE_BYTES)?;
            head(4, elements as u64, out);
            for _ in 0..elements {
                node(input, level + 1, out)?;
            }
        }
        _ => return Err(Fault::damaged("a node of a document is of unknown kind")),
    }
    Ok(())
}

fn text(input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut text = Vec::new();
    read_string(input, &mut text)?;
    head(3, text.len() as u64, out);
    out.extend_from_slice(&text);
    Ok(())
}

/// A signed number, which servers write as an unsigned number.
fn integer(input: &mut Input<'_>) -> Result<i64, Fault> {
    match input.length()? {
        field::SIGNED | field::UNSIGNED => Ok(input.length()? as i64),
        _ => Err(Fault::damaged("an integer of a document is none")),
    }
}

/// The head of a value of CBOR, with its longest argument.
fn head(major: u8, argument: u64, out: &mut Vec<u8>) {
    out.push(major << 5 | 27);
    out.extend_from_slice(&argument.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use russet_json::{Document, Format};

    fn shown(bytes: &[u8]) -> Result<String, Fault> {
        let (mut input, mut cbor, mut out) = (Input::of_bytes(bytes), Vec::new(), Vec::new());
        read(&mut input, &mut cbor)?;
        assert_eq!(input.left(), 0);
        let document = Document::from_cbor(&cbor);
        let document = document.map_err(|_| Fault::damaged("its CBOR"))?;
        document.root().print(&Format::default(), &mut out);
        Ok(String::from_utf8(out).expect("JSON is UTF-8"))
    }

    /// A number as a field: of a byte, of two, or of eight.
    fn number(n: u64) -> Vec<u8> {
        let mut out = vec![2];
        match n {
            0..64 => out.push(n as u8),
            64..0x4000 => out.extend((0x4000 | n as u16).to_be_bytes()),
            _ => {
                out.push(0x81);
                out.extend(n.to_be_bytes());
            }
        }
        out
    }

    fn string(text: &str) -> Vec<u8> {
        [&[5, text.len() as u8], text.as_bytes()].concat()
    }

    fn leaf(kind: u64, content: &[u8]) -> Vec<u8> {
        [&number(kind)[..], content].concat()
    }

    fn object(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut out = leaf(OBJECT, &number(members.len() as u64));
        for (name, value) in members {
            out.extend([number(MEMBER), string(name), value.clone()].concat());
        }
        out
    }

    #[test]
    fn every_kind_of_node_is_read() {
        let double = [&[4][..], &2.5f64.to_le_bytes()].concat();
        let mut array = leaf(ARRAY, &number(3));
        array.extend(leaf(INTEGER, &number(-7i64 as u64)));
        array.extend(leaf(INTEGER, &[1, 42]));
        array.extend(leaf(NUMBER, &double));
        let tree = object(&[
            ("n", leaf(NULL, &[])),
            ("t", leaf(BOOLEAN, &string("1"))),
            ("f", leaf(BOOLEAN, &string("0"))),
            ("s", leaf(TEXT, &string("h\u{e9}"))),
            ("a", array),
            ("o", object(&[])),
        ]);
        let text = r#"{"n":null,"t":true,"f":false,"s":"hé","a":[-7,42,2.5],"o":{}}"#;
        assert_eq!(shown(&tree).expect("a document"), text);
        for end in 0..tree.len() {
            assert!(shown(&tree[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        let nan = [&[4][..], &f64::NAN.to_le_bytes()].concat();
        let mut deep = leaf(NULL, &[]);
        for _ in 0..=DEPTH_MAX {
            deep = [leaf(ARRAY, &number(1)), deep].concat();
        }
        for bytes in [
            leaf(3, &[]),
            leaf(MEMBER, &string("a")),
            leaf(BOOLEAN, &string("2")),
            leaf(BOOLEAN, &string("")),
            leaf(NUMBER, &nan),
            leaf(NUMBER, &number(1)),
            leaf(TEXT, &[5, 1, 0xFF]),
            leaf(ARRAY, &number(u64::MAX)),
            leaf(OBJECT, &number(1 << 40)),
            [leaf(OBJECT, &number(1)), leaf(NULL, &[])].concat(),
            deep,
        ] {
            assert!(shown(&bytes).is_err(), "{bytes:?}");
        }
    }
}
