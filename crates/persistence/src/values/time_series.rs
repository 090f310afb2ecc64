//! Time series, as values of Redis's module `timeseries`: an id, fields, and their end, in form
//! MODULE_2. Encver 8 is written, which all releases since Redis Stack 7.2 read, unless a rule
//! counts NaNs or has only such in its open bucket: then 9, which Redis 8.6 and later read. All
//! versions are read; what each added is at [`since`].
//!
//!     key, retention, chunk size, form (1 plain, 2 compressed), newest timestamp, newest value,
//!     samples, policy, whether there is a source, (source), ignored time, ignored change,
//!     labels, (name, value), rules, (rule), chunks, (chunk)
//!     rule   = destination, bucket, alignment, aggregator, start of the open bucket,
//!              in encver 9 its samples, context
//!     chunk  = compressed: size, samples, bits, first value, first timestamp, timestamp, step,
//!              value, lead, tail, bytes;   plain: first timestamp, samples, size, bytes
//!
//! A payload of DUMP has no source and no rules, as in Redis: they are of the keys that stay. Files
//! have them.

use super::{NamedForm, SavedContainer, ValueForm};
use crate::aof::CommandWriter;
use crate::rdb::format::kind;
use crate::rdb::module::{
    self, ModuleId, TIME_SERIES, field, read_count, read_double, read_end, read_number,
    read_string, write_double, write_number, write_string,
};
use crate::rdb::{Fault, Input, RdbWriter, Rules, VERSION_USUAL};
use russet_resp::write_request;
use russet_timeseries::range::EvenBuckets;
use russet_timeseries::series::{ChunkBytes, Loader, Summary};
use russet_timeseries::{
    Aggregator, Context, Damage, Labels, Options, PackedShape, Policy, Rule, Sample, Series,
    TIMESTAMP_MAX,
};
use russet_types::TimeSeries;

/// The version that is written, and the version that counts the samples of open buckets.
const VERSION: u64 = 8;
const COUNTED: u64 = 9;
/// The versions that added a part. Before, a series has what is usual without it.
mod since {
    /// The form of chunks: all were plain.
    pub(super) const FORM: u64 = 1;
    /// Chunks as they are kept, the summary, the source; before, there are samples, and the size of
    /// a chunk is in samples.
    pub(super) const CHUNKS: u64 = 2;
    /// The policy; in contexts, whether they have a value.
    pub(super) const POLICY: u64 = 3;
    /// Whether `avg` keeps the mean.
    pub(super) const MEAN: u64 = 4;
    /// The alignment of rules; greatest and least have no word after them any more.
    pub(super) const ALIGNMENT: u64 = 6;
    /// `sum`, `count` and `last` do not say any more whether they have a value.
    pub(super) const PLAIN_CONTEXTS: u64 = 7;
    /// The ignored time and change.
    pub(super) const IGNORED: u64 = 8;
}

/// Bytes of a sample.
const SAMPLE_BYTES: u64 = 16;
/// The bit of the form that says plain.
const PLAIN_BIT: u64 = 1;
/// Forms of chunks.
const PLAIN: u64 = 1;
const PACKED: u64 = 2;
/// The start of the open bucket of a rule without an open bucket.
const NONE: u64 = u64::MAX;
/// The least bytes of a label, a rule and a chunk.
const LABEL_BYTES: u64 = 4;
const RULE_BYTES: u64 = 10;
const CHUNK_BYTES: u64 = 8;
/// Elements that a part's limit counts for a chunk.
const CHUNK_ELEMENTS: usize = 64;

impl SavedContainer for TimeSeries {
    /// Values of modules are found by the name of their type.
    const FORMS: &[NamedForm] = &[];

    fn load(input: &mut Input<'_>, _kind: u8, _rules: &Rules) -> Result<TimeSeries, Fault> {
        let id = module::read_id(input)?;
        if id.name == TIME_SERIES {
            load_fields(input, &id)
        } else {
            Err(Fault::Module(id.name))
        }
    }

    fn form(&self, _version: u32) -> ValueForm {
        ValueForm::of(kind::MODULE_2)
    }

    fn save_head(&self, to: &mut RdbWriter, _form: ValueForm) {
        let name = to.take_name();
        let rules = if name.keeps_links { self.rules() } else { &[] };
        let version = if rules.iter().any(is_counted) {
            COUNTED
        } else {
            VERSION
        };
        to.length(module::id(TIME_SERIES, version));
        write_string(to, &name.key);
        save_head(self, to, (name.keeps_links, version));
    }

    fn save_part(&self, to: &mut RdbWriter, _: ValueForm, at: u64, limit: usize) -> Option<u64> {
        let most = (limit / CHUNK_ELEMENTS).max(1);
        let start = usize::try_from(at).unwrap_or(usize::MAX);
        let mut bytes = Vec::new();
        for part in self.parts().skip(start).take(most) {
            save_chunk(&part.fields(), to);
            bytes.clear();
            part.write_bytes(&mut bytes);
            write_string(to, &bytes);
        }
        let next = start.saturating_add(most);
        if next < self.parts().len() {
            return Some(next as u64);
        }
        to.length(field::END);
        None
    }

    fn rewrite(&self, to: &mut CommandWriter, key: &[u8], _at: u64, _most: usize) -> Option<u64> {
        let mut writer = RdbWriter::new(VERSION_USUAL, true);
        writer.raw(&[kind::MODULE_2]);
        // The log is this server's own: it keeps the rules.
        writer.name_key(key, true);
        self.save_head(&mut writer, self.form(VERSION_USUAL));
        self.save_part(&mut writer, self.form(VERSION_USUAL), 0, usize::MAX);
        let args: [&[u8]; 4] = [b"RESTORE", key, b"0", &writer.payload()];
        write_request(&mut to.out, args.into_iter());
        None
    }
}

/// Writes all before the chunks.
fn save_head(series: &Series, to: &mut RdbWriter, (keeps_links, version): (bool, u64)) {
    let (options, summary) = (series.options(), series.summary());
    write_number(to, options.retention_ms);
    write_number(to, options.chunk_bytes.into());
    write_number(to, if options.is_packed { PACKED } else { PLAIN });
    write_number(to, summary.last.timestamp);
    write_double(to, summary.last.value);
    write_number(to, summary.total);
    write_number(to, options.policy.map_or(0, Policy::number));
    let source = series.source().filter(|_| keeps_links);
    write_number(to, source.is_some().into());
    if let Some(source) = source {
        write_string(to, source);
    }
    write_number(to, options.ignored_ms);
    write_double(to, options.ignored_change);
    write_number(to, series.labels().len() as u64);
    for (name, value) in series.labels().iter() {
        write_string(to, name);
        write_string(to, value);
    }
    let rules = if keeps_links { series.rules() } else { &[] };
    write_number(to, rules.len() as u64);
    rules.iter().for_each(|rule| save_rule(rule, version, to));
    write_number(to, series.parts().len() as u64);
}

/// Whether encver 8 cannot say what the rule is.
fn is_counted(rule: &Rule) -> bool {
    let counts_nan = matches!(
        rule.aggregator(),
        Aggregator::CountNan | Aggregator::CountAll
    );
    counts_nan || rule.open().is_some() && rule.is_empty()
}

fn save_rule(rule: &Rule, version: u64, to: &mut RdbWriter) {
    write_string(to, rule.dest());
    write_number(to, rule.buckets().duration as u64);
    write_number(to, rule.buckets().align as u64);
    write_number(to, rule.aggregator().number());
    write_number(to, rule.open().unwrap_or(NONE));
    if version >= COUNTED {
        write_number(to, u64::from(!rule.is_empty()));
    }
    match rule.context() {
        Context::One(a) => write_double(to, a),
        Context::First(a, is_none) => {
            write_double(to, a);
            write_number(to, is_none.into());
        }
        Context::Mean(a, n, is_mean) => {
            write_double(to, a);
            write_double(to, n);
            write_number(to, is_mean.into());
        }
        Context::Ends(greatest, least) => {
            write_double(to, greatest);
            write_double(to, least);
        }
        Context::Squares(sum, squares, n) => {
            write_double(to, sum);
            write_double(to, squares);
            write_number(to, n);
        }
        Context::Weighted(area, start, last, samples) => {
            let low = rule.open().unwrap_or(0);
            write_double(to, area);
            write_number(to, last.timestamp);
            write_double(to, last.value);
            write_number(to, low);
            write_number(to, low.saturating_add(rule.buckets().duration as u64));
            write_number(to, start);
            write_number(to, last.timestamp);
            // Whether the line begins within the bucket.
            write_number(to, u64::from(start > low));
            write_number(to, samples);
            write_number(to, 0);
        }
    }
}

fn load_rule(input: &mut Input<'_>, version: u64) -> Result<Rule, Fault> {
    let mut dest = Vec::new();
    read_string(input, &mut dest)?;
    let bucket = i64::try_from(read_number(input)?).ok().filter(|ms| *ms > 0);
    let align = if version >= since::ALIGNMENT {
        read_number(input)?
    } else {
        0
    };
    let align = i64::try_from(align).ok().filter(|ms| *ms >= 0);
    let (Some(duration), Some(align)) = (bucket, align) else {
        return Err(damaged(Damage));
    };
    let of = Aggregator::by_number(read_number(input)?).ok_or_else(|| damaged(Damage))?;
    let open = Some(read_number(input)?).filter(|start| *start <= TIMESTAMP_MAX);
    let has_samples = version < COUNTED || read_number(input)? != 0;
    let context = match Context::form(of) {
        Context::One(_) => {
            let value = read_double(input)?;
            if (since::POLICY..since::PLAIN_CONTEXTS).contains(&version) {
                read_number(input)?;
            }
            Context::One(value)
        }
        Context::First(..) => {
            let value = read_double(input)?;
            let is_none = version >= since::POLICY && read_number(input)? != 0;
            Context::First(value, is_none)
        }
        Context::Mean(..) => {
            let (value, samples) = (read_double(input)?, read_double(input)?);
            let is_mean = version >= since::MEAN && read_number(input)? != 0;
            Context::Mean(value, samples, is_mean)
        }
        Context::Ends(..) => {
            let (greatest, least) = (read_double(input)?, read_double(input)?);
            if version < since::ALIGNMENT {
                read_string(input, &mut Vec::new())?;
            }
            Context::Ends(greatest, least)
        }
        Context::Squares(..) => Context::Squares(
            read_double(input)?,
            read_double(input)?,
            read_number(input)?,
        ),
        Context::Weighted(..) => {
            let area = read_double(input)?;
            let last = Sample::new(read_number(input)?, read_double(input)?);
            let mut rest = [0; 7];
            for number in &mut rest {
                *number = read_number(input)?;
            }
            let [_, _, start, _, _, samples, _] = rest;
            Context::Weighted(area, start, last, samples)
        }
    };
    let mut rule = Rule::new(&dest, of, EvenBuckets { duration, align });
    rule.resume(open, has_samples, context);
    Ok(rule)
}

fn save_chunk(fields: &ChunkBytes, to: &mut RdbWriter) {
    match *fields {
        ChunkBytes::Packed(shape) => {
            let numbers = [
                shape.size,
                shape.count,
                shape.bits,
                shape.first_value,
                shape.first_timestamp,
                shape.timestamp,
                shape.step as u64,
                shape.value,
                shape.lead,
                shape.tail,
            ];
            numbers.into_iter().for_each(|n| write_number(to, n));
        }
        ChunkBytes::Plain { first, count, size } => {
            [first, count, size]
                .into_iter()
                .for_each(|n| write_number(to, n));
        }
    }
}

fn load_chunk(input: &mut Input<'_>, is_packed: bool) -> Result<ChunkBytes, Fault> {
    let mut number = || read_number(input);
    if !is_packed {
        return Ok(ChunkBytes::Plain {
            first: number()?,
            count: number()?,
            size: number()?,
        });
    }
    Ok(ChunkBytes::Packed(PackedShape {
        size: number()?,
        count: number()?,
        bits: number()?,
        first_value: number()?,
        first_timestamp: number()?,
        timestamp: number()?,
        step: number()? as i64,
        value: number()?,
        lead: number()?,
        tail: number()?,
    }))
}

/// Reads a series after its id.
pub(crate) fn load_fields(input: &mut Input<'_>, id: &ModuleId) -> Result<TimeSeries, Fault> {
    let version = id.version;
    if version > COUNTED {
        return Err(Fault::damaged(
            "a time series has an encoding that is not known",
        ));
    }
    let mut text = Vec::new();
    // The key's name, which the file or the command has, too.
    read_string(input, &mut text)?;
    let retention_ms = read_number(input)?;
    let mut chunk_bytes = read_number(input)?;
    if version < since::CHUNKS {
        chunk_bytes = chunk_bytes.saturating_mul(SAMPLE_BYTES);
    }
    let chunk_bytes = u32::try_from(chunk_bytes).map_err(|_| damaged(Damage))?;
    let is_packed = load_form(input, version)?;
    let has_summary = version >= since::CHUNKS;
    let summary = if has_summary {
        let timestamp = read_number(input)?;
        let last = Sample::new(timestamp, read_double(input)?);
        let total = read_number(input)?;
        Some(Summary { last, total })
    } else {
        None
    };
    let policy = match version {
        ..since::POLICY => 0,
        _ => read_number(input)?,
    };
    let policy = match policy {
        0 => None,
        n => Some(Policy::by_number(n).ok_or_else(|| damaged(Damage))?),
    };
    let source = if has_summary && read_number(input)? != 0 {
        let mut source = Vec::new();
        read_string(input, &mut source)?;
        Some(source)
    } else {
        None
    };
    let has_ignored = version >= since::IGNORED;
    let options = Options {
        retention_ms,
        chunk_bytes,
        is_packed,
        policy,
        ignored_ms: if has_ignored { read_number(input)? } else { 0 },
        ignored_change: if has_ignored {
            read_double(input)?
        } else {
            0.0
        },
    };
    let labels = load_labels(input)?;
    let mut rules = Vec::new();
    for _ in 0..read_count(input, RULE_BYTES)? {
        rules.push(load_rule(input, version)?);
    }
    let Some(summary) = summary else {
        let mut series = load_samples(input, options, labels)?;
        series.change_rules(|all| *all = rules);
        return Ok(TimeSeries::from(series));
    };
    let mut loader = Loader::new(options, labels).map_err(damaged)?;
    for _ in 0..read_count(input, CHUNK_BYTES)? {
        let fields = load_chunk(input, is_packed)?;
        read_string(input, &mut text)?;
        loader.chunk(fields, &text).map_err(damaged)?;
    }
    read_end(input)?;
    let mut series = loader.finish(summary).map_err(damaged)?;
    series.set_source(source.as_deref());
    series.change_rules(|all| *all = rules);
    Ok(TimeSeries::from(series))
}

/// Whether chunks are compressed.
fn load_form(input: &mut Input<'_>, version: u64) -> Result<bool, Fault> {
    if version < since::FORM {
        return Ok(false);
    }
    match read_number(input)? {
        PLAIN => Ok(false),
        PACKED => Ok(true),
        bits if version < VERSION => Ok(bits & PLAIN_BIT == 0),
        _ => Err(damaged(Damage)),
    }
}

/// A series of the samples that versions before chunks have.
fn load_samples(input: &mut Input<'_>, options: Options, labels: Labels) -> Result<Series, Fault> {
    // The options are checked as the options of chunks are.
    Loader::new(options, labels.clone()).map_err(damaged)?;
    let mut series = Series::new(options, labels);
    for _ in 0..read_count(input, 2)? {
        let timestamp = read_number(input)?;
        let sample = Sample::new(timestamp, read_double(input)?);
        if timestamp > TIMESTAMP_MAX {
            return Err(damaged(Damage));
        }
        let added = series.add(sample, Policy::Last, false);
        added.map_err(|_| damaged(Damage))?;
    }
    read_end(input)?;
    Ok(series)
}

fn load_labels(input: &mut Input<'_>) -> Result<Labels, Fault> {
    let mut labels = Vec::new();
    for _ in 0..read_count(input, LABEL_BYTES)? {
        let (mut name, mut value) = (Vec::new(), Vec::new());
        read_string(input, &mut name)?;
        read_string(input, &mut value)?;
        labels.push((name, value));
    }
    let pairs = labels.iter();
    Ok(Labels::new(pairs.map(|(name, value)| (&**name, &**value))))
}

fn damaged(_: Damage) -> Fault {
    Fault::damaged("a time series' numbers contradict each other")
}
