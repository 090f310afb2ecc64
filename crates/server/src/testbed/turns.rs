//! Turns of the loop by hand: commands that wait for their next slice get the slice when a test
//! asks for it.
//!
//! A turn is what `run::Loop::work` does for running commands, without sockets: due timeouts, a
//! slice of long work, ready keys, freed values, indexes. Between two turns a server would serve
//! its other clients, so the longest turn is the time that a command holds the loop.

use super::Testbed;
use crate::clients::blocked::Until;
use crate::clients::ending::EndReason;
use crate::state::world::Engine;
use russet_base::wake::Wake;
use russet_keyspace::ClientId;
use russet_resp::OwnedArgs;

impl Testbed {
    /// Lets long commands leave the loop. `workers`: threads for work that cannot be divided; 0:
    /// the loop does such work itself.
    ///
    /// The server believes its machine `slowness` times slower than it is: slices end so much
    /// earlier, so that a small world has as many slices as a large world.
    pub fn serve_in_turns(&mut self, workers: u32, slowness: u64) {
        let server = &mut self.engine.server;
        server.tasks.set_wake(Wake::default());
        server.config.task_threads = workers;
        server.cycles.slow_down(slowness);
    }

    /// Begins a command of each of these clients in a single turn; the replies stay with them.
    pub fn begin(&mut self, clients: &[ClientId], args: &[&[u8]]) {
        let owned: OwnedArgs = args.iter().copied().collect();
        self.engine.server.stats.turns += 1;
        let mine = self.client;
        for &client in clients {
            self.client = client;
            self.dispatch(owned.args());
        }
        self.client = mine;
        self.engine.serve_ready_keys();
    }

    /// Another turn; `is_idle`: it has no events.
    pub fn turn(&mut self, is_idle: bool) {
        let engine = &mut self.engine;
        engine.server.stats.turns += 1;
        engine.time_out_blocked();
        // Workers that have ended something have woken the loop.
        engine.serve_tasks();
        engine.continue_search(is_idle);
        engine.continue_commands();
        engine.serve_ready_keys();
        engine.continue_freeing();
        engine.continue_indexing();
    }

    /// Whether a client waits for its command's next slice.
    pub fn is_under_way(&self, client: ClientId) -> bool {
        let session = self.engine.server.clients.get(client);
        let blocked = session.and_then(|session| session.client.blocked.as_deref());
        blocked.is_some_and(|blocked| matches!(blocked.until, Until::Task(_)))
    }

    /// CLIENT KILL, and the end of the connection.
    pub fn kill(&mut self, client: ClientId) {
        let Engine {
            keyspace, server, ..
        } = &mut self.engine;
        server.kill_client(keyspace, client, EndReason::Killed);
        if let Some(mut session) = self.engine.server.clients.take(client) {
            self.engine.forget(&mut session);
        }
    }

    /// Ends all cursors.
    pub fn end_cursors(&mut self) {
        self.engine.server.search.cursors.expire(u64::MAX);
    }

    /// Whether no work of commands under way and no cursor is left.
    pub fn is_at_rest(&self) -> bool {
        let server = &self.engine.server;
        let is_done = !server.tasks.has_slices() && server.turns.is_empty();
        is_done && server.search.cursors.count(b"").1 == 0
    }

    /// The client whose commands [`Testbed::run`] runs.
    pub fn first_client(&self) -> ClientId {
        self.client
    }
}
