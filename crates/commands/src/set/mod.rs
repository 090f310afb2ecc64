//! The set commands.
//!
//! A missing key is an empty set, and no set is empty, because the removal of the last member
//! deletes the key. Members come in no order, except that members of a set of integers are sorted;
//! clients see that.
//!
//! Commands on several sets look up all keys first, so that a wrong type is an error before any
//! reply.
//!
//! Decided elsewhere: encodings: `types::set`; walks over several sets: `types::set_algebra`;
//! STORE: `stored`.

mod algebra;
mod cardinality;
mod members;
mod random;
mod scan;

use russet_server::Spec;

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
