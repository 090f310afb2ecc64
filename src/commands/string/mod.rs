//! The string commands.

mod compare;
pub(super) mod docs;
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
