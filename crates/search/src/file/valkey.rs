//! Definitions of Valkey's module, as its files have them beside the keys: data of the module
//! `Vk-Search`, of version 1.
//!
//!     release: number | sections: number | (section | (header, chunk ..) for each supplement) ..
//!
//! A section is a message of Protocol Buffers with the definition of an index; supplements have the
//! index's content, which is left out, because an index reads its documents again. The result are
//! the words of FT.CREATE, so that a definition has one way into the server.
//!
//! Punctuation of its own and the least length of a stem have no words, and are left out.
//!
//! Cost: O(bytes). Every length is checked against the bytes that are there.

use super::{DecodeError, Item};

/// The kind of sections that define an index.
const INDEX: u64 = 1;
/// The first byte of a chunk with content; the last chunk of a supplement has none.
const CONTENT: u8 = 0x0A;

const DAMAGED: DecodeError = DecodeError("definitions of Valkey's module are damaged");

/// Says which texts of the module's data are sections, as the texts come in order.
#[derive(Debug, Default)]
pub struct SectionFilter {
    /// Supplements of the last section that are still to come.
    supplements: u64,
    is_in_chunks: bool,
}

impl SectionFilter {
    /// Whether the next text is a section; other texts are content.
    pub fn is_section(&mut self, text: &[u8]) -> bool {
        if self.is_in_chunks {
            self.is_in_chunks = text.first() == Some(&CONTENT);
        } else if self.supplements > 0 {
            self.supplements -= 1;
            self.is_in_chunks = true;
        } else {
            let count = Message(text).find_map(|field| match field {
                Ok((2, Value::Number(count))) => Some(count),
                _ => None,
            });
            self.supplements = count.unwrap_or(0);
            return true;
        }
        false
    }
}

/// A command.
pub type Line = Vec<Vec<u8>>;

/// The definitions of the module's data without supplements: the name of each index, and the
/// FT.CREATE that makes it.
///
/// # Errors
///
/// If a message is damaged.
pub fn read_valkey(items: &[Item]) -> Result<Vec<(Vec<u8>, Line)>, DecodeError> {
    let [Item::Number(_), Item::Number(_), sections @ ..] = items else {
        return Err(DAMAGED);
    };
    let mut all = Vec::new();
    for section in sections {
        let Item::Text(section) = section else {
            return Err(DAMAGED);
        };
        let (mut kind, mut schema) = (0, None);
        for field in Message(section) {
            match field? {
                (1, Value::Number(number)) => kind = number,
                (3, Value::Bytes(bytes)) => schema = Some(bytes),
                _ => {}
            }
        }
        if let (INDEX, Some(schema)) = (kind, schema) {
            all.push(index(schema)?);
        }
    }
    Ok(all)
}

/// The name of an index, and its FT.CREATE.
fn index(schema: &[u8]) -> Result<(Vec<u8>, Line), DecodeError> {
    let (mut name, mut prefixes, mut stop_words) = (Vec::new(), Vec::new(), Vec::new());
    let (mut options, mut fields) = (Line::new(), Line::new());
    let (mut is_json, mut has_texts, mut has_offsets) = (false, false, false);
    let mut add = |words: &[&[u8]]| options.extend(words.iter().map(|word| word.to_vec()));
    for part in Message(schema) {
        match part? {
            (1, Value::Bytes(text)) => name = text.to_vec(),
            (2, Value::Bytes(prefix)) => prefixes.push(prefix.to_vec()),
            (3, Value::Number(kind)) => is_json = kind == 2,
            (5, Value::Float(score)) => add(&[b"SCORE", score.to_string().as_bytes()]),
            (6, Value::Bytes(attribute)) => field(attribute, &mut fields)?,
            (8, Value::Number(db)) if db > 0 => add(&[b"DB", db.to_string().as_bytes()]),
            // Files from before the module had texts have no punctuation.
            (9, Value::Bytes(_)) => has_texts = true,
            (10, Value::Number(on)) => has_offsets = on != 0,
            (11, Value::Bytes(word)) => stop_words.push(word.to_vec()),
            (14, Value::Bytes(field)) => add(&[b"SCORE_FIELD", field]),
            _ => {}
        }
    }
    let on: &[u8] = if is_json { b"JSON" } else { b"HASH" };
    let mut line: Line = [b"FT.CREATE", &name[..], b"ON", on]
        .map(<[u8]>::to_vec)
        .into();
    let list = |word: &[u8], words: Vec<Vec<u8>>| {
        let count = words.len().to_string().into_bytes();
        [vec![word.to_vec(), count], words].concat()
    };
    if !prefixes.is_empty() {
        line.append(&mut list(b"PREFIX", prefixes));
    }
    line.append(&mut options);
    if has_texts {
        line.append(&mut list(b"STOPWORDS", stop_words));
        if !has_offsets {
            line.push(b"NOOFFSETS".to_vec());
        }
    }
    line.push(b"SCHEMA".to_vec());
    line.append(&mut fields);
    Ok((name, line))
}

/// Appends the words of a field.
fn field(attribute: &[u8], to: &mut Line) -> Result<(), DecodeError> {
    let (mut alias, mut path, mut kind) = (&b""[..], &b""[..], &b""[..]);
    for part in Message(attribute) {
        match part? {
            (1, Value::Bytes(text)) => alias = text,
            (2, Value::Bytes(text)) => path = text,
            (3, Value::Bytes(bytes)) => kind = bytes,
            _ => {}
        }
    }
    let mut words: Vec<Vec<u8>> = vec![path.to_vec()];
    if alias != path && !alias.is_empty() {
        words.extend([b"AS".to_vec(), alias.to_vec()]);
    }
    for part in Message(kind) {
        match part? {
            (1, Value::Bytes(vector)) => words.extend(vector_words(vector)?),
            (2, Value::Bytes(_)) => words.push(b"NUMERIC".to_vec()),
            (3, Value::Bytes(tag)) => words.extend(tag_words(tag)?),
            (4, Value::Bytes(text)) => words.extend(text_words(text)?),
            _ => {}
        }
    }
    to.append(&mut words);
    Ok(())
}

fn tag_words(tag: &[u8]) -> Result<Line, DecodeError> {
    let mut words = vec![b"TAG".to_vec()];
    for part in Message(tag) {
        match part? {
            (1, Value::Bytes(separator)) => {
                words.extend([b"SEPARATOR".to_vec(), separator.to_vec()]);
            }
            (2, Value::Number(1..)) => words.push(b"CASESENSITIVE".to_vec()),
            _ => {}
        }
    }
    Ok(words)
}

fn text_words(text: &[u8]) -> Result<Line, DecodeError> {
    let mut words = vec![b"TEXT".to_vec()];
    for part in Message(text) {
        match part? {
            (1, Value::Number(1..)) => words.push(b"WITHSUFFIXTRIE".to_vec()),
            (2, Value::Number(1..)) => words.push(b"NOSTEM".to_vec()),
            (3, Value::Double(weight)) => {
                words.extend([b"WEIGHT".to_vec(), weight.to_string().into_bytes()]);
            }
            _ => {}
        }
    }
    Ok(words)
}

fn vector_words(vector: &[u8]) -> Result<Line, DecodeError> {
    let (mut algorithm, mut own) = ("FLAT", Vec::new());
    let (mut dimensions, mut metric, mut capacity) = (0, 0, 0);
    for part in Message(vector) {
        match part? {
            (1, Value::Number(n)) => dimensions = n,
            (3, Value::Number(n)) => metric = n,
            (5, Value::Number(n)) => capacity = n,
            (6, Value::Bytes(graph)) => {
                algorithm = "HNSW";
                own = numbers(graph, &["M", "EF_CONSTRUCTION", "EF_RUNTIME"])?;
            }
            (7, Value::Bytes(flat)) => own = numbers(flat, &["BLOCK_SIZE"])?,
            (8, Value::Bytes(graph)) => {
                let names = [
                    "GRAPH_MAX_DEGREE",
                    "CONSTRUCTION_WINDOW_SIZE",
                    "SEARCH_WINDOW_SIZE",
                ];
                (algorithm, own) = ("SVS-VAMANA", numbers(graph, &names)?);
            }
            _ => {}
        }
    }
    let metric = match metric {
        2 => "IP",
        3 => "COSINE",
        _ => "L2",
    };
    let mut parameters = vec![
        ("TYPE", "FLOAT32".to_owned()),
        ("DIM", dimensions.to_string()),
        ("DISTANCE_METRIC", metric.to_owned()),
    ];
    if capacity > 0 && algorithm != "SVS-VAMANA" {
        parameters.push(("INITIAL_CAP", capacity.to_string()));
    }
    parameters.append(&mut own);
    let mut words = vec!["VECTOR".to_owned(), algorithm.to_owned()];
    words.push((2 * parameters.len()).to_string());
    for (name, value) in parameters {
        words.extend([name.to_owned(), value]);
    }
    Ok(words.into_iter().map(String::into_bytes).collect())
}

/// The numbers above 0 of a message, whose fields from 1 on have these names.
fn numbers(
    message: &[u8],
    names: &[&'static str],
) -> Result<Vec<(&'static str, String)>, DecodeError> {
    let mut found = Vec::new();
    for part in Message(message) {
        let (number, value) = part?;
        let name = usize::try_from(number)
            .ok()
            .and_then(|at| names.get(at.checked_sub(1)?));
        if let (Some(name), Value::Number(value @ 1..)) = (name, value) {
            found.push((*name, value.to_string()));
        }
    }
    Ok(found)
}

/// A value of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Value<'m> {
    Number(u64),
    Double(f64),
    Float(f32),
    Bytes(&'m [u8]),
}

/// The fields of a message, each with its number; after an error there are no more.
struct Message<'m>(&'m [u8]);

impl<'m> Message<'m> {
    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7F).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn field(&mut self) -> Option<(u64, Value<'m>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => {
                let (bytes, rest) = self.0.split_first_chunk()?;
                self.0 = rest;
                Value::Double(f64::from_le_bytes(*bytes))
            }
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(len)?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            5 => {
                let (bytes, rest) = self.0.split_first_chunk()?;
                self.0 = rest;
                Value::Float(f32::from_le_bytes(*bytes))
            }
            _ => return None,
        };
        Some((key >> 3, value))
    }
}

impl<'m> Iterator for Message<'m> {
    type Item = Result<(u64, Value<'m>), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or(DAMAGED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field that is a number, a text or a message.
    fn number(field: u8, value: u8) -> Vec<u8> {
        assert!(value < 0x80);
        vec![field << 3, value]
    }

    fn bytes(field: u8, content: &[u8]) -> Vec<u8> {
        let len = u16::try_from(content.len()).expect("short");
        let mut out = vec![field << 3 | 2];
        if len < 0x80 {
            out.push(len as u8);
        } else {
            out.extend([(len & 0x7F) as u8 | 0x80, (len >> 7) as u8]);
        }
        out.extend(content);
        out
    }

    /// A section with four fields, and two supplements.
    fn section() -> Vec<u8> {
        let attribute = |alias: &[u8], path: &[u8], kind: u8, of: &[u8]| {
            let kind = bytes(3, &bytes(kind, of));
            bytes(6, &[bytes(1, alias), bytes(2, path), kind].concat())
        };
        let graph = [number(1, 16), number(2, 100), number(3, 10)].concat();
        let vector = [number(1, 4), number(3, 3), number(4, 1), bytes(6, &graph)].concat();
        let text = [
            number(2, 1),
            [vec![3 << 3 | 1], 2.0_f64.to_le_bytes().to_vec()].concat(),
        ];
        let schema = [
            bytes(1, b"idx"),
            bytes(2, b"doc:"),
            number(3, 1),
            attribute(b"v", b"vec", 1, &vector),
            attribute(b"n", b"n", 2, b""),
            attribute(b"t", b"t", 3, &[bytes(1, b";"), number(2, 1)].concat()),
            attribute(b"body", b"body", 4, &text.concat()),
            number(8, 3),
            bytes(9, b",."),
            number(10, 1),
            bytes(11, b"the"),
        ];
        [number(1, 1), number(2, 2), bytes(3, &schema.concat())].concat()
    }

    #[test]
    fn a_section_becomes_the_words_that_make_the_index() {
        let items = [
            Item::Number(0x10000),
            Item::Number(1),
            Item::Text(section()),
        ];
        let all = read_valkey(&items).expect("it is sound");
        let [(name, line)] = &all[..] else {
            panic!("one index");
        };
        assert_eq!(name, b"idx");
        let words: Vec<String> = line
            .iter()
            .map(|w| String::from_utf8_lossy(w).into())
            .collect();
        assert_eq!(
            words.join(" "),
            "FT.CREATE idx ON HASH PREFIX 1 doc: DB 3 STOPWORDS 1 the SCHEMA \
             vec AS v VECTOR HNSW 12 TYPE FLOAT32 DIM 4 DISTANCE_METRIC COSINE M 16 \
             EF_CONSTRUCTION 100 EF_RUNTIME 10 n NUMERIC t TAG SEPARATOR ; CASESENSITIVE \
             body TEXT NOSTEM WEIGHT 2"
        );
        let words: Vec<&[u8]> = line.iter().skip(2).map(Vec::as_slice).collect();
        let schema = crate::schema::parse::create(b"idx", &words, &|_| None);
        assert_eq!(schema.expect("it is a schema").fields.len(), 4);
    }

    #[test]
    fn supplements_are_passed_over() {
        let mut filter = SectionFilter::default();
        let section = section();
        let texts: [(&[u8], bool); 8] = [
            (&section, true),
            (b"header", false),
            (b"\x0A\x01x", false),
            (b"", false),
            (b"header", false),
            (b"", false),
            (&section, true),
            (b"header", false),
        ];
        for (text, is_section) in texts {
            assert_eq!(filter.is_section(text), is_section);
        }
    }

    #[test]
    fn damaged_sections_are_refused_and_never_panic() {
        let whole = section();
        for len in 0..whole.len() {
            let cut = Item::Text(whole[..len].to_vec());
            let _ = read_valkey(&[Item::Number(1), Item::Number(1), cut]);
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[len] ^= 1 << bit;
                let _ = read_valkey(&[Item::Number(1), Item::Number(1), Item::Text(bytes)]);
            }
        }
        let cut = Item::Text(whole[..whole.len() - 1].to_vec());
        let read = read_valkey(&[Item::Number(1), Item::Number(1), cut]);
        assert_eq!(read, Err(DAMAGED));
        assert_eq!(read_valkey(&[]), Err(DAMAGED));
    }
}
