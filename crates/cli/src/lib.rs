//! `russet cli`: a client for people and scripts, with redis-cli's options and output.
//!
//!     arguments -> options -> a mode, or a session of commands
//!
//!     options    the command line; what redis-cli has beyond is refused by name
//!     link       the connection: TLS, login, database
//!     session    a command: sent, redirected, printed
//!     print      a reply as text, byte for byte redis-cli's
//!     words      lines into words, bytes into quoted text
//!     prompt     a terminal's lines: history, completion, hints, `help`
//!     modes      --scan, --pipe, --rdb, --latency, --stat, --bigkeys
//!
//! It knows the server by its commands alone, so it serves Redis and Valkey as well.
#![warn(missing_docs)]

mod link;
mod modes;
mod options;
mod print;
mod session;
mod words;
