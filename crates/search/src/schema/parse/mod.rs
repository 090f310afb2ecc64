//! Reads the words of FT.CREATE and FT.ALTER as a schema.
//!
//! Options before SCHEMA come in any order, and the last of a kind counts. A field is read in two
//! parts: the options of its type in any order, then SORTABLE [UNF] and NOINDEX; a word that fits
//! neither is the name of the next field.
//!
//! | module | what |
//! |---|---|
//! | `vector` | the parameters of VECTOR |
//!
//! Source: FT.CREATE of Redis Stack 7.4, and of 8.10 for error codes and later options.

mod vector;

#[cfg(test)]
mod tests;

use super::{Field, FieldKind, Filter, KeyType, Phonetic, Schema, ShapeSpace, Tag, Text, Vector};
use crate::arguments::{Arguments, NOT_CONVERTED, is, number};
use crate::error::{self, SearchError};
use crate::expression;
use crate::text::{Language, StopWords};

/// Fields that a schema may have, and texts among them.
const FIELDS_MAX: usize = 1024;
const TEXTS_MAX: usize = 128;

/// A text that is a path into JSON documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonPath {
    /// The values that the path finds have an order.
    Ordered,
    /// The values have no order, as the values of `$..a` and `$[*]`.
    Unordered,
}

/// Says whether a text is a path. `None`: it is no path.
pub type CheckPath<'c> = &'c dyn Fn(&[u8]) -> Option<JsonPath>;

/// The schema that the words after the name of an index say; `name` is for errors alone.
///
/// # Errors
///
/// If a word does not fit, in the words of 8.10.
pub fn create(
    name: &[u8],
    words: &[&[u8]],
    check_path: CheckPath<'_>,
) -> Result<Schema, SearchError> {
    let mut words = Arguments::new(words);
    let mut schema = Schema::new(KeyType::Hash);
    loop {
        let Some(word) = words.next() else {
            return Err(SearchError::new(error::PARSE_ARGS, "No schema found"));
        };
        if is(word, "SCHEMA") {
            break;
        }
        option(&mut schema, word, &mut words)?;
    }
    if schema.is_wide && !schema.has_fields {
        let text = "MAXTEXTFIELDS cannot be used with NOFIELDS";
        return Err(SearchError::new(error::BAD_QUERY, text));
    }
    fields(&mut schema, name, words, check_path)?;
    Ok(schema)
}

/// The fields that the words after `SCHEMA ADD` add to a schema.
///
/// # Errors
///
/// If a word does not fit, or the schema has a field already ([`is_duplicate`]).
pub fn alter(
    schema: &Schema,
    name: &[u8],
    words: &[&[u8]],
    check_path: CheckPath<'_>,
) -> Result<Vec<Field>, SearchError> {
    let mut longer = schema.clone();
    fields(&mut longer, name, Arguments::new(words), check_path)?;
    Ok(longer.fields.split_off(schema.fields.len()))
}

/// Whether an error says that a field is there already, which FT._ALTERIFNX is content with.
pub fn is_duplicate(error: &SearchError) -> bool {
    error.text.starts_with(DUPLICATE)
}

const DUPLICATE: &[u8] = b"Duplicate field in schema - ";

/// An option before SCHEMA.
fn option(schema: &mut Schema, word: &[u8], words: &mut Arguments<'_>) -> Result<(), SearchError> {
    let bad = |text: &[u8]| SearchError::new(error::ADD_ARGS, text);
    let name = word.to_ascii_uppercase();
    match name.as_slice() {
        b"ON" => {
            let of = words.value("ON")?;
            schema.key_type = if is(of, "HASH") {
                KeyType::Hash
            } else if is(of, "JSON") {
                KeyType::Json
            } else {
                return Err(bad(&[b"Invalid rule type: ", of].concat()));
            };
        }
        b"DB" => {
            let database = words.integer("DB", 0)?;
            let database = u32::try_from(database).map_err(|_| bad(b"Invalid database"))?;
            schema.named_database = Some(database);
        }
        b"PREFIX" => {
            schema.prefixes = words.list("PREFIX")?.iter().map(|p| p.to_vec()).collect();
            if schema.prefixes.is_empty() {
                schema.prefixes.push(Vec::new());
            }
        }
        b"FILTER" => {
            let text = words.value("FILTER")?.to_vec();
            let expression = expression::parse(&text)?;
            schema.filter = Some(Filter { text, expression });
        }
        b"LANGUAGE" => {
            let language = Language::named(words.value("LANGUAGE")?);
            schema.language = language.ok_or_else(|| bad(b"Invalid language"))?;
            // English is as good as no language, because files have the same form for both.
            schema.names_language = schema.language != Language::English;
        }
        b"LANGUAGE_FIELD" => {
            schema.language_field = Some(words.value("LANGUAGE_FIELD")?.to_vec());
        }
        b"SCORE" => {
            // NaN is let through, as Redis does.
            let score = number(words.value("SCORE")?).filter(|s| !(*s < 0.0 || *s > 1.0));
            schema.score = score.ok_or_else(|| bad(b"Invalid score"))?;
        }
        b"SCORE_FIELD" => schema.score_field = Some(words.value("SCORE_FIELD")?.to_vec()),
        b"PAYLOAD_FIELD" => schema.payload_field = Some(words.value("PAYLOAD_FIELD")?.to_vec()),
        b"MAXTEXTFIELDS" => schema.is_wide = true,
        b"TEMPORARY" => {
            schema.temporary_s = Some(words.integer("TEMPORARY", i64::MIN)? as f64);
        }
        b"NOOFFSETS" => {
            schema.has_offsets = false;
            schema.has_highlights = false;
        }
        b"NOHL" => schema.has_highlights = false,
        b"NOFIELDS" => schema.has_fields = false,
        b"NOFREQS" => schema.has_frequencies = false,
        b"STOPWORDS" => {
            let own = words.list("STOPWORDS")?.iter().map(|word| word.to_vec());
            schema.stop_words = StopWords::own(own);
        }
        b"SKIPINITIALSCAN" => schema.skips_scan = true,
        b"ASYNC" => schema.is_async = true,
        b"INDEXALL" => {
            schema.indexes_all = match words.value("INDEXALL")?.to_ascii_uppercase().as_slice() {
                b"ENABLE" => true,
                b"DISABLE" => false,
                _ => {
                    return Err(bad(b"Invalid argument for `INDEXALL`, use ENABLE/DISABLE"));
                }
            };
        }
        _ => return Err(SearchError::unknown_argument(word)),
    }
    Ok(())
}

fn fields(
    schema: &mut Schema,
    index: &[u8],
    mut words: Arguments<'_>,
    check_path: CheckPath<'_>,
) -> Result<(), SearchError> {
    if words.is_empty() {
        let text = "Fields arguments are missing";
        return Err(SearchError::new(error::PARSE_ARGS, text));
    }
    while !words.is_empty() {
        let field = field(schema, index, &mut words, check_path)?;
        schema.fields.push(field);
    }
    Ok(())
}

fn field(
    schema: &Schema,
    index: &[u8],
    words: &mut Arguments<'_>,
    check_path: CheckPath<'_>,
) -> Result<Field, SearchError> {
    let wrong = |pieces: &[&[u8]]| SearchError::of(error::PARSE_ARGS, pieces);
    let over = |text: &str| SearchError::new(error::OVER_LIMIT, text);
    if schema.fields.len() == FIELDS_MAX {
        return Err(over("Schema is limited to 1024 fields"));
    }
    let path = words.next().unwrap_or_default();
    let name = if words.take("AS") {
        let name = words.next();
        name.ok_or_else(|| wrong(&[b"AS requires an argument"]))?
    } else {
        path
    };
    if path.is_empty() || name.is_empty() {
        return Err(wrong(&[b"Field name cannot be empty"]));
    }
    if schema.field(name).is_some() {
        return Err(SearchError::of(error::BAD_QUERY, &[DUPLICATE, name]));
    }
    let mut order = JsonPath::Ordered;
    if schema.key_type == KeyType::Json {
        order = check_path(path).ok_or_else(|| {
            let pieces = [b"Invalid JSONPath '".as_slice(), path, b"' in attribute '"];
            let rest = [name, b"' in index '".as_slice(), index, b"'"].concat();
            SearchError::of(error::BAD_PATH, &[&pieces.concat(), &rest])
        })?;
    }
    let Some(kind) = words.next() else {
        return Err(wrong(&[b"Field `", name, b"` does not have a type"]));
    };
    let Some(kind) = kind_of(kind, schema.key_type, order, words)? else {
        return Err(wrong(&[b"Invalid field type for field `", name, b"`"]));
    };
    let mut field = Field {
        path: path.to_vec(),
        name: name.to_vec(),
        kind,
        is_sortable: false,
        is_unnormalised: false,
        no_index: false,
        indexes_missing: false,
        indexes_empty: false,
    };
    while type_option(&mut field, words)? {}
    if !matches!(field.kind, FieldKind::Vector(_)) {
        sorting(&mut field, schema.key_type, words);
    }
    if field.no_index && field.indexes_missing {
        return Err(SearchError::missing_without_index(name));
    }
    if matches!(field.kind, FieldKind::Text(_)) && texts_in(schema) == TEXTS_MAX {
        return Err(over("Schema is limited to 128 TEXT fields"));
    }
    Ok(field)
}

/// The kind of a field with this name, before its options; `None`: there is none.
fn kind_of(
    name: &[u8],
    key_type: KeyType,
    order: JsonPath,
    words: &mut Arguments<'_>,
) -> Result<Option<FieldKind>, SearchError> {
    let kind = match name.to_ascii_uppercase().as_slice() {
        b"TEXT" => FieldKind::Text(Text {
            weight: 1.0,
            no_stem: false,
            phonetic: None,
            has_suffixes: false,
            has_no_order: order == JsonPath::Unordered,
        }),
        b"TAG" => FieldKind::Tag(Tag {
            separator: (key_type == KeyType::Hash).then_some(b','),
            is_case_sensitive: false,
            has_suffixes: false,
        }),
        b"NUMERIC" => FieldKind::Number,
        b"GEO" => FieldKind::Geo,
        b"GEOSHAPE" if words.take("FLAT") => FieldKind::Shape(ShapeSpace::Flat),
        b"GEOSHAPE" => {
            words.take("SPHERICAL");
            FieldKind::Shape(ShapeSpace::Spherical)
        }
        b"VECTOR" => FieldKind::Vector(Vector {
            takes_several: order == JsonPath::Unordered,
            ..vector::parse(words)?
        }),
        _ => return Ok(None),
    };
    Ok(Some(kind))
}

fn texts_in(schema: &Schema) -> usize {
    let fields = schema.fields.iter();
    fields
        .filter(|field| matches!(field.kind, FieldKind::Text(_)))
        .count()
}

/// Reads an option of the field's type. `false`: the next word is no option.
fn type_option(field: &mut Field, words: &mut Arguments<'_>) -> Result<bool, SearchError> {
    if words.take("INDEXMISSING") {
        field.indexes_missing = true;
        return Ok(true);
    }
    let has_empty = matches!(field.kind, FieldKind::Text(_) | FieldKind::Tag(_));
    if has_empty && words.take("INDEXEMPTY") {
        field.indexes_empty = true;
        return Ok(true);
    }
    match &mut field.kind {
        FieldKind::Text(text) => text_option(text, words),
        FieldKind::Tag(tag) => tag_option(tag, words),
        _ => Ok(false),
    }
}

fn text_option(text: &mut Text, words: &mut Arguments<'_>) -> Result<bool, SearchError> {
    if words.take("NOSTEM") {
        text.no_stem = true;
    } else if words.take("WEIGHT") {
        let weight = words.next().and_then(number);
        text.weight = weight.ok_or_else(|| SearchError::bad_arguments("weight", NOT_CONVERTED))?;
    } else if words.take("PHONETIC") {
        let Some(matcher) = words.next() else {
            return Err(SearchError::new(
                error::PARSE_ARGS,
                "PHONETIC requires an argument",
            ));
        };
        text.phonetic = Some(match matcher {
            b"dm:en" => Phonetic::English,
            b"dm:fr" => Phonetic::French,
            b"dm:pt" => Phonetic::Portuguese,
            b"dm:es" => Phonetic::Spanish,
            _ => return Err(SearchError::new(error::BAD_QUERY, BAD_MATCHER)),
        });
    } else if words.take("WITHSUFFIXTRIE") {
        text.has_suffixes = true;
    } else {
        return Ok(false);
    }
    Ok(true)
}

const BAD_MATCHER: &str = "Matcher Format: <2 chars algorithm>:<2 chars language>. Support \
    algorithms: double metaphone (dm). Supported languages: English (en), French (fr), Portuguese \
    (pt) and Spanish (es)";

fn tag_option(tag: &mut Tag, words: &mut Arguments<'_>) -> Result<bool, SearchError> {
    if words.take("SEPARATOR") {
        let Some(separator) = words.next() else {
            return Err(SearchError::new(
                error::PARSE_ARGS,
                "SEPARATOR requires an argument",
            ));
        };
        let &[byte] = separator else {
            let before = b"Tag separator must be a single character. Got `";
            return Err(SearchError::of(
                error::PARSE_ARGS,
                &[before, separator, b"`"],
            ));
        };
        tag.separator = Some(byte);
    } else if words.take("CASESENSITIVE") {
        tag.is_case_sensitive = true;
    } else if words.take("WITHSUFFIXTRIE") {
        tag.has_suffixes = true;
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// SORTABLE [UNF] and NOINDEX, in any order.
fn sorting(field: &mut Field, key_type: KeyType, words: &mut Arguments<'_>) {
    // A shape has no order, so SORTABLE is read without effect.
    let can_sort = !matches!(field.kind, FieldKind::Shape(_));
    loop {
        if words.take("SORTABLE") {
            let is_raw = words.take("UNF") || key_type == KeyType::Json;
            // Numbers are kept as they are, and tags whose letters differ.
            let is_raw = is_raw
                || match &field.kind {
                    FieldKind::Number => true,
                    FieldKind::Tag(tag) => tag.is_case_sensitive,
                    _ => false,
                };
            field.is_sortable = can_sort;
            field.is_unnormalised = can_sort && is_raw;
        } else if words.take("NOINDEX") {
            field.no_index = true;
        } else {
            return;
        }
    }
}
