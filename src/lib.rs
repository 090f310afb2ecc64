//! russet: a Redis-compatible server daemon.
//!
//! `docs/architecture.md` follows one command from accept to reply. The modules below
//! are in layers: each uses what stands above it, never what stands below.
#![deny(unsafe_code)]

pub mod base;
pub mod command;
pub mod commands;
pub mod config;
pub mod encodings;
#[cfg(feature = "testing")]
pub mod fuzzing;
pub mod keyspace;
pub mod net;
pub mod persistence;
pub mod resp;
pub mod server;
pub mod types;
