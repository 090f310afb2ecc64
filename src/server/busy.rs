//! The loop while a script runs for long: others are read from, answered with BUSY or, where
//! their command is one of the few that are allowed, served.
//!
//! The script stands in the middle of a turn of the loop, which has lent out the engine. So a
//! guest, a loop of its own without a poll, takes the engine's place: keyspace and server are
//! swapped into it for a moment and back. It asks the kernel who has something to say (`poll`,
//! not the loop's own, which is edge-triggered: what happens here is news to the loop later,
//! and then there is nothing left to read).

use super::Server;
use super::run::Loop;
use crate::keyspace::Keyspace;

/// One round: accepts, reads, answers. The time of the script stands still.
#[cold]
pub(super) fn serve(keyspace: &mut Keyspace, server: &mut Server) {
    let Some(mut guest) = server.take_guest() else {
        return;
    };
    let (now, now_ms) = (server.now, keyspace.now_ms());
    let ended = server.turn.ended;
    // What the script has done and said so far is not their affair.
    let effects = keyspace.effects.set_aside();
    let posts = std::mem::take(&mut server.outbox);
    std::mem::swap(keyspace, &mut guest.engine.keyspace);
    std::mem::swap(server, &mut guest.engine.server);
    guest.serve_others();
    std::mem::swap(keyspace, &mut guest.engine.keyspace);
    std::mem::swap(server, &mut guest.engine.server);
    server.now = now;
    keyspace.set_now_ms(now_ms);
    server.turn.ended = ended;
    keyspace.effects = effects;
    server.outbox.put_before(posts);
    server.connections.guest = Some(guest);
}

impl Server {
    /// The loop that serves others meanwhile; `None` where there is no loop at all (tests).
    fn take_guest(&mut self) -> Option<Box<Loop>> {
        if let Some(guest) = self.connections.guest.take() {
            return Some(guest);
        }
        let registry = self.connections.registry.as_ref()?;
        match Loop::guest(registry) {
            Ok(guest) => Some(Box::new(guest)),
            Err(e) => {
                tracing::warn!("Nobody is served while a script runs: {e}");
                None
            }
        }
    }
}
