//! The string commands.

pub(super) mod docs;
mod float;
mod get;
mod incr;
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
    incr::INCR,
    incr::DECR,
    incr::INCRBY,
    incr::DECRBY,
    float::INCRBYFLOAT,
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
