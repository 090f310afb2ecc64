//! CONFIG: the directives of indexes by the names that the module had before Redis 8.
//!
//! Options without a directive here, of threads, forks and pools, are not listed.

use super::row::READS;
use russet_command::{Arity, Category, CommandError};
use russet_config::{Directive, Flags, Gate, find};
use russet_server::{Call, CommandResult, Spec, World};

const NOT_AN_OPTION: CommandError = CommandError::Text("SEARCH_OPTION_INVALID Invalid option");
const BAD_VALUE: CommandError =
    CommandError::Text("SEARCH_PARSE_ARGS Could not convert argument to expected type");
const NOT_NOW: CommandError = CommandError::Text("SEARCH_PARSE_ARGS Not modifiable at runtime");
const NO_ACTION: CommandError =
    CommandError::Text("SEARCH_PARSE_ARGS No such configuration action");

/// An option: the name, the directive, and the text of HELP.
const OPTIONS: [(&str, &str, &str); 19] = [
    (
        "BM25STD_TANH_FACTOR",
        "search-bm25std-tanh-factor",
        "Number by which BM25STD.TANH divides scores",
    ),
    (
        "CURSOR_MAX_IDLE",
        "search-cursor-max-idle",
        "Milliseconds that a cursor may idle at most",
    ),
    (
        "CURSOR_READ_SIZE",
        "search-cursor-read-size",
        "Rows of a READ of a cursor without COUNT",
    ),
    (
        "DEFAULT_DIALECT",
        "search-default-dialect",
        "Dialect of queries that name none",
    ),
    (
        "DEFAULT_SCORER",
        "search-default-scorer",
        "Scorer of queries that name none",
    ),
    (
        "INDEX_CURSOR_LIMIT",
        "search-index-cursor-limit",
        "Cursors of an index at most",
    ),
    (
        "MAXAGGREGATERESULTS",
        "search-max-aggregate-results",
        "Rows of FT.AGGREGATE at most",
    ),
    (
        "MAXEXPANSIONS",
        "search-max-prefix-expansions",
        "Terms that a prefix stands for at most",
    ),
    (
        "MAXPREFIXEXPANSIONS",
        "search-max-prefix-expansions",
        "Terms that a prefix stands for at most",
    ),
    (
        "MAXSEARCHRESULTS",
        "search-max-search-results",
        "Rows of FT.SEARCH at most",
    ),
    (
        "MAX_AGGREGATE_GROUPS",
        "search-max-aggregate-groups",
        "Groups of a GROUPBY at most",
    ),
    (
        "MINPREFIX",
        "search-min-prefix",
        "Characters of a prefix at least",
    ),
    (
        "MINSTEMLEN",
        "search-min-stem-len",
        "Bytes that a word has at least to be stemmed",
    ),
    (
        "MIN_PHONETIC_TERM_LEN",
        "search-min-phonetic-term-len",
        "Bytes that a word has at least to be found by its sound",
    ),
    (
        "MULTI_TEXT_SLOP",
        "search-multi-text-slop",
        "Positions between two texts of a field",
    ),
    (
        "ON_OOM",
        "search-on-oom",
        "What a query replies while memory is short",
    ),
    (
        "ON_TIMEOUT",
        "search-on-timeout",
        "What a query replies whose time is up",
    ),
    (
        "TIMEOUT",
        "search-timeout",
        "Milliseconds that a query may take",
    ),
    (
        "_PRINT_PROFILE_CLOCK",
        "search-_print-profile-clock",
        "Whether FT.PROFILE shows times",
    ),
];

pub(super) const CONFIG: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: READS,
    categories: Category::SEARCH.union(Category::ADMIN),
    ..Spec::new("FT.CONFIG", config)
};

/// `FT.CONFIG GET | HELP option` and `FT.CONFIG SET option value`: options of all indexes; `*`
/// stands for all of them. `CONFIG GET search-*` and `CONFIG SET` are their newer form.
///
/// Reply: map (RESP2: array of pairs) of names and values, of HELP with descriptions; of SET OK.
/// O(options).
fn config(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let option = args.at(2);
    if args.is(1, "SET") {
        return set(call, option);
    }
    let helps = args.is(1, "HELP");
    if !helps && !args.is(1, "GET") {
        return Err(NO_ACTION);
    }
    let is_asked = |name: &str| option == b"*" || option.eq_ignore_ascii_case(name.as_bytes());
    let asked: Vec<_> = OPTIONS.iter().filter(|(name, ..)| is_asked(name)).collect();
    let config = &call.server.config;
    let value = |directive: &str| {
        let found = config.get(&[directive.as_bytes()]);
        found
            .into_iter()
            .next()
            .map(|(_, value)| value)
            .unwrap_or_default()
    };
    let is_map = call.reply.resp3();
    if is_map {
        call.reply.map(asked.len());
    } else {
        call.reply.array(asked.len());
    }
    for (name, directive, about) in asked {
        let value = value(directive);
        let reply = &mut *call.reply;
        if !is_map {
            reply.array(if helps { 5 } else { 2 });
        }
        reply.simple(name);
        if helps {
            if is_map {
                reply.map(2);
            }
            reply.simple("Description");
            reply.simple(about);
            reply.simple("Value");
        }
        match &*value {
            b"yes" if is_flag(directive) => reply.bulk(b"true"),
            b"no" if is_flag(directive) => reply.bulk(b"false"),
            value => reply.bulk(value),
        }
    }
    Ok(())
}

fn is_flag(directive: &str) -> bool {
    find(directive.as_bytes()).is_some_and(Directive::is_flag)
}

fn set(call: &mut Call<'_>, option: &[u8]) -> CommandResult {
    let is_it = |name: &str| option.eq_ignore_ascii_case(name.as_bytes());
    let found = OPTIONS.iter().find(|(name, ..)| is_it(name));
    let (_, directive, _) = found.ok_or(NOT_AN_OPTION)?;
    let value = call.args.get(3).ok_or(BAD_VALUE)?;
    if find(directive.as_bytes()).is_some_and(|its| its.flags.contains(Flags::IMMUTABLE)) {
        return Err(NOT_NOW);
    }
    let origin = call.origin;
    let World {
        keyspace,
        server,
        reply,
        ..
    } = call.world();
    // The older names know truth by another word.
    let word = if is_flag(directive) { value } else { b"" };
    let value: &[u8] = if word.eq_ignore_ascii_case(b"true") {
        b"yes"
    } else if word.eq_ignore_ascii_case(b"false") {
        b"no"
    } else {
        value
    };
    let gate = Gate {
        protected: true,
        loading: server.persist.loading.in_progress(),
    };
    let changes = server.config.set(&[directive.as_bytes(), value], gate);
    let changes = changes.map_err(|_| BAD_VALUE)?;
    let names = changes.names().to_vec();
    if let Err(refused) = server.settings_changed(keyspace, &names, origin) {
        let error = changes.roll_back(&mut server.config, refused.name, &refused.why);
        return Err(CommandError::Bytes(error.line()));
    }
    reply.ok();
    Ok(())
}
