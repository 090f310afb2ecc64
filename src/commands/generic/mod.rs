//! The generic commands: keys whatever they hold.

mod delete;
pub(super) mod docs;
mod expire;
mod object;
mod rename;
mod scan;
#[cfg(test)]
mod tests;
mod ttl;
mod wait;

use crate::base::number::parse_i64;
use crate::command::CommandError;
use crate::keyspace::DbIndex;
use crate::server::{Call, Spec};

pub(super) static SPECS: &[Spec] = &[
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
    expire::EXPIRE,
    expire::PEXPIRE,
    expire::EXPIREAT,
    expire::PEXPIREAT,
    ttl::TTL,
    ttl::PTTL,
    ttl::EXPIRETIME,
    ttl::PEXPIRETIME,
    ttl::PERSIST,
    wait::WAIT,
    wait::WAITAOF,
];

const NOT_AN_INT: &str = "ERR value is out of range, value must between -2147483648 and 2147483647";

/// The number of a database that exists.
fn parse_db(call: &mut Call<'_>, text: &[u8]) -> Result<DbIndex, CommandError> {
    let n = parse_i64(text).ok_or(CommandError::NotAnInteger)?;
    let n = i32::try_from(n).map_err(|_| CommandError::Text(NOT_AN_INT))?;
    let databases = call.db.keyspace().databases();
    match u32::try_from(n) {
        Ok(n) if (n as usize) < databases => Ok(DbIndex(n)),
        _ => Err(CommandError::DbIndexOutOfRange),
    }
}
