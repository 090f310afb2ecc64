//! The console's calls. `russet_console` parses and formats them, `run::console` has their
//! connections, `parts::console` the state.
//!
//! | file | does |
//! |---|---|
//! | `answer` | chooses the answer to a request: files, calls |
//! | `sessions` | login, rights, lock, the end of sessions |
//! | `commands` | runs commands, through the gates of any client |
//! | `streams` | events of streams: subscriptions, figures, commands of others |
//! | `sample` | rows of the history |
//!
//! # The console
//!
//! `console` knows its protocol, but no server: requests and answers of HTTP, the doors, bodies of
//! calls, RESP3 as JSON, events, the rings of figures. HTTP that it shares with `metrics-port` is
//! in `russet_console::wire`, and the connections of both in `run/http.rs`. `build.rs` embeds the
//! files of `console/`, plain and gzipped, and puts the hash of all of them into their URLs, so
//! that a browser keeps them for ever; the result depends neither on time nor on place. Scripts are
//! served as they are written.
//!
//! `server::console` runs the calls. A session is a client in the table of clients that has no
//! connection (`Client::console`): CLIENT LIST shows it, CLIENT KILL and changes of users end it,
//! and each of its commands takes the careful way through the gates (`Engine::dispatch`), because
//! `NO_TOUCH` is set. The lock is a gate (`unlocked`): fixed rules of ACL on top of the user's own
//! (`parts/users/lock.rs`), which also checks a script's commands, by the script's caller. A call
//! continues over several turns, with a pipeline's share of each; a call with conditions, or an
//! atomic call, runs in a single turn. Replies are RESP3 in a limited buffer and become JSON when
//! the command has run (`commands.rs`). While a script of a session runs, its client is not in the
//! table: other calls of the session run on a substitute client, with the same user, database and
//! lock (`with_console_session`).
//!
//! A stream's subscriptions belong to a second client; its messages become events at the end of the
//! turn (`pass_messages`). Long messages are cut before they are copied or encoded,
//! whatever their length (`events::Messages`). Commands of other clients come from the observer of
//! every command, filtered and limited before they are written (`Tap`). An HTTP stream of POST
//! needs no preflight's exception and no framing of its own, which WebSocket would; EventSource
//! could send neither header nor body.
//!
//! The history is sampled by cron, once a second (`sample.rs`): three figures of the process and
//! counters, about 20 us. Percentiles are of the loop's turns, because a histogram of all commands
//! would cost time in each command.

pub mod answer;
pub mod commands;
pub mod sample;
pub mod sessions;
pub mod streams;
