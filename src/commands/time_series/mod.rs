//! The commands of time series.
//!
//!     row            flags, keys, errors, timestamps and values of arguments
//!     options        how a series is kept: words and settings
//!     range_args     the options of ranges
//!     rows_text      timestamps and values as they are replied
//!     compact        the writes of rules
//!     add, delete, range     the commands
//!
//! Decided elsewhere: chunks, aggregation, and that the bytes are Redis's: `russet_timeseries`.

mod add;
mod compact;
mod delete;
mod options;
mod range;
mod range_args;
mod row;
mod rows_text;

use crate::server::Spec;

pub(super) static SPECS: &[Spec] = &[
    add::ADD,
    add::MADD,
    delete::DEL,
    range::RANGE,
    range::REVRANGE,
];
