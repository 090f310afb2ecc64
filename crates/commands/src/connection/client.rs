//! CLIENT: the container, and the subcommands about the connection itself.
//!
//! Each of these reads or sets fields of the client's own connection, O(1); the other subcommands
//! are in `client_list`, `client_control`, `client_tracking` and `client_closed`. The names of a
//! connection and of the client's library are printable ASCII without spaces, because CLIENT LIST
//! has a line per connection.
//!
//! Decided elsewhere, by flags that are set here: replies that CLIENT REPLY drops (dispatch),
//! eviction of clients (NO-EVICT), use of keys (NO-TOUCH), expired keys (IMPORT-SOURCE).

use super::client_flags::USUAL;
use super::{
    client_closed as closed, client_control as control, client_list as list,
    client_tracking as tracking,
};
use russet_command::{Arity, Category, CommandError, Facts, Flags};
use russet_server::{Call, ClientFlags, CommandResult, Spec};

const ON_ALL_NODES: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

pub(super) const CLIENT: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::SENTINEL.union(Flags::CONTAINER),
    subcommands: &[
        tracking::CACHING,
        CAPA,
        closed::CLOSED,
        GETNAME,
        tracking::GETREDIR,
        HELP,
        ID,
        IMPORT_SOURCE,
        list::INFO,
        control::KILL,
        list::LIST,
        NO_EVICT,
        NO_TOUCH,
        control::PAUSE,
        REPLY,
        SETINFO,
        SETNAME,
        tracking::TRACKING,
        tracking::TRACKINGINFO,
        control::UNBLOCK,
        control::UNPAUSE,
    ],
    facts: Facts::SPARES_CACHING,
    ..Spec::new("client", help)
};

const HELP: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::LOADING.union(Flags::STALE).union(Flags::SENTINEL),
    categories: Category::CONNECTION,
    ..Spec::new("help", help)
};

/// `CLIENT HELP`.
fn help(call: &mut Call<'_>) -> CommandResult {
    crate::help::write_help(
        call,
        &[
            "CACHING (YES|NO)",
            "    Whether to keep track of what the next command reads (OPTIN, OPTOUT).",
            "CLOSED [<count>]",
            "    Connections that ended, and why: the last first (default: all of the last 128).",
            "GETNAME",
            "    The name of this connection.",
            "GETREDIR",
            "    The connection that is told in this one's place; 0: none, -1: not tracking.",
            "ID",
            "    The number of this connection.",
            "INFO",
            "    This connection as CLIENT LIST shows it.",
            "KILL <ip:port>",
            "    Close the connection from this address.",
            "KILL <option> <value> [<option> <value> [...]]",
            "    Close connections that fit all of:",
            "    * ADDR (<ip:port>|<unixsocket>:0)",
            "      The address that they come from.",
            "    * LADDR (<ip:port>|<unixsocket>:0)",
            "      The address of ours that they came to.",
            "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
            "      What they are.",
            "    * USER <username>",
            "      Who they are logged in as.",
            "    * SKIPME (YES|NO)",
            "      Whether to spare this connection (default: yes).",
            "    * ID <client-id>",
            "      Their number.",
            "    * MAXAGE <maxage>",
            "      Seconds that they have lasted at least.",
            "LIST [options ...]",
            "    A line for every connection. Options:",
            "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
            "      Only connections of this type.",
            "    * ID <client-id> [<client-id> [...]]",
            "      Only these connections.",
            "NO-EVICT (ON|OFF)",
            "    Keep this connection when clients use too much memory.",
            "NO-TOUCH (ON|OFF)",
            "    Do not let this connection's commands count as uses of keys.",
            "PAUSE <timeout> [WRITE|ALL]",
            "    Hold back all commands, or writes, for <timeout> milliseconds.",
            "REPLY (ON|OFF|SKIP)",
            "    Choose which replies this connection gets.",
            "SETINFO <option> <value>",
            "    Tell about the client library. Options:",
            "    * LIB-NAME: its name.",
            "    * LIB-VER: its version.",
            "SETNAME <name>",
            "    Give this connection a name.",
            "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
            "         [OPTIN] [OPTOUT] [NOLOOP]",
            "    Be told when what this connection has read changes.",
            "TRACKINGINFO",
            "    How this connection is told.",
            "UNBLOCK <clientid> [TIMEOUT|ERROR]",
            "    End a connection's wait in a blocking command.",
            "UNPAUSE",
            "    End a pause.",
        ],
    );
    Ok(())
}

const ID: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: USUAL,
    categories: Category::CONNECTION,
    facts: Facts::SHOWS,
    ..Spec::new("id", id)
};

/// `CLIENT ID`: the connection's number, which is never reused.
fn id(call: &mut Call<'_>) -> CommandResult {
    call.reply.int(call.client.id.0 as i64);
    Ok(())
}

const GETNAME: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: USUAL,
    categories: Category::CONNECTION,
    facts: Facts::SHOWS,
    ..Spec::new("getname", getname)
};

/// `CLIENT GETNAME`: bulk string; null without a name.
fn getname(call: &mut Call<'_>) -> CommandResult {
    match &call.client.identity.name {
        Some(name) => call.reply.bulk(name.as_bytes()),
        None => call.reply.null(),
    }
    Ok(())
}

const SETNAME: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: USUAL,
    categories: Category::CONNECTION,
    tips: ON_ALL_NODES,
    ..Spec::new("setname", setname)
};

/// `CLIENT SETNAME name`: an empty name removes it.
fn setname(call: &mut Call<'_>) -> CommandResult {
    call.client.identity.name = super::session::client_name(call.args.at(2))?;
    call.reply.ok();
    Ok(())
}

const SETINFO: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: USUAL,
    categories: Category::CONNECTION,
    tips: ON_ALL_NODES,
    facts: Facts::NOT_IN_CONSOLE,
    ..Spec::new("setinfo", setinfo)
};

/// `CLIENT SETINFO LIB-NAME|LIB-VER value`: shown by CLIENT LIST; an empty value removes it.
fn setinfo(call: &mut Call<'_>) -> CommandResult {
    let (option, value) = (call.args.at(2), call.args.at(3));
    let client = &mut *call.client;
    let place = if call.args.is(2, "LIB-NAME") {
        &mut client.identity.lib_name
    } else if call.args.is(2, "LIB-VER") {
        &mut client.identity.lib_ver
    } else {
        return Err(CommandError::naming(
            "ERR Unrecognized option '",
            option,
            "'",
        ));
    };
    if !value.iter().all(|b| (b'!'..=b'~').contains(b)) {
        const REASON: &str = " cannot contain spaces, newlines or special characters.";
        return Err(CommandError::naming("ERR ", option, REASON));
    }
    let value = std::str::from_utf8(value).expect("printable ASCII");
    *place = (!value.is_empty()).then(|| value.into());
    call.reply.ok();
    Ok(())
}

const REPLY: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: USUAL.union(Flags::NO_MULTI_IN_VALKEY),
    categories: Category::CONNECTION,
    facts: Facts::NOT_IN_CONSOLE,
    ..Spec::new("reply", reply)
};

/// `CLIENT REPLY ON|OFF|SKIP`.
///
/// Reply: OK for ON, nothing otherwise; dispatch drops the replies that follow.
fn reply(call: &mut Call<'_>) -> CommandResult {
    let flags = &mut call.client.flags;
    if call.args.is(2, "ON") {
        flags.remove(ClientFlags::REPLY_OFF | ClientFlags::REPLY_SKIP);
        call.reply.ok();
    } else if call.args.is(2, "OFF") {
        flags.insert(ClientFlags::REPLY_OFF);
    } else if call.args.is(2, "SKIP") {
        if !flags.contains(ClientFlags::REPLY_OFF) {
            flags.insert(ClientFlags::REPLY_SKIP_NEXT);
        }
    } else {
        return Err(CommandError::Syntax);
    }
    Ok(())
}

const NO_EVICT: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: USUAL.union(Flags::ADMIN),
    categories: Category::CONNECTION,
    ..Spec::new("no-evict", no_evict)
};

/// `CLIENT NO-EVICT ON|OFF`: exempts the connection from eviction by `maxmemory-clients`.
fn no_evict(call: &mut Call<'_>) -> CommandResult {
    switch(call, ClientFlags::NO_EVICT)
}

const NO_TOUCH: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE),
    categories: Category::CONNECTION,
    facts: Facts::NOT_IN_CONSOLE,
    ..Spec::new("no-touch", no_touch)
};

/// `CLIENT NO-TOUCH ON|OFF`: the connection's commands do not count as uses of keys.
fn no_touch(call: &mut Call<'_>) -> CommandResult {
    switch(call, ClientFlags::NO_TOUCH)
}

const CAPA: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: USUAL.union(Flags::ALLOW_BUSY),
    categories: Category::CONNECTION,
    ..Spec::new("capa", capa)
};

/// `CLIENT CAPA capability [capability ...]`: declares client capabilities. `REDIRECT`: it follows
/// redirections; unknown capabilities are ignored.
///
/// Reply: OK.
fn capa(call: &mut Call<'_>) -> CommandResult {
    let mut words = call.args.from(2).iter();
    if words.any(|word| word.eq_ignore_ascii_case(b"REDIRECT")) {
        call.client.flags.insert(ClientFlags::REDIRECTS);
    }
    call.reply.ok();
    Ok(())
}

const IMPORT_SOURCE: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: USUAL,
    categories: Category::CONNECTION,
    ..Spec::new("import-source", import_source)
};

/// `CLIENT IMPORT-SOURCE ON|OFF`: the connection imports another server's data: while `import-mode`
/// is on, it sees expired keys as if they had not expired.
fn import_source(call: &mut Call<'_>) -> CommandResult {
    if !call.server.config.import_mode && !call.args.is(2, "OFF") {
        return Err(CommandError::Text("ERR Server is not in import mode"));
    }
    switch(call, ClientFlags::IMPORTS)
}

fn switch(call: &mut Call<'_>, flag: ClientFlags) -> CommandResult {
    let on = call.args.is(2, "ON");
    if !on && !call.args.is(2, "OFF") {
        return Err(CommandError::Syntax);
    }
    call.client.flags.set(flag, on);
    call.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn import_source_is_for_clients_while_the_server_allows_it() {
        let mut t = Testbed::new();
        let refused = "-ERR Server is not in import mode\r\n";
        assert_eq!(t.run("CLIENT IMPORT-SOURCE ON"), refused);
        assert_eq!(t.run("CLIENT IMPORT-SOURCE x"), refused);
        t.run("CONFIG SET import-mode yes");
        assert_eq!(t.run("CLIENT IMPORT-SOURCE x"), "-ERR syntax error\r\n");
        assert_eq!(t.run("CLIENT IMPORT-SOURCE ON"), "+OK\r\n");
        assert!(t.run("CLIENT INFO").contains(" flags=UI "));
        assert_eq!(t.run("CLIENT IMPORT-SOURCE OFF"), "+OK\r\n");
        assert_eq!(t.run("CLIENT CAPA redirect other"), "+OK\r\n");
    }

    #[test]
    fn a_name_is_kept_until_it_is_emptied() {
        let mut t = Testbed::new();
        assert_eq!(t.run("CLIENT GETNAME"), "$-1\r\n");
        assert_eq!(t.run("CLIENT SETNAME me"), "+OK\r\n");
        assert_eq!(t.run("CLIENT GETNAME"), "$2\r\nme\r\n");
        let refusal =
            "-ERR Client names cannot contain spaces, newlines or special characters.\r\n";
        assert_eq!(
            t.run_args(&[b"CLIENT", b"SETNAME", b"a b"]),
            refusal.as_bytes()
        );
        assert_eq!(t.run_args(&[b"CLIENT", b"SETNAME", b""]), b"+OK\r\n");
        assert_eq!(t.run("CLIENT GETNAME"), "$-1\r\n");
    }

    #[test]
    fn a_library_is_shown_in_info() {
        let mut t = Testbed::new();
        assert_eq!(t.run("CLIENT SETINFO lib-name redis.py"), "+OK\r\n");
        assert_eq!(t.run("CLIENT SETINFO LIB-VER 1.2"), "+OK\r\n");
        let info = t.run("CLIENT INFO");
        assert!(
            info.contains(" lib-name=redis.py lib-ver=1.2 io-thread=0 tot-net-in="),
            "{info}"
        );
        assert_eq!(
            t.run("CLIENT SETINFO x y"),
            "-ERR Unrecognized option 'x'\r\n"
        );
        let refusal =
            b"-ERR lib-Ver cannot contain spaces, newlines or special characters.\r\n".as_slice();
        assert_eq!(
            t.run_args(&[b"CLIENT", b"SETINFO", b"lib-Ver", b"a\n"]),
            refusal
        );
    }

    #[test]
    fn replies_can_be_skipped_and_turned_off() {
        let mut t = Testbed::new();
        assert_eq!(t.run("CLIENT REPLY SKIP"), "");
        assert_eq!(t.run("PING"), "");
        assert_eq!(t.run("PING"), "+PONG\r\n");
        assert_eq!(t.run("CLIENT REPLY OFF"), "");
        assert_eq!(t.run("PING"), "");
        assert_eq!(t.run("CLIENT REPLY SKIP"), "");
        assert_eq!(t.run("NOSUCH"), "");
        assert_eq!(t.run("CLIENT REPLY ON"), "+OK\r\n");
        assert_eq!(t.run("PING"), "+PONG\r\n");
        assert_eq!(t.run("CLIENT REPLY MAYBE"), "-ERR syntax error\r\n");
    }
}
