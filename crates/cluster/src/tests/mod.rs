//! Small clusters on a network that delivers at once: each rule by itself.
//!
//! A test issues commands, ticks and messages, and looks at replies, actions and the core's state.
//! Clocks and seeds are the test's, so that it takes no real time and always ends alike. `net` has
//! the network and a cluster that is well (`Net::cluster`).
//!
//! Elsewhere: delays and random trouble (`simulation`), real processes (`tests/it`).

mod explain;
mod failover;
mod members;
mod membership;
mod net;
mod routing;
mod secret;
mod slots;
mod strangers;
