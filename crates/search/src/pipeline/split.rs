//! A pipeline that is divided between the shards of a cluster and the node that was asked.
//!
//!     LOAD, APPLY, FILTER                   at the shards
//!     the first SORTBY, LIMIT or GROUPBY    at the shards: rows that may be among the first,
//!                                           groups with what the reducers know so far
//!     the same again, and all stages after  at the node that was asked, over rows of all shards
//!
//! Both sides build the whole pipeline from the same words, and leave out the other's steps; so
//! errors are the same as on a single node. A shard sends a row with the values of all places, by
//! name; LOADs of later stages run at the shards, because they read documents.
//!
//! If the query is for the nearest vectors, each shard finds the nearest vectors that it has, and
//! only the nearest of all may go through the stages: then all stages but LOAD run at the node that
//! was asked.
//!
//! Cost: rows of all shards at the node that was asked, at once.

use super::names::Names;
use super::row::Row;
use super::shards::{Answer, ShardRow};
use super::step::{Pipeline, ShardRows, Step};
use crate::query::{Kind, Node};
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

/// The names of distances that a query yields, in the order in which the cursors are made.
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

    /// The steps of a shard; `is_nearest`: the query is for the nearest vectors.
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
            let loads = later.into_iter().filter(is_load);
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
        let Some(shards) = &mut self.source.rows else {
            return;
        };
        if let Some(total) = &mut shards.total {
            *total += answer.total;
            // The total counts even if no row is kept.
            self.total = *total;
        }
        let rows = answer.rows.into_iter();
        let of = rows.map(|row| row_of(row, &answer.names, names));
        shards.rows.extend(of);
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

/// The row of a shard, whose names are `of_shard`.
fn row_of(of: ShardRow, of_shard: &[Vec<u8>], names: &mut Names) -> Row {
    let mut row = Row {
        score: of.score,
        explanation: of.explanation,
        ..Row::default()
    };
    for (name, value) in of.values {
        let name = name.bytes(|place| &of_shard[place]);
        names.put(&mut row, name, value, false);
    }
    row
}

#[cfg(test)]
mod tests {
    use super::super::tests::Server;
    use super::super::{BatchEnd, Context, FieldName, OutputRow};
    use super::*;
    use crate::hit::Hit;
    use crate::query::Dialect;
    use crate::record::words;
    use crate::request::{AggregateRequest, Defaults};

    const SCHEMA: &str = "SCHEMA g TAG SORTABLE n NUMERIC SORTABLE m NUMERIC";

    fn documents(which: impl Fn(usize) -> bool) -> Server {
        let lines = (0..60).filter(|n| which(*n)).map(|n| {
            let (g, m) = (n % 7, n * 31 % 17);
            format!("d{n} g g{g} n {n} m {m}")
        });
        Server::new(SCHEMA, &lines.collect::<Vec<_>>().join("\n"))
    }

    fn request(line: &str) -> AggregateRequest {
        let words = words(line);
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let defaults = Defaults {
            dialect: Dialect::FIRST,
            rows_max: 1000,
            groups_max: 1_000_000,
            offset_max: 1000,
            is_resp3: false,
        };
        AggregateRequest::parse(&words, &defaults).expect("a request")
    }

    fn whole(server: &Server, line: &str) -> Pipeline {
        Pipeline::aggregate(&request(line), server.index.schema(), &[]).expect("a pipeline")
    }

    fn run(
        pipeline: &mut Pipeline,
        server: &Server,
        mut hits: std::vec::IntoIter<Hit>,
    ) -> Vec<OutputRow> {
        let mut context = Context {
            hits: &mut hits,
            index: &server.index,
            loader: server,
            budget: u64::MAX,
            is_over: false,
        };
        let batch = pipeline.next_rows(1000, &mut context).expect("rows");
        assert_eq!(batch.ending, BatchEnd::Done);
        batch.rows
    }

    fn hits_of(server: &Server) -> std::vec::IntoIter<Hit> {
        let options = request("").options;
        let query = options.query(b"*", server.index.schema()).expect("a query");
        server.hits(query.as_ref())
    }

    fn shown(rows: &[OutputRow], pipeline: &Pipeline) -> Vec<String> {
        let field = |(name, value): &(FieldName, crate::expression::Value)| {
            let name = name.bytes(|place| pipeline.name(place));
            format!("{}={value:?}", String::from_utf8_lossy(name))
        };
        let row = |row: &OutputRow| row.fields.iter().map(field).collect::<Vec<_>>().join(" ");
        rows.iter().map(row).collect()
    }

    #[test]
    fn shards_together_are_one_index() {
        let all = documents(|_| true);
        let shards = [0, 1, 2].map(|shard| documents(move |n| n % 3 == shard));
        for line in [
            "GROUPBY 1 @g REDUCE COUNT 0 AS c REDUCE SUM 1 @m AS s REDUCE AVG 1 @n AS a SORTBY 2 @g ASC",
            "GROUPBY 1 @g REDUCE COUNT_DISTINCT 1 @m AS d REDUCE QUANTILE 2 @m 0.5 AS q SORTBY 2 @g DESC",
            "GROUPBY 1 @g REDUCE COLLECT 7 FIELDS 1 @n SORTBY 2 @n DESC AS l SORTBY 2 @g ASC",
            "LOAD 1 @m APPLY @m+@n AS x FILTER @x>20 SORTBY 4 @x DESC @n ASC LIMIT 5 9",
            "SORTBY 2 @n DESC LIMIT 3 6 LOAD 1 @m APPLY @m*2 AS y",
            "SORTBY 2 @n DESC LIMIT 0 20 GROUPBY 1 @g REDUCE MAX 1 @m AS b SORTBY 2 @g ASC",
            "GROUPBY 1 @g REDUCE COUNT 0 AS c GROUPBY 1 @c REDUCE COUNT 0 AS k SORTBY 2 @c ASC",
            // Groups with equal sort keys.
            "GROUPBY 1 @g REDUCE COUNT 0 AS c SORTBY 2 @c DESC",
            "GROUPBY 1 @g REDUCE COUNT 0 AS c SORTBY 2 @c ASC LIMIT 2 3",
            "GROUPBY 2 @m @g REDUCE COUNT 0 AS c SORTBY 2 @c DESC MAX 12",
            "LIMIT 0 0",
        ] {
            let mut alone = whole(&all, line);
            let rows = run(&mut alone, &all, hits_of(&all));
            let mut merged = whole(&all, line).of_shards(false);
            for shard in &shards {
                let mut its = whole(shard, line).of_shard(false);
                let rows = run(&mut its, shard, hits_of(shard));
                let answer = Answer::of(rows, &its, |_| (None, None));
                merged.take_shard(Answer::read(&answer.bytes()).expect("whole"));
            }
            let of_shards = run(&mut merged, &all, Vec::new().into_iter());
            assert_eq!(shown(&of_shards, &merged), shown(&rows, &alone), "{line}");
            assert_eq!(merged.first_total(), alone.first_total(), "{line}");
        }
    }
}
