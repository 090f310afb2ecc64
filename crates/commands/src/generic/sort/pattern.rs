//! BY and GET patterns: a key, or a field of a key, with the element in place of `*`.

use russet_keyspace::{Db, TextBuffer};
use russet_types::{Entry, Hash};

/// The target of BY and GET: `#`, `prefix*suffix` or `prefix*suffix->field`.
pub(super) enum Pattern<'a> {
    /// The element itself.
    Element,
    /// No `*`: finds nothing.
    Nothing,
    Key {
        prefix: &'a [u8],
        suffix: &'a [u8],
        field: Option<&'a [u8]>,
    },
}

impl<'a> Pattern<'a> {
    pub(super) fn parse(text: &'a [u8]) -> Pattern<'a> {
        if text == b"#" {
            return Pattern::Element;
        }
        let Some(star) = memchr::memchr2(b'*', 0, text).filter(|&at| text[at] == b'*') else {
            return Pattern::Nothing;
        };
        let (prefix, rest) = (&text[..star], &text[star + 1..]);
        // A trailing arrow belongs to the key.
        let arrow = memchr::memmem::find(rest, b"->").filter(|&at| at + 2 < rest.len());
        let (suffix, field) = match arrow {
            Some(at) => (&rest[..at], Some(&rest[at + 2..])),
            None => (rest, None),
        };
        Pattern::Key {
            prefix,
            suffix,
            field,
        }
    }

    /// Calls `see` with the value that the pattern finds for an element; `None`: no value. `key` is
    /// scratch space for the key's name.
    pub(super) fn look_up<R>(
        &self,
        db: &mut Db<'_>,
        element: &[u8],
        key: &mut Vec<u8>,
        see: impl FnOnce(Entry<'_>) -> R,
    ) -> Option<R> {
        let (prefix, suffix, field) = match self {
            Pattern::Element => return Some(see(Entry::Str(element))),
            Pattern::Nothing => return None,
            Pattern::Key {
                prefix,
                suffix,
                field,
            } => (prefix, suffix, field),
        };
        key.clear();
        for part in [prefix, element, suffix] {
            key.extend_from_slice(part);
        }
        let Some(name) = field else {
            let text = db.string(key).ok()??;
            let mut buffer = TextBuffer::new();
            return Some(see(Entry::Str(text.text(&mut buffer).ok()?)));
        };
        let now = db.due_ms() as u64;
        let hash = db.read::<Hash>(key).ok()??;
        match hash.get(name)? {
            found if found.expired(now) => {
                db.expire_fields(key, &[name]);
                None
            }
            found => Some(see(found.value)),
        }
    }
}
