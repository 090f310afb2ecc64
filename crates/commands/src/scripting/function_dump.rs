//! FUNCTION DUMP and RESTORE: all libraries as one payload.
//!
//!     (245 | code: string)* | version: u16le | checksum: u64le

use super::changes::check_idle;
use russet_command::CommandError;
use russet_config::Dialect;
use russet_persistence::rdb::{Payload, RdbWriter, VERSION_FIELD_TTLS, VERSION_MIGRATE};
use russet_scripting::{Libraries, LoadError, Setup};
use russet_server::{Call, CommandResult};

/// `FUNCTION DUMP`.
///
/// Reply: bulk string.
pub(super) fn dump(call: &mut Call<'_>) -> CommandResult {
    let compress = call.server.config.rdbcompression.of_strings();
    // Redis 8's own version; Valkey does not read that, nor do older nodes of a cluster.
    let server = &call.server;
    let version = match server.config.dialect {
        Dialect::Redis if server.cluster.is_none() => VERSION_FIELD_TTLS,
        _ => VERSION_MIGRATE,
    };
    let mut writer = RdbWriter::new(version, compress);
    for library in call.server.scripting.libraries.iter() {
        writer.function(&library.code);
    }
    call.reply.bulk_owned(writer.payload());
    Ok(())
}

/// How to treat existing libraries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy {
    Flush,
    Append,
    Replace,
}

/// `FUNCTION RESTORE payload [FLUSH | APPEND | REPLACE]`: loads all libraries or none.
pub(super) fn restore(call: &mut Call<'_>) -> CommandResult {
    const BAD_POLICY: &str =
        "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.";
    const BAD_PAYLOAD: &str = "ERR DUMP payload version or checksum are wrong";
    check_idle(call)?;
    let args = call.args;
    if args.len() > 4 {
        return Err(crate::help::misused(args));
    }
    let policy = match args.len() {
        3 => Policy::Append,
        _ if args.is(3, "append") => Policy::Append,
        _ if args.is(3, "replace") => Policy::Replace,
        _ if args.is(3, "flush") => Policy::Flush,
        _ => return Err(CommandError::Text(BAD_POLICY)),
    };
    let looks = !call.server.debug.skips_checksums;
    let payload = Payload::verify(args.at(2), looks).ok_or(CommandError::Text(BAD_PAYLOAD))?;
    let codes = payload.functions().map_err(CommandError::Text)?;
    let codes: Vec<&[u8]> = codes.iter().map(Vec::as_slice).collect();
    restore_all(call, &codes, policy)
        .map_err(|message| CommandError::Bytes([b"ERR ", message.as_slice()].concat()))?;
    call.db.functions_changed();
    call.always_effect();
    call.reply.ok();
    Ok(())
}

/// Loads libraries by the policy; nothing changes unless all libraries load.
fn restore_all(call: &mut Call<'_>, codes: &[&[u8]], policy: Policy) -> Result<(), LoadError> {
    let setup = Setup::of(&call.server.config);
    if policy == Policy::Flush {
        let mut fresh = Libraries::default();
        let vm = fresh.vm(setup).handle();
        let prepared = call.prepare_libraries(vm, codes)?;
        fresh.adopt(prepared, false)?;
        call.server.scripting.libraries = fresh;
        return Ok(());
    }
    let vm = call.server.scripting.libraries.vm(setup).handle();
    let prepared = call.prepare_libraries(vm, codes)?;
    let libraries = &mut call.server.scripting.libraries;
    libraries.adopt(prepared, policy == Policy::Replace)
}
