//! The string commands.

pub(super) mod docs;
mod incr;
mod multi;
mod set;

use crate::server::Spec;

pub(super) static SPECS: &[Spec] = &[
    set::GET,
    set::SET,
    incr::INCR,
    incr::DECR,
    incr::INCRBY,
    incr::DECRBY,
    multi::MGET,
    multi::MSET,
];
