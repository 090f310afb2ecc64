//! The exemptions of each flag of a connection, and how a connection gets the flag. The tests
//! of `russet-commands` prove that no single right does more.
//!
//! Links and clients without a connection:
//!
//! - `REPLICA`, `RDB_CHANNEL`: by PSYNC or SYNC of a user who may run it. Exempt from the user's
//!   budgets, `timeout`, `maxmemory-clients`, CLIENT PAUSE; the limit of replies is a replica's.
//!   The connection touches no key; the server closes it at any reply to it, and at CLIENT REPLY
//!   OFF.
//! - `PRIMARY`: a connection that this server has made to its primary. Exempt from all gates, and
//!   from limits of requests and replies, because its commands are the stream.
//! - `SENDS_SLOTS`: by CLUSTER SYNCSLOTS ESTABLISH at a node, of a user with RESTORE on all keys;
//!   or a connection that this node has made to a source. Exempt from all gates except the user's
//!   permissions, from limits of requests, budgets, `timeout`; the connection may run only a list
//!   of commands, on the slots of the migration.
//! - `INTERNAL`: by AUTH with the cluster's secret, `dialect redis`. Exempt from its user's
//!   permissions, budgets, `timeout`; it runs a list of commands that move slots.
//! - `FAKE`: no connection, but scripts, the loader, modules. Exempt from gates for clients, CLIENT
//!   PAUSE, budgets.
//!
//! Clients:
//!
//! | flag | given by | exempts from |
//! |---|---|---|
//! | `PROVEN` | a login with a credential | `remote-admin-without-auth no` |
//! | `MONITOR` | MONITOR of a user who may run it | `timeout`, CLIENT PAUSE. It touches no key |
//! | `NO_EVICT` | CLIENT NO-EVICT | `maxmemory-clients` |
//! | `PUBSUB` | a subscription | `timeout`; the limit of replies is that of subscribers |
//! | `BLOCKED`, `HELD` | a command that waits, a budget that is used up | `timeout` |
//! | `ASKING`, `READS_HERE`, `REDIRECTS` | ASKING, READONLY, CLIENT CAPA | MOVED and ASK |
//! | `IMPORTS` | CLIENT IMPORT-SOURCE | expiry, while `import-mode` is on |
//! | `REPLY_OFF`, `REPLY_SKIP` | CLIENT REPLY | its replies, and their charge in `bytes=` |
//! | `NO_TOUCH` | CLIENT NO-TOUCH | the access times of keys |
//!
//! Conversely `UNAUTHENTICATED`, `RESTRICTED` and `BUDGETED` bind a connection: only a login, or
//! the commands that make it a link, take them away.
//!
//! `DEBUGS`, `DEBUGS_HERE` are given by SCRIPT DEBUG and exempt from nothing: the debugger's
//! commands run as the client's user, and the connection ends with the debugger's session.
//!
//! A session of the console (`Client::console`) is no flag: it runs under its user, and cannot
//! become a link.
