//! MODULE: russet loads no modules. The commands of modules that it has are built in.

use crate::help::{self, write_help};
use russet_base::text::Printable;
use russet_command::{Arity, CommandError, Facts, Flags};
use russet_config::Dialect;
use russet_resp::Reply;
use russet_server::{Call, CommandResult, Spec};

const LOADS: Flags = Flags::ADMIN
    .union(Flags::NOSCRIPT)
    .union(Flags::NO_ASYNC_LOADING)
    .union(Flags::PROTECTED);

pub(super) const MODULE: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::CONTAINER,
    subcommands: &[HELP, LIST, LOAD, LOADEX, UNLOAD],
    ..Spec::new("module", help)
};

const HELP: Spec = help::row(help);

/// `MODULE HELP`.
fn help(call: &mut Call<'_>) -> CommandResult {
    write_help(
        call,
        &[
            "LIST",
            "    The modules of other servers whose commands are built in.",
            "LOAD <path> [<arg> ...]",
            "    Refused: no module is loaded.",
            "LOADEX <path> [[CONFIG <name> <value>] ...] [ARGS <arg> ...]",
            "    Refused, too.",
            "UNLOAD <name>",
            "    Refused: none is loaded.",
        ],
    );
    Ok(())
}

const LIST: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::ADMIN.union(Flags::NOSCRIPT),
    tips: &["nondeterministic_output_order"],
    facts: Facts::SHOWS,
    ..Spec::new("list", list)
};

/// `MODULE LIST`: the modules whose commands are built in.
///
/// Reply: array of maps.
fn list(call: &mut Call<'_>) -> CommandResult {
    write_modules(call.reply, call.server.config.dialect);
    Ok(())
}

/// The list of modules, of MODULE LIST and HELLO.
pub(crate) fn write_modules(reply: &mut Reply, dialect: Dialect) {
    let modules = dialect.modules();
    reply.array(modules.len());
    for module in modules {
        reply.map(4);
        reply.bulk(b"name");
        reply.bulk(module.name.as_bytes());
        reply.bulk(b"ver");
        reply.int(module.version.into());
        reply.bulk(b"path");
        reply.bulk(module.path.as_bytes());
        reply.bulk(b"args");
        reply.array(0);
    }
}

const LOAD: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: LOADS,
    ..Spec::new("load", load)
};

const LOADEX: Spec = Spec {
    name: "loadex",
    ..LOAD
};

/// `MODULE LOAD path [argument ...]`, `MODULE LOADEX path ...`: always an error.
fn load(call: &mut Call<'_>) -> CommandResult {
    let path = call.args.at(2);
    Err(CommandError::owned(format!(
        "ERR russet loads no modules: '{}' is refused",
        Printable(path)
    )))
}

const UNLOAD: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: LOADS,
    ..Spec::new("unload", unload)
};

/// `MODULE UNLOAD name`: always an error.
fn unload(_: &mut Call<'_>) -> CommandResult {
    Err(CommandError::Text(
        "ERR Error unloading module: no such module with that name",
    ))
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn no_module_is_loaded_and_the_refusal_names_it() {
        let mut t = Testbed::new();
        assert!(
            t.run("MODULE LIST")
                .starts_with("*5\r\n*8\r\n$4\r\nname\r\n$9\r\nvectorset\r\n")
        );
        for line in [
            "MODULE LOAD /x.so",
            "MODULE LOADEX /x.so",
            "MODULE UNLOAD x",
        ] {
            assert!(t.run(line).starts_with("-ERR MODULE command not allowed."));
        }
        t.engine.server.config.enable_module_command = russet_config::Allowed::Yes;
        let refused = "-ERR russet loads no modules: '/x.so' is refused\r\n";
        assert_eq!(t.run("MODULE LOAD /x.so a b"), refused);
        assert_eq!(t.run("MODULE LOADEX /x.so ARGS a"), refused);
        assert!(
            t.run("MODULE UNLOAD x")
                .ends_with("no such module with that name\r\n")
        );
    }
}
