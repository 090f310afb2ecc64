//! Black-box tests: a real daemon, a free port, a temporary folder, deadlines.
//!
//! | module | subject |
//! |---|---|
//! | `acl` | users, their file, floods of passwords |
//! | `aof` | the append only file, after crashes and with real servers |
//! | `backup` | backups, restoring, moving from and to other servers |
//! | `benchmark` | `russet benchmark` beside redis-benchmark: tests, output, errors |
//! | `bitmaps` | native bitmaps: files, logs, replicas, events |
//! | `blocking` | clients that block on a key |
//! | `changes` | the change stream: consumers, restarts, failovers, the example of a mirror |
//! | `budgets` | budgets per user: delays, refusals, files |
//! | `check` | `check-aof` and `check-rdb`, compared with the real tools |
//! | `cli` | `russet cli` beside redis-cli: output, errors, status |
//! | `clients` | an application's client library |
//! | `config` | CONFIG on a running server |
//! | `connections` | accepting and ending connections |
//! | `console` | `console-port`: doors, sessions, commands, streams |
//! | `convert` | files for other servers, and data that these cannot read |
//! | `estimates` | count-min sketches, top-k lists and t-digests, beside Redis Stack |
//! | `flush_undo` | flushed data that comes back |
//! | `full_disk` | a full disk, and recovery from it |
//! | `hostile` | clients that break the protocol or strain the server |
//! | `json` | JSON documents: files, payloads, the log and replication, to and from Redis Stack |
//! | `known_holes` | the published vulnerabilities of Redis and Valkey |
//! | `large` | large arguments |
//! | `long_documents` | documents that take long: the server serves other clients meanwhile |
//! | `memory` | used memory: when it is allocated and freed |
//! | `metrics` | the answers of `metrics-port` |
//! | `messages` | pub/sub, events and client-side caching, under strain |
//! | `newer` | words of Redis 8.12: the log, restarts, replicas |
//! | `operate` | the steps of docs/operate.md |
//! | `operator` | the tools that query a running server |
//! | `operator_group` | the doctor beside Sentinels |
//! | `packing` | cold strings packed in memory |
//! | `path_hash` | path hashes: files of both dialects, the log, replicas |
//! | `process` | the daemon's own process: background, pid file, signals, log, crash report |
//! | `rdb` | files and payloads, exchanged with other servers |
//! | `redis_cli` | Redis's own tools |
//! | `reload` | a configuration read again, secrets from elsewhere, waiting for clients |
//! | `repl_compression` | compressed links: forms, switches, damage, other makers, without it |
//! | `replication` | primaries and replicas: refusals, demotions, `russet tail`, figures |
//! | `replication_tls` | links to a primary under TLS, with the real Redis too |
//! | `sandbox` | scripts that try to escape, or to exhaust resources |
//! | `script_memory` | memory used for scripts outside Lua |
//! | `scripts` | scripts that run for long |
//! | `search` | indexes: writes seen at once, files, the log, replication, beside Redis Stack |
//! | `sentinel_docs` | the section Sentinel of docs/operate.md, line by line |
//! | `sketches` | filters: files, payloads, chunks, the log, replication, beside Redis Stack |
//! | `slices` | commands that take long by themselves |
//! | `snapshots` | snapshots as files |
//! | `stack` | a Redis Stack beside russet, for the tests that need it |
//! | `startup` | how a server starts, and how it refuses to |
//! | `strangers` | the cost of strangers by their number, and how long others wait meanwhile |
//! | `time_series` | time series: files, rules, the log, replication, beside Redis Stack |
//! | `tls` | connections under TLS, and failing handshakes |
//! | `vectors` | vector sets: searches off the loop, the log, replicas |
//! | `harness` | the tests' own tools, checked with a real Redis |

#[path = "../support/mod.rs"]
mod support;

mod acl;
mod aof;
mod audit;

mod backup;
mod benchmark;
mod bitmaps;
mod blocking;
mod budgets;
mod changes;
mod check;
mod cli;
mod clients;
mod closed;
mod config;
mod connections;
mod console;
mod convert;
mod debugger;
mod dialect;
mod estimates;
mod flush_undo;
mod full_disk;
mod full_memory;
mod harness;
mod hostile;
mod io_threads;
mod json;
mod known_holes;
mod large;
mod long_documents;
mod memory;
mod messages;
mod metrics;
mod migrate;
mod newer;
mod operate;
mod operator;
mod operator_group;
mod packing;
mod path_hash;
mod process;
mod rdb;
mod redaction;
mod redis_cli;
mod reload;
mod repl_compression;
mod replication;
mod replication_tls;
mod sandbox;
mod script_memory;
mod scripts;
mod search;
mod search_databases;
mod search_definitions;
mod search_memory;
mod sentinel_docs;
mod sketches;
mod slices;
mod slow_disk;
mod snapshots;
mod stack;
mod startup;
mod strangers;
mod stream;
mod suggestions;
mod time_series;
mod tls;
mod vectors;
