//! What the loop keeps between its turns.

pub mod pace;
pub mod reload;
pub mod turn;
