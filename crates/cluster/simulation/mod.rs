//! Clusters in a simulated world: invariants in random storms (`checks`), and known situations in
//! known times.

mod checks;
mod data;
mod hostile;
mod machine;
mod operators;
mod scale;
mod situations;
mod storms;
mod world;
