//! FT.SEARCH's words: the shared options, and filters, fields that are returned, marked words and
//! the order of rows.

use super::options::{Defaults, Limit, Options, owned, unknown};
use crate::arguments::{Arguments, NOT_CONVERTED, is, number};
use crate::error::{self, SearchError};
use crate::query::{Circle, Kind, Node, QueryError, Range, Unit};

/// A field of a reply's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnedField {
    /// A field's name, or the path in documents.
    pub path: Vec<u8>,
    /// How the reply calls it.
    pub name: Vec<u8>,
}

/// A property that rows are sorted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortKey {
    pub name: Vec<u8>,
    pub is_descending: bool,
}

/// SUMMARIZE: parts of texts around the words that matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Empty: all text fields.
    pub fields: Vec<Vec<u8>>,
    pub fragments: u32,
    /// Words of a fragment.
    pub words: u32,
    /// Stands after each fragment.
    pub separator: Vec<u8>,
}

/// HIGHLIGHT: marks around the words that matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Highlight {
    /// Empty: all text fields.
    pub fields: Vec<Vec<u8>>,
    pub marks: Marks,
}

/// Texts before and after a word that matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    pub open: Vec<u8>,
    pub close: Vec<u8>,
}

/// FT.SEARCH, or FT.EXPLAIN.
#[derive(Clone, Debug)]
pub struct SearchRequest {
    pub options: Options,
    /// FILTER and GEOFILTER: all of them must match, too.
    pub filters: Vec<Node>,
    /// RETURN; `None`: the whole document. Empty: as NOCONTENT.
    pub returned: Option<Vec<ReturnedField>>,
    pub sort: Option<SortKey>,
    pub summary: Option<Summary>,
    pub highlight: Option<Highlight>,
}

fn wrong(text: impl Into<Vec<u8>>) -> SearchError {
    SearchError::new(error::PARSE_ARGS, text)
}

impl SearchRequest {
    /// The request that the words after the query make.
    ///
    /// # Errors
    ///
    /// If a word does not fit. Names are looked up later.
    pub fn parse(words: &[&[u8]], defaults: &Defaults) -> Result<SearchRequest, SearchError> {
        let mut words = Arguments::new(words);
        let mut request = SearchRequest {
            options: Options::new(defaults),
            filters: Vec::new(),
            returned: None,
            sort: None,
            summary: None,
            highlight: None,
        };
        while let Some(word) = words.next() {
            let name = word.to_ascii_uppercase();
            match name.as_slice() {
                b"RETURN" => request.returned = Some(returned(&mut words)?),
                b"FILTER" => request.filters.push(filter(&mut words)?),
                b"GEOFILTER" => request.filters.push(circle(&mut words)?),
                b"SORTBY" => {
                    let key = sort_key(&mut words)?;
                    if request.sort.replace(key).is_some() {
                        return Err(wrong("Multiple SORTBY steps are not allowed"));
                    }
                }
                b"SUMMARIZE" => {
                    let bad = || wrong("Bad arguments for SUMMARIZE");
                    request.summary = Some(summary(&mut words).ok_or_else(bad)?);
                }
                b"HIGHLIGHT" => {
                    let bad = || wrong("Bad arguments for HIGHLIGHT");
                    request.highlight = Some(highlight(&mut words).ok_or_else(bad)?);
                }
                b"ADDSCORES" => return Err(wrong("ADDSCORES is not supported on FT.SEARCH")),
                b"GROUPBY" => {
                    let text = "option `GROUPBY` is mutually exclusive with simple (i.e. search) \
                                options";
                    return Err(wrong(text));
                }
                name => {
                    if !request.options.read(name, &mut words, defaults)? {
                        return Err(unknown(word, &words));
                    }
                }
            }
        }
        request.options.finish()?;
        if request.returned.as_ref().is_some_and(Vec::is_empty) {
            request.options.has_content = false;
        }
        Ok(request)
    }

    /// Whether rows have scores: a count alone needs no order.
    pub fn needs_scores(&self) -> bool {
        self.limit().count > 0 && (self.sort.is_none() || self.options.with_scores)
    }

    /// The rows of the reply: LIMIT, or the first ten.
    pub fn limit(&self) -> Limit {
        self.options.limit.unwrap_or(Limit {
            offset: 0,
            count: 10,
        })
    }
}

/// `n path [AS name]..`, where n counts all the words.
fn returned(words: &mut Arguments<'_>) -> Result<Vec<ReturnedField>, SearchError> {
    let paths = named_paths(words.list("RETURN")?);
    let text = "RETURN path AS name - must be accompanied with NAME";
    let paths = paths.ok_or_else(|| wrong(text))?;
    let is_as = |name: &Option<&[u8]>| name.is_some_and(|name| is(name, "AS"));
    if paths.iter().any(|(_, name)| is_as(name)) {
        return Err(wrong("Alias for RETURN cannot be `AS`"));
    }
    let paths = paths.into_iter().map(|(path, name)| ReturnedField {
        path: path.to_vec(),
        name: name.unwrap_or(path).to_vec(),
    });
    Ok(paths.collect())
}

/// A path, and the name after AS.
pub(super) type NamedPath<'a> = (&'a [u8], Option<&'a [u8]>);

/// Paths with the names that AS gives them. `None`: the last has AS without a name.
pub(super) fn named_paths<'a>(list: &[&'a [u8]]) -> Option<Vec<NamedPath<'a>>> {
    let mut paths = Vec::new();
    let mut list = list.iter().copied().peekable();
    while let Some(path) = list.next() {
        let mut name = None;
        if list.next_if(|word| is(word, "AS")).is_some() {
            name = Some(list.next()?);
        }
        paths.push((path, name));
    }
    Some(paths)
}

fn sort_key(words: &mut Arguments<'_>) -> Result<SortKey, SearchError> {
    let name = words.next().ok_or_else(|| wrong("Bad SORTBY arguments"))?;
    let is_descending = !words.take("ASC") && words.take("DESC");
    Ok(SortKey {
        name: name.to_vec(),
        is_descending,
    })
}

fn filter(words: &mut Arguments<'_>) -> Result<Node, SearchError> {
    let Some([field, min, max]) = words.many(3) else {
        return Err(wrong("FILTER requires 3 arguments"));
    };
    let bound = |word: &[u8]| {
        let (text, is_open) = match word.strip_prefix(b"(") {
            Some(rest) => (rest, true),
            None => (word, false),
        };
        number(text).filter(|n| !n.is_nan()).map(|n| (n, is_open))
    };
    let low = || wrong([b"Bad lower range: ", *min].concat());
    let high = || wrong([b"Bad upper range: ", *max].concat());
    let (low, without_min) = bound(min)
        .filter(|(n, _)| *n != f64::INFINITY)
        .ok_or_else(low)?;
    let (high, without_max) = bound(max)
        .filter(|(n, _)| *n != f64::NEG_INFINITY)
        .ok_or_else(high)?;
    Ok(Node::new(Kind::Range {
        field: field.to_vec(),
        range: Range {
            min: low,
            max: high,
            with_min: !without_min,
            with_max: !without_max,
        },
    }))
}

fn circle(words: &mut Arguments<'_>) -> Result<Node, SearchError> {
    let Some([field, longitude, latitude, radius, unit]) = words.many(5) else {
        return Err(wrong("GEOFILTER requires 5 arguments"));
    };
    let of = |name: &str, word: &[u8]| {
        number(word).ok_or_else(|| SearchError::bad_arguments(name, NOT_CONVERTED))
    };
    let circle = Circle {
        longitude: of("<lon>", longitude)?,
        latitude: of("<lat>", latitude)?,
        radius: of("<radius>", radius)?,
        unit: Unit::named(unit)
            .ok_or_else(|| wrong([b"Unknown distance unit ", *unit].concat()))?,
    };
    if circle.radius.is_nan() || circle.radius <= 0.0 {
        return Err(QueryError(b"Invalid GeoFilter radius".to_vec()).into());
    }
    let is_place = circle.longitude.abs() <= 180.0 && circle.latitude.abs() <= 90.0;
    if !is_place {
        return Err(QueryError(b"Invalid GeoFilter lat/lon".to_vec()).into());
    }
    Ok(Node::new(Kind::Near {
        field: field.to_vec(),
        circle,
    }))
}

/// `FIELDS n name..`, if it comes next. `None`: it is wrong.
fn marked_fields(words: &mut Arguments<'_>) -> Option<Vec<Vec<u8>>> {
    if !words.take("FIELDS") {
        return Some(Vec::new());
    }
    words.list("FIELDS").ok().map(owned)
}

fn summary(words: &mut Arguments<'_>) -> Option<Summary> {
    let mut summary = Summary {
        fields: marked_fields(words)?,
        fragments: 3,
        words: 20,
        separator: b"... ".to_vec(),
    };
    let count = |words: &mut Arguments<'_>| {
        let n = words.integer("", 0).ok()?;
        u32::try_from(n).ok()
    };
    loop {
        if words.take("FRAGS") {
            summary.fragments = count(words)?;
        } else if words.take("LEN") {
            summary.words = count(words)?;
        } else if words.take("SEPARATOR") {
            summary.separator = words.next()?.to_vec();
        } else {
            return Some(summary);
        }
    }
}

fn highlight(words: &mut Arguments<'_>) -> Option<Highlight> {
    let fields = marked_fields(words)?;
    let mut marks = Marks {
        open: b"<b>".to_vec(),
        close: b"</b>".to_vec(),
    };
    while words.take("TAGS") {
        let [open, close] = words.many(2)? else {
            return None;
        };
        (marks.open, marks.close) = (open.to_vec(), close.to_vec());
    }
    Some(Highlight { fields, marks })
}
