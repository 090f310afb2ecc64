//! The tags of a field, each with a set of documents.
//!
//! A tag has a number as long as a document has it; numbers of tags that are gone are used again.
//!
//! Cost: a look-up is a hash; 2 bytes a document at most, and less in dense sets.

use hashbrown::HashTable;
use roaring::RoaringBitmap;
use russet_base::hashing::hash::keys;

use super::pairs::{Pair, Pairs};

#[derive(Debug)]
pub(crate) struct TagEntry {
    pub(crate) text: Box<[u8]>,
    pub(crate) documents: RoaringBitmap,
}

#[derive(Debug, Default)]
pub(crate) struct Tags {
    tags: Vec<Option<TagEntry>>,
    free: Vec<u32>,
    by_text: HashTable<u32>,
    /// WITHSUFFIXTRIE.
    pairs: Option<Pairs>,
    /// Bytes of all tags with their sets, and the documents of all.
    bytes: usize,
    records: usize,
}

impl TagEntry {
    fn bytes(&self) -> usize {
        self.text.len() + self.documents.serialized_size() + 48
    }
}

fn known(tags: &[Option<TagEntry>], id: u32) -> &TagEntry {
    tags[id as usize]
        .as_ref()
        .expect("a tag's number is that of a tag")
}

impl Tags {
    /// `has_pairs`: parts within tags are found quickly.
    pub(crate) fn new(has_pairs: bool) -> Tags {
        Tags {
            pairs: has_pairs.then(Pairs::default),
            ..Tags::default()
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.by_text.len()
    }

    pub(crate) fn find(&self, text: &[u8]) -> Option<&TagEntry> {
        let hash = keys().hash(text);
        let same = |id: &u32| *known(&self.tags, *id).text == *text;
        self.by_text
            .find(hash, same)
            .map(|id| known(&self.tags, *id))
    }

    /// Gives a document a tag, and returns the tag's number.
    pub(crate) fn put(&mut self, text: &[u8], document: u32) -> u32 {
        let hash = keys().hash(text);
        let same = |id: &u32| *known(&self.tags, *id).text == *text;
        let id = match self.by_text.find(hash, same) {
            Some(id) => *id,
            None => self.add(text, hash),
        };
        let tag = self.tags[id as usize]
            .as_mut()
            .expect("a tag's number is that of a tag");
        // A tag without documents is new.
        let before = if tag.documents.is_empty() {
            0
        } else {
            tag.bytes()
        };
        self.records += usize::from(tag.documents.insert(document));
        self.bytes = self.bytes - before + tag.bytes();
        id
    }

    fn add(&mut self, text: &[u8], hash: u64) -> u32 {
        let tag = Some(TagEntry {
            text: text.into(),
            documents: RoaringBitmap::new(),
        });
        let id = match self.free.pop() {
            Some(id) => {
                self.tags[id as usize] = tag;
                id
            }
            None => {
                self.tags.push(tag);
                (self.tags.len() - 1) as u32
            }
        };
        let tags = &self.tags;
        let hash_of = |id: &u32| keys().hash(&known(tags, *id).text);
        self.by_text.insert_unique(hash, id, hash_of);
        if let Some(pairs) = &mut self.pairs {
            pairs.put(id, text);
        }
        id
    }

    /// Takes a tag from a document.
    pub(crate) fn remove(&mut self, id: u32, document: u32) {
        let tag = self.tags[id as usize]
            .as_mut()
            .expect("a tag's number is that of a tag");
        self.bytes -= tag.bytes();
        self.records -= usize::from(tag.documents.remove(document));
        if !tag.documents.is_empty() {
            self.bytes += tag.bytes();
            return;
        }
        let hash = keys().hash(&tag.text);
        if let Ok(entry) = self.by_text.find_entry(hash, |other| *other == id) {
            entry.remove();
        }
        if let Some(pairs) = &mut self.pairs {
            pairs.remove(id, &tag.text);
        }
        self.tags[id as usize] = None;
        self.free.push(id);
    }

    /// The numbers of tags among which are all that have some pairs; `None`: any may have them, as
    /// there is no WITHSUFFIXTRIE.
    pub(crate) fn with_pairs(&self, pairs: &[Pair]) -> Option<RoaringBitmap> {
        self.pairs.as_ref().map(|of| of.candidates(pairs))
    }

    /// The number after the highest number of a tag.
    pub(crate) fn end(&self) -> u32 {
        self.tags.len() as u32
    }

    /// The tag of a number; `None`: no tag has the number.
    pub(crate) fn known(&self, id: u32) -> Option<&TagEntry> {
        self.tags.get(id as usize)?.as_ref()
    }

    /// All tags, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &TagEntry> {
        self.tags.iter().flatten()
    }

    /// The documents of all tags together.
    pub(crate) fn records(&self) -> usize {
        self.records
    }

    /// The bytes and documents of all tags, counted.
    #[cfg(test)]
    pub(crate) fn counted(&self) -> ((usize, usize), (usize, usize)) {
        let all = self.iter();
        let sums = all.fold((0, 0), |(bytes, records), tag| {
            (bytes + tag.bytes(), records + tag.documents.len() as usize)
        });
        ((self.bytes, self.records), sums)
    }

    pub(crate) fn bytes(&self) -> usize {
        let table =
            self.tags.capacity() * size_of::<Option<TagEntry>>() + self.by_text.capacity() * 5;
        let pairs = self.pairs.as_ref().map_or(0, Pairs::bytes);
        table + pairs + self.bytes
    }
}
