//! Keys and values, by the forms of their types: whole, in parts, or only measured.
//!
//! A value's form is chosen before its first byte ([`ValueForm`]); the version holds it, or the key
//! is refused by name.

use super::{
    RdbWriter, TooNew, Use, VERSION_BLESSED, VERSION_FIELD_TTLS, VERSION_MEMBER_TTLS,
    VERSION_NEWEST, VERSION_PRODUCERS, VERSION_USUAL, VERSION_VALKEY, VERSION_VALKEY_PATHS,
    is_valkey,
};
use crate::rdb::format::{kind, opcode};
use crate::rdb::payload::seal;
use crate::values::{self, ValueForm};
use russet_keyspace::{KeyView, PackedText, ValueView};
use russet_types::Type;

/// Elements of a part of a large container.
const PART_ELEMENTS: usize = 64;

impl RdbWriter {
    /// Changes the version to the lowest, from `least` on, that holds a value. `of_valkey`: fields
    /// that expire, and path hashes, have Valkey's.
    pub fn fit(&mut self, least: u32, of_valkey: bool, value: &ValueView<'_>) {
        let (own, least) = if of_valkey {
            (VERSION_VALKEY, least.min(VERSION_USUAL))
        } else {
            (VERSION_FIELD_TTLS, least)
        };
        let of_paths = of_valkey.then_some(VERSION_VALKEY_PATHS);
        let newer = [
            Some(own),
            of_paths,
            Some(VERSION_PRODUCERS),
            Some(VERSION_NEWEST),
            Some(VERSION_BLESSED),
            Some(VERSION_MEMBER_TTLS),
        ];
        let newer = newer.into_iter().flatten().filter(|newer| *newer > least);
        let all = std::iter::once(least).chain(newer);
        for version in all {
            self.version = version;
            if self.holds(value) {
                break;
            }
        }
    }

    /// Changes the version to the first of these that holds a value, else to the last, which may
    /// have the content under an older type; an error is the part that the last version cannot
    /// hold.
    pub(crate) fn fit_one_of(
        &mut self,
        versions: impl Iterator<Item = u32>,
        value: &ValueView<'_>,
    ) -> Result<(), &'static str> {
        let (mut lost, mut is_plain) = ("a value", false);
        for version in versions {
            self.version = version;
            let form = self.form_of(value);
            is_plain = form.is_plain;
            match form.lost {
                None => return Ok(()),
                Some(what) => lost = what,
            }
        }
        if is_plain { Ok(()) } else { Err(lost) }
    }

    /// Writes a whole key.
    pub fn key(&mut self, view: &KeyView<'_>, used: Use) {
        let mut at = Some(self.begin_key(view, used));
        while let Some(from) = at {
            at = self.part(&view.value, from, usize::MAX);
        }
    }

    /// Begins a key whose value follows by [`RdbWriter::part`]; returns where the first part
    /// begins.
    pub fn begin_key(&mut self, view: &KeyView<'_>, used: Use) -> u64 {
        self.key_alone(view, used);
        self.head(&view.value);
        0
    }

    /// Writes everything before a key's value. A string may then follow by [`RdbWriter::text`].
    pub fn key_alone(&mut self, view: &KeyView<'_>, used: Use) {
        if let Some(when) = view.expiry {
            self.out.push(opcode::EXPIRETIME_MS);
            self.out.extend_from_slice(&when.to_le_bytes());
        }
        match used {
            Use::Nothing => {}
            Use::IdleSeconds(seconds) => {
                self.out.push(opcode::IDLE);
                self.length(seconds);
            }
            Use::Frequency(n) => self.out.extend_from_slice(&[opcode::FREQ, n]),
        }
        if view.is_blessed && self.has_marks() {
            self.out.push(opcode::BLESSED);
        }
        self.form = self.form_of(&view.value);
        if let (Some(lost), None) = (self.form.lost, &self.too_new)
            && !self.form.may_lose
        {
            self.too_new = Some(TooNew {
                key: String::from_utf8_lossy(view.key).into_owned(),
                lost,
                version: self.version,
            });
        }
        if let ValueView::Container(container) = &view.value
            && container.kind() == Type::TimeSeries
        {
            self.name_key(view.key, true);
        }
        self.out.push(self.form.kind);
        self.string(view.key);
    }

    /// Whether the version has the marks of BLESS.
    pub(crate) fn has_marks(&self) -> bool {
        self.version >= VERSION_BLESSED && !is_valkey(self.version)
    }

    /// The value alone, as in DUMP before its version and checksum.
    pub fn value(&mut self, value: &ValueView<'_>) {
        self.value_within(value, usize::MAX);
    }

    /// As [`RdbWriter::value`], stopped when more than `most` bytes are written; returns whether it
    /// is complete.
    pub fn value_within(&mut self, value: &ValueView<'_>, most: usize) -> bool {
        /// Elements written between two checks of the length.
        const PART: usize = 1024;
        self.begin_value(value);
        let mut at = Some(0);
        while let Some(from) = at
            && self.len() <= most
        {
            at = self.part(value, from, PART);
        }
        self.len() <= most
    }

    /// Writes the value's type and what stands before its elements.
    pub(super) fn begin_value(&mut self, value: &ValueView<'_>) {
        self.form = self.form_of(value);
        self.out.push(self.form.kind);
        self.head(value);
    }

    /// The value's bytes in a file after its type; the output is discarded.
    pub fn measure(&mut self, value: &ValueView<'_>) -> usize {
        const PART: usize = 1024;
        self.form = self.form_of(value);
        self.head(value);
        let (mut total, mut at) = (0, Some(0));
        while let Some(from) = at {
            at = self.part(value, from, PART);
            total += self.out.len();
            self.out.clear();
        }
        total
    }

    /// The part of a value that the version cannot hold, if any.
    pub fn lost(&self, value: &ValueView<'_>) -> Option<&'static str> {
        self.form_of(value).lost
    }

    /// As [`RdbWriter::lost`], of the content alone.
    pub(crate) fn lost_content(&self, value: &ValueView<'_>) -> Option<&'static str> {
        let form = self.form_of(value);
        form.lost.filter(|_| !form.is_plain)
    }

    /// Whether the version can hold all of a value.
    pub fn holds(&self, value: &ValueView<'_>) -> bool {
        self.lost(value).is_none()
    }

    #[inline]
    fn form_of(&self, value: &ValueView<'_>) -> ValueForm {
        match value {
            ValueView::Int(_) | ValueView::Bytes(_) | ValueView::Packed(_) => {
                ValueForm::of(kind::STRING)
            }
            ValueView::Container(container) => values::form(container, self.version),
        }
    }

    /// Writes everything before the elements; the whole value if it is a block.
    #[inline]
    fn head(&mut self, value: &ValueView<'_>) {
        match value {
            ValueView::Int(n) => self.integer(*n),
            ValueView::Bytes(text) => self.string(text),
            ValueView::Packed(packed) => self.packed(*packed),
            ValueView::Container(container) => values::save_head(container, self, self.form),
        }
    }

    /// Writes a packed text as the string that it stands for, or leaves that to the thread; of a
    /// damaged text nothing, and the file is refused.
    #[cold]
    fn packed(&mut self, packed: PackedText<'_>) {
        if self.defer(packed) {
            return;
        }
        if packed.with_text(|text| self.string(text)).is_err() {
            self.string(b"");
            self.is_damaged = true;
        }
    }

    /// Writes elements of a value from `at` on, about `limit` at most; returns where the next part
    /// begins. `None`: the value is complete.
    pub fn part(&mut self, value: &ValueView<'_>, at: u64, limit: usize) -> Option<u64> {
        let limit = limit.min(PART_ELEMENTS);
        match value {
            ValueView::Int(_) | ValueView::Bytes(_) | ValueView::Packed(_) => None,
            ValueView::Container(container) => {
                values::save_part(container, self, self.form, at, limit)
            }
        }
    }

    /// Takes the bytes written so far as a payload: with the version and a checksum at its end.
    pub fn payload(&mut self) -> Vec<u8> {
        let mut payload = self.take(Vec::new());
        seal(&mut payload, self.version);
        payload
    }
}
