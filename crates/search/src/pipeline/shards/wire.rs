//! Numbers, texts and values as the nodes of a cluster send them to each other.
//!
//!     number   u64, big-endian; f64 by its bits
//!     text     length, bytes
//!     option   0, or 1 and the value
//!     value    a byte for the kind, and the content; lists and maps their length first
//!
//! Bytes from other nodes are not trusted: lengths are compared with the bytes that are left before
//! anything is allocated, and lists in lists end at [`DEPTH_MAX`].

use crate::expression::{Several, Value};
use crate::hit::Explanation;

/// Lists in lists, at most.
const DEPTH_MAX: usize = 64;

/// Bytes that are written.
#[derive(Debug, Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    pub fn number(&mut self, n: u64) {
        self.0.extend_from_slice(&n.to_be_bytes());
    }

    pub fn size(&mut self, n: usize) {
        self.number(n as u64);
    }

    pub fn double(&mut self, n: f64) {
        self.number(n.to_bits());
    }

    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub fn text(&mut self, text: &[u8]) {
        self.size(text.len());
        self.0.extend_from_slice(text);
    }

    pub fn option<T>(&mut self, of: Option<T>, write: impl FnOnce(&mut Writer, T)) {
        self.byte(of.is_some().into());
        if let Some(of) = of {
            write(self, of);
        }
    }

    pub fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.byte(0),
            Value::Number(n) => {
                self.byte(1);
                self.double(*n);
            }
            Value::Text(text) => {
                self.byte(2);
                self.text(text);
            }
            Value::List(items) => {
                self.byte(3);
                self.size(items.len());
                items.iter().for_each(|item| self.value(item));
            }
            Value::Map(entries) => {
                self.byte(4);
                self.size(entries.len());
                for (name, value) in entries {
                    self.text(name);
                    self.value(value);
                }
            }
            Value::Several(of) => {
                self.byte(5);
                self.value(&of.first);
                self.text(&of.text);
            }
        }
    }

    pub fn explanation(&mut self, of: &Explanation) {
        self.text(of.text.as_bytes());
        self.size(of.parts.len());
        of.parts.iter().for_each(|part| self.explanation(part));
    }
}

/// Bytes that are read. `None` of any function: they are damaged.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn number(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*bytes))
    }

    /// A number of things, of which each takes a byte at least.
    pub fn size(&mut self) -> Option<usize> {
        let n = usize::try_from(self.number()?).ok()?;
        (n <= self.0.len()).then_some(n)
    }

    pub fn double(&mut self) -> Option<f64> {
        self.number().map(f64::from_bits)
    }

    pub fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    pub fn text(&mut self) -> Option<&'a [u8]> {
        let len = self.size()?;
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(text)
    }

    /// The inner `None`: the option is empty.
    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Reader<'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.byte()? {
            0 => Some(None),
            1 => read(self).map(Some),
            _ => None,
        }
    }

    /// As many as the number before them says.
    pub fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Reader<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        (0..self.size()?).map(|_| read(self)).collect()
    }

    pub fn value(&mut self) -> Option<Value> {
        self.value_in(0)
    }

    fn value_in(&mut self, depth: usize) -> Option<Value> {
        if depth > DEPTH_MAX {
            return None;
        }
        Some(match self.byte()? {
            0 => Value::Null,
            1 => Value::Number(self.double()?),
            2 => Value::Text(self.text()?.to_vec()),
            3 => Value::List(self.list(|its| its.value_in(depth + 1))?),
            4 => Value::Map(self.list(|its| {
                let name = its.text()?.to_vec();
                Some((name, its.value_in(depth + 1)?))
            })?),
            5 => Value::Several(Box::new(Several {
                first: self.value_in(depth + 1)?,
                text: self.text()?.to_vec(),
            })),
            _ => return None,
        })
    }

    pub fn explanation(&mut self) -> Option<Explanation> {
        self.explanation_in(0)
    }

    fn explanation_in(&mut self, depth: usize) -> Option<Explanation> {
        if depth > DEPTH_MAX {
            return None;
        }
        Some(Explanation {
            text: String::from_utf8(self.text()?.to_vec()).ok()?,
            parts: self.list(|its| its.explanation_in(depth + 1))?,
        })
    }
}
