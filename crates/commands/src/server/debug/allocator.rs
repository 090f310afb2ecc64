//! DEBUG MALLCTL and MALLCTL-STR: jemalloc's controls by name.
//!
//! DEBUG reads a control, or performs a control without a value; it sets no control, and reads text
//! only from controls that are known to hold text, because jemalloc does not check the type.

use std::ffi::CString;
use std::io;

use russet_base::memory::alloc;
use russet_command::CommandError;
use russet_config::system_text;
use russet_server::{Call, CommandResult};

/// `DEBUG MALLCTL name`.
///
/// Reply: the number.
pub(crate) fn number(call: &mut Call<'_>) -> CommandResult {
    let value = alloc::control_number(&name(call)?).map_err(refusal)?;
    call.reply.int(value as i64);
    Ok(())
}

/// `DEBUG MALLCTL-STR name [VOID]`.
///
/// Reply: the text, or OK.
pub(crate) fn text(call: &mut Call<'_>) -> CommandResult {
    if call.args.len() == 4 {
        if !call.args.is(3, "VOID") {
            return Err(refusal(io::ErrorKind::PermissionDenied.into()));
        }
        alloc::perform(&name(call)?).map_err(refusal)?;
        call.reply.ok();
    } else if call.args.at(2) == b"version" {
        call.reply.bulk(alloc::version().as_bytes());
    } else {
        alloc::control_number(&name(call)?).map_err(refusal)?;
        return Err(CommandError::Text(
            "ERR only the version is known to be a text",
        ));
    }
    Ok(())
}

fn name(call: &Call<'_>) -> Result<CString, CommandError> {
    CString::new(call.args.at(2)).map_err(|_| refusal(io::ErrorKind::NotFound.into()))
}

fn refusal(error: io::Error) -> CommandError {
    CommandError::owned(format!("ERR {}", system_text(&error)))
}

#[cfg(all(test, not(feature = "system-allocator")))]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};
    use russet_config::Allowed;

    #[test]
    fn controls_are_read_whatever_their_size() {
        let mut t = Testbed::new();
        t.engine.server.config.enable_debug_command = Allowed::Yes;
        assert!(t.run("DEBUG MALLCTL arenas.page").starts_with(':'));
        assert_eq!(t.run("DEBUG MALLCTL config.fill"), ":1\r\n");
        assert!(t.run("DEBUG MALLCTL arenas.nbins").starts_with(':'));
        let unknown = "-ERR No such file or directory\r\n";
        assert_eq!(t.run("DEBUG MALLCTL nosuch"), unknown);
        assert_eq!(t.run("DEBUG MALLCTL-STR nosuch"), unknown);
        assert!(t.run("DEBUG MALLCTL-STR version").contains("\r\n5."));
    }

    #[test]
    fn only_what_leaves_memory_alone_is_performed() {
        let mut t = Testbed::new();
        t.engine.server.config.enable_debug_command = Allowed::Yes;
        assert_eq!(
            t.run("DEBUG MALLCTL-STR thread.tcache.flush VOID"),
            "+OK\r\n"
        );
        assert!(
            t.run("DEBUG MALLCTL-STR arena.0.reset VOID")
                .starts_with("-ERR")
        );
        assert!(t.run("DEBUG MALLCTL-STR arenas.page 1").starts_with("-ERR"));
    }
}
