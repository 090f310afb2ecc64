//! A pipeline that is divided between the shards of a cluster and the node that was asked.
//!
//!     LOAD, APPLY, FILTER                   at the shards
//!     the first SORTBY, LIMIT or GROUPBY    at the shards: rows that may be among the first ones,
//!                                           groups with what their reducers know so far
//!     the same again, and all stages after  at the node that was asked, over the rows of all shards
//!
//! Both sides build the whole pipeline from the same words, and leave out the other's steps; so
//! errors are those of a single node. A row is sent with the values of all its places, by their
//! names; LOADs of later stages run at the shards, since they read documents.
//!
//! Of the nearest vectors each shard has its own, and only the nearest of all may go through the
//! stages: then all but LOAD run at the node that was asked.
//!
//! Cost: rows of all shards at the node that was asked, at once.

use super::names::Names;
use super::row::Row;
use super::step::{Pipeline, ShardRows, Step};
use crate::query::{Kind, Node};
use crate::shards::{Answer, ShardRow};
use std::collections::VecDeque;

/// Where the steps of the shards end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// Before all steps.
    Nearest,
    /// At a step that sorts, limits or groups rows.
    At(usize),
    /// After all steps.
    End,
}

/// The names of distances that a query yields. In the order in which its cursors are made.
pub fn distance_names(root: &Node) -> Vec<Vec<u8>> {
    fn add(node: &Node, names: &mut Vec<Vec<u8>>) {
        if let Some(name) = &node.distance_field
            && matches!(node.kind, Kind::Vector(_))
            && !names.contains(name)
        {
            names.push(name.clone());
        }
        node.parts().iter().for_each(|part| add(part, names));
    }
    let mut names = Vec::new();
    add(root, &mut names);
    names
}

impl Pipeline {
    fn cut(&self, is_nearest: bool) -> Cut {
        let collects = |(_, step): &(usize, Step)| {
            matches!(step, Step::Arrange(_) | Step::Limit { .. } | Step::Group(_))
        };
        match self.steps.iter().position(collects) {
            _ if is_nearest => Cut::Nearest,
            Some(at) => Cut::At(at),
            None => Cut::End,
        }
    }

    /// The steps of a shard; `is_nearest`: the query is one for the nearest vectors.
    #[must_use]
    pub fn of_shard(mut self, is_nearest: bool) -> Pipeline {
        let cut = self.cut(is_nearest);
        self.ships = true;
        let end = match cut {
            Cut::Nearest => 0,
            Cut::At(at) => at + 1,
            Cut::End => return self,
        };
        let later = self.steps.split_off(end);
        let mut names = 1;
        match self.steps.last_mut() {
            Some((_, Step::Group(grouped))) => {
                grouped.ship();
                names = 2;
            }
            Some((_, Step::Arrange(arranged))) if end > 0 => arranged.keep_skipped(),
            Some((_, Step::Limit { skipped, left, .. })) => {
                *left = left.saturating_add(std::mem::take(skipped));
            }
            _ => {}
        }
        if names == 1 {
            let loads = later.into_iter().filter(|step| is_load(step));
            self.steps.extend(loads);
        }
        self.names.truncate(names);
        self
    }

    /// The steps of the node that was asked, over rows that [`Pipeline::take_shard`] is given.
    #[must_use]
    pub fn of_shards(mut self, is_nearest: bool) -> Pipeline {
        let cut = self.cut(is_nearest);
        match cut {
            Cut::Nearest => self.steps.retain(|step| !is_load(step)),
            Cut::At(at) => {
                self.steps.drain(..at);
                self.steps.retain(|step| !is_load(step));
                if let Some((names, Step::Group(grouped))) = self.steps.first_mut() {
                    grouped.merge();
                    *names += 1;
                }
            }
            Cut::End => self.steps.clear(),
        }
        let is_sorted = matches!(self.steps.first(), Some((_, Step::Arrange(_))));
        self.source.rows = Some(ShardRows {
            rows: VecDeque::new(),
            total: (is_sorted && cut != Cut::Nearest).then_some(0),
        });
        self
    }

    /// Takes the rows of a shard.
    pub fn take_shard(&mut self, answer: Answer) {
        let at = match self.steps.first() {
            Some((names, Step::Group(_))) => *names,
            _ => 0,
        };
        let names = &mut self.names[at];
        let places = answer.names.iter();
        let places: Vec<usize> = places.map(|name| place_of(names, name)).collect();
        let Some(shards) = &mut self.source.rows else {
            return;
        };
        if let Some(total) = &mut shards.total {
            *total += answer.total;
            // It counts even if no row is kept.
            self.total = *total;
        }
        let rows = answer.rows.into_iter();
        shards.rows.extend(rows.map(|row| row_of(row, &places)));
    }

    /// The names of all places of the rows that it gives.
    pub fn all_names(&self) -> Vec<Vec<u8>> {
        let names = self.names.last().expect("there is one at least");
        let places = names.places.iter();
        places.map(|place| place.name.clone()).collect()
    }
}

/// Whether a step reads documents.
fn is_load((names, step): &(usize, Step)) -> bool {
    *names == 0 && matches!(step, Step::Load(_) | Step::LoadAll)
}

/// The place of a name, which is made if LOAD * has found it.
fn place_of(names: &mut Names, name: &[u8]) -> usize {
    match names.find(name) {
        Some(place) => place,
        None => names.place(name),
    }
}

fn row_of(of: ShardRow, places: &[usize]) -> Row {
    let mut row = Row {
        score: of.score,
        explanation: of.explanation,
        ..Row::default()
    };
    for (place, value) in of.values {
        row.set(places[place], value);
    }
    row
}
