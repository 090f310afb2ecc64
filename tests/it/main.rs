//! Black-box tests: a real daemon, a free port, a temporary folder, deadlines.
//!
//! | module | what belongs there |
//! |---|---|
//! | `acl` | users, their file, floods of passwords |
//! | `aof` | the append only file, after crashes and with real servers |
//! | `backup` | backups, restoring, moving from and to other servers |
//! | `blocking` | clients that wait for a key |
//! | `check` | what is said of files that nobody serves, beside the real tools |
//! | `clients` | an application's client library |
//! | `config` | CONFIG on a running server |
//! | `connections` | how connections come and end |
//! | `full_disk` | a disk without room, and with it again |
//! | `hostile` | clients that break the rules or strain them |
//! | `known_holes` | what was published of Redis and Valkey, tried here |
//! | `large` | arguments of many bytes |
//! | `memory` | used memory, when it is taken and when it is back |
//! | `metrics` | what `metrics-port` answers, and whom |
//! | `messages` | pub/sub, events and client-side caching, strained |
//! | `operate` | the steps of docs/operate.md |
//! | `operator` | the tools that ask a running server |
//! | `process` | the daemon's own process: background, pid file, signals, log, crash report |
//! | `rdb` | files and payloads, and what other servers make of them |
//! | `redis_cli` | Redis's own tools |
//! | `sandbox` | scripts that want out, or everything |
//! | `script_memory` | what is made for scripts outside of Lua |
//! | `scripts` | scripts that run for long |
//! | `snapshots` | snapshots as files |
//! | `startup` | how a server starts, and how it refuses to |
//! | `tls` | connections under TLS, and those that do not come about |
//! | `harness` | that the tests' own tools work, shown on a real Redis |

#[path = "../support/mod.rs"]
mod support;

mod acl;
mod aof;
mod backup;
mod blocking;
mod check;
mod clients;
mod config;
mod connections;
mod full_disk;
mod harness;
mod hostile;
mod known_holes;
mod large;
mod memory;
mod messages;
mod metrics;
mod migrate;
mod operate;
mod operator;
mod process;
mod rdb;
mod redis_cli;
mod sandbox;
mod script_memory;
mod scripts;
mod snapshots;
mod startup;
mod stream;
mod tls;
