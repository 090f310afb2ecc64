//! The hash commands.
//!
//! Fields may expire. An expired field is missing to every reader, though HLEN counts the field
//! until it is deleted; most commands that name the field delete it. A command that deletes the
//! last field deletes the key.
//!
//! The field expiry commands have two grammars: Redis's (`field_args`: `FIELDS` among the options,
//! the key's type checked first) and Valkey's (`fields_last`: at the end, arguments checked first).
//! HEXPIRE and HSETEX from the log or a primary may be in either.
//!
//! Decided elsewhere: encodings and the order of fields: `types::hash`; the cycle that deletes
//! expired fields: `keyspace`.

mod delete;
pub(crate) mod expire;
pub(crate) mod field_args;
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

use russet_server::Spec;

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
