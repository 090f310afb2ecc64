//! Sentinels in a simulated world: known situations with their outcomes, and random situations.
//!
//! `world` has the network, the clocks and the files, all from one seed, with `node` for the data
//! nodes; its every action is checked against the invariants (`checks`). `storms` makes random
//! situations, the other tests make known situations.

mod checks;
mod commands;
mod explained;
mod node;
mod reported;
mod situations;
mod storms;
mod strange;
mod world;
