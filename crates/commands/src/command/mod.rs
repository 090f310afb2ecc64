//! COMMAND: facts about the server's commands, computed from the commands' rows.
//!
//! The server stores only the documentation for this. A subcommand is named `config|get`; names are
//! case-insensitive.
//!
//! Cost: O(commands) for COUNT, LIST and DOCS without names; COMMAND's own reply is written once
//! for each protocol and then shared (`CommandTable::describe`); GETKEYS O(arguments).
//!
//! Decided elsewhere: keys of a full command: `keys`, by the plan that dispatch uses.

mod documentation;
mod info;
mod keys;
mod list;

use russet_command::{Arity, Category, Facts, Flags};
use russet_server::{Call, CommandResult, Row, Spec};

use super::help::write_help;
use documentation::write_docs;
use info::{write_access, write_info};
use keys::keys_in;
use list::Filter;

pub(super) static SPECS: &[Spec] = &[COMMAND];

const ALWAYS: Flags = Flags::LOADING.union(Flags::STALE).union(Flags::SENTINEL);
const UNORDERED: &[&str] = &["nondeterministic_output_order"];

const COMMAND: Spec = Spec {
    arity: Arity::AtLeast(1),
    flags: ALWAYS,
    categories: Category::CONNECTION,
    tips: UNORDERED,
    subcommands: &[COUNT, DOCS, GETKEYS, GETKEYSANDFLAGS, HELP, INFO, LIST],
    facts: Facts::SHOWS,
    ..Spec::new("command", command)
};

/// `COMMAND`: the reply of COMMAND INFO, for every command.
fn command(call: &mut Call<'_>) -> CommandResult {
    let (table, dialect) = (&call.server.table, call.server.config.dialect);
    table.describe(call.reply, |reply| {
        reply.array(table.commands().count());
        for (_, row) in table.commands() {
            write_info(reply, table, row, dialect);
        }
    });
    Ok(())
}

const COUNT: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: ALWAYS,
    categories: Category::CONNECTION,
    ..Spec::new("count", count)
};

/// `COMMAND COUNT`: the number of commands, without subcommands.
///
/// Reply: integer.
fn count(call: &mut Call<'_>) -> CommandResult {
    call.reply.int(call.server.table.commands().count() as i64);
    Ok(())
}

const INFO: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: ALWAYS,
    categories: Category::CONNECTION,
    tips: UNORDERED,
    ..Spec::new("info", info)
};

/// `COMMAND INFO [name ...]`: facts about these commands, or about all.
///
/// Reply: an array with ten fields for each name, null for an unknown name. A subcommand is named
/// `config|get`.
fn info(call: &mut Call<'_>) -> CommandResult {
    let names = call.args.from(2);
    if names.is_empty() {
        return command(call);
    }
    let (table, dialect) = (&call.server.table, call.server.config.dialect);
    call.reply.array(names.len());
    for name in names.iter() {
        match table.find_full(name) {
            Some(row) => write_info(call.reply, table, row, dialect),
            None => call.reply.null(),
        }
    }
    Ok(())
}

const DOCS: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: ALWAYS,
    categories: Category::CONNECTION,
    tips: UNORDERED,
    ..Spec::new("docs", docs)
};

/// `COMMAND DOCS [name ...]`: the documentation of these commands, or of all.
///
/// Reply: a map from name to documentation; unknown names are left out.
fn docs(call: &mut Call<'_>) -> CommandResult {
    let names = call.args.from(2);
    let table = &call.server.table;
    let rows: Vec<&Row> = match names.len() {
        0 => table.commands().map(|(_, row)| row).collect(),
        _ => names
            .iter()
            .filter_map(|name| table.find_full(name))
            .collect(),
    };
    let place = call.reply.defer();
    let mut written = 0;
    for row in rows {
        written += usize::from(write_docs(call.reply, row.full_name, row.spec));
    }
    call.reply.finish_map(place, written);
    Ok(())
}

const LIST: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: ALWAYS,
    categories: Category::CONNECTION,
    tips: UNORDERED,
    ..Spec::new("list", list)
};

/// `COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern]`: names.
///
/// Reply: an array of names, subcommands as `config|get`.
fn list(call: &mut Call<'_>) -> CommandResult {
    let filter = Filter::parse(call.args.from(2))?;
    let table = &call.server.table;
    let place = call.reply.defer();
    let mut written = 0;
    for (_, row) in table.commands() {
        let subcommands = row.subcommands.iter().map(|&id| table.row(id));
        for row in std::iter::once(row)
            .chain(subcommands)
            .filter(|row| filter.admits(row))
        {
            call.reply.bulk(row.full_name.as_bytes());
            written += 1;
        }
    }
    call.reply.finish_array(place, written);
    Ok(())
}

const GETKEYS: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: ALWAYS,
    categories: Category::CONNECTION,
    ..Spec::new("getkeys", getkeys)
};

/// `COMMAND GETKEYS command [arg ...]`: the arguments of a full command that are keys.
///
/// Reply: array of keys.
fn getkeys(call: &mut Call<'_>) -> CommandResult {
    let args = call.args.from(2);
    let keys = keys_in(&call.server.table, args)?;
    call.reply.array(keys.len());
    for (at, _) in keys {
        call.reply.bulk(args.at(at));
    }
    Ok(())
}

const GETKEYSANDFLAGS: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: ALWAYS,
    categories: Category::CONNECTION,
    ..Spec::new("getkeysandflags", getkeysandflags)
};

/// `COMMAND GETKEYSANDFLAGS command [arg ...]`: the keys of a full command and their access.
///
/// Reply: array of pairs: a key and the set of the key's access flags as in key specs.
fn getkeysandflags(call: &mut Call<'_>) -> CommandResult {
    let args = call.args.from(2);
    let keys = keys_in(&call.server.table, args)?;
    call.reply.array(keys.len());
    for (at, access) in keys {
        call.reply.array(2);
        call.reply.bulk(args.at(at));
        write_access(call.reply, access);
    }
    Ok(())
}

const HELP: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: ALWAYS,
    categories: Category::CONNECTION,
    ..Spec::new("help", help)
};

/// `COMMAND HELP`: the other subcommands and their meaning.
fn help(call: &mut Call<'_>) -> CommandResult {
    let lines = [
        "(no subcommand)",
        "    Describe all commands.",
        "COUNT",
        "    Count the commands.",
        "DOCS [<command-name> ...]",
        "    Show the documentation of these commands, or of all.",
        "GETKEYS <full-command>",
        "    Find the keys in a full command.",
        "GETKEYSANDFLAGS <full-command>",
        "    Find the keys in a full command, and how each is accessed.",
        "INFO [<command-name> ...]",
        "    Describe these commands, or all.",
        "LIST [FILTERBY (MODULE <module-name>|ACLCAT <category>|PATTERN <pattern>)]",
        "    List the names of commands and subcommands.",
    ];
    write_help(call, &lines);
    Ok(())
}
