//! russet: a Redis-compatible server daemon.
//!
//! `docs/architecture.md` follows one command from accept to reply. The modules below
//! are in layers: each uses what stands above it, never what stands below.
#![deny(unsafe_code)]

pub mod base;
pub mod resp;
pub mod net;
pub mod config;
pub mod command;
pub mod encodings;
pub mod types;
pub mod keyspace;
pub mod server;
pub mod commands;
