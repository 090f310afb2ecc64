//! The HELP subcommand of containers.

use russet_command::{Arity, CommandError, Flags, up_to_nul};
use russet_resp::Args;
use russet_server::{Call, Handler, Spec};

/// The row of a HELP subcommand.
pub(super) const fn row(handler: Handler) -> Spec {
    Spec {
        arity: Arity::Exactly(2),
        flags: Flags::LOADING.union(Flags::STALE).union(Flags::SENTINEL),
        ..Spec::new("help", handler)
    }
}

/// Writes a container's help as an array of status lines: a headline with the container's name as
/// called, `lines` (the syntax, then the meaning indented by four), and HELP itself.
pub(super) fn write_help(call: &mut Call<'_>, lines: &[&str]) {
    let reply = &mut *call.reply;
    reply.array(lines.len() + 3);
    let name = String::from_utf8_lossy(up_to_nul(call.args.at(0))).to_ascii_uppercase();
    reply.simple(&format!(
        "{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    ));
    for line in lines {
        reply.simple(line);
    }
    reply.simple("HELP");
    reply.simple("    Print this help.");
}

/// The error for an unknown subcommand, or for a subcommand with a wrong number of arguments.
pub(super) fn misused(args: Args<'_>) -> CommandError {
    const MISUSED: &str = "ERR unknown subcommand or wrong number of arguments for '";
    let (container, subcommand) = (up_to_nul(args.at(0)), args.at(1));
    let container = String::from_utf8_lossy(container).to_ascii_uppercase();
    let shown = &subcommand[..subcommand.len().min(128)];
    CommandError::naming(MISUSED, shown, &format!("'. Try {container} HELP."))
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn help_is_an_array_of_status_lines() {
        let mut t = Testbed::new();
        let help = t.run("memory HELP");
        let head =
            "+MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n+DOCTOR\r\n";
        assert!(help.contains(head), "{help}");
        assert!(
            help.ends_with("+HELP\r\n+    Print this help.\r\n"),
            "{help}"
        );
    }

    #[test]
    fn a_container_is_named_as_it_was_called() {
        let mut t = Testbed::new();
        let table = &mut t.engine.server.table;
        table.rename(b"slowlog", b"slow2").expect("a command");
        let unknown = "-ERR unknown subcommand 'nope'. Try SLOW2 HELP.\r\n";
        assert_eq!(t.run("Slow2 nope"), unknown);
        let misused =
            "-ERR unknown subcommand or wrong number of arguments for 'get'. Try SLOW2 HELP.\r\n";
        assert_eq!(t.run("slow2 get 1 2"), misused);
        assert!(t.run("slow2 help").contains("+SLOW2 <subcommand> "));
        let arity = "-ERR wrong number of arguments for 'slowlog|len' command\r\n";
        assert_eq!(t.run("slow2 len 1"), arity, "but here it is its own");
    }
}
