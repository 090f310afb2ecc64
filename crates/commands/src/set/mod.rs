//! The set commands.
//!
//! A missing key is an empty set, and no set is empty, because the removal of the last member
//! deletes the key. Members come in no order, except that members of a set of integers are sorted;
//! clients see that.
//!
//! Members may expire. An expired member is missing to every reader, though SCARD counts the member
//! until it is removed; commands that name the member remove it, and SPOP and SRANDMEMBER remove
//! all of them first. What all these cost a set without expiries is a look at a pointer.
//!
//! Commands on several sets look up all keys first, so that a wrong type is an error before any
//! reply.
//!
//! Decided elsewhere: encodings: `types::set`; walks over several sets: `types::set_algebra`;
//! STORE: `stored`.

mod addex;
mod algebra;
mod cardinality;
mod expire;
mod members;
#[cfg(test)]
mod model;
mod random;
mod scan;

use russet_server::Spec;

pub(super) static SPECS: &[Spec] = &[
    members::SADD,
    addex::SADDEX,
    expire::SEXPIRE,
    expire::SPEXPIRE,
    expire::SEXPIREAT,
    expire::SPEXPIREAT,
    expire::SPERSIST,
    expire::STTL,
    expire::SPTTL,
    expire::SEXPIRETIME,
    expire::SPEXPIRETIME,
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
