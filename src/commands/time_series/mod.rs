//! The commands of time series.
//!
//!     row            flags, keys, errors, timestamps and values of arguments
//!     options        how a series is kept: words and settings
//!     range_args     the options of ranges
//!     rows_text      timestamps and values as they are replied
//!     value_text     the digits of values in RESP2
//!     filters        conditions on labels, the labels that are shown
//!     gathered       the series of MRANGE, in slices
//!     compact        the writes of rules
//!     add, create, delete, get, increment, info, mrange, query, range, rules     the commands
//!
//! Decided elsewhere: chunks, aggregation, and that the bytes are Redis's: `russet_timeseries`.

mod add;
mod compact;
mod create;
mod delete;
mod filters;
mod gathered;
mod get;
mod increment;
mod info;
mod mrange;
mod options;
mod query;
mod range;
mod range_args;
mod row;
mod rows_text;
mod rules;
#[cfg(test)]
mod tests;
mod value_text;

use crate::server::Spec;

pub(super) static SPECS: &[Spec] = &[
    add::ADD,
    add::MADD,
    create::ALTER,
    create::CREATE,
    delete::DEL,
    get::GET,
    increment::DECRBY,
    increment::INCRBY,
    info::INFO,
    mrange::MRANGE,
    mrange::MREVRANGE,
    query::MGET,
    query::QUERYINDEX,
    range::RANGE,
    range::REVRANGE,
    rules::CREATERULE,
    rules::DELETERULE,
];
