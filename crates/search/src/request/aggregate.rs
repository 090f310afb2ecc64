//! FT.AGGREGATE's words: the shared options, and stages in the order of the command.
//!
//! Expressions and reducers are kept as they were given: the pipeline reads them, so that errors
//! come in the pipeline's order.

use super::options::{Defaults, Limit, Options, owned, unknown};
use super::search::{ReturnedField, SortKey, named_paths};
use crate::arguments::{Arguments, NONE_PROVIDED, NOT_CONVERTED, OUT_OF_BOUNDS, is};
use crate::error::{self, SearchError};
use russet_base::numbers::number::parse_i64;

/// Properties that SORTBY takes.
const SORT_KEYS_MAX: usize = 8;

/// Stages of a request: a row goes through each stage in a nested call.
pub const STAGES_MAX: usize = 256;

/// A field that LOAD reads, and the property's name.
pub type LoadedField = ReturnedField;

/// A step of the pipeline.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    Load(Vec<LoadedField>),
    /// `LOAD *`
    LoadAll,
    Group(Group),
    Apply {
        expression: Vec<u8>,
        name: Vec<u8>,
    },
    Filter(Vec<u8>),
    Arrange(Arrange),
}

/// GROUPBY with reducers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Names without their mark.
    pub properties: Vec<Vec<u8>>,
    pub reducers: Vec<ReducerCall>,
}

/// REDUCE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReducerCall {
    pub function: Vec<u8>,
    pub arguments: Vec<Vec<u8>>,
    /// After AS, else made of the call.
    pub name: Vec<u8>,
}

/// SORTBY and LIMIT, which are a single stage wherever they stand between two GROUPBYs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrange {
    pub keys: Vec<SortKey>,
    /// SORTBY was given, if only with 0 properties.
    pub is_sorted: bool,
    /// LIMIT, or MAX of SORTBY, which is the count of a LIMIT: the last word counts.
    pub limit: Option<Limit>,
}

/// FT.AGGREGATE.
#[derive(Clone, Debug)]
pub struct AggregateRequest {
    pub options: Options,
    /// ADDSCORES: rows have `__score`.
    pub adds_scores: bool,
    pub stages: Vec<Stage>,
    /// Whether a stage groups, and the place of SORTBY and LIMIT since the last stage that groups.
    is_grouped: bool,
    arranged: Option<usize>,
}

fn wrong(text: impl Into<Vec<u8>>) -> SearchError {
    SearchError::new(error::PARSE_ARGS, text)
}

impl AggregateRequest {
    /// The request that the words after the query make.
    ///
    /// # Errors
    ///
    /// If a word does not fit. Names, functions and reducers are looked up later.
    pub fn parse(words: &[&[u8]], defaults: &Defaults) -> Result<AggregateRequest, SearchError> {
        let mut words = Arguments::new(words);
        let mut request = AggregateRequest::new(defaults);
        while let Some(word) = words.next() {
            let name = word.to_ascii_uppercase();
            if !request.read(&name, &mut words, defaults)? {
                return Err(unknown(word, &words));
            }
        }
        request.options.finish()?;
        Ok(request)
    }

    /// A request without words.
    pub(super) fn new(defaults: &Defaults) -> AggregateRequest {
        AggregateRequest {
            options: Options::new(defaults),
            adds_scores: false,
            stages: Vec::new(),
            is_grouped: false,
            arranged: None,
        }
    }

    /// Whether all rows are counted before the first row is sent: WITHCOUNT without a cursor, which
    /// 2.10 reads without effect.
    pub fn counts_all(&self) -> bool {
        let options = &self.options;
        options.counts_all == Some(true) && options.cursor.is_none() && options.is_strict
    }

    /// Whether each piece of a cursor has the number of all rows: WITHCOUNT with a cursor, so that
    /// all rows are there before the first piece.
    pub fn counts_before_first(&self) -> bool {
        let options = &self.options;
        options.counts_all == Some(true) && options.cursor.is_some() && options.is_strict
    }

    /// Reads an option or a stage after the name, which is in capitals. `false`: neither has the
    /// name.
    pub(super) fn read(
        &mut self,
        name: &[u8],
        words: &mut Arguments<'_>,
        defaults: &Defaults,
    ) -> Result<bool, SearchError> {
        match name {
            b"LOAD" => {
                let stage = self.load(words)?;
                self.push(stage)?;
            }
            b"GROUPBY" => {
                self.push(Stage::Group(group(words)?))?;
                (self.is_grouped, self.arranged) = (true, None);
            }
            b"APPLY" => {
                let expression = expression(words)?;
                let name = if words.take("AS") {
                    let name = words.next();
                    name.ok_or_else(|| wrong("AS needs argument"))?.to_vec()
                } else {
                    expression.clone()
                };
                self.push(Stage::Apply { expression, name })?;
            }
            b"FILTER" => self.push(Stage::Filter(expression(words)?))?,
            b"SORTBY" => sort(self.arrange()?, words)?,
            b"LIMIT" => {
                self.options.read(b"LIMIT", words, defaults)?;
                self.arrange()?.limit = self.options.limit.take();
            }
            b"ADDSCORES" => self.adds_scores = true,
            b"RETURN" | b"SUMMARIZE" | b"HIGHLIGHT" => {
                let text = b" is not supported on FT.AGGREGATE";
                return Err(wrong([name, text].concat()));
            }
            name => return self.options.read(name, words, defaults),
        }
        Ok(true)
    }

    fn load(&self, words: &mut Arguments<'_>) -> Result<Stage, SearchError> {
        if self.is_grouped {
            return Err(wrong("LOAD cannot be applied after projectors or reducers"));
        }
        if words.take("*") {
            return Ok(Stage::LoadAll);
        }
        let bad = |why| SearchError::bad_arguments("LOAD", why);
        let old = "Bad arguments for LOAD: SUCCESS";
        let count = words.next().ok_or_else(|| bad(NONE_PROVIDED))?;
        let count = parse_i64(count)
            .ok_or_else(|| bad("Expected number of fields or `*`").worded_before(old))?;
        let count = usize::try_from(count).map_err(|_| bad(OUT_OF_BOUNDS).worded_before(old))?;
        let is_done = words.is_empty();
        let list = words.many(count).ok_or_else(|| {
            let error = bad(NONE_PROVIDED);
            if is_done {
                error
            } else {
                error.worded_before(old)
            }
        })?;
        let text = "LOAD path AS name - must be accompanied with NAME";
        let paths = named_paths(list).ok_or_else(|| wrong(text))?;
        let paths = paths.into_iter().map(|(path, name)| {
            let path = path.strip_prefix(b"@").unwrap_or(path);
            LoadedField {
                path: path.to_vec(),
                name: name.unwrap_or(path).to_vec(),
            }
        });
        Ok(Stage::Load(paths.collect()))
    }

    /// The stage that SORTBY and LIMIT of this place belong to.
    pub(super) fn arrange(&mut self) -> Result<&mut Arrange, SearchError> {
        let at = match self.arranged {
            Some(at) => at,
            None => {
                self.push(Stage::Arrange(Arrange::default()))?;
                self.stages.len() - 1
            }
        };
        self.arranged = Some(at);
        match &mut self.stages[at] {
            Stage::Arrange(arrange) => Ok(arrange),
            _ => unreachable!("found or made above"),
        }
    }

    fn push(&mut self, stage: Stage) -> Result<(), SearchError> {
        if self.stages.len() == STAGES_MAX {
            let text = format!("Cannot use more than {STAGES_MAX} stages");
            return Err(SearchError::new(error::OVER_LIMIT, text));
        }
        self.stages.push(stage);
        Ok(())
    }
}

fn expression(words: &mut Arguments<'_>) -> Result<Vec<u8>, SearchError> {
    words.value("APPLY/FILTER").map(<[u8]>::to_vec)
}

fn group(words: &mut Arguments<'_>) -> Result<Group, SearchError> {
    const NAME: &str = "GROUPBY";
    let word = words.value(NAME)?;
    let count = parse_i64(word).ok_or_else(|| SearchError::bad_arguments(NAME, NOT_CONVERTED))?;
    let none = || SearchError::bad_arguments(NAME, NONE_PROVIDED);
    let count = usize::try_from(count)
        .map_err(|_| none().worded_before(format!("Bad arguments for {NAME}: {OUT_OF_BOUNDS}")))?;
    let mut properties = Vec::new();
    for word in words.many(count).ok_or_else(none)? {
        let Some(name) = word.strip_prefix(b"@") else {
            let before = b"Bad arguments for GROUPBY: Unknown property `".as_slice();
            let text = [before, word, b"`. Did you mean `@", word, b"`?"].concat();
            return Err(wrong(text));
        };
        properties.push(name.to_vec());
    }
    let mut reducers = Vec::new();
    while words.take("REDUCE") {
        reducers.push(reducer(words)?);
    }
    Ok(Group {
        properties,
        reducers,
    })
}

fn reducer(words: &mut Arguments<'_>) -> Result<ReducerCall, SearchError> {
    let function = words.next().ok_or_else(|| {
        SearchError::bad_arguments("REDUCE", NONE_PROVIDED)
            .worded_before("Bad arguments for REDUCE: SUCCESS")
    })?;
    let arguments = owned(words.list(&String::from_utf8_lossy(function))?);
    let name = if words.take("AS") {
        words.value("AS")?.to_vec()
    } else {
        let bare = arguments
            .iter()
            .map(|word| word.strip_prefix(b"@").unwrap_or(word));
        let bare = bare.collect::<Vec<_>>().join(&b',');
        [b"__generated_alias".as_slice(), function, &bare]
            .concat()
            .to_ascii_lowercase()
    };
    Ok(ReducerCall {
        function: function.to_vec(),
        arguments,
        name,
    })
}

/// `n (@name [ASC|DESC]).. [MAX m]`
fn sort(arrange: &mut Arrange, words: &mut Arguments<'_>) -> Result<(), SearchError> {
    if arrange.is_sorted {
        let text = "Multiple SORTBY steps are not allowed. Sort multiple fields in a single step";
        return Err(wrong(text));
    }
    arrange.is_sorted = true;
    for word in words.list("SORTBY")? {
        if let Some(name) = word.strip_prefix(b"@") {
            if arrange.keys.len() == SORT_KEYS_MAX {
                let text = format!("Cannot sort by more than {SORT_KEYS_MAX} fields");
                return Err(SearchError::new(error::OVER_LIMIT, text));
            }
            arrange.keys.push(SortKey {
                name: name.to_vec(),
                is_descending: false,
            });
        } else if is(word, "ASC") || is(word, "DESC") {
            if let Some(key) = arrange.keys.last_mut() {
                key.is_descending = is(word, "DESC");
            }
        } else {
            let before = b"MISSING ASC or DESC after sort field (".as_slice();
            return Err(wrong([before, word, b")"].concat()));
        }
    }
    if words.take("MAX") {
        let max = words
            .next()
            .and_then(parse_i64)
            .and_then(|n| u64::try_from(n).ok());
        let max = max.ok_or_else(|| SearchError::bad_arguments("MAX", NOT_CONVERTED))?;
        arrange.limit = match arrange.limit {
            // LIMIT 0 0 stays, whatever comes after it.
            Some(limit) if limit.count == 0 => Some(limit),
            limit => {
                let offset = limit.map_or(0, |limit| limit.offset);
                (offset > 0 || max > 0).then_some(Limit { offset, count: max })
            }
        };
    }
    Ok(())
}
