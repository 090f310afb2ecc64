//! `notify-keyspace-events`: which events are published, and on which channels.
//!
//!     letter -> a bit of EventClass      `A` -> all classes marked so in the list below
//!
//! The list has each letter once, in the order in which Redis prints them; its place there is its
//! bit. CONFIG GET prints `A` for all of its classes and omits the hidden classes beside it, as
//! Redis does; the line that CONFIG REWRITE writes has them, so that it reads back the same. Cost:
//! O(letters) to read and print; whether an event is published is one test of a bit in `keyspace`.

use bitflags::bitflags;

use super::{Lines, Special};
use crate::problem::refusal::ValueError;
use crate::words::{self, Text};

/// The list of classes and channels, in printing order: the letter, and whether `A` includes it.
macro_rules! event_classes {
    ($($(#[doc = $doc:literal])* $NAME:ident, $letter:literal, $in_all:literal;)*) => {
        /// The place of each in the list, which is its bit.
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum ClassIndex { $($NAME),* }

        bitflags! {
            /// The classes of events, and the channels on which they are published.
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
            pub struct EventClass: u32 {
                $($(#[doc = $doc])* const $NAME = 1 << ClassIndex::$NAME as u32;)*
            }
        }

        const LETTERS: &[(u8, EventClass)] = &[$(($letter, EventClass::$NAME)),*];

        /// The classes of the letter `A`.
        const ALL: EventClass = EventClass::empty()
            $(.union(if $in_all { EventClass::$NAME } else { EventClass::empty() }))*;
    };
}

event_classes! {
    /// Changes of keys of whatever type: DEL, RENAME, EXPIRE and the like.
    GENERIC, b'g', true;
    /// Commands of strings.
    STRING, b'$', true;
    /// Commands of lists.
    LIST, b'l', true;
    /// Commands of sets.
    SET, b's', true;
    /// Commands of hashes.
    HASH, b'h', true;
    /// Commands of sorted sets.
    ZSET, b'z', true;
    /// A key has been removed because its time was over.
    EXPIRED, b'x', true;
    /// A key has been removed because of `maxmemory`.
    EVICTED, b'e', true;
    /// Commands of streams.
    STREAM, b't', true;
    /// Commands of modules' types; no command here has such events.
    MODULE, b'd', true;
    /// Commands of arrays.
    ARRAY, b'a', true;
    /// Commands of bits, on native bitmaps.
    BITMAP, b'b', true;
    /// Commands of path hashes, which are Valkey's.
    PATHHASH, b'p', true;
    /// A key has been created.
    NEW, b'n', false;
    /// A command replaced the value of an existing key.
    OVERWRITTEN, b'o', false;
    /// That value was of another type.
    TYPE_CHANGED, b'c', false;
    /// The channel named by the key; the message is the event.
    KEYSPACE, b'K', false;
    /// The channel named by the event; the message is the key.
    KEYEVENT, b'E', false;
    /// A command has looked for a key that does not exist.
    KEY_MISS, b'm', false;
    /// The channel named by the key, for events with the fields touched.
    SUBKEYSPACE, b'S', false;
    /// The channel named by the event, for events with the fields touched.
    SUBKEYEVENT, b'T', false;
    /// The channel named by key and field, for events with the fields touched.
    SUBKEYSPACE_ITEM, b'I', false;
    /// The channel named by event and key, for events with the fields touched.
    SUBKEYSPACE_EVENT, b'V', false;
}

/// `notify-keyspace-events`: which events are published, and where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyspaceEvents(EventClass);

impl KeyspaceEvents {
    /// Channels of events with the fields touched.
    const SUBKEY_CHANNELS: EventClass = EventClass::SUBKEYSPACE
        .union(EventClass::SUBKEYEVENT)
        .union(EventClass::SUBKEYSPACE_ITEM)
        .union(EventClass::SUBKEYSPACE_EVENT);
    const CHANNELS: EventClass = EventClass::KEYSPACE
        .union(EventClass::KEYEVENT)
        .union(Self::SUBKEY_CHANNELS);
    /// The classes that make `A` in print: Redis has no letter for path hashes, and before 8.12
    /// none for bitmaps.
    const ALL_OLD: EventClass = ALL
        .difference(EventClass::PATHHASH)
        .difference(EventClass::BITMAP);
    /// Not printed beside `A`, as in Redis, although `A` does not include them.
    const HIDDEN: EventClass = EventClass::NEW
        .union(EventClass::OVERWRITTEN)
        .union(EventClass::TYPE_CHANGED);

    /// The classes of events that are published.
    pub fn classes(self) -> EventClass {
        self.0.difference(Self::CHANNELS)
    }

    /// The channels on which they are published.
    pub fn channels(self) -> EventClass {
        self.0.intersection(Self::CHANNELS)
    }

    /// Whether it selects anything by a letter of its own that Valkey does not know.
    pub(crate) fn is_redis_only(self) -> bool {
        // `A` stands for arrays and bitmaps, too.
        let arrays = if self.0.contains(Self::ALL_OLD) {
            EventClass::empty()
        } else {
            EventClass::ARRAY | EventClass::BITMAP
        };
        let unknown = EventClass::OVERWRITTEN | EventClass::TYPE_CHANGED | Self::SUBKEY_CHANNELS;
        self.0.intersects(unknown | arrays)
    }

    /// Whether events are also published with the fields that they touched.
    pub fn with_subkeys(self) -> bool {
        self.0.intersects(Self::SUBKEY_CHANNELS)
    }
}

fn class_of(letter: u8) -> Option<EventClass> {
    let mut all = LETTERS.iter();
    Some(all.find(|(its, _)| *its == letter)?.1)
}

impl Special for KeyspaceEvents {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let [letters] = words else {
            return Err(ValueError::ArgumentCount);
        };
        let mut classes = EventClass::empty();
        for &letter in letters.iter() {
            classes |= match letter {
                b'A' => ALL,
                _ => class_of(letter).ok_or(ValueError::EventClass)?,
            };
        }
        self.0 = classes;
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let mut printed = self.0;
        if printed.contains(Self::ALL_OLD) {
            text.push(b'A');
            printed -= ALL | Self::HIDDEN;
        }
        let letters = LETTERS.iter().filter(|(_, its)| printed.contains(*its));
        text.extend(letters.map(|(letter, _)| letter));
        text
    }

    /// With the hidden classes: the file must read back as it was set.
    fn lines(&self, default: &Self) -> Lines {
        let mut letters = self.text();
        for &(letter, class) in LETTERS {
            let is_hidden = Self::HIDDEN.contains(class) && !letters.contains(&letter);
            if is_hidden && self.0.contains(class) {
                letters.push(letter);
            }
        }
        let mut line = Vec::new();
        words::quote(&mut line, &letters);
        Lines::Values(vec![(line, self != default)])
    }
}
