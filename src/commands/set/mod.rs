//! The set commands.

mod algebra;
mod cardinality;
pub(super) mod docs;
mod members;
mod random;
mod scan;

use crate::server::Spec;

pub(super) static SPECS: &[Spec] = &[
    members::SADD,
    members::SREM,
    members::SMOVE,
    members::SISMEMBER,
    members::SMISMEMBER,
    members::SCARD,
    members::SMEMBERS,
    random::SPOP,
    random::SRANDMEMBER,
    scan::SSCAN,
    algebra::SINTER,
    algebra::SINTERSTORE,
    cardinality::SINTERCARD,
    cardinality::SUNIONCARD,
    cardinality::SDIFFCARD,
    algebra::SUNION,
    algebra::SUNIONSTORE,
    algebra::SDIFF,
    algebra::SDIFFSTORE,
];
