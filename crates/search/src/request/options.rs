//! Options that FT.SEARCH and FT.AGGREGATE share.
//!
//! Each option but PARAMS may be given several times; the last counts. This module reads the words
//! after an option's name. The command reads the name, because it has further options.

use crate::arguments::{Arguments, NONE_PROVIDED, NOT_CONVERTED, OUT_OF_BOUNDS, is};
use crate::error::{self, SearchError};
use crate::query::{Dialect, Params};
use crate::search::Expander;
use crate::text::Language;
use russet_base::numbers::number::parse_i64;

/// Names that SCORER knows, as they must be written.
const SCORERS: [&str; 9] = [
    "TFIDF",
    "TFIDF.DOCNORM",
    "BM25",
    "BM25STD",
    "BM25STD.NORM",
    "BM25STD.TANH",
    "DISMAX",
    "DOCSCORE",
    "HAMMING",
];

/// Settings of the server that words of a command stand for.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    pub dialect: Dialect,
    /// `search-max-search-results` or `search-max-aggregate-results`.
    pub rows_max: u64,
    /// `search-max-search-results`: rows that LIMIT may skip.
    pub offset_max: u64,
    /// `search-max-aggregate-groups`
    pub groups_max: usize,
    /// Whether the client speaks RESP3, which FORMAT EXPAND needs.
    pub is_resp3: bool,
}

/// Rows that a reply leaves out, and has at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub offset: u64,
    pub count: u64,
}

/// How values of documents are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// As texts.
    #[default]
    String,
    /// JSON as maps and arrays; the dialect counts as 3 at least.
    Expand,
}

/// WITHCURSOR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CursorOptions {
    /// Rows of a reply; at least 1. `None`: 1,000.
    pub count: Option<u64>,
    /// At least 1. `None`: as long as the server keeps them.
    pub max_idle_ms: Option<u64>,
}

/// The options of both commands; the last of a repeated option counts.
#[derive(Clone, Debug)]
pub struct Options {
    pub dialect: Dialect,
    pub params: Params,
    pub has_content: bool,
    pub is_verbatim: bool,
    pub expander: Expander,
    /// NOSTOPWORDS: words of the query count, however common they are.
    pub keeps_stop_words: bool,
    pub with_scores: bool,
    pub explains_scores: bool,
    pub with_payloads: bool,
    pub with_sort_keys: bool,
    pub limit: Option<Limit>,
    /// INKEYS: the only documents that may match.
    pub keys: Option<Vec<Vec<u8>>>,
    /// INFIELDS: the only text fields that words are looked for in; empty: all.
    pub fields: Vec<Vec<u8>>,
    /// SLOP; `None`: any distance.
    pub slop: Option<u32>,
    pub in_order: bool,
    pub language: Option<Language>,
    /// Any of nine names, in capitals; `None`: the server's default.
    pub scorer: Option<&'static str>,
    /// `BM25STD_TANH_FACTOR`, at least 1.
    pub tanh_factor: Option<u64>,
    /// PAYLOAD, which HAMMING compares with the payloads of documents.
    pub payload: Option<Vec<u8>>,
    /// 0: none.
    pub timeout_ms: Option<u64>,
    pub format: Format,
    pub cursor: Option<CursorOptions>,
    /// Queries of dialects 2 to 4 that name an unknown field, or a field of another type, are
    /// refused as in Redis 8. False until it is set: Redis Stack finds nothing.
    pub is_strict: bool,
    /// WITHCOUNT and WITHOUTCOUNT.
    pub counts_all: Option<bool>,
    /// Rows of a reply, and groups of a GROUPBY, at most.
    pub rows_max: u64,
    pub groups_max: usize,
    has_params: bool,
    /// Names that are none are refused after all words are read.
    bad_language: Option<SearchError>,
    bad_scorer: Option<SearchError>,
}

fn wrong(text: impl Into<Vec<u8>>) -> SearchError {
    SearchError::new(error::PARSE_ARGS, text)
}

impl Options {
    pub(super) fn new(defaults: &Defaults) -> Options {
        Options {
            dialect: defaults.dialect,
            params: Params::new(),
            has_content: true,
            is_verbatim: false,
            expander: Expander::All,
            keeps_stop_words: false,
            with_scores: false,
            explains_scores: false,
            with_payloads: false,
            with_sort_keys: false,
            limit: None,
            keys: None,
            fields: Vec::new(),
            slop: None,
            in_order: false,
            language: None,
            scorer: None,
            tanh_factor: None,
            payload: None,
            timeout_ms: None,
            format: Format::String,
            cursor: None,
            is_strict: false,
            counts_all: None,
            rows_max: defaults.rows_max,
            groups_max: defaults.groups_max,
            has_params: false,
            bad_language: None,
            bad_scorer: None,
        }
    }

    /// Reads an option after the name, which is in capitals. `false`: no option has the name.
    pub(super) fn read(
        &mut self,
        name: &[u8],
        words: &mut Arguments<'_>,
        defaults: &Defaults,
    ) -> Result<bool, SearchError> {
        match name {
            b"NOCONTENT" => self.has_content = false,
            b"VERBATIM" => self.is_verbatim = true,
            b"NOSTOPWORDS" => self.keeps_stop_words = true,
            b"WITHSCORES" => self.with_scores = true,
            b"EXPLAINSCORE" => self.explains_scores = true,
            b"WITHPAYLOADS" => self.with_payloads = true,
            b"WITHSORTKEYS" => self.with_sort_keys = true,
            b"INORDER" => self.in_order = true,
            b"WITHCOUNT" => self.counts_all = Some(true),
            b"WITHOUTCOUNT" => self.counts_all = Some(false),
            b"LIMIT" => self.limit = Some(limit(words, defaults)?),
            b"INKEYS" => self.keys = Some(owned(words.list("INKEYS")?)),
            b"INFIELDS" => self.fields = owned(words.list("INFIELDS")?),
            b"SLOP" => {
                let slop = words.integer("SLOP", i64::MIN)?;
                self.slop = u32::try_from(slop).ok();
            }
            b"LANGUAGE" => {
                let name = words.value("LANGUAGE")?;
                self.language = Language::named(name);
                let none = || SearchError::new(error::BAD_QUERY, "No such language");
                self.bad_language = self.language.is_none().then(none);
            }
            b"SCORER" => {
                let name = words.value("SCORER")?;
                let mut known = SCORERS.iter();
                self.scorer = known.find(|known| known.as_bytes() == name).copied();
                let none = || SearchError::of(error::BAD_QUERY, &[b"No such scorer ", name]);
                self.bad_scorer = self.scorer.is_none().then(none);
            }
            b"EXPANDER" => self.expander = Expander::named(words.value("EXPANDER")?),
            b"BM25STD_TANH_FACTOR" => self.tanh_factor = Some(tanh_factor(words)?),
            b"PAYLOAD" => self.payload = Some(words.value("PAYLOAD")?.to_vec()),
            b"TIMEOUT" => {
                let word = words
                    .next()
                    .ok_or_else(|| wrong("Need argument for TIMEOUT"))?;
                let timeout = parse_i64(word).and_then(|n| u64::try_from(n).ok());
                let none = || wrong("TIMEOUT requires a non negative integer");
                self.timeout_ms = Some(timeout.ok_or_else(none)?);
            }
            b"DIALECT" => self.dialect = dialect(words)?,
            b"PARAMS" => self.read_params(words)?,
            b"FORMAT" => self.format = format(words, defaults)?,
            b"WITHCURSOR" => self.cursor = Some(cursor(words)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Checks the options together after all words are read.
    pub(super) fn finish(&mut self) -> Result<(), SearchError> {
        if self.explains_scores && !self.with_scores {
            return Err(wrong("EXPLAINSCORE must be accompanied with WITHSCORES"));
        }
        self.finish_hybrid()
    }

    /// The same for FT.HYBRID, whose rows may explain scores that they do not have.
    pub(super) fn finish_hybrid(&mut self) -> Result<(), SearchError> {
        if let Some(error) = self.bad_language.take().or(self.bad_scorer.take()) {
            return Err(error);
        }
        let third = Dialect::new(3).unwrap_or(self.dialect);
        if self.format == Format::Expand && self.dialect < third {
            self.dialect = third;
        }
        Ok(())
    }

    fn read_params(&mut self, words: &mut Arguments<'_>) -> Result<(), SearchError> {
        let bad = |text: &str| Err(SearchError::new(error::ADD_ARGS, text));
        if self.has_params {
            return bad("Multiple PARAMS are not allowed. Parameters can be defined only once");
        }
        let list = words.list("PARAMS")?;
        let (pairs, rest) = list.as_chunks::<2>();
        if list.is_empty() || !rest.is_empty() {
            return bad("Parameters must be specified in PARAM VALUE pairs");
        }
        self.has_params = true;
        for [name, value] in pairs {
            if self.params.insert(name.to_vec(), value.to_vec()).is_some() {
                let pieces: [&[u8]; 3] = [b"Duplicate parameter `", name, b"`"];
                return Err(SearchError::of(error::DUPLICATE_PARAM, &pieces));
            }
        }
        Ok(())
    }
}

pub(super) fn owned(words: &[&[u8]]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.to_vec()).collect()
}

fn limit(words: &mut Arguments<'_>, defaults: &Defaults) -> Result<Limit, SearchError> {
    let Some([offset, count]) = words.many(2) else {
        return Err(wrong("LIMIT requires two arguments"));
    };
    let number = |word: &[u8]| parse_i64(word).and_then(|n| u64::try_from(n).ok());
    let (Some(offset), Some(count)) = (number(offset), number(count)) else {
        return Err(wrong("LIMIT needs two numeric arguments"));
    };
    let over = |what, max| {
        SearchError::new(
            error::OVER_LIMIT,
            format!("{what} exceeds maximum of {max}"),
        )
    };
    if count == 0 && offset > 0 {
        let text = "The `offset` of the LIMIT must be 0 when `num` is 0";
        return Err(wrong(text));
    }
    if count > defaults.rows_max {
        return Err(over("LIMIT", defaults.rows_max));
    }
    if offset > defaults.offset_max {
        return Err(over("OFFSET", defaults.offset_max));
    }
    Ok(Limit { offset, count })
}

fn tanh_factor(words: &mut Arguments<'_>) -> Result<u64, SearchError> {
    const NAME: &str = "BM25STD_TANH_FACTOR";
    let word = words.next();
    let word = word.ok_or_else(|| wrong(format!("Need an argument for {NAME}")))?;
    // 8.10 names an upper bound, and does not hold to it.
    let factor = parse_i64(word)
        .and_then(|n| u64::try_from(n).ok())
        .filter(|n| *n > 0);
    factor.ok_or_else(|| wrong(format!("{NAME} must be between 1 and 10000 inclusive")))
}

fn dialect(words: &mut Arguments<'_>) -> Result<Dialect, SearchError> {
    let word = words
        .next()
        .ok_or_else(|| wrong("Need an argument for DIALECT"))?;
    let number = parse_i64(word).and_then(|n| u8::try_from(n).ok());
    let none = || wrong("DIALECT requires a non negative integer >=1 and <= 4");
    number.and_then(Dialect::new).ok_or_else(none)
}

fn format(words: &mut Arguments<'_>, defaults: &Defaults) -> Result<Format, SearchError> {
    let word = words
        .next()
        .ok_or_else(|| wrong("Need an argument for FORMAT"))?;
    if is(word, "STRING") {
        Ok(Format::String)
    } else if !is(word, "EXPAND") {
        Err(wrong([b"FORMAT ", word, b" is not supported"].concat()))
    } else if defaults.is_resp3 {
        Ok(Format::Expand)
    } else {
        Err(wrong("EXPAND format is only supported with RESP3"))
    }
}

fn cursor(words: &mut Arguments<'_>) -> Result<CursorOptions, SearchError> {
    let mut cursor = CursorOptions::default();
    let number = |words: &mut Arguments<'_>, name: &str| {
        let word = words.next();
        let word = word.ok_or_else(|| SearchError::bad_arguments(name, NONE_PROVIDED))?;
        let n = parse_i64(word).ok_or_else(|| SearchError::bad_arguments(name, NOT_CONVERTED))?;
        let n = u32::try_from(n).ok().filter(|n| *n > 0);
        n.map(u64::from)
            .ok_or_else(|| SearchError::bad_arguments(name, OUT_OF_BOUNDS))
    };
    loop {
        if words.take("COUNT") {
            cursor.count = Some(number(words, "COUNT")?);
        } else if words.take("MAXIDLE") {
            cursor.max_idle_ms = Some(number(words, "MAXIDLE")?);
        } else {
            return Ok(cursor);
        }
    }
}

/// A word that no option is.
pub(super) fn unknown(word: &[u8], words: &Arguments<'_>) -> SearchError {
    let after = format!("` at position {} for <main>", words.read());
    SearchError::of(
        error::UNRECOGNIZED,
        &[b"Unknown argument `", word, after.as_bytes()],
    )
}
