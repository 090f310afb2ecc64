//! The HELP subcommand of containers.

use crate::command::{Arity, CommandError, Flags};
use crate::resp::Reply;
use crate::server::{Handler, Spec};

/// The row of a HELP subcommand.
pub(super) const fn row(handler: Handler) -> Spec {
    Spec {
        arity: Arity::Exactly(2),
        flags: Flags::LOADING.union(Flags::STALE),
        ..Spec::new("help", handler)
    }
}

/// Writes what a container can do as an array of status lines: a headline with its name,
/// `lines` (syntax, then its meaning indented by four), and HELP itself.
pub(super) fn write_help(reply: &mut Reply, container: &str, lines: &[&str]) {
    reply.array(lines.len() + 3);
    let name = container.to_ascii_uppercase();
    reply.simple(&format!(
        "{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    ));
    for line in lines {
        reply.simple(line);
    }
    reply.simple("HELP");
    reply.simple("    Print this help.");
}

/// A subcommand that a container does not have, or not with so many arguments.
pub(super) fn misused(container: &str, subcommand: &[u8]) -> CommandError {
    const MISUSED: &str = "ERR unknown subcommand or wrong number of arguments for '";
    let shown = &subcommand[..subcommand.len().min(128)];
    CommandError::naming(MISUSED, shown, &format!("'. Try {container} HELP."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_is_an_array_of_status_lines() {
        let mut reply = Reply::new();
        write_help(&mut reply, "memory", &["PURGE", "    Give memory back."]);
        let expected = "*5\r\n+MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n\
            +PURGE\r\n+    Give memory back.\r\n+HELP\r\n+    Print this help.\r\n";
        assert_eq!(String::from_utf8_lossy(&reply.pending()), expected);
    }
}
