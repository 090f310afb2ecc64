//! Clusters in a simulated world: what holds at every moment (`checks`) in random ones, and what
//! happens in known situations, in known times.

mod checks;
mod data;
mod hostile;
mod machine;
mod network;
mod operators;
mod scale;
mod situations;
mod storms;
mod world;
