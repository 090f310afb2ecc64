//! The loop while a script runs for long: the server reads from other clients and answers BUSY, or
//! runs their command if it is among the few that are allowed.
//!
//! The script is in the middle of a turn of the loop, which has lent out the engine. So a guest, a
//! second loop without a poll, takes the engine's place: keyspace and server are swapped into it
//! for a moment and back. It asks the kernel which sockets are readable with `poll`. The loop's own
//! poll is edge-triggered: it will report these events later, when there is nothing left to read.

use crate::state::world::Guest;
use crate::state::{Connections, Server};
use russet_keyspace::Keyspace;

/// A round: accepts, reads, answers. The script's clock does not advance, except for TIME.
#[cold]
pub(crate) fn serve(keyspace: &mut Keyspace, server: &mut Server) {
    let Some(mut guest) = server.connections.take_guest() else {
        return;
    };
    let (now, now_ms) = (server.now, keyspace.now_ms());
    let start = server.turn.timing.start();
    // The script's effects and messages so far are not for other clients.
    let effects = keyspace.effects.set_aside();
    let posts = std::mem::take(&mut server.messages.outbox);
    guest.serve(keyspace, server);
    server.turn.served_us = Some(server.now.unix_us);
    server.now = now;
    keyspace.set_now_ms(now_ms);
    server.turn.timing.set_start(start);
    keyspace.effects = effects;
    server.messages.outbox.put_before(posts);
    server.connections.guest = Some(guest);
}

impl Connections {
    /// The loop that serves others meanwhile; `None` without a loop (tests).
    pub(crate) fn take_guest(&mut self) -> Option<Box<dyn Guest>> {
        if let Some(guest) = self.guest.take() {
            return Some(guest);
        }
        let registry = self.registry.as_ref()?;
        match self.new_guest?(registry) {
            Ok(guest) => Some(guest),
            Err(e) => {
                tracing::warn!("Nobody is served while a script runs: {e}");
                None
            }
        }
    }
}
