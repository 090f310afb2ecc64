//! Connections held by their user's budgets resume when their turn comes.
//!
//! `parts::users::budgets` has a queue for each user, first in, first out, and decides when the
//! next connection is due and which share it has; here the connection runs. Its input stayed in the
//! session or in the socket, so commands keep their order and no command is lost.
//! Cost: for each user that is due, at most one turn for each waiting connection; `sleep` wakes the
//! loop when the next connection is due. Elsewhere: `users::budgets` admits, measures and charges
//! commands.

use super::Loop;

impl Loop {
    /// Resumes connections, each user's in the order in which they were held, as long as their
    /// budgets last: each runs its share of the budget that has come back. A connection with more
    /// to run waits again, after the others. At most one turn for each waiting connection.
    pub(crate) fn resume_held(&mut self) {
        let now_ms = self.engine.server.now.mono_ms;
        for (user, waiting) in self.engine.server.acl.accounts.due(now_ms) {
            for _ in 0..waiting {
                let acl = &mut self.engine.server.acl;
                let Some(id) = acl.accounts.begin_turn(user) else {
                    break;
                };
                let server = &mut self.engine.server;
                if let Some(mut session) = server.clients.take(id) {
                    server.acl.resume(&mut session.client);
                    server.clients.put_back(session);
                    self.advance(id);
                }
                self.engine.server.acl.accounts.end_turn(user);
            }
        }
    }
}
