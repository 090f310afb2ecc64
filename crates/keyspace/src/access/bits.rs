//! Values as arrays of bits: strings and native bitmaps.
//!
//! Commands of bits take both; to all other commands a bitmap is a value of another type. A key's
//! string becomes a bitmap in place: it keeps its expiry and its use, and does not count as
//! overwritten, but the type changes.

use super::super::{Class, Db, NewValue, Place, Ref, RefMut, Str, TextBuffer};
use russet_command::CommandError;
use russet_types::{Bitmap, Type};

/// The bits of a key.
pub enum Bits<'a> {
    /// The bits of a string.
    Text(Str<'a>),
    /// The bits of a native bitmap.
    Native(Ref<'a, Bitmap>),
}

impl Db<'_> {
    /// The bits at `key`, for a reader.
    #[inline]
    pub fn bits(&mut self, key: &[u8]) -> Result<Option<Bits<'_>>, CommandError> {
        let Some(found) = self.find_to_read(key) else {
            return Ok(None);
        };
        match found.entry.string() {
            Some(text) => Ok(Some(Bits::Text(text))),
            None if found.entry.kind() == Type::Bitmap => {
                Ok(Some(Bits::Native(Ref::of(found.entry))))
            }
            None => Err(CommandError::WrongType),
        }
    }

    /// The bits at several keys, each looked up once and in order, for a reader.
    pub fn all_bits<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k [u8]>,
    ) -> Result<Vec<Option<Bits<'_>>>, CommandError> {
        // A lookup may free an expired entry, never an entry that this call found before.
        let all = keys.map(|key| match self.find_to_read(key) {
            None => Ok(None),
            Some(found) => match found.entry.string() {
                Some(text) => Ok(Some(Bits::Text(text))),
                None if found.entry.kind() == Type::Bitmap => {
                    Ok(Some(Bits::Native(Ref::of(found.entry))))
                }
                None => Err(CommandError::WrongType),
            },
        });
        all.collect()
    }

    /// Replaces the string at `key` by the bitmap with its bits, and emits `type_changed`; a
    /// missing key gets an empty bitmap. `false`: it is a bitmap already. The caller records the
    /// change.
    ///
    /// # Errors
    /// Another type; [`CommandError::DamagedValue`].
    pub fn make_bitmap(&mut self, key: &[u8]) -> Result<bool, CommandError> {
        let mut place = self.place(key);
        place.unpack()?;
        let bitmap = match place.string() {
            Err(_) => return place.holds::<Bitmap>().map(|_| false),
            Ok(None) => None,
            Ok(Some(text)) => {
                let mut buffer = TextBuffer::new();
                Some(Bitmap::of_text(text.text(&mut buffer)?))
            }
        };
        let was_string = bitmap.is_some();
        place.modify_string(NewValue::container(bitmap.unwrap_or_default()));
        if was_string {
            self.event(key, Class::TYPE_CHANGED, "type_changed");
        }
        Ok(true)
    }
}

impl<'d> Place<'d, '_, '_> {
    /// The bitmap at the key, to change it. `Err`: no key, or another type.
    pub fn bitmap(self) -> Result<RefMut<'d, Bitmap>, CommandError> {
        if self.holds::<Bitmap>()? {
            self.open()
        } else {
            Err(CommandError::WrongType)
        }
    }
}
