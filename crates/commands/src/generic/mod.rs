//! The generic commands: keys of any type.
//!
//! A key is found, moved, deleted or expired whatever its value is; `sort` alone reads elements.
//! Expiry times are Unix milliseconds, and effects name absolute times, because a replica must not
//! count from its own clock.
//!
//! MIGRATE talks to another server and blocks the loop; WAIT and WAITAOF block their client alone.
//!
//! Decided elsewhere: expired keys at lookup and the expire cycle: `keyspace`; payloads:
//! `persistence::rdb`.

mod bless;
mod delete;
mod dump;
mod expire;
mod migrate;
mod object;
mod rename;
mod restore;
mod scan;
mod sort;
#[cfg(test)]
mod tests;
mod ttl;

pub(crate) use object::references;

use crate::server::replication::wait;
use russet_server::Spec;

pub(super) static SPECS: &[Spec] = &[
    bless::BLESS,
    delete::DEL,
    delete::UNLINK,
    delete::EXISTS,
    delete::TYPE,
    delete::TOUCH,
    rename::RENAME,
    rename::RENAMENX,
    rename::COPY,
    rename::MOVE,
    scan::KEYS,
    scan::SCAN,
    scan::RANDOMKEY,
    object::OBJECT,
    sort::SORT,
    sort::SORT_RO,
    expire::EXPIRE,
    expire::PEXPIRE,
    expire::EXPIREAT,
    expire::PEXPIREAT,
    ttl::TTL,
    ttl::PTTL,
    ttl::EXPIRETIME,
    ttl::PEXPIRETIME,
    ttl::PERSIST,
    dump::DUMP,
    migrate::MIGRATE,
    restore::RESTORE,
    restore::RESTORE_ASKING,
    wait::WAIT,
    wait::WAITAOF,
];
