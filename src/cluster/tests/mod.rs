//! Small clusters on a network that delivers at once: the rules, one by one.

mod explain;
mod failover;
mod membership;
mod net;
mod routing;
mod secret;
mod slots;
mod strangers;
