//! Dictionaries of suggestions, as values of Redis's module `search`: an id, fields, and their end,
//! in form MODULE_2.
//!
//!     entries, (text, score, payload)                                              encver 1
//!     entries, (text, score)                                              encver 0, read only
//!
//! Texts and payloads have a zero byte at their ends; one alone is no payload. As a command it is a
//! payload of DUMP: scores have no digits that FT.SUGADD would have to read.

use super::{NamedForm, SavedContainer, ValueForm};
use crate::aof::CommandWriter;
use crate::rdb::format::kind;
use crate::rdb::module::{
    self, ModuleId, SUGGESTIONS, field, read_count, read_double, read_end, read_string,
    write_double, write_number, write_string,
};
use crate::rdb::{Fault, Input, RdbWriter, Rules, VERSION_USUAL};
use russet_encodings::suggestions::{Change, Suggestions as Trie};
use russet_resp::write_request;
use russet_types::Suggestions;

/// The version that is written, and the version before it, without payloads.
const VERSION: u64 = 1;
/// The least bytes of an entry.
const ENTRY_BYTES: u64 = 12;
/// Ends texts and payloads.
const END: u8 = 0;

impl SavedContainer for Suggestions {
    /// Values of modules are found by the name of their type.
    const FORMS: &[NamedForm] = &[];

    fn load(input: &mut Input<'_>, _kind: u8, _rules: &Rules) -> Result<Suggestions, Fault> {
        let id = module::read_id(input)?;
        if id.name == SUGGESTIONS {
            load_fields(input, &id)
        } else {
            Err(Fault::Module(id.name))
        }
    }

    fn form(&self, _version: u32) -> ValueForm {
        ValueForm::of(kind::MODULE_2)
    }

    fn save_head(&self, to: &mut RdbWriter, _form: ValueForm) {
        to.length(module::id(SUGGESTIONS, VERSION));
        write_number(to, self.entries() as u64);
    }

    fn save_part(&self, to: &mut RdbWriter, _: ValueForm, at: u64, limit: usize) -> Option<u64> {
        let mut last = at;
        for (at, entry) in self.entries_from(at).take(limit.max(1)) {
            let mut text = entry.text;
            text.push(END);
            write_string(to, &text);
            write_double(to, entry.score.into());
            let payload = entry.payload.unwrap_or_default();
            write_string(to, &[payload, &[END]].concat());
            last = at;
        }
        if self.entries_from(last).next().is_some() {
            return Some(last);
        }
        to.length(field::END);
        None
    }

    fn rewrite(&self, to: &mut CommandWriter, key: &[u8], _at: u64, _most: usize) -> Option<u64> {
        let mut writer = RdbWriter::new(VERSION_USUAL, true);
        writer.raw(&[kind::MODULE_2]);
        self.save_head(&mut writer, self.form(VERSION_USUAL));
        self.save_part(&mut writer, self.form(VERSION_USUAL), 0, usize::MAX);
        let args: [&[u8]; 4] = [b"RESTORE", key, b"0", &writer.payload()];
        write_request(&mut to.out, args.into_iter());
        None
    }
}

/// Reads a dictionary after its id. As in Redis, entries that FT.SUGADD would ignore are, and of
/// equal texts the last counts.
pub(crate) fn load_fields(input: &mut Input<'_>, id: &ModuleId) -> Result<Suggestions, Fault> {
    if id.version > VERSION {
        return Err(Fault::damaged(
            "suggestions have an encoding that is not known",
        ));
    }
    let mut trie = Trie::default();
    let (mut text, mut payload) = (Vec::new(), Vec::new());
    for _ in 0..read_count(input, ENTRY_BYTES)? {
        read_string(input, &mut text)?;
        let score = read_double(input)? as f32;
        if id.version == VERSION {
            read_string(input, &mut payload)?;
        }
        text.pop_if(|last| *last == END);
        // Redis Stack writes a byte after a payload, and not always a zero.
        payload.pop();
        trie.add(&text, score, Change::Replace, &payload);
    }
    read_end(input)?;
    Ok(Suggestions::from(trie))
}
