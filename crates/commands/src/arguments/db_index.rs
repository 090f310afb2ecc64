//! Database indexes in arguments, for every group.

use russet_base::numbers::number::parse_i64;
use russet_command::CommandError;
use russet_keyspace::DbIndex;
use russet_server::Call;

const NOT_AN_INT: &str = "ERR value is out of range, value must between -2147483648 and 2147483647";

/// The index of an existing database.
pub(crate) fn parse(call: &mut Call<'_>, text: &[u8]) -> Result<DbIndex, CommandError> {
    let n = parse_any(text)?;
    existing(call, n)
}

/// An index, of a database or not.
pub(crate) fn parse_any(text: &[u8]) -> Result<i32, CommandError> {
    let n = parse_i64(text).ok_or(CommandError::NotAnInteger)?;
    i32::try_from(n).map_err(|_| CommandError::Text(NOT_AN_INT))
}

/// Refuses a command that uses other databases than the first, in a cluster of Redis's kind;
/// Valkey's have as many as `cluster-databases`. `name`: the command.
pub(crate) fn refuse_others(call: &Call<'_>, name: &str) -> Result<(), CommandError> {
    let server = &*call.server;
    if server.cluster.is_some() && !server.config.dialect.has_cluster_databases() {
        Err(CommandError::owned(format!(
            "ERR {name} is not allowed in cluster mode"
        )))
    } else {
        Ok(())
    }
}

/// Refuses an index without a database.
pub(crate) fn existing(call: &mut Call<'_>, n: i32) -> Result<DbIndex, CommandError> {
    let databases = call.db.keyspace().databases();
    match u32::try_from(n) {
        Ok(n) if (n as usize) < databases => Ok(DbIndex(n)),
        _ => Err(CommandError::DbIndexOutOfRange),
    }
}
