//! The hash commands.

pub(super) mod docs;
mod delete;
mod get;
mod incr;
mod lazy;
mod random;
mod scan;
mod set;

use crate::server::Spec;

pub(super) static SPECS: &[Spec] = &[
    delete::HDEL,
    get::HEXISTS,
    get::HGET,
    get::HGETALL,
    get::HKEYS,
    get::HLEN,
    get::HMGET,
    get::HSTRLEN,
    get::HVALS,
    incr::HINCRBY,
    incr::HINCRBYFLOAT,
    random::HRANDFIELD,
    scan::HSCAN,
    set::HMSET,
    set::HSET,
    set::HSETNX,
];
