//! Small clusters on a network that delivers at once: each rule by itself.
//!
//! A test issues commands, ticks and messages, and looks at replies, actions and the core's state.
//! The test owns clocks and seeds, so that it takes no real time and always ends in the same way.
//! `net` has the network and a healthy cluster (`Net::cluster`).
//!
//! Elsewhere: delays and random trouble (`simulation`), real processes (`tests/it`).

mod explain;
mod failover;
mod group;
mod members;
mod membership;
mod net;
mod routing;
mod secret;
mod slots;
mod strangers;
