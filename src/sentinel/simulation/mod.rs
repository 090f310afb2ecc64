//! Sentinels in a simulated world: what they do in known situations, and what holds in random ones.

mod checks;
mod commands;
mod explained;
mod live;
mod node;
mod situations;
mod storms;
mod strange;
mod told;
mod world;
