//! Merges rows of equal properties into groups, in the order in which the groups first appeared.
//!
//! A property that a row lacks is null; a list puts the row into a group for each of its parts.
//! Lists of several properties make as many groups as the product of their lengths, so the stage
//! keeps such a row and takes a combination at a time, for a unit of the budget each.
//!
//! Cost: a row hashes the properties where they lie, in the index or in the row, and copies them
//! only if the group is new. Documents that are grouped by a SORTABLE tag find their group by the
//! number of the tag's value, without a hash.

use ahash::RandomState;
use smallvec::SmallVec;

use super::chunks::{Chunks, IntoIter};
use super::names::Names;
use super::reduce::{self, Reducer, State};
use super::row::{Row, ValueRef};
use crate::error::{self, SearchError};
use crate::expression::Value;
use crate::hit::ScoredDocument;
use crate::index::{IdTable, Index};

/// The groups: filled while rows come in, and then returned by [`GroupTable::next`].
#[derive(Debug)]
pub(super) struct GroupTable {
    /// Places of the rows that come in.
    properties: Vec<usize>,
    reducers: Vec<Reducer>,
    groups: Chunks<Group>,
    /// `search-max-aggregate-groups`
    groups_max: usize,
    /// Places among the groups.
    table: IdTable,
    hasher: RandomState,
    /// The groups of the numbers of a SORTABLE tag's values, or [`UNKNOWN`].
    by_number: Vec<u32>,
    /// The generation of these numbers.
    generation: u64,
    /// Set once all rows are in; groups that were returned are taken off.
    ready: Option<IntoIter<Group>>,
    /// A cluster's shard: groups have what their reducers know instead of values.
    ships: bool,
    /// Rows are groups of shards.
    merges: bool,
    /// A row of lists whose combinations have not all been taken.
    product: Option<Product>,
    /// Combinations that were taken.
    combinations: u64,
}

/// A row with lists, which goes into a group for each combination of their parts.
#[derive(Debug)]
struct Product {
    row: Row,
    /// The next part of each property, 0 if the property is no list; the last property changes
    /// fastest.
    parts: SmallVec<[usize; 4]>,
}

#[derive(Debug)]
struct Group {
    hash: u64,
    key: SmallVec<[Value; 1]>,
    states: SmallVec<[State; 2]>,
}

const NULL: Value = Value::Null;

const UNKNOWN: u32 = u32::MAX;

impl GroupTable {
    pub(super) fn new(
        properties: Vec<usize>,
        reducers: Vec<Reducer>,
        groups_max: usize,
    ) -> GroupTable {
        GroupTable {
            properties,
            reducers,
            groups: Chunks::default(),
            groups_max,
            table: IdTable::default(),
            hasher: RandomState::default(),
            by_number: Vec::new(),
            generation: 0,
            ready: None,
            ships: false,
            merges: false,
            product: None,
            combinations: 0,
        }
    }

    /// Groups are for another node, which merges them with the groups of other shards.
    pub(super) fn ship(&mut self) {
        self.ships = true;
    }

    /// Rows are groups of shards from now on: their properties, then what their reducers know.
    pub(super) fn merge(&mut self) {
        self.merges = true;
        self.properties = (0..self.properties.len()).collect();
    }

    /// The number of properties, which have the first places of a group.
    pub(super) fn width(&self) -> usize {
        self.properties.len()
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready.is_some()
    }

    /// Takes a row in, or begins to: see [`GroupTable::take_product`]. A row of lists is moved out
    /// of `row`.
    ///
    /// # Errors
    ///
    /// If the row begins a group beyond `search-max-aggregate-groups`.
    pub(super) fn add(
        &mut self,
        row: &mut Row,
        names: &Names,
        index: &Index,
    ) -> Result<(), SearchError> {
        if self.merges {
            return self.merge_row(row);
        }
        let value = |place| {
            let value = names.value(row, place, index);
            value.unwrap_or(ValueRef::Other(&NULL))
        };
        let is_list = |value: &ValueRef<'_>| matches!(value, ValueRef::Other(Value::List(_)));
        if let [place] = *self.properties {
            let value = value(place);
            if !is_list(&value) {
                return self.add_to(&[value], row, names, index).map(drop);
            }
        }
        let values = self.properties.iter().map(|place| value(*place));
        let key: SmallVec<[ValueRef<'_>; 2]> = values.collect();
        if !key.iter().any(is_list) {
            return self.add_to(&key, row, names, index).map(drop);
        }
        drop(key);
        let parts = SmallVec::from_elem(0, self.properties.len());
        let row = std::mem::take(row);
        self.product = Some(Product { row, parts });
        Ok(())
    }

    /// Takes the combinations of a row of lists that [`GroupTable::add`] has begun with, each for a
    /// unit of the budget; `false`: the budget is used up before the last combination.
    ///
    /// # Errors
    ///
    /// As of [`GroupTable::add`].
    pub(super) fn take_product(
        &mut self,
        names: &Names,
        index: &Index,
        budget: &mut u64,
    ) -> Result<bool, SearchError> {
        let Some(mut product) = self.product.take() else {
            return Ok(true);
        };
        loop {
            if *budget == 0 {
                self.product = Some(product);
                return Ok(false);
            }
            *budget -= 1;
            self.combinations += 1;
            let Product { row, parts } = &mut product;
            let places = self.properties.iter().zip(&*parts);
            let key = places.map(|(place, part)| part_of(row, *place, *part, names, index));
            let key: SmallVec<[ValueRef<'_>; 2]> = key.collect();
            self.add_to(&key, row, names, index)?;
            let lengths = self.properties.iter();
            let lengths = lengths.map(|place| parts_of(row, *place, names, index));
            if !advance(parts, lengths) {
                return Ok(true);
            }
        }
    }

    /// The combinations of lists that were taken so far.
    pub(super) fn combinations(&self) -> u64 {
        self.combinations
    }

    /// Drops the rest of a row of lists, because the time of the query is up.
    pub(super) fn drop_product(&mut self) {
        self.product = None;
    }

    /// Takes documents in that have nothing of their own, by a row that is used again and again.
    pub(super) fn add_all(
        &mut self,
        scored: &[ScoredDocument],
        row: &mut Row,
        names: &Names,
        index: &Index,
    ) -> Result<(), SearchError> {
        *row = Row::default();
        let field = match *self.properties {
            [place] => names.sorted_field(place),
            _ => None,
        };
        let Some(interned) = field.and_then(|field| index.interned(field)) else {
            for ScoredDocument { document, .. } in scored {
                row.document = Some(*document);
                self.add(row, names, index)?;
            }
            return Ok(());
        };
        // The index may have changed since the last call.
        if self.generation != interned.generation() {
            self.by_number.clear();
            self.generation = interned.generation();
        }
        self.by_number.resize(interned.end(), UNKNOWN);
        for ScoredDocument { document, .. } in scored {
            row.document = Some(*document);
            let number = interned.number(document.0) as usize;
            let at = self.by_number[number];
            if at != UNKNOWN {
                self.reduce(at as usize, row, names, index);
                continue;
            }
            let value = names.value(row, self.properties[0], index);
            let value = value.unwrap_or(ValueRef::Other(&NULL));
            self.by_number[number] = self.add_to(&[value], row, names, index)?;
        }
        Ok(())
    }

    /// Takes documents in by a row that is used again and again; `load` sets all values of the row.
    pub(super) fn add_loaded(
        &mut self,
        scored: &[ScoredDocument],
        row: &mut Row,
        names: &Names,
        index: &Index,
        load: impl Fn(&mut Row),
    ) -> Result<(), SearchError> {
        *row = Row::default();
        for ScoredDocument { document, .. } in scored {
            row.document = Some(*document);
            load(row);
            self.add(row, names, index)?;
        }
        Ok(())
    }

    /// Takes a row into the group of a key; the group's place.
    fn add_to(
        &mut self,
        key: &[ValueRef<'_>],
        row: &Row,
        names: &Names,
        index: &Index,
    ) -> Result<u32, SearchError> {
        let at = self.group_of(key)?;
        self.reduce(at as usize, row, names, index);
        Ok(at)
    }

    #[inline]
    fn reduce(&mut self, at: usize, row: &Row, names: &Names, index: &Index) {
        let states = &mut self.groups[at].states;
        for (reducer, state) in self.reducers.iter().zip(states) {
            reducer.add(state, row, names, index);
        }
    }

    /// Takes a group of a shard in. A value that a reducer cannot merge is left out.
    fn merge_row(&mut self, row: &Row) -> Result<(), SearchError> {
        let value = |place: usize| match row.values.get(place) {
            Some(Some(value)) => value,
            _ => &NULL,
        };
        let width = self.properties.len();
        let key = (0..width).map(|place| ValueRef::of(value(place)));
        let key: SmallVec<[ValueRef<'_>; 2]> = key.collect();
        let at = self.group_of(&key)?;
        let states = &mut self.groups[at as usize].states;
        for (n, (reducer, state)) in self.reducers.iter().zip(states).enumerate() {
            reducer.merge(state, value(width + n));
        }
        Ok(())
    }

    /// The place of the group of some properties, which is made if it is new.
    fn group_of(&mut self, key: &[ValueRef<'_>]) -> Result<u32, SearchError> {
        let hasher = &self.hasher;
        let hash = hash(hasher, key.iter().copied());
        let groups = &mut self.groups;
        let is_it = |at: &u32| {
            let group = &groups[*at as usize];
            group.hash == hash && key.iter().zip(&group.key).all(|(a, b)| a.equals(b))
        };
        Ok(match self.table.find(hash, is_it) {
            Some(at) => at,
            None if groups.len() >= self.groups_max => return Err(too_many(self.groups_max)),
            None => {
                groups.push(Group {
                    hash,
                    key: key.iter().map(|value| value.to_value()).collect(),
                    states: self.reducers.iter().map(Reducer::start).collect(),
                });
                let at = (groups.len() - 1) as u32;
                self.table.insert(hash, at, |at| groups[*at as usize].hash);
                at
            }
        })
    }

    /// Ends the coming in; the number of groups.
    pub(super) fn finish(&mut self) -> u64 {
        self.table = IdTable::default();
        let groups = std::mem::take(&mut self.groups);
        let count = groups.len() as u64;
        self.ready = Some(groups.into_iter());
        count
    }

    /// The next group: the properties, then the values of the reducers.
    pub(super) fn next(&mut self) -> Option<Row> {
        let group = self.ready.as_mut()?.next()?;
        let key = group.key.into_iter();
        let reduced = self.reducers.iter().zip(group.states);
        let ships = self.ships;
        let reduced = reduced.map(|(reducer, state)| {
            if ships {
                reducer.ship(state)
            } else {
                reducer.finish(state)
            }
        });
        Some(Row {
            values: key.chain(reduced).map(Some).collect(),
            ..Row::default()
        })
    }
}

/// A part of a property that is a list, or the property itself; null for an empty list.
fn part_of<'r>(
    row: &'r Row,
    place: usize,
    part: usize,
    names: &'r Names,
    index: &'r Index,
) -> ValueRef<'r> {
    match names.value(row, place, index) {
        None => ValueRef::Other(&NULL),
        Some(ValueRef::Other(Value::List(items))) => {
            items.get(part).map_or(ValueRef::Other(&NULL), ValueRef::of)
        }
        Some(value) => value,
    }
}

/// The number of parts of a property: 1 if it is no list.
fn parts_of(row: &Row, place: usize, names: &Names, index: &Index) -> usize {
    match names.value(row, place, index) {
        Some(ValueRef::Other(Value::List(items))) => items.len(),
        _ => 1,
    }
}

/// Counts on to the next combination; `false`: `parts` was the last combination.
fn advance(
    parts: &mut [usize],
    lengths: impl DoubleEndedIterator<Item = usize> + ExactSizeIterator,
) -> bool {
    for (part, length) in parts.iter_mut().zip(lengths).rev() {
        *part += 1;
        if *part < length {
            return true;
        }
        *part = 0;
    }
    false
}

fn too_many(max: usize) -> SearchError {
    let text = format!("GROUPBY exceeds the limit of MAX_AGGREGATE_GROUPS, which is {max}");
    SearchError::new(error::OVER_LIMIT, text)
}

fn hash<'a>(hasher: &RandomState, mut key: impl Iterator<Item = ValueRef<'a>>) -> u64 {
    let first = key.next().map_or(0, |value| reduce::hash(hasher, value));
    key.fold(first, |all, value| {
        all.rotate_left(5).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ reduce::hash(hasher, value)
    })
}
