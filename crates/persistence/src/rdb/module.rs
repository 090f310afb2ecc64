//! Data of modules: the name of its module, and the end of data that may be ignored.
//!
//!     value      id, fields, 0
//!     settings   id, 2, when: length, fields, 0       beside the keys
//!     metadata   n (class: u32le, fields, 0)      of the next key
//!     field      1, 2: length | 3: f32 | 4: f64 | 5: string

use super::fault::Fault;
use super::input::{Input, Text};
use super::writer::RdbWriter;
use russet_keyspace::DbIndex;
use russet_search::file::{Item, SectionFilter};

/// The kinds of fields of module data.
pub mod field {
    pub const END: u64 = 0;
    pub(crate) const SIGNED: u64 = 1;
    pub(crate) const UNSIGNED: u64 = 2;
    pub const FLOAT: u64 = 3;
    pub const DOUBLE: u64 = 4;
    pub const STRING: u64 = 5;
}

/// The alphabet of module names: nine letters of six bits each, above ten bits of version.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The module of vector sets, which is built in.
pub const VECTOR_SET: &str = "vectorset";
/// Path hashes, in files of Redis's dialect. Redis has neither the type nor such a module, so that
/// it refuses them by this name.
pub(crate) const PATH_HASH: &str = "path-hash";
/// JSON documents, which are built in.
pub(crate) const JSON: &str = "ReJSON-RL";
/// Sketches, which are built in.
pub(crate) const BLOOM: &str = "MBbloom--";
/// Bloom filters of Valkey's module.
pub(crate) const VALKEY_BLOOM: &str = "bloomfltr";
pub(crate) const CUCKOO: &str = "MBbloomCF";
pub(crate) const COUNT_MIN: &str = "CMSk-TYPE";
pub(crate) const TOP_K: &str = "TopK-TYPE";
pub(crate) const T_DIGEST: &str = "TDIS-TYPE";
/// Time series, which are built in.
pub(crate) const TIME_SERIES: &str = "TSDB-TYPE";
/// Dictionaries of suggestions, of the module of indexes.
pub(crate) const SUGGESTIONS: &str = "trietype0";
/// Definitions of indexes, which stand beside the keys, as do dictionaries.
pub const INDEXES: &str = "ft_index0";
/// Definitions of indexes of Valkey's module, with the content of the indexes.
pub const VALKEY_INDEXES: &str = "Vk-Search";
/// Of correctly spelled words.
pub const DICTIONARIES: &str = "scdtype00";
/// The modules whose data is read.
pub const KNOWN: [&str; 11] = [
    VECTOR_SET,
    PATH_HASH,
    JSON,
    BLOOM,
    VALKEY_BLOOM,
    CUCKOO,
    COUNT_MIN,
    TOP_K,
    T_DIGEST,
    TIME_SERIES,
    SUGGESTIONS,
];

/// The id of a module's data, of a version of its form.
pub fn id(name: &str, version: u64) -> u64 {
    let letter = |of: u8| LETTERS.iter().position(|letter| *letter == of);
    let at = |of| letter(of).expect("a letter of the alphabet") as u64;
    name.bytes().fold(0, |id, of| id << 6 | at(of)) << 10 | version
}

/// The id of a value of a module.
#[derive(Debug)]
pub struct ModuleId {
    /// The module's name, or more exactly the name of the module's type.
    pub name: String,
    /// The version of the value's form.
    pub version: u64,
}

/// Reads the id of the data that follows.
pub fn read_id(input: &mut Input<'_>) -> Result<ModuleId, Fault> {
    let id = input.length()?;
    let letter = |at: u32| char::from(LETTERS[(id >> (10 + 6 * at) & 63) as usize]);
    Ok(ModuleId {
        name: (0..9).rev().map(letter).collect(),
        version: id & 1023,
    })
}

/// The name of the module whose data follows.
pub fn name(input: &mut Input<'_>) -> Result<String, Fault> {
    read_id(input).map(|id| id.name)
}

/// Writes a number as a field.
pub fn write_number(to: &mut RdbWriter, n: u64) {
    to.length(field::UNSIGNED);
    to.length(n);
}

/// Writes a string as a field.
pub fn write_string(to: &mut RdbWriter, text: &[u8]) {
    to.length(field::STRING);
    to.string(text);
}

/// Writes a double as a field.
pub(crate) fn write_double(to: &mut RdbWriter, n: f64) {
    to.length(field::DOUBLE);
    to.raw(&n.to_le_bytes());
}

/// Reads a field that is a double.
pub(crate) fn read_double(input: &mut Input<'_>) -> Result<f64, Fault> {
    match input.length()? {
        field::DOUBLE => input.array().map(f64::from_le_bytes),
        _ => Err(Fault::damaged("a field of module data is not a double")),
    }
}

/// Reads a field that is a number.
pub fn read_number(input: &mut Input<'_>) -> Result<u64, Fault> {
    match input.length()? {
        field::UNSIGNED => input.length(),
        _ => Err(Fault::damaged("a field of module data is not a number")),
    }
}

/// Reads a field that is the number of elements that follow, each of at least `bytes` bytes.
pub(crate) fn read_count(input: &mut Input<'_>, bytes: u64) -> Result<usize, Fault> {
    match input.length()? {
        field::UNSIGNED => input.count(bytes),
        _ => Err(Fault::damaged("a field of module data is not a number")),
    }
}

/// Reads a field that is a string.
pub(crate) fn read_string(input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let text = read_text(input)?;
    out.clear();
    out.extend_from_slice(text.bytes(&mut itoa::Buffer::new()));
    Ok(())
}

/// Reads a field that is a string, valid until the next string is read.
pub(crate) fn read_text<'i>(input: &'i mut Input<'_>) -> Result<Text<'i>, Fault> {
    match input.length()? {
        field::STRING => input.string(),
        _ => Err(Fault::damaged("a field of module data is not a string")),
    }
}

/// Reads the end of the fields.
pub(crate) fn read_end(input: &mut Input<'_>) -> Result<(), Fault> {
    match input.length()? {
        field::END => Ok(()),
        _ => Err(Fault::damaged("fields follow the last element")),
    }
}

/// Letters of a class of metadata: four letters of six bits each, above five bits of version and
/// three of flags.
const CLASS_LETTERS: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
/// The flag of metadata that may be ignored where its class is not known.
const IGNORABLE: u32 = 1;

/// Classes of metadata that a key can have.
const CLASSES_MAX: usize = 7;

/// Where data of a module that is not there was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleData<'a> {
    /// The value of this key, which is left out.
    Key(DbIndex, &'a [u8]),
    /// Data that the module keeps beside the keys.
    Settings,
}

/// Reads the data that a module keeps beside the keys: that of indexes, or settings that say
/// nothing. Others are refused.
pub(crate) fn read_settings(input: &mut Input<'_>) -> Result<Settings, Fault> {
    let id = read_id(input)?;
    if input.length()? != field::UNSIGNED {
        return Err(Fault::damaged("settings of a module have no position"));
    }
    let is_after = input.length()? == 2;
    let mut items = Vec::new();
    let is_of_valkey = id.name == VALKEY_INDEXES && id.version == 1;
    let mut sections = SectionFilter::default();
    loop {
        let item = match input.length()? {
            field::END => break,
            field::SIGNED | field::UNSIGNED => Item::Number(input.length()?),
            field::FLOAT => Item::Double(f32::from_le_bytes(input.array()?).into()),
            field::DOUBLE => Item::Double(f64::from_le_bytes(input.array()?)),
            field::STRING => {
                let mut text = Vec::new();
                input.string_to(&mut text)?;
                if is_of_valkey && !sections.is_section(&text) {
                    continue;
                }
                Item::Text(text)
            }
            _ => return Err(Fault::damaged("a field of module data is of no kind")),
        };
        items.push(item);
    }
    let says_nothing = matches!(items.as_slice(), [] | [Item::Number(0)]);
    if says_nothing || is_of_valkey || [INDEXES, DICTIONARIES].contains(&id.name.as_str()) {
        return Ok(Settings {
            id,
            items,
            is_after,
        });
    }
    Err(Fault::Module(id.name))
}

/// Data that a module keeps beside the keys.
#[derive(Debug)]
pub struct Settings {
    /// The module, and the version of the form.
    pub id: ModuleId,
    /// The fields, in order.
    pub items: Vec<Item>,
    /// Whether it stands after the keys.
    pub is_after: bool,
}

/// Passes over a key's metadata, if all of it may be ignored; returns the number of its classes.
pub(crate) fn skip_metadata(input: &mut Input<'_>) -> Result<usize, Fault> {
    let classes = input.count(5)?;
    if classes > CLASSES_MAX {
        return Err(Fault::damaged("a key has too many classes of metadata"));
    }
    for _ in 0..classes {
        let class = u32::from_le_bytes(input.array()?);
        if class & IGNORABLE == 0 {
            let letter = |at: u32| char::from(CLASS_LETTERS[(class >> (8 + 6 * at) & 63) as usize]);
            return Err(Fault::Metadata((0..4).rev().map(letter).collect()));
        }
        skip_fields(input)?;
    }
    Ok(classes)
}

/// Passes over a value after its id, or other data.
pub(crate) fn skip_fields(input: &mut Input<'_>) -> Result<(), Fault> {
    loop {
        match input.length()? {
            field::END => return Ok(()),
            field::SIGNED | field::UNSIGNED => _ = input.length()?,
            field::FLOAT => _ = input.array::<4>()?,
            field::DOUBLE => _ = input.array::<8>()?,
            field::STRING => _ = input.string()?,
            _ => return Err(Fault::damaged("a field of module data is of unknown kind")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_from_its_number() {
        let id = id("ReJSON-RL", 3);
        let mut bytes = vec![0x81];
        bytes.extend_from_slice(&id.to_be_bytes());
        let named = name(&mut Input::of_bytes(&bytes)).expect("a number");
        assert_eq!(named, "ReJSON-RL");
        let fields = [1, 5, 2, 9, 3, 0, 0, 0, 0, 5, 2, b'a', b'b', 0];
        let value = [&bytes[..], &fields, b"next"].concat();
        let mut input = Input::of_bytes(&value);
        assert_eq!(name(&mut input).expect("a number"), "ReJSON-RL");
        skip_fields(&mut input).expect("fields");
        assert_eq!(input.left(), 4);
        for (position, is_module) in [(2, true), (1, false)] {
            let settings = [&bytes[..], &[position, 1], &fields, b"next"].concat();
            let mut input = Input::of_bytes(&settings);
            let read = read_settings(&mut input);
            let is_skipped = matches!(read, Err(Fault::Module(_))) && input.left() == 4;
            assert_eq!(is_skipped, is_module);
        }
    }

    #[test]
    fn settings_of_indexes_are_read_and_others_that_say_nothing() {
        let settings = |name: &str, rest: &[u8]| {
            let id = [&[0x81][..], &id(name, 1).to_be_bytes()].concat();
            let read = read_settings(&mut Input::of_bytes(&[&id[..], rest].concat()));
            read.map(|settings| settings.items.len())
        };
        for name in [DICTIONARIES, INDEXES, JSON] {
            assert_eq!(settings(name, &[2, 1, 2, 0, 0]).ok(), Some(1));
            assert_eq!(settings(name, &[2, 1, 0]).ok(), Some(0));
        }
        assert_eq!(
            settings(INDEXES, &[2, 1, 2, 1, 5, 1, b'a', 0]).ok(),
            Some(2)
        );
        let others: [&[u8]; 3] = [&[2, 1, 2, 1, 0], &[1, 1, 0], &[2, 1, 5]];
        for other in others {
            assert!(settings(JSON, other).is_err());
        }
        assert!(settings(INDEXES, &[2, 1, 6, 0]).is_err());
    }

    #[test]
    fn a_key_has_metadata_of_seven_classes_at_most() {
        for classes in 0..10 {
            let metadata = [&[classes][..], &[1, 0, 0, 0, 0].repeat(classes.into())].concat();
            let skipped = skip_metadata(&mut Input::of_bytes(&metadata));
            assert_eq!(skipped.is_ok(), classes <= 7);
        }
    }
}
