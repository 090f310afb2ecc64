//! FT.HYBRID's words after the index: a query, the vectors near to a vector, and how both are
//! combined.
//!
//!     SEARCH query [SCORER s] [YIELD_SCORE_AS a]
//!     VSIM @field $vector [KNN n K k .. | RANGE n RADIUS r ..]
//!         [FILTER [n] query ..] [YIELD_SCORE_AS a]
//!     [COMBINE RRF|LINEAR n .. [YIELD_SCORE_AS a]] and the stages and options of FT.AGGREGATE
//!
//! `query` makes the trees of both sides. Source: Redis 8.10: the documentation, and replies as
//! other servers' tests have them.

mod query;

use super::aggregate::{AggregateRequest, Stage};
use super::options::Defaults;
use crate::arguments::{Arguments, NOT_CONVERTED, is, number};
use crate::error::{self, SearchError};
use crate::query::Dialect;
use russet_base::numbers::number::parse_i64;

/// Rows of each side that are combined, if none are named.
const WINDOW: usize = 20;
/// Rows of each side at most.
const WINDOW_MAX: usize = 1_000_000;

/// How two ranks or scores are combined.
#[derive(Clone, Debug, PartialEq)]
pub enum Combine {
    /// The sum of 1 / (constant + rank), ranks from 1.
    ReciprocalRank { constant: f64 },
    /// The sum of weighted scores.
    Linear { alpha: f64, beta: f64 },
}

/// Which vectors are near.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HybridReach {
    Nearest(u64),
    Within(f64),
}

/// FT.HYBRID.
#[derive(Clone, Debug)]
pub struct HybridRequest {
    pub text: Vec<u8>,
    pub text_score_name: Option<Vec<u8>>,
    /// Without their marks.
    pub field: Vec<u8>,
    pub param: Vec<u8>,
    /// `None`: the ten nearest.
    pub reach: Option<HybridReach>,
    pub vector_options: Vec<(Vec<u8>, Vec<u8>)>,
    /// The query that vectors' documents must match, too.
    pub filter: Option<Vec<u8>>,
    pub vector_score_name: Option<Vec<u8>>,
    pub combine: Combine,
    /// Rows of each side that are combined: 1 to [`WINDOW_MAX`].
    pub window: usize,
    /// The name of the combined score instead of `__score`.
    pub score_name: Option<Vec<u8>>,
    /// NOSORT
    pub is_unsorted: bool,
    /// The scorer, parameters and stages. SORTBY is by the combined score if none is given.
    pub aggregate: AggregateRequest,
}

fn wrong(text: impl Into<Vec<u8>>) -> SearchError {
    SearchError::new(error::PARSE_ARGS, text)
}

fn syntax(text: impl Into<Vec<u8>>) -> SearchError {
    SearchError::new(error::SYNTAX, text)
}

/// A word that a part of the command does not take.
fn unknown_in(word: &[u8], part: &str) -> SearchError {
    let after = format!("` in {part}");
    let pieces: [&[u8]; 3] = [b"Unknown argument `", word, after.as_bytes()];
    SearchError::of(error::UNRECOGNIZED, &pieces)
}

fn about(name: &[u8], why: &str) -> SearchError {
    wrong([name, b": ", why.as_bytes()].concat())
}

fn count(word: Option<&[u8]>) -> Option<u64> {
    u64::try_from(parse_i64(word?)?).ok()
}

impl HybridRequest {
    /// The request that the words after the index make.
    ///
    /// # Errors
    ///
    /// If a word does not fit. Names are looked up later.
    pub fn parse(words: &[&[u8]], defaults: &Defaults) -> Result<HybridRequest, SearchError> {
        let mut words = Arguments::new(words);
        if !words.take("SEARCH") {
            let Some(queries) = count(words.next()) else {
                let text = "Invalid subqueries count: expected an unsigned integer";
                return Err(syntax(text));
            };
            if queries != 2 {
                return Err(wrong("FT.HYBRID currently supports only two subqueries"));
            }
            if !words.take("SEARCH") {
                return Err(wrong("Missing required argument SEARCH"));
            }
        }
        let mut request = HybridRequest {
            text: words.next().unwrap_or_default().to_vec(),
            text_score_name: None,
            field: Vec::new(),
            param: Vec::new(),
            reach: None,
            vector_options: Vec::new(),
            filter: None,
            vector_score_name: None,
            combine: Combine::ReciprocalRank { constant: 60.0 },
            window: WINDOW,
            score_name: None,
            is_unsorted: false,
            aggregate: AggregateRequest::new(defaults),
        };
        let second = Dialect::new(2).unwrap_or(Dialect::FIRST);
        let options = &mut request.aggregate.options;
        options.dialect = options.dialect.max(second);
        request.search(&mut words, defaults)?;
        request.vectors(&mut words)?;
        request.rest(&mut words, defaults)?;
        request.aggregate.options.finish_hybrid()?;
        Ok(request)
    }

    /// The words of the query's side, and VSIM.
    fn search(
        &mut self,
        words: &mut Arguments<'_>,
        defaults: &Defaults,
    ) -> Result<(), SearchError> {
        while let Some(word) = words.next() {
            if is(word, "VSIM") {
                return Ok(());
            }
            let is_scorer = is(word, "SCORER");
            if words.is_empty() || !is_scorer && !is(word, "YIELD_SCORE_AS") {
                return Err(unknown_in(word, "SEARCH"));
            }
            if is_scorer {
                self.aggregate.options.read(b"SCORER", words, defaults)?;
            } else {
                self.text_score_name = words.next().map(<[u8]>::to_vec);
            }
        }
        Err(wrong("Missing required argument VSIM"))
    }

    /// The words of the vectors' side after VSIM.
    fn vectors(&mut self, words: &mut Arguments<'_>) -> Result<(), SearchError> {
        let field = words.next().and_then(|word| word.strip_prefix(b"@"));
        let field = field.ok_or_else(|| syntax("Missing @ prefix for vector field name"))?;
        let param = words.next().and_then(|word| word.strip_prefix(b"$"));
        let param = param.ok_or_else(|| {
            syntax("Invalid vector argument, expected a parameter name starting with $")
        })?;
        (self.field, self.param) = (field.to_vec(), param.to_vec());
        if words.take("KNN") {
            self.reach(words, true)?;
        } else if words.take("RANGE") {
            self.reach(words, false)?;
        }
        if words.take("FILTER") {
            self.filter(words)?;
        }
        if words.take("YIELD_SCORE_AS") {
            let name = words.next();
            let name = name.ok_or_else(|| unknown_in(b"YIELD_SCORE_AS", "VSIM"))?;
            self.vector_score_name = Some(name.to_vec());
        }
        Ok(())
    }

    /// `n K k ..` or `n RADIUS r ..`, where n counts the words after it.
    fn reach(&mut self, words: &mut Arguments<'_>, is_nearest: bool) -> Result<(), SearchError> {
        let (part, needed) = if is_nearest {
            ("KNN", "K")
        } else {
            ("RANGE", "RADIUS")
        };
        let none = || wrong("Invalid argument count: expected an unsigned integer");
        let n = count(words.next()).ok_or_else(none)?;
        if n == 0 || n % 2 == 1 {
            let text = format!(
                "Invalid argument count: {n} (must be a positive even number for key/value pairs)"
            );
            return Err(syntax(text));
        }
        let list = usize::try_from(n).ok().and_then(|n| words.many(n));
        let (pairs, _) = list.ok_or_else(none)?.as_chunks::<2>();
        let invalid = |name: &str| syntax(format!("Invalid {name} value"));
        for [name, value] in pairs {
            let upper = name.to_ascii_uppercase();
            match upper.as_slice() {
                b"K" | b"RADIUS" if is(name, needed) && self.reach.is_some() => {
                    return Err(wrong(format!("Duplicate {needed} argument")));
                }
                b"K" if is_nearest => {
                    let k = count(Some(value)).filter(|k| *k > 0);
                    self.reach = Some(HybridReach::Nearest(k.ok_or_else(|| invalid("K"))?));
                }
                b"RADIUS" if !is_nearest => {
                    let radius = number(value).filter(|radius| *radius >= 0.0);
                    let radius = radius.ok_or_else(|| invalid("RADIUS"))?;
                    self.reach = Some(HybridReach::Within(radius));
                }
                b"EF_RUNTIME" if is_nearest => {
                    let ef = count(Some(value)).filter(|ef| *ef > 0);
                    ef.ok_or_else(|| invalid("EF_RUNTIME"))?;
                    self.vector_options.push((upper, value.to_vec()));
                }
                b"EPSILON" if !is_nearest => {
                    let epsilon = number(value).filter(|epsilon| *epsilon > 0.0);
                    epsilon.ok_or_else(|| invalid("EPSILON"))?;
                    self.vector_options.push((upper, value.to_vec()));
                }
                b"SHARD_K_RATIO" if is_nearest => {
                    self.vector_options.push((upper, value.to_vec()));
                }
                b"YIELD_SCORE_AS" => self.vector_score_name = Some(value.to_vec()),
                _ => return Err(unknown_in(name, part)),
            }
        }
        if self.reach.is_none() {
            return Err(wrong(format!("Missing required argument {needed}")));
        }
        Ok(())
    }

    /// `[n] query [POLICY p [BATCH_SIZE b]]`, where n counts the words after it.
    fn filter(&mut self, words: &mut Arguments<'_>) -> Result<(), SearchError> {
        let word = words.next().ok_or_else(|| unknown_in(b"FILTER", "VSIM"))?;
        let list = count(Some(word)).filter(|n| *n > 0);
        let Some(list) = list.and_then(|n| words.many(usize::try_from(n).ok()?)) else {
            self.filter = Some(word.to_vec());
            return Ok(());
        };
        self.filter = Some(list[0].to_vec());
        let (pairs, rest) = list[1..].as_chunks::<2>();
        for [name, value] in pairs {
            let name = if is(name, "POLICY") {
                b"HYBRID_POLICY".to_vec()
            } else if is(name, "BATCH_SIZE") {
                b"BATCH_SIZE".to_vec()
            } else {
                return Err(unknown_in(name, "FILTER"));
            };
            self.vector_options.push((name, value.to_vec()));
        }
        match rest {
            [] => Ok(()),
            [word, ..] => Err(unknown_in(word, "FILTER")),
        }
    }

    /// COMBINE, and the options and stages of FT.AGGREGATE.
    fn rest(&mut self, words: &mut Arguments<'_>, defaults: &Defaults) -> Result<(), SearchError> {
        let mut seen: Vec<Vec<u8>> = Vec::new();
        while let Some(word) = words.next() {
            let name = word.to_ascii_uppercase();
            let is_single = matches!(
                name.as_slice(),
                b"COMBINE" | b"PARAMS" | b"LIMIT" | b"TIMEOUT" | b"EXPLAINSCORE" | b"WITHCURSOR"
            );
            if is_single && seen.contains(&name) {
                return Err(about(&name, "Argument specified multiple times"));
            }
            match name.as_slice() {
                b"COMBINE" => self.combine(words)?,
                b"NOSORT" => self.is_unsorted = true,
                b"LOAD" => {
                    HybridRequest::check_load(words)?;
                    self.aggregate.read(&name, words, defaults)?;
                }
                b"DIALECT" => {
                    let text = "DIALECT is not supported in FT.HYBRID or any of its subqueries. \
                                Please check the documentation on search-default-dialect \
                                configuration.";
                    return Err(wrong(text));
                }
                b"TIMEOUT" if words.peek().is_none_or(|word| parse_i64(word).is_none()) => {
                    return Err(about(b"TIMEOUT", NOT_CONVERTED));
                }
                _ => {
                    if !self.aggregate.read(&name, words, defaults)? {
                        return Err(about(word, "Unknown argument"));
                    }
                }
            }
            seen.push(name);
        }
        let mut stages = self.aggregate.stages.iter();
        let is_sorted =
            stages.any(|stage| matches!(stage, Stage::Arrange(arrange) if arrange.is_sorted));
        if self.is_unsorted && is_sorted {
            return Err(wrong("NOSORT is not allowed with SORTBY"));
        }
        let is_grouped = seen.iter().any(|name| name == b"GROUPBY");
        if self.aggregate.options.explains_scores && is_grouped {
            return Err(wrong("EXPLAINSCORE is not supported with GROUPBY"));
        }
        Ok(())
    }

    /// `RRF|LINEAR n ..`, where n counts the words after it.
    fn combine(&mut self, words: &mut Arguments<'_>) -> Result<(), SearchError> {
        let method = words.next().unwrap_or_default().to_ascii_uppercase();
        let is_ranked = method == b"RRF";
        if !is_ranked && method != b"LINEAR" {
            return Err(about(b"COMBINE", "Invalid value for argument"));
        }
        let method = if is_ranked { "RRF" } else { "LINEAR" };
        let n = count(words.next()).ok_or_else(|| {
            wrong(format!(
                "Invalid {method} argument count, error: {NOT_CONVERTED}"
            ))
        })?;
        if n % 2 == 1 {
            let text =
                "expects pairs of key value arguments, argument count must be an even number";
            return Err(wrong(format!("{method} {text}")));
        }
        let (mut constant, mut alpha, mut beta) = (60.0, None, None);
        for _ in 0..n / 2 {
            let name = words.next().unwrap_or_default();
            let Some(value) = words.next() else {
                return Err(syntax([b"Missing value for ", name].concat()));
            };
            let real =
                |name: &str| number(value).ok_or_else(|| about(name.as_bytes(), NOT_CONVERTED));
            match name.to_ascii_uppercase().as_slice() {
                b"WINDOW" => {
                    let window = parse_i64(value);
                    let window = window.ok_or_else(|| about(b"WINDOW", NOT_CONVERTED))?;
                    let window = usize::try_from(window).ok().filter(|window| *window > 0);
                    let window = window.ok_or_else(|| about(b"WINDOW", "Value below minimum"))?;
                    if window > WINDOW_MAX {
                        return Err(about(b"WINDOW", "Value above maximum"));
                    }
                    self.window = window;
                }
                b"CONSTANT" if is_ranked => constant = real("CONSTANT")?,
                b"ALPHA" if !is_ranked => alpha = Some(real("ALPHA")?),
                b"BETA" if !is_ranked => beta = Some(real("BETA")?),
                b"YIELD_SCORE_AS" => self.score_name = Some(value.to_vec()),
                _ => return Err(about(name, "Unknown argument")),
            }
        }
        self.combine = match (is_ranked, alpha, beta) {
            (true, ..) => Combine::ReciprocalRank { constant },
            (false, None, None) => Combine::Linear {
                alpha: 0.3,
                beta: 0.7,
            },
            (false, Some(alpha), Some(beta)) => Combine::Linear { alpha, beta },
            (false, None, _) => return Err(syntax("Missing value for ALPHA")),
            (false, ..) => return Err(syntax("Missing value for BETA")),
        };
        if words.take("YIELD_SCORE_AS") {
            if self.score_name.is_some() {
                return Err(wrong("YIELD_SCORE_AS specified more than once"));
            }
            let name = words.next();
            let name = name.ok_or_else(|| wrong("Missing argument value for YIELD_SCORE_AS"))?;
            self.score_name = Some(name.to_vec());
        }
        Ok(())
    }

    /// The fields of LOAD have a mark, which FT.AGGREGATE may do without.
    fn check_load(words: &Arguments<'_>) -> Result<(), SearchError> {
        let mut words = words.clone();
        let count = count(words.next()).and_then(|n| usize::try_from(n).ok());
        let list = count.and_then(|n| words.many(n)).unwrap_or_default();
        let mut is_name = true;
        for word in list {
            let needs_mark = std::mem::replace(&mut is_name, true);
            if needs_mark && is(word, "AS") {
                is_name = false;
            } else if needs_mark && !matches!(word.first(), Some(b'@' | b'$')) {
                let before = b"Missing prefix: name requires '@' prefix, JSON path require '$' \
                    prefix, got: ";
                return Err(wrong([before.as_slice(), word, b" in LOAD"].concat()));
            }
        }
        Ok(())
    }
}
