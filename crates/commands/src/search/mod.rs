//! The commands of indexes: full text, tags, numbers, places and vectors over hashes and JSON.
//!
//!     row            flags, categories, refusals, the index of a name
//!     definitions    CREATE, ALTER, DROPINDEX, _LIST
//!     aliases        ALIASADD, ALIASUPDATE, ALIASDEL, ALIASLIST
//!     query          SEARCH
//!     aggregate      AGGREGATE; CURSOR
//!     hybrid         HYBRID
//!     profile        PROFILE; EXPLAIN, EXPLAINCLI
//!     legacy         ADD, SAFEADD, GET, MGET, DEL, SYNADD
//!     debug          DEBUG
//!     settings       the settings of queries
//!     shards         queries over all shards of a cluster
//!     walk           a running query, in slices
//!     reply          rows as they are replied
//!     info           INFO, ERRORS
//!     words          TAGVALS, SYNUPDATE, SYNDUMP, DICTADD, DICTDEL, DICTDUMP
//!     configuration  CONFIG
//!     spelling       SPELLCHECK
//!     suggestions    SUGADD, SUGGET, SUGDEL, SUGLEN
//!
//! Decided elsewhere: the query language, the indexes, stages and scores: `russet_search`; when a
//! document is read: `server::search`.

mod aggregate;
mod aliases;
mod configuration;
mod debug;
mod definitions;
#[cfg(test)]
mod definitions_tests;
mod hybrid;
mod info;
mod legacy;
mod profile;
mod query;
mod reply;
mod row;
mod settings;
mod shards;
mod spelling;
mod suggestions;
mod walk;
mod words;

use russet_server::Spec;

pub(super) static SPECS: &[Spec] = &[
    aggregate::AGGREGATE,
    debug::DEBUG,
    debug::OLD_DEBUG,
    legacy::ADD,
    legacy::DEL,
    legacy::GET,
    legacy::MGET,
    legacy::SAFEADD,
    legacy::SYNADD,
    aliases::ALIASADD,
    aliases::ALIASADDIFNX,
    aliases::ALIASDEL,
    aliases::ALIASDELIFX,
    aliases::ALIASLIST,
    aliases::ALIASUPDATE,
    definitions::ALTER,
    definitions::ALTERIFNX,
    configuration::CONFIG,
    definitions::CREATE,
    definitions::CREATEIFNX,
    aggregate::CURSOR,
    words::DICTADD,
    words::DICTDEL,
    words::DICTDUMP,
    definitions::DROP,
    definitions::DROPIFX,
    definitions::DROPINDEX,
    definitions::DROPINDEXIFX,
    profile::EXPLAIN,
    profile::EXPLAINCLI,
    hybrid::HYBRID,
    info::ERRORS,
    info::INFO,
    definitions::LIST,
    profile::PROFILE,
    query::SEARCH,
    spelling::SPELLCHECK,
    suggestions::SUGADD,
    suggestions::SUGDEL,
    suggestions::SUGGET,
    suggestions::SUGLEN,
    words::SYNDUMP,
    words::SYNUPDATE,
    words::TAGVALS,
];
