//! Sentinel: watches primaries, agrees with other Sentinels that one is down, and promotes a replica.

mod actions;
mod address;
mod commands;
mod config;
mod core;
mod discovery;
mod down;
mod failover;
mod groups;
mod instances;
mod links;
mod monitor;
mod orders;
mod refresh;
mod scripts;
mod select;
mod shared;
mod time;
mod votes;
