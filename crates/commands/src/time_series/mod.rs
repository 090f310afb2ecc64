//! The commands of time series.
//!
//!     row            flags, keys, errors, timestamps and values of arguments
//!     options        how a series is kept: words and settings
//!     range_args     the options of ranges
//!     rows_text      timestamps and values as they are replied
//!     value_text     the digits of values in RESP2
//!     cost           commands that take long: their work, and ranges off the loop
//!     labels         series by their labels, also of other shards; QUERYINDEX, MGET, QUERYLABELS
//!     rules          compaction; CREATERULE, DELETERULE
//!     add, create, delete, get, increment, info, mrange, nrange, range, read     the commands
//!
//! Decided elsewhere: chunks, aggregation, and that the bytes are Redis's: `russet_timeseries`.

mod add;
mod cost;
mod create;
mod delete;
mod get;
mod increment;
mod info;
mod labels;
mod mrange;
mod nrange;
mod options;
mod range;
mod range_args;
mod read;
mod row;
mod rows_text;
mod rules;
#[cfg(test)]
mod tests;
mod value_text;

use cost::{count, thread};
use labels::{filters, gathered, query, shards, slices};
use rules::{compact, compactions};

use russet_server::Spec;

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
    labels::QUERYLABELS,
    labels::REFRESHCLUSTER,
    mrange::MRANGE,
    mrange::MREVRANGE,
    nrange::NRANGE,
    nrange::NREVRANGE,
    query::MGET,
    query::QUERYINDEX,
    range::RANGE,
    range::REVRANGE,
    read::READ,
    rules::CREATERULE,
    rules::DELETERULE,
];
