//! The string commands.
//!
//! A string is text or a 64-bit integer; a reader sees the text of either. A writing command drops
//! or keeps the key's expiry: SET and its variants drop the expiry, changes in place (APPEND,
//! SETRANGE, INCR) keep it.
//!
//! If the result depends on the clock or on rounding the effect names the result: SET with PXAT,
//! SET KEEPTTL.
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

use russet_server::Spec;

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
