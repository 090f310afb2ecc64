//! The hash commands.

mod delete;
pub(super) mod docs;
mod expire;
mod field_args;
mod fields_last;
mod get;
mod getex;
mod himport;
mod incr;
mod random;
mod scan;
mod set;
mod setex;
mod ttl;

use crate::server::Spec;

pub(super) static SPECS: &[Spec] = &[
    delete::HDEL,
    expire::HEXPIRE,
    expire::HEXPIREAT,
    expire::HPEXPIRE,
    expire::HPEXPIREAT,
    get::HEXISTS,
    get::HGET,
    get::HGETALL,
    get::HKEYS,
    get::HLEN,
    get::HMGET,
    get::HSTRLEN,
    get::HVALS,
    getex::HGETDEL,
    getex::HGETEX,
    himport::HIMPORT,
    incr::HINCRBY,
    incr::HINCRBYFLOAT,
    random::HRANDFIELD,
    scan::HSCAN,
    set::HMSET,
    set::HSET,
    set::HSETNX,
    setex::HSETEX,
    ttl::HEXPIRETIME,
    ttl::HPERSIST,
    ttl::HPEXPIRETIME,
    ttl::HPTTL,
    ttl::HTTL,
];
