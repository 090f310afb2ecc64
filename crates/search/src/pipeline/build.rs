//! Turns the stages of FT.AGGREGATE into steps, and looks up the names.
//!
//! APPLY and FILTER see properties that are SORTABLE, loaded or made before; GROUPBY, reducers and
//! SORTBY load other fields of the schema by themselves.

use super::arrange::{Key, RowSorter};
use super::group::GroupTable;
use super::names::Names;
use super::reduce;
use super::step::{BoundExpression, Pipeline, Source, Step};
use crate::error::{self, SearchError};
use crate::expression;
use crate::request::{AggregateRequest, Arrange, Group, LoadedField, Stage};
use crate::schema::{KeyType, Schema};

/// Rows after SORTBY without LIMIT and MAX.
const SORTED: u64 = 10;
const SCORE: &[u8] = b"__score";
/// Signs of an expression that are computed for a unit of the budget, about.
const EXPRESSION_OF_UNIT: usize = 32;

pub(super) struct Builder<'s> {
    /// `None`: after a GROUPBY there are no fields.
    pub(super) schema: Option<&'s Schema>,
    pub(super) names: Vec<Names>,
    pub(super) steps: Vec<(usize, Step)>,
    /// Groups of a GROUPBY at most.
    pub(super) groups_max: usize,
    /// Rows that a COLLECT's LIMIT may ask for.
    pub(super) rows_max: u64,
    /// WITHCOUNT: rows after LIMIT's last row count.
    pub(super) counts_all: bool,
}

impl Pipeline {
    /// The pipeline of FT.AGGREGATE over documents of an index; `distances` are the names that the
    /// query yields, in the order of [`crate::hit::Hit::distances`].
    ///
    /// # Errors
    ///
    /// If a stage names a property that is not there, or an expression or a reducer is wrong.
    pub fn aggregate(
        request: &AggregateRequest,
        schema: &Schema,
        distances: &[Vec<u8>],
    ) -> Result<Pipeline, SearchError> {
        let options = &request.options;
        let counts_all = request.counts_all();
        let mut builder = Builder {
            schema: Some(schema),
            names: vec![Names::of(options)],
            steps: Vec::new(),
            groups_max: options.groups_max,
            rows_max: options.rows_max,
            counts_all: counts_all || request.counts_before_first(),
        };
        let names = &mut builder.names[0];
        let source = Source {
            distances: distances.iter().map(|name| names.place(name)).collect(),
            score: request.adds_scores.then(|| names.place(SCORE)),
            rows: None,
        };
        for stage in &request.stages {
            builder.stage(stage)?;
        }
        if counts_all {
            // The reply ends at the limit of rows, the count does not.
            builder.push(Step::Limit {
                skipped: 0,
                left: options.rows_max,
                counts: true,
            });
        } else if request.counts_before_first() && !builder.ends_collected() {
            let all = usize::try_from(options.rows_max).unwrap_or(usize::MAX);
            let collected = RowSorter::by_keys(Vec::new(), 0, all);
            builder.push(Step::Arrange(Box::new(collected)));
        }
        let pipeline = Pipeline::new(builder.names, builder.steps, source);
        Ok(pipeline.without_settings(schema).counting(
            counts_all || request.counts_before_first(),
            options.is_strict,
        ))
    }
}

impl Builder<'_> {
    fn names(&mut self) -> &mut Names {
        self.names.last_mut().expect("there is one at least")
    }

    /// Whether all rows are known before the last step gives a row.
    fn ends_collected(&self) -> bool {
        matches!(
            self.steps.last(),
            Some((_, Step::Arrange(_) | Step::Group(_)))
        )
    }

    pub(super) fn push(&mut self, step: Step) {
        self.steps.push((self.names.len() - 1, step));
    }

    pub(super) fn stage(&mut self, stage: &Stage) -> Result<(), SearchError> {
        match stage {
            Stage::Load(fields) => self.load(fields),
            Stage::LoadAll => {
                // Of a JSON document it loads the whole, not its fields.
                self.names().is_open = self
                    .schema
                    .is_some_and(|schema| schema.key_type == KeyType::Hash);
                self.push(Step::LoadAll);
            }
            Stage::Group(group) => self.group(group)?,
            Stage::Apply { expression, name } => {
                let expression = self.expression(expression)?;
                let place = self.names().place(name);
                self.push(Step::Apply { expression, place });
            }
            Stage::Filter(expression) => {
                let expression = self.expression(expression)?;
                self.push(Step::Filter(expression));
            }
            Stage::Arrange(arrange) => self.arrange(arrange)?,
        }
        Ok(())
    }

    fn load(&mut self, fields: &[LoadedField]) {
        let schema = self.schema;
        let names = self.names();
        let mut loads = Vec::new();
        for LoadedField { path, name } in fields {
            loads.extend(names.load(path, name, schema));
        }
        if !loads.is_empty() {
            self.push(Step::Load(loads));
        }
    }

    fn expression(&mut self, text: &[u8]) -> Result<BoundExpression, SearchError> {
        let expression = expression::parse(text)?;
        let schema = self.schema;
        let mut places = Vec::with_capacity(expression.properties().len());
        for name in expression.properties() {
            let place = self.names().known(name, schema);
            places.push(place.ok_or_else(|| SearchError::not_in_pipeline(name))?);
        }
        Ok(BoundExpression {
            units: 1 + (text.len() / EXPRESSION_OF_UNIT) as u64,
            expression,
            places,
            is_pending: false,
        })
    }

    fn arrange(&mut self, arrange: &Arrange) -> Result<(), SearchError> {
        let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        if !arrange.is_sorted {
            if let Some(limit) = arrange.limit {
                // No row: all of them are counted all the same.
                let step = match limit.count {
                    0 => Step::Arrange(Box::new(RowSorter::by_keys(Vec::new(), 0, 0))),
                    left => Step::Limit {
                        skipped: limit.offset,
                        left,
                        counts: self.counts_all,
                    },
                };
                self.push(step);
            }
            return Ok(());
        }
        let schema = self.schema;
        let mut loads = Vec::new();
        let mut keys = Vec::new();
        for key in &arrange.keys {
            let place = self.names().field(&key.name, schema, &mut loads);
            keys.push(Key {
                place: place.ok_or_else(|| SearchError::not_in_schema(&key.name))?,
                is_descending: key.is_descending,
            });
        }
        if !loads.is_empty() {
            self.push(Step::Load(loads));
        }
        let (skipped, kept) = match arrange.limit {
            Some(limit) => (limit.offset, limit.offset.saturating_add(limit.count)),
            // SORTBY 0 gives all rows, as in 8.10.
            None if keys.is_empty() => (0, u64::MAX),
            None => (0, SORTED),
        };
        let group = self.steps.iter().rev().find_map(|(_, step)| match step {
            Step::Group(grouped) => Some(grouped.width()),
            _ => None,
        });
        let arranged = RowSorter::by_keys(keys, size(skipped), size(kept));
        let arranged = arranged.of_groups(group.unwrap_or(0));
        self.push(Step::Arrange(Box::new(arranged)));
        Ok(())
    }

    fn group(&mut self, group: &Group) -> Result<(), SearchError> {
        let schema = self.schema;
        let mut loads = Vec::new();
        let mut properties = Vec::new();
        for name in &group.properties {
            let place = self.names().field(name, schema, &mut loads);
            properties.push(place.ok_or_else(|| {
                let pieces: [&[u8]; 3] = [b"No such property `", name, b"`"];
                SearchError::of(error::NO_PROPERTY, &pieces)
            })?);
        }
        let mut after = Names::default();
        let mut add = |name: &[u8]| {
            if after.find(name).is_some() {
                let pieces: [&[u8]; 3] = [b"Property `", name, b"` specified more than once"];
                return Err(SearchError::of(error::DUPLICATE_FIELD, &pieces));
            }
            after.place(name);
            Ok(())
        };
        group.properties.iter().try_for_each(|name| add(name))?;
        let mut reducers = Vec::new();
        for call in &group.reducers {
            let names = self.names.last_mut().expect("there is one at least");
            let reducer = reduce::parse(call, names, schema, &mut loads)?;
            reducer.check_limit(self.rows_max)?;
            reducers.push(reducer);
            add(&call.name)?;
        }
        if !loads.is_empty() {
            self.push(Step::Load(loads));
        }
        let grouped = GroupTable::new(properties, reducers, self.groups_max);
        self.push(Step::Group(Box::new(grouped)));
        self.names.push(after);
        self.schema = None;
        Ok(())
    }
}
