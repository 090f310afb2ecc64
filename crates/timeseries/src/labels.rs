//! The labels of a series: names with values, in the order in which they were given.
//!
//!     name length: u32le | name | value length: u32le | value | ...

use russet_base::memory::alloc::slice_bytes;
use russet_base::memory::mover::Mover;

/// See the module. Without labels it has no block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(Box<[u8]>);

impl Labels {
    /// From pairs of a name and a value.
    pub fn new<'t>(pairs: impl Iterator<Item = (&'t [u8], &'t [u8])>) -> Labels {
        let mut bytes = Vec::new();
        for (name, value) in pairs {
            for text in [name, value] {
                let len = u32::try_from(text.len()).expect("arguments are shorter");
                bytes.extend_from_slice(&len.to_le_bytes());
                bytes.extend_from_slice(text);
            }
        }
        Labels(bytes.into())
    }

    /// Names with values.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        let mut texts = Texts(&self.0);
        std::iter::from_fn(move || Some((texts.next()?, texts.next()?)))
    }

    /// The number of labels. O(n).
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// The value of a label; of the first, if there are several of the name.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.iter()
            .find(|label| label.0 == name)
            .map(|label| label.1)
    }

    /// Bytes of the block of the labels.
    pub fn memory_bytes(&self) -> usize {
        if self.0.is_empty() {
            0
        } else {
            slice_bytes(self.0.len())
        }
    }

    pub(crate) fn relocate(&mut self, mover: &mut Mover) {
        mover.slice(&mut self.0);
    }
}

#[derive(Clone)]
struct Texts<'a>(&'a [u8]);

impl<'a> Texts<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = self.0.split_first_chunk()?;
        let (text, rest) = rest.split_at(u32::from_le_bytes(*len) as usize);
        self.0 = rest;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_their_order() {
        let pairs: [(&[u8], &[u8]); 3] = [(b"z", b"1"), (b"a", b""), (b"z", b"2")];
        let labels = Labels::new(pairs.into_iter());
        assert_eq!(labels.iter().collect::<Vec<_>>(), pairs);
        assert_eq!(labels.len(), 3);
        assert_eq!(labels.get(b"z"), Some(&b"1"[..]));
        assert_eq!(labels.get(b"a"), Some(&b""[..]));
        assert_eq!(labels.get(b"b"), None);
        assert_eq!(Labels::default().len(), 0);
    }
}
