//! JSON documents, as values of Redis's module ReJSON.
//!
//!     id, text 0           MODULE_2, encver 3: the document as JSON text
//!     id, cbor 0           MODULE_2, encver 4: as CBOR, which keeps the types of arrays of floats
//!     id, text, n [text text] 0                encver 2: with the name and path of an index
//!     id, nodes 0          encver 0: a tree (`json_tree`)
//!
//! Text and numbers after the id are fields of module data. Encver 4 is written only for a document
//! that has such an array: servers older than 8.8 refuse it. No version of the file matters: a
//! reader knows the module, or refuses the file by its name.
//!
//!     JSON.SET key $ text | RESTORE key 0 payload

use super::{NamedForm, SavedContainer, ValueForm, json_tree};
use crate::aof::CommandWriter;
use crate::background::Sink;
use crate::rdb::format::kind;
use crate::rdb::module::{
    self, JSON, ModuleId, field, read_end, read_number, read_string, write_string,
};
use crate::rdb::{Fault, Input, RdbWriter, Rules, VERSION_USUAL};
use russet_json::{Document, Format};
use russet_keyspace::ValueView;
use russet_resp::write_request;
use russet_types::{Json, Type};
use std::io;

const TREE: u64 = 0;
const INDEXED: u64 = 2;
const TEXT: u64 = 3;
const CBOR: u64 = 4;

impl SavedContainer for Json {
    /// Values of modules are found by the module's name.
    const FORMS: &[NamedForm] = &[];

    fn load(input: &mut Input<'_>, _kind: u8, _rules: &Rules) -> Result<Json, Fault> {
        let id = module::read_id(input)?;
        if id.name == JSON {
            load_fields(input, &id)
        } else {
            Err(Fault::Module(id.name))
        }
    }

    fn form(&self, _version: u32) -> ValueForm {
        ValueForm::of(kind::MODULE_2)
    }

    fn save_head(&self, to: &mut RdbWriter, _form: ValueForm) {
        write_fields(self, to);
    }

    fn save_part(&self, _: &mut RdbWriter, _: ValueForm, _: u64, _: usize) -> Option<u64> {
        None
    }

    fn rewrite(&self, to: &mut CommandWriter, key: &[u8], _at: u64, _most: usize) -> Option<u64> {
        if self.has_fpha() {
            let mut writer = RdbWriter::new(VERSION_USUAL, false);
            let form = self.form(VERSION_USUAL);
            writer.raw(&[form.kind]);
            self.save_head(&mut writer, form);
            let payload = writer.payload();
            let args: [&[u8]; 4] = [b"RESTORE", key, b"0", &payload];
            write_request(&mut to.out, args.into_iter());
        } else {
            let args: [&[u8]; 4] = [b"JSON.SET", key, b"$", &text(self)];
            write_request(&mut to.out, args.into_iter());
        }
        None
    }
}

/// The version of the form that a document has in files, and its bytes in it.
fn written(document: &Document) -> (u64, Vec<u8>) {
    if document.has_fpha() {
        (CBOR, document.to_cbor())
    } else {
        (TEXT, text(document))
    }
}

/// Writes a document with its id.
fn write_fields(document: &Document, to: &mut RdbWriter) {
    let (version, bytes) = written(document);
    to.length(module::id(JSON, version));
    write_string(to, &bytes);
    to.length(field::END);
}

/// A large document as it is now, to be written by any thread.
pub struct LongDocument(Document);

impl LongDocument {
    /// A shorter text is written as soon as it is handed over.
    const BYTES_MIN: usize = 256 * 1024;

    /// Of a value that is a large document.
    pub fn of(value: &ValueView<'_>) -> Option<LongDocument> {
        let ValueView::Container(container) = value else {
            return None;
        };
        if container.kind() != Type::Json {
            return None;
        }
        let json = container.read::<Json>();
        let is_long = json.memory_bytes() >= Self::BYTES_MIN;
        is_long.then(|| json.share().map(LongDocument)).flatten()
    }

    /// Bytes of the document.
    pub fn memory_bytes(&self) -> usize {
        self.0.memory_bytes()
    }

    /// The payload of DUMP, by a writer without bytes.
    pub fn payload(self, mut writer: RdbWriter) -> Vec<u8> {
        writer.raw(&[kind::MODULE_2]);
        write_fields(&self.0, &mut writer);
        drop(self);
        writer.payload()
    }

    /// Writes the value after its key, as [`RdbWriter::begin_key`] does.
    pub fn write(self, compress: bool, sink: &mut Sink<'_>) -> io::Result<()> {
        let (version, bytes) = written(&self.0);
        drop(self);
        let mut writer = RdbWriter::new(VERSION_USUAL, compress);
        writer.length(module::id(JSON, version));
        writer.length(field::STRING);
        sink(&writer.take(Vec::new()))?;
        RdbWriter::text(&bytes, compress, sink)?;
        writer.length(field::END);
        sink(&writer.take(Vec::new()))
    }
}

fn text(document: &Document) -> Vec<u8> {
    let mut text = Vec::new();
    document.root().print(&Format::default(), &mut text);
    text
}

/// Reads a document after its id.
pub(crate) fn load_fields(input: &mut Input<'_>, id: &ModuleId) -> Result<Json, Fault> {
    let mut bytes = Vec::new();
    let document = match id.version {
        INDEXED | TEXT => {
            read_string(input, &mut bytes)?;
            if id.version == INDEXED && read_number(input)? > 0 {
                let mut ignored = Vec::new();
                read_string(input, &mut ignored)?;
                read_string(input, &mut ignored)?;
            }
            let document = Document::parse_stored(&bytes);
            document.map_err(|_| Fault::damaged("a document's text is no JSON"))?
        }
        CBOR => {
            read_string(input, &mut bytes)?;
            let document = Document::from_cbor(&bytes);
            document.map_err(|_| Fault::damaged("a document's CBOR is damaged"))?
        }
        TREE => {
            json_tree::read(input, &mut bytes)?;
            let document = Document::from_cbor(&bytes);
            document.map_err(|_| Fault::damaged("a document's tree is damaged"))?
        }
        _ => {
            return Err(Fault::damaged(
                "a document has an encoding that is not known",
            ));
        }
    };
    read_end(input)?;
    Ok(document.into())
}
