//! Clients: each client writes to a server that takes the write, and continues, or waits for
//! replicas.

use super::broken::Broken;
use super::checks::{AckLevel, Scope};
use super::data::{Write, slot_of};
use super::world::{CLUSTER, PRIMARIES, WATCHED, World};

/// The time that a client waits for replicas.
const WAIT_MS: i64 = 5000;

/// A client that waits for replicas.
pub struct WaitingClient {
    write: Write,
    pub host: usize,
    offset: u64,
    until: i64,
}

impl World {
    /// Whether a server takes writes to these keys now.
    pub fn takes(&self, host: usize, scope: Scope) -> bool {
        if !self.is_awake_host(host) || !World::is_server(host) {
            return false;
        }
        let (server, clock) = (self.server(host), self.clock(host));
        let is_twice = self.broken == Some(Broken::Twice);
        if !(server.node.is_primary() || is_twice) || server.node.is_loading {
            return false;
        }
        match (&server.member, scope) {
            (None, None) => {
                self.broken == Some(Broken::NoGate) || server.has_replica(clock.monotonic_ms as u64)
            }
            (Some(member), Some(slot)) => {
                let Some(core) = &member.core else {
                    return false;
                };
                let serves = match self.broken {
                    Some(Broken::Minority) => core.is_mine(slot),
                    Some(Broken::Twice) => core.is_of_my_primary(slot),
                    _ => core.serves(slot),
                };
                let is_held = member.moves.as_ref().is_some_and(|its| its.holds(slot));
                serves && !is_held && clock.monotonic_ms >= member.paused_until
            }
            _ => false,
        }
    }

    pub fn clients(&mut self) {
        let host = self.random.place(WATCHED + 2 * PRIMARIES);
        if host < WATCHED {
            return self.write(host, None);
        }
        // Three nodes, like a client that is redirected.
        for _ in 0..3 {
            let host = CLUSTER + self.random.place(2 * PRIMARIES);
            let slot = slot_of(self.random.next_u64());
            self.write(host, Some(slot));
        }
    }

    fn write(&mut self, host: usize, scope: Scope) {
        if !self.takes(host, scope) {
            return;
        }
        let may = match scope {
            Some(_) => self.may_serve(host),
            None => self.may_write_alone(host),
        };
        self.check(may);
        if !self.server(host).node.is_primary() {
            return;
        }
        self.numbers += 1;
        let slots = super::data::WRITTEN_SLOTS;
        let write = self.numbers * slots + u64::from(scope.unwrap_or(0)) * slots / 16_384;
        let waits = self.random.place(4) == 0;
        let until = self.now + WAIT_MS;
        let is_early = self.broken == Some(Broken::Early);
        let is_deaf = self.broken == Some(Broken::Deaf);
        let server = self.server_mut(host);
        server.node.write(&[(b"write", write)]);
        if let Some(moves) = server.member.as_mut().and_then(|its| its.moves.as_mut()) {
            moves.stream(write, is_deaf);
        }
        let offset = server.node.stream.offset();
        if waits {
            server.node.append(&[b"REPLCONF", b"GETACK", b"*"]);
        } else {
            server.unanswered.push(write);
        }
        self.checks.wrote(write, host, scope);
        if waits && is_early {
            let acknowledged = self.checks.acknowledged(write, AckLevel::All);
            return self.check(acknowledged);
        }
        if waits {
            self.waiting.push(WaitingClient {
                write,
                host,
                offset,
                until,
            });
        }
    }

    /// Answers clients whose wait is over.
    pub fn end_waits(&mut self, host: usize) {
        let now = self.now;
        let all = if host < WATCHED { WATCHED - 1 } else { 1 };
        for waiting in std::mem::take(&mut self.waiting) {
            if waiting.host != host {
                self.waiting.push(waiting);
            } else if self.server(host).acknowledged(waiting.offset) >= all {
                let acknowledged = self.checks.acknowledged(waiting.write, AckLevel::All);
                self.check(acknowledged);
            } else if waiting.until > now {
                self.waiting.push(waiting);
            }
        }
    }
}
