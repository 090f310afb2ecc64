//! The way of a command: parsed in batches, dispatched, checked at the gates, run; scripts, waits.
//!
//! # One command
//!
//! 1. **Read.** `Loop::receive` reads into the one shared 64 KiB buffer; a client whose commands
//!    arrive whole never owns a query buffer. The rest of a partial command moves to the client's
//!    `Input`, together with the state of its parser, so that a command of a million arguments in
//!    small pieces is still parsed in linear time (`resp/request.rs`). The list of the command's
//!    arguments is lent to the batch and counts as the client's memory. The input of a client that
//!    was stopped is executed from an offset, so that nothing is copied in each of its turns. An
//!    incomplete argument of 32 KiB or more moves to a block of its own (`base/memory/large.rs`),
//!    and `readv` reads the socket straight into it; bytes after its end go to the query buffer.
//!    The block grows with the bytes received, to at most eight times their number and never beyond
//!    the announced length, so it ends with the length that a string's block needs.
//! 2. **Parse ahead.** `Engine::run_buffer` (`server/execution/batch.rs`, `clients/batch.rs`)
//!    parses up to 16 commands; arguments are spans of the buffer, without allocations. Each row of
//!    the command table has a plan of its keys' positions (`command/plan.rs`), which all code uses
//!    that needs a command's keys. Keys that the plan finds directly are hashed, and three things
//!    are prefetched for all of them in turn: the directory's word, the two lines of the hash table
//!    that may hold the key, and the entry whose tag matches (the table's word says whether it is
//!    longer than a cache line). Without a match the third prefetch is for an insert: the segment's
//!    header and, if both lines are full, the lines beside them. Rows may add the same for the
//!    table inside a large set, hash or sorted set. Batches are short because the first-level cache
//!    is small: with 32 commands a SET among a million keys costs a fifth more than with 16, whose
//!    lines are all still cached when the last command stores. Parsing and prefetching the next
//!    commands while these run gains nothing (measured: the same within 2 %): the remaining waits
//!    are page table walks, which a prefetch waits for as well. All prefetches are hints: handlers
//!    look up again, so any command may change anything. For clients that send a single short
//!    command at a time, the loop prefetches across the requests of a turn (`server/run/early.rs`).
//!    The hashes are passed on (`keyspace::KeyHash`, 16 bytes, with room for a cluster slot).
//! 3. **Gates.** `Engine::dispatch` (`server/execution/dispatch.rs`) finds the row and passes the
//!    command through the gates (`execution/gates`), one list (`ask_all`) in Redis's order,
//!    and each entry says for which origins it is asked (a client, EXEC, a script, a file being
//!    loaded): allowed, authenticated, permitted to the user, memory, disk, pub/sub context,
//!    loading, busy script, transaction, CLIENT PAUSE, a snapshot that must save first. A gate sees
//!    the row, the arguments, the client and the origin (`GatedCommand`); it refuses the command,
//!    or postpones it (`Stop`). `Interest` is a mask of row flags that the server's state makes
//!    relevant; a client in no special state, with a row that has none of these flags, skips the
//!    gates by two tests, whatever limit or password is set. Each row's plan says which arguments
//!    are keys, without an allocation (`command/plan.rs`): the batch, the gates, the undo log and
//!    COMMAND GETKEYS use the same plan. Options that name keys are parsed by one list of words
//!    (`command/options.rs`), which handler and plan share; a test compares every handler's lookups
//!    with its plan (`commands/conformance/opened_keys.rs`).
//! 4. **Run.** `World::run` (`server/execution/execute.rs`) is the only place that calls a handler.
//!    `World` is all parts at once (keyspace, server, client, reply); `Origin` is what runs the
//!    command: a client, a retry of a blocked command, EXEC, a script, the loader. `World::run`
//!    nests, and restores the notes and counts of the outer command. It times the handler with the
//!    cycle counter, which is read once for up to four neighbours of a batch that call the same
//!    fast command (`execution/timed.rs`); it counts, logs slow commands, and reports to the
//!    observers of every command (`Server::observe`): MONITOR, and a session of HOTKEYS
//!    (`server/parts/observe/hotkeys`), whose sketch and time are bounded. A flag says whether
//!    there are any observers.
//! 5. **Handle.** A handler gets a `Call`: arguments, reply, a database (`keyspace::Db`), client,
//!    server. Arguments are slices, wherever their bytes are; a command that stores a string names
//!    the argument (`NewValue::argument`), and the entry takes over the block of a large argument
//!    without a copy, while a pin keeps the argument readable until the command has been reported.
//!    The row is beside the handler (`commands/<group>`); COMMAND, ACL categories, key extraction
//!    and arity checks are computed from rows, there is no second list.
//! 6. **Record the change and the effect.** A single function records every change of a key,
//!    `Keyspace::record_change` (`keyspace/listeners/record.rs`): it touches the watches, and adds
//!    a line to the journal if there is a listener. A command of hashes adds the fields that it
//!    touched to that line (`Db::changed_fields`), only while subkey events are on. The journal is
//!    drained after each command, inside EXEC too. The *effect*, which is propagated to the log and
//!    replicas, is the command's own arguments unless the command records other commands
//!    (`Call::rewrite`); expiry and eviction record their own effects. An effect is encoded once,
//!    when it is recorded, into the current unit (`keyspace/listeners/effects.rs`); a complete unit
//!    is propagated as bytes, in MULTI and EXEC if it has several requests. Without a listener
//!    nothing is built.
//! 7. **Wake and notify.** Keys that became ready serve the clients blocked on them
//!    (`Engine::serve_ready_keys`): the blocked command passes the gates and runs again from the
//!    start, so each command has a single implementation. Readers of a group also run again when
//!    their key is removed or changes its type (`Waiting::touch`), and reply with the error
//!    themselves. A client waits `Until` a condition (`clients/blocked.rs`), and the reply to a
//!    timeout is computed when the time is up: a fixed reply, or the handler's, which runs
//!    again with `Origin::TimeUp` (`execution/blocking.rs`). Messages to clients (MONITOR, a
//!    touched watch) wait in the outbox (`server/parts/messages/outbox.rs`) until the command that
//!    caused them has replied.
//! 8. **Reply.** Replies are appended to a buffer of the client, taken from a pool and returned
//!    when all is sent. A string of 16 KiB or more is pinned instead of copied
//!    (`base/memory/pin.rs`) and sent from its place by `writev`; changing or freeing it meanwhile
//!    leaves the old bytes alone until the last pin is released. A message to many clients is
//!    encoded once and shared (`Reply::shared`). If a reply exceeds the hard limit of the client's
//!    class, the server abandons it while it is written (`Reply::set_limit`), and closes the
//!    client.

pub mod applier;
pub mod batch;
pub mod blocking;
pub mod busy;
pub mod cross_protocol;
pub mod debugging;
pub mod dispatch;
pub mod execute;
pub mod gates;
pub mod script;
pub mod slices;
pub mod timed;
pub mod undo;
