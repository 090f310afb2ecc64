//! `COLLECT n FIELDS k @f.. | FIELDS * [SORTBY n @f [ASC|DESC]..] [LIMIT offset count] [DISTINCT]`:
//! the rows of a group as a list of maps.
//!
//! A field that a row lacks is left out of the row's map. Source: Redis 8.10's documentation.

use std::cmp::Ordering;

use super::Distinct;
use super::parse::Call;
use crate::arguments::{NONE_PROVIDED, NOT_CONVERTED, is};
use crate::error::{self, SearchError};
use crate::expression::Value;
use crate::index::Index;
use crate::pipeline::names::Names;
use crate::pipeline::row::{Row, ValueRef, order};
use russet_base::numbers::number::parse_i64;

/// The words of a call.
#[derive(Clone, Debug)]
pub(crate) struct Collect {
    /// `None`: every field that the reply would have.
    fields: Option<Vec<usize>>,
    keys: Vec<(usize, bool)>,
    offset: usize,
    count: usize,
    is_distinct: bool,
}

/// Maps with the values that they are sorted by.
#[derive(Debug)]
pub(crate) struct RowCollector {
    rows: Vec<(Vec<Option<Value>>, Value)>,
    distinct: Option<Distinct>,
    /// Whether each key descends.
    directions: Vec<bool>,
    offset: usize,
    count: usize,
}

fn wrong(why: &str) -> SearchError {
    SearchError::bad_arguments("COLLECT", why)
}

fn size(word: Option<&[u8]>) -> Result<usize, SearchError> {
    let word = word.ok_or_else(|| wrong(NONE_PROVIDED))?;
    let size = parse_i64(word).and_then(|n| usize::try_from(n).ok());
    size.ok_or_else(|| wrong(NOT_CONVERTED))
}

/// Reads the words of a call.
pub(super) fn parse(call: &mut Call<'_, '_>) -> Result<Collect, SearchError> {
    let mut collect = Collect {
        fields: None,
        keys: Vec::new(),
        offset: 0,
        count: usize::MAX,
        is_distinct: false,
    };
    if !call.words.take("FIELDS") {
        return Err(wrong("FIELDS is required"));
    }
    if !call.words.take("*") {
        let count = size(call.words.next())?;
        let fields = (0..count).map(|_| call.property());
        collect.fields = Some(fields.collect::<Result<_, _>>()?);
    }
    while let Some(word) = call.words.next() {
        if is(word, "SORTBY") {
            let end = size(call.words.next())?.saturating_add(call.words.read());
            while call.words.read() < end {
                let place = call.property()?;
                let mut is_descending = false;
                if call.words.read() < end {
                    is_descending = !call.words.take("ASC") && call.words.take("DESC");
                }
                collect.keys.push((place, is_descending));
            }
        } else if is(word, "LIMIT") {
            collect.offset = size(call.words.next())?;
            collect.count = size(call.words.next())?;
        } else if is(word, "DISTINCT") {
            collect.is_distinct = true;
        } else {
            return Err(call.unknown(word));
        }
    }
    if collect.fields.as_ref().is_some_and(Vec::is_empty) {
        return Err(SearchError::new(
            error::PARSE_ARGS,
            "COLLECT needs at least one field",
        ));
    }
    Ok(collect)
}

impl Collect {
    /// Refuses a LIMIT beyond the rows of a reply, as Redis 8.12 does; the text is that of the
    /// stage LIMIT.
    pub(super) fn check_limit(&self, rows_max: u64) -> Result<(), SearchError> {
        if self.count == usize::MAX || self.count as u64 <= rows_max {
            return Ok(());
        }
        let text = format!("LIMIT exceeds maximum of {rows_max}");
        Err(SearchError::new(error::OVER_LIMIT, text))
    }

    pub(super) fn start(&self) -> RowCollector {
        RowCollector {
            rows: Vec::new(),
            distinct: self.is_distinct.then(Distinct::default),
            directions: self
                .keys
                .iter()
                .map(|(_, is_descending)| *is_descending)
                .collect(),
            offset: self.offset,
            count: self.count,
        }
    }

    pub(super) fn add(
        &self,
        collected: &mut RowCollector,
        row: &Row,
        names: &Names,
        index: &Index,
    ) {
        let entry = |place: usize| {
            let value = names.value(row, place, index)?;
            Some((names.places[place].name.clone(), value.to_value()))
        };
        let map: Vec<_> = match &self.fields {
            Some(fields) => fields.iter().filter_map(|place| entry(*place)).collect(),
            None => {
                let places = 0..names.places.len();
                let shown = places.filter(|place| names.places[*place].is_shown);
                let others = row.others.iter();
                let others = others.map(|(name, value)| (name.to_vec(), value.clone()));
                shown.filter_map(entry).chain(others).collect()
            }
        };
        let map = Value::Map(map);
        if let Some(distinct) = &mut collected.distinct
            && !distinct.add(ValueRef::Other(&map))
        {
            return;
        }
        let key =
            |(place, _): &(usize, bool)| names.value(row, *place, index).map(ValueRef::to_value);
        collected
            .rows
            .push((self.keys.iter().map(key).collect(), map));
    }
}

impl RowCollector {
    /// The rows that another node merges with the rows of other shards: if rows are sorted, only
    /// the first, as many as the list may have.
    pub(super) fn ship(mut self) -> Value {
        self.sort();
        self.rows.truncate(self.offset.saturating_add(self.count));
        let rows = self.rows.into_iter().map(|(keys, map)| {
            let keys = keys.into_iter();
            let keys = keys.map(|key| Value::List(key.into_iter().collect()));
            Value::List(std::iter::once(map).chain(keys).collect())
        });
        Value::List(rows.collect())
    }

    /// Takes in the rows of a shard.
    pub(super) fn merge(&mut self, rows: &[Value]) {
        for row in rows {
            let Value::List(row) = row else {
                continue;
            };
            let Some((map, keys)) = row.split_first() else {
                continue;
            };
            if let Some(distinct) = &mut self.distinct
                && !distinct.add(ValueRef::of(map))
            {
                continue;
            }
            let key = |key: &Value| match key {
                Value::List(items) => items.first().cloned(),
                _ => None,
            };
            self.rows
                .push((keys.iter().map(key).collect(), map.clone()));
        }
    }

    /// The list of maps.
    pub(super) fn finish(mut self) -> Value {
        self.sort();
        let maps = self.rows.into_iter().map(|(_, map)| map);
        Value::List(maps.skip(self.offset).take(self.count).collect())
    }

    fn sort(&mut self) {
        let directions = &self.directions;
        let compare = |a: &[Option<Value>], b: &[Option<Value>]| {
            let pairs = a.iter().zip(b).zip(directions);
            let mut orders = pairs.map(|((a, b), is_descending)| match (a, b) {
                (None, None) => Ordering::Equal,
                (None, Some(_)) => Ordering::Greater,
                (Some(_), None) => Ordering::Less,
                (Some(a), Some(b)) if *is_descending => order(ValueRef::of(b), ValueRef::of(a)),
                (Some(a), Some(b)) => order(ValueRef::of(a), ValueRef::of(b)),
            });
            orders
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        };
        self.rows.sort_by(|(a, _), (b, _)| compare(a, b));
    }
}
