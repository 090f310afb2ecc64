//! The string commands.
//!
//! A string is text or a 64-bit integer; a reader sees the text of either. A command that writes
//! loses or keeps the key's expiry as its comment says: SET and its variants lose it, changes in
//! place (APPEND, SETRANGE, INCR) keep it.
//!
//! Effects name the result wherever it depends on the clock or on rounding: SET with PXAT, SET
//! KEEPTTL.
//!
//! Decided elsewhere: storage of strings: `keyspace`; times: `arguments::expiry`; conditions on a
//! value: `compare`.

mod compare;
mod float;
mod get;
mod incr;
mod increx;
mod lcs;
mod multi;
mod range;
mod set;

use crate::server::Spec;

pub(super) static SPECS: &[Spec] = &[
    set::GET,
    set::SET,
    set::SETNX,
    set::SETEX,
    set::PSETEX,
    set::GETSET,
    get::GETEX,
    get::GETDEL,
    get::DELIFEQ,
    compare::DIGEST,
    compare::DELEX,
    incr::INCR,
    incr::DECR,
    incr::INCRBY,
    incr::DECRBY,
    float::INCRBYFLOAT,
    increx::INCREX,
    multi::MGET,
    multi::MSET,
    multi::MSETNX,
    multi::MSETEX,
    range::STRLEN,
    range::GETRANGE,
    range::SUBSTR,
    range::SETRANGE,
    range::APPEND,
    lcs::LCS,
];
